package relay

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxLineOctets bounds a command line with its CRLF. RFC 5321 section 4.5.3.1.4 asks for 512 and for more
	// with extensions; a MAIL with a long internationalised path and every parameter stays far below 8 KiB.
	maxLineOctets = 8192
	// maxAuthLineOctets bounds lines of an authentication exchange (RFC 4954 section 4).
	maxAuthLineOctets = 12288
)

// refusal is why something that a client sent is not taken, in the form of the reply it gets. Parsers return it as
// their error: what is wrong and what is answered are decided in one place.
type refusal struct {
	code     int
	enhanced string // RFC 3463
	text     string
}

func (r *refusal) Error() string { return r.text }

func (r *refusal) reply() reply { return answer(r.code, r.enhanced, r.text) }

// command is one command line: the verb in upper case and the rest without the spaces around it.
type command struct {
	verb string
	args string
}

// parseCommand takes a line without its CRLF apart. Control characters are refused everywhere, because no command
// has a use for them and a second parser might; text beyond ASCII must be UTF-8 (RFC 6531 section 3.3), and whether
// it may be there at all is decided where the argument is read.
func parseCommand(line []byte) (command, error) {
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return command{}, &refusal{500, "5.5.2", "control character in command"}
		}
	}
	if !utf8.Valid(line) {
		return command{}, &refusal{500, "5.5.2", "command is not UTF-8"}
	}
	verb, args, _ := strings.Cut(string(line), " ")
	verb = strings.TrimRight(verb, "\t")
	if verb == "" {
		return command{}, &refusal{500, "5.5.2", "no command"}
	}
	for _, c := range []byte(verb) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return command{}, &refusal{500, "5.5.1", "command not recognised"}
		}
	}
	return command{strings.ToUpper(verb), strings.Trim(args, " \t")}, nil
}

// cutPrefixFold is strings.CutPrefix for the words FROM: and TO:, which are written in any case
// (RFC 5321 section 2.4). Spaces behind the colon are against the grammar and common, and harmless here since the
// command is written anew for the back end.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimLeft(s[len(prefix):], " \t"), true
}

// parseMail reads the arguments of MAIL (RFC 5321 section 4.1.1.2): FROM:<reverse-path> and its parameters.
func parseMail(args string, o offers) (path, mailParams, error) {
	rest, ok := cutPrefixFold(args, "FROM:")
	if !ok {
		return path{}, mailParams{}, &refusal{501, "5.5.4", "say MAIL FROM:<address>"}
	}
	p, rest, err := parsePath(rest, reversePath)
	if err != nil {
		return path{}, mailParams{}, err
	}
	params, err := parseMailParams(rest, o)
	if err != nil {
		return path{}, mailParams{}, err
	}
	if p.nonASCII() && !params.utf8 {
		// RFC 6531 section 3.4: such an address needs the SMTPUTF8 parameter; 5.6.7 is RFC 6531 section 4.4's.
		return path{}, mailParams{}, &refusal{550, "5.6.7", "non-ASCII address without SMTPUTF8"}
	}
	return p, params, nil
}

// parseRcpt reads the arguments of RCPT (RFC 5321 section 4.1.1.3): TO:<forward-path> and its parameters. utf8 says
// whether this transaction's MAIL carried SMTPUTF8.
func parseRcpt(args string, o offers, utf8 bool) (path, rcptParams, error) {
	rest, ok := cutPrefixFold(args, "TO:")
	if !ok {
		return path{}, rcptParams{}, &refusal{501, "5.5.4", "say RCPT TO:<address>"}
	}
	p, rest, err := parsePath(rest, forwardPath)
	if err != nil {
		return path{}, rcptParams{}, err
	}
	params, err := parseRcptParams(rest, o)
	if err != nil {
		return path{}, rcptParams{}, err
	}
	if p.nonASCII() && !utf8 {
		// RFC 6531 section 3.5: 553 is the code for RCPT.
		return path{}, rcptParams{}, &refusal{553, "5.6.7", "non-ASCII address without SMTPUTF8"}
	}
	return p, params, nil
}

// parseHello reads the name of EHLO and HELO. RFC 5321 section 4.1.4 forbids to refuse mail because the name is not
// the client's own, and many are not even names: anything of one word is taken, and made harmless where it is
// printed (see received.go).
func parseHello(args string) (string, error) {
	if args == "" || len(args) > maxDomainOctets || strings.ContainsAny(args, " \t") {
		return "", &refusal{501, "5.5.4", "one host name wanted"}
	}
	return args, nil
}
