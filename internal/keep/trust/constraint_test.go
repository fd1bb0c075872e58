package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

func dns(s string) general  { return general{kind: kindDNS, value: s} }
func mail(s string) general { return general{kind: kindMail, value: s} }
func uri(s string) general  { return general{kind: kindURI, value: s} }
func ip(b ...byte) general  { return general{kind: kindIP, value: string(b)} }

// other is an otherName of some type.
var other = general{kind: kindOther, value: "\x06\x03\x2a\x03\x04\xa0\x02\x05\x00"}

func dir(t *testing.T, cn string) general {
	t.Helper()
	der, err := asn1.Marshal(pkix.Name{CommonName: cn}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	return directory(der)
}

func addGeneral(b *cryptobyte.Builder, g general) {
	tag := cbasn1.Tag(g.kind).ContextSpecific()
	if g.kind == kindDirectory || g.kind == kindOther {
		tag = tag.Constructed()
	}
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(g.value)) })
}

func sanOf(t *testing.T, names ...general) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, g := range names {
			addGeneral(b, g)
		}
	})
	return b.BytesOrPanic()
}

func constraintsOf(t *testing.T, permitted, excluded []general) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for tag, list := range [][]general{permitted, excluded} {
			if len(list) == 0 {
				continue
			}
			b.AddASN1(cbasn1.Tag(tag).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				for _, g := range list {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addGeneral(b, g) })
				}
			})
		}
	})
	return b.BytesOrPanic()
}

func TestNameConstraints(t *testing.T) {
	t.Parallel()
	ok, bad := x509cert.StatusValid, x509cert.StatusInvalid
	list := func(g ...general) []general { return g }
	tests := []struct {
		what                string
		permitted, excluded []general
		names               []general
		want                x509cert.Status
	}{
		{"permitted", list(dns("example.com")), nil, list(dns("example.com")), ok},
		{"permitted in capitals", list(dns("Example.COM")), nil, list(dns("example.com")), ok},
		{"permitted below", list(dns("example.com")), nil, list(dns("a.b.example.com")), ok},
		{"not permitted", list(dns("example.com")), nil, list(dns("notexample.com")), bad},
		{"one of two not permitted", list(dns("example.com")), nil, list(dns("example.com"), dns("example.net")), bad},
		{"excluded", nil, list(dns("example.com")), list(dns("a.example.com")), bad},
		{"permitted and excluded", list(dns("example.com")), list(dns("example.com")), list(dns("example.com")), bad},
		{"empty permits all", list(dns("")), nil, list(dns("example.com")), ok},
		{"empty excludes all", nil, list(dns("")), list(dns("example.com")), bad},
		{"wildcard within", list(dns("example.com")), nil, list(dns("*.example.com")), ok},
		{"wildcard wider than permitted", list(dns("a.example.com")), nil, list(dns("*.example.com")), bad},
		{"wildcard that may hit excluded", nil, list(dns("a.example.com")), list(dns("*.example.com")), bad},
		{"wildcard that cannot hit excluded", nil, list(dns("a.b.example.com")), list(dns("*.example.com")), ok},
		{"another kind permitted", list(ip(192, 0, 2, 0, 255, 255, 255, 0)), nil, list(dns("example.com")), ok},
		{"address permitted", list(ip(192, 0, 2, 0, 255, 255, 255, 0)), nil, list(ip(192, 0, 2, 9)), ok},
		{"address not permitted", list(ip(192, 0, 2, 0, 255, 255, 255, 0)), nil, list(ip(192, 0, 3, 9)), bad},
		{"address excluded", nil, list(ip(192, 0, 2, 0, 255, 255, 255, 0)), list(ip(192, 0, 2, 9)), bad},
		{"IPv6 under an IPv4 rule", list(ip(192, 0, 2, 0, 255, 255, 255, 0)), nil, list(ip(make([]byte, 16)...)), bad},
		{"mailbox", list(mail("a@example.com")), nil, list(mail("a@EXAMPLE.com")), ok},
		{"mailbox, other case", list(mail("a@example.com")), nil, list(mail("A@example.com")), bad},
		{"asterisk is a letter", list(mail("*@example.com")), nil, list(mail("user@example.com")), bad},
		{"asterisk is itself", list(mail("*@example.com")), nil, list(mail("*@example.com")), ok},
		{"host of mail", list(mail("example.com")), nil, list(mail("a@example.com")), ok},
		{"host of mail, below", list(mail("example.com")), nil, list(mail("a@b.example.com")), bad},
		{"domain of mail", list(mail(".example.com")), nil, list(mail("a@b.example.com")), ok},
		{"domain of mail, itself", list(mail(".example.com")), nil, list(mail("a@example.com")), bad},
		{"host of URI", list(uri("example.com")), nil, list(uri("https://u@example.com:8443/x")), ok},
		{"domain of URI", list(uri(".example.com")), nil, list(uri("https://a.example.com")), ok},
		{"other URI", list(uri("example.com")), nil, list(uri("https://a.example.com")), bad},
		{"URI with an address", list(uri("example.com")), nil, list(uri("https://192.0.2.1/")), bad},
		{"URI without host", nil, list(uri("example.com")), list(uri("urn:example.com")), bad},
		{"other kinds cannot be compared", nil, list(other), list(dns("example.com"), other), bad},
		{"other kinds do not matter when absent", nil, list(other), list(dns("example.com")), ok},
		{"malformed: wildcard", list(dns("*.example.com")), nil, list(dns("a.example.com")), bad},
		{"malformed: leading dot", list(dns(".example.com")), nil, list(dns("a.example.com")), bad},
		{"malformed: mailbox", list(mail("a@b@example.com")), nil, list(dns("example.com")), bad},
		{"malformed: address", list(ip(192, 0, 2, 0)), nil, list(dns("example.com")), bad},
		{"directory permitted", list(dir(t, "leaf")), nil, list(dir(t, "LEAF")), ok},
		{"directory not permitted", list(dir(t, "leaf")), nil, list(dir(t, "leaf 2")), bad},
		{"directory of the subject", list(dir(t, "other")), nil, list(dns("example.com")), bad},
		{"directory excluded", nil, list(dir(t, "no")), list(dir(t, "No")), bad},
	}
	root := newRoot(t, "Root", nil)
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			ca, err := root.tryBetween(t, "CA", ext(true, constraintsOf(t, tt.permitted, tt.excluded), extNameConstraints...))
			if err != nil && tt.want == bad {
				return // crypto/x509 does not even read it
			}
			if err != nil {
				t.Fatal(err)
			}
			leaf := ca.leaf(t, "leaf", changes(func(c *x509.Certificate) { c.DNSNames = nil }, ext(false, sanOf(t, tt.names...), extSubjectAltName...)))
			want(t, tt.what, judge(t, Question{Leaf: leaf, Intermediates: certs(ca), Roots: certs(root)}), tt.want, "")
		})
	}
}

// TestConstraintsAbove: constraints hold for everything below, of self-issued certificates only for the leaf; and what
// one authority forbids no authority below can permit.
func TestConstraintsAbove(t *testing.T) {
	t.Parallel()
	permit := func(names ...string) change {
		return func(c *x509.Certificate) { c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, names }
	}
	named := func(host string) change { return func(c *x509.Certificate) { c.DNSNames = []string{host} } }
	root := newRoot(t, "Root", permit("example.com"))
	self := root.between(t, "Root", named("example.net"))
	want(t, "self-issued", judge(t, Question{Leaf: self.leaf(t, "a.example.com", nil), Intermediates: certs(self), Roots: certs(root)}), x509cert.StatusValid, "")
	want(t, "self-issued leaf", judge(t, Question{Leaf: self.cert, Roots: certs(root)}), x509cert.StatusInvalid, "does not permit")
	named1 := root.between(t, "CA", named("example.net"))
	want(t, "name of an issuer", judge(t, Question{Leaf: named1.leaf(t, "a.example.com", nil), Intermediates: certs(named1), Roots: certs(root)}), x509cert.StatusInvalid, "does not permit")
	narrow := root.between(t, "Narrow", permit("a.example.com"))
	wide := narrow.between(t, "Wide", permit("a.example.com", "b.example.com"))
	q := Question{Intermediates: certs(narrow, wide), Roots: certs(root)}
	q.Leaf = wide.leaf(t, "a.example.com", nil)
	want(t, "permitted by both", judge(t, q), x509cert.StatusValid, "")
	q.Leaf = wide.leaf(t, "b.example.com", nil)
	want(t, "widened", judge(t, q), x509cert.StatusInvalid, `the issuer "CN=Narrow" does not permit the name "b.example.com"`)
	// Mail addresses in the subject count when there is no subjectAltName.
	mailCA := root.between(t, "Mail", changes(ext(true, constraintsOf(t, []general{mail("example.com")}, nil), extNameConstraints...)))
	for address, status := range map[string]x509cert.Status{"a@example.com": x509cert.StatusValid, "a@example.net": x509cert.StatusInvalid} {
		leaf := mailCA.leaf(t, "x", func(c *x509.Certificate) {
			c.DNSNames = nil
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidEmailAddress, Value: address}}
		})
		want(t, address, judge(t, Question{Leaf: leaf, Intermediates: certs(mailCA), Roots: certs(root)}), status, "")
	}
}

// TestConstraintsFlood: thousands of names times thousands of constraints are refused, and quickly.
func TestConstraintsFlood(t *testing.T) {
	t.Parallel()
	var permitted, names []string
	for i := range 2048 {
		permitted = append(permitted, fmt.Sprintf("t%d.test", i))
		names = append(names, fmt.Sprintf("x%d.test", i))
	}
	root := newRoot(t, "Root", func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, append(permitted, "test")
	})
	leaf := root.leaf(t, "t0.test", func(c *x509.Certificate) { c.DNSNames = names })
	began := time.Now()
	want(t, "flood", judge(t, Question{Leaf: leaf, Roots: certs(root)}), x509cert.StatusInvalid, "too many")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v, want well under a second", took)
	}
}
