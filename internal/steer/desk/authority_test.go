package desk

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestAuthorityFaults fails the first commit of each act on the authority, refused and done with its answer lost: what was
// refused has left nothing in the book, what was done is there once.
func TestAuthorityFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	issue := func(d *Desk) error {
		_, err := d.Issue(ctx, tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop"})
		return err
	}
	for name, c := range map[string]struct {
		before []func(*Desk) error
		act    func(*Desk) error
		query  string
	}{
		"init": {nil, func(d *Desk) error {
			_, err := d.InitAuthority(ctx, tester(), AuthorityRequest{})
			return err
		}, `SELECT count(*) FROM authority WHERE name = 'root'`},
		"issue": {[]func(*Desk) error{initialise}, issue, `SELECT count(*) FROM issuance WHERE certificate IS NOT NULL`},
		"revoke": {[]func(*Desk) error{initialise, issue}, func(d *Desk) error {
			_, err := d.Revoke(ctx, tester(), RevokeRequest{ID: "shop"})
			return err
		}, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`},
	} {
		for _, kind := range []faultKind{faultRefused, faultLost} {
			t.Run(fmt.Sprintf("%s %d", name, kind), func(t *testing.T) {
				t.Parallel()
				h := runningHouse(t)
				for _, f := range c.before {
					if err := f(h.Desk); err != nil {
						t.Fatal(err)
					}
				}
				h.fault.set(kind)
				err := c.act(h.Desk)
				if kind == faultRefused {
					if !errors.Is(err, errFault) {
						t.Errorf("got %v, want %v", err, errFault)
					}
					if n := h.count(t, c.query); n != 0 {
						t.Errorf("refused, and %d are there", n)
					}
					err = c.act(h.Desk)
				}
				if err != nil {
					t.Errorf("got %v", err)
				}
				if n := h.count(t, c.query); n != 1 {
					t.Errorf("got %d, want 1", n)
				}
			})
		}
	}
}

func initialise(d *Desk) error {
	_, err := d.InitAuthority(context.Background(), tester(), AuthorityRequest{})
	return err
}
