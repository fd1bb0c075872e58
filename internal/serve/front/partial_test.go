package front

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPartialCommandMakesRoom: before login nothing that a client begins and does not end keeps its place.
func TestPartialCommandMakesRoom(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle Handler
		secure bool
		said   string
	}{
		{"line", IMAP(Options{}), false, "a NO"},
		{"literal", IMAP(Options{}), false, "a LOGIN {10+}\r\n"},
		{"part of a literal", IMAP(Options{}), false, "a LOGIN {10+}\r\nabc"},
		{"line behind a literal", IMAP(Options{}), false, "a LOGIN {3+}\r\nabc"},
		{"literal of an unknown command", IMAP(Options{}), false, "a X {4096+}\r\n"},
		{"literal of a login", IMAP(Options{}), true, "a LOGIN {10}\r\n"},
		{"AUTHENTICATE", IMAP(Options{}), true, "a AUTHENTICATE PLAIN\r\n"},
		{"handshake", IMAP(Options{}), false, "a STARTTLS\r\n"},
		{"AUTH", POP3(Options{}), true, "AUTH PLAIN\r\n"},
		{"STLS", POP3(Options{}), false, "STLS\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := serve(t, &Listener{Name: "imap", Handle: test.handle, Implicit: test.secure, Limits: Limits{Connections: 1}}, newPipes())
				open := func() *client {
					c := f.piped(t, "")
					if test.secure {
						c.handshake(f.cert)
					}
					c.expect(` ready, session `)
					return c
				}
				c := open()
				c.send(test.said)
				synctest.Wait()
				began := time.Now()
				open()
				rest, _ := io.ReadAll(c.r)
				if strings.Contains(string(rest), "silent too long") {
					t.Errorf("told in the middle of a command: %q", rest)
				}
				if got := time.Since(began); got != 0 {
					t.Errorf("the newcomer waited %v", got)
				}
				if got := f.Counters.Snapshot(); got.Evicted != 1 || got.Refused != 0 {
					t.Errorf("got %+v, want one evicted, none refused", got)
				}
			})
		})
	}
}

// TestTrickleKeepsItsPlace: bytes of a literal, one at a time, are no speech.
func TestTrickleKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Limits: Limits{Connections: 2}}, newPipes())
		slow := f.piped(t, "")
		slow.expect(`^\* OK `)
		slow.send("a LOGIN {100+}\r\n")
		time.Sleep(time.Second)
		quiet := f.piped(t, "")
		quiet.expect(`^\* OK `)
		for range 10 {
			time.Sleep(time.Second)
			slow.send("x")
		}
		synctest.Wait()
		f.piped(t, "").expect(`^\* OK `)
		slow.expectEnd()
		quiet.ask("a NOOP\r\n", `^a OK `)
	})
}

// TestUntakenAnswerMakesRoom: a client that does not read keeps no place either.
func TestUntakenAnswerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Limits: Limits{Connections: 1}}, ln)
		deaf := ln.dial("") // a pipe without a buffer: the greeting waits to be read
		defer deaf.Close()
		time.Sleep(time.Second)
		began := time.Now()
		f.piped(t, "").expect(`^\* OK `)
		synctest.Wait()
		time.Sleep(lastWrite)
		synctest.Wait()
		if got := f.Counters.Snapshot(); got.Evicted != 1 || got.Current != 1 || time.Since(began) != lastWrite {
			t.Errorf("got %+v, want one evicted, one left", got)
		}
	})
}

// TestUnsentBodyMakesRoom: a request whose body does not come keeps no place, in the handler or after it.
func TestUnsentBodyMakesRoom(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"read":   func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) },
		"unread": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
				_, _, counters, _ := web(t, run, Web{Name: "http", Handler: handler, Limits: Limits{Connections: 1}}, ln)
				held := newClient(t, pump(ln.dial("")))
				held.send("POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")
				synctest.Wait()
				next := newClient(t, pump(ln.dial("")))
				next.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", `^HTTP/1.1 200 `)
				held.expectEnd()
				if got := counters.Snapshot(); got.Evicted != 1 || got.Refused != 0 {
					t.Errorf("got %+v, want one evicted, none refused", got)
				}
			})
		})
	}
}

// TestUntakenPageMakesRoom: nor does a client that asks and does not read.
func TestUntakenPageMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
		_, _, counters, _ := web(t, run, Web{Name: "http", Handler: http.NotFoundHandler(), Limits: Limits{Connections: 1}}, ln)
		deaf := ln.dial("")
		defer deaf.Close()
		io.WriteString(deaf, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		newClient(t, pump(ln.dial(""))).ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", `^HTTP/1.1 404 `)
		if got := counters.Evicted.Load(); got != 1 {
			t.Errorf("evicted: got %d, want 1", got)
		}
	})
}

// TestBodyHasFiveSeconds: for each 32 KiB, and a minute in all; what follows the body has its own time.
func TestBodyHasFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type outcome struct {
			n    int64
			err  error
			took time.Duration
		}
		read := make(chan outcome, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			n, err := io.Copy(io.Discard, r.Body)
			read <- outcome{n, err, time.Since(began)}
			time.Sleep(20 * time.Second)
			if err == nil && r.Context().Err() != nil {
				t.Error("the request was cancelled though its body had come")
			}
		})
		ln := newPipes()
		run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
		web(t, run, Web{Name: "http", Handler: handler}, ln)
		c := newClient(t, pump(ln.dial("")))
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 131072\r\n\r\n")
		for range 4 {
			time.Sleep(4 * time.Second)
			c.send(strings.Repeat("x", 32<<10))
		}
		c.expect(`^HTTP/1.1 200 `)
		if got := <-read; got.err != nil || got.n != 128<<10 {
			t.Errorf("a body in time: got %+v", got)
		}
		c = newClient(t, pump(ln.dial("")))
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		for range 4 { // a byte a second does not prolong it
			time.Sleep(time.Second)
			c.send("x")
		}
		if got := <-read; !errors.Is(got.err, os.ErrDeadlineExceeded) || got.n != 4 || got.took != 5*time.Second {
			t.Errorf("a body too late: got %+v, want 4 bytes and the end after 5s", got)
		}
	})
}

// TestHTTPIsEnded: whoever speaks HTTP to a mail port gets one line of the protocol, and no second command.
func TestHTTPIsEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, answer, good string
		handle             Handler
	}{
		{"imap", `^\* BYE this is IMAP, not HTTP$`, "a NOOP\r\n", IMAP(Options{})},
		{"pop3", `^-ERR this is POP3, not HTTP$`, "NOOP\r\n", POP3(Options{})},
	} {
		f := serve(t, &Listener{Name: test.name, Implicit: true, Handle: test.handle}, nil)
		for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI"} {
			for _, before := range []string{"", "what is this\r\n"} {
				c := f.dial(t)
				c.expect(` ready, session `)
				c.send(before + method + " / HTTP/1.1\r\nHost: x\r\n\r\n" + test.good + "<script>alert(1)</script> x\r\n")
				if before != "" {
					c.expect(` `)
				}
				c.expect(test.answer)
				c.expectEnd()
			}
		}
		// After a good command it is not HTTP, whatever it looks like.
		c := f.dial(t)
		c.expect(` ready, session `)
		c.ask(test.good, `OK`)
		c.ask("GET x\r\n", `BAD|ERR`)
		c.ask(test.good, `OK`)
	}
}

// TestRefusedCommandsSwallowTheirLiterals: whatever is wrong with a command, its literal is no command.
func TestRefusedCommandsSwallowTheirLiterals(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		f := serve(t, &Listener{Name: "imap", Implicit: implicit, Handle: IMAP(Options{}), Limits: Limits{BadCommands: 100}}, nil)
		c := f.dial(t)
		c.expect(`^\* OK `)
		for _, test := range []struct{ line, answer string }{
			{"a AUTHENTICATE FOO ", `^a NO `},
			{"a AUTHENTICATE PLAIN ", `^a (NO|BAD) `},
			{"a AUTHENTICATE ", `^a NO `},
			{"* ", `^\* BAD `},
			{"a", `^\* BAD `},
			{"<b> NOOP ", `^\* BAD `},
			{"a NOOP", `^a BAD `},
			{"a LOGIN", `^a (NO|BAD) `},
			{"a NOOP ", `^a BAD `},
			{"a FOO" + strings.Repeat(" ", 8200), `^a BAD line too long$`},
		} {
			c.ask(test.line+"{14+}\r\nevil NOOP\r\nx y\r\nb NOOP\r\n", test.answer, `^b OK `)
		}
	}
}

// TestTagsWithoutMarkup: what is not a tag, or could be markup, is not repeated.
func TestTagsWithoutMarkup(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Limits: Limits{BadCommands: 100}}, nil)
	c := f.dial(t)
	c.expect(`^\* OK `)
	for _, tag := range []string{"<img", "a>", "a\"", "a\\", "a(", "a{", "a%", "a*", "a+", "a\x01", "a\x7f", "\xc3\xa9"} {
		c.ask(tag+" NOOP\r\n", `^\* BAD no command that this server understands$`)
	}
	c.ask("A1.b-c]=/& NOOP\r\n", `^A1\.b-c\]=/& OK `)
}
