package acmeserver

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestRevocation: by the account, by the certificate's key, by an account that has proved its names, and by nobody else.
func TestRevocation(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	at := testBase + "/revoke-cert"
	ask := func(cert *x509.Certificate, reason int) acme.Revocation {
		return acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(cert.Raw), Reason: &reason}
	}
	reasonOf := func(cert *x509.Certificate) (i state.Issuance) {
		t.Helper()
		if err := h.db.View(t.Context(), func(tx *state.Tx) (err error) {
			i, err = tx.Issuance(hex.EncodeToString(cert.SerialNumber.Bytes()))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return i
	}
	key := generate(t)
	one, two, three := c.enrol(key, "a.example.test"), c.enrol(generate(t), "b.example.test", "c.example.test"), c.enrol(generate(t), "d.example.test")
	twoAfter := *two
	twoAfter.Raw = append([]byte(nil), two.Raw...)
	twoAfter.Raw[len(twoAfter.Raw)-1] ^= 1
	for what, tt := range map[string]struct {
		answer  answer
		status  int
		problem acme.ProblemType
	}{
		"by a stranger":       {other.post(at, ask(one, 1)), 403, acme.Unauthorized},
		"a reason of ours":    {c.post(at, ask(one, 2)), 400, acme.BadRevocationReason},
		"a hold":              {c.post(at, ask(one, 6)), 400, acme.BadRevocationReason},
		"a reason of nobody":  {c.post(at, ask(one, 77)), 400, acme.BadRevocationReason},
		"no certificate":      {c.post(at, acme.Revocation{Certificate: "AAAA"}), 400, acme.Malformed},
		"no base64url":        {c.post(at, acme.Revocation{Certificate: "+"}), 400, acme.Malformed},
		"the issuer":          {c.post(at, ask(h.book.issuer.Certificate(), 0)), 400, acme.Malformed},
		"of that serial only": {c.post(at, ask(&twoAfter, 0)), 400, acme.Malformed},
	} {
		t.Run(what, func(t *testing.T) { tt.answer.want(t, tt.status, tt.problem) })
	}
	stranger := &client{t: t, h: h, key: generate(t)}
	stranger.post(at, ask(one, 1)).want(t, 403, acme.Unauthorized)
	if i := reasonOf(one); !i.RevokedAt.IsZero() {
		t.Fatal("it was revoked")
	}
	holder := &client{t: t, h: h, key: key}
	if a := holder.post(at, ask(one, 1)); a.status != http.StatusOK || len(a.body) != 0 {
		t.Errorf("by its key: got %v", a)
	}
	if i := reasonOf(one); i.RevokedAt.IsZero() || i.Reason != 1 {
		t.Errorf("got %+v", i)
	}
	holder.post(at, ask(one, 1)).want(t, 400, acme.AlreadyRevoked)
	c.post(at, ask(one, 4)).want(t, 400, acme.AlreadyRevoked)
	// RFC 8555 section 7.6: whoever holds authorizations for all names.
	other.ready("b.example.test")
	other.post(at, ask(two, 4)).want(t, 403, acme.Unauthorized)
	other.ready("c.example.test")
	other.post(at, ask(two, 1)).want(t, 400, acme.BadRevocationReason) // he may have the names, and never had the key
	if a := other.post(at, ask(two, 4)); a.status != http.StatusOK {
		t.Errorf("by another who has proved its names: got %v", a)
	}
	if a := c.post(at, acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(three.Raw)}); a.status != http.StatusOK {
		t.Errorf("by its account, without a reason: got %v", a)
	}
}
