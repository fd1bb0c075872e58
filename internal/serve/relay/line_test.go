package relay

import (
	"strings"
	"testing"
)

func TestPlaintextAheadOfTLSIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, injected := range []string{"NOOP\r\n", "NO"} {
		w := newWorld(t, Receive, newFake(t, everything, nil).backend())
		c := w.dial(t)
		c.do("EHLO x", "250")
		c.send("STARTTLS\r\n" + injected)
		c.expect("554 5.5.1")
		c.closed()
		if got := w.front.Injected.Load(); got != 1 {
			t.Errorf("%q: counted %d, want 1", injected, got)
		}
	}
}

func TestStartTLSForgetsEhlo(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Receive, f.backend()).dial(t)
	c.do("EHLO x", "250")
	c.do("MAIL FROM:<a@b>", "250")
	c.do("STARTTLS", "220 ")
	c.startTLS()
	c.do("RCPT TO:<c@d>", "503 5.5.1")
	c.do("MAIL FROM:<a@b>", "503 5.5.1")
}

func TestBareLineFeedInACommand(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"NOOP\n", "NOOP\rNOOP\r\n", "EHLO x\nMAIL FROM:<a@b>\r\n"} {
		w := newWorld(t, Receive, newFake(t, everything, nil).backend())
		c := w.dial(t)
		c.send(line)
		c.expect("500 5.5.2")
		c.closed()
		if got := w.counters.BareLineEnds.Load(); got != 1 {
			t.Errorf("%q: counted %d, want 1", line, got)
		}
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Receive, newFake(t, everything, nil).backend())
	c := w.dial(t)
	c.do("NOOP "+strings.Repeat("x", maxLineOctets-len("NOOP \r\n")), "250 ")
	c.do("NOOP "+strings.Repeat("x", maxLineOctets-len("NOOP \r\n")+1), "500 5.5.2")
	c.send("NOOP " + strings.Repeat("x", 4*maxAuthLineOctets))
	c.expect("500 5.5.2")
	c.closed()
}
