package front

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

var (
	// ErrLineTooLong means that the client sent a longer line than allowed. What follows cannot be told from
	// the rest of that line: answer and return.
	ErrLineTooLong = errors.New("line too long")
	// ErrBareLF means a line feed without a carriage return, or the reverse, where only the pair ends a line.
	ErrBareLF = errors.New("bare line feed or carriage return")
)

// ReadLine waits for one command and returns it without its line end; CR LF and LF both end it. The bytes
// are valid until the next read; clear them when they held a secret.
//
// Errors: ErrLineTooLong (more than most octets), ErrDraining, ErrEvicted, os.ErrDeadlineExceeded when the
// time is up; these deserve a word to the client. All others, io.EOF the commonest, mean that it is gone.
func (c *Conn) ReadLine(most int) ([]byte, error) {
	line, err := c.line(most, true)
	return bytes.TrimSuffix(line, []byte{'\r'}), err
}

// ReadMore is ReadLine within a command: a continuation, the rest after a literal. It is no command
// boundary, so it does not return ErrDraining or ErrEvicted.
func (c *Conn) ReadMore(most int) ([]byte, error) {
	line, err := c.line(most, false)
	return bytes.TrimSuffix(line, []byte{'\r'}), err
}

// ReadLineStrict is ReadLine for SMTP: RFC 5321 section 2.3.8 lets only CR LF end a line. For anything else
// it returns ErrBareLF along with what came before the line feed.
func (c *Conn) ReadLineStrict(most int) ([]byte, error) {
	line, err := c.line(most, true)
	if err != nil {
		return nil, err
	}
	bare, ended := bytes.CutSuffix(line, []byte{'\r'})
	if !ended || bytes.IndexByte(bare, '\r') >= 0 {
		return bare, ErrBareLF
	}
	return bare, nil
}

// line returns the bytes before the next LF.
func (c *Conn) line(most int, boundary bool) ([]byte, error) {
	searched := 0
	defer c.slot.works() // the line is whole, or the session over
	if boundary {
		if err := c.sentAway(); err != nil {
			return nil, err
		}
	}
	for {
		data := c.in.bytes()
		if i := bytes.IndexByte(data[searched:], '\n'); i >= 0 {
			i += searched
			line := data[:i]
			if len(bytes.TrimSuffix(line, []byte{'\r'})) > most {
				return nil, ErrLineTooLong
			}
			c.in.discard(i + 1)
			return line, nil
		}
		searched = len(data)
		if searched > most+1 { // one for the CR
			return nil, ErrLineTooLong
		}
		if err := c.fill(most+2, boundary && searched == 0); err != nil {
			return nil, err
		}
	}
}

// sentAway tells whether this session has to end at the command boundary it stands at.
func (c *Conn) sentAway() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.evicted:
		return ErrEvicted
	case c.draining:
		return ErrDraining
	}
	return nil
}

// Read returns what the client sent, buffered bytes first. It is no command boundary.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data, err := c.Peek()
	if err != nil {
		return 0, err
	}
	n := copy(p, data)
	clear(data[:n]) // a literal may be a password
	c.Discard(n)
	return n, nil
}

// ReadFull fills p from the client. It is no command boundary.
func (c *Conn) ReadFull(p []byte) error {
	defer c.slot.works()
	_, err := io.ReadFull(readerFunc(c.Read), p)
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Peek returns everything that is buffered without taking it, and waits for at least one byte. With Discard
// it serves a parser of a data phase. The bytes are valid until the next read. It is no command boundary.
func (c *Conn) Peek() ([]byte, error) {
	if c.in.len() == 0 {
		if err := c.fill(16<<10, false); err != nil {
			return nil, err
		}
	}
	return c.in.bytes(), nil
}

// Spoke says that the client has sent enough of a data phase to count as having spoken, as it does by itself
// with every command. Without it, the session is silent since the last command, however many bytes came.
func (c *Conn) Spoke() { c.slot.works() }

// Discard takes n of the bytes that Peek has shown.
func (c *Conn) Discard(n int) { c.in.discard(n) }

// Buffered is how many bytes wait to be read without asking the network: a pipelining client's next commands.
func (c *Conn) Buffered() int { return c.in.len() }

// fill waits for at least one more byte. The buffer does not grow beyond most bytes. At a command boundary
// it may return ErrDraining or ErrEvicted.
//
// Whatever is waited for, before login the session can be sent away meanwhile. Its place among the silent
// ends with the command or block, not with the first byte of it: see slot.works.
func (c *Conn) fill(most int, boundary bool) error {
	// Nobody waits for a client that may be waiting for our answer.
	if err := c.Flush(); err != nil {
		return err
	}
	c.slot.waits()
	defer c.slot.heard()
	space := c.in.space(most)
	for {
		if err := c.armRead(boundary); err != nil {
			return err
		}
		n, err := c.stream.Read(space)
		if n > 0 {
			c.in.added(n)
			return nil
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("reading from the client: %w", err)
		case !c.interrupted():
			return fmt.Errorf("waiting for the client: %w", os.ErrDeadlineExceeded)
		}
		// Interrupted: armRead knows whether that ends us here. crypto/tls keeps a connection usable after a
		// read deadline, since the error says it is temporary.
	}
}

// armRead sets the read deadline, unless somebody wants this session to end.
func (c *Conn) armRead(boundary bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.evicted && boundary:
		return ErrEvicted
	case c.evicted:
		return fmt.Errorf("sent away within a command: %w", net.ErrClosed)
	case c.draining && boundary:
		return ErrDraining
	}
	return c.raw.SetReadDeadline(c.until(c.deadline))
}

// interrupted reports whether a read ended before its time.
func (c *Conn) interrupted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.evicted || c.draining) && time.Now().Before(c.until(c.deadline))
}

// until is the earlier of the budget's end and t; with neither, what an idle session gets. mu is held.
func (c *Conn) until(t time.Time) time.Time {
	switch {
	case t.IsZero() && c.budget.IsZero():
		return time.Now().Add(c.serving.Limits.Idle)
	case t.IsZero(), !c.budget.IsZero() && c.budget.Before(t):
		return c.budget
	}
	return t
}
