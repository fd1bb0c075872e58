package front

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// piped connects to a fixture on pipes, from an address if one is given.
func (f *fixture) piped(t *testing.T, from string) *client {
	t.Helper()
	return newClient(t, pump(f.ln.(*pipes).dial(from)))
}

// TestTimeBeforeLogin: one minute in all, whatever the client does in it.
func TestTimeBeforeLogin(t *testing.T) {
	for _, test := range []struct {
		name, bye string
		handle    Handler
	}{
		{"imap", `^\* BYE no login in time$`, IMAP(Options{})},
		{"pop3", `^-ERR no login in time$`, POP3(Options{})},
	} {
		t.Run(test.name+" silent", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := serve(t, &Listener{Name: test.name, Handle: test.handle}, newPipes())
				began := time.Now()
				c := f.piped(t, "")
				c.expect(`.`, test.bye)
				c.expectEnd()
				if got := time.Since(began); got != time.Minute {
					t.Errorf("ended after %v, want 1m", got)
				}
			})
		})
		t.Run(test.name+" a byte a second", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := serve(t, &Listener{Name: test.name, Handle: test.handle}, newPipes())
				began := time.Now()
				c := f.piped(t, "")
				c.expect(`.`)
				done := make(chan struct{})
				defer func() { <-done }()
				go func() {
					defer close(done)
					for {
						time.Sleep(time.Second)
						if _, err := io.WriteString(c.Conn, "x"); err != nil {
							return
						}
					}
				}()
				c.expect(test.bye)
				c.expectEnd()
				if got := time.Since(began); got != time.Minute {
					t.Errorf("ended after %v, want 1m", got)
				}
			})
		})
		t.Run(test.name+" silent in the handshake", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := serve(t, &Listener{Name: test.name, Handle: test.handle, Implicit: true}, newPipes())
				began := time.Now()
				f.piped(t, "").expectEnd()
				if got := time.Since(began); got != 30*time.Second {
					t.Errorf("ended after %v, want 30s", got)
				}
			})
		})
	}
}

// TestHandshakeWithinTimeBeforeLogin: STARTTLS late in the minute does not lengthen it.
func TestHandshakeWithinTimeBeforeLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{})}, newPipes())
		began := time.Now()
		c := f.piped(t, "")
		c.expect(`^\* OK `)
		time.Sleep(50 * time.Second)
		c.ask("a STARTTLS\r\n", `^a OK `)
		c.expectEnd()
		if got := time.Since(began); got != time.Minute {
			t.Errorf("ended after %v, want 1m", got)
		}
	})
}

func TestRefusedLoginsAreDelayed(t *testing.T) {
	for _, test := range []struct {
		name, login, no string
		bye             []string
		pop             bool
		handle          func(Options) Handler
	}{
		{"imap", "a LOGIN u p\r\n", `^a NO \[AUTHENTICATIONFAILED\] no\?$`, []string{`^\* BYE too many refused logins$`}, false, IMAP},
		{"pop3", "AUTH PLAIN " + plainOf("u", "p") + "\r\n", `^-ERR \[AUTH\] no\?$`, nil, true, POP3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{}
				f := serve(t, &Listener{Name: test.name, Implicit: true, Handle: test.handle(s.piped(test.pop))}, newPipes())
				c := f.piped(t, "")
				c.handshake(f.cert)
				c.expect(`.`)
				for i := range 3 {
					began := time.Now()
					c.ask(test.login, test.no)
					if got, want := time.Since(began), time.Duration(i+1)*time.Second; got != want {
						t.Errorf("refusal %d took %v, want %v", i+1, got, want)
					}
				}
				c.expect(test.bye...)
				c.expectEnd()
				synctest.Wait()
				if got := f.Counters.LoginFailures.Load(); got != 3 {
					t.Errorf("login failures: got %d, want 3", got)
				}
				if got := s.closed.Load(); got != 3 {
					t.Errorf("connections to the back end closed: got %d, want 3", got)
				}
			})
		})
	}
}

// TestSilentBackend: a back end that says nothing costs the client 20 seconds and no more.
func TestSilentBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var behind net.Conn
		options := Options{Backend: func(context.Context) (Backend, error) {
			return Backend{Address: "/pipe", TLS: TLSNone, connect: func(context.Context, string, string) (net.Conn, error) {
				var here net.Conn
				here, behind = net.Pipe()
				return here, nil
			}}, nil
		}}
		f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(options)}, newPipes())
		c := f.piped(t, "")
		c.handshake(f.cert)
		c.expect(`^\* OK `)
		began := time.Now()
		c.ask("a LOGIN u p\r\n", `^a NO \[UNAVAILABLE\] `)
		if got := time.Since(began); got != 20*time.Second {
			t.Errorf("answered after %v, want 20s", got)
		}
		if _, err := behind.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection to the back end: got %v, want it closed", err)
		}
	})
}

// TestIdleSession: a session that passes bytes one way only is not idle; one that passes none ends.
func TestIdleSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, behind := net.Pipe()
		handle := func(_ context.Context, c *Conn) {
			c.LoggedIn()
			c.Splice(there)
		}
		f := serve(t, &Listener{Name: "imap", Handle: handle}, newPipes())
		c := f.piped(t, "")
		for range 4 {
			time.Sleep(20 * time.Minute)
			if _, err := io.WriteString(behind, "* 1 EXISTS\r\n"); err != nil {
				t.Fatal(err)
			}
			c.expect(`^\* 1 EXISTS$`)
		}
		began := time.Now()
		c.expectEnd()
		if got := time.Since(began); got != 35*time.Minute {
			t.Errorf("ended after %v, want 35m", got)
		}
		if _, err := behind.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection to the back end: got %v, want it closed", err)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{able: "AUTH=PLAIN SASL-IR"}
		clear := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{})}, newPipes())
		f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(s.piped(false))}, newPipes())
		idle, within := clear.piped(t, ""), clear.piped(t, "")
		idle.expect(`^\* OK `)
		within.expect(`^\* OK `)
		within.send("a NO")
		handshaking := f.piped(t, "")
		var passing [2]*client
		for i := range passing {
			passing[i] = f.piped(t, "")
			passing[i].handshake(f.cert)
			passing[i].expect(`^\* OK `)
			passing[i].ask("x AUTHENTICATE PLAIN "+plainOf(testUser, testPassword)+"\r\n", `^\* CAP`, `^x OK `)
		}
		synctest.Wait()
		began := time.Now()
		stopped := make(chan time.Duration, 2)
		for _, l := range []*fixture{clear, f} {
			go func() {
				l.stop()
				stopped <- time.Since(began)
			}()
		}
		idle.expect(`^\* BYE \[UNAVAILABLE\] server is stopping`)
		idle.expectEnd()
		handshaking.expectEnd()
		// A command that was begun is finished first.
		time.Sleep(10 * time.Second)
		within.ask("OP\r\n", `^a OK NOOP`, `^\* BYE \[UNAVAILABLE\] server is stopping`)
		within.expectEnd()
		if got := <-stopped; got != 10*time.Second {
			t.Errorf("without passed-through sessions: stopped after %v, want 10s", got)
		}
		// Those that pass bytes go on, and may end by themselves.
		passing[0].ask("still here\r\n", `^still here$`)
		passing[1].ask("still here\r\n", `^still here$`)
		passing[0].Close()
		passing[1].expectEnd()
		if got := <-stopped; got != 30*time.Second {
			t.Errorf("with a passed-through session: stopped after %v, want 30s", got)
		}
		for _, l := range []*fixture{clear, f} {
			if got := l.Counters.Current.Load(); got != 0 {
				t.Errorf("%s: %d sessions left", l.Name, got)
			}
		}
	})
}

// TestEviction: the session that has been silent longest makes room, of the address when that is full.
func TestEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{able: "AUTH=PLAIN SASL-IR"}
		limits := Limits{Connections: 4, PerAddress: 2}
		f := serve(t, &Listener{Name: "imap", Handle: IMAP(s.piped(false)), Limits: limits, Refusal: IMAPRefusal}, newPipes())
		open := func(from string) *client {
			time.Sleep(time.Second)
			c := f.piped(t, from)
			c.expect(`^\* OK `)
			return c
		}
		const bye = `^\* BYE \[UNAVAILABLE\] silent too long`
		first, second := open("192.0.2.1:1"), open("192.0.2.1:2")
		third := open("[2001:db8::1]:1")
		// The first speaks: now the second has been silent longer. A byte alone is no speech.
		time.Sleep(time.Second)
		first.ask("a NOOP\r\n", `^a OK `)
		second.send("b")
		fourth := open("192.0.2.1:3")
		second.expectEnd() // within a command nothing can be said
		// Another address of the same /64 is the same address; the listener still has room.
		fifth := open("[2001:db8::ffff]:1")
		open("[2001:db8::2]:1")
		third.expect(bye)
		third.expectEnd()
		// Now the listener is full, and an address that has none yet takes the place of the longest silent.
		login := open("198.51.100.1:1")
		first.expect(bye)
		first.expectEnd()
		login.ask("a STARTTLS\r\n", `^a OK `)
		login.handshake(f.cert)
		login.ask("x AUTHENTICATE PLAIN "+plainOf(testUser, testPassword)+"\r\n", `^\* CAP`, `^x OK `)
		// Whoever is logged in stays, whatever happens.
		for range 10 {
			open("203.0.113.1:1")
		}
		login.ask("still here\r\n", `^still here$`)
		fourth.expect(bye)
		fifth.expect(bye)
		if got := f.Counters.Evicted.Load(); got < 12 {
			t.Errorf("evicted: got %d, want 12 or more", got)
		}
		if got := f.Counters.Refused.Load(); got != 0 {
			t.Errorf("refused: got %d, want 0", got)
		}
	})
}

// TestNoRoom: when nobody can go, the newcomer is told so.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name     string
			implicit bool
			refusal  string
			want     []string
		}{
			{"imap", false, IMAPRefusal, []string{`^\* BYE \[UNAVAILABLE\] too many connections`}},
			{"pop3", false, POP3Refusal, []string{`^-ERR \[SYS/TEMP\] too many connections`}},
			{"imaps", true, IMAPRefusal, nil},
		} {
			here, there := net.Pipe()
			handle := func(_ context.Context, c *Conn) {
				c.LoggedIn()
				c.Splice(there)
			}
			f := serve(t, &Listener{Name: test.name, Implicit: test.implicit, Handle: handle, Refusal: test.refusal, Limits: Limits{Connections: 1}}, newPipes())
			inside := f.piped(t, "192.0.2.1:1")
			if test.implicit {
				inside.handshake(f.cert)
			}
			io.WriteString(here, "hello\r\n")
			inside.expect(`^hello$`)
			outside := f.piped(t, "192.0.2.2:1")
			outside.expect(test.want...)
			outside.expectEnd()
			if got := f.Counters.Refused.Load(); got != 1 {
				t.Errorf("%s: refused: got %d, want 1", test.name, got)
			}
			inside.Close()
			synctest.Wait()
			if got := f.Counters.Current.Load(); got != 0 {
				t.Errorf("%s: %d sessions left", test.name, got)
			}
		}
	})
}

func TestPanicEndsOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle := func(_ context.Context, c *Conn) {
			line, err := c.ReadLine(100)
			if err != nil {
				return
			}
			if strings.Contains(string(line), "panic") {
				panic("as asked")
			}
			c.Reply("fine")
		}
		f := serve(t, &Listener{Name: "imap", Handle: handle}, newPipes())
		bad, good := f.piped(t, ""), f.piped(t, "")
		bad.send("panic\r\n")
		bad.expectEnd()
		good.ask("go on\r\n", `^fine$`)
		if got := f.Counters.Panics.Load(); got != 1 {
			t.Errorf("panics: got %d, want 1", got)
		}
		if !strings.Contains(f.log.String(), "as asked") || !strings.Contains(f.log.String(), "time_test.go") {
			t.Errorf("the log has no stack: %s", f.log)
		}
	})
}

// tired is a listener that is out of files for a while.
type tired struct {
	*pipes
	left int
}

func (l *tired) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.pipes.Accept()
}

// TestOutOfFiles: the listener waits a little longer each time, and is there again afterwards.
func TestOutOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		began := time.Now()
		serve(t, &Listener{Name: "imap", Handle: IMAP(Options{})}, &tired{ln, 10})
		newClient(t, pump(ln.dial(""))).expect(`^\* OK `)
		// 5, 10, 20, 40, 80, 160, 320 and 640 milliseconds, then a second twice.
		if got, want := time.Since(began), 3275*time.Millisecond; got != want {
			t.Errorf("accepted after %v, want %v", got, want)
		}
	})
}

// pumped gives a pipe the receive buffer that a socket has.
type pumped struct {
	net.Conn
	mu    sync.Mutex
	grown *sync.Cond
	data  []byte
	err   error
}

func pump(conn net.Conn) *pumped {
	p := &pumped{Conn: conn}
	p.grown = sync.NewCond(&p.mu)
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			p.mu.Lock()
			p.data, p.err = append(p.data, buf[:n]...), err
			p.grown.Broadcast()
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *pumped) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) == 0 && p.err == nil {
		p.grown.Wait()
	}
	if len(p.data) == 0 {
		return 0, p.err
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}
