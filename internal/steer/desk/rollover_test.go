package desk

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/state"
)

// anchors are the roots of a stranger.
func (h *house) anchorsNamed(t *testing.T, names ...string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	all, err := h.OwnAuthorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all.Authorities {
		if slices.Contains(names, a.Name) {
			cert, err := x509.ParseCertificate(a.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			pool.AddCert(cert)
		}
	}
	return pool
}

// accepted says whether a stranger with these roots accepts what a lineage serves, chain and all.
func (h *house) accepted(t *testing.T, lineage, host string, roots *x509.CertPool) error {
	t.Helper()
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, ok := v.named(lineage)
	if !ok {
		t.Fatalf("no lineage %s", lineage)
	}
	g, _ := l.Current()
	leaf, err := x509.ParseCertificate(g.Members[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := x509.ParseCertificates(g.Members[0].Chain)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	for _, c := range chain {
		between.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between})
	return err
}

func (h *house) issueLine(t *testing.T, lineage, host string) {
	t.Helper()
	if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{host}, Lineage: lineage}); err != nil {
		t.Fatal(err)
	}
}

// TestMoreDomains: a domain more is the same authorities with the same keys; what was issued goes on below the new
// certificates, and lists and answers with it.
func TestMoreDomains(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "old", "a.example.com")
	if _, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "b.example.org")}); err == nil {
		t.Fatal("a foreign domain is certified")
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{}); !errors.Is(err, ErrNothingNew) {
		t.Errorf("the accepted domains again: got %v, want ErrNothingNew", err)
	}
	keys, certificates := h.count(t, `SELECT count(*) FROM secret`), h.count(t, `SELECT count(*) FROM authority_certificate`)
	r := ExtendRequest{Domains: []string{"example.org"}, Networks: []string{"192.0.2.0/24"}}
	r.DryRun = true
	if _, err := h.Extend(t.Context(), tester(), r); err != nil || h.count(t, `SELECT count(*) FROM authority_certificate`) != certificates {
		t.Errorf("a dry run: %v", err)
	}
	r.DryRun = false
	if _, err := h.Extend(t.Context(), tester(), r); err != nil {
		t.Fatal(err)
	}
	if n := h.count(t, `SELECT count(*) FROM secret`); n != keys {
		t.Errorf("%d keys after %d: an authority has a new one", n, keys)
	}
	h.issueLine(t, "new", "b.example.org")
	roots := h.anchorsNamed(t, "root")
	for lineage, host := range map[string]string{"old": "a.example.com", "new": "b.example.org"} {
		if err := h.accepted(t, lineage, host, roots); err != nil {
			t.Errorf("%s: %v", lineage, err)
		}
	}
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	old, _ := v.named("old")
	if g, _ := old.Current(); !slices.Equal(g.Members[0].Chain, a.Certificate) {
		t.Error("what serves sends the old certificate of its authority along")
	}
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: "old"}); err != nil {
		t.Fatal(err)
	}
	if got := h.crlSerials(t, "/pki/servers.crl"); len(got) != 1 {
		t.Errorf("the list names %v", got)
	}
}

// TestRollover gives an issuing authority and then the root a successor. At each moment strangers with the old root, and
// with the new one once there is one, accept what was issued before and after.
func TestRollover(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.issueLine(t, "one", "one.example.com")
	old := h.anchorsNamed(t, "root")
	for _, name := range []string{"nobody", ""} {
		if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: name}); !errors.Is(err, ErrNoAuthority) {
			t.Errorf("%q: got %v, want ErrNoAuthority", name, err)
		}
	}
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "servers"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "servers"}); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("a retired one: got %v, want ErrNoAuthority", err)
	}
	h.issueLine(t, "two", "two.example.com")
	c, err := h.Certificate(t.Context(), "two")
	if err != nil || !strings.Contains(c.Issuer, "Servers CA 2") {
		t.Errorf("issued by %s, %v, want the successor", c.Issuer, err)
	}
	if n := h.count(t, `SELECT count(*) FROM authority WHERE purpose = 'servers' AND state = '`+state.AuthorityActive+`'`); n != 1 {
		t.Errorf("%d authorities for servers issue", n)
	}
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	if got := h.crlSerials(t, "/pki/servers.crl"); len(got) != 1 { // the retired one answers for what it issued
		t.Errorf("the old list names %v", got)
	}
	if got := h.crlSerials(t, "/pki/servers-2.crl"); len(got) != 0 {
		t.Errorf("the new list names %v", got)
	}
	h.issueLine(t, "three", "three.example.com")
	if _, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "four", "four.example.com")
	renewed := h.anchorsNamed(t, "root-2")
	for lineage, roots := range map[string][]*x509.CertPool{"one": {old}, "two": {old, renewed}, "three": {old, renewed}, "four": {old, renewed}} {
		for n, pool := range roots {
			if err := h.accepted(t, lineage, lineage+".example.com", pool); err != nil {
				t.Errorf("%s with root %d: %v", lineage, n+1, err)
			}
		}
	}
	h.revokedList(t, "/pki/root.crl")
	h.revokedList(t, "/pki/root-2.crl")
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "two"}); err != nil {
		t.Fatal(err)
	}
	if err := h.accepted(t, "two", "two.example.com", renewed); err != nil {
		t.Errorf("renewed: %v", err)
	}
	if _, err := h.Extend(t.Context(), tester(), ExtendRequest{Domains: []string{"example.org"}}); err != nil {
		t.Fatal(err)
	}
	h.issueLine(t, "five", "five.example.org")
	for n, pool := range []*x509.CertPool{old, renewed} {
		if err := h.accepted(t, "five", "five.example.org", pool); err != nil {
			t.Errorf("after a roll-over and a domain more, with root %d: %v", n+1, err)
		}
	}
}

// TestRolloverFaults: the commit of a roll-over fails, refused or with its answer lost; there is one that issues, always.
func TestRolloverFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		for _, name := range []string{"servers", "root"} {
			h := authorityHouse(t)
			h.fault.set(kind)
			_, err := h.Rollover(t.Context(), tester(), RolloverRequest{Name: name})
			if (kind == faultRefused) != errors.Is(err, errFault) {
				t.Errorf("%s, fault %d: got %v", name, kind, err)
			}
			if n := h.count(t, `SELECT count(*) FROM authority WHERE purpose = '`+name+`' AND state = 'active'`); n != 1 {
				t.Errorf("%s, fault %d: %d are in force", name, kind, n)
			}
			h.issueLine(t, "one", "one.example.com")
			if err := h.accepted(t, "one", "one.example.com", h.anchorsNamed(t, "root")); err != nil {
				t.Errorf("%s, fault %d: %v", name, kind, err)
			}
		}
	}
}
