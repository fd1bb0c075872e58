package acmeserver

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"testing"

	foreign "golang.org/x/crypto/acme"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestGoClient: the client of golang.org/x/crypto/acme registers with a key, proves a name, gets a certificate, changes
// its key, revokes, and leaves.
func TestGoClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{})
	ctx := t.Context()
	c := &foreign.Client{Key: generate(t), DirectoryURL: testBase + "/directory", HTTPClient: &http.Client{Transport: h}}
	if _, err := c.Register(ctx, &foreign.Account{}, foreign.AcceptTOS); err == nil {
		t.Error("registered without a key")
	}
	a, err := c.Register(ctx, &foreign.Account{Contact: []string{"mailto:a@example.test"}, ExternalAccountBinding: &foreign.ExternalAccountBinding{KID: k.kid, Key: []byte(k.secret)}}, foreign.AcceptTOS)
	if err != nil || a.Status != "valid" {
		t.Fatalf("got %+v, %v", a, err)
	}
	o, err := c.AuthorizeOrder(ctx, foreign.DomainIDs("a.example.test"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range o.AuthzURLs {
		z, err := c.GetAuthorization(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(z.Challenges, func(x *foreign.Challenge) bool { return x.Type == "http-01" })
		proof, err := c.HTTP01ChallengeResponse(z.Challenges[n].Token)
		if err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		h.pages[c.HTTP01ChallengePath(z.Challenges[n].Token)] = proof
		h.mu.Unlock()
		if _, err := c.Accept(ctx, z.Challenges[n]); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WaitAuthorization(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	if o, err = c.WaitOrder(ctx, o.URI); err != nil {
		t.Fatal(err)
	}
	key := generate(t)
	ders, at, err := c.CreateOrderCert(ctx, o.FinalizeURL, csr(t, key, "a.example.test"), true)
	if err != nil || at == "" || len(ders) != 2 {
		t.Fatalf("got %d, %s, %v", len(ders), at, err)
	}
	cert, err := x509.ParseCertificate(ders[0])
	if err != nil || cert.VerifyHostname("a.example.test") != nil {
		t.Errorf("got %v, %v", cert, err)
	}
	if err := c.AccountKeyRollover(ctx, generate(t)); err != nil {
		t.Error(err)
	}
	if err := c.RevokeCert(ctx, nil, ders[0], foreign.CRLReasonSuperseded); err != nil {
		t.Error(err)
	}
	other := h.client(t)
	other.key = key
	other.post(testBase+"/revoke-cert", acme.Revocation{Certificate: base64.RawURLEncoding.EncodeToString(ders[0])}).want(t, 400, acme.AlreadyRevoked)
	if err := c.DeactivateReg(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.AuthorizeOrder(ctx, foreign.DomainIDs("a.example.test")); err == nil {
		t.Error("an account that has left orders")
	}
}
