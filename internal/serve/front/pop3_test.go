package front

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestPOP3InClear(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "pop3", Handle: POP3(Options{}), Limits: Limits{BadCommands: 100}}, nil)
	c := f.dial(t)
	c.expect(`^\+OK mail\.example\.test Postseal ready, session [A-Z2-7]{10}$`)
	for _, step := range [][]string{
		{"CAPA\r\n", `^\+OK `, `^STLS$`, `^RESP-CODES$`, `^AUTH-RESP-CODE$`, `^\.$`},
		{"noop\n", `^\+OK$`},
		{"USER u\r\n", `^-ERR \[SYS/PERM\] `},
		{"PASS p\r\n", `^-ERR \[SYS/PERM\] `},
		{"AUTH\r\n", `^-ERR \[SYS/PERM\] `},
		{"AUTH PLAIN\r\n", `^-ERR \[SYS/PERM\] `},
		{"AUTH PLAIN " + plainOf("u", "p") + "\r\n", `^-ERR \[SYS/PERM\] `},
		{"STLS now\r\n", `^-ERR `},
		{"TOP 1 0\r\n", `^-ERR `},
		{"UIDL\r\n", `^-ERR `},
		{"APOP u 00\r\n", `^-ERR `},
		{"\r\n", `^-ERR `},
		{"CAPABILITY\r\n", `^-ERR `},
		{"PASS " + strings.Repeat("x", 8200) + "\r\n", `^-ERR line too long`},
		{"QUIT\r\n", `^\+OK `},
	} {
		c.ask(step[0], step[1:]...)
	}
	c.expectEnd()
	if got := f.Counters.Snapshot(); got.BackendFailures != 0 || got.LoginFailures != 0 {
		t.Errorf("in clear the back end was asked: %+v", got)
	}
}

func TestPOP3Login(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	for _, b := range []struct {
		name  string
		store *store
		way   Backend
	}{
		{"implicit TLS", &store{}, Backend{Config: trusting(cert)}},
		{"STLS", &store{upgrade: serverTLS(cert)}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}},
		{"clear on loopback", &store{}, Backend{TLS: TLSNone}},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, &Listener{Name: "pop3", Handle: POP3(b.store.start(t, true, b.way, cert))}, nil)
			for _, way := range [][][]string{
				{{"USER " + testUser + "\r\n", `^\+OK$`}, {"PASS " + testPassword + "\r\nSTAT\r\n", `^\+OK welcome$`, `^STAT$`}},
				{{"USER " + testUser + "\r\nPASS " + testPassword + "\r\nSTAT\r\n", `^\+OK$`, `^\+OK welcome$`, `^STAT$`}},
				{{"AUTH PLAIN " + plainOf(testUser, testPassword) + "\r\n", `^\+OK welcome$`}, {"RETR 1\r\n", `^RETR 1$`}},
				{{"auth plain\r\n", `^\+ $`}, {plainOf(testUser, testPassword) + "\r\n", `^\+OK welcome$`}, {"RETR 1\r\n", `^RETR 1$`}},
			} {
				c := f.dial(t)
				c.expect(`^\+OK `)
				c.ask("STLS\r\n", `^\+OK begin TLS negotiation$`)
				c.handshake(f.cert)
				c.ask("CAPA\r\n", `^\+OK `, `^USER$`, `^SASL PLAIN$`, `^RESP-CODES$`, `^AUTH-RESP-CODE$`, `^\.$`)
				c.ask("STLS\r\n", `^-ERR `)
				for _, step := range way {
					c.ask(step[0], step[1:]...)
				}
				c.Close()
			}
		})
	}
}

func TestPOP3BadLogins(t *testing.T) {
	t.Parallel()
	s := &store{}
	f := serve(t, &Listener{Name: "pop3s", Implicit: true, Handle: POP3(s.start(t, true, Backend{TLS: TLSNone}, newCertificate(t))), Limits: Limits{BadCommands: 100}}, nil)
	c := f.dial(t)
	c.expect(`^\+OK `)
	injected := base64.StdEncoding.EncodeToString([]byte("\x00" + testUser + "\x00x\r\nPASS " + testPassword))
	for _, step := range [][]string{
		{"PASS p\r\n", `^-ERR USER first$`},
		{"USER\r\n", `^-ERR `},
		{"USER u\x00v\r\n", `^-ERR `},
		{"USER u\r\n", `^\+OK$`},
		{"PASS \r\n", `^-ERR `},
		{"AUTH\r\n", `^\+OK `, `^PLAIN$`, `^\.$`},
		{"AUTH CRAM-MD5\r\n", `^-ERR `},
		{"AUTH PLAIN\r\n", `^\+ $`},
		{"*\r\n", `^-ERR AUTH cancelled$`},
		{"AUTH PLAIN =\r\n", `^-ERR `},
		{"AUTH PLAIN " + injected + "\r\n", `^-ERR \[AUTH\] not a name`},
		{"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("boss\x00u\x00p")) + "\r\n", `^-ERR \[AUTH\] acting`},
		{"PASS wrong\r\n", `^-ERR \[AUTH\] no\?$`}, // still the name from before; the bell is gone
		{"PASS again\r\n", `^-ERR USER first$`},
	} {
		c.ask(step[0], step[1:]...)
	}
	if got := s.logins.Load(); got != 0 {
		t.Errorf("logins: got %d, want 0", got)
	}
}

func TestPOP3BackendFails(t *testing.T) {
	t.Parallel()
	cert, other := newCertificate(t), newCertificate(t)
	start := func(s *store, b Backend) Options { return s.start(t, true, b, cert) }
	for _, test := range []struct {
		name    string
		options Options
		log     string
	}{
		{"none given", Options{}, ErrNoBackend.Error()},
		{"another certificate", start(&store{}, Backend{Config: trusting(other)}), ErrNotPublished.Error()},
		{"no STLS", start(&store{}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}), "refused STLS"},
		{"plaintext behind STLS", start(&store{upgrade: serverTLS(cert), behind: "\r\n+OK"}, Backend{TLS: TLSStartTLS, Config: trusting(cert)}), "starting TLS"},
		{"busy", start(&store{first: "-ERR busy"}, Backend{TLS: TLSNone}), "busy"},
		{"another protocol", start(&store{first: "220 smtp"}, Backend{TLS: TLSNone}), errBackendAnswer.Error()},
		{"endless line", start(&store{first: "+OK " + strings.Repeat("x", 9000)}, Backend{TLS: TLSNone}), ErrLineTooLong.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, &Listener{Name: "pop3s", Implicit: true, Handle: POP3(test.options)}, nil)
			c := f.dial(t)
			c.expect(`^\+OK `)
			c.ask("USER u\r\nPASS p\r\n", `^\+OK$`, `^-ERR \[SYS/TEMP\] mailbox unavailable, try again later, session [A-Z2-7]{10}$`)
			c.ask("NOOP\r\n", `^\+OK$`)
			if !strings.Contains(f.log.String(), test.log) {
				t.Errorf("log: got %s, want %q", f.log, test.log)
			}
		})
	}
}
