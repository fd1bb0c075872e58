package front

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestFloodOfOnePortLeavesTheOthers: the listeners of one pool make room for each other, the longest silent
// first.
func TestFloodOfOnePortLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(4)
		imap := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Pool: pool, Refusal: IMAPRefusal}, newPipes())
		pop3 := serve(t, &Listener{Name: "pop3", Handle: POP3(Options{}), Pool: pool, Refusal: POP3Refusal}, newPipes())
		var flood []*client
		for range 4 {
			time.Sleep(time.Second)
			c := imap.piped(t, "")
			c.expect(`^\* OK `)
			flood = append(flood, c)
		}
		if got := pool.Snapshot(); got.Files != 4 || got.Silent != 4 || !got.Full() || got.Evicted != 0 {
			t.Errorf("four connections: got %+v, want four files, all silent, nobody evicted", got)
		}
		time.Sleep(time.Second)
		flood[0].ask("a NOOP\r\n", `^a OK `)
		c := pop3.piped(t, "")
		c.expect(`^\+OK `)
		flood[1].expect(`^\* BYE \[UNAVAILABLE\] silent too long`)
		flood[1].expectEnd()
		c.ask("NOOP\r\n", `^\+OK$`)
		flood[0].ask("a NOOP\r\n", `^a OK `)
		synctest.Wait()
		if got := pool.Snapshot(); got.Files != 4 || got.Evicted != 1 || got.Refused != 0 {
			t.Errorf("after the fifth: got %+v, want four files, one evicted", got)
		}
		if got := imap.Counters.Evicted.Load(); got != 1 {
			t.Errorf("evicted on imap: got %d, want 1", got)
		}
		imap.stop()
		pop3.stop()
		if got := pool.Snapshot(); got.Files != 0 || got.Silent != 0 {
			t.Errorf("after the end: got %+v, want nothing held", got)
		}
	})
}

// TestPoolCountsBackEnds: a session that is logged in holds two files, and is sent away for nobody.
func TestPoolCountsBackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(4)
		s := &store{able: "AUTH=PLAIN SASL-IR"}
		f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(s.piped(false)), Pool: pool}, newPipes())
		open := func() *client {
			time.Sleep(time.Second)
			c := f.piped(t, "")
			c.handshake(f.cert)
			c.expect(`^\* OK `)
			return c
		}
		login := "x AUTHENTICATE PLAIN " + plainOf(testUser, testPassword) + "\r\n"
		first := open()
		first.ask(login, `^\* CAP`, `^x OK `)
		silent, second := open(), open()
		if got := pool.Snapshot().Files; got != 4 {
			t.Errorf("one logged in and two not: got %d files, want 4", got)
		}
		// The back end of the second needs the file of the one that is silent.
		second.ask(login, `^\* CAP`, `^x OK `)
		silent.expect(`^\* BYE \[UNAVAILABLE\] silent too long`)
		silent.expectEnd()
		synctest.Wait()
		if got := pool.Snapshot(); got.Files != 4 || got.Silent != 0 {
			t.Errorf("two logged in: got %+v, want four files, nobody silent", got)
		}
		f.piped(t, "").expectEnd()
		if got := pool.Snapshot().Refused; got != 1 {
			t.Errorf("refused: got %d, want 1", got)
		}
		// Management has a pool of its own and does not notice.
		ln := newPipes()
		run := func(ctx context.Context, ln net.Listener, w Web) error { return w.serve(ctx, ln) }
		_, _, _, stop := web(t, run, Web{Name: "management", Handler: http.NotFoundHandler(), Pool: newPool(1)}, ln)
		manager := newClient(t, ln.dial(""))
		manager.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", `^HTTP/1.1 404 `)
		io.Copy(io.Discard, manager.r)
		stop()
		// A place that is given back is there for the next.
		first.Close()
		synctest.Wait()
		third := open()
		third.ask("a NOOP\r\n", `^a OK `)
		// And a login whose back end finds no file is told to try again.
		fourth := open()
		fourth.ask("a NOOP\r\n", `^a OK `)
		fourth.send("b ") // both are in the middle of something, but only one is at work with it
		third.ask(login, `^\* CAP`, `^x OK `)
		fourth.expectEnd()
		second.ask("still here\r\n", `^still here$`)
	})
}

// TestBackEndWithoutAFile: when nobody can be sent away, a login gets the temporary error and nothing is dialled.
func TestBackEndWithoutAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{able: "AUTH=PLAIN SASL-IR"}
		f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(s.piped(false)), Pool: newPool(1)}, newPipes())
		c := f.piped(t, "")
		c.handshake(f.cert)
		c.expect(`^\* OK `)
		c.ask("x LOGIN u p\r\n", `^x NO \[UNAVAILABLE\] `)
		if got := f.Pool.Snapshot(); got.Files != 1 || got.Refused != 1 {
			t.Errorf("got %+v, want one file, one refused", got)
		}
		if got := s.closed.Load(); got != 0 {
			t.Errorf("the back end was dialled %d times", got)
		}
	})
}

// exhausted is a listener that has no file for a connection until someone else closes one.
type exhausted struct {
	*pipes
	files func() int // that are open
	most  int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.files() >= l.most {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.pipes.Accept()
}

// TestOutOfFilesSendsSilentAway: should the system have fewer files than the pool believes, silent sessions
// make room all the same, and Accept never waits for ever.
func TestOutOfFilesSendsSilentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(100)
		ln := &exhausted{pipes: newPipes(), most: 20, files: func() int { return pool.Snapshot().Files }}
		serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Pool: pool}, ln)
		began := time.Now()
		for range 50 {
			newClient(t, pump(ln.dial(""))).expect(`^\* OK `)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("fifty connections took %v", took)
		}
		got := pool.Snapshot()
		if got.Exhausted == 0 || got.Evicted < 30 || got.Files > 20 {
			t.Errorf("got %+v, want at least 30 evicted, at most 20 held", got)
		}
	})
}

// TestPoolWaitsForThoseItSentAway: sessions that do not close at once are waited for, but not for ever.
func TestPoolWaitsForThoseItSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(4)
		s := newSlots(Limits{}.withDefaults(), &Counters{}, pool)
		var taken []*slot
		for range 4 + pool.slack {
			p := s.take(netip.Addr{}, func() {})
			if p == nil {
				t.Fatalf("no room after %d, want %d", len(taken), 4+pool.slack)
			}
			p.waits()
			taken = append(taken, p)
		}
		began := time.Now()
		pool.settle(t.Context())
		if got := time.Since(began); got != time.Second {
			t.Errorf("waited %v, want 1s", got)
		}
		if p := s.take(netip.Addr{}, func() {}); p != nil {
			t.Error("the pool took more than its limit and its slack")
		}
		taken[0].free()
		taken[0].free()
		pool.settle(t.Context())
		if p := s.take(netip.Addr{}, func() {}); p == nil {
			t.Error("no room after one has closed")
		}
		if got := time.Since(began); got != time.Second {
			t.Errorf("waited %v in all, want 1s", got)
		}
	})
}

func TestNewPool(t *testing.T) {
	t.Parallel()
	if got, want := NewPool(0).Snapshot().Most, filesAllowed()*60/100; got != max(16, want) {
		t.Errorf("default: got %d files, want %d", got, want)
	}
	if got := (*Pool)(nil).Snapshot(); got != (PoolCount{}) {
		t.Errorf("no pool: got %+v", got)
	}
}
