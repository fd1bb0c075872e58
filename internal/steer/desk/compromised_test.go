package desk

import (
	"testing"

	"postseal/internal/issue/ca"
)

// TestACompromisedKey: a key that somebody else may have is certified no more, for nobody, and no place on a list is used up
// for it; one that was revoked for another reason is.
func TestACompromisedKey(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	csr := newCSR(t, "a.example.com")
	for n, reason := range []string{"superseded", "keyCompromise"} {
		made, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: csr})
		if err != nil {
			t.Fatalf("before %s: %v", reason, err)
		}
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: made.Serial, Reason: reason}); err != nil {
			t.Fatal(err)
		}
		if lines := h.count(t, `SELECT count(*) FROM issuance`); lines != n+1 {
			t.Errorf("%d lines", lines)
		}
	}
	for _, r := range []CertifyRequest{{CSR: csr}, {CSR: csr, DryRun: true}, {CSR: csr, Profile: "device"}} {
		if _, err := h.Certify(t.Context(), tester(), r); !is[*ca.KeyError](err) || is[*ca.StepError](err) { // nothing was begun
			t.Errorf("%+v: got %v", r.Profile, err)
		}
	}
	if lines, used := h.count(t, `SELECT count(*) FROM issuance`), h.count(t, `SELECT sum(issued) FROM revocation_shard`); lines != 2 || used != 2 {
		t.Errorf("%d lines, %d places", lines, used)
	}
}
