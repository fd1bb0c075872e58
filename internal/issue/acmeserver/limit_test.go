package acmeserver

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// held says how long a client is told to wait, and fails the test unless it is rateLimited.
func (a answer) held(t testing.TB) time.Duration {
	t.Helper()
	a.want(t, http.StatusTooManyRequests, acme.RateLimited)
	n, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || n < 1 || n > 3600 {
		t.Errorf("Retry-After: got %q", a.header.Get("Retry-After"))
	}
	return time.Duration(n) * time.Second
}

// TestAClientThatLoops: whatever it does over and over, it is told to come back later, and others are not held.
func TestAClientThatLoops(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *Options) { o.OrdersPerHour = 100 })
	t.Run("orders", func(t *testing.T) {
		c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
		for n := range 100 {
			if a := c.order("a.example.test"); a.status != http.StatusCreated {
				t.Fatalf("order %d: got %v", n, a)
			}
		}
		if wait := c.order("a.example.test").held(t); wait > 37*time.Second { // 3600 seconds for a hundred
			t.Errorf("got %v", wait)
		}
		if a := other.order("a.example.test"); a.status != http.StatusCreated {
			t.Errorf("another is held: %v", a)
		}
	})
	t.Run("names that are not proved", func(t *testing.T) {
		c := h.member(t, state.ACMEKey{})
		var o acme.Order
		c.order("a.example.test").into(t, &o)
		var z acme.Authorization
		c.post(o.Authorizations[0], nil).into(t, &z)
		var done acme.Challenge
		c.post(z.Challenges[0].URL, struct{}{}).into(t, &done)
		for done.Status == acme.StatusProcessing {
			c.post(z.Challenges[0].URL, nil).into(t, &done)
		}
		for n := range failuresPerHour - 1 { // the one above counts
			if wait := h.failures.take(strings.TrimPrefix(c.kid, testBase+"/account/")); wait > 0 {
				t.Fatalf("after %d: %v", n, wait)
			}
		}
		c.order("b.example.test").into(t, &o)
		c.post(o.Authorizations[0], nil).into(t, &z)
		c.post(z.Challenges[0].URL, struct{}{}).held(t)
	})
	t.Run("requests that are refused", func(t *testing.T) {
		c := h.member(t, state.ACMEKey{})
		o := c.ready("a.example.test")
		for range failuresPerHour {
			c.finalize(o, []byte("hello")).want(t, 400, acme.BadCSR)
		}
		c.finalize(o, []byte("hello")).held(t)
		c.finalize(o, csr(t, generate(t), "a.example.test")).held(t)
	})
	t.Run("certificates of others", func(t *testing.T) {
		c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
		theirs := acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(other.enrol(generate(t), "a.example.test").Raw)}
		for range failuresPerHour {
			c.post(testBase+"/revoke-cert", theirs).want(t, 403, acme.Unauthorized)
		}
		c.post(testBase+"/revoke-cert", theirs).held(t)
		if a := other.post(testBase+"/revoke-cert", theirs); a.status != http.StatusOK {
			t.Errorf("whose it is: got %v", a)
		}
	})
	t.Run("accounts", func(t *testing.T) {
		c := h.client(t)
		for range accountsPerHour {
			c.key = generate(t)
			c.post(testBase+"/new-account", acme.Account{}).want(t, 403, acme.ExternalAccountRequired)
		}
		c.post(testBase+"/new-account", acme.Account{}).held(t)
		// Whoever stands behind the same address and shows a key is not held up by it.
		if a := h.client(t).register(h.newEAB(t, state.ACMEKey{})); a.status != http.StatusCreated {
			t.Errorf("another with a key: got %v", a)
		}
	})
	t.Run("anything", func(t *testing.T) {
		h := newHouse(t, func(o *Options) { o.OrdersPerHour = 1 })
		c := h.member(t, state.ACMEKey{})
		for n := range requestsPerOrder {
			if a := c.post(c.kid, nil); a.status != http.StatusOK {
				t.Fatalf("request %d: got %v", n, a)
			}
		}
		c.post(c.kid, nil).held(t)
	})
}

// TestManyMachinesBehindOneAddress: accounts with a key are not counted where they come from.
func TestManyMachinesBehindOneAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{Accounts: 100})
	for n := range 2 * accountsPerHour {
		if a := h.client(t).register(k); a.status != http.StatusCreated {
			t.Fatalf("account %d: got %v", n, a)
		}
	}
	for from, want := range map[string]string{"192.0.2.7:1": "192.0.2.7", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[fe80::1%eth0]:1": "fe80::/64"} {
		if got := neighbourhood(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

// TestMessagesThatWait: senders of half messages get so many places and no more, and each that goes leaves one.
func TestMessagesThatWait(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var waiting sync.WaitGroup
	var ends []*io.PipeWriter
	send := func(from string, body io.Reader) int {
		r := httptest.NewRequest(http.MethodPost, testBase+"/new-account", body)
		r.Header.Set("Content-Type", jose)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for n := range maxReading {
		body, end := io.Pipe()
		ends = append(ends, end)
		from := fmt.Sprintf("192.0.2.%d:1", n/maxReadingOfOne)
		waiting.Go(func() {
			if got := send(from, body); got != http.StatusRequestEntityTooLarge { // it broke off
				t.Errorf("%s: got %d", from, got)
			}
		})
		end.Write([]byte("{")) // returns when it is read: it is inside
		if (n+1)%maxReadingOfOne > 0 {
			continue
		}
		if got := send(from, strings.NewReader("{}")); got != http.StatusTooManyRequests {
			t.Errorf("one too many from %s: got %d", from, got)
		}
		if got, full := send("[2001:db8::1]:1", strings.NewReader("{}")), n+1 == maxReading; (got == http.StatusTooManyRequests) != full {
			t.Errorf("another after %d: got %d", n+1, got)
		}
	}
	for _, end := range ends {
		end.CloseWithError(io.ErrUnexpectedEOF)
	}
	waiting.Wait()
	if got := send("192.0.2.0:1", strings.NewReader("{}")); got != http.StatusBadRequest || len(h.reading.of) > 0 || h.reading.all != 0 {
		t.Errorf("after all have gone: got %d, %d inside", got, h.reading.all)
	}
}

// TestLimit follows one through an hour, a clock that goes back, and more of them than are remembered.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limit{perHour: 2}
		for range 2 {
			if wait := l.take("a"); wait != 0 {
				t.Errorf("got %v", wait)
			}
		}
		if wait := l.take("a"); wait != 30*time.Minute {
			t.Errorf("got %v", wait)
		}
		time.Sleep(30 * time.Minute)
		if wait := l.take("a"); wait != 0 {
			t.Errorf("got %v", wait)
		}
		l.buckets["a"].at = time.Now().Add(time.Hour) // the clock was an hour ahead, and went back
		if wait := l.take("a"); wait != 30*time.Minute {
			t.Errorf("the clock went back: got %v", wait)
		}
		l.giveBack("a")
		l.giveBack("nobody")
		if wait := l.take("a"); wait != 0 {
			t.Errorf("given back: got %v", wait)
		}
		for n := range maxCounted + 100 {
			l.take(fmt.Sprint(n))
		}
		if len(l.buckets) > maxCounted {
			t.Errorf("%d are remembered", len(l.buckets))
		}
	})
}
