package admin

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections in memory, for bubbles.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestASilentClientHoldsNothingUp: one that begins a request and never ends it is dropped, and does not
// keep the server from ending. Nothing is left behind: the bubble would not end.
func TestASilentClientHoldsNothingUp(t *testing.T) {
	const header = "POST /api/v1/cert/list HTTP/1.1\r\nHost: postseal\r\n"
	for name, c := range map[string]struct {
		sends   string
		ends    time.Duration // when the server is told to end
		dropped time.Duration // when the client is dropped, at the latest
	}{
		"says nothing":            {"", time.Hour, 10 * time.Second},
		"half a header":           {header, time.Hour, 10 * time.Second},
		"half a body":             {header + "Content-Length: 9\r\n\r\n{", time.Hour, 30 * time.Second},
		"says nothing at the end": {"", 8 * time.Second, 9 * time.Second},
		"half a header, the end":  {header, 2 * time.Second, 8 * time.Second},
		"half a body, the end":    {header + "Content-Length: 9\r\n\r\n{", time.Second, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				done := make(chan error, 1)
				began := time.Now()
				go func() { done <- ServeSocket(ctx, l, nil, testLog(t)) }()
				near, far := net.Pipe()
				l.conns <- far
				gone := make(chan time.Duration, 1)
				go func() {
					if _, err := io.WriteString(near, c.sends); err != nil {
						t.Error(err)
					}
					io.Copy(io.Discard, near) // until we are dropped
					gone <- time.Since(began)
				}()
				time.AfterFunc(c.ends, cancel)
				if err := <-done; err != nil {
					t.Errorf("got %v", err)
				}
				if got := <-gone; got > c.dropped {
					t.Errorf("dropped after %v, want %v", got, c.dropped)
				}
				if got := time.Since(began); got > c.ends+10*time.Second {
					t.Errorf("ended %v after it should", got-c.ends)
				}
				if err := near.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
