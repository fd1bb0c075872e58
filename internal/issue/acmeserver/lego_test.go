package acmeserver

import (
	"crypto"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"

	"postseal/internal/ground/state"
)

// legoUser is an account as lego keeps it.
type legoUser struct {
	key  crypto.PrivateKey
	made *registration.Resource
}

func (u *legoUser) GetEmail() string                        { return "a@example.test" }
func (u *legoUser) GetRegistration() *registration.Resource { return u.made }
func (u *legoUser) GetPrivateKey() crypto.PrivateKey        { return u.key }

// legoPages shows what lego wants shown.
type legoPages struct{ *house }

func (p legoPages) Present(_, token, page string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[http01.ChallengePath(token)] = page
	return nil
}

func (p legoPages) CleanUp(_, token, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pages, http01.ChallengePath(token))
	return nil
}

// TestLego: lego, which is newer here than Debian's, registers, reads when to renew (RFC 9773), waits, renews at once when
// an administrator has moved the window, and names what it renews.
func TestLego(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	k := h.newEAB(t, state.ACMEKey{})
	user := &legoUser{key: generate(t)}
	config := lego.NewConfig(user)
	config.CADirURL, config.HTTPClient, config.Certificate.KeyType = testBase+"/directory", &http.Client{Transport: h}, certcrypto.EC256
	c, err := lego.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Challenge.SetHTTP01Provider(legoPages{h}); err != nil {
		t.Fatal(err)
	}
	if user.made, err = c.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{TermsOfServiceAgreed: true, Kid: k.kid, HmacEncoded: encode(k.secret)}); err != nil {
		t.Fatal(err)
	}
	obtain := func(replaces string) *x509.Certificate {
		t.Helper()
		got, err := c.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"a.example.test"}, Bundle: true, ReplacesCertID: replaces})
		if err != nil {
			t.Fatal(err)
		}
		all, err := certcrypto.ParsePEMBundle(got.Certificate)
		if err != nil || len(all) != 2 || all[0].VerifyHostname("a.example.test") != nil {
			t.Fatalf("got %d certificates, %v", len(all), err)
		}
		return all[0]
	}
	first := obtain("")
	info, err := c.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: first})
	if err != nil || info.RetryAfter <= 0 {
		t.Fatalf("got %+v, %v", info, err)
	}
	if at := info.ShouldRenewAt(time.Now(), time.Hour); at != nil {
		t.Errorf("it would renew a new one at %v", at)
	}
	if at := info.ShouldRenewAt(time.Now(), first.NotAfter.Sub(first.NotBefore)); at == nil || at.Before(first.NotBefore) || at.After(first.NotAfter) {
		t.Errorf("it would renew at %v", at)
	}
	now := time.Now()
	h.change(t, func(tx *state.Tx) error {
		return tx.AddACMEWindow(state.ACMEWindow{ID: newID(), Authority: "servers", IssuedBefore: now.Add(time.Minute), StartsAt: now.Add(-2 * time.Hour), EndsAt: now.Add(-time.Hour), Explanation: "https://status.example.test/"})
	})
	info, err = c.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: first})
	if err != nil || info.ExplanationURL != "https://status.example.test/" {
		t.Fatalf("got %+v, %v", info, err)
	}
	if at := info.ShouldRenewAt(time.Now(), 0); at == nil {
		t.Errorf("the window was moved, and lego waits: %+v", info)
	}
	id, err := certificate.MakeARICertID(first)
	if err != nil {
		t.Fatal(err)
	}
	obtain(id)
	obtain(id) // it is told that this was replaced already, and asks once more without it
	replacing := 0
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		all, err := tx.ACMEOrdersOf(strings.TrimPrefix(user.made.URI, testBase+"/account/"), 100)
		for _, o := range all {
			if o.Replaces != "" {
				replacing++
			}
		}
		return err
	}); err != nil || replacing != 1 {
		t.Errorf("%d orders name what they replace, %v", replacing, err)
	}
}
