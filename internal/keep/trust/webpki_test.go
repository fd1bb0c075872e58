package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

// TestBaseline: the rules of the CA/Browser Forum are lints, and decide only when they are asked to.
func TestBaseline(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	names := func(list ...string) change {
		return func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = list, "" }
	}
	life := func(from time.Time, days int, more time.Duration) change {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = from, from.AddDate(0, 0, days).Add(more-time.Second)
		}
	}
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	long := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = day(1990, 1, 1), day(2990, 1, 1) }
	tests := []struct {
		what string
		f    change
		rule string // empty if there is nothing to say
		part string
	}{
		{"plain", nil, "", ""},
		{"no names", changes(names(), func(c *x509.Certificate) { c.Subject.CommonName = "www.example.com" }), "BR 7.1.2.7.12", "no DNS name"},
		{"names critical", ext(true, sanOf(t, dns("www.example.com")), extSubjectAltName...), "BR 7.1.2.7.12", "critical"},
		{"common name elsewhere", func(c *x509.Certificate) { c.Subject.CommonName = "other.example.com" }, "BR 7.1.4.3", "other.example.com"},
		{"common name in capitals", func(c *x509.Certificate) { c.Subject.CommonName = "WWW.example.com" }, "BR 7.1.4.3", "WWW"},
		{"common name of an address", changes(names("www.example.com"), func(c *x509.Certificate) {
			c.IPAddresses, c.Subject.CommonName = []net.IP{net.ParseIP("2a00::1")}, "2A00::1"
		}), "BR 7.1.4.3", "2A00::1"},
		{"wildcard", names("*.example.com"), "", ""},
		{"wildcard over com", names("*.com"), "BR 3.2.2.6", "public suffix"},
		{"wildcard over co.uk", names("*.co.uk"), "BR 3.2.2.6", "public suffix"},
		{"wildcard over a private suffix", names("*.s3.amazonaws.com"), "BR 3.2.2.6", "public suffix"},
		{"internal name", names("mail.internal"), "BR 4.2.2", "no public domain"},
		{"short name", names("mail"), "BR 4.2.2", "no public domain"},
		{"private address", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("10.0.0.1")} }, "BR 4.2.2", "10.0.0.1 is reserved"},
		{"loopback", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("127.0.0.1")} }, "BR 4.2.2", "reserved"},
		{"loopback before the rule", changes(long, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("127.0.0.1")} }), "", ""},
		{"public address", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("9.9.9.9")} }, "", ""},
		{"no usage", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, "BR 7.1.2.7.10", "serverAuth"},
		{"usage of any", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageAny) }, "BR 7.1.2.7.10", "any purpose"},
		{"usage critical", ext(true, []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}, extExtKeyUsage...), "BR 7.1.2.7.6", "critical"},
		{"authority", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }, "BR 7.1.2.7.8", "authority"},
		{"200 days", life(day(2026, 11, 1), 200, 0), "", ""},
		{"200 days and a second", life(day(2026, 11, 1), 200, time.Second), "BR 6.3.2", "201 days, and 200"},
		{"398 days before", life(day(2026, 3, 14), 398, 0), "", ""},
		{"399 days before", life(day(2026, 3, 14), 399, 0), "BR 6.3.2", "399 days, and 398"},
		{"826 days once", life(day(2020, 8, 31), 826, 0), "BR 6.3.2", "826 days, and 825"},
		{"as long as it likes, long ago", long, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			leaf := root.leaf(t, "www.example.com", tt.f)
			q := Question{Leaf: leaf, Roots: certs(root), At: leaf.NotBefore.Add(time.Hour)}
			if leaf.NotBefore.Before(root.cert.NotBefore) {
				q.At = at
			}
			v := newVerifier(t, Options{})
			checkLint(t, v, q, tt.rule, tt.part)
		})
	}
}

// checkLint asks both profiles.
func checkLint(t *testing.T, v *Verifier, q Question, rule, part string) {
	t.Helper()
	got := v.Verify(t.Context(), q)
	found := slices.ContainsFunc(got.Lints, func(l Lint) bool { return l.Rule == rule })
	if found != (rule != "") || rule == "" && len(got.Lints) > 0 {
		t.Errorf("got the lints %v, want %q", got.Lints, rule)
	}
	for _, f := range got.Faults {
		if f.Status == x509cert.StatusInvalid {
			t.Errorf("got the fault %q under rfc5280", f.Reason)
		}
	}
	q.Profile = ProfileWebPKI
	decided := v.Verify(t.Context(), q)
	if rule == "" {
		if decided.Status == x509cert.StatusInvalid {
			t.Errorf("got %v (%s), want no fault", decided.Status, decided.Reason)
		}
		return
	}
	want(t, rule, decided, x509cert.StatusInvalid, part)
	for _, purpose := range []x509cert.Usage{x509cert.UsageEmailProtection, x509cert.UsageClientAuth} {
		q.Purpose = purpose
		if got := v.Verify(t.Context(), q); len(got.Lints) > 0 {
			t.Errorf("got %v for %s, want no rule for servers", got.Lints, purpose)
		}
	}
}

func TestBaselineKeys(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	odd := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 2051), 0, 1), E: 65537}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for part, pub := range map[string]any{
		"RSA key of 1024 bits": small.Public(), "RSA key of 2052 bits": odd, "curve P-224": p224.Public(), "neither RSA": ed,
	} {
		der, err := x509.CreateCertificate(rand.Reader, server("www.example.com"), root.cert, pub, root.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		got := judge(t, Question{Leaf: leaf, Roots: certs(root), Profile: ProfileWebPKI})
		want(t, part, got, x509cert.StatusInvalid, part)
	}
}

func TestBaselineRoots(t *testing.T) {
	t.Parallel()
	usage := newRoot(t, "Root", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	foreign := newRoot(t, "Root", func(c *x509.Certificate) { c.AuthorityKeyId = []byte{1, 2, 3} })
	for part, root := range map[string]*maker{"the root has an extended key usage": usage, "is not its subjectKeyIdentifier": foreign} {
		q := Question{Leaf: root.leaf(t, "www.example.com", nil), Roots: certs(root)}
		want(t, part, judge(t, q), x509cert.StatusValid, "")
		q.Profile = ProfileWebPKI
		want(t, part, judge(t, q), x509cert.StatusInvalid, part)
	}
	// BR 7.1.2.5.2: name constraints need not be critical.
	loose := newRoot(t, "Root", ext(false, constraintsOf(t, []general{dns("example.com")}, nil), extNameConstraints...))
	q := Question{Leaf: loose.leaf(t, "www.example.com", func(c *x509.Certificate) { c.Subject = pkix.Name{} }), Roots: certs(loose)}
	want(t, "rfc5280", judge(t, q), x509cert.StatusInvalid, "not critical")
	q.Profile = ProfileWebPKI
	want(t, "webpki", judge(t, q), x509cert.StatusValid, "")
}
