package front

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

var (
	// ErrDraining means that the server stops. It is returned at a command boundary only: say goodbye in the
	// protocol's words and return.
	ErrDraining = errors.New("the server is stopping")
	// ErrEvicted means that this session was silent longest and has to make room. It is returned at a command
	// boundary only: say goodbye in the protocol's words and return.
	ErrEvicted = errors.New("silent too long while others wait")
)

// Conn is one client's connection. All methods belong to the session's goroutine, which runs the Handler.
//
// What is said with Reply is sent before the next wait for the client, or with Flush.
type Conn struct {
	serving *serving
	id      string
	remote  netip.AddrPort
	log     *slog.Logger
	slot    *slot

	raw    net.Conn  // as accepted; only deadlines and Close may be used by other goroutines
	stream net.Conn  // raw, or secure once there is TLS
	secure *tls.Conn // nil in clear
	in     buffer    // what the client sent and nobody has read
	out    []byte    // what we said and have not sent
	broken error     // why nothing more may be sent; nil while all is well

	// mu guards what follows; others want to end this session.
	mu       sync.Mutex
	budget   time.Time // end of the time before login; zero once lifted
	deadline time.Time // as set by the session; zero: none
	draining bool
	evicted  bool
	splicing bool // bytes pass: draining does not disturb them
}

func newConn(s *serving, raw net.Conn) *Conn {
	c := &Conn{serving: s, raw: raw, stream: raw, id: rand.Text()[:10], remote: remoteOf(raw), budget: time.Now().Add(s.Limits.BeforeLogin)}
	c.log = s.Log.With("listener", s.Name, "session", c.id, "peer", c.remote)
	return c
}

// ID names the session in the greeting and in the log, so that the two can be brought together.
func (c *Conn) ID() string { return c.id }

// Remote is the client's address.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Host is our own full name.
func (c *Conn) Host() string { return c.serving.Host }

// Listener is the name of the listener: "imap", "smtp" …
func (c *Conn) Listener() string { return c.serving.Name }

// Log is the log with the session, the peer and the listener attached.
func (c *Conn) Log() *slog.Logger { return c.log }

// Limits are the listener's, with every default filled in.
func (c *Conn) Limits() Limits { return c.serving.Limits }

// Counters are the listener's; never nil.
func (c *Conn) Counters() *Counters { return c.serving.Counters }

// TLS is the state of the client's TLS; false in clear.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	if c.secure == nil {
		return tls.ConnectionState{}, false
	}
	return c.secure.ConnectionState(), true
}

// SetDeadline says until when the client may keep us waiting; the zero time means no end but that of
// Limits.BeforeLogin, and of Limits.Idle for each wait. It holds until it is set again.
func (c *Conn) SetDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
}

// EndBudget lifts Limits.BeforeLogin without a login, for a protocol that may go on without one (SMTP). The
// session can still be sent away for a newcomer.
func (c *Conn) EndBudget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = time.Time{}
}

// LoggedIn lifts Limits.BeforeLogin; from now on the session is not sent away for a newcomer.
func (c *Conn) LoggedIn() {
	c.EndBudget()
	if !c.slot.keep() { // chosen just before, and about to be told
		c.mu.Lock()
		defer c.mu.Unlock()
		c.evicted = true
	}
}

// Budget is when the time before login ends; the zero time once that is lifted.
func (c *Conn) Budget() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget
}

// Reply says one line to the client; its end is added. It waits in a buffer until the next read or Flush. A
// control character in it becomes "?": no answer of ours, whatever it quotes, is two lines.
func (c *Conn) Reply(line string) {
	c.out = append(appendClean(c.out, []byte(line)), "\r\n"...)
	if len(c.out) >= 4<<10 {
		c.Flush() // an error stays in broken and meets the next read
	}
}

// Replyf is Reply with fmt.Sprintf.
func (c *Conn) Replyf(format string, args ...any) { c.Reply(fmt.Sprintf(format, args...)) }

// appendClean appends line to to, with "?" for each control character but the tab.
func appendClean(to, line []byte) []byte {
	for _, b := range line {
		if b < ' ' && b != '\t' || b == 0x7f {
			b = '?'
		}
		to = append(to, b)
	}
	return to
}

// Flush sends what Reply has said. After an error nothing more is sent.
func (c *Conn) Flush() error {
	if c.broken != nil {
		c.out = c.out[:0]
		return c.broken
	}
	if len(c.out) == 0 {
		return nil
	}
	// A client that does not take what we say keeps us waiting like one that says nothing.
	c.slot.waits()
	defer c.slot.heard()
	err := c.armWrite()
	if err == nil {
		_, err = c.stream.Write(c.out)
	}
	c.out = c.out[:0]
	if err != nil {
		c.broken = fmt.Errorf("writing to the client: %w", err)
	}
	return c.broken
}

// armWrite sets the write deadline; evict may move it forward later.
func (c *Conn) armWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	within := c.Limits().Write
	if c.evicted {
		within = lastWrite
	}
	return c.raw.SetWriteDeadline(time.Now().Add(within))
}

// lastWrite is what a session that was sent away gets to say so; its place is already taken by another.
const lastWrite = 100 * time.Millisecond

// evict ends the session because another needs its place. Called from the listener's goroutine.
func (c *Conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	c.interrupt()
	if err := c.raw.SetWriteDeadline(time.Now().Add(lastWrite)); err != nil {
		return // closed already
	}
	c.log.Debug("silent longest, makes room for another")
}

// drain tells the session that the server stops.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.splicing {
		c.interrupt()
	}
}

// interrupt makes a waiting read return; whoever reads looks at the flags then. mu is held.
func (c *Conn) interrupt() {
	if err := c.raw.SetReadDeadline(time.Unix(1, 0)); err != nil {
		c.log.LogAttrs(context.Background(), slog.LevelDebug, "interrupting a closed connection", slog.Any("err", err))
	}
}

// close ends the connection and clears what the client said.
func (c *Conn) close() {
	c.in.wipe()
	clear(c.out[:cap(c.out)])
	err := c.broken
	if err != nil {
		c.raw.Close() // no close_notify into a stream that may have broken within a record
	} else {
		err = c.stream.Close()
	}
	c.log.Debug("session ended", "err", err)
}
