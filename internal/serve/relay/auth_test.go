package relay

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"postseal/internal/serve/front"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const secret = "c0rrect horse"

// plain is the login of all these tests as the back end must see it.
var plain = "AUTH PLAIN " + b64("\x00user@d.test\x00"+secret)

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		talk []string
		want string // what the back end sees
	}{
		{"PLAIN at once", []string{plain, "235 2.7.0 welcome"}, plain},
		{"PLAIN asked for", []string{"auth plain", "334 \r\n", plain[len("AUTH PLAIN "):], "235"}, plain},
		{"LOGIN", []string{"AUTH LOGIN", "334 VXNlcm5hbWU6", b64("user@d.test"), "334 UGFzc3dvcmQ6", b64(secret), "235"}, plain},
		{"LOGIN with the name at once", []string{"AUTH LOGIN " + b64("user@d.test"), "334 UGFzc3dvcmQ6", b64(secret), "235"}, plain},
		{"for somebody else", []string{"AUTH PLAIN " + b64("boss\x00user\x00pw"), "235"}, "AUTH PLAIN " + b64("boss\x00user\x00pw")},
		{"cancelled, then done", []string{"AUTH LOGIN", "334", "*", "501 5.7.0", plain, "235"}, plain},
		{"twice", []string{plain, "235", plain, "503 5.5.1"}, plain},
		{"not base64", []string{"AUTH PLAIN !!!", "501 5.5.2"}, ""},
		{"no password", []string{"AUTH PLAIN " + b64("\x00user\x00"), "501 5.5.2"}, ""},
		{"NUL in the password", []string{"AUTH LOGIN", "334", b64("user"), "334", b64("a\x00b"), "501 5.5.2"}, ""},
		{"nothing", []string{"AUTH PLAIN =", "501 5.5.2", "AUTH", "504 5.5.4"}, ""},
		{"not UTF-8", []string{"AUTH PLAIN " + b64("\x00user\x00\xff"), "501 5.5.2"}, ""},
		{"mechanism not known", []string{"AUTH CRAM-MD5", "504 5.5.4"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, everything, nil)
			w := newWorld(t, Submission, f.backend())
			probes := f.dials()
			c := w.secure(t)
			for i := 0; i < len(tc.talk); i += 2 {
				c.do(tc.talk[i], tc.talk[i+1])
			}
			commands, _ := f.seen()
			if tc.want == "" && (len(commands) != 0 || f.dials() != probes) {
				t.Errorf("back end saw %q in %d connections", commands, f.dials()-probes)
			}
			if tc.want != "" && !slices.Equal(commands, []string{tc.want}) {
				t.Errorf("back end saw %q, want %q", commands, tc.want)
			}
			if log := w.log.String(); strings.Contains(log, secret) || strings.Contains(log, b64(secret)) {
				t.Errorf("the password is in the log: %s", log)
			}
		})
	}
}

func TestALongLoginWaitsForTheBackEnd(t *testing.T) {
	t.Parallel()
	long := b64("\x00user\x00" + strings.Repeat("x", 600))
	f := newFake(t, everything, func(command string) reply {
		if command == "AUTH PLAIN" {
			return reply{334, []string{""}}
		}
		if command == long {
			return answer(235, "2.7.0", "welcome")
		}
		return reply{}
	})
	c := newWorld(t, Submission, f.backend()).secure(t)
	c.do("AUTH PLAIN "+long, "235")
}

func TestMailAfterLogin(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Submission, f.backend())
	c := w.secure(t)
	c.do(plain, "235")
	c.do("MAIL FROM:<user@d.test> AUTH=e+3Dmc2@example.com RET=HDRS ENVID=QQ", "250")
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send("hello\r\n.\r\n") // no header at all
	c.expect("250 2.6.0")
	commands, messages := f.seen()
	if want := "MAIL FROM:<user@d.test> AUTH=<> RET=HDRS ENVID=QQ"; !slices.Contains(commands, want) {
		t.Errorf("back end saw %q, want %q", commands, want)
	}
	head, body, _ := strings.Cut(messages[0], "\r\n\r\n")
	if !strings.Contains(head, "with ESMTPSA") || body != "hello\r\n" {
		t.Errorf("delivered %q", messages)
	}
	if got := w.front.Logins.Load(); got != 1 {
		t.Errorf("counted %d logins, want 1", got)
	}
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, func(command string) reply {
		if strings.HasPrefix(command, "AUTH") {
			return answer(535, "5.7.8", "who are you")
		}
		return reply{}
	})
	w := newWorld(t, Submission, f.backend(), func(_ *Options, l *front.Listener) { l.Limits.Logins = 2 })
	c := w.secure(t)
	c.do(plain, "535 5.7.8 who are you")
	c.do("MAIL FROM:<a@b>", "530 5.7.0")
	c.do(plain, "535 5.7.8")
	c.expect("421 4.7.0")
	c.closed()
	if got := w.front.LoginFailures.Load(); got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}

func TestLoginOverStartTLSAtTheBackEnd(t *testing.T) {
	t.Parallel()
	f := newSecureFake(t)
	w := newWorld(t, Submission, f.backend)
	c := w.secure(t)
	c.do(plain, "235")
	if got := f.said(); !slices.Equal(got, []string{"EHLO", "STARTTLS", "TLS", "EHLO", "AUTH"}) {
		t.Errorf("back end heard %q", got)
	}
}
