package front

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func plainOf(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func TestIMAPInClear(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Limits: Limits{BadCommands: 100}}, nil)
	c := f.dial(t)
	c.expect(`^\* OK \[CAPABILITY IMAP4rev1 ID SASL-IR STARTTLS LOGINDISABLED\] mail\.example\.test Postseal ready, session [A-Z2-7]{10}$`)
	for _, step := range []struct {
		send  string
		wants []string
	}{
		{"a CAPABILITY\r\n", []string{`^\* CAPABILITY IMAP4rev1 ID SASL-IR STARTTLS LOGINDISABLED$`, `^a OK `}},
		{"a noop\n", []string{`^a OK NOOP completed$`}},
		{"a ID NIL\r\n", []string{`^\* ID \("name" "Postseal"\)$`, `^a OK `}},
		{"a ID (\"name\" {5}\r\n", []string{`^a BAD `}},
		{"a LOGIN u p\r\n", []string{`^a NO \[PRIVACYREQUIRED\] `}},
		{"a LOGIN {3}\r\n", []string{`^a NO \[PRIVACYREQUIRED\] `}}, // no "+": the secret is not asked for
		{"a LOGIN {3+}\r\nabc {3+}\r\nx y\r\n", []string{`^a NO \[PRIVACYREQUIRED\] `}},
		{"a AUTHENTICATE PLAIN\r\n", []string{`^a NO \[PRIVACYREQUIRED\] `}},
		{"a AUTHENTICATE PLAIN " + plainOf("u", "p") + "\r\n", []string{`^a NO \[PRIVACYREQUIRED\] `}},
		{"a SELECT INBOX\r\n", []string{`^a BAD `}},
		{"a SELECT {8+}\r\nb NOOP\r\nc\r\nd NOOP\r\n", []string{`^a BAD `, `^d OK `}}, // what is in a literal is no command
		{"a STARTTLS now\r\n", []string{`^a BAD `}},
		{"a NOOP x\r\n", []string{`^a BAD `}},
		{"a\r\n", []string{`^\* BAD `}},
		{"\r\n", []string{`^\* BAD `}},
		{"a* NOOP\r\n", []string{`^\* BAD `}},
		{"+ NOOP\r\n", []string{`^\* BAD `}},
		{strings.Repeat("t", 101) + " NOOP\r\n", []string{`^\* BAD `}},
		{"a NOOP" + strings.Repeat(" ", 8200) + "\r\n", []string{`^a BAD line too long`}},
		{"a LOGOUT\r\n", []string{`^\* BYE `, `^a OK `}},
	} {
		c.ask(step.send, step.wants...)
	}
	c.expectEnd()
	if got := f.Counters.Snapshot(); got.BackendFailures != 0 || got.LoginFailures != 0 {
		t.Errorf("in clear the back end was asked: %+v", got)
	}
}

func TestIMAPLogin(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	backends := []struct {
		name  string
		store store
		way   Backend
	}{
		{"implicit TLS, SASL-IR", store{able: "AUTH=PLAIN SASL-IR"}, Backend{Config: trusting(cert)}},
		{"STARTTLS, continuation", store{able: "AUTH=PLAIN", upgrade: serverTLS(cert)}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}},
		{"clear on loopback, LOGIN only", store{able: "ID"}, Backend{TLS: TLSNone}},
		{"capabilities in the greeting", store{first: "* ok [capability IMAP4rev1 auth=plain sasl-ir] hi", able: "SASL-IR"}, Backend{TLS: TLSNone}},
	}
	quoted := `"tri\"al@example.test" "pass \"w\\o rd"`
	plain := plainOf(testUser, testPassword)
	ways := []struct {
		name  string
		steps [][2]string
	}{
		{"LOGIN quoted", [][2]string{{"x LOGIN " + quoted + "\r\n", ""}}},
		{"LOGIN with literals", [][2]string{{fmt.Sprintf("x LOGIN {%d}\r\n", len(testUser)), `^\+ `}, {testUser + fmt.Sprintf(" {%d}\r\n", len(testPassword)), `^\+ `}, {testPassword + "\r\n", ""}}},
		{"LOGIN with literals not waited for", [][2]string{{fmt.Sprintf("x login {%d+}\r\n%s {%d+}\r\n%s\r\n", len(testUser), testUser, len(testPassword), testPassword), ""}}},
		{"AUTHENTICATE with initial response", [][2]string{{"x AUTHENTICATE PLAIN " + plain + "\r\n", ""}}},
		{"AUTHENTICATE", [][2]string{{"x authenticate plain\r\n", `^\+ $`}, {plain + "\r\n", ""}}},
	}
	for i := range backends {
		b := &backends[i]
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			options := b.store.start(t, false, b.way, cert)
			f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(options)}, nil)
			for _, way := range ways {
				c := f.dial(t)
				c.expect(`^\* OK \[CAPABILITY IMAP4rev1 ID SASL-IR AUTH=PLAIN\] `)
				c.ask("a STARTTLS\r\n", `^a BAD `)
				for _, step := range way.steps {
					c.send(step[0])
					if step[1] != "" {
						c.expect(step[1])
					}
				}
				c.expect(`^\* CAPABILITY IMAP4rev1 AFTER$`, `^x OK \[CAPABILITY IMAP4rev1 AFTER\] welcome$`)
				c.ask("this is not for the front end\r\n", `^this is not for the front end$`)
				c.Close()
			}
			if got := f.Counters.Logins.Load(); got != int64(len(ways)) {
				t.Errorf("logins: got %d, want %d", got, len(ways))
			}
		})
	}
}

func TestIMAPPassesBytes(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	s := &store{able: "AUTH=PLAIN SASL-IR"}
	f := serve(t, &Listener{Name: "imap", Handle: IMAP(s.start(t, false, Backend{Config: trusting(cert)}, cert))}, nil)
	c := f.dial(t)
	c.expect(`^\* OK `)
	c.ask("a STARTTLS\r\n", `^a OK `)
	c.handshake(f.cert)
	// The command behind the login comes in the same segment and must reach the back end.
	c.ask("x AUTHENTICATE PLAIN "+plainOf(testUser, testPassword)+"\r\nearly\r\n", `^\* CAP`, `^x OK `, `^early$`)
	sent := make([]byte, 3<<20)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(sent)
	failed := make(chan error, 1)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(40000))
			if _, err := c.Write(rest[:n]); err != nil {
				failed <- err
				return
			}
			rest = rest[n:]
		}
		failed <- nil
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c.r, got); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the bytes that came back are not those that were sent")
	}
	// Ending our side ends the session; what was said last still arrives.
	c.send("last\r\n")
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expect(`^last$`)
	c.expectEnd()
}

func TestIMAPBadLogins(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	loginOnly := (&store{able: "ID"}).start(t, false, Backend{TLS: TLSNone}, cert)
	f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(loginOnly), Limits: Limits{BadCommands: 100}}, nil)
	c := f.dial(t)
	c.expect(`^\* OK `)
	for _, step := range [][]string{
		{"a AUTHENTICATE PLAIN\r\n", `^\+ $`},
		{"*\r\n", `^a BAD `},
		{"a AUTHENTICATE PLAIN =\r\n", `^a BAD `},
		{"a AUTHENTICATE PLAIN !!!\r\n", `^a BAD `},
		{"a AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("no nul")) + "\r\n", `^a BAD `},
		{"a AUTHENTICATE PLAIN " + plainOf("", "p") + "\r\n", `^a BAD `},
		{"a AUTHENTICATE CRAM-MD5\r\n", `^a NO `},
		{"a AUTHENTICATE\r\n", `^a NO `},
		{"a LOGIN\r\n", `^a BAD `},
		{"a LOGIN u\r\n", `^a BAD `},
		{"a LOGIN u p x\r\n", `^a BAD `},
		{"a LOGIN \"u p\r\n", `^a BAD `},
		{"a LOGIN \"u\\p\" x\r\n", `^a BAD `},
		{"a LOGIN (u) p\r\n", `^a BAD `},
		{"a LOGIN {x} p\r\n", `^a BAD `},
		{"a LOGIN {4097}\r\n", `^a BAD `},
		{"a LOGIN {99999999999999999999}\r\n", `^a BAD `},
		{"a LOGIN {2+}\r\n\x00x p\r\n", `^a BAD `},
		{"a LOGIN (u {3+}\r\nabc\r\na NOOP\r\n", `^a BAD `, `^a OK NOOP`},
		{"a AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("boss\x00u\x00p")) + "\r\n", `^a NO \[AUTHORIZATIONFAILED\] `},
		{"a LOGIN {5}\r\n", `^\+ `}, // eight-bit names go on as literals, octet for octet
		{"jörg {5}\r\n", `^\+ `},
		{"grün\r\n", `^\* CAP`, `^a OK `},
	} {
		c.ask(step[0], step[1:]...)
	}
	tooLong := f.dial(t)
	tooLong.expect(`^\* OK `)
	tooLong.ask("a LOGIN {4097+}\r\n", `^\* BYE `)
	tooLong.expectEnd()
}

// TestIMAPBackendFails: whatever happens behind, the client gets a temporary error and its session stays.
func TestIMAPBackendFails(t *testing.T) {
	t.Parallel()
	cert, other := newCertificate(t), newCertificate(t)
	closed := func(b Backend) Options {
		b.Address = "127.0.0.1:1"
		return Options{Backend: func(context.Context) (Backend, error) { return b, nil }}
	}
	start := func(s *store, b Backend) Options { return s.start(t, false, b, cert) }
	for _, test := range []struct {
		name    string
		options Options
		log     string
	}{
		{"none given", Options{}, ErrNoBackend.Error()},
		{"none configured", Options{Backend: func(context.Context) (Backend, error) { return Backend{}, ErrNoBackend }}, ErrNoBackend.Error()},
		{"nobody there", closed(Backend{TLS: TLSNone}), "refused"},
		{"another certificate", start(&store{}, Backend{Config: trusting(other)}), ErrNotPublished.Error()},
		{"clear to another machine", Options{Backend: func(context.Context) (Backend, error) { return Backend{Address: "192.0.2.1:143", TLS: TLSNone}, nil }}, ErrBackendInClear.Error()},
		{"no TLS configuration", start(&store{}, Backend{}), ErrNoTLS.Error()},
		{"no STARTTLS", start(&store{}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}), "refused STARTTLS"},
		{"plaintext behind STARTTLS", start(&store{upgrade: serverTLS(cert), behind: "\r\n* CAPABILITY AUTH=PLAIN"}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}), "starting TLS"},
		{"already logged in", start(&store{first: "* PREAUTH hello"}, Backend{TLS: TLSNone}), "PREAUTH"},
		{"busy", start(&store{first: "* BYE busy"}, Backend{TLS: TLSNone}), "busy"},
		{"endless line", start(&store{first: "* OK " + strings.Repeat("x", 9000)}, Backend{TLS: TLSNone}), ErrLineTooLong.Error()},
		{"endless lines", start(&store{first: "* OK hi" + strings.Repeat("\r\n* OK hi", 30)}, Backend{TLS: TLSNone}), "too many lines"},
		{"no way to log in", start(&store{able: "LOGINDISABLED"}, Backend{TLS: TLSNone}), "neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(test.options)}, nil)
			c := f.dial(t)
			c.expect(`^\* OK `)
			c.ask("x LOGIN u p\r\n", `^x NO \[UNAVAILABLE\] mailbox unavailable, try again later, session [A-Z2-7]{10}$`)
			c.ask("y NOOP\r\n", `^y OK `)
			if !strings.Contains(f.log.String(), test.log) {
				t.Errorf("log: got %s, want %q", f.log, test.log)
			}
			if got := f.Counters.BackendFailures.Load(); got != 1 {
				t.Errorf("back end failures: got %d, want 1", got)
			}
		})
	}
}
