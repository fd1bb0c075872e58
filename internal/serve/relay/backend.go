package relay

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"postseal/internal/serve/front"
)

// BackendError reports that the mail server behind answered, but not so that mail can be relayed to it: it is the
// wrong port, it refuses us, or it lacks what the configuration asks of it.
type BackendError struct {
	Address string // where it was reached
	Step    string // what it did not do: "greeting", "EHLO" or "STARTTLS"
	Reply   string // what it said instead
}

func (e *BackendError) Error() string {
	return fmt.Sprintf("talking to back end %s: %s: %s", e.Address, e.Step, e.Reply)
}

// errConfused means that the back end and we no longer agree which reply belongs to which command. Nothing that it
// says after that can be believed, so the connection ends.
var errConfused = errors.New("back end answers out of turn")

// backend is one connection to the mail server behind. It belongs to the session's goroutine.
type backend struct {
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	offers offers
	forget func() bool // stops watching the context
}

// dialer opens a connection: for a session it is [front.Conn.Dial], which accounts for it.
type dialer func(ctx context.Context, where front.Backend) (net.Conn, error)

// dialBackend connects and says EHLO, inside TLS where the configuration asks for it. It puts what the back end
// offers into the options' Capabilities. The whole must be done within ctx.
func dialBackend(ctx context.Context, o Options, dial dialer) (*backend, error) {
	where, err := o.Backend(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding the back end: %w", err)
	}
	conn, err := dial(ctx, where)
	if err != nil {
		return nil, err // names the address
	}
	b := &backend{}
	b.use(conn)
	if err := b.introduce(ctx, o.Host, where); err != nil {
		b.conn.Close()
		return nil, err
	}
	o.Capabilities.store(b.offers)
	return b, nil
}

// use makes conn the connection. No byte that was read before is carried over.
func (b *backend) use(conn net.Conn) {
	b.conn = conn
	b.r = bufio.NewReader(conn)
	b.w = bufio.NewWriter(conn)
}

// introduce goes from the greeting to the EHLO that counts. The deadline is ctx's.
func (b *backend) introduce(ctx context.Context, host string, where front.Backend) error {
	fail := func(step string, r reply) error {
		return &BackendError{Address: where.Address, Step: step, Reply: r.String()}
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := b.conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("talking to back end %s: %w", where.Address, err)
	}
	r, err := readReply(b.r)
	if err != nil {
		return b.introduceError(where, "greeting", err)
	}
	if r.code != 220 {
		return fail("greeting", r)
	}
	if r, err = b.hello(host); err != nil {
		return b.introduceError(where, "EHLO", err)
	}
	if !r.positive() {
		return fail("EHLO", r)
	}
	if where.TLS != front.TLSStartTLS {
		return nil
	}
	if !b.offers.startTLS {
		// Going on in clear is what somebody who strips the offer wants (RFC 3207 section 6).
		return fail("STARTTLS", answer(250, "", "not offered"))
	}
	if r, err = b.exchange("STARTTLS"); err != nil {
		return b.introduceError(where, "STARTTLS", err)
	}
	if r.code != 220 {
		return fail("STARTTLS", r)
	}
	if b.r.Buffered() > 0 {
		// A reply behind the 220 was said in clear and would be taken for one from inside TLS (CVE-2021-38371).
		return fail("STARTTLS", answer(220, "", "more in clear behind the go-ahead"))
	}
	secure, err := where.Secure(ctx, b.conn)
	if err != nil {
		return err
	}
	b.use(secure)
	// RFC 3207 section 4.2: what was offered before TLS is forgotten.
	if r, err = b.hello(host); err != nil {
		return b.introduceError(where, "EHLO", err)
	}
	if !r.positive() {
		return fail("EHLO", r)
	}
	return nil
}

// introduceError tells a server that speaks another protocol from one that is gone.
func (b *backend) introduceError(where front.Backend, step string, err error) error {
	if errors.Is(err, errNotAReply) || errors.Is(err, errConfused) {
		return &BackendError{Address: where.Address, Step: step, Reply: err.Error()}
	}
	return fmt.Errorf("talking to back end %s: %s: %w", where.Address, step, err)
}

// hello says EHLO, and HELO to a server that does not know it (RFC 5321 section 3.2).
func (b *backend) hello(host string) (reply, error) {
	r, err := b.exchange("EHLO " + host)
	if err != nil {
		return reply{}, err
	}
	if r.positive() {
		b.offers = parseOffers(r)
		return r, nil
	}
	if r.class() != 5 {
		return r, nil
	}
	b.offers = offers{}
	return b.exchange("HELO " + host)
}

// watch ends the connection when ctx ends, whatever it waits for.
func (b *backend) watch(ctx context.Context) {
	conn := b.conn
	b.forget = context.AfterFunc(ctx, func() { conn.Close() })
}

// command sends one command and reads its reply.
func (b *backend) command(line string, within time.Duration) (reply, error) {
	if err := b.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return reply{}, fmt.Errorf("talking to the back end: %w", err)
	}
	return b.exchange(line)
}

func (b *backend) exchange(line string) (reply, error) {
	if b.r.Buffered() > 0 {
		return reply{}, fmt.Errorf("before a command: %w", errConfused)
	}
	b.w.WriteString(line) // errors stay in the writer and show at Flush
	b.w.Write(crlf)
	if err := b.w.Flush(); err != nil {
		return reply{}, fmt.Errorf("writing to the back end: %w", err)
	}
	return readReply(b.r)
}

// authPlain logs in with a PLAIN message (RFC 4616 section 2), which is cleared here as far as our own copies go. An
// initial response that makes the line longer than 512 octets waits for a 334 (RFC 4954 section 4).
func (b *backend) authPlain(message []byte, within time.Duration) (reply, error) {
	defer clear(message)
	if b.r.Buffered() > 0 {
		return reply{}, fmt.Errorf("before a command: %w", errConfused)
	}
	if err := b.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return reply{}, fmt.Errorf("talking to the back end: %w", err)
	}
	line := []byte("AUTH PLAIN ")
	line = slices.Grow(line, base64.StdEncoding.EncodedLen(len(message))+len(crlf))
	line = base64.StdEncoding.AppendEncode(line, message)
	line = append(line, crlf...)
	defer clear(line)
	if len(line) > 512 {
		r, err := b.exchange("AUTH PLAIN")
		if err != nil || r.code != 334 {
			return r, err
		}
		return b.secretLine(line[len("AUTH PLAIN "):])
	}
	return b.secretLine(line)
}

// secretLine sends a line past the buffered writer, which would keep it.
func (b *backend) secretLine(line []byte) (reply, error) {
	if _, err := b.conn.Write(line); err != nil {
		return reply{}, fmt.Errorf("writing to the back end: %w", err)
	}
	return readReply(b.r)
}

// close ends the connection at once. In the middle of a message that is the only way to take it back: without its
// final dot nothing is delivered (RFC 5321 section 4.1.1.4).
func (b *backend) close() {
	if b.forget != nil {
		b.forget()
	}
	b.conn.Close()
}

// quit leaves in the proper way. The reply is read so that the back end does not log a broken connection; whether it
// comes changes nothing any more.
func (b *backend) quit() {
	b.command("QUIT", time.Second)
	b.close()
}
