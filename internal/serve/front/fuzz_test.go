package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// The states before login: what a client can have reached when the fuzzed bytes begin.
const (
	stateClear  = iota // greeting read, no TLS
	stateSecure        // in TLS
	stateLogin         // in TLS, within the exchange of a login
	states
)

// protocolFuzz says what a protocol may answer before login.
type protocolFuzz struct {
	handle  func(Options) Handler
	login   string         // begins the exchange of stateLogin
	goAhead string         // after it the bytes are TLS
	line    *regexp.Regexp // every line that we may say
	asks    *regexp.Regexp // those that ask for a secret
	seeds   []string
}

var imapFuzz = protocolFuzz{
	handle:  IMAP,
	login:   "x AUTHENTICATE PLAIN\r\n",
	goAhead: " OK begin TLS negotiation\r\n",
	line:    regexp.MustCompile(`^(\* (OK|BYE|BAD|CAPABILITY|ID) |\+ |[!#$&',\-./0-9:;=?@A-Z\[\]^_` + "`" + `a-z|}~]{1,100} (OK|NO|BAD) )[ -~]*$`),
	asks:    regexp.MustCompile(`(?m)^\+ `),
	seeds: []string{
		"a CAPABILITY\r\nb NOOP\r\nc LOGOUT\r\n", "a STARTTLS\r\n", "a STARTTLS\r\nb NOOP\r\n", "a STARTTLS\r\nb ", "a ID NIL\r\n",
		"a LOGIN u p\r\n", "a LOGIN \"u\" \"p\\\"\"\r\n", "a LOGIN {1}\r\nu {1}\r\np\r\n", "a LOGIN {1+}\r\nu {1+}\r\np\r\n",
		"a AUTHENTICATE PLAIN AHUAcA==\r\n", "a AUTHENTICATE PLAIN\r\nAHUAcA==\r\n", "a AUTHENTICATE PLAIN =\r\n", "AHUAcA==\r\n", "*\r\n",
		"a LOGIN {99999}\r\n", "a X {5+}\r\nb NOO {3+}\r\nabc\r\n", "\x00\r\n", "a \r\n", " a\r\n", strings.Repeat("a NOOP\r\n", 60), strings.Repeat("x", 13000),
	},
}

var pop3Fuzz = protocolFuzz{
	handle:  POP3,
	login:   "AUTH PLAIN\r\n",
	goAhead: "+OK begin TLS negotiation\r\n",
	line:    regexp.MustCompile(`^(\+OK( [ -~]*)?|-ERR [ -~]*|\+ |STLS|USER|SASL PLAIN|PLAIN|RESP-CODES|AUTH-RESP-CODE|\.)$`),
	asks:    regexp.MustCompile(`(?m)^\+ \r?$`),
	seeds: []string{
		"CAPA\r\nNOOP\r\nQUIT\r\n", "STLS\r\n", "STLS\r\nCAPA\r\n", "STLS\r\nCA", "USER u\r\nPASS p\r\n", "PASS p\r\n", "AUTH\r\n",
		"AUTH PLAIN AHUAcA==\r\n", "AUTH PLAIN\r\nAHUAcA==\r\n", "AUTH PLAIN =\r\n", "AHUAcA==\r\n", "*\r\n", "USER \x00\r\nPASS a\rb\r\n",
		"APOP a b\r\n", "\x00\r\n", "\n\n", strings.Repeat("NOOP\r\n", 60), strings.Repeat("x", 13000),
	},
}

func FuzzIMAP(f *testing.F) { imapFuzz.run(f) }
func FuzzPOP3(f *testing.F) { pop3Fuzz.run(f) }

func (p protocolFuzz) run(f *testing.F) {
	if len(p.seeds) < 10 {
		f.Fatal("the seeds are gone")
	}
	for _, seed := range p.seeds {
		for state := range states {
			f.Add(byte(state), false, []byte(seed))
			f.Add(byte(state), true, []byte(seed))
		}
	}
	config := serverTLS(newCertificate(f))
	f.Fuzz(func(t *testing.T, state byte, slow bool, input []byte) {
		state %= states
		var in io.Reader = bytes.NewReader(input)
		if state == stateLogin {
			in = io.MultiReader(strings.NewReader(p.login), in)
		}
		if slow {
			in = iotest.OneByteReader(in)
		}
		c, raw := scriptedConn(Listener{Name: "fuzz", Host: "mail.example.test", TLS: config}, in)
		if state != stateClear {
			// The handshake itself is not what is tried here: only that the session believes in it.
			c.secure = tls.Server(raw, config)
		}
		asked := 0
		p.handle(Options{Backend: func(context.Context) (Backend, error) {
			asked++
			return Backend{}, ErrNoBackend
		}})(t.Context(), c)
		if err := c.Flush(); err == nil {
			c.close()
		}
		p.check(t, state, raw.out.Bytes(), asked)
	})
}

func (p protocolFuzz) check(t *testing.T, state byte, out []byte, asked int) {
	limits := Limits{}.withDefaults()
	// Behind the go-ahead only TLS speaks: an alert (RFC 8446 section 6), never a line of the protocol.
	said, secure, upgraded := bytes.Cut(out, []byte(p.goAhead))
	if upgraded {
		out = append(bytes.Clone(said), p.goAhead...)
		if len(secure) > 0 && secure[0] != 21 && secure[0] != 22 {
			t.Errorf("in clear after the go-ahead: %q", secure)
		}
	}
	lines := strings.SplitAfter(string(out), "\r\n")
	if last := lines[len(lines)-1]; last != "" {
		t.Errorf("output without line end: %q", last)
	}
	for _, line := range lines[:len(lines)-1] {
		if line = strings.TrimSuffix(line, "\r\n"); !p.line.MatchString(line) {
			t.Errorf("unexpected line %q", line)
		}
	}
	if state == stateClear && asked > 0 {
		t.Errorf("%d logins in clear", asked)
	}
	if state == stateClear && p.asks.Match(out) {
		t.Errorf("asked for a secret in clear: %q", out)
	}
	if state != stateClear && upgraded {
		t.Errorf("TLS offered within TLS: %q", out)
	}
	if asked > limits.Commands {
		t.Errorf("%d logins, more than commands are allowed", asked)
	}
	// No command has more than eight lines of answer.
	if got := len(lines); got > 8*limits.Commands {
		t.Errorf("%d lines of answers", got)
	}
}

// FuzzIMAPQuoted: what we quote for a back end is read back as it was, by the parser that reads clients.
func FuzzIMAPQuoted(f *testing.F) {
	seeds := []string{"", "u", `a"b\c`, "a b", "ü", "\r\n", "{3}", "\x7f"}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		quoted, ok := quote(value)
		if !ok {
			if !bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
				t.Errorf("%q was not quoted", value)
			}
			return
		}
		r := &imapArguments{rest: quoted}
		if got := r.astring(4096); !bytes.Equal(got, value) || r.wrong != "" || len(r.rest) > 0 {
			t.Errorf("got %q, %q, rest %q, want %q", got, r.wrong, r.rest, value)
		}
	})
}

// FuzzPlain: every message that is taken is made again the same.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{plainOf("u", "p"), "", "=", "AA==", "YQB1AHA=", "!", "AHUAcA"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		k, err := parsePlain(encoded)
		if err != nil {
			return
		}
		again := k.plain()
		// The decoder passes over line ends, which a line never holds.
		if want := strings.NewReplacer("\r", "", "\n", "").Replace(string(encoded)); string(again) != want {
			t.Errorf("got %q, want %q", again, want)
		}
	})
}
