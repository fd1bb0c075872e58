package desk

import (
	"errors"
	"testing"

	"postseal/internal/ground/certfile"
)

// TestPersonKeyIsOfThatPerson: an address means its own certificates and nobody else's, though the book finds more by it,
// and one that was given up does not hide the one before.
func TestPersonKeyIsOfThatPerson(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	issue := func(email string) (*PersonFile, error) {
		return h.IssuePerson(t.Context(), tester(), PersonRequest{Profile: "smime-encrypt", Email: email, Kind: "ecdsa-p256", Password: horse()})
	}
	kim, err := issue("kim@example.com")
	if err != nil {
		t.Fatal(err)
	}
	minji, err := issue("kim.minji@example.com") // newer, and found by the same search
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string) {
		t.Helper()
		for id, serial := range map[string]string{"kim@example.com": kim.Serial, "KIM@example.com": kim.Serial, "kim.minji@example.com": minji.Serial, minji.Serial: minji.Serial} {
			f, err := h.PersonKey(t.Context(), tester(), PersonKeyRequest{ID: id, Password: horse()})
			if err != nil {
				t.Errorf("%s, %s: %v", when, id, err)
				continue
			}
			if f.Serial != serial {
				t.Errorf("%s, %s: got the key of %s, want that of %s", when, id, f.Serial, serial)
			}
		}
	}
	want("each has one")
	h.fault.setAfter(faultRefused, 1) // planned, and not recorded
	if _, err := issue("kim@example.com"); !errors.Is(err, errFault) {
		t.Fatalf("got %v, want a fault", err)
	}
	want("one was given up")
	page, err := h.Issued(t.Context(), IssuedQuery{Profile: "smime-sign, smime-encrypt"})
	if err != nil || len(page.Lines) != 3 {
		t.Fatalf("got %+v, %v", page, err)
	}
	for _, l := range page.Lines { // the book says of whom a key is kept: not of the one that was given up
		if kept := l.Serial == kim.Serial || l.Serial == minji.Serial; l.KeyKept != kept {
			t.Errorf("%s: KeyKept is %v, want %v", l.Serial, l.KeyKept, kept)
		}
	}
	for _, id := range []string{"@example.com", "minji@example.com", "kim@example", "lee@example.com"} {
		if _, ok := errors.AsType[*UnknownIssuedError](func() error {
			_, err := h.PersonKey(t.Context(), tester(), PersonKeyRequest{ID: id, Password: horse()})
			return err
		}()); !ok {
			t.Errorf("%s: somebody's key left", id)
		}
	}
}

// TestAFormatThatThereIsNotIssuesNothing: the certificate was issued and revoked at once, because its file could not be written.
func TestAFormatThatThereIsNotIssuesNothing(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	for _, dry := range []bool{false, true} {
		_, err := h.IssuePerson(t.Context(), tester(), PersonRequest{Profile: "smime-sign", Email: "kim@example.com", Kind: "ecdsa-p256", Format: "jks", Password: horse(), DryRun: dry})
		if !errors.Is(err, certfile.ErrUnknownProfile) {
			t.Errorf("got %v, want %v", err, certfile.ErrUnknownProfile)
		}
	}
	if _, err := h.PersonKey(t.Context(), tester(), PersonKeyRequest{ID: "kim@example.com", Format: "jks", Password: horse()}); !errors.Is(err, certfile.ErrUnknownProfile) {
		t.Errorf("got %v, want %v", err, certfile.ErrUnknownProfile)
	}
	if n := h.count(t, `SELECT count(*) FROM issuance`); n != 0 {
		t.Errorf("the book has %d lines", n)
	}
}
