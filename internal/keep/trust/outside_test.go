package trust

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
)

// The tests of this file hold classes of chains at which verifiers have been seen to differ, when ours was held against
// suites of others through trust verify --batch.

// TestAnchorOfOtherIssuer: an anchor needs no authorityKeyIdentifier if its own key signed it, whatever its issuer is
// called; one that somebody else signed needs it.
func TestAnchorOfOtherIssuer(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	parent := *root.cert
	parent.RawSubject = newRoot(t, "Somebody", nil).cert.RawSubject
	parent.SubjectKeyId = nil
	template := authority("Root A")
	anchor := &maker{parse(t, template, &parent, root.key, root.key), root.key}
	want(t, "own key", judge(t, Question{Leaf: anchor.leaf(t, "a.example.com", nil), Roots: certs(anchor)}), x509cert.StatusValid, "")
	key := newKey(t)
	anchor = &maker{parse(t, template, &parent, key, root.key), key}
	want(t, "other key", judge(t, Question{Leaf: anchor.leaf(t, "a.example.com", nil), Roots: certs(anchor)}), x509cert.StatusInvalid, "authorityKeyIdentifier")
}

// TestAuthorityAsLeaf: nothing in RFC 5280 keeps an authority from being the certificate in question, and its path
// length counts for nobody then. The rules for servers do.
func TestAuthorityAsLeaf(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	zero := func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }
	ca := root.between(t, "CA", zero)
	leaf := ca.between(t, "Leaf", changes(zero, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }))
	q := Question{Leaf: leaf.cert, Intermediates: certs(ca), Roots: certs(root), Purpose: x509cert.UsageServerAuth, Name: "a.example.com"}
	want(t, "rfc5280", judge(t, q), x509cert.StatusValid, "")
	q.Profile = ProfileWebPKI
	want(t, "webpki", judge(t, q), x509cert.StatusInvalid, "authority")
}

func TestMaxDepth(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	one := root.between(t, "One", nil)
	two := one.between(t, "Two", nil)
	leaf := two.leaf(t, "a.example.com", nil)
	for depth, status := range map[int]x509cert.Status{0: x509cert.StatusInvalid, 1: x509cert.StatusInvalid, 2: x509cert.StatusValid} {
		q := Question{Leaf: leaf, Intermediates: certs(one, two), Roots: certs(root), MaxDepth: &depth}
		want(t, fmt.Sprint(depth), judge(t, q), status, "")
	}
	none := 0
	want(t, "no intermediate", judge(t, Question{Leaf: root.leaf(t, "a.example.com", nil), Roots: certs(root), MaxDepth: &none}), x509cert.StatusValid, "")
	want(t, "root itself", judge(t, Question{Leaf: root.cert, Roots: certs(root), MaxDepth: &none}), x509cert.StatusValid, "")
}

// TestKeysThatDoNotFit: identifiers of keys are hints. Wrong ones make no chain bad when the signature is good.
func TestKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	wrong := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: extAuthorityKeyID, Value: mustHex(t, "3006800401020304")})
	}
	want(t, "wrong identifier", judge(t, Question{Leaf: root.leaf(t, "a.example.com", wrong), Roots: certs(root)}), x509cert.StatusValid, "")
	// Of two authorities of one name, the right one is found although the identifier points to the other.
	key := newKey(t)
	decoy := root.betweenKey(t, "CA", newKey(t), func(c *x509.Certificate) { c.SubjectKeyId = []byte{1, 2, 3, 4} })
	ca := root.betweenKey(t, "CA", key, nil)
	got := judge(t, Question{Leaf: ca.leaf(t, "a.example.com", wrong), Intermediates: certs(decoy, ca), Roots: certs(root)})
	want(t, "points to another", got, x509cert.StatusValid, "")
}

// TestManyOfOneName: dozens of authorities with one name and no hint which of them signed.
func TestManyOfOneName(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	noHint := func(c *x509.Certificate) { c.SubjectKeyId = nil }
	var all []*x509.Certificate
	for range 60 {
		all = append(all, root.between(t, "CA", nil).cert)
	}
	ca := root.between(t, "CA", nil)
	blind := *ca.cert
	noHint(&blind) // the leaf below gets no identifier of its issuer's key
	leaf := parse(t, server("a.example.com"), &blind, newKey(t), ca.key)
	got := judge(t, Question{Leaf: leaf, Intermediates: append(all, ca.cert), Roots: certs(root)})
	want(t, "no hint", got, x509cert.StatusInvalid, "authorityKeyIdentifier") // found, and its own fault told
	got = judge(t, Question{Leaf: ca.leaf(t, "a.example.com", nil), Intermediates: append(all, ca.cert), Roots: certs(root)})
	want(t, "a hint", got, x509cert.StatusValid, "")
}

// TestManyExpired: two hundred expired certificates of one authority and key, and one that is not.
func TestManyExpired(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	key := newKey(t)
	sameKey := func(c *x509.Certificate) { c.SubjectKeyId = []byte{1, 2, 3, 4} } // nothing tells the good one from the others
	var all []*x509.Certificate
	for range 200 {
		all = append(all, root.betweenKey(t, "CA", key, changes(sameKey, expired)).cert)
	}
	ca := root.betweenKey(t, "CA", key, sameKey)
	leaf := ca.leaf(t, "a.example.com", nil)
	want(t, "one good", judge(t, Question{Leaf: leaf, Intermediates: append(all, ca.cert), Roots: certs(root)}), x509cert.StatusValid, "")
	want(t, "none", judge(t, Question{Leaf: leaf, Intermediates: all[:20], Roots: certs(root)}), x509cert.StatusDateInvalid, "expired")
}

// TestConstraintsOnRoot: those of an anchor hold as those of any issuer, and what is excluded is excluded although it is
// permitted too.
func TestConstraintsOnRoot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		what                string
		permitted, excluded []general
		names               []string
		status              x509cert.Status
	}{
		{"permitted", []general{dns("example.com")}, nil, []string{"a.example.com"}, x509cert.StatusValid},
		{"the name itself", []general{dns("a.example.com")}, nil, []string{"a.example.com"}, x509cert.StatusValid},
		{"another letter case", []general{dns("EXAMPLE.com")}, nil, []string{"a.Example.COM"}, x509cert.StatusValid},
		{"no label boundary", []general{dns("ample.com")}, nil, []string{"a.example.com"}, x509cert.StatusInvalid},
		{"excluded beats permitted", []general{dns("example.com")}, []general{dns("a.example.com")}, []string{"a.example.com"}, x509cert.StatusInvalid},
		{"one of two", []general{dns("example.com")}, nil, []string{"a.example.com", "a.example.net"}, x509cert.StatusInvalid},
		{"wildcard of the subtree", []general{dns("example.com")}, nil, []string{"*.example.com"}, x509cert.StatusValid},
		{"wildcard over an excluded name", nil, []general{dns("a.example.com")}, []string{"*.example.com"}, x509cert.StatusInvalid},
		{"wildcard wider than the subtree", []general{dns("a.example.com")}, nil, []string{"*.example.com"}, x509cert.StatusInvalid},
		{"everything excluded", nil, []general{dns("")}, []string{"a.example.com"}, x509cert.StatusInvalid},
		{"leading dot", []general{dns(".example.com")}, nil, []string{"a.example.com"}, x509cert.StatusInvalid},
		{"another kind", []general{ip(192, 0, 2, 0, 255, 255, 255, 0)}, nil, []string{"a.example.com"}, x509cert.StatusValid},
	}
	for _, tt := range tests {
		root := newRoot(t, "Root", ext(true, constraintsOf(t, tt.permitted, tt.excluded), extNameConstraints...))
		leaf := root.leaf(t, "x", func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{Organization: []string{"x"}}, tt.names })
		want(t, tt.what, judge(t, Question{Leaf: leaf, Roots: certs(root)}), tt.status, "")
	}
}

// TestMaskWithHole: such an authority is not read at all, so it vouches for nobody.
func TestMaskWithHole(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	if _, err := root.tryBetween(t, "CA", ext(true, constraintsOf(t, []general{ip(192, 0, 2, 0, 255, 0, 255, 0)}, nil), extNameConstraints...)); err == nil {
		t.Error("a range of addresses with a hole in its mask was read")
	}
}

// TestNoNames: a common name is no name of a host, whatever subjectAltName says or does not say.
func TestNoNames(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	none := func(c *x509.Certificate) { c.DNSNames = nil }
	tests := []struct {
		what string
		leaf *x509.Certificate
		part string
	}{
		{"common name only", root.leaf(t, "a.example.com", none), "no subjectAltName"},
		{"empty subjectAltName", root.leaf(t, "a.example.com", changes(none, ext(false, []byte{0x30, 0}, extSubjectAltName...))), ""},
		{"mail address only", root.leaf(t, "a.example.com", changes(none, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} })), "not for"},
		{"address as a DNS name", root.leaf(t, "192.0.2.1", nil), "as a DNS name"},
		{"wildcard of the middle", root.leaf(t, "a.*.example.com", nil), ""},
		{"two wildcards", root.leaf(t, "*.*.example.com", nil), ""},
	}
	for _, tt := range tests {
		got := judge(t, Question{Leaf: tt.leaf, Roots: certs(root), Name: "a.example.com", Purpose: x509cert.UsageServerAuth})
		want(t, tt.what, got, x509cert.StatusInvalid, tt.part)
	}
}

// TestSerialNumbers: RFC 5280 section 4.1.2.2.
func TestSerialNumbers(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	long := func(octets uint) *big.Int {
		return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 8*octets-1), big.NewInt(1))
	}
	for what, tt := range map[string]struct {
		serial *big.Int
		status x509cert.Status
	}{
		"one": {big.NewInt(1), x509cert.StatusValid}, "20 octets": {long(20), x509cert.StatusValid}, "21 octets": {long(22), x509cert.StatusInvalid},
	} {
		leaf := root.leaf(t, "a.example.com", func(c *x509.Certificate) { c.SerialNumber = tt.serial })
		want(t, what, judge(t, Question{Leaf: leaf, Roots: certs(root)}), tt.status, "")
	}
}

// TestSmallRSA: below 2048 bits is no fault by RFC 5280, and one by the rules for servers.
func TestSmallRSA(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	root := newRoot(t, "Root", nil)
	leaf := parse(t, server("a.example.com"), root.cert, key, root.key)
	q := Question{Leaf: leaf, Roots: certs(root), Purpose: x509cert.UsageServerAuth}
	if got := judge(t, q); got.Status != x509cert.StatusValid || !strings.Contains(fmt.Sprint(got.Lints), "1024") {
		t.Errorf("got %v (%s) and %v, want Valid and a lint", got.Status, got.Reason, got.Lints)
	}
	q.Profile = ProfileWebPKI
	want(t, "webpki", judge(t, q), x509cert.StatusInvalid, "")
}

// TestDirectoryFlood: names of directories are compared in their normal form, which is made once for each.
func TestDirectoryFlood(t *testing.T) {
	t.Parallel()
	var excluded []general
	for i := range 1000 {
		excluded = append(excluded, directory(newName(t, fmt.Sprintf("Excluded %d", i))))
	}
	root := newRoot(t, "Root", ext(true, constraintsOf(t, nil, excluded), extNameConstraints...))
	leaf := root.leaf(t, "a.example.com", nil)
	want(t, "a thousand", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusValid, "")
	leaf = root.leaf(t, "x", func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "EXCLUDED  999"} })
	want(t, "the last of them", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusInvalid, "excludes")
}

func newName(t *testing.T, common string) []byte {
	t.Helper()
	der, err := normalOf(pkix.Name{CommonName: common})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
