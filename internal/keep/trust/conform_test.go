package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"

	"postseal/internal/ground/x509cert"
)

// noSubjectKeyID says that it is an authority in words of its own, or crypto/x509 would add the extension.
func noSubjectKeyID(c *x509.Certificate) {
	c.SubjectKeyId, c.BasicConstraintsValid, c.IsCA = nil, false, false
	ext(true, []byte{0x30, 3, 1, 1, 0xff}, extBasicConstraints...)(c)
}

// TestConformLeaf: what RFC 5280 section 4 forbids in the certificate itself.
func TestConformLeaf(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	names := func(list ...string) change { return func(c *x509.Certificate) { c.DNSNames = list } }
	nameless := func(c *x509.Certificate) { c.Subject = pkix.Name{} }
	tests := []struct {
		what   string
		f      change
		status x509cert.Status
		part   string
	}{
		{"plain", nil, x509cert.StatusValid, ""},
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, x509cert.StatusValid, ""},
		{"serial of 20 octets", func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 158) }, x509cert.StatusValid, ""},
		{"serial of 22 octets", func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 170) }, x509cert.StatusInvalid, "20 octets"},
		{"may sign, no authority", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, x509cert.StatusInvalid, "is no authority"},
		{"name constraints, no authority", ext(true, constraintsOf(t, []general{dns("example.com")}, nil), extNameConstraints...), x509cert.StatusInvalid, "has name constraints, but is no authority"},
		{"unknown extension", ext(false, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 55738, 666, 1), x509cert.StatusValid, ""},
		{"unknown critical extension", ext(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 55738, 666, 1), x509cert.StatusInvalid, "critical extension 1.3.6.1.4.1.55738.666.1"},
		{"precertificate", ext(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 11129, 2, 4, 3), x509cert.StatusInvalid, "precertificate"},
		{"usage of nothing", changes(func(c *x509.Certificate) { c.ExtKeyUsage = nil }, ext(false, []byte{0x30, 0}, extExtKeyUsage...)), x509cert.StatusInvalid, "allows nothing"},
		{"wildcard", names("*.example.com"), x509cert.StatusValid, ""},
		{"short name", names("mail"), x509cert.StatusValid, ""},
		{"underscore", names("a_b.example.com"), x509cert.StatusInvalid, `the DNS name "a_b.example.com", which is none`},
		{"leading dot", names(".example.com"), x509cert.StatusInvalid, "which is none"},
		{"absolute", names("example.com."), x509cert.StatusInvalid, "which is none"},
		{"part of a label", names("a*.example.com"), x509cert.StatusInvalid, "which is none"},
		{"address as name", names("8.8.8.8"), x509cert.StatusInvalid, "as a DNS name"},
		{"mail address", func(c *x509.Certificate) { c.EmailAddresses = []string{"a.b+c@example.com"} }, x509cert.StatusValid, ""},
		{"no mail address", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b@example.com"} }, x509cert.StatusInvalid, "mail address"},
		{"no subject, critical names", nameless, x509cert.StatusValid, ""},
		{"no subject, names not critical", changes(nameless, ext(false, sanOf(t, dns("a.example.com")), extSubjectAltName...)), x509cert.StatusInvalid, "no critical subjectAltName"},
		{"names of another kind", changes(names(), ext(true, sanOf(t, dir(t, "x")), extSubjectAltName...)), x509cert.StatusValid, ""},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			want(t, tt.what, judge(t, Question{Leaf: root.leaf(t, "a.example.com", tt.f), Roots: certs(root)}), tt.status, tt.part)
		})
	}
	orphan := *root.cert
	orphan.SubjectKeyId = nil
	leaf := parse(t, server("a.example.com"), &orphan, newKey(t), root.key)
	want(t, "no key identifier", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusInvalid, "no authorityKeyIdentifier")
}

// TestConformAuthorities: the same for those above. Roots of the system's store are not asked.
func TestConformAuthorities(t *testing.T) {
	t.Parallel()
	constraints := func(critical bool) change {
		return ext(critical, constraintsOf(t, []general{dns("example.com")}, nil), extNameConstraints...)
	}
	tests := []struct {
		what    string
		f       change
		atRoot  string // part of the reason when the root is so; empty if it is good
		between string
	}{
		{"plain", nil, "", ""},
		{"no subject", func(c *x509.Certificate) { c.Subject = pkix.Name{} }, "empty issuer", "empty issuer"},
		{"no key identifier", noSubjectKeyID, "without a subjectKeyIdentifier", "without a subjectKeyIdentifier"},
		{"basic constraints not critical", ext(false, []byte{0x30, 3, 1, 1, 0xff}, extBasicConstraints...), "not critical", ""},
		{"no basic constraints", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false }, "is no authority", "is no authority"},
		{"no authority", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageCertSign }, "is no authority", "is no authority"},
		{"must not sign", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, "by its key usage", "by its key usage"},
		{"key usage of nothing", changes(func(c *x509.Certificate) { c.KeyUsage = 0 }, ext(false, []byte{3, 1, 0}, extKeyUsage...)), "by its key usage", "by its key usage"},
		{"name constraints not critical", constraints(false), "not critical", "not critical"},
		{"name constraints", constraints(true), "", ""},
		{"unknown critical extension", ext(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 55738, 666, 1), "is not known", "is not known"},
		{"inhibitAnyPolicy not critical", ext(false, []byte{2, 1, 0}, extInhibitAnyPolicy...), "inhibitAnyPolicy", "inhibitAnyPolicy"},
		{"expired", expired, "expired", "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			check := func(where, part string, got Verdict) {
				t.Helper()
				if (got.Status == x509cert.StatusValid) != (part == "") {
					t.Errorf("%s: got %v (%s), want %q", where, got.Status, got.Reason, part)
				} else if part != "" {
					want(t, where, got, got.Status, part)
				}
			}
			root := newRoot(t, "Root", nil)
			odd := newRoot(t, "Odd", tt.f)
			ca := root.between(t, "CA", tt.f)
			if tt.what == "no key identifier" { // of whoever is below
				odd.cert.SubjectKeyId, ca.cert.SubjectKeyId = []byte{1}, []byte{1}
			}
			below, under := odd.leaf(t, "a.example.com", nil), ca.leaf(t, "a.example.com", nil)
			odd.cert, ca.cert = reparse(t, odd.cert), reparse(t, ca.cert)
			check("root", tt.atRoot, judge(t, Question{Leaf: below, Roots: certs(odd)}))
			check("between", tt.between, judge(t, Question{Leaf: under, Intermediates: certs(ca), Roots: certs(root)}))
		})
	}
	old := newRoot(t, "Old root", func(c *x509.Certificate) {
		noSubjectKeyID(c)
		c.ExtraExtensions[0].Critical = false
	})
	old.cert.SubjectKeyId = []byte{1}
	leaf := old.leaf(t, "a.example.com", nil)
	v := newVerifier(t, Options{Anchors: []Anchor{{Cert: reparse(t, old.cert), From: x509cert.RootThirdParty}}})
	want(t, "the system's", v.Verify(t.Context(), Question{Leaf: leaf, At: at}), x509cert.StatusValid, "of the system's root store")
}

func reparse(t *testing.T, cert *x509.Certificate) *x509.Certificate {
	t.Helper()
	again, err := x509.ParseCertificate(cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	many := root.leaf(t, "mail.example.com", func(c *x509.Certificate) {
		c.DNSNames = []string{"mail.example.com", "*.example.org", "xn--vv4b11d.example"}
		c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}
		c.EmailAddresses = []string{"Post@example.com"}
	})
	bare := root.leaf(t, "mail.example.com", func(c *x509.Certificate) { c.DNSNames = nil })
	nobody := root.leaf(t, "", func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{Organization: []string{"Example"}} })
	tests := []struct {
		cert *x509.Certificate
		name string
		part string // of the reason; empty if the name is good
	}{
		{many, "mail.example.com", ""}, {many, "MAIL.example.com.", ""}, {many, "a.example.org", ""}, {many, "예시.example", ""},
		{many, "192.0.2.1", ""}, {many, "::ffff:192.0.2.1", ""}, {many, "2001:db8::1", ""}, {many, "[2001:db8::1]", ""},
		{many, "Post@EXAMPLE.com", ""},
		{many, "a.b.example.org", "not for"}, {many, "example.org", "not for"}, {many, "192.0.2.2", "not for"},
		{many, "post@example.com", "not for"}, {many, "2001:db8::1%eth0", "not for"}, {many, "*.example.org", "not for"}, {many, "a b", "not for"},
		{bare, "mail.example.com", "the certificate has a common name but no subjectAltName"},
		{nobody, "mail.example.com", "for no name at all"},
	}
	for _, tt := range tests {
		got := CheckName(tt.cert, tt.name)
		want(t, tt.name, Verdict{Status: x509cert.StatusValid, Reason: got + "-"}, x509cert.StatusValid, tt.part)
		if (got == "") != (tt.part == "") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.part)
		}
	}
}
