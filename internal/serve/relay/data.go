package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

var (
	// errLineEnd has the code that Exchange and its senders know for it.
	errLineEnd = &refusal{550, "5.6.11", "message has a bare CR or LF, lines must end with CR LF"}
	errNUL     = &refusal{554, "5.6.0", "message contains a NUL octet"}
	// errTextLine: RFC 5321 section 4.5.3.1.10 names 500 for a line too long.
	errTextLine = &refusal{500, "5.5.2", "message has a line that is too long"}
	errTooBig   = &refusal{552, "5.3.4", "message too big"}
)

// dataReader reads the message that follows DATA (RFC 5321 section 4.1.1.4) and takes the dots off (section 4.5.2).
//
// Only CRLF ends a line and only CRLF "." CRLF ends the message. Servers that also take "\n.\n" or "\r.\r" for an
// end see commands where others see text, and let a sender smuggle a second message past the first server's checks;
// RFC 5321 section 2.3.8 and section 4.1.1.4 forbid it. We do not repair such line ends either: whatever we made of
// them, somebody meant something else. NUL is refused because servers written in C end a line there.
//
// A line may be longer than the 1,000 octets of section 4.5.3.1.6: programs write HTML in one line, most servers
// take it, and refusing it here would lose mail that the server behind would have had. It may not be endless, since
// a server that cuts lines where its buffer ends could take a piece for a line: see Limits.TextLineOctets.
type dataReader struct {
	in        window
	maxOctets int64  // of the message without its stuffed dots
	maxLine   int    // of a line with its CRLF
	newBlock  func() // called before each blockOctets of input: the place to grant more time; nil: never

	octets  int64 // of the message so far
	raw     int64 // read from in so far
	granted int64 // newBlock has been called up to here
	line    int   // octets of this line so far
	text    int   // of these, without the stuffed dot and the line end
	dot     bool  // this line began with a dot, which is taken off
	heldCR  bool  // the last piece ended before a CR, and what follows it is not known yet
}

// window is input that can be looked at before it is taken, so that nothing behind the message is taken with it.
// [postseal/internal/serve/front.Conn] is one; tests have others that cut the input anywhere or fail.
type window interface {
	// Peek returns what is there, at least one byte, and waits if there is none. It is valid until the next Peek.
	Peek() ([]byte, error)
	// Discard takes n of these bytes.
	Discard(n int)
}

// blockOctets is how much has to come within Limits.DataBlock. Counting octets instead of reads keeps a client that
// sends one now and then from holding a session, and a back end, for ever.
const blockOctets = 32 << 10

var crlf = []byte("\r\n")

// next returns the next piece of the message: a line with its CRLF, or a part of one. A CRLF is never cut in two.
// The piece is valid until the next call. The error is io.EOF after the end of the message, a *refusal for what may
// not be in one (next may be called again, to find its end), or what the connection said.
func (d *dataReader) next() ([]byte, error) {
	for {
		p, err := d.take()
		if err != nil {
			return nil, err
		}
		p, err = d.step(p)
		if err != nil {
			return nil, err
		}
		if d.octets += int64(len(p)); d.octets > d.maxOctets {
			return nil, errTooBig
		}
		if len(p) > 0 {
			return p, nil
		}
	}
}

// take returns what has come, at most up to an LF.
func (d *dataReader) take() ([]byte, error) {
	if d.newBlock != nil && d.raw >= d.granted {
		d.newBlock()
		d.granted = d.raw + blockOctets
	}
	p, err := d.in.Peek()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // io.EOF is kept for the message's own end
		}
		return nil, err
	}
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		p = p[:i+1]
	}
	d.in.Discard(len(p))
	d.raw += int64(len(p))
	return p, nil
}

// step judges one piece, which has at most one LF, at its end. It returns what belongs to the message.
func (d *dataReader) step(p []byte) ([]byte, error) {
	if d.line == 0 && p[0] == '.' {
		// RFC 5321 section 4.5.2: the first dot of a line is taken off. Whether it was the end shows at the CRLF.
		d.dot = true
		d.line++
		p = p[1:]
		if len(p) == 0 {
			return nil, nil
		}
	}
	d.line += len(p)
	length, held, ends := d.line, d.heldCR, false
	d.heldCR = false
	var text []byte
	switch {
	case held && p[0] == '\n': // the other half of a CRLF, alone since pieces end at their LF
		p, held, ends = crlf, false, true
	case bytes.HasSuffix(p, crlf):
		text, ends = p[:len(p)-len(crlf)], true
	case p[len(p)-1] == '\r':
		d.heldCR = true
		text = p[:len(p)-1]
		p = text
	default:
		text = p
	}
	// A CR that was held and not followed by LF is a bare one, and text like any other.
	bare := held || bytes.ContainsAny(text, "\r\n")
	d.text += len(text)
	if bare {
		d.text++
	}
	final := ends && d.dot && d.text == 0
	if ends {
		d.line, d.text, d.dot = 0, 0, false
	}
	switch {
	case bare:
		return nil, errLineEnd
	case bytes.IndexByte(text, 0) >= 0:
		return nil, errNUL
	case final:
		return nil, io.EOF
	case length > d.maxLine:
		return nil, errTextLine
	}
	return p, nil
}

// skip reads on to the end of a message that was refused, so that the client hears the answer where it listens, and
// nothing of the message is taken for commands. After bound further octets it gives up with errTooBig.
func (d *dataReader) skip(bound int64) error {
	for limit := d.raw + bound; ; {
		_, err := d.next()
		var refused *refusal
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.As(err, &refused):
			return err
		case d.raw > limit:
			return errTooBig
		}
	}
}

// dataWriter writes a message to the back end: dots put on where lines begin with one (RFC 5321 section 4.5.2), the
// end only by finish. What is written must have CRLF line ends and nothing else, as dataReader returns it; then no
// piece of it can be the end, however it is cut.
type dataWriter struct {
	w       *bufio.Writer
	midLine bool
}

// Write takes one line or a part of one.
func (d *dataWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !d.midLine && p[0] == '.' {
		if err := d.w.WriteByte('.'); err != nil {
			return 0, err
		}
	}
	d.midLine = !bytes.HasSuffix(p, crlf)
	return d.w.Write(p)
}

// finish ends the message. From its first octet on the wire the back end may deliver, so whoever calls it can no
// longer change his mind.
func (d *dataWriter) finish() error {
	if d.midLine {
		return errors.New("ending a message in the middle of a line") // would hide the dot in the text
	}
	if _, err := d.w.WriteString(".\r\n"); err != nil {
		return err
	}
	return d.w.Flush()
}
