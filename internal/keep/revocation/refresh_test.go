package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"postseal/internal/ground/fetch"
)

// press is a Fetcher without sockets: it makes a new list or answer whenever it is asked, unless it is down.
type press struct {
	mu      sync.Mutex
	down    error
	asked   []time.Time
	publish func() []byte
}

func (p *press) Do(_ context.Context, r fetch.Request) (*fetch.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, time.Now())
	if p.down != nil {
		return nil, p.down
	}
	return &fetch.Response{URL: r.URL, Body: p.publish()}, nil
}

func (p *press) set(down error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *press) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.asked...)
}

// running runs in a bubble: it starts Run and ends it with the test.
func running(t *testing.T, c *Checker) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background()) // t.Context ends before the clean-up, for no cause
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := errors.New("stopped")
	t.Cleanup(func() {
		cancel(stopped)
		if err := <-done; !errors.Is(err, stopped) {
			t.Errorf("Run returned %v, want %v", err, stopped)
		}
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		number := int64(0)
		var revoked []entrySpec
		p := &press{publish: func() []byte {
			number++
			return a.list(listSpec{number: number, this: time.Now(), next: time.Now().Add(8 * time.Hour), entries: revoked})
		}}
		c := open(t, Options{Fetch: p, Dir: t.TempDir()})
		running(t, c)
		cert := a.pointing(1, "http://crl.example.test/a.crl", "")
		if f := ask(t, c, cert, a.cert); f.Status != Good {
			t.Fatalf("got %s (%s)", f.Status, f.Why)
		}
		// A day goes by and nobody asks: the list is always fetched before it runs out, and not much more often.
		for range 24 {
			time.Sleep(time.Hour)
			synctest.Wait()
			if s := c.Sources(); !s[0].NextUpdate.After(time.Now()) {
				t.Fatalf("the list ran out at %v", s[0].NextUpdate)
			}
		}
		if n := len(p.times()); n < 4 || n > 6 {
			t.Errorf("fetched %d times in a day, want 4 to 6", n)
		}
		p.mu.Lock()
		revoked = []entrySpec{{serial: 1, reason: 1}}
		p.mu.Unlock()
		time.Sleep(8 * time.Hour)
		if f := ask(t, c, cert, a.cert); f.Status != Revoked {
			t.Errorf("got %s (%s), want revoked without anybody having waited for it", f.Status, f.Why)
		}
	})
}

// A list that holds for a month is fetched twice a day, for the sake of what is revoked in between.
// TestClocks: a server whose clock was years ahead and is put right starts again, and does not wait for those years. One
// whose clock is behind believes no list from its future.
func TestClocks(t *testing.T) {
	t.Parallel()
	var a *authority
	var cert *x509.Certificate
	dir := t.TempDir()
	p := &press{}
	begin := func(t *testing.T, revoked ...entrySpec) *Checker {
		if a == nil {
			a = newAuthority(t, "A")
			cert = a.pointing(1, "http://crl.example.test/a.crl", "")
		}
		start := time.Now()
		p.publish = func() []byte {
			return a.list(listSpec{number: int64(1 + len(revoked)), this: start, next: start.AddDate(10, 0, 0), entries: revoked})
		}
		return open(t, Options{Fetch: p, Dir: dir})
	}
	synctest.Test(t, func(t *testing.T) {
		c := begin(t)
		running(t, c)
		time.Sleep(3 * 365 * 24 * time.Hour)
		if f := ask(t, c, cert, a.cert); f.Status != Good {
			t.Fatalf("got %s (%s)", f.Status, f.Why)
		}
	})
	// Each bubble begins at the same moment: three years earlier.
	synctest.Test(t, func(t *testing.T) {
		c := begin(t, entrySpec{serial: 1, reason: 1})
		running(t, c)
		ask(t, c, cert, a.cert)
		time.Sleep(time.Hour)
		if f := ask(t, c, cert, a.cert); f.Status != Revoked {
			t.Errorf("an hour after the clock was put right: got %s (%s), want revoked", f.Status, f.Why)
		}
		f, err := c.Check(t.Context(), Query{Cert: cert, Issuer: a.cert, At: time.Now().Add(-48 * time.Hour)})
		if err != nil || f.Status != Unknown || !strings.Contains(f.Why, "from after the time in question") {
			t.Errorf("two days before the list: got %s (%s), %v", f.Status, f.Why, err)
		}
	})
}

func TestRefreshLongList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		p := &press{publish: func() []byte { return a.list(listSpec{number: 1, this: time.Now(), next: time.Now().AddDate(0, 1, 0)}) }}
		c := open(t, Options{Fetch: p})
		running(t, c)
		ask(t, c, a.pointing(1, "http://crl.example.test/a.crl", ""), a.cert)
		time.Sleep(10 * 24 * time.Hour)
		synctest.Wait()
		if n := len(p.times()); n < 20 || n > 25 {
			t.Errorf("fetched %d times in ten days, want 20 to 25", n)
		}
	})
}

// A server that goes on sending the same list is asked more often near its end, but not without end.
func TestRefreshSameList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		list := a.list(listSpec{number: 1, this: time.Now(), next: time.Now().Add(8 * time.Hour)})
		p := &press{publish: func() []byte { return list }}
		c := open(t, Options{Fetch: p})
		running(t, c)
		ask(t, c, a.pointing(1, "http://crl.example.test/a.crl", ""), a.cert)
		time.Sleep(8 * time.Hour)
		synctest.Wait()
		if n := len(p.times()); n < 3 || n > 12 {
			t.Errorf("fetched %d times in the eight hours of the list, want 3 to 12", n)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		p := &press{publish: func() []byte {
			return a.list(listSpec{number: 1, this: time.Now(), next: time.Now().Add(4 * time.Hour)})
		}}
		c := open(t, Options{Fetch: p, Dir: t.TempDir()})
		running(t, c)
		cert := a.pointing(1, "http://crl.example.test/a.crl", "")
		made := time.Now()
		ask(t, c, cert, a.cert)
		down := errors.New("fetching http://crl.example.test/a.crl: connection refused")
		p.set(down)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		times := p.times()
		if n := len(times); n < 20 || n > 40 {
			t.Errorf("asked %d times in a day of failures, want about one an hour", n)
		}
		for i := 2; i < len(times); i++ {
			if wait := times[i].Sub(times[i-1]); wait < 45*time.Second || wait > 75*time.Minute {
				t.Errorf("failure %d: waited %v", i, wait)
			}
		}
		f := ask(t, c, cert, a.cert)
		if f.Status != Unknown || f.LastStatus != Good || f.LastGoodAge != time.Since(made) || f.Disbelieved {
			t.Errorf("got %s, last %s, %v old, disbelieved %v; want unknown, last good, %v old", f.Status, f.LastStatus, f.LastGoodAge, f.Disbelieved, time.Since(made))
		}
		if !errors.Is(errors.Join(f.Problems...), down) || !strings.Contains(f.Why, "connection refused") || !strings.Contains(f.Why, "it has run out") {
			t.Errorf("the reason is %q", f.Why)
		}
		if s := c.Sources(); s[0].Failures < 10 || !errors.Is(s[0].LastError, down) {
			t.Errorf("sources: got %+v", s)
		}
		p.set(nil)
		time.Sleep(75 * time.Minute)
		if f := ask(t, c, cert, a.cert); f.Status != Good {
			t.Errorf("after the server came back: got %s (%s)", f.Status, f.Why)
		}
	})
}

// silence is a Fetcher that never answers.
type silence struct{ press }

func (s *silence) Do(ctx context.Context, _ fetch.Request) (*fetch.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	s.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

// A server that hangs is waited for once, not once for each certificate that names it.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := newAuthority(t, "A"), &silence{}
		c := open(t, Options{Fetch: s})
		began := time.Now()
		for serial := range int64(10) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			q := Query{Cert: a.pointing(serial+1, "http://crl.example.test/a.crl", ""), Issuer: a.cert}
			if f, err := c.Check(ctx, q); err == nil && f.Status != Unknown || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %s, %v", f.Status, err)
			}
			cancel()
		}
		if took := time.Since(began); took != 5*time.Second || len(s.times()) != 1 {
			t.Errorf("waited %v and asked %d times, want 5s and once", took, len(s.times()))
		}
	})
}

// What nobody asks about for a month is forgotten.
func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		p := &press{publish: func() []byte { return a.list(listSpec{number: 1, this: time.Now()}) }}
		c := open(t, Options{Fetch: p, Dir: t.TempDir()})
		running(t, c)
		ask(t, c, a.pointing(1, "http://crl.example.test/a.crl", ""), a.cert)
		time.Sleep(forgetAfter + 48*time.Hour)
		synctest.Wait()
		if s := c.Sources(); len(s) != 0 {
			t.Errorf("got %+v, want nothing", s)
		}
		if again := open(t, Options{Dir: c.o.Dir}); len(again.Sources()) != 0 {
			t.Errorf("on disk: got %+v, want nothing", again.Sources())
		}
	})
}

// After a restart Run goes on with what is on disk, lists and answers.
func TestRefreshAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		p := &press{}
		p.publish = func() []byte {
			if len(p.asked)%2 == 1 {
				return a.answer(a, ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)})
			}
			return a.list(listSpec{number: 1, this: time.Now(), next: time.Now().Add(time.Hour)})
		}
		dir := t.TempDir()
		first := open(t, Options{Fetch: p, Dir: dir})
		for _, cert := range []*x509.Certificate{a.pointing(1, "", "http://ocsp.example.test/"), a.pointing(1, "http://crl.example.test/a.crl", "")} {
			if f := ask(t, first, cert, a.cert); f.Status != Good {
				t.Fatalf("got %s (%s)", f.Status, f.Why)
			}
		}
		asked := &press{down: errors.New("down")}
		c := open(t, Options{Fetch: asked, Dir: dir})
		running(t, c)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(asked.times()); n < 4 {
			t.Errorf("asked %d times in the last quarter of an hour, want both sources, again and again", n)
		}
		if s := c.Sources(); len(s) != 2 || s[0].Failures == 0 || s[1].Failures == 0 {
			t.Errorf("sources: got %+v", s)
		}
	})
}
