package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/serve/front"
)

// pipes is a listener whose connections are made in the bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble runs a session of the Receive role over a pipe. back, if any, is the back end's side of a connection that
// the session has already, because a bubble has no real sockets to dial; fault may change ours.
func inBubble(t *testing.T, back func(net.Conn), talk func(*client), fault ...func(net.Conn) net.Conn) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := Options{Role: Receive}.withDefaults()
		var behind *backend
		if back != nil {
			ours, theirs := net.Pipe()
			go back(theirs)
			for _, f := range fault {
				ours = f(ours)
			}
			behind = &backend{}
			behind.use(ours)
		}
		l := &front.Listener{Name: "smtp", Host: "mx.example.test", TLS: newTLS(t), Handle: func(ctx context.Context, c *front.Conn) {
			s := &session{opts: opts, limits: opts.Limits, c: c, back: behind}
			s.run(ctx)
		}}
		ln := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Serve(ctx, ln) }()
		theirs, ours := net.Pipe()
		ln.conns <- theirs
		c := newClient(t, ours)
		c.expect("220 ")
		talk(c)
		ours.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
}

// takes measures how long f takes.
func takes(t testing.TB, want time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if got := time.Since(begin); got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}

func TestOneMinuteToEhlo(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(c *client) {
		takes(c.t, time.Minute, func() { c.expect("421 4.4.2") })
		c.closed()
	})
}

func TestOneMinuteToStartTLSWhateverIsSaid(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(c *client) {
		takes(c.t, time.Minute, func() {
			c.do("EHLO x", "250")
			for range 5 {
				time.Sleep(10 * time.Second)
				c.do("NOOP", "250")
			}
			c.expect("421 4.4.2")
		})
		c.closed()
	})
}

func TestFiveMinutesPerCommandInsideTLS(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(c *client) {
		time.Sleep(50 * time.Second)
		c.do("EHLO x", "250")
		c.do("STARTTLS", "220")
		c.startTLS()
		c.do("EHLO x", "250")
		for range 3 {
			time.Sleep(5*time.Minute - time.Second)
			c.do("NOOP", "250")
		}
		takes(c.t, 5*time.Minute, func() { c.expect("421 4.4.2") })
		c.closed()
	})
}

// script is a back end on a pipe: it answers each command line with the next of replies, and tells on heard what came
// after the 354 until the connection ended or the final dot.
func script(heard chan<- string, replies ...string) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		for _, reply := range replies {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			if _, err := io.WriteString(conn, reply+"\r\n"); err != nil {
				return
			}
		}
		var b strings.Builder
		for !strings.HasSuffix(b.String(), "\r\n.\r\n") {
			line, err := r.ReadString('\n')
			b.WriteString(line)
			if err != nil {
				break
			}
		}
		heard <- b.String()
		io.Copy(io.Discard, r) // silent from here, until the other side has enough
	}
}

func TestAMessageMustMoveOn(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	inBubble(t, script(heard, "250 OK", "250 OK", "354 go on"), func(c *client) {
		c.do("EHLO x", "250")
		c.do("MAIL FROM:<a@b>", "250")
		c.do("RCPT TO:<c@d>", "250")
		c.do("DATA", "354")
		takes(c.t, 3*time.Minute, func() {
			for range 8 { // now and then an octet does not count
				time.Sleep(20 * time.Second)
				c.send("x")
			}
			c.expect("421 4.4.2")
		})
		c.closed()
		if got := <-heard; strings.Contains(got, "\r\n.\r\n") {
			c.t.Errorf("the back end heard an end: %q", got)
		}
	})
}

func TestAnEndWithLineFeedsHearsWhy(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	inBubble(t, script(heard, "250 OK", "250 OK", "354 go on"), func(c *client) {
		c.do("EHLO x", "250")
		c.do("MAIL FROM:<a@b>", "250")
		c.do("RCPT TO:<c@d>", "250")
		c.do("DATA", "354")
		c.send("hello\n.\n")
		takes(c.t, 3*time.Minute, func() { c.expect("550 5.6.11") })
		c.closed()
		if got := <-heard; strings.Contains(got, "\r\n.\r\n") {
			c.t.Errorf("the back end heard an end: %q", got)
		}
	})
}

func TestBackEndThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	t.Run("a recipient", func(t *testing.T) {
		inBubble(t, script(heard, "250 OK"), func(c *client) {
			c.do("EHLO x", "250")
			c.do("MAIL FROM:<a@b>", "250")
			takes(c.t, 5*time.Minute, func() { c.do("RCPT TO:<c@d>", "421 4.4.2") })
			c.closed()
			<-heard
		})
	})
	t.Run("a message", func(t *testing.T) {
		inBubble(t, script(heard, "250 OK", "250 OK", "354 go on"), func(c *client) {
			c.do("EHLO x", "250")
			c.do("MAIL FROM:<a@b>", "250")
			c.do("RCPT TO:<c@d>", "250")
			c.do("DATA", "354")
			takes(c.t, 10*time.Minute, func() { c.do("hello\r\n.", "451 4.4.2") })
			if got := <-heard; !strings.HasSuffix(got, "\r\n\r\nhello\r\n.\r\n") {
				c.t.Errorf("the back end heard %q", got)
			}
			c.do("NOOP", "250")
		})
	})
}
