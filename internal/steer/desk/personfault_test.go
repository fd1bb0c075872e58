package desk

import (
	"errors"
	"fmt"
	"testing"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
)

// TestPersonFaults fails each commit of issuing for a person, refused or with its answer lost, and lets the server die
// between them. Who got no file has no certificate in force that others would encrypt for, and no key of his is kept.
func TestPersonFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultNone, faultRefused, faultLost} {
		for step, name := range []string{"plan", "record", "hand out"} {
			t.Run(fmt.Sprintf("%s %d", name, kind), func(t *testing.T) {
				t.Parallel()
				h := authorityHouse(t)
				h.fault.setAfter(kind, step)
				f, err := h.IssuePerson(t.Context(), tester(), PersonRequest{Profile: "smime-encrypt", Email: "kim@example.com", Kind: "ecdsa-p256", Password: horse()})
				if (kind == faultRefused) != errors.Is(err, errFault) || (f == nil) != (err != nil) {
					t.Fatalf("got %v, %v", f, err)
				}
				h.wantPeople(t, f)
				if err := h.FinishIssuances(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.wantPeople(t, f)
			})
		}
	}
}

func horse() Password { return NewPassword(keys.Secret("correct horse")) }

// wantPeople checks that the person of the file, if there is one, is known and nobody else, and that no key waits.
func (h *house) wantPeople(t *testing.T, f *PersonFile) {
	t.Helper()
	people, err := h.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := f != nil; want != (len(people) == 1) {
		t.Errorf("got %d people, want one: %v", len(people), want)
	}
	if n := h.count(t, `SELECT count(*) FROM issuance WHERE secret_id IS NOT NULL`); n != 0 {
		t.Errorf("%d keys are kept", n)
	}
	if n := h.count(t, `SELECT (SELECT count(*) FROM secret WHERE kind = 'person-key') + (SELECT count(*) FROM secret_recipient WHERE secret_id LIKE 'person-%')`); f == nil && n != 0 {
		t.Errorf("of a person who has got nothing %d rows of a key are kept", n)
	}
	good := 0
	if f != nil {
		good = 1
		read, err := certfile.Read("kim.pfx", f.Data, certfile.ReadOptions{Password: func(string) (keys.Secret, error) { return horse().Secret(), nil }})
		if err != nil || len(read.Keys) != 1 {
			t.Errorf("the file: %v", err)
		}
	}
	if n := h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NULL`); n != good {
		t.Errorf("%d certificates are in force, want %d", n, good)
	}
}

// TestAPersonIsForgottenByACrash: the server dies after a step, which leaves what a refusal would have taken back. The next
// start takes it back.
func TestAPersonIsForgottenByACrash(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{false, true} {
		h := authorityHouse(t)
		// What stands there when it dies: a second fault keeps it from giving up.
		h.fault.setAfter(faultRefused, 1)
		if recorded {
			h.fault.setAfter(faultRefused, 2)
		}
		h.fault.again = true
		_, err := h.IssuePerson(t.Context(), tester(), PersonRequest{Profile: "smime-encrypt", Email: "kim@example.com", Kind: "ecdsa-p256", Password: horse()})
		if !errors.Is(err, errFault) {
			t.Fatalf("got %v", err)
		}
		h.fault.again = false
		h.fault.set(faultNone)
		if n := h.count(t, `SELECT count(*) FROM issuance WHERE secret_id IS NOT NULL AND revoked_at IS NULL`); n != 1 {
			t.Fatalf("it died too late: %d lines wait", n)
		}
		if people, err := h.People(t.Context()); err != nil || len(people) != 0 {
			t.Errorf("recorded %v: before the start got %d people, %v", recorded, len(people), err)
		}
		if err := h.FinishIssuances(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.wantPeople(t, nil)
		if rows := h.audit(t); rows[len(rows)-1].Act != "ca give up" {
			t.Errorf("the last row is %q", rows[len(rows)-1].Act)
		}
	}
}

// TestApproveFaults fails each commit of an approval. Whoever agrees again gets what was issued, or has it issued: one
// certificate comes of one request, however often, and whatever the next start finishes.
func TestApproveFaults(t *testing.T) {
	t.Parallel()
	second := state.Actor{Who: "second", From: "test"}
	for _, kind := range []faultKind{faultRefused, faultLost} {
		for step, name := range []string{"decide", "plan", "record", "serve"} {
			t.Run(fmt.Sprintf("%s %d", name, kind), func(t *testing.T) {
				t.Parallel()
				h := authorityHouse(t)
				held, err := h.Certify(t.Context(), tester(), CertifyRequest{Profile: "code-signing", CSR: newCSR(t, "build.example.com")})
				if err != nil || held.Waiting == "" {
					t.Fatalf("got %+v, %v", held, err)
				}
				h.fault.setAfter(kind, step)
				got, err := h.Approve(t.Context(), second, Decision{ID: held.Waiting})
				if (kind == faultRefused) != errors.Is(err, errFault) {
					t.Fatalf("got %v, %v", got, err)
				}
				again, err := h.Approve(t.Context(), second, Decision{ID: held.Waiting})
				if kind == faultLost && !errors.Is(err, ErrDecided) || kind == faultRefused && err != nil {
					t.Errorf("again: got %v", err)
				}
				if kind == faultRefused {
					got = again
				}
				if err := h.FinishIssuances(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := h.count(t, `SELECT count(*) FROM issuance`); n != 1 {
					t.Errorf("%d certificates for one request", n)
				}
				if n := h.count(t, `SELECT count(*) FROM approval WHERE state = 'approved' AND serial = '`+got.Serial+`'`); n != 1 {
					t.Errorf("the request does not name %s", got.Serial)
				}
			})
		}
	}
}
