package acmeserver

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestAnAccountIsShutOutAtOnce though it is remembered: by an administrator, with its key, and by itself; also if the
// answer to the commit is lost.
func TestAnAccountIsShutOutAtOnce(t *testing.T) {
	t.Parallel()
	for what, shut := range map[string]func(h *house, c *client){
		"account": func(h *house, c *client) {
			h.change(t, func(tx *state.Tx) error { return tx.EndACMEAccount(path.Base(c.kid), state.ACMERevoked) })
		},
		"key": func(h *house, c *client) {
			h.change(t, func(tx *state.Tx) error {
				a, err := tx.ACMEAccount(path.Base(c.kid))
				if err != nil {
					return err
				}
				return tx.RevokeACMEKey(a.KeyID)
			})
		},
		"itself": func(_ *house, c *client) {
			if a := c.post(c.kid, map[string]any{"status": "deactivated"}); a.status != 200 {
				t.Errorf("got %v", a)
			}
		},
	} {
		for _, lost := range []bool{false, true} {
			h := newHouse(t, nil)
			c := h.member(t, state.ACMEKey{})
			if a := c.order("a.example.test"); a.status != 201 {
				t.Fatalf("%s: got %v", what, a)
			}
			if len(h.accounts.known) != 1 {
				t.Fatalf("%s: %d accounts are remembered, want 1", what, len(h.accounts.known))
			}
			if lost {
				h.faults.set(1, true)
			}
			shut(h, c)
			c.order("b.example.test").want(t, 403, acme.Unauthorized)
		}
	}
}

// TestNobodyRemembersWhatWas: while many read an account, whoever has changed it reads what he wrote.
func TestNobodyRemembersWhatWas(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	id := path.Base(c.kid)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := h.account(t.Context(), id); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	q := &question{s: h.Server, r: httptest.NewRequest("POST", testBase, nil), account: state.ACMEAccount{ID: id}}
	for n := range 60 {
		want := fmt.Sprintf("mailto:n%d@example.com", n)
		if err := q.changeAccount(func(tx *state.Tx) error {
			if err := tx.SetACMEContact(id, []string{want}); err != nil {
				return err
			}
			return tx.Audit("test", id, nil, nil)
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := h.account(t.Context(), id); err != nil || got.row.Contact[0] != want {
			t.Errorf("got %v, %v, want %s", got.row.Contact, err, want)
			break
		}
	}
	close(stop)
	readers.Wait()
}

// TestARememberedOrderIsItsRow: what is shown from memory is what is shown from the row, at each step of an order, and only
// to its account.
func TestARememberedOrderIsItsRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	remembered := func(id string) bool {
		_, ok := h.pending.of(id, time.Now())
		return ok
	}
	same := func(step string, o placed) {
		t.Helper()
		other.post(o.url, nil).want(t, 403, acme.Unauthorized)
		kept, ok := h.pending.of(path.Base(o.url), time.Now())
		first := []answer{c.post(o.url, nil), c.post(o.Authorizations[0], nil)}
		h.pending.forget(path.Base(o.url))
		for i, url := range []string{o.url, o.Authorizations[0]} {
			if again := c.post(url, nil); again.status != first[i].status || !bytes.Equal(again.body, first[i].body) {
				t.Errorf("%s: from memory %v, from the row %v", step, first[i], again)
			}
		}
		other.post(o.url, nil).want(t, 403, acme.Unauthorized)
		if ok {
			h.pending.keep(*kept)
		}
	}
	var o placed
	a := c.order("a.example.test")
	o.url = a.header.Get("Location")
	a.into(t, &o.Order)
	id := path.Base(o.url)
	if !remembered(id) {
		t.Fatal("a new order is not remembered")
	}
	same("new", o)
	if got := c.prove(o.Authorizations[0]); got.Status != acme.StatusValid {
		t.Fatalf("got %+v", got)
	}
	same("proved", o)
	key := generate(t)
	a = c.finalize(o, csr(t, key, "a.example.test"))
	if remembered(id) {
		t.Error("an order whose serial was planned is remembered as it was")
	}
	if again := c.post(o.url, nil); !bytes.Equal(a.body, again.body) {
		t.Errorf("after it was issued: said %v, the row says %v", a, again)
	}
	same("issued", o)

	a = c.order("b.example.test")
	gone := placed{url: a.header.Get("Location")}
	a.into(t, &gone.Order)
	if a := c.post(gone.Authorizations[0], map[string]any{"status": "deactivated"}); a.status != 200 {
		t.Errorf("got %v", a)
	}
	if remembered(path.Base(gone.url)) {
		t.Error("an order with an authorization that was deactivated is remembered as it was")
	}
	same("deactivated", gone)

	late := order{row: state.ACMEOrder{ID: "late", ExpiresAt: time.Now().Add(-time.Second)}}
	h.pending.keep(late)
	if remembered("late") {
		t.Error("an order is remembered beyond its time")
	}
}
