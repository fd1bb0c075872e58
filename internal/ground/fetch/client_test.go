package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rude is a web server that does what its path says.
func rude(t *testing.T) (base string, options Options) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s cookie=%q auth=%q encoding=%q referer=%q", r.Method, body, r.Header.Get("Cookie"), r.Header.Get("Authorization"), r.Header.Get("Accept-Encoding"), r.Referer())
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/exactly", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		w.Write(make([]byte, n))
	})
	mux.HandleFunc("/announced", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5000000")
		w.Write(make([]byte, 5000000))
	})
	mux.HandleFunc("/hop", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		if n == 0 {
			http.Redirect(w, r, "/ok", http.StatusFound)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/hop?%d", n-1), http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		to, _ := url.QueryUnescape(r.URL.RawQuery)
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(make([]byte, 10<<20))
		z.Close()
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for range 1000 {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	return s.URL, Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Ports: []uint16{ap.Port()}, Timeout: 5 * time.Second}
}

func newTestClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	base, o := rude(t)
	c := newTestClient(t, o)
	for _, r := range []struct {
		request Request
		want    string
	}{
		{Request{URL: base + "/ok"}, `GET  cookie="" auth="" encoding="" referer=""`},
		{Request{URL: base + "/ok", Body: []byte("question")}, `POST question cookie="" auth="" encoding="" referer=""`},
		{Request{URL: base + "/hop?2"}, `GET  cookie="" auth="" encoding="" referer=""`}, // three redirects
		{Request{URL: base + "/to?" + url.QueryEscape("/ok"), Body: []byte("again")}, `POST again cookie="" auth="" encoding="" referer=""`},
		{Request{URL: base + "/exactly?1000", MaxBytes: 1000}, strings.Repeat("\x00", 1000)},
		{Request{URL: base + "/announced", MaxBytes: 5000000}, strings.Repeat("\x00", 5000000)},
	} {
		got, err := c.Do(t.Context(), r.request)
		if err != nil {
			t.Errorf("%s: %v", r.request.URL, err)
		} else if string(got.Body) != r.want {
			t.Errorf("%s: got %d bytes %.80q, want %.80q", r.request.URL, len(got.Body), got.Body, r.want)
		}
	}
}

func TestRudeServer(t *testing.T) {
	t.Parallel()
	base, o := rude(t)
	c := newTestClient(t, o)
	port := fmt.Sprint(o.Ports[0])
	to := func(target string) string { return base + "/to?" + url.QueryEscape(target) }
	for _, r := range []struct {
		name, url, want string
	}{
		{"a status", base + "/status", "fetching " + base + "/status: the server answered with status 418"},
		{"huge", base + "/huge", "larger than 65536 bytes"},
		{"one byte too much", base + "/exactly?65537", "larger than 65536 bytes"},
		{"announced too large", base + "/announced", "larger than 65536 bytes"},
		{"four redirects", base + "/hop?3", "redirect 4 of at most 3"},
		{"a redirect loop", base + "/loop", "redirect 4 of at most 3"},
		{"a redirect to another loopback address", to("http://127.0.0.2:" + port + "/ok"), "address 127.0.0.2 is loopback"},
		{"a redirect to IPv6 loopback", to("http://[::1]:" + port + "/ok"), "address ::1 is loopback"},
		{"a redirect to a metadata service", to("http://169.254.169.254/latest"), "address 169.254.169.254 is link-local"},
		{"a redirect to another port", to("http://127.0.0.1:1/"), "port 1 is not one of those"},
		{"a redirect to a file", to("file:///etc/passwd"), "only http and https"},
		{"a redirect with credentials", to("http://a:b@127.0.0.1:" + port + "/ok"), "it carries credentials"},
		{"a redirect to a long address", to(base + "/" + strings.Repeat("x", 3000)), "longer than 2048 bytes"},
		{"compression unasked", base + "/gzip", "compressed its answer"},
		{"a huge header", base + "/header", "headers exceeded"},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, err := c.Do(t.Context(), Request{URL: r.url})
			if err == nil || !strings.Contains(err.Error(), r.want) {
				t.Errorf("got %v, want an error with %q", err, r.want)
			}
		})
	}
	t.Run("a redirect that drops the question", func(t *testing.T) {
		_, err := c.Do(t.Context(), Request{URL: base + "/hop?0", Body: []byte("q")})
		if _, ok := errors.AsType[*RefusedURLError](err); !ok {
			t.Errorf("got %v, want a *RefusedURLError", err)
		}
	})
}

func TestTypedErrors(t *testing.T) {
	t.Parallel()
	base, o := rude(t)
	c := newTestClient(t, o)
	_, err := c.Do(t.Context(), Request{URL: base + "/huge", MaxBytes: 10})
	if e, ok := errors.AsType[*TooLargeError](err); !ok || e.MaxBytes != 10 {
		t.Errorf("got %v, want a *TooLargeError of 10 bytes", err)
	}
	_, err = c.Do(t.Context(), Request{URL: base + "/status"})
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Code != http.StatusTeapot {
		t.Errorf("got %v, want a *StatusError 418", err)
	}
	_, err = c.Do(t.Context(), Request{URL: base + "/to?" + url.QueryEscape("http://10.0.0.1/")})
	if e, ok := errors.AsType[*RefusedAddressError](err); !ok || e.Addr.String() != "10.0.0.1" || e.Why != "private" {
		t.Errorf("got %v, want a *RefusedAddressError", err)
	}
}

func TestSlowServer(t *testing.T) {
	t.Parallel()
	base, o := rude(t)
	o.Timeout = 100 * time.Millisecond
	_, err := newTestClient(t, o).Do(t.Context(), Request{URL: base + "/slow"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that drips: got %v, want %v", err, context.DeadlineExceeded)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newTestClient(t, o).Do(ctx, Request{URL: base + "/slow"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A server that announces much and sends nothing gets no memory for it.
func TestLyingContentLength(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\nshort")
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	c := newTestClient(t, Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{netip.MustParseAddrPort(l.Addr().String()).Port()}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = c.Do(t.Context(), Request{URL: "http://" + l.Addr().String() + "/", MaxBytes: 256 << 20})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 150<<20 { // other tests run beside this one
		t.Errorf("took %d bytes for an answer that never came", got)
	}
}

func TestRefusedBeforeAsking(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, Options{})
	for raw, want := range map[string]string{
		"ldap://ldap.example.com/cn=crl":            "only http and https are followed",
		"file:///etc/passwd":                        "only http and https are followed",
		"gopher://127.0.0.1:11211/_stats":           "only http and https are followed",
		"http:///crl":                               "it names no host",
		"http://a:secret@example.com/":              "it carries credentials",
		"http://example.com:6379/":                  "port 6379 is not one of those that are asked",
		"http://example.com:99999/":                 "its port is no number",
		"http://127.0.0.1/":                         "address 127.0.0.1 is loopback",
		"http://[::ffff:10.0.0.1]/":                 "address ::ffff:10.0.0.1 is private",
		"http://[fe80::1%25eth0]/":                  "is link-local",
		"http://2130706433/":                        "neither a name nor an address",
		"http://0x7f.0.0.1/":                        "neither a name nor an address",
		"http://localhost/":                         "host localhost is loopback",
		"http://LOCALHOST./":                        "host LOCALHOST. is loopback",
		"https://x.localhost/":                      "host x.localhost is loopback",
		"http://example.com/" + "%zz":               "it is no URL",
		"http://exa\nmple.com/":                     `it is no URL`,
		"http://x.test/" + strings.Repeat("a", 3e3): "longer than 2048 bytes",
	} {
		_, err := c.Do(t.Context(), Request{URL: raw})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want an error with %q", raw, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%.60q: the error shows what it must not: %v", raw, err)
		}
	}
}

// A name is judged by the address that it has when the connection is made: there is no second look-up to lie to.
func TestNameOfLoopback(t *testing.T) {
	t.Parallel()
	base, o := rude(t)
	c := newTestClient(t, o)
	c.allow = nil
	c.http.Transport.(*http.Transport).DialContext = (&net.Dialer{ControlContext: c.control, Resolver: nil}).DialContext
	u, _ := url.Parse(base)
	// The dialer is asked as for a name; the literal would be refused before.
	_, err := c.http.Transport.(*http.Transport).DialContext(t.Context(), "tcp", "localhost:"+u.Port())
	if _, ok := errors.AsType[*RefusedAddressError](err); !ok {
		t.Errorf("dialling a name of loopback: got %v, want a *RefusedAddressError", err)
	}
}

func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	plain, o := rude(t)
	s := httptest.NewTLSServer(http.RedirectHandler(plain+"/ok", http.StatusFound))
	t.Cleanup(s.Close)
	o.Ports = append(o.Ports, netip.MustParseAddrPort(s.Listener.Addr().String()).Port())
	if _, err := newTestClient(t, o).Do(t.Context(), Request{URL: s.URL}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an https server that nobody vouches for: got %v", err)
	}
	o.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if _, err := newTestClient(t, o).Do(t.Context(), Request{URL: s.URL}); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v, want a refused downgrade", err)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		io.WriteString(w, "through the proxy")
	}))
	t.Cleanup(proxy.Close)
	u, _ := url.Parse(proxy.URL)
	c := newTestClient(t, Options{Proxy: u})
	got, err := c.Do(t.Context(), Request{URL: "http://crl.example.com/list.crl"})
	if err != nil || !bytes.Equal(got.Body, []byte("through the proxy")) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Do(t.Context(), Request{URL: "http://192.168.0.1/list.crl"}); err == nil {
		t.Error("a proxy was asked for a private address")
	}
	if want := "http://crl.example.com/list.crl"; len(asked) != 1 || asked[0] != want {
		t.Errorf("the proxy was asked for %q, want %q", asked, want)
	}
}

func TestNoProxyFromEnvironment(t *testing.T) {
	base, o := rude(t)
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	t.Setenv("http_proxy", "http://192.0.2.1:1")
	if _, err := newTestClient(t, o).Do(t.Context(), Request{URL: base + "/ok"}); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"negative timeout": {Timeout: -1},
		"empty range":      {Allow: []netip.Prefix{{}}},
		"socks proxy":      {Proxy: &url.URL{Scheme: "socks5", Host: "x"}},
		"proxy, no host":   {Proxy: &url.URL{Scheme: "http"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"http://crl.example.com/a.crl", "http://[::1]/", "http://0x7f.1/", "https://a@b:1/", "ldap:///", "http://%31/"} {
		f.Add(seed)
	}
	c, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.parse(raw)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("the error for %q holds a control character: %q", raw, err)
			}
			return
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && reservedFor(a) != "" {
			t.Errorf("%q was accepted, and leads to %v", raw, a)
		}
	})
}
