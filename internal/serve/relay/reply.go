package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxReplyOctets bounds one line of a reply with its CRLF. RFC 5321 section 4.5.3.1.5 says 512; longer
	// lines from a back end are read up to the size of our buffer and cut for the client.
	maxReplyOctets = 512
	// maxReplyLines bounds what a back end may answer to one command, an EHLO of many extensions included.
	maxReplyLines = 100
)

// errNotAReply is what a back end said instead of an SMTP reply. It stays inside the package: the client gets a
// temporary error, the log gets the fact.
var errNotAReply = errors.New("not an SMTP reply")

// reply is one SMTP reply: three digits and one or more lines of text (RFC 5321 section 4.2). What is in lines is
// printable ASCII and short, whoever wrote it, so that a reply can be sent to anybody as it stands.
type reply struct {
	code  int
	lines []string
}

// answer makes a reply of our own; enhanced is the RFC 3463 code or empty where RFC 2034 section 4 wants none.
func answer(code int, enhanced, text string) reply {
	if enhanced != "" {
		text = enhanced + " " + text
	}
	return reply{code, []string{text}}
}

// class is the first digit of the code.
func (r reply) class() int { return r.code / 100 }

// positive says whether the command was done.
func (r reply) positive() bool { return r.class() == 2 }

// String is the reply in one line, for logs.
func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, strings.Join(r.lines, " / ")) }

// wire returns the lines as they go over the wire, without their CRLF.
func (r reply) wire() []string {
	out := make([]string, len(r.lines))
	for i, line := range r.lines {
		separator := "-"
		if i == len(r.lines)-1 {
			separator = " "
		}
		out[i] = strconv.Itoa(r.code) + separator + line
	}
	return out
}

// readReply reads one reply of a back end and cleans it. Everything but the digits and the printable ASCII of the
// text is the back end's business alone: a reply that carried line ends or control characters through us could
// speak to the client in our name.
func readReply(r *bufio.Reader) (reply, error) {
	var out reply
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				return reply{}, fmt.Errorf("reading a reply: line of more than %d octets: %w", r.Size(), errNotAReply)
			}
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the reply was due: an end here is never a clean one
			}
			return reply{}, fmt.Errorf("reading a reply: %w", err)
		}
		code, more, text, ok := splitReplyLine(line)
		switch {
		case !ok:
			return reply{}, fmt.Errorf("reading a reply: %w: %q", errNotAReply, line[:min(len(line), 80)])
		case out.code == 0:
			out.code = code
		case out.code != code:
			// RFC 5321 section 4.2.1: the code is the same on every line. Two codes are two opinions.
			return reply{}, fmt.Errorf("reading a reply: codes %d and %d in one: %w", out.code, code, errNotAReply)
		}
		out.lines = append(out.lines, text)
		if !more {
			return out, nil
		}
		if len(out.lines) == maxReplyLines {
			return reply{}, fmt.Errorf("reading a reply: more than %d lines: %w", maxReplyLines, errNotAReply)
		}
	}
}

// splitReplyLine takes "250-text CRLF" apart. RFC 5321 section 4.2: the first digit is 2 to 5, the second 0 to 5.
// A bare LF is taken as a line end here and only here: nothing is ever cut at it but text that we clean anyway.
func splitReplyLine(line []byte) (code int, more bool, text string, ok bool) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || s[1] < '0' || s[1] > '5' || s[2] < '0' || s[2] > '9' {
		return 0, false, "", false
	}
	code = int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	if len(s) == 3 { // RFC 5321 section 4.2: the text may be missing, and some leave out the space with it
		return code, false, "", true
	}
	if s[3] != ' ' && s[3] != '-' {
		return 0, false, "", false
	}
	return code, s[3] == '-', cleanText(s[4:]), true
}

// cleanText leaves printable ASCII, a question mark for every other byte, and no more than fits into one line.
func cleanText(s string) string {
	b := []byte(s[:min(len(s), maxReplyOctets-len("250 \r\n"))])
	for i, c := range b {
		switch {
		case c == '\t':
			b[i] = ' '
		case c < ' ' || c > '~':
			b[i] = '?'
		}
	}
	return string(b)
}

// withEnhanced gives every line an enhanced code when the back end left it out, because we have offered
// ENHANCEDSTATUSCODES and the promise is ours to keep (RFC 2034 section 4). X.0.0 says nothing beyond the class.
func (r reply) withEnhanced() reply {
	if r.class() == 3 {
		return r // RFC 2034 section 4: 3xx replies carry none
	}
	out := reply{r.code, make([]string, len(r.lines))}
	for i, line := range r.lines {
		if !hasEnhanced(line, r.class()) {
			line = fmt.Sprintf("%d.0.0 %s", r.class(), line)
		}
		out.lines[i] = line[:min(len(line), maxReplyOctets-len("250 \r\n"))]
	}
	return out
}

// hasEnhanced says whether text begins with class "." subject "." detail (RFC 3463 section 2).
func hasEnhanced(text string, class int) bool {
	code, _, _ := strings.Cut(text, " ")
	parts := strings.Split(code, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(class) {
		return false
	}
	for _, p := range parts[1:] {
		if len(p) < 1 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
