package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
)

// What a back end may say before the login is done; more is not a mail server's answer.
const (
	backendLineBytes = 8 << 10
	backendBytes     = 64 << 10
)

// dialogue is our conversation with a back end until the client is logged in there.
type dialogue struct {
	conn net.Conn
	in   buffer
	read int // bytes read so far
}

// say sends the parts as they are, and clears nothing.
func (d *dialogue) say(parts ...[]byte) error {
	whole := bytes.Join(parts, nil)
	defer clear(whole) // it may hold a password
	if _, err := d.conn.Write(whole); err != nil {
		return fmt.Errorf("writing to the back end: %w", err)
	}
	return nil
}

// line returns one line without its end; it is valid until the next call.
func (d *dialogue) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(d.in.bytes(), '\n'); i >= 0 {
			line := d.in.bytes()[:i]
			d.in.discard(i + 1)
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		if d.in.len() >= backendLineBytes {
			return nil, fmt.Errorf("reading from the back end: %w", ErrLineTooLong)
		}
		n, err := d.conn.Read(d.in.space(backendLineBytes))
		if d.read += n; d.read > backendBytes {
			return nil, errors.New("reading from the back end: more than 64 KiB before the login was done")
		}
		d.in.added(n)
		if n == 0 && err != nil {
			return nil, fmt.Errorf("reading from the back end: %w", err)
		}
	}
}

// secure upgrades the conversation after the back end's go-ahead. What stands behind that in clear may come
// from anybody on the way (CVE-2021-38371), so it ends the attempt.
func (d *dialogue) secure(ctx context.Context, b Backend) error {
	if d.in.len() > 0 {
		return fmt.Errorf("starting TLS with back end %s: %w", b.Address, ErrPlaintextInjected)
	}
	conn, err := b.Secure(ctx, d.conn)
	if err != nil {
		return err
	}
	d.conn = conn
	return nil
}

// rest is the connection with what has been read of it and not used put back.
func (d *dialogue) rest() net.Conn {
	if d.in.len() == 0 {
		return d.conn
	}
	return &unread{Conn: d.conn, early: bytes.Clone(d.in.bytes())}
}

// unread is a connection of which something was read too early.
type unread struct {
	net.Conn
	early []byte
}

func (u *unread) Read(p []byte) (int, error) {
	if len(u.early) > 0 {
		n := copy(p, u.early)
		u.early = u.early[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// CloseWrite closes our direction alone, where the connection can.
func (u *unread) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return u.Close()
}
