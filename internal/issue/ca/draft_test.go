package ca

import (
	"crypto"
	"crypto/dsa" //nolint:staticcheck // a key that we must refuse
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

func draft(t testing.TB, i *Issuer, p *Profile, r Request) (*Draft, *x509.Certificate, error) {
	t.Helper()
	d, err := i.Draft(p, r, now())
	if err != nil {
		return nil, nil, err
	}
	raw, err := i.sign(d.TBS)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := i.readBack(raw, d)
	if err != nil {
		t.Fatal(err)
	}
	return d, cert, nil
}

// TestTheClockWasSetBack: nothing is issued before its authority begins, and it is said whose fault that is; the minutes that
// a clock is wrong by anyway are none.
func TestTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP384, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	r := Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"mail.example.com"}, CRL: "http://pki.example.com/7.crl"}
	for back, refused := range map[time.Duration]bool{0: false, -time.Second: true, -time.Hour: true, -10 * 365 * 24 * time.Hour: true} {
		_, err := i.Draft(p, r, i.cert.NotBefore.Add(back))
		e, ok := errors.AsType[*ClockError](err)
		if ok != refused || !refused && err != nil || ok && !e.Begins.Equal(i.cert.NotBefore) {
			t.Errorf("%v after the authority begins: got %v", back, err)
		}
	}
}

func TestWhatAServerGets(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP384, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}, Wildcards: true, Names: []NameKind{NameHost, NameAddress}, Networks: []string{"192.0.2.0/24"}})
	key := newKey(t, keys.ECDSAP256)
	d, cert, err := draft(t, i, p, Request{PublicKey: key.Public(), Names: []string{"Mail.Example.com", "*.example.com", "192.0.2.9", "mail.example.com"}, CRL: "http://pki.example.com/7.crl"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Names, []string{"mail.example.com", "*.example.com", "192.0.2.9"}) || d.Subject != "CN=mail.example.com" {
		t.Errorf("got %v, %q", d.Names, d.Subject)
	}
	// The last second is part of the life (RFC 5280 section 4.1.2.5).
	if life := cert.NotAfter.Sub(cert.NotBefore) + time.Second; life != LifeAutomatic {
		t.Errorf("got a life of %v, want %v", life, LifeAutomatic)
	}
	if !slices.Equal(cert.CRLDistributionPoints, []string{"http://pki.example.com/7.crl"}) || !slices.Equal(cert.OCSPServer, []string{"http://pki.example.com/ocsp/servers"}) ||
		!slices.Equal(cert.IssuingCertificateURL, []string{"http://pki.example.com/servers.cer"}) {
		t.Errorf("got %v, %v, %v", cert.CRLDistributionPoints, cert.OCSPServer, cert.IssuingCertificateURL)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(h.root.cert)
	between.AddCert(i.cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "imap.example.com"}); err != nil {
		t.Error(err)
	}
}

// TestWhatIsNotCertified holds the refusals: each is of its own kind, and nothing is drafted.
func TestWhatIsNotCertified(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	good := newKey(t, keys.ECDSAP256).Public()
	server := ProfileOptions{Name: "server", Domains: []string{"example.com"}}
	person := ProfileOptions{Name: "person", Purpose: PurposeSMIME, Usages: []x509cert.Usage{x509cert.UsageEmailProtection}, Names: []NameKind{NameEmail}, Domains: []string{"example.com"}, Subject: true}
	many := make([]string, MaxNames+1)
	for i := range many {
		many[i] = "h" + strings.Repeat("x", i%50) + "-" + string(rune('a'+i%26)) + ".example.com"
	}
	for what, tt := range map[string]struct {
		profile ProfileOptions
		request Request
		purpose Purpose
		want    any
	}{
		"no name":                        {server, Request{PublicKey: good}, PurposeServers, new(*NameError)},
		"foreign domain":                 {server, Request{PublicKey: good, Names: []string{"mail.example.org"}}, PurposeServers, new(*NameError)},
		"one foreign among good":         {server, Request{PublicKey: good, Names: []string{"a.example.com", "mail.example.org"}}, PurposeServers, new(*NameError)},
		"looks alike":                    {server, Request{PublicKey: good, Names: []string{"notexample.com"}}, PurposeServers, new(*NameError)},
		"wildcard not allowed":           {server, Request{PublicKey: good, Names: []string{"*.example.com"}}, PurposeServers, new(*NameError)},
		"wildcard over a public suffix":  {server, Request{PublicKey: good, Names: []string{"*.com"}}, PurposeServers, new(*x509cert.InvalidNameError)},
		"address":                        {server, Request{PublicKey: good, Names: []string{"192.0.2.1"}}, PurposeServers, new(*NameError)},
		"e-mail at a server":             {server, Request{PublicKey: good, Names: []string{"a@example.com"}}, PurposeServers, new(*NameError)},
		"host at a person":               {person, Request{PublicKey: good, Names: []string{"a.example.com"}}, PurposeSMIME, new(*NameError)},
		"quoted local part":              {person, Request{PublicKey: good, Names: []string{`"a b"@example.com`}}, PurposeSMIME, new(*NameError)},
		"e-mail of another domain":       {person, Request{PublicKey: good, Names: []string{"a@example.org"}}, PurposeSMIME, new(*NameError)},
		"address at a gateway":           {ProfileOptions{Name: "gateway", Purpose: PurposeIPsec, Usages: []x509cert.Usage{UsageIKE}, Names: []NameKind{NameAddress}, Networks: []string{"192.0.2.0/24"}}, Request{PublicKey: good, Names: []string{"192.0.2.1"}}, PurposeIPsec, new(*NameError)},
		"e-mail with two at signs":       {person, Request{PublicKey: good, Names: []string{"a@example.org@example.com"}}, PurposeSMIME, new(*NameError)},
		"outside the constraints":        {ProfileOptions{Name: "wide", Domains: []string{"example.org"}}, Request{PublicKey: good, Names: []string{"mail.example.org"}}, PurposeServers, new(*NameError)},
		"too many":                       {server, Request{PublicKey: good, Names: many}, PurposeServers, new(*NameError)},
		"a subject where none is taken":  {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Subject: pkix.Name{CommonName: "a.example.com", Organization: []string{"Bank"}}}, PurposeServers, new(*NameError)},
		"a foreign common name":          {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Subject: pkix.Name{CommonName: "b.example.com"}}, PurposeServers, new(*NameError)},
		"a common name that is no host":  {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Subject: pkix.Name{CommonName: "a.example.com\x00.example.org"}}, PurposeServers, new(*x509cert.InvalidSubjectError)},
		"a person called like a host":    {person, Request{PublicKey: good, Names: []string{"a@example.com"}, Subject: pkix.Name{CommonName: "www.example.org"}}, PurposeSMIME, new(*NameError)},
		"a server called by a word":      {ProfileOptions{Name: "server", Domains: []string{"example.com"}, Subject: true}, Request{PublicKey: good, Names: []string{"a.example.com"}, Subject: pkix.Name{CommonName: "mail"}}, PurposeServers, new(*NameError)},
		"longer than the profile":        {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Life: LifeByHand}, PurposeServers, new(*LifeError)},
		"a negative life":                {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Life: -time.Hour}, PurposeServers, new(*LifeError)},
		"a second":                       {server, Request{PublicKey: good, Names: []string{"a.example.com"}, Life: time.Second}, PurposeServers, new(*LifeError)},
		"no key":                         {server, Request{Names: []string{"a.example.com"}}, PurposeServers, new(*KeyError)},
		"a DSA key":                      {server, Request{PublicKey: &dsa.PublicKey{}, Names: []string{"a.example.com"}}, PurposeServers, new(*KeyError)},
		"RSA of 1024 bits":               {server, Request{PublicKey: &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 1022), E: 65537}, Names: []string{"a.example.com"}}, PurposeServers, new(*KeyError)},
		"Ed25519 where it is not listed": {server, Request{PublicKey: ed25519.PublicKey(make([]byte, 32)), Names: []string{"a.example.com"}}, PurposeServers, new(*KeyError)},
		"the authority's own key":        {server, Request{PublicKey: h.issuers[PurposeServers].signer.Public(), Names: []string{"a.example.com"}}, PurposeServers, new(*KeyError)},
	} {
		d, _, err := draft(t, h.issuers[tt.purpose], newProfile(t, tt.profile), tt.request)
		if d != nil || !asTarget(err, tt.want) {
			t.Errorf("%s: got %v, %v, want %T", what, d, err, tt.want)
		}
	}
	if _, _, err := draft(t, h.issuers[PurposeClients], newProfile(t, server), Request{PublicKey: good, Names: []string{"a.example.com"}}); !errors.Is(err, ErrIssuer) {
		t.Errorf("a server's profile at the authority of clients: got %v, want ErrIssuer", err)
	}
}

func asTarget(err error, target any) bool { return err != nil && errors.As(err, target) }

// TestItNeverOutlivesItsAuthority asks in the last days of an authority's life.
func TestItNeverOutlivesItsAuthority(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	r := Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}}
	d, err := i.Draft(p, r, i.cert.NotAfter.Add(-10*day))
	if err != nil || !d.NotAfter.Equal(i.cert.NotAfter) {
		t.Errorf("ten days before: got %v, %v, want the authority's end", d, err)
	}
	if d, err := i.Draft(p, r, i.cert.NotAfter.Add(time.Second)); d != nil || !asTarget(err, new(*LifeError)) {
		t.Errorf("after its end: got %v, %v, want a LifeError", d, err)
	}
}

// TestLintFires changes one octet of what a draft says at a time, by expecting something else.
func TestLintFires(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	p := newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	d, err := i.Draft(p, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}, CRL: "http://pki.example.com/1.crl"}, now())
	if err != nil {
		t.Fatal(err)
	}
	names, err := parseNames([]string{"a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	good := func() expectation {
		return expectation{names: names, usages: p.o.Usages, keyUsage: x509.KeyUsageDigitalSignature, crl: "http://pki.example.com/1.crl"}
	}
	if _, err := i.lint(d.TBS, good()); err != nil {
		t.Fatalf("what was asked: got %v", err)
	}
	for what, change := range map[string]func(*expectation){
		"name": func(e *expectation) {
			e.names = append(slices.Clone(e.names), name{kind: kindDNS, text: "b.example.com"})
		},
		"usage":     func(e *expectation) { e.usages = []x509cert.Usage{x509cert.UsageClientAuth} },
		"key usage": func(e *expectation) { e.keyUsage |= x509.KeyUsageCertSign },
		"list":      func(e *expectation) { e.crl = "" },
		"short":     func(e *expectation) { e.noRevocation = true },
	} {
		want := good()
		change(&want)
		if _, err := i.lint(d.TBS, want); !asTarget(err, new(*LintError)) {
			t.Errorf("%s: got %v, want a LintError", what, err)
		}
	}
	other := h.issuers[PurposeClients]
	if _, err := other.lint(d.TBS, good()); !asTarget(err, new(*LintError)) {
		t.Errorf("another authority's: got %v, want a LintError", err)
	}
	for n := range d.TBS {
		cut := append(slices.Clone(d.TBS[:n]), d.TBS[n+1:]...)
		if _, err := i.lint(cut, good()); err == nil {
			t.Errorf("octet %d left out: no finding", n)
		}
	}
}

// TestANewIssuerIsChecked holds what cannot be an authority.
func TestANewIssuerIsChecked(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	_, leaf, err := draft(t, h.issuers[PurposeServers], newProfile(t, ProfileOptions{Name: "server", Domains: []string{"example.com"}}),
		Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	root := h.root
	for what, o := range map[string]IssuerOptions{
		"nothing":         {},
		"no key":          {Certificate: root.cert},
		"another's key":   {Certificate: root.cert, Signer: newKey(t, keys.ECDSAP256)},
		"a leaf":          {Certificate: leaf, Signer: root.signer},
		"over https":      {Certificate: root.cert, Signer: root.signer, OCSP: "https://pki.example.com"},
		"a key of no use": {Certificate: root.cert, Signer: odd{}},
	} {
		if i, err := NewIssuer(o); i != nil || !errors.Is(err, ErrIssuer) {
			t.Errorf("%s: got %v, %v, want ErrIssuer", what, i, err)
		}
	}
	if _, err := h.issuers[PurposeServers].Certify(AuthorityOptions{Purpose: PurposeClients, Subject: pkix.Name{CommonName: "x"}, Key: newKey(t, keys.ECDSAP256).Public(), Domains: []string{"example.com"}}); !errors.Is(err, ErrIssuer) {
		t.Errorf("an authority below an issuing one: got %v, want ErrIssuer", err)
	}
	if _, err := h.root.Certify(AuthorityOptions{Purpose: PurposeClients, Subject: pkix.Name{CommonName: "x"}, Key: newKey(t, keys.ECDSAP256).Public()}); !errors.Is(err, ErrIssuer) {
		t.Errorf("an authority without constraints: got %v, want ErrIssuer", err)
	}
}

type odd struct{ crypto.Signer }

func (odd) Public() crypto.PublicKey { return "key" }

// TestPeopleMayHaveOneWord: Korean names are written in one word, which could be a host's in a certificate for servers.
func TestPeopleMayHaveOneWord(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	person := newProfile(t, ProfileOptions{Name: "person", Purpose: PurposeSMIME, Usages: []x509cert.Usage{x509cert.UsageEmailProtection}, Names: []NameKind{NameEmail}, Domains: []string{"example.com"}, Subject: true})
	for _, name := range []string{"이순신", "Madonna", "이 순신"} {
		issued, err := New(h.issuers[PurposeSMIME], newMemory()).Issue(t.Context(), person, Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a@example.com"}, Subject: pkix.Name{CommonName: name}, CRL: "http://pki.example.com/1.crl"})
		if err != nil || issued.Certificate.Subject.CommonName != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
