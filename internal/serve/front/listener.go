package front

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Handler runs one session to its end. The connection is closed when it returns. ctx ends when the time for
// draining is over, not when it begins: [Conn.ReadLine] tells of that.
type Handler func(ctx context.Context, c *Conn)

// Listener is one port that we answer on. Its fields are not changed once Serve runs.
type Listener struct {
	Name     string       // as in spec/cli.md: "imap", "imaps", "smtp" …
	Host     string       // the server's full name, for greetings
	Implicit bool         // TLS before the greeting
	TLS      *tls.Config  // from the keyring, which swaps what is behind it; nil: no TLS is offered
	Limits   Limits       // the zero value is the design's numbers
	Pool     *Pool        // shared by all listeners of the process; nil: one of its own
	Counters *Counters    // nil: counts nowhere
	Log      *slog.Logger // nil: no log
	Handle   Handler
	// Refusal is the protocol's line for a newcomer when there is no room, without its line end; empty: the
	// connection is closed without a word, as it always is where TLS is implicit.
	Refusal string
}

// Serve accepts until ctx ends. Then it closes ln, tells sessions goodbye at their next command boundary,
// lets passed-through sessions go on for Limits.Drain, closes the rest, waits for every goroutine and
// returns nil. It returns an error only when ln failed by itself.
func (l *Listener) Serve(ctx context.Context, ln net.Listener) error {
	s := &serving{Listener: *l, conns: map[*Conn]struct{}{}}
	if s.Counters == nil {
		s.Counters = &Counters{}
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Limits = l.Limits.withDefaults()
	s.slots = newSlots(s.Limits, s.Counters, s.Pool)
	sessions, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	closing := context.AfterFunc(ctx, func() { ln.Close() })
	err := s.accept(ctx, sessions, ln)
	if closing() {
		ln.Close()
	}
	s.drain(cancel)
	return err
}

// serving is one run of Serve.
type serving struct {
	Listener
	slots   *slots
	buffers buffers
	wg      sync.WaitGroup // one for each session

	// mu guards what follows.
	mu    sync.Mutex
	conns map[*Conn]struct{}
}

func (s *serving) accept(ctx, sessions context.Context, ln net.Listener) error {
	in := &door{Listener: ln, name: s.Name, pool: s.slots.pool, log: s.Log}
	for {
		raw, err := in.next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		s.admit(sessions, raw)
	}
}

// admit starts a session for raw, or turns it away.
func (s *serving) admit(ctx context.Context, raw net.Conn) {
	c := newConn(s, raw)
	c.slot = s.slots.take(c.remote.Addr(), c.evict)
	if c.slot == nil {
		s.Counters.Refused.Add(1)
		s.Log.DebugContext(ctx, "no room for a connection", "listener", s.Name, "peer", c.remote)
		refuse(raw, s.refusal())
		return
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.Counters.Sessions.Add(1)
	s.Counters.Current.Add(1)
	// Silent from the start: in a flood, connections come faster than their sessions begin.
	c.slot.waits()
	s.wg.Go(func() { s.session(ctx, c) })
}

func (s *serving) refusal() string {
	if s.Implicit {
		return "" // it would have to be said inside TLS, and a handshake is what we have no room for
	}
	return s.Refusal
}

// refuse says text and closes. A new connection's send buffer is empty, so this does not wait; should it
// have to, the connection is closed without a word.
func refuse(raw net.Conn, text string) {
	if text != "" {
		raw.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		io.WriteString(raw, text+"\r\n") // nobody is left to be told of an error
	}
	raw.Close()
}

func (s *serving) session(ctx context.Context, c *Conn) {
	defer s.forget(c)
	defer c.close()
	defer s.recovered(ctx, c)
	if s.Implicit {
		if err := c.handshake(ctx); err != nil {
			return
		}
	}
	s.Handle(ctx, c)
	if err := c.Flush(); err != nil {
		c.log.DebugContext(ctx, "saying the last words", "err", err)
	}
}

// recovered keeps one session's panic from the others. It must be deferred itself.
func (s *serving) recovered(ctx context.Context, c *Conn) {
	if p := recover(); p != nil {
		s.Counters.Panics.Add(1)
		c.log.ErrorContext(ctx, "panic in a session", "panic", p, "stack", string(debug.Stack()))
	}
}

func (s *serving) forget(c *Conn) {
	c.slot.free()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.Counters.Current.Add(-1)
}

// drain ends all sessions: politely, then, after Limits.Drain, by closing what is left.
func (s *serving) drain(cancel func()) {
	for _, c := range s.open() {
		c.drain()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(s.Limits.Drain)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	cancel()
	left := s.open()
	s.Log.Info("closing sessions that did not end", "listener", s.Name, "sessions", len(left))
	for _, c := range left {
		c.raw.Close()
	}
	<-done
}

func (s *serving) open() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	return open
}

// remoteOf is the client's address; the zero value when the connection has none, as a pipe.
func remoteOf(raw net.Conn) netip.AddrPort {
	if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}
