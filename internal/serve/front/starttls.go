package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

var (
	// ErrPlaintextInjected means that bytes in clear stood behind the command that asks for TLS: answer with
	// the protocol's error and return.
	ErrPlaintextInjected = errors.New("plaintext sent ahead of the TLS handshake")
	// ErrNoTLS means that this listener has no certificate to offer, or has TLS already.
	ErrNoTLS = errors.New("TLS is not available here")
)

// CanStartTLS reports whether StartTLS may be offered now.
func (c *Conn) CanStartTLS() bool { return c.secure == nil && c.serving.TLS != nil }

// StartTLS says goAhead, the protocol's line that lets the client begin, and makes the handshake.
//
// When the client has sent anything behind its command, StartTLS says nothing and returns
// ErrPlaintextInjected, which the caller answers in clear and then returns (CVE-2011-0411;
// RFC 9051 section 6.2.1 and RFC 3207 section 4.2 want all knowledge from before discarded). What arrives
// later goes into the handshake, which it breaks. After any other error nothing can be said any more: return.
func (c *Conn) StartTLS(ctx context.Context, goAhead string) error {
	if !c.CanStartTLS() {
		return ErrNoTLS
	}
	if c.in.len() > 0 {
		c.Counters().Injected.Add(1)
		c.log.InfoContext(ctx, "plaintext sent ahead of the TLS handshake", "bytes", c.in.len())
		c.in.wipe()
		return ErrPlaintextInjected
	}
	c.Reply(goAhead)
	if err := c.Flush(); err != nil {
		return err
	}
	return c.handshake(ctx)
}

// handshake makes c a TLS connection, under the time before login and the handshake's own.
func (c *Conn) handshake(ctx context.Context) error {
	c.slot.waits()
	defer c.slot.works()
	err := c.armHandshake(time.Now().Add(c.Limits().Handshake))
	secure := tls.Server(c.raw, c.serving.TLS)
	if err == nil {
		// The deadline ends it; a context that can end would cost a goroutine for each handshake.
		err = secure.HandshakeContext(context.WithoutCancel(ctx))
	}
	if err != nil {
		c.broken = fmt.Errorf("making the TLS handshake: %w", err) // not a word in clear from now on
		if c.sentAway() == nil {
			c.Counters().HandshakeFailures.Add(1)
		}
		c.log.DebugContext(ctx, "TLS handshake", "err", err)
		return c.broken
	}
	c.in.wipe() // nothing said in clear is carried over
	c.secure, c.stream = secure, secure
	return nil
}

func (c *Conn) armHandshake(until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.evicted || c.draining {
		return net.ErrClosed // within a handshake nobody can be told
	}
	return c.raw.SetDeadline(c.until(until))
}
