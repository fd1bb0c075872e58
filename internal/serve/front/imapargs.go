package front

import (
	"bytes"
	"strconv"
)

// imapArguments reads the arguments of one command, asking the client for literals as they come. After the
// first thing that is wrong it reads no more.
type imapArguments struct {
	session *imapSession
	rest    []byte // of the current line; cleared as it is read
	wrong   string // why the command is BAD
	gone    bool   // nobody to answer, or answered already
}

func (r *imapArguments) stopped() bool { return r.gone || r.wrong != "" }

// astring reads an astring of at most most octets and returns a copy. RFC 9051 section 9: an atom, "]"
// allowed, or a quoted string, or a literal.
func (r *imapArguments) astring(most int) []byte {
	if r.stopped() {
		return nil
	}
	switch {
	case len(r.rest) == 0:
		r.wrong = "argument missing"
		return nil
	case r.rest[0] == '"':
		return r.quoted()
	case r.rest[0] == '{':
		return r.literal(most)
	}
	n := 0
	for n < len(r.rest) && isAstring(r.rest[n]) {
		n++
	}
	if n == 0 {
		r.wrong = "argument expected"
		return nil
	}
	return r.take(n)
}

// take copies n octets out of the line and clears them there.
func (r *imapArguments) take(n int) []byte {
	out := bytes.Clone(r.rest[:n])
	clear(r.rest[:n])
	r.rest = r.rest[n:]
	return out
}

func (r *imapArguments) quoted() []byte {
	out := make([]byte, 0, len(r.rest))
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			clear(r.rest[:i+1])
			r.rest = r.rest[i+1:]
			return out
		case c == '\\':
			i++
			if i == len(r.rest) || r.rest[i] != '"' && r.rest[i] != '\\' {
				r.wrong = "bad quoted string"
				return out
			}
			out = append(out, r.rest[i])
		case c == 0 || c == '\r':
			r.wrong = "bad quoted string"
			return out
		default:
			// Octets above 127 are passed on: RFC 9051 has UTF-8 here, and old clients their own.
			out = append(out, c)
		}
	}
	r.wrong = "quoted string without end"
	return out
}

func (r *imapArguments) literal(most int) []byte {
	size, waits, ok := literalAt(r.rest)
	switch {
	case !ok:
		r.wrong = "bad literal"
		return nil
	case size > most && waits:
		r.wrong = "literal too long" // the client waits for "+" and takes this as a no
		return nil
	case size > most:
		// RFC 7888 section 4: what comes cannot be stopped, so the connection is.
		r.session.Reply("* BYE literal too long")
		r.gone = true
		return nil
	case waits:
		r.session.Reply("+ go ahead")
	}
	out := make([]byte, size)
	if err := r.session.ReadFull(out); err != nil {
		r.session.goodbye(err)
		r.gone = true
		return out
	}
	line, err := r.session.ReadMore(r.session.limits.LineBytes)
	if err != nil {
		r.session.goodbye(err)
		r.gone = true
		return out
	}
	r.rest = line
	if bytes.IndexByte(out, 0) >= 0 {
		r.wrong = "NUL in a literal" // CHAR8 of RFC 9051 section 9
	}
	return out
}

func (r *imapArguments) space() {
	if r.stopped() {
		return
	}
	if len(r.rest) == 0 || r.rest[0] != ' ' {
		r.wrong = "space expected"
		return
	}
	r.rest = r.rest[1:]
}

// end checks that nothing is left. Behind a wrong argument more literals may come.
func (r *imapArguments) end() {
	if !r.stopped() && len(r.rest) > 0 {
		r.wrong = "too many arguments"
	}
	if !r.gone && r.wrong != "" && !r.session.skipLiteral(r.rest) {
		r.gone = true
	}
}

// skipLiteral clears the arguments of a command that we refuse and swallows the literals that the client
// sends without waiting: their octets must not be taken for commands. false when the session is over.
func (s *imapSession) skipLiteral(args []byte) bool {
	for range 8 {
		size, waits, ok := lastLiteral(args)
		clear(args)
		switch {
		case !ok || waits:
			return true // a client that waits for "+" reads our refusal instead
		case size > s.limits.LiteralBytes:
			s.Reply("* BYE literal too long")
			return false
		}
		swallowed := make([]byte, size)
		err := s.ReadFull(swallowed)
		clear(swallowed)
		if err == nil {
			args, err = s.ReadMore(s.limits.LineBytes)
		}
		if err != nil {
			s.goodbye(err)
			return false
		}
	}
	clear(args)
	s.Reply("* BYE too many literals")
	return false
}

// lastLiteral is the literal announced at the end of a line, if any.
func lastLiteral(line []byte) (size int, waits, ok bool) {
	start := bytes.LastIndexByte(line, '{')
	if start < 0 {
		return 0, false, false
	}
	return literalAt(line[start:])
}

// literalAt reads "{n}" or, of RFC 7888, "{n+}", which must be all of b; waits means that the client does not
// send it before it is asked to.
func literalAt(b []byte) (size int, waits, ok bool) {
	inner, opened := bytes.CutPrefix(b, []byte{'{'})
	inner, closed := bytes.CutSuffix(inner, []byte{'}'})
	if !opened || !closed {
		return 0, false, false
	}
	inner, now := bytes.CutSuffix(inner, []byte{'+'})
	n, err := strconv.ParseUint(string(inner), 10, 31)
	if err != nil {
		return 0, false, false
	}
	return int(n), !now, true
}
