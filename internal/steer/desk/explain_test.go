package desk

import (
	"errors"
	"slices"
	"testing"

	"postseal/internal/ground/config"
	"postseal/internal/ground/listener"
	"postseal/internal/keep/keyring"
)

// TestExplainAgreesWithHandshakes asks both for every listener, kind of client and some names, of a desk
// with bindings of every sort.
func TestExplainAgreesWithHandshakes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, r := range []NewRequest{
		{Lineage: "pair", Domains: []string{"mail.example.com", "*.shop.example.com"}, Kinds: []string{"rsa-2048", "ecdsa-p384"}, Services: "IMAP,HTTP"},
		{Lineage: "ecdsa", Domains: []string{"mx.example.com"}, Services: "SMTP"},
		{Lineage: "rsa", Domains: []string{"pop.example.com", "a.shop.example.com"}, Kinds: []string{"rsa-2048"}, Services: "POP3"},
		{Lineage: "edwards", Domains: []string{"ed.example.com"}, Kinds: []string{"ed25519"}, Services: "MANAGEMENT"},
	} {
		h.make(t, r)
	}
	for _, r := range []EnableRequest{
		{ID: "rsa", Services: "IMAP", ByName: true},
		{ID: "ecdsa", Services: "POP", ByName: true},
		{ID: internalLineage, Services: "IMAP,SMTP", ByName: true},
		{ID: "pair", Services: "SMTP", ByName: true, Listeners: []string{"submission"}},
	} {
		h.enable(t, r)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed, shown := 0, map[string]bool{}
	for _, k := range listener.Kinds() {
		if k.Service == "" {
			continue
		}
		for _, kind := range []keyring.ClientKind{"", keyring.ClientRSAOnly} {
			for _, sni := range []string{"", "mail.example.com", "MAIL.example.com", "a.shop.example.com", "b.shop.example.com", "a.b.shop.example.com",
				"mx.example.com", "pop.example.com", "mail1.example.com", "mail1", "ed.example.com", "stranger.test"} {
				e, err := h.Explain(t.Context(), ExplainRequest{Listener: k.Name, SNI: sni, Client: string(kind), From: "192.0.2.1"})
				if err != nil {
					t.Fatalf("%s, %q, %q: %v", k.Name, kind, sni, err)
				}
				got, err := h.serves(t, k.Name, client(kind, sni))
				if e.Fails != (err != nil) || err == nil && got != e.Thumbprint {
					t.Errorf("%s, %q, %q: explained %s (fails %v), got %s, %v", k.Name, kind, sni, e.Thumbprint, e.Fails, got, err)
				}
				taken := 0
				for _, c := range e.Candidates {
					if c.Taken {
						taken++
						if !slices.Contains(c.Thumbprints, e.Thumbprint) {
							t.Errorf("%s, %q, %q: taken is %s, served %s", k.Name, kind, sni, c.Lineage, e.Thumbprint)
						}
					}
					if c.Why == "" || c.Names == nil || c.Remarks == nil {
						t.Errorf("%s, %q, %q: got candidate %+v", k.Name, kind, sni, c)
					}
				}
				if taken != 1 || e.MemberWhy == "" || e.NotAfter.IsZero() || e.Warnings == nil || e.Client == "" || e.From != "192.0.2.1" {
					t.Errorf("%s, %q, %q: got %+v", k.Name, kind, sni, e)
				}
				if e.Fails {
					failed++
				}
				shown[e.Thumbprint] = true
			}
		}
	}
	if failed == 0 || len(shown) != 7 {
		t.Errorf("%d handshakes failed and %d certificates were shown: the cases are too few", failed, len(shown))
	}
}

func TestExplainRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, c := range map[string]struct {
		r    ExplainRequest
		want func(error) bool
	}{
		"no listener":      {ExplainRequest{}, is[*config.UnknownListenerError]},
		"unknown listener": {ExplainRequest{Listener: "gopher"}, is[*config.UnknownListenerError]},
		"http":             {ExplainRequest{Listener: "http"}, is[*ValueError]},
		"client":           {ExplainRequest{Listener: "imap", Client: "old"}, is[*ValueError]},
		"address":          {ExplainRequest{Listener: "imap", From: "example.com"}, is[*ValueError]},
	} {
		if _, err := h.Explain(t.Context(), c.r); !c.want(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Explain(t.Context(), ExplainRequest{Listener: "management"}); !errors.Is(err, keyring.ErrNoCertificate) {
		t.Errorf("got %v, want %v", err, keyring.ErrNoCertificate)
	}
}
