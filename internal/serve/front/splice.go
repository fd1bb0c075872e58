package front

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A session that waits holds only smallBuffer in each direction; one that is busy borrows a big one,
	// which takes a whole TLS record (RFC 8446 section 5.1: 2^14 bytes).
	smallBuffer = 512
	bigBuffer   = 16 << 10
	// lastWords is how long the back end may still answer when the client has closed its side.
	lastWords = 5 * time.Second
)

// buffers lends out big buffers to all sessions of a listener. A borrower reads only what it wrote.
type buffers struct{ pool sync.Pool }

func (b *buffers) borrow() *[bigBuffer]byte {
	if buf, ok := b.pool.Get().(*[bigBuffer]byte); ok {
		return buf
	}
	return new([bigBuffer]byte)
}

func (b *buffers) giveBack(buf *[bigBuffer]byte) {
	if buf != nil {
		b.pool.Put(buf)
	}
}

// Splice passes bytes both ways until one side ends, the session has been idle for Limits.Idle, or the time
// for draining is over; then it closes backend. What the client has sent already goes first. Call LoggedIn
// before. It returns nil when a side ended in order.
func (c *Conn) Splice(backend net.Conn) error {
	defer backend.Close()
	if err := c.Flush(); err != nil {
		return err
	}
	if !c.beginSplice() {
		return net.ErrClosed
	}
	p := &passage{idle: c.Limits().Idle, buffers: &c.serving.buffers}
	p.touch()
	if early := c.in.bytes(); len(early) > 0 {
		if err := p.send(backend, early); err != nil {
			return err
		}
	}
	// The session may last for days: let go of what only the login needed.
	c.in.wipe()
	c.out = nil

	down := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if r := recover(); r != nil {
				c.Counters().Panics.Add(1)
				c.log.Error("panic in a session", "panic", r, "stack", string(debug.Stack()))
				err = errors.New("panic while passing bytes")
			}
			if err != nil {
				c.raw.Close()
			} else {
				c.stream.Close() // the back end has said all: close_notify, and the other direction ends
			}
			down <- err
		}()
		err = p.pass(c.stream, backend)
	}()
	up := p.pass(backend, c.stream)
	if up == nil {
		p.finish(backend)
	} else {
		backend.Close()
	}
	// Whichever side ended first closed the other, which then saw net.ErrClosed.
	if err := <-down; err == nil || errors.Is(up, net.ErrClosed) {
		return err
	}
	return up
}

// beginSplice takes the session's deadlines away; false when it is already to end.
func (c *Conn) beginSplice() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.evicted {
		return false
	}
	c.splicing = true
	return c.raw.SetDeadline(time.Time{}) == nil
}

// passage is what the two directions of one session share.
type passage struct {
	idle    time.Duration
	buffers *buffers
	last    atomic.Int64 // when a byte last passed, either way, in nanoseconds of Unix time

	// mu guards finishing, and that nobody sets a deadline after finish has.
	mu        sync.Mutex
	finishing bool
}

func (p *passage) touch() { p.last.Store(time.Now().UnixNano()) }

// pass copies from one side to the other until that ends; nil means it ended in order.
func (p *passage) pass(to, from net.Conn) error {
	small := make([]byte, smallBuffer)
	var big *[bigBuffer]byte
	defer func() { p.buffers.giveBack(big) }()
	if err := p.arm(from); err != nil {
		return err
	}
	for {
		buf := small
		if big != nil {
			buf = big[:]
		}
		n, err := from.Read(buf)
		if n > 0 {
			p.touch()
			if err := p.send(to, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The deadline is set once and renewed when it has passed, not at each read; in the meantime bytes
			// may have passed, perhaps only the other way.
			if time.Since(time.Unix(0, p.last.Load())) >= p.idle || p.arm(from) != nil {
				return err
			}
		default:
			return err
		}
		// A full small buffer announces more; a nearly empty big one is the end of it.
		switch {
		case big == nil && n == smallBuffer:
			big = p.buffers.borrow()
		case big != nil && n < smallBuffer:
			p.buffers.giveBack(big)
			big = nil
		}
	}
}

// arm sets the time at which from is idle.
func (p *passage) arm(from net.Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finishing {
		return os.ErrDeadlineExceeded
	}
	return from.SetReadDeadline(time.Unix(0, p.last.Load()).Add(p.idle))
}

// finish tells the back end that the client has closed its side, and gives it lastWords.
func (p *passage) finish(backend net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finishing = true
	half, ok := backend.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || backend.SetReadDeadline(time.Now().Add(lastWords)) != nil {
		backend.Close()
	}
}

// send passes data on. Whoever takes nothing for as long as an idle session may last is gone.
func (p *passage) send(to net.Conn, data []byte) error {
	if err := to.SetWriteDeadline(time.Now().Add(p.idle)); err != nil {
		return err
	}
	_, err := to.Write(data)
	return err
}
