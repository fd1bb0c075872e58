package challenge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/issue/acme"
)

func TestHTTP01(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	right := s.key.Authorization(testToken)
	for what, tt := range map[string]struct {
		page    http.HandlerFunc
		problem acme.ProblemType
	}{
		"right":               {says(right), ""},
		"white space behind":  {says(right + " \t\r\n\n"), ""},
		"white space before":  {says(" " + right), acme.Unauthorized},
		"nothing":             {says(""), acme.Unauthorized},
		"token alone":         {says(testToken), acme.Unauthorized},
		"of another account":  {says(testToken + "." + strings.Repeat("A", 43)), acme.Unauthorized},
		"in a page":           {says("<html>" + right + "</html>"), acme.Unauthorized},
		"twice":               {says(right + "\n" + right), acme.Unauthorized},
		"long":                {says(right + strings.Repeat(" ", 2*maxAnswer)), acme.Unauthorized},
		"404":                 {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); io.WriteString(w, right) }, acme.Unauthorized},
		"another 2xx":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(203); io.WriteString(w, right) }, acme.Unauthorized},
		"no HTTP":             {hijacked("SSH-2.0-OpenSSH_9.2\r\n"), acme.Connection},
		"ends at once":        {hijacked(""), acme.Connection},
		"cut off":             {hijacked("HTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\nev"), acme.Connection},
		"headers of 1 MiB":    {hijacked("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n"), acme.Connection},
		"headers without end": {hijacked("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 1<<16)), acme.Connection},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			v := *s.Validator
			v.httpPort = serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/.well-known/acme-challenge/"+testToken || r.Method != http.MethodGet || !strings.HasPrefix(r.Host, testName+":") || r.Header.Get("Cookie") != "" {
					t.Errorf("got %s %s of %s", r.Method, r.URL, r.Host)
				}
				tt.page(w, r)
			})
			want(t, (&stand{&v, s.names, s.key}).ask(t, acme.HTTP01, testName), tt.problem)
		})
	}
}

// hijacked answers with octets and closes.
func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		conn.Write([]byte(text))
		conn.Close()
	}
}

// TestEndlessAnswers: a gigabyte is not read, and what does not come is not waited for.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{Timeout: 500 * time.Millisecond})
	var sent atomic.Int64
	s.httpPort = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 64<<10)
		for sent.Load() < 1<<30 {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	want(t, s.ask(t, acme.HTTP01, testName), acme.Unauthorized)
	if n := sent.Load(); n > 64<<20 { // what fits into the buffers of the two kernels
		t.Errorf("%d octets were taken", n)
	}
	s.httpPort = serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // an octet, and no end
			io.WriteString(w, "e")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	p := s.ask(t, acme.HTTP01, testName)
	want(t, p, acme.Connection)
	if p != nil && !strings.Contains(p.Detail, "too long") {
		t.Errorf("got %v", p)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s.httpPort, s.tlsPort = portOf(silent), portOf(silent)
	want(t, s.ask(t, acme.HTTP01, testName), acme.Connection)
	want(t, s.ask(t, acme.TLSALPN01, testName), acme.Connection)
}

// TestRedirects: to the two ports of the web and no others, to no address that policy refuses, and not for ever.
func TestRedirects(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.names.Set(t, "inside.example.test", "A", "10.0.0.1")
	s.names.Set(t, "cloud.example.test", "A", "169.254.169.254")
	right := s.key.Authorization(testToken)
	secret := httptest.NewServer(says(right)) // on another port of this machine
	defer secret.Close()
	web := http.NewServeMux()
	secure := httptest.NewTLSServer(web)
	defer secure.Close()
	plain := httptest.NewServer(web)
	defer plain.Close()
	s.httpPort, s.tlsPort = portOf(plain.Listener), portOf(secure.Listener)
	web.HandleFunc("/right", says(right))
	web.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	web.HandleFunc("/hops/", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscanf(r.URL.Path, "/hops/%d", &n)
		if n <= 1 {
			io.WriteString(w, right)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/hops/%d", n-1), http.StatusFound)
	})
	to := make(chan string, 1)
	web.HandleFunc("/.well-known/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", <-to)
		w.WriteHeader(http.StatusMovedPermanently)
	})
	for location, problem := range map[string]acme.ProblemType{
		"/right": "", "http://other.example.test/right": "", "https://other.example.test/right": "", "/hops/10": "",
		fmt.Sprintf("https://other.example.test:%d/right", s.tlsPort): "", fmt.Sprintf("http://other.example.test:%d/right", s.httpPort): "",
		"http://127.0.0.1/right": "", "https://127.0.0.1/right": "",
		"/loop": acme.Connection, "/hops/11": acme.Connection,
		secret.URL: acme.Connection, fmt.Sprintf("http://%s:%d/", testName, portOf(secret.Listener)): acme.Connection, "http://web.example.test:22/": acme.Connection, "https://web.example.test:8443/": acme.Connection,
		fmt.Sprintf("http://other.example.test:%d/right", s.tlsPort): acme.Connection, fmt.Sprintf("https://other.example.test:%d/right", s.httpPort): acme.Connection,
		"http://inside.example.test/": acme.Connection, "http://cloud.example.test/latest/meta-data/": acme.Connection, "http://169.254.169.254/": acme.Connection, "http://[::ffff:10.0.0.1]/": acme.Connection,
		"http://[fe80::1%25eth0]/": acme.Connection, "http://2130706434/": acme.DNS, "http://nowhere.example.org/": acme.DNS,
		"ftp://web.example.test/": acme.Connection, "file:///etc/passwd": acme.Connection, "gopher://web.example.test/": acme.Connection, "http://user:password@web.example.test/right": acme.Connection,
		"http://" + strings.Repeat("a", 3000): acme.Connection, "http:///": acme.Connection, "://": acme.Connection, "": acme.Unauthorized,
	} {
		to <- location
		p := s.ask(t, acme.HTTP01, testName)
		want(t, p, problem)
		if t.Failed() {
			t.Fatalf("redirected to %q", location)
		}
		if p != nil && (strings.Contains(p.Detail, right) || strings.Contains(p.Detail, "password")) {
			t.Errorf("%q: it says what it read: %v", location, p)
		}
	}
}
