package relay

import (
	"bytes"
	"io"
	"strings"
)

const (
	// reservedPrefix begins the names of header fields that only Postseal writes. A back end may act on them, so
	// none may come from a client.
	reservedPrefix = "x-postseal-"
	// maxHops is how many Received: fields a message may bring (RFC 5321 section 6.3 asks for a bound well above
	// any real path; a loop reaches fifty in seconds, no honest message does).
	maxHops = 50
	// maxFieldName is the longest field name that is looked at; RFC 5322 section 2.1.1 allows no line above 998.
	maxFieldName = 998
)

var (
	errLoop   = &refusal{554, "5.4.6", "too many hops, this message goes round in a loop"}
	errHeader = &refusal{552, "5.3.4", "message header too big"}
)

// headerFilter passes a message on to w and takes the reserved fields out of its header section (RFC 5322 section
// 2.2). It counts the Received: fields.
//
// What is header and what is body must not be a matter of opinion between us and the back end, or a reserved field
// could hide in the difference. So at the first line that is neither a field nor the continuation of one, the
// section is closed by an empty line, as other servers do; a message without a header section gets one this way
// that consists of our Received: alone. A first line "From ...", which mail programs leave over from their mailbox
// files (RFC 4155), is taken away instead, because the header follows it.
type headerFilter struct {
	w         io.Writer
	maxOctets int // of the header section

	body    bool   // the section has ended
	fields  int    // begun so far
	hops    int    // Received: fields so far
	removed int    // reserved fields taken out
	octets  int    // of the section so far
	midLine bool   // the last piece did not end its line
	drop    bool   // the field that we are in is taken out
	held    []byte // beginning of a line that is not decided yet
	mbox    bool   // a line "From ..." was taken away
}

// Write takes one line or a part of one, as dataReader returns it. Errors are *refusal or those of w.
func (h *headerFilter) Write(p []byte) (int, error) {
	if h.body {
		return h.w.Write(p)
	}
	if h.octets += len(p); h.octets > h.maxOctets {
		return 0, errHeader
	}
	ends := bytes.HasSuffix(p, crlf)
	if h.midLine && h.held == nil {
		h.midLine = !ends
		return len(p), h.pass(p)
	}
	line := p
	if h.held != nil || !decidable(p) {
		h.held = append(h.held, p...)
		line = h.held
	}
	h.midLine = !ends
	if !decidable(line) {
		return len(p), nil
	}
	h.held = nil
	return len(p), h.begin(line)
}

// decidable says whether enough of a line is there to know what it is.
func decidable(line []byte) bool {
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') ||
		bytes.IndexByte(line, ':') >= 0 || bytes.HasSuffix(line, crlf) || len(line) > maxFieldName
}

// begin decides about a line by its beginning.
func (h *headerFilter) begin(line []byte) error {
	if bytes.Equal(line, crlf) { // RFC 5322 section 2.1: the empty line before the body
		h.body = true
		return h.forward(line)
	}
	if h.fields > 0 && (line[0] == ' ' || line[0] == '\t') { // RFC 5322 section 2.2.3: folded
		return h.pass(line)
	}
	name, ok := fieldName(line)
	if !ok && h.fields == 0 && !h.mbox && (bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))) {
		h.mbox, h.drop = true, true
		return nil
	}
	if !ok {
		h.body = true
		if err := h.forward(crlf); err != nil {
			return err
		}
		return h.forward(line)
	}
	h.fields++
	h.drop = strings.HasPrefix(name, reservedPrefix)
	if h.drop {
		h.removed++
	}
	if name == "received" {
		if h.hops++; h.hops > maxHops {
			return errLoop
		}
	}
	return h.pass(line)
}

// pass hands on what belongs to the field we are in.
func (h *headerFilter) pass(p []byte) error {
	if h.drop {
		return nil
	}
	return h.forward(p)
}

func (h *headerFilter) forward(p []byte) error {
	_, err := h.w.Write(p)
	return err
}

// fieldName is the name of the field that a line begins, in lower case. RFC 5322 section 2.2: printable ASCII but
// the colon; section 4.5 has the older form with white space before the colon.
func fieldName(line []byte) (string, bool) {
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || len(name) == 0 {
		return "", false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return "", false
		}
	}
	return strings.ToLower(string(name)), true
}
