package acmeserver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestThreeCommits: an order whose client does not dawdle waits for the disk three times.
func TestThreeCommits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	before := h.faults.count()
	c.enrol(generate(t), "a.example.test", "b.example.test")
	if n := h.faults.count() - before; n != 3 {
		t.Errorf("got %d commits, want 3", n)
	}
}

// TestCommitFaults: each of the three commits is refused, or done with its answer lost, and then the client does what
// clients do: it asks again, or looks. There is one certificate in the end, and one line in the book.
func TestCommitFaults(t *testing.T) {
	t.Parallel()
	for commit := 1; commit <= 3; commit++ {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("commit %d lost %v", commit, lost), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, nil)
				c := h.member(t, state.ACMEKey{})
				request := csr(t, generate(t), "a.example.test")
				var o placed
				if commit == 1 {
					h.faults.set(1, lost)
					a := c.order("a.example.test")
					if lost != (a.status == http.StatusCreated) { // the state reads back what became of it
						t.Errorf("got %v", a)
					}
					if !lost {
						a.want(t, 500, acme.ServerInternal)
					}
				}
				o = c.ready("a.example.test")
				if commit > 1 {
					h.faults.set(commit-1, lost)
				}
				a := c.finalize(o, request)
				switch {
				case commit == 2 && !lost: // nothing was planned, and the order is as it was
					a.want(t, 500, acme.ServerInternal)
					if planned, _ := h.issued(t); planned != 0 {
						t.Errorf("%d were planned", planned)
					}
					c.post(o.url, nil).into(t, &o.Order)
					if o.Status != acme.StatusReady {
						t.Errorf("the order is %s", o.Status)
					}
					a = c.finalize(o, request)
				case commit == 3 && !lost: // it is planned: the client waits, and the server goes on
					a.into(t, &o.Order)
					if o.Status != acme.StatusProcessing || a.header.Get("Retry-After") == "" || a.header.Get("Location") != o.url {
						t.Errorf("got %v", a)
					}
					h.ages(t)
					a = c.post(o.url, nil)
				}
				a.into(t, &o.Order)
				c.fetch(o)
				if planned, recorded := h.issued(t); planned != 1 || recorded != 1 {
					t.Errorf("%d were planned, %d recorded", planned, recorded)
				}
			})
		}
	}
}

// ages lets time pass for what was planned: it is as if it were an hour ago.
func (h *house) ages(t testing.TB) {
	t.Helper()
	h.sql(t, fmt.Sprintf(`UPDATE issuance SET planned_at = planned_at - %d WHERE certificate IS NULL`, time.Hour.Microseconds()))
}

// TestOutcomeUnknown: the authority cannot tell whether it was planned. It was: the client is told to wait, and gets it.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test")
	h.book.unknown = true
	c.finalize(o, csr(t, generate(t), "a.example.test")).into(t, &o.Order)
	if o.Status != acme.StatusProcessing {
		t.Errorf("got %s", o.Status)
	}
	c.post(o.url, nil).into(t, &o.Order)
	if o.Status != acme.StatusProcessing { // whoever plans it may be at work
		t.Errorf("got %s", o.Status)
	}
	h.sql(t, fmt.Sprintf(`UPDATE issuance SET planned_at = planned_at + %d`, time.Hour.Microseconds())) // the clock was ahead, and went back
	c.post(o.url, nil).into(t, &o.Order)
	c.fetch(o)
	if planned, recorded := h.issued(t); planned != 1 || recorded != 1 {
		t.Errorf("%d were planned, %d recorded", planned, recorded)
	}
}

// TestFullDisk: nothing is issued that is not written down, and the order goes on when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test")
	h.faults.full(true)
	request := csr(t, generate(t), "a.example.test")
	c.finalize(o, request).want(t, 500, acme.ServerInternal)
	c.order("b.example.test").want(t, 500, acme.ServerInternal)
	c.post(testBase+"/revoke-cert", acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(h.book.issuer.Certificate().Raw)}).want(t, 400, acme.Malformed)
	if planned, _ := h.issued(t); planned != 0 {
		t.Errorf("%d were planned", planned)
	}
	h.faults.full(false)
	c.finalize(o, request).into(t, &o.Order)
	c.fetch(o)
}

// TestAfterACrash: the server ends at each point, and another goes on with the same state.
func TestAfterACrash(t *testing.T) {
	t.Parallel()
	again := func(t *testing.T, h *house) {
		t.Helper()
		s, err := New(h.Options) // nothing of what was in memory
		if err != nil {
			t.Fatal(err)
		}
		h.Server = s
	}
	t.Run("ordered", func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.member(t, state.ACMEKey{})
		a := c.order("a.example.test")
		o := placed{url: a.header.Get("Location")}
		a.into(t, &o.Order)
		again(t, h)
		c.post(o.url, nil).want(t, 400, acme.BadNonce) // nonces are good at the server that made them
		c.prove(o.Authorizations[0])
		c.post(o.url, nil).into(t, &o.Order)
		c.finalize(o, csr(t, generate(t), "a.example.test")).into(t, &o.Order)
		c.fetch(o)
	})
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("proved, kept %v", kept), func(t *testing.T) {
			h := newHouse(t, nil)
			c := h.member(t, state.ACMEKey{})
			o := c.ready("a.example.test")
			if kept {
				now := time.Now()
				h.keepProofs(t.Context(), now, now.Add(time.Nanosecond))
			}
			again(t, h)
			c.nonce = ""
			c.post(o.url, nil).into(t, &o.Order)
			if kept != (o.Status == acme.StatusReady) {
				t.Errorf("got %s", o.Status)
			}
			if !kept { // he is asked to prove it again
				c.prove(o.Authorizations[0])
			}
			c.finalize(o, csr(t, generate(t), "a.example.test")).into(t, &o.Order)
			c.fetch(o)
		})
	}
	t.Run("planned", func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.member(t, state.ACMEKey{})
		o := c.ready("a.example.test")
		h.faults.set(2, false)
		c.finalize(o, csr(t, generate(t), "a.example.test")).into(t, &o.Order)
		again(t, h)
		c.nonce = ""
		h.ages(t)
		c.post(o.url, nil).into(t, &o.Order)
		c.fetch(o)
		if planned, recorded := h.issued(t); planned != 1 || recorded != 1 {
			t.Errorf("%d were planned, %d recorded", planned, recorded)
		}
	})
}

// TestTidying: what came to nothing goes after its end, what was issued stays for RFC 9773, and a clock that goes back
// takes nothing away.
func TestTidying(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	c.enrol(generate(t), "a.example.test")
	c.order("b.example.test")
	orders := func() (n int) {
		t.Helper()
		if err := h.db.View(context.Background(), func(tx *state.Tx) error {
			all, err := tx.ACMEOrdersOf(strings.TrimPrefix(c.kid, testBase+"/account/"), 100)
			n = len(all)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tt := range []struct {
		shift time.Duration // how far the ends lie back from now on
		want  int
	}{{0, 2}, {-100 * time.Hour, 2}, {100*time.Hour + orderLife, 2}, {keepUnused + time.Minute, 1}, {keepUsed, 0}} {
		h.sql(t, fmt.Sprintf(`UPDATE acme_order SET expires_at = expires_at - %d`, tt.shift.Microseconds()))
		h.tidy(t.Context())
		if n := orders(); n != tt.want {
			t.Errorf("%v later: got %d orders, want %d", tt.shift, n, tt.want)
		}
	}
}

// TestRunKeepsAndTidies: what was proved is written down when the client dawdles, and dropped from memory later; orders
// that ended are forgotten; and Run ends.
func TestRunKeepsAndTidies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{faults: &faults{}}
		db, err := state.Open(t.Context(), state.Options{Dir: t.TempDir(), Create: true, Commit: h.faults.commit})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h.db, h.book = db, newBook(t, db)
		h.Server = newQuietServer(t, db, h.book)
		k := h.newEAB(t, state.ACMEKey{})
		account := state.ACMEAccount{ID: "a", Authority: "servers", Thumbprint: "t", JWK: "{}", Status: state.ACMEValid, KeyID: k.kid}
		row := state.ACMEOrder{ID: "o", AccountID: "a", Profile: "server", Authorizations: `[{"type":"dns","value":"a.example.test","token":"x","status":"pending"}]`, ExpiresAt: time.Now().Add(orderLife)}
		h.change(t, func(tx *state.Tx) error { return errors.Join(tx.AddACMEAccount(account), tx.AddACMEOrder(row)) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Run(ctx)
		}()
		o, err := h.complete(row)
		if err != nil {
			t.Fatal(err)
		}
		h.proofs.set(o, 0, func(a *authorization) bool {
			a.Status = acme.StatusValid
			return true
		})
		read := func() state.ACMEOrder {
			var row state.ACMEOrder
			if err := db.View(t.Context(), func(tx *state.Tx) (err error) {
				row, err = tx.ACMEOrder("o")
				return err
			}); err != nil && !errors.Is(err, state.ErrNotFound) {
				t.Error(err)
			}
			return row
		}
		time.Sleep(proofAge - time.Second)
		if r := read(); !strings.Contains(r.Authorizations, "pending") {
			t.Errorf("at once: got %s", r.Authorizations)
		}
		time.Sleep(3 * time.Second)
		if r := read(); !strings.Contains(r.Authorizations, `"valid"`) {
			t.Errorf("after %v: got %s", proofAge, r.Authorizations)
		}
		inMemory := func() int {
			h.proofs.mu.Lock()
			defer h.proofs.mu.Unlock()
			return len(h.proofs.byOrder)
		}
		if commits, n := h.faults.count(), inMemory(); commits == 0 || n != 1 {
			t.Errorf("%d commits, %d orders in memory", commits, n)
		}
		before := h.faults.count()
		time.Sleep(2 * proofStay)
		if n := inMemory(); n != 0 || h.faults.count() != before {
			t.Errorf("%d orders in memory, %d commits more", n, h.faults.count()-before)
		}
		time.Sleep(orderLife + keepUnused + 2*tidyEvery)
		if r := read(); r.ID != "" {
			t.Errorf("the order is still there: %+v", r)
		}
		cancel()
		<-done
	})
}
