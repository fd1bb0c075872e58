package front

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// limitedListener gives places to a web server's connections as Listener does.
type limitedListener struct {
	door
	ctx      context.Context // of the server, since Accept has none
	slots    *slots
	counters *Counters
}

// Accept returns the next connection for which there is room.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.next(l.ctx)
		if err != nil {
			return nil, err
		}
		c := &webConn{Conn: raw, counters: l.counters, accepted: time.Now()}
		c.slot = l.slots.take(remoteOf(raw).Addr(), func() { c.Close() })
		if c.slot == nil {
			l.counters.Refused.Add(1)
			refuse(raw, "")
			continue
		}
		l.counters.Sessions.Add(1)
		l.counters.Current.Add(1)
		c.change(func() { c.resting = true })
		return c, nil
	}
}

// webConn is a connection of a web server. It gives its place back when it is closed, and can be sent away
// while it waits for its client: for a request, for the rest of one, or for the client to take the answer.
type webConn struct {
	net.Conn
	counters *Counters
	slot     *slot
	accepted time.Time
	once     sync.Once

	// mu guards what follows. slots.pool.mu may be taken while it is held, not the reverse.
	mu      sync.Mutex
	resting bool // no request has begun
	bodies  int  // requests whose end has not come; more than one in HTTP/2
	writes  int
}

// webConnKey is the context key of a request's *webConn.
type webConnKey struct{}

// webConnOf finds the connection that Accept returned below that which net/http has; nil if it is none.
func webConnOf(conn net.Conn) *webConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*webConn)
	return c
}

// stateOf is told by net/http what becomes of a connection.
func stateOf(conn net.Conn, state http.ConnState) {
	c := webConnOf(conn)
	if c == nil {
		return
	}
	switch state {
	case http.StateIdle:
		c.change(func() { c.resting, c.bodies = true, 0 })
	case http.StateActive:
		c.slot.works() // the head of a request is as good as a command
		c.change(func() { c.resting, c.bodies = false, 0 })
	}
}

// change makes a change and tells the slot whether the connection waits for its client after it.
func (c *webConn) change(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
	if c.resting || c.bodies > 0 || c.writes > 0 {
		c.slot.waits()
	} else {
		c.slot.heard()
	}
}

// Write sends p.
func (c *webConn) Write(p []byte) (int, error) {
	c.change(func() { c.writes++ })
	defer c.change(func() { c.writes-- })
	return c.Conn.Write(p)
}

// ReadFrom sends r, a file without copying it through this process where the system can: a complete revocation list may have
// fifty megabytes. It goes on in blocks, so that a client that takes nothing is seen to wait.
func (c *webConn) ReadFrom(r io.Reader) (n int64, err error) {
	const blockBytes = 128 << 10
	to, ok := c.Conn.(io.ReaderFrom)
	all, limited := r.(*io.LimitedReader)
	if !ok || !limited {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	for all.N > 0 && err == nil {
		var sent int64
		block := &io.LimitedReader{R: all.R, N: min(all.N, blockBytes)}
		want := block.N
		c.change(func() { c.writes++ })
		sent, err = to.ReadFrom(block)
		c.change(func() { c.writes-- })
		n += sent
		all.N -= sent
		if sent < want {
			return n, err // the reader has ended
		}
	}
	return n, err
}

// Close closes the connection and frees its place.
func (c *webConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.slot.free()
		c.counters.Current.Add(-1)
	})
	return err
}

// awaitBody returns r with a body that has to come, webBlock for each 32 KiB, and while it does not, the
// connection can be sent away. Whether the request is of somebody who may ask is not known until it is read.
// Where the handler does not read the body, net/http does so after it, under the same deadline.
func (c *webConn) awaitBody(rw http.ResponseWriter, r *http.Request) *http.Request {
	b := &awaitedBody{ReadCloser: r.Body, conn: c, control: http.NewResponseController(rw), end: time.Now().Add(webRead)}
	b.grant()
	c.change(func() { c.bodies++ })
	r = r.WithContext(r.Context()) // a copy: net/http looks at the body of its own
	r.Body = b
	return r
}

// awaitedBody is the body of a request. It belongs to the request's handler.
type awaitedBody struct {
	io.ReadCloser
	conn    *webConn
	control *http.ResponseController
	end     time.Time // of the time for the whole request
	block   int       // bytes of the current block
	whole   bool
}

// grant gives the client the time for one block.
func (b *awaitedBody) grant() {
	until := time.Now().Add(webBlock)
	if b.whole || until.After(b.end) {
		until = b.end // what net/http set, and what the handler may take
	}
	// It fails on a connection that is closed, which the next read tells.
	b.control.SetReadDeadline(until)
}

// Read reads from the body.
func (b *awaitedBody) Read(p []byte) (int, error) {
	const blockBytes = 32 << 10
	n, err := b.ReadCloser.Read(p)
	b.block += n
	switch {
	case b.whole:
	case err == io.EOF:
		b.whole = true
		b.conn.slot.works()
		b.conn.change(func() { b.conn.bodies = max(0, b.conn.bodies-1) })
		b.grant()
	case b.block >= blockBytes:
		b.block = 0
		b.conn.slot.works()
		b.conn.change(func() {})
		b.grant()
	}
	return n, err
}
