package pages

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// holding takes connections, at every address of this machine, and says nothing on them.
type holding struct {
	port  uint16
	comes chan struct{} // one for each connection
	mu    sync.Mutex
	conns []net.Conn
	ended bool // new ones are closed at once
}

func holdConnections(t *testing.T) *holding {
	t.Helper()
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &holding{port: netip.MustParseAddrPort(ln.Addr().String()).Port(), comes: make(chan struct{}, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, conn)
			if h.ended {
				conn.Close()
			}
			h.mu.Unlock()
			h.comes <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
		h.letGo()
	})
	return h
}

// at is one of the hosts at which connections are held.
func (h *holding) at(i int) string { return fmt.Sprintf("127.0.1.%d:%d", i, h.port) }

// letGo hangs up, now and on whoever comes later.
func (h *holding) letGo() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, conn := range h.conns {
		conn.Close()
	}
}

// parts is an answer that somebody reads while it comes.
type parts struct {
	header http.Header
	status int
	bytes.Buffer
	flushed int
}

func (p *parts) Header() http.Header    { return p.header }
func (p *parts) WriteHeader(status int) { p.status = status }
func (p *parts) Flush()                 { p.flushed++ }

// TestWhoLeavesEndsTheLook: a reader who goes away while more hosts wait than are looked at together leaves nobody
// looking, and the others are not begun.
func TestWhoLeavesEndsTheLook(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	held := holdConnections(t)
	var hosts []string
	for i := range lookers + 5 {
		hosts = append(hosts, held.at(i+1))
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://mail1.example.com/check", strings.NewReader(url.Values{"hosts": {strings.Join(hosts, "\n")}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
	w := &parts{header: make(http.Header)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(w, r)
	}()
	for range lookers {
		<-held.comes
	}
	leave()
	<-ended
	if len(held.comes) != 0 {
		t.Errorf("%d more hosts were looked at after the reader had left", len(held.comes))
	}
	if body := w.String(); w.status != http.StatusOK || w.flushed < 2 || !strings.Contains(body, "0 of 13 hosts seen") || strings.Contains(body, "</main>") {
		t.Errorf("got %d, %d parts, %s", w.status, w.flushed, body)
	}
}

// TestALookIsSplitByHost: one request for each host, so that answers come one by one; ports of one name stay together, and
// many hosts get one handshake each.
func TestALookIsSplitByHost(t *testing.T) {
	t.Parallel()
	given := func(hosts, own string) values {
		v := values{Values: url.Values{"hosts": {hosts}}}
		if own != "" {
			v.Set("own", own)
		}
		return v
	}
	jobs, err := lookJobs(given("mail.example.com:993 mx.example.com\nmail.example.com:443", "1"))
	if err != nil || len(jobs) != 3 || !jobs[0].All || len(jobs[1].Hosts) != 2 || len(jobs[2].Hosts) != 1 || jobs[1].Quick {
		t.Errorf("got %+v, %v", jobs, err)
	}
	if jobs, err = lookJobs(given("a.example b.example c.example d.example", "")); err != nil || len(jobs) != 4 || !jobs[3].Quick {
		t.Errorf("four hosts: got %+v, %v", jobs, err)
	}
	for name, g := range map[string]values{"nothing": given("", ""), "no host": given("-x", ""), "too many": given(strings.Repeat("a.example ", maxLooked+1), "")} {
		if jobs, err := lookJobs(g); err == nil {
			t.Errorf("%s: got %+v, want an error", name, jobs)
		}
	}
	if jobs, err = lookJobs(given(strings.Repeat("a.example ", maxLooked), "")); err != nil || len(jobs) != maxLooked/25 {
		t.Errorf("one name often: got %d requests, %v", len(jobs), err)
	}
}

// TestAPageWhoseReaderIsGone ends with the first part that cannot be sent.
func TestAPageWhoseReaderIsGone(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://mail1.example.com/check", strings.NewReader("hosts=127.0.0.1:1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
	w := &gone{header: make(http.Header)}
	h.ServeHTTP(w, r)
	if w.writes != 1 {
		t.Errorf("got %d writes, want 1", w.writes)
	}
}

// gone is the connection of a reader who has left.
type gone struct {
	header http.Header
	writes int
}

func (g *gone) Header() http.Header { return g.header }
func (g *gone) WriteHeader(int)     {}
func (g *gone) Write([]byte) (int, error) {
	g.writes++
	return 0, io.ErrClosedPipe
}
