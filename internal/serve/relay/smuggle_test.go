package relay

import (
	"fmt"
	"strings"
	"testing"
)

// TestSmuggling sends every false end of a message that a server was ever found to take, followed by a second
// envelope, to a back end that takes them all. Nothing may be delivered, and the second envelope must not be seen.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	const envelope = "MAIL FROM:<evil@b>%[1]sRCPT TO:<victim@d>%[1]sDATA%[1]sSubject: forged%[1]s%[1]sforged"
	ends := []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n", "\r\n.\r\r\n", "\r\n\r.\r\n", "\r\n.\n\r\n", "\n\n.\r\n", "\r\r\n.\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n"}
	for _, end := range ends {
		for _, eol := range []string{"\r\n", "\n", "\r"} {
			t.Run(fmt.Sprintf("%q then %q", end, eol), func(t *testing.T) {
				t.Parallel()
				f := newFake(t, everything, nil)
				w := newWorld(t, Receive, f.backend())
				c := w.secure(t)
				c.do("MAIL FROM:<a@b>", "250")
				c.do("RCPT TO:<c@d>", "250")
				c.do("DATA", "354")
				c.send("Subject: x\r\n\r\nharmless" + end + fmt.Sprintf(envelope, eol) + "\r\n.\r\n")
				if got := c.reply(); !strings.HasPrefix(got, "550 5.6.11 ") && !strings.HasPrefix(got, "554 5.6.0 ") {
					t.Errorf("got %q", got)
				}
				c.do("NOOP", "250") // the true end was found: commands go on here
				commands, messages := f.seen()
				if len(messages) != 0 {
					t.Errorf("delivered %q", messages)
				}
				if len(commands) != 3 {
					t.Errorf("back end saw %q", commands)
				}
				if got := w.counters.Refused.Load(); got != 1 {
					t.Errorf("refused %d, want 1", got)
				}
				c.do("MAIL FROM:<a@b>", "250") // with a new connection behind
			})
		}
	}
}

// TestDotLinesOfEveryKind sends lines that look like the end and are not; they must arrive unchanged.
func TestDotLinesOfEveryKind(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Receive, f.backend()).secure(t)
	body := ". \r\n.a\r\n..\r\n...\r\n\r\n.\t\r\na.\r\n"
	c.do("MAIL FROM:<a@b>", "250")
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send("Subject: x\r\n\r\n" + stuffed(body) + ".\r\n")
	c.expect("250 2.6.0")
	if _, messages := f.seen(); len(messages) != 1 || !strings.HasSuffix(messages[0], "\r\n\r\n"+stuffed(body)) {
		t.Errorf("delivered %q", messages)
	}
}

// stuffed puts the dots on, the simple way.
func stuffed(message string) string {
	lines := strings.SplitAfter(message, "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = "." + line
		}
	}
	return strings.Join(lines, "")
}

func TestWhatAMessageMayNotBe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"a line too long", "Subject: x\r\n\r\n" + strings.Repeat("x", 8191) + "\r\n", "500 5.5.2"},
		{"a loop", strings.Repeat("Received: from a by b\r\n", 51) + "\r\n", "554 5.4.6"},
		{"a header without end", strings.Repeat("X-Long: "+strings.Repeat("x", 900)+"\r\n", 1300), "552 5.3.4"},
		{"too big", "\r\n" + strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 9999000/1024+1), "552 5.3.4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, everything, nil)
			c := newWorld(t, Receive, f.backend()).secure(t)
			c.do("MAIL FROM:<a@b>", "250")
			c.do("RCPT TO:<c@d>", "250")
			c.do("DATA", "354")
			c.send(tc.text + ".\r\n")
			c.expect(tc.want)
			c.do("NOOP", "250")
			if _, messages := f.seen(); len(messages) != 0 {
				t.Errorf("delivered %d messages", len(messages))
			}
		})
	}
}

func TestLinesUpToTheLimitPass(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Receive, f.backend()).secure(t)
	long := strings.Repeat("x", 8190) + "\r\n"
	c.do("MAIL FROM:<a@b>", "250")
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send(strings.Repeat("Received: from a by b\r\n", 50) + "\r\n" + long + ".\r\n")
	c.expect("250 2.6.0")
	if _, messages := f.seen(); len(messages) != 1 || !strings.HasSuffix(messages[0], "\r\n\r\n"+long) {
		t.Errorf("delivered %d messages, or changed", len(messages))
	}
}

func TestReservedFieldsDoNotPass(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Receive, f.backend())
	c := w.secure(t)
	c.do("MAIL FROM:<a@b>", "250")
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send("x-POSTSEAL-a: 1\r\n\tfolded\r\nSubject: x\r\nX-Postseal-B : 2\r\n\r\nX-Postseal-C: in the body\r\n.\r\n")
	c.expect("250 2.6.0")
	if _, messages := f.seen(); len(messages) != 1 || !strings.HasSuffix(messages[0], "\r\nSubject: x\r\n\r\nX-Postseal-C: in the body\r\n") {
		t.Errorf("delivered %q", messages)
	}
	if got := w.counters.ReservedFields.Load(); got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}
