package trial

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"
)

const (
	// popLoginTimeout bounds each command before the login, popIdleTimeout each after it: RFC 1939 section 3
	// asks for at least ten minutes.
	popLoginTimeout = time.Minute
	popIdleTimeout  = 10 * time.Minute
	// popWriteTimeout bounds each write of at most a buffer, so a slow client may take as long as it needs for
	// a long message, but may not stop.
	popWriteTimeout = time.Minute
	// popLine is the longest command: RFC 2449 section 4 allows 255 octets; ours has room for the password.
	popLine = 512
)

// popServer speaks POP3 on connections that are TLS already.
type popServer struct {
	store *store
	login func(user, password string) error
	host  string
	log   *slog.Logger
}

// Serve answers every connection of ln in a goroutine of its own and returns when ln is closed. The listener
// awaits the connections.
func (p *popServer) Serve(ln net.Listener) error {
	for delay := time.Millisecond; ; {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Most likely the process has no file descriptor left for the moment.
			p.log.Warn("trial mailbox cannot accept", "protocol", POP3, "err", err)
			time.Sleep(delay)
			delay = min(2*delay, time.Second)
			continue
		}
		delay = time.Millisecond
		go p.serve(c)
	}
}

func (p *popServer) serve(c net.Conn) {
	defer c.Close() // last of all: the listener then counts the goroutine as done
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("trial mailbox connection panicked", "protocol", POP3, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	if t, ok := c.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			p.log.Debug("trial mailbox handshake", "protocol", POP3, "err", err)
			return
		}
	}
	if err := p.converse(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		p.log.Debug("trial mailbox connection", "protocol", POP3, "err", err)
	}
}

// converse reads commands and answers them until QUIT or the end of the connection.
func (p *popServer) converse(c net.Conn) error {
	in := bufio.NewReaderSize(c, popLine)
	out := bufio.NewWriter(patient{c})
	session := &popSession{store: p.store, login: p.login, out: out}
	session.ok("Postseal trial mailbox on %s, for trying only", p.host)
	for more := true; more; {
		if err := out.Flush(); err != nil {
			return err
		}
		wait := popLoginTimeout
		if session.state == transaction {
			wait = popIdleTimeout
		}
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			session.err("the line is too long")
			return errors.Join(err, out.Flush())
		case err != nil:
			// RFC 1939 section 6: without QUIT nothing is deleted.
			return err
		}
		more = session.command(strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"))
	}
	return out.Flush()
}

// patient gives every write a deadline of its own.
type patient struct{ net.Conn }

func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(popWriteTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
