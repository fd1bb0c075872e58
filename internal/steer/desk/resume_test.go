package desk

import (
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// TestWhatWasBegunIsFinished: a crash between step 3 and step 6 of docs/issuance.md leaves a plan; the next start signs just
// that, once.
func TestWhatWasBegunIsFinished(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	authority, host, err := h.authorityNamed(t.Context(), string(ca.PurposeServers))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := h.issuer(t.Context(), authority, host)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := h.profile(t.Context(), "server")
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := issuer.Draft(profile, ca.Request{PublicKey: key.Public(), Names: []string{"shop.example.com"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{desk: h.Desk, who: tester(), requester: "somebody", authority: authority.ID, shard: 1}
	if err := l.Plan(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	look := func() (all []state.Issuance) {
		err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
			all, err = tx.Issuances("shop.example.com", 10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := look(); len(all) != 1 || all[0].Certificate != nil {
		t.Fatalf("got %+v, want a plan", all)
	}
	for range 2 {
		if err := h.FinishIssuances(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all := look(); len(all) != 1 || all[0].Certificate == nil || all[0].Serial != draft.Serial {
			t.Errorf("got %+v, want the certificate of %s", all, draft.Serial)
		}
	}
}
