package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

// imapUntagged is how many untagged lines around a login are passed on at most.
const imapUntagged = 16

var (
	errBackendAnswer = errors.New("back end's answer to a login is none")
	errBackendStops  = errors.New("back end does not go on with the login")
)

// imapCredentials are what the client logs in with, and the tag it waits for.
type imapCredentials struct {
	tag string
	*credentials
}

// imapLogin speaks to a back end from its greeting to the end of a login.
func imapLogin(ctx context.Context, b Backend, d *dialogue, k imapCredentials) (answer, error) {
	able, err := imapGreeting(d)
	if err != nil {
		return answer{}, err
	}
	if b.TLS == TLSStartTLS {
		if _, err := imapOwnCommand(d, "STARTTLS"); err != nil {
			return answer{}, err
		}
		if err := d.secure(ctx, b); err != nil {
			return answer{}, err
		}
		able = "" // RFC 9051 section 6.2.1: what was said in clear counts no more
	}
	if able == "" {
		if able, err = imapOwnCommand(d, "CAPABILITY"); err != nil {
			return answer{}, err
		}
	}
	has := func(name string) bool { return strings.Contains(able+" ", " "+name+" ") }
	switch {
	case has("AUTH=PLAIN"):
		err = imapAuthenticate(d, k, has("SASL-IR"))
	case has("LOGINDISABLED"):
		return answer{}, errors.New("back end allows neither AUTHENTICATE PLAIN nor LOGIN")
	case k.actsForAnother():
		return answer{lines: []string{k.tag + " NO [AUTHORIZATIONFAILED] acting for another user is not possible here"}}, nil
	default:
		err = imapLoginCommand(d, k)
	}
	if err != nil {
		return answer{}, err
	}
	return imapAnswer(d, k.tag)
}

// imapGreeting reads the greeting; the capabilities when it tells them, in the form of capabilitiesIn.
func imapGreeting(d *dialogue) (string, error) {
	line, err := d.line()
	if err != nil {
		return "", err
	}
	// RFC 9051 section 7.1.4: PREAUTH means that a session is already open, for whoever connects. Then any
	// password would be right.
	if !hasPrefixFold(line, "* OK ") {
		return "", fmt.Errorf("back end's greeting: %q", shorten(line))
	}
	return capabilitiesIn(line), nil
}

// capabilitiesIn finds a CAPABILITY code or answer; each name in upper case with a space before it.
func capabilitiesIn(line []byte) string {
	upper := strings.ToUpper(string(line))
	if after, ok := strings.CutPrefix(upper, "* CAPABILITY"); ok {
		return after
	}
	if _, after, ok := strings.Cut(upper, "[CAPABILITY"); ok {
		inner, _, _ := strings.Cut(after, "]")
		return inner
	}
	return ""
}

// imapOwnCommand sends a command of our own and returns the capabilities it brought, if any.
func imapOwnCommand(d *dialogue, command string) (string, error) {
	const tag = "postseal"
	if err := d.say([]byte(tag + " " + command + "\r\n")); err != nil {
		return "", err
	}
	able := ""
	for range imapUntagged {
		line, err := d.line()
		if err != nil {
			return "", err
		}
		if found := capabilitiesIn(line); found != "" {
			able = found
		}
		if !hasPrefixFold(line, tag+" ") {
			continue
		}
		if !hasPrefixFold(line, tag+" OK") {
			return "", fmt.Errorf("back end refused %s: %q", command, shorten(line))
		}
		return able, nil
	}
	return "", fmt.Errorf("back end answered %s with too many lines", command)
}

func imapAuthenticate(d *dialogue, k imapCredentials, initialResponse bool) error {
	message := k.plain()
	defer clear(message)
	if initialResponse {
		return d.say([]byte(k.tag+" AUTHENTICATE PLAIN "), message, []byte("\r\n"))
	}
	if err := d.say([]byte(k.tag + " AUTHENTICATE PLAIN\r\n")); err != nil {
		return err
	}
	if err := imapContinuation(d); err != nil {
		return err
	}
	return d.say(message, []byte("\r\n"))
}

func imapLoginCommand(d *dialogue, k imapCredentials) error {
	if err := d.say([]byte(k.tag + " LOGIN")); err != nil {
		return err
	}
	for _, argument := range [][]byte{k.user, k.password} {
		if quoted, ok := quote(argument); ok {
			err := d.say([]byte(" "), quoted)
			clear(quoted)
			if err != nil {
				return err
			}
			continue
		}
		if err := d.say(fmt.Appendf(nil, " {%d}\r\n", len(argument))); err != nil {
			return err
		}
		if err := imapContinuation(d); err != nil {
			return err
		}
		if err := d.say(argument); err != nil {
			return err
		}
	}
	return d.say([]byte("\r\n"))
}

// quote makes a quoted string of what may stand in one everywhere; anything else has to be a literal.
func quote(b []byte) ([]byte, bool) {
	out := make([]byte, 1, 2*len(b)+2)
	out[0] = '"'
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			clear(out)
			return nil, false
		}
		if c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return append(out, '"'), true
}

func imapContinuation(d *dialogue) error {
	for range imapUntagged {
		line, err := d.line()
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(line, []byte("+")):
			return nil
		case !bytes.HasPrefix(line, []byte("* ")):
			return errBackendStops
		}
	}
	return errBackendStops
}

// imapAnswer reads until the tagged answer. Untagged lines go to the client too: the back end may tell its
// capabilities there (RFC 9051 section 6.2.2) or an alert.
func imapAnswer(d *dialogue, tag string) (answer, error) {
	var got answer
	for range imapUntagged {
		line, err := d.line()
		if err != nil {
			return answer{}, err
		}
		// The lines are not quoted in errors: an odd back end might echo the password.
		_, _, literal := lastLiteral(line)
		switch {
		case literal:
			return answer{}, errors.New("back end sends a literal in its answer to a login")
		case hasPrefixFold(line, "* BYE"):
			return answer{}, errors.New("back end hangs up instead of answering a login")
		case bytes.HasPrefix(line, []byte("* ")):
			got.lines = append(got.lines, string(line))
			continue
		case bytes.HasPrefix(line, []byte(tag+" ")):
		default:
			return answer{}, errBackendAnswer
		}
		got.lines = append(got.lines, string(line))
		status := line[len(tag)+1:]
		switch {
		case hasPrefixFold(status, "OK ") || bytes.EqualFold(status, []byte("OK")):
			got.conn = d.rest()
		case hasPrefixFold(status, "NO") || hasPrefixFold(status, "BAD"):
		default:
			return answer{}, errBackendAnswer
		}
		return got, nil
	}
	return answer{}, errors.New("back end answered a login with too many lines")
}

func hasPrefixFold(line []byte, prefix string) bool {
	return len(line) >= len(prefix) && strings.EqualFold(string(line[:len(prefix)]), prefix)
}

// shorten is enough of a foreign line for a log.
func shorten(line []byte) []byte {
	return line[:min(len(line), 200)]
}
