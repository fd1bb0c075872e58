package trust

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

func judge(t *testing.T, q Question) Verdict {
	t.Helper()
	q.At = at
	return newVerifier(t, Options{}).Verify(t.Context(), q)
}

// TestAlternatePaths: one good chain is enough, however many bad ones there are.
func TestAlternatePaths(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string]change{
		"expired":          expired,
		"no authority":     func(c *x509.Certificate) { c.IsCA = false },
		"no right to sign": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature },
		"other names only": func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.net"}
		},
		"other usage only":  func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} },
		"unknown extension": ext(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 55738, 666, 1),
		"SHA-1":             func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			root1, root2 := newRoot(t, "Root 1", nil), newRoot(t, "Root 2", nil)
			key := newKey(t)
			ca := root1.betweenKey(t, "CA", key, nil)
			leaf := ca.leaf(t, "a.example.com", nil)
			cross := root2.betweenKey(t, "CA", key, bad)
			q := Question{Leaf: leaf, Purpose: x509cert.UsageServerAuth, Name: "a.example.com", Roots: certs(root1, root2)}
			q.Intermediates = certs(cross, ca)
			want(t, "both", judge(t, q), x509cert.StatusValid, `"CN=Root 1"`)
			q.Intermediates = certs(cross)
			if got := judge(t, q); got.Status == x509cert.StatusValid || len(got.Faults) == 0 {
				t.Errorf("got %v (%s) of the bad path alone, want a fault", got.Status, got.Reason)
			}
		})
	}
}

// TestRevokedAlternate: a chain over a revoked or distrusted issuer is no chain, another may be.
func TestRevokedAlternate(t *testing.T) {
	t.Parallel()
	root1, root2 := newRoot(t, "Root 1", nil), newRoot(t, "Root 2", nil)
	key := newKey(t)
	ca1, ca2 := root1.betweenKey(t, "CA", key, nil), root2.betweenKey(t, "CA", key, nil)
	leaf := ca1.leaf(t, "a.example.com", nil)
	lists := NewCRLs(root1.crlOf(t, nil, ca1.cert), root2.crlOf(t, nil), ca1.crlOf(t, nil))
	got := judge(t, Question{Leaf: leaf, Intermediates: certs(ca1, ca2), Roots: certs(root1, root2), Revocation: lists, Mode: ModeHard})
	want(t, "one of two revoked", got, x509cert.StatusValid, `"CN=Root 2"`)
	got = judge(t, Question{Leaf: leaf, Intermediates: certs(ca1), Roots: certs(root1, root2), Revocation: lists, Mode: ModeHard})
	want(t, "the only one revoked", got, x509cert.StatusRevoked, `the issuer "CN=CA"`)
}

// TestCircles: authorities that sign each other, with and without a way out (CVE-2024-0567).
func TestCircles(t *testing.T) {
	t.Parallel()
	keys := map[string]*maker{}
	for _, name := range []string{"A", "B", "C"} {
		keys[name] = newRoot(t, name, nil)
	}
	var all []*x509.Certificate
	for _, from := range keys {
		for name, to := range keys {
			if from != to {
				all = append(all, from.betweenKey(t, name, to.key, nil).cert)
			}
		}
	}
	sub := keys["A"].between(t, "A1", nil)
	leaf := sub.leaf(t, "a.example.com", nil)
	all = append(all, sub.cert)
	want(t, "with a root", judge(t, Question{Leaf: leaf, Intermediates: all, Roots: certs(keys["A"])}), x509cert.StatusValid, `"CN=A"`)
	want(t, "by a detour", judge(t, Question{Leaf: leaf, Intermediates: all, Roots: certs(keys["C"])}), x509cert.StatusValid, `"CN=C"`)
	other := newRoot(t, "Other", nil)
	want(t, "without", judge(t, Question{Leaf: leaf, Intermediates: all, Roots: certs(other)}), x509cert.StatusUntrusted, "circle")
}

// TestPathologicalChains: a hundred authorities that may all have signed each other take no time.
func TestPathologicalChains(t *testing.T) {
	t.Parallel()
	for _, sameName := range []bool{false, true} {
		for _, sameKey := range []bool{false, true} {
			t.Run(fmt.Sprintf("name %v, key %v", sameName, sameKey), func(t *testing.T) {
				t.Parallel()
				key := newKey(t)
				m := newRootKey(t, "Pathological", key, nil)
				makers := []*maker{m}
				for i := range 100 {
					name := "Pathological"
					if !sameName {
						name += fmt.Sprint(i)
					}
					k := key
					if !sameKey {
						k = newKey(t)
					}
					m = m.betweenKey(t, name, k, nil)
					makers = append(makers, m)
				}
				leaf := m.leaf(t, "a.example.com", nil)
				root := newRoot(t, "Root", nil)
				began := time.Now()
				got := judge(t, Question{Leaf: leaf, Intermediates: certs(makers...), Roots: certs(root)})
				if got.Status != x509cert.StatusUntrusted && got.Status != x509cert.StatusInvalid {
					t.Errorf("got %v (%s), want no trust", got.Status, got.Reason)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("took %v, want well under a second", took)
				}
			})
		}
	}
}

// TestPathLengths: self-issued certificates do not count (RFC 5280 section 4.2.1.9), and neither does the leaf.
func TestPathLengths(t *testing.T) {
	t.Parallel()
	limit := func(n int) change {
		return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
	}
	root := newRoot(t, "Root", nil)
	one := root.between(t, "One", limit(1))
	zero := one.between(t, "Zero", limit(0))
	wide := one.between(t, "Wide", limit(2))
	below := zero.between(t, "Below", limit(0))
	again := one.between(t, "One", limit(1)) // self-issued: a new key of the same authority
	last := again.between(t, "Last", limit(0))
	tests := []struct {
		what   string
		from   *maker
		path   []*maker
		status x509cert.Status
	}{
		{"allowed", zero, []*maker{one, zero}, x509cert.StatusValid},
		{"may widen", wide, []*maker{one, wide}, x509cert.StatusValid},
		{"too long", below, []*maker{one, zero, below}, x509cert.StatusInvalid},
		{"self-issued", last, []*maker{one, again, last}, x509cert.StatusValid},
	}
	for _, tt := range tests {
		leaf := tt.from.leaf(t, "a.example.com", nil)
		want(t, tt.what, judge(t, Question{Leaf: leaf, Intermediates: certs(tt.path...), Roots: certs(root)}), tt.status, "")
	}
	want(t, "an authority as leaf", judge(t, Question{Leaf: below.cert, Intermediates: certs(one, zero), Roots: certs(root)}), x509cert.StatusValid, "")
}

func TestUsagesNest(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	usages := func(list ...x509.ExtKeyUsage) change { return func(c *x509.Certificate) { c.ExtKeyUsage = list } }
	tests := []struct {
		what     string
		ca, leaf change
		purpose  x509cert.Usage
		status   x509cert.Status
		part     string
	}{
		{"leaf for servers", usages(), usages(x509.ExtKeyUsageServerAuth), x509cert.UsageServerAuth, x509cert.StatusValid, ""},
		{"leaf for any", usages(), usages(x509.ExtKeyUsageAny), x509cert.UsageClientAuth, x509cert.StatusValid, ""},
		{"leaf for all", usages(), usages(), x509cert.UsageEmailProtection, x509cert.StatusValid, ""},
		{"leaf for clients", usages(), usages(x509.ExtKeyUsageClientAuth), x509cert.UsageServerAuth, x509cert.StatusInvalid, "the certificate is not for serverAuth, only for clientAuth"},
		{"issuer for mail", usages(x509.ExtKeyUsageEmailProtection), usages(x509.ExtKeyUsageServerAuth), x509cert.UsageServerAuth, x509cert.StatusInvalid, `the issuer "CN=CA" is not for serverAuth`},
		{"issuer for mail, any purpose", usages(x509.ExtKeyUsageEmailProtection), usages(x509.ExtKeyUsageServerAuth), x509cert.UsageAny, x509cert.StatusValid, ""},
		{"key usage for CRLs only", usages(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, x509cert.UsageServerAuth, x509cert.StatusInvalid, "by its key usage"},
	}
	for _, tt := range tests {
		ca := root.between(t, "CA", tt.ca)
		got := judge(t, Question{Leaf: ca.leaf(t, "a.example.com", tt.leaf), Intermediates: certs(ca), Roots: certs(root), Purpose: tt.purpose})
		want(t, tt.what, got, tt.status, tt.part)
	}
}

// TestWeakSignatures: SHA-1 is not "unknown issuer", it is a signature that anybody may have made.
func TestWeakSignatures(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	want(t, "leaf", judge(t, Question{Leaf: root.leaf(t, "a.example.com", sha1), Roots: certs(root)}), x509cert.StatusInvalid, "signed with ECDSA-SHA1")
	ca := root.between(t, "CA", sha1)
	got := judge(t, Question{Leaf: ca.leaf(t, "a.example.com", nil), Intermediates: certs(ca), Roots: certs(root)})
	want(t, "issuer", got, x509cert.StatusInvalid, `the issuer "CN=CA" is signed with ECDSA-SHA1`)
	old := newRoot(t, "Old root", sha1)
	want(t, "root", judge(t, Question{Leaf: old.leaf(t, "a.example.com", nil), Roots: certs(old)}), x509cert.StatusValid, "")
	want(t, "self-signed", judge(t, Question{Leaf: old.cert, Roots: certs(root)}), x509cert.StatusInvalid, "ECDSA-SHA1")
}

// TestNameForms: RFC 5280 section 7.1, names that differ in case, spaces and type of string are one name.
func TestNameForms(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Example  Root", nil)
	parent := *root.cert
	parent.RawSubject = newRoot(t, "EXAMPLE root", nil).cert.RawSubject
	leaf := parse(t, server("a.example.com"), &parent, newKey(t), root.key)
	want(t, "another spelling", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusValid, "")
	parent.RawSubject = newRoot(t, "Example Roof", nil).cert.RawSubject
	leaf = parse(t, server("a.example.com"), &parent, newKey(t), root.key)
	want(t, "another name", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusUntrusted, "Example Roof")
}

// TestOtherKeyOfIssuer: the issuer has a new key and we know only the old one. That is no forgery.
func TestOtherKeyOfIssuer(t *testing.T) {
	t.Parallel()
	before, after := newRoot(t, "Root", nil), newRoot(t, "Root", nil)
	got := judge(t, Question{Leaf: after.leaf(t, "a.example.com", nil), Roots: certs(before)})
	want(t, "new key", got, x509cert.StatusUntrusted, `the key of "CN=Root" that signed the certificate is not known`)
}
