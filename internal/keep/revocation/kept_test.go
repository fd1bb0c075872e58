package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/fetch"
)

func lookUp(t *testing.T, c *Checker, cert, issuer *x509.Certificate) Finding {
	t.Helper()
	f, err := c.Kept(t.Context(), Query{Cert: cert, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Kept never asks by itself: Run does, and the generation says that there is something new to know.
func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		cert := a.pointing(1, "http://crl.example.test/a.crl", "")
		var revoked []entrySpec
		p := &press{}
		p.publish = func() []byte {
			return a.list(listSpec{number: 1, this: time.Now(), next: time.Now().Add(8 * time.Hour), entries: revoked})
		}
		c := open(t, Options{Fetch: p})
		if f := lookUp(t, c, cert, a.cert); f.Status != Unknown || f.Disbelieved || !strings.Contains(f.Why, "nobody has been asked yet") {
			t.Errorf("got %s (%s), want unknown, for nobody was asked", f.Status, f.Why)
		}
		time.Sleep(time.Hour)
		if n := len(p.times()); n != 0 {
			t.Errorf("asked %d times without Run, want 0", n)
		}
		before := c.Generation()
		running(t, c)
		synctest.Wait()
		if f := lookUp(t, c, cert, a.cert); f.Status != Good || c.Generation() == before {
			t.Errorf("got %s (%s) in generation %d, want good, in another than %d", f.Status, f.Why, c.Generation(), before)
		}
		p.mu.Lock()
		revoked = []entrySpec{{serial: 1, reason: 1}}
		p.mu.Unlock()
		before = c.Generation()
		time.Sleep(8 * time.Hour)
		synctest.Wait()
		if f := lookUp(t, c, cert, a.cert); f.Status != Revoked || c.Generation() == before {
			t.Errorf("got %s (%s) in generation %d, want revoked, in another than %d", f.Status, f.Why, c.Generation(), before)
		}
	})
}

// A server that is away is told from one that was not asked, and since when is known.
func TestKeptWithoutServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		cert := a.pointing(1, "http://crl.example.test/a.crl", "")
		p := &press{down: errors.New("connection refused")}
		c := open(t, Options{Fetch: p})
		running(t, c)
		lookUp(t, c, cert, a.cert)
		began := time.Now()
		synctest.Wait()
		before := c.Generation()
		time.Sleep(3 * time.Hour)
		if f := lookUp(t, c, cert, a.cert); f.Status != Unknown || !strings.Contains(f.Why, "connection refused") {
			t.Errorf("got %s (%s), want unknown and what the network said", f.Status, f.Why)
		}
		if s := c.Sources()[0]; s.Failures < 4 || s.Failures > 12 || !s.Failing.Equal(began) {
			t.Errorf("got %d failures since %v, want 4 to 12 since %v", s.Failures, s.Failing, began)
		}
		if c.Generation() != before {
			t.Errorf("got generation %d after the same failure, want %d", c.Generation(), before)
		}
		p.publish = func() []byte { return a.list(listSpec{number: 1, this: time.Now()}) }
		p.set(nil)
		time.Sleep(2 * time.Hour)
		if f := lookUp(t, c, cert, a.cert); f.Status != Good {
			t.Errorf("got %s (%s), want good", f.Status, f.Why)
		}
		if s := c.Sources()[0]; s.Failures != 0 || !s.Failing.IsZero() {
			t.Errorf("got %d failures since %v, want none", s.Failures, s.Failing)
		}
	})
}

// hanging is a Fetcher whose servers do not answer.
type hanging struct{}

func (hanging) Do(ctx context.Context, _ fetch.Request) (*fetch.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// What is on disk answers, though nobody may be asked, and though somebody just waits for a server that hangs.
func TestKeptOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "A")
		cert := a.pointing(1, "http://crl.example.test/a.crl", "")
		p := &press{publish: func() []byte {
			return a.list(listSpec{number: 1, this: time.Now(), next: time.Now().Add(8 * time.Hour)})
		}}
		ask(t, open(t, Options{Dir: dir, Fetch: p}), cert, a.cert)

		if f := lookUp(t, open(t, Options{Dir: dir}), cert, a.cert); f.Status != Good {
			t.Errorf("nobody is asked: got %s (%s), want good", f.Status, f.Why)
		}
		time.Sleep(7 * time.Hour)
		c := open(t, Options{Dir: dir, Fetch: hanging{}})
		running(t, c)
		synctest.Wait() // Run waits for the successor
		c.mu.Lock()
		for _, it := range c.items {
			it.crl = nil // as if others had taken its place in memory
		}
		c.mu.Unlock()
		began := time.Now()
		if f := lookUp(t, c, cert, a.cert); f.Status != Good || !time.Now().Equal(began) {
			t.Errorf("while Run waits: got %s (%s) after %v, want good at once", f.Status, f.Why, time.Since(began))
		}
		time.Sleep(2 * time.Hour)
		if f := lookUp(t, c, cert, a.cert); f.Status != Unknown || f.LastStatus != Good || f.LastGoodAge != 9*time.Hour || !time.Now().Equal(began.Add(2*time.Hour)) {
			t.Errorf("run out: got %s (%s), last %s of %v, want unknown, and good 9 hours ago", f.Status, f.Why, f.LastStatus, f.LastGoodAge)
		}
		if f := lookUp(t, open(t, Options{Dir: dir}), cert, a.cert); f.Status != Unknown || f.LastStatus != Good || !strings.Contains(f.Why, "nobody is asked") {
			t.Errorf("run out, and nobody is asked: got %s (%s), last %s", f.Status, f.Why, f.LastStatus)
		}
	})
}
