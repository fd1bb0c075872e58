package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// web runs serve on loopback or on ln.
func web(t *testing.T, run func(context.Context, net.Listener, Web) error, w Web, ln net.Listener) (at string, log *journal, counters *Counters, stop func() error) {
	t.Helper()
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		at = ln.Addr().String()
	}
	log, counters = &journal{}, &Counters{}
	w.Log, w.Counters = log.logger(), counters
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, ln, w) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serving: got %v, want nil", err)
		}
	})
	return at, log, counters, stop
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, port := range []uint16{0, 443, 10443} {
		at, _, _, _ := web(t, ServeRedirect, Web{Name: "http", TargetPort: port}, nil)
		suffix := map[uint16]string{10443: ":10443"}[port]
		for _, test := range []struct{ host, path, want string }{
			{"mail.example.test", "/", "https://mail.example.test" + suffix + "/"},
			{"mail.example.test:10080", "/a%2Fb?c=d", "https://mail.example.test" + suffix + "/a%2Fb?c=d"},
			{"[2001:db8::1]:80", "/", "https://[2001:db8::1]" + suffix + "/"},
			{"192.0.2.1", "//other.test/x", "https://192.0.2.1" + suffix + "//other.test/x"},
			{"me@other.test", "/", ""},
			{"", "/", ""},
		} {
			conn, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, conn)
			c.send("POST " + test.path + " HTTP/1.1\r\nHost: " + test.host + "\r\nContent-Length: 0\r\n\r\n")
			answer, err := io.ReadAll(c.r)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
					t.Errorf("host %q: got %q, want 400", test.host, answer)
				}
				continue
			}
			if !strings.HasPrefix(string(answer), "HTTP/1.1 308 ") || !strings.Contains(string(answer), "\r\nLocation: "+test.want+"\r\n") {
				t.Errorf("host %q: got %q, want 308 to %s", test.host, answer, test.want)
			}
		}
	}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "our page") })
	handler.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("as asked") })
	at, log, counters, stop := web(t, ServeHTTPS, Web{Name: "https", TLS: serverTLS(cert), Handler: handler}, nil)
	transport := &http.Transport{TLSClientConfig: trusting(cert), DisableKeepAlives: true} // or it asks again after a panic
	client := &http.Client{Transport: transport}
	get := func(path string) (string, error) {
		answer, err := client.Get("https://" + at + path)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	}
	if got, err := get("/"); got != "our page" || err != nil {
		t.Errorf("got %q, %v, want our page", got, err)
	}
	if got, err := get("/panic"); err == nil {
		t.Errorf("a panic answered %q", got)
	}
	if got := counters.Panics.Load(); got != 1 || !strings.Contains(log.String(), "as asked") {
		t.Errorf("panics: got %d, log %s", got, log)
	}
	if got, err := get("/"); got != "our page" || err != nil {
		t.Errorf("after a panic: got %q, %v, want our page", got, err)
	}
	if got, err := get("/?" + strings.Repeat("x", 64<<10)); err == nil && got == "our page" {
		t.Error("a head of 64 KiB was taken")
	}
	transport.CloseIdleConnections()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	clear := newClient(t, conn)
	clear.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, _ := io.ReadAll(clear.r); strings.Contains(string(got), "our page") {
		t.Errorf("in clear: got %q", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := counters.HandshakeFailures.Load(); got != 1 {
		t.Errorf("handshake failures: got %d, want 1", got)
	}
	if got := counters.Current.Load(); got != 0 {
		t.Errorf("%d connections left", got)
	}
}

func TestHTTPSWithoutTLS(t *testing.T) {
	t.Parallel()
	if err := ServeHTTPS(t.Context(), newPipes(), Web{Name: "https"}); !errors.Is(err, ErrNoTLS) {
		t.Errorf("got %v, want %v", err, ErrNoTLS)
	}
}

// TestHTTPSDrains: silent connections go at once, a request under way may finish.
func TestHTTPSDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCertificate(t)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(10 * time.Second):
				io.WriteString(w, "slow page")
			case <-r.Context().Done():
			}
		})
		ln := newPipes()
		_, _, counters, stop := web(t, ServeHTTPS, Web{Name: "https", TLS: serverTLS(cert), Handler: handler}, ln)
		silent := ln.dial("")
		busy := tls.Client(ln.dial(""), trusting(cert))
		io.WriteString(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		began := time.Now()
		stopped := make(chan time.Duration, 1)
		go func() {
			stop()
			stopped <- time.Since(began)
		}()
		if _, err := silent.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != 0 {
			t.Errorf("silent connection: got %v after %v, want EOF at once", err, time.Since(began))
		}
		got, err := io.ReadAll(busy)
		if !strings.Contains(string(got), "slow page") || err != nil {
			t.Errorf("request under way: got %q, %v", got, err)
		}
		busy.Close()
		// net/http looks at growing intervals of at most half a second whether all are done.
		if got := <-stopped; got < 10*time.Second || got > 11*time.Second {
			t.Errorf("stopped after %v, want 10s", got)
		}
		if got := counters.Current.Load(); got != 0 {
			t.Errorf("%d connections left", got)
		}
	})
}

// TestWebLimits: a silent connection makes room, one with a request does not.
func TestWebLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
		ln := newPipes()
		run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
		_, _, counters, stop := web(t, run, Web{Name: "http", Handler: handler, Limits: Limits{Connections: 2}}, ln)
		silent, busy := ln.dial(""), ln.dial("")
		io.WriteString(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		second := ln.dial("")
		if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("silent connection: got %v, want EOF", err)
		}
		io.WriteString(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		if _, err := ln.dial("").Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("no room: got %v, want EOF", err)
		}
		if got := counters.Snapshot(); got.Evicted != 1 || got.Refused != 1 || got.Current != 2 {
			t.Errorf("got %+v, want one evicted, one refused, two open", got)
		}
		close(release)
		go io.Copy(io.Discard, busy)
		go io.Copy(io.Discard, second)
		stop()
		synctest.Wait()
	})
}

// TestWebConnectionEndsAfterAnHour: however busy it is.
func TestWebConnectionEndsAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
		web(t, run, Web{Name: "http", Handler: http.NotFoundHandler()}, ln)
		began := time.Now()
		c := newClient(t, ln.dial(""))
		for {
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			if answer.Close {
				break
			}
			time.Sleep(50 * time.Second)
		}
		if got := time.Since(began); got < time.Hour || got > time.Hour+time.Minute {
			t.Errorf("closed after %v, want an hour", got)
		}
		c.expectEnd()
	})
}

// TestWebFiles: a file comes whole, or the part that was asked for, and whoever takes nothing of it makes room for who does.
func TestWebFiles(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB, more than the system holds on its way
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/pkix-crl")
		http.ServeContent(w, r, "", time.Time{}, f)
	})
	at, _, counters, _ := web(t, ServeRedirect, Web{Name: "http", Plain: handler, Limits: Limits{Connections: 1}}, nil)
	lazy, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer lazy.Close()
	if _, err := io.WriteString(lazy, "GET /pki/x HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(lazy, make([]byte, 64)); err != nil { // the answer is on its way, and stays there
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, part := range []string{"", "bytes=1048577-5242884"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/pki/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := content
		if part != "" {
			r.Header.Set("Range", part)
			want = content[1048577:5242885]
		}
		response, err := client.Do(r)
		for refused := int64(0); err != nil && counters.Refused.Load() > refused; { // the lazy one was just being served
			refused = counters.Refused.Load()
			response, err = client.Do(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %d octets, %v, want %d", part, len(got), err, len(want))
		}
	}
	if got := counters.Snapshot(); got.Evicted != 1 {
		t.Errorf("%d were sent away, want the one that takes nothing", got.Evicted)
	}
}

// TestHTTP2IsBounded: what the server says first is how much one connection may have under way.
func TestHTTP2IsBounded(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	config := serverTLS(cert)
	config.NextProtos = []string{"h2"}
	at, _, _, _ := web(t, ServeHTTPS, Web{Name: "https", TLS: config}, nil)
	client := trusting(cert)
	client.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", at, client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // RFC 9113 section 3.4, with empty SETTINGS
	var head [9]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil || head[3] != 4 {
		t.Fatalf("got frame %x, %v, want SETTINGS", head, err)
	}
	settings := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, settings); err != nil {
		t.Fatal(err)
	}
	got := map[uint16]uint32{}
	for ; len(settings) >= 6; settings = settings[6:] {
		got[binary.BigEndian.Uint16(settings)] = binary.BigEndian.Uint32(settings[2:])
	}
	const maxConcurrentStreams, initialWindowSize = 3, 4 // RFC 9113 section 6.5.2
	if got[maxConcurrentStreams] != webStreams || got[initialWindowSize] != webStreamBytes {
		t.Errorf("got settings %v", got)
	}
}
