package relay

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postseal/internal/serve/front"
)

func TestOneMessageFromAStranger(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Receive, f.backend())
	probes := f.dials()
	c := w.secure(t)
	if got := f.dials(); got != probes {
		t.Errorf("back end dialled %d times before MAIL", got-probes)
	}
	c.do("mail from:<a@b.test> size=100 body=8bitmime", "250 2.0.0 OK")
	c.do("RCPT TO: <c@d.test> NOTIFY=success,failure ORCPT=rfc822;c@d.test", "250 2.0.0")
	c.do("DATA", "354 ")
	c.send("Subject: x\r\n\r\nhello\r\n..dot line\r\n.\r\n")
	c.expect("250 2.6.0 delivered")
	c.do("QUIT", "221 ")
	c.closed()

	commands, messages := f.seen()
	want := []string{"MAIL FROM:<a@b.test> SIZE=1124 BODY=8BITMIME", "RCPT TO:<c@d.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c@d.test", "DATA"}
	if !slices.Equal(commands, want) {
		t.Errorf("back end saw %q, want %q", commands, want)
	}
	if len(messages) != 1 {
		t.Fatalf("delivered %d messages, want 1", len(messages))
	}
	head, rest, _ := strings.Cut(messages[0], "Subject:")
	if rest != " x\r\n\r\nhello\r\n..dot line\r\n" {
		t.Errorf("message is %q", rest)
	}
	flat := regexp.MustCompile(`\r\n[ \t]`).ReplaceAllString(head, " ")
	form := regexp.MustCompile(`^Received: from client\.test \(\[127\.0\.0\.1\]\) by mx\.example\.test \(Postseal\) with ESMTPS \(TLS 1\.3, TLS_[A-Z0-9_]+, X25519MLKEM768\) id [A-Z0-9]+ for <c@d\.test>; \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n$`)
	if !form.MatchString(flat) {
		t.Errorf("Received: is %q", flat)
	}
	if got := w.counters.Accepted.Load(); got != 1 {
		t.Errorf("accepted %d, want 1", got)
	}
}

func TestEhloOffersWhatTheBackEndOffers(t *testing.T) {
	t.Parallel()
	lines := func(s string) []string {
		out := strings.Split(strings.TrimSuffix(s, "\r\n"), "\r\n")
		for i := range out {
			out[i] = out[i][4:]
		}
		return out[1:]
	}
	for _, tc := range []struct {
		name          string
		role          Role
		ehlo          []string
		clear, secure []string
	}{
		{"everything on 25", Receive, everything,
			[]string{"PIPELINING", "8BITMIME", "SIZE 9998976", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"},
			[]string{"PIPELINING", "8BITMIME", "SIZE 9998976", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"}},
		{"everything on 587", Submission, everything,
			[]string{"PIPELINING", "8BITMIME", "SIZE 9998976", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"},
			[]string{"PIPELINING", "8BITMIME", "SIZE 9998976", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"}},
		{"nothing", Submission, nil, []string{"PIPELINING", "STARTTLS"}, []string{"PIPELINING"}},
		{"only other mechanisms", Submission, []string{"AUTH CRAM-MD5 GSSAPI"}, []string{"PIPELINING", "STARTTLS"}, []string{"PIPELINING"}},
		{"SIZE without a number", Receive, []string{"SIZE"}, []string{"PIPELINING", "SIZE 52428800", "STARTTLS"}, []string{"PIPELINING", "SIZE 52428800"}},
		{"SMTPUTF8 without 8BITMIME", Receive, []string{"SMTPUTF8"}, []string{"PIPELINING", "STARTTLS"}, []string{"PIPELINING"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.role, newFake(t, tc.ehlo, nil).backend())
			c := w.dial(t)
			if got := lines(c.do("EHLO x", "250")); !slices.Equal(got, tc.clear) {
				t.Errorf("in clear got %q, want %q", got, tc.clear)
			}
			c.do("STARTTLS", "220 ")
			c.startTLS()
			if got := lines(c.do("EHLO x", "250")); !slices.Equal(got, tc.secure) {
				t.Errorf("inside TLS got %q, want %q", got, tc.secure)
			}
		})
	}
}

func TestRepliesToSingleCommands(t *testing.T) {
	t.Parallel()
	// Every line is a session of its own: commands with the beginning of the reply they get.
	for _, tc := range []struct {
		name   string
		role   Role
		secure bool
		talk   []string
	}{
		{"MAIL before EHLO", Receive, false, []string{"MAIL FROM:<>", "503 5.5.1"}},
		{"EHLO without a name", Receive, false, []string{"EHLO", "501 5.5.4"}},
		{"RCPT before MAIL", Receive, true, []string{"RCPT TO:<a@b>", "503 5.5.1"}},
		{"DATA before MAIL", Receive, true, []string{"DATA", "503 5.5.1"}},
		{"DATA without recipients", Receive, true, []string{"MAIL FROM:<>", "250", "DATA", "503 5.5.1"}},
		{"MAIL twice", Receive, true, []string{"MAIL FROM:<>", "250", "MAIL FROM:<>", "503 5.5.1", "RSET", "250", "MAIL FROM:<>", "250"}},
		{"EHLO resets", Receive, true, []string{"MAIL FROM:<>", "250", "EHLO y", "250", "RCPT TO:<a@b>", "503"}},
		{"HELO has no extensions", Receive, false, []string{"HELO x", "250 mx.example.test", "MAIL FROM:<> SIZE=1", "555 5.5.4", "MAIL FROM:<>", "250"}},
		{"MAIL in clear on submission", Submission, false, []string{"EHLO x", "250", "MAIL FROM:<>", "530 5.7.0 must issue a STARTTLS"}},
		{"MAIL without login", Submission, true, []string{"MAIL FROM:<>", "530 5.7.0 authentication required"}},
		{"AUTH in clear", Submission, false, []string{"EHLO x", "250", "AUTH PLAIN AGEAYg==", "538 5.7.11"}},
		{"AUTH on 25", Receive, false, []string{"EHLO x", "250", "AUTH PLAIN AGEAYg==", "502 5.5.1"}},
		{"AUTH on 25 inside TLS", Receive, true, []string{"AUTH PLAIN AGEAYg==", "502 5.5.1"}},
		{"STARTTLS inside TLS", Receive, true, []string{"STARTTLS", "503 5.5.1"}},
		{"STARTTLS with an argument", Receive, false, []string{"STARTTLS now", "501 5.5.4"}},
		{"VRFY and EXPN", Receive, false, []string{"VRFY root", "252 2.5.0", "EXPN staff", "252 2.5.0", "VRFY", "501 5.5.4"}},
		{"NOOP, HELP, unknown", Receive, false, []string{"NOOP x", "250 2.0.0", "help", "214 2.0.0", "FROB", "500 5.5.1", "ETRN x", "502 5.5.1", "@", "500 5.5.1", "", "500 5.5.2"}},
		{"unknown parameter", Receive, true, []string{"MAIL FROM:<> FOO=1", "555 5.5.4", "MAIL FROM:<> BODY=BINARYMIME", "555 5.5.4", "MAIL FROM:<> BODY=9BIT", "501 5.5.4"}},
		{"too big to begin", Receive, true, []string{"MAIL FROM:<> SIZE=9998977", "552 5.3.4", "MAIL FROM:<> SIZE=99999999999999999999", "552 5.3.4", "MAIL FROM:<> SIZE=-1", "501"}},
		{"UTF-8 needs SMTPUTF8", Receive, true, []string{"MAIL FROM:<ü@b>", "550 5.6.7", "MAIL FROM:<ü@b> SMTPUTF8", "250", "RCPT TO:<한@d>", "250", "RSET", "250", "MAIL FROM:<a@b>", "250", "RCPT TO:<한@d>", "553 5.6.7"}},
		{"too many errors", Receive, false, append(slices.Repeat([]string{"FROB", "500"}, 10), "FROB", "421 4.7.0")},
		{"too many commands", Receive, false, append(slices.Repeat([]string{"NOOP", "250"}, 50), "NOOP", "421 4.7.0")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.role, newFake(t, everything, nil).backend())
			c := w.dial(t)
			if tc.secure {
				c = w.secure(t)
			}
			for i := 0; i < len(tc.talk); i += 2 {
				if got := c.do(tc.talk[i], tc.talk[i+1]); strings.HasPrefix(got, "421") {
					c.closed()
				}
			}
		})
	}
}

func TestBdatOctetsAreNoCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Receive, f.backend()).secure(t)
	chunk := "MAIL FROM:<evil@b>\r\n"
	c.send("BDAT 20 LAST\r\n" + chunk + "NOOP\r\n")
	c.expect("502 5.5.1")
	c.expect("250 2.0.0 OK")
	c.do("BDAT 20", "502 5.5.1")
	for _, b := range []byte(chunk + "NOOP\r\n") {
		c.send(string(b))
	}
	c.expect("250 2.0.0 OK")
	c.do("BDAT 99999999", "421 4.5.0")
	c.closed()
	if commands, _ := f.seen(); len(commands) != 0 {
		t.Errorf("back end saw %q", commands)
	}
}

func TestPipeliningInOneSegment(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Receive, f.backend())
	c := w.secure(t)
	c.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nSubject: 1\r\n\r\none\r\n.\r\n" +
		"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: 2\r\n\r\ntwo\r\n.\r\nQUIT\r\n")
	for _, want := range []string{"250", "250", "250", "354", "250 2.6.0", "250", "250", "354", "250 2.6.0", "221"} {
		c.expect(want)
	}
	c.closed()
	if _, messages := f.seen(); len(messages) != 2 || !strings.HasSuffix(messages[0], "one\r\n") || !strings.HasSuffix(messages[1], "two\r\n") {
		t.Errorf("delivered %q", messages)
	}
	if _, messages := f.seen(); strings.Contains(messages[0], "for <") {
		t.Errorf("two recipients, and Received: names one: %q", messages[0])
	}
	if n := f.dials(); n != 2 { // the probe and this
		t.Errorf("dialled %d times, want 2", n)
	}
}

func TestOneByteAtATime(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Receive, f.backend()).secure(t)
	for _, b := range []byte("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nX-Postseal-Fake: 1\r\n 2\r\nSubject: 1\r\n\r\n..a\r\n.\r\nQUIT\r\n") {
		c.send(string(b))
	}
	for _, want := range []string{"250", "250", "354", "250 2.6.0", "221"} {
		c.expect(want)
	}
	if _, messages := f.seen(); len(messages) != 1 || !strings.HasSuffix(messages[0], "\r\nSubject: 1\r\n\r\n..a\r\n") || strings.Contains(messages[0], "Fake") {
		t.Errorf("delivered %q", messages)
	}
}

func TestMessageSentAheadOfARefusedDataIsNoCommand(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, func(command string) reply {
		if command == "DATA" {
			return answer(451, "4.3.0", "not now")
		}
		return reply{}
	})
	c := newWorld(t, Receive, f.backend()).secure(t)
	c.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<evil@b>\r\n.\r\n")
	for _, want := range []string{"250", "250", "451 4.3.0", "421 4.7.0"} {
		c.expect(want)
	}
	c.closed()
	if commands, _ := f.seen(); len(commands) != 3 {
		t.Errorf("back end saw %q", commands)
	}
}

func TestNoBackEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Receive, front.Backend{}, func(o *Options, _ *front.Listener) { o.Backend = nil })
	c := w.secure(t)
	c.do("MAIL FROM:<a@b>", "451 4.3.2")
	c.do("NOOP", "250 ")
	w = newWorld(t, Submission, front.Backend{}, func(o *Options, _ *front.Listener) { o.Backend = nil })
	c = w.secure(t)
	c.do("AUTH PLAIN AGEAYg==", "454 4.7.0")
	c.do("NOOP", "250 ")
}

func TestDrainingSaysGoodbye(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Receive, f.backend())
	idle, busy := w.secure(t), w.secure(t)
	busy.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
	busy.expect("250")
	busy.expect("250")
	busy.expect("354")
	w.stop()
	idle.expect("421 4.3.2 mx.example.test shutting down")
	idle.closed()
	busy.send("x\r\n.\r\n") // a message under way is finished
	busy.expect("250 2.6.0")
	busy.expect("421 4.3.2")
	busy.closed()
}

func TestExtensionLostSinceEhlo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"8BITMIME", "SIZE", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"} {
		f := newFake(t, everything, nil)
		w := newWorld(t, Receive, f.backend())
		c := w.secure(t)
		f.lose(name)
		c.do("MAIL FROM:<a@b>", "421 4.3.2")
		c.closed()
		// The next client is told the truth.
		c = w.secure(t)
		if got := c.do("EHLO x", "250"); strings.Contains(got, name) {
			t.Errorf("%s is still offered: %q", name, got)
		}
		c.do("MAIL FROM:<a@b>", "250")
	}
	f := newFake(t, everything, nil)
	w := newWorld(t, Submission, f.backend())
	c := w.secure(t)
	f.lose("AUTH")
	c.do("AUTH PLAIN AGEAYg==", "421 4.3.2")
	c.closed()
}

func TestEnhancedCodesArePromised(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, func(command string) reply {
		if strings.HasPrefix(command, "RCPT") {
			return reply{550, []string{"no such\x1b[31m user", "5.1.1 really"}}
		}
		return reply{}
	})
	c := newWorld(t, Receive, f.backend()).secure(t)
	c.do("MAIL FROM:<a@b>", "250")
	if got, want := c.do("RCPT TO:<c@d>", "550"), "550-5.0.0 no such?[31m user\r\n550 5.1.1 really\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.do("DATA", "554 5.5.1")
}

func TestProbe(t *testing.T) {
	t.Parallel()
	o := Options{Backend: func(context.Context) (front.Backend, error) { return newFake(t, everything, nil).backend(), nil }, Capabilities: &Capabilities{}}
	if o.Capabilities.Known() {
		t.Error("known before it was asked")
	}
	if err := o.Probe(t.Context()); err != nil || !o.Capabilities.Known() {
		t.Errorf("probing: %v, known %v", err, o.Capabilities.Known())
	}
}

func probe(t *testing.T, where front.Backend) error {
	t.Helper()
	o := Options{Backend: func(context.Context) (front.Backend, error) { return where, nil }}
	return o.Probe(t.Context())
}
