package relay

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/serve/front"
)

// TestPartialCommandMakesRoom: without a login nothing that a client begins and does not end keeps its place, on
// port 25 a message neither.
func TestPartialCommandMakesRoom(t *testing.T) {
	t.Parallel()
	const envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
	for _, test := range []struct {
		name    string
		role    Role
		said    string
		answers []string
	}{
		{"command", Receive, "NO", nil},
		{"BDAT", Receive, "BDAT 1000000\r\n", []string{"502 5.5.1"}},
		{"part of BDAT", Receive, "BDAT 1000000\r\nMAIL FROM:<evil@b>\r\n", []string{"502 5.5.1"}},
		{"envelope", Receive, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", []string{"250", "250"}},
		{"DATA", Receive, envelope, []string{"250", "250", "354"}},
		{"part of a message", Receive, envelope + "Subject: x\r\n\r\nx", []string{"250", "250", "354"}},
		{"much of a message", Receive, envelope + "\r\n" + strings.Repeat("x\r\n", 20000), []string{"250", "250", "354"}},
		{"rest of a refused message", Receive, envelope + "\r\n\x00\r\n", []string{"250", "250", "354"}},
		{"AUTH", Submission, "AUTH PLAIN\r\n", []string{"334"}},
		{"password", Submission, "AUTH LOGIN\r\nAA==\r\n", []string{"334", "334"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, everything, nil)
			w := newWorld(t, test.role, f.backend(), func(_ *Options, l *front.Listener) {
				l.Limits.PerAddress = 1
			})
			c := w.secure(t)
			c.send(test.said)
			for _, want := range test.answers {
				c.expect(want)
			}
			// While it is at work with what came, the session stays, so a newcomer may be turned away at first.
			if !w.admitted(t) {
				t.Errorf("no newcomer was let in: %+v", w.front.Snapshot())
			}
			if got := w.front.Evicted.Load(); got != 1 {
				t.Errorf("evicted: got %d, want 1", got)
			}
			if _, messages := f.seen(); len(messages) != 0 {
				t.Errorf("delivered %q", messages)
			}
		})
	}
}

// admitted tries for a while to be greeted.
func (w *world) admitted(t *testing.T) bool {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(until)
		if line, _ := bufio.NewReader(conn).ReadString('\n'); strings.HasPrefix(line, "220 ") {
			return true
		}
	}
	return false
}

// TestSessionsCountTheirBackEnds: the second file of a session is the pool's as long as there is a back end.
func TestSessionsCountTheirBackEnds(t *testing.T) {
	t.Parallel()
	f := newFake(t, everything, nil)
	pool := front.NewPool(0)
	c := newWorld(t, Receive, f.backend(), func(_ *Options, l *front.Listener) { l.Pool = pool }).secure(t)
	if got := pool.Snapshot().Files; got != 1 {
		t.Errorf("before MAIL: got %d files, want 1", got)
	}
	c.do("MAIL FROM:<a@b>", "250")
	if got := pool.Snapshot().Files; got != 2 {
		t.Errorf("after MAIL: got %d files, want 2", got)
	}
	c.do("RCPT TO:<c@d>", "250")
	c.do("DATA", "354")
	c.send("\x00\r\n.\r\n") // the back end is left in the middle of a message
	c.expect("554 5.6.0")
	if got := pool.Snapshot().Files; got != 1 {
		t.Errorf("after a refused message: got %d files, want 1", got)
	}
}

// TestBdatBeforeEhloEndsTheSession: nobody's octets are waited for.
func TestBdatBeforeEhloEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Receive, newFake(t, everything, nil).backend())
	for _, size := range []string{"0", "1", "1000000 LAST", "x", ""} {
		c := w.dial(t)
		c.do("BDAT "+size, "421 4.5.0")
		c.closed()
	}
}

// TestHTTPIsEnded: whoever speaks HTTP gets one line of SMTP, and no second command.
func TestHTTPIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Submission, newFake(t, everything, nil).backend())
	for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI"} {
		for _, before := range []string{"", "FOO\r\n"} {
			c := w.dial(t)
			c.send(before + method + " / HTTP/1.1\r\nHost: x\r\n\r\nEHLO <script>\r\nHELP\r\n")
			if before != "" {
				c.expect("500 5.5.1")
			}
			c.expect("421 4.7.0 this is SMTP, not HTTP")
			c.closed()
		}
	}
	c := w.dial(t)
	c.do("NOOP", "250")
	c.do("GET / HTTP/1.1", "500 5.5.1")
	c.do("NOOP", "250")
}

// TestMessageThatHasComeIsNotSentAway: while the back end decides about a message nobody waits for the client, and a
// newcomer must not make it send the message a second time.
func TestMessageThatHasComeIsNotSentAway(t *testing.T) {
	t.Parallel()
	decided, deciding := make(chan struct{}), make(chan struct{})
	decide := sync.OnceFunc(func() { close(decided) })
	defer decide() // or the back end would never end
	f := newFake(t, everything, func(command string) reply {
		if command == "dot" {
			close(deciding)
			<-decided
		}
		return reply{}
	})
	w := newWorld(t, Receive, f.backend(), func(_ *Options, l *front.Listener) {
		l.Limits.PerAddress, l.Refusal = 1, "421 4.7.0 too many connections"
	})
	c := w.secure(t)
	c.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
	for _, want := range []string{"250", "250", "354"} {
		c.expect(want)
	}
	for _, piece := range []string{"\r\nx", "\r\n", ".\r\n"} {
		c.send(piece)
	}
	<-deciding
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	newcomer := newClient(t, conn)
	newcomer.expect("421 4.7.0 too many connections")
	newcomer.closed()
	decide()
	c.expect("250 2.6.0")
}
