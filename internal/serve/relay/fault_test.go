package relay

import (
	"bufio"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/serve/front"
)

// TestBackEndFailsAtEachStep lets the back end die, hang up politely, or talk nonsense in answer to each command. A
// message is accepted only when the back end has said so.
func TestBackEndFailsAtEachStep(t *testing.T) {
	t.Parallel()
	nonsense := reply{354, []string{"go on"}}
	goodbye := answer(421, "4.3.2", "restarting")
	for _, tc := range []struct {
		name string
		at   string // beginning of the command, or "greeting", "dot"
		how  reply
		want []string // replies to MAIL, RCPT, DATA, message; shorter when the session ends
	}{
		{"dies at greeting", "greeting", die, []string{"451 4.3.2"}},
		{"busy at greeting", "greeting", goodbye, []string{"451 4.3.2"}},
		{"dies at EHLO", "EHLO", die, []string{"451 4.3.2"}},
		{"dies at MAIL", "MAIL", die, []string{"421 4.4.2"}},
		{"421 at MAIL", "MAIL", goodbye, []string{"421 4.3.2 restarting"}},
		{"nonsense at MAIL", "MAIL", nonsense, []string{"421 4.4.2"}},
		{"refuses MAIL", "MAIL", answer(550, "5.7.1", "no"), []string{"550 5.7.1 no"}},
		{"dies at RCPT", "RCPT", die, []string{"250", "421 4.4.2"}},
		{"421 at RCPT", "RCPT", goodbye, []string{"250", "421 4.3.2 restarting"}},
		{"nonsense at RCPT", "RCPT", nonsense, []string{"250", "421 4.4.2"}},
		{"dies at DATA", "DATA", die, []string{"250", "250", "421 4.4.2"}},
		{"refuses DATA", "DATA", answer(452, "4.3.1", "full"), []string{"250", "250", "452 4.3.1 full"}},
		{"accepts DATA itself", "DATA", answer(250, "2.0.0", "done"), []string{"250", "250", "421 4.4.2"}},
		{"dies after the dot", "dot", die, []string{"250", "250", "354", "451 4.4.2"}},
		{"refuses after the dot", "dot", answer(554, "5.7.1", "spam"), []string{"250", "250", "354", "554 5.7.1 spam"}},
		{"defers after the dot", "dot", answer(451, "4.7.1", "later"), []string{"250", "250", "354", "451 4.7.1 later"}},
		{"nonsense after the dot", "dot", nonsense, []string{"250", "250", "354", "451 4.4.2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			on := make(chan struct{}) // the fault begins after the probe
			f := newFake(t, everything, func(command string) reply {
				select {
				case <-on:
					if strings.HasPrefix(command, tc.at) {
						return tc.how
					}
				default:
				}
				return reply{}
			})
			w := newWorld(t, Receive, f.backend())
			close(on)
			c := w.secure(t)
			for i, command := range []string{"MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "Subject: x\r\n\r\nx\r\n."} {
				if i == len(tc.want) {
					break
				}
				c.do(command, tc.want[i])
			}
			last := tc.want[len(tc.want)-1]
			if strings.HasPrefix(last, "421") {
				c.closed()
			} else {
				c.do("NOOP", "250")
				c.do("RSET", "250")
			}
			if got := w.counters.Accepted.Load(); got != 0 {
				t.Errorf("accepted %d messages", got)
			}
			unknown := int64(0)
			if tc.at == "dot" && last == "451 4.4.2" {
				unknown = 1
			}
			if got := w.counters.Unknown.Load(); got != unknown {
				t.Errorf("unknown outcomes %d, want %d", got, unknown)
			}
		})
	}
}

func TestAnIdleConnectionThatEndedIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	w := newWorld(t, Receive, f.backend())
	c := w.secure(t)
	send := func() {
		c.do("MAIL FROM:<a@b>", "250")
		c.do("RCPT TO:<c@d>", "250")
		c.do("DATA", "354")
		c.send("x\r\n.\r\n")
		c.expect("250 2.6.0")
	}
	send()
	f.hangUp()
	send()
	if _, messages := f.seen(); len(messages) != 2 {
		t.Errorf("delivered %d, want 2", len(messages))
	}

	// After a login it cannot be replaced: the password is gone.
	w = newWorld(t, Submission, f.backend())
	c = w.secure(t)
	c.do(plain, "235")
	send()
	f.hangUp()
	c.do("MAIL FROM:<a@b>", "421 4.4.2")
	c.closed()
}

func TestARefusedMessageEndsALogin(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	c := newWorld(t, Submission, f.backend()).secure(t)
	c.do(plain, "235")
	c.do("MAIL FROM:<a@b>", "250")
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send("bare\nline feed\r\n.\r\n")
	c.expect("550 5.6.11")
	c.do("MAIL FROM:<a@b>", "421 4.4.2")
	c.closed()
}

// stopping is a connection that takes no more after a while.
type stopping struct {
	net.Conn
	left int // octets
}

func (s *stopping) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, syscall.EPIPE
	}
	return s.Conn.Write(p)
}

func TestBackEndThatStopsTakingAMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, say, want string }{
		{"without a word", "", "451 4.4.2"},
		{"with a reason", "552 5.3.4 enough\r\n", "552 5.3.4 enough"},
		{"with a goodbye", "421 4.3.2 restarting\r\n", "421 4.3.2 restarting"},
		{"with praise", "250 2.0.0 thank you\r\n", "451 4.4.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			back := func(conn net.Conn) {
				r := bufio.NewReader(conn)
				for _, reply := range []string{"250 OK", "250 OK", "354 go on"} {
					if _, err := r.ReadString('\n'); err != nil {
						return
					}
					io.WriteString(conn, reply+"\r\n")
				}
				go io.WriteString(conn, tc.say)
				io.Copy(io.Discard, r)
			}
			inBubble(t, back, func(c *client) {
				c.do("EHLO x", "250")
				c.do("MAIL FROM:<a@b>", "250")
				c.do("RCPT TO:<c@d>", "250")
				c.do("DATA", "354")
				c.send("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 200) + ".\r\n")
				if got := c.expect(tc.want); strings.HasPrefix(got, "421") {
					c.closed()
				} else {
					c.do("NOOP", "250")
				}
			}, func(conn net.Conn) net.Conn { return &stopping{conn, 50 << 10} })
		})
	}
}

func TestUnaskedReplyEndsTheConnection(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, func(command string) reply {
		if strings.HasPrefix(command, "MAIL") { // two replies to one command
			return reply{250, []string{"2.0.0 OK\r\n250 2.1.5 and the recipient, too"}}
		}
		return reply{}
	})
	w := newWorld(t, Receive, f.backend())
	c := w.secure(t)
	c.do("MAIL FROM:<a@b>", "250")
	c.do("RCPT TO:<c@d>", "421 4.4.2")
	c.closed()
	if got := w.counters.Lost.Load(); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

func TestLostLogin(t *testing.T) {
	t.Parallel()
	for _, how := range []reply{die, {334, []string{"more"}}, answer(454, "4.7.0", "not now")} {
		f := newFake(t, everything, func(command string) reply {
			if strings.HasPrefix(command, "AUTH") {
				return how
			}
			return reply{}
		})
		w := newWorld(t, Submission, f.backend(), func(_ *Options, l *front.Listener) { l.Limits.Logins = 1 })
		c := w.secure(t)
		c.do(plain, "454 4.7.0")
		c.do("MAIL FROM:<a@b>", "530")
		if got := w.front.LoginFailures.Load(); got != 0 {
			t.Errorf("counted %d failures, want none", got)
		}
	}
}
