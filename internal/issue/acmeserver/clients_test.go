package acmeserver

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"
	acmezwords "github.com/mholt/acmez/v3/acme"
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

// pages puts what acmez has to show where the validator looks.
type pages struct{ *house }

func (p pages) Present(_ context.Context, c acmezwords.Challenge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[c.HTTP01ResourcePath()] = c.KeyAuthorization
	return nil
}

func (p pages) CleanUp(_ context.Context, c acmezwords.Challenge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pages, c.HTTP01ResourcePath())
	return nil
}

// TestAcmez: the client of Caddy registers, asks for a profile, proves a name and a number, reads when to renew, renews
// what it names, changes its key and revokes.
func TestAcmez(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{Profile: "numbers"})
	ctx := t.Context()
	c := &acmez.Client{Client: &acmezwords.Client{Directory: testBase + "/directory", HTTPClient: &http.Client{Transport: h}}, ChallengeSolvers: map[string]acmez.Solver{acmezwords.ChallengeTypeHTTP01: pages{h}}}
	account := acmezwords.Account{Contact: []string{"mailto:a@example.test"}, TermsOfServiceAgreed: true, PrivateKey: generate(t)}
	if err := account.SetExternalAccountBinding(ctx, c.Client, acmezwords.EAB{KeyID: k.kid, MACKey: encode(k.secret)}); err != nil {
		t.Fatal(err)
	}
	account, err := c.NewAccount(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	obtain := func(replaces *x509.Certificate) *x509.Certificate {
		t.Helper()
		request, err := x509.ParseCertificateRequest(csr(t, generate(t), "a.example.test", "127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		order, err := acmez.OrderParametersFromCSR(account, request)
		if err != nil {
			t.Fatal(err)
		}
		order.Profile, order.Replaces = "numbers", replaces
		got, err := c.ObtainCertificate(ctx, order)
		if err != nil || len(got) == 0 {
			t.Fatalf("got %d, %v", len(got), err)
		}
		block, _ := pem.Decode(got[0].ChainPEM)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || len(cert.IPAddresses) != 1 || cert.VerifyHostname("a.example.test") != nil {
			t.Fatalf("got %v, %v", cert, err)
		}
		return cert
	}
	first := obtain(nil)
	info, err := c.GetRenewalInfo(ctx, first)
	if err != nil || info.SelectedTime.Before(info.SuggestedWindow.Start) || info.SelectedTime.After(first.NotAfter) || info.RetryAfter == nil {
		t.Errorf("got %+v, %v", info, err)
	}
	second := obtain(first)
	if account, err = c.AccountKeyRollover(ctx, account, generate(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.RevokeCertificate(ctx, account, second, nil, acmezwords.ReasonSuperseded); err != nil {
		t.Error(err)
	}
	if info, err := c.GetRenewalInfo(ctx, second); err != nil || info.SuggestedWindow.End.After(time.Now()) {
		t.Errorf("revoked: got %+v, %v", info, err)
	}
}
