package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/net/publicsuffix"

	"postseal/internal/ground/x509cert"
)

// baseline looks for breaches of the CA/Browser Forum's Baseline Requirements for servers' certificates. They are lints,
// and faults under [ProfileWebPKI]. Rules that came with a date are for certificates that were made since.
func (p *path) baseline() {
	if p.question.Purpose == x509cert.UsageEmailProtection || p.question.Purpose == x509cert.UsageClientAuth {
		return
	}
	if len(p.chain) == 1 && p.whole {
		return // nobody's authority made it
	}
	p.baselineLeaf()
	p.baselineNames()
	p.baselineLife()
	for i := range p.chain {
		p.baselineKey(i)
	}
	if anchor, ok := p.anchorAt(len(p.chain) - 1); ok && anchor.From != x509cert.RootThirdParty {
		p.baselineRoot(len(p.chain) - 1)
	}
}

func (p *path) lint(rule, format string, args ...any) {
	l := Lint{Rule: "BR " + rule, Text: fmt.Sprintf(format, args...)}
	p.lints = append(p.lints, l)
	if p.question.Profile == ProfileWebPKI {
		p.faults = append(p.faults, invalid("%s (%s)", l.Text, l.Rule))
	}
}

func (p *path) baselineLeaf() {
	leaf := p.chain[0]
	if leaf.Version != 3 {
		p.lint("7.1.1", "the certificate is not of version 3")
	}
	if leaf.BasicConstraintsValid && leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		p.lint("7.1.2.7.8", "the certificate is that of an authority, and not of a server")
	}
	usage := extension(leaf, extExtKeyUsage)
	switch {
	case usage == nil || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth):
		p.lint("7.1.2.7.10", "the certificate is not marked for servers (serverAuth)")
	case slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		p.lint("7.1.2.7.10", "the certificate is marked for any purpose")
	}
	if extension(leaf, extKeyUsage) != nil && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment|x509.KeyUsageKeyAgreement) == 0 {
		p.lint("7.1.2.7.11", "the certificate may not be used for TLS by its key usage")
	}
	if usage != nil && usage.Critical {
		p.lint("7.1.2.7.6", "the extended key usage of the certificate is critical")
	}
	if a := leaf.SignatureAlgorithm; insecure(a) {
		p.lint("7.1.3.2", "the certificate is signed with %s", a)
	}
}

// reservedSince: internal names and reserved addresses, BR 7.1.4.2.1 of version 1.0.
var reservedSince = time.Date(2012, 7, 1, 0, 0, 0, 0, time.UTC)

func (p *path) baselineNames() {
	leaf := p.chain[0]
	san := extension(leaf, extSubjectAltName)
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		p.lint("7.1.2.7.12", "the certificate has no DNS name and no IP address in subjectAltName")
	}
	if san != nil && san.Critical && !bytes.Equal(leaf.RawSubject, []byte{0x30, 0}) {
		p.lint("7.1.2.7.12", "the subjectAltName is critical although there is a subject")
	}
	for _, name := range leaf.DNSNames {
		p.baselineName(name)
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok && reserved(a.Unmap()) && !leaf.NotBefore.Before(reservedSince) {
			p.lint("4.2.2", "the address %s is reserved and nobody's alone", a.Unmap())
		}
	}
	// BR 7.1.4.3: a copy of one of the names, character for character.
	if cn := leaf.Subject.CommonName; cn != "" && san != nil {
		names := slices.Clone(leaf.DNSNames)
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
		if !slices.Contains(names, cn) {
			p.lint("7.1.4.3", "the common name %s is not one of the names", quote(cn))
		}
	}
}

func (p *path) baselineName(name string) {
	host, wildcard := strings.CutPrefix(strings.ToLower(name), "*.")
	suffix, icann := publicsuffix.PublicSuffix(host)
	switch {
	case strings.Contains(name, "_"):
		p.lint("3.2.2.4", "the name %s has an underscore", quote(name))
	case strings.Contains(host, "*"):
		p.lint("7.1.2.7.12", "the wildcard of %s is not the whole left-most label", quote(name))
	case wildcard && suffix == host:
		p.lint("3.2.2.6", "the wildcard %s is directly over a public suffix", quote(name))
	case !icann && !strings.Contains(suffix, ".") && !p.chain[0].NotBefore.Before(reservedSince):
		p.lint("4.2.2", "the name %s is of no public domain", quote(name))
	case suffix == host && !wildcard && !p.chain[0].NotBefore.Before(reservedSince):
		p.lint("3.2.2.4", "the name %s is a public suffix", quote(name))
	}
}

// reserved: the registries of RFC 6890, as far as nobody can show control of them.
func reserved(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return true
	}
	for _, block := range []string{"100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001:db8::/32", "3fff::/20"} {
		if netip.MustParsePrefix(block).Contains(a) {
			return true
		}
	}
	return false
}

// baselineLife: BR 6.3.2, by the day on which the certificate was made.
func (p *path) baselineLife() {
	leaf := p.chain[0]
	limits := []struct {
		since time.Time
		days  int
	}{
		{time.Date(2029, 3, 15, 0, 0, 0, 0, time.UTC), 47},
		{time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC), 100},
		{time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC), 200},
		{time.Date(2020, 9, 1, 0, 0, 0, 0, time.UTC), 398},
		{time.Date(2018, 3, 1, 0, 0, 0, 0, time.UTC), 825},
	}
	// Both ends are inside, and a day is 86,400 seconds.
	life := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second
	for _, l := range limits {
		if leaf.NotBefore.Before(l.since) {
			continue
		}
		if life > time.Duration(l.days)*24*time.Hour {
			p.lint("6.3.2", "the certificate lives for %d days, and %d are allowed", (life-1)/(24*time.Hour)+1, l.days)
		}
		return
	}
}

// baselineKey: BR 6.1.5 and 6.1.6.
func (p *path) baselineKey(i int) {
	switch key := p.chain[i].PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits%8 != 0 {
			p.lint("6.1.5", "%s has an RSA key of %d bits", title(p.chain, i), bits)
		}
		if key.E < 3 || key.E%2 == 0 {
			p.lint("6.1.6", "%s has an RSA key with the exponent %d", title(p.chain, i), key.E)
		}
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			p.lint("6.1.5", "%s has a key on the curve %s", title(p.chain, i), key.Curve.Params().Name)
		}
	default:
		p.lint("6.1.5", "%s has a key that is neither RSA nor ECDSA", title(p.chain, i))
	}
}

// baselineRoot: BR 7.1.2.1.2 and 7.1.2.1.3.
func (p *path) baselineRoot(i int) {
	root := p.chain[i]
	if extension(root, extExtKeyUsage) != nil {
		p.lint("7.1.2.1.2", "the root has an extended key usage")
	}
	ext := extension(root, extAuthorityKeyID)
	if ext == nil || !selfIssued(root) {
		return
	}
	s := cryptobyte.String(ext.Value)
	var body, id cryptobyte.String
	var hasID bool
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadOptionalASN1(&id, &hasID, cbasn1.Tag(0).ContextSpecific()) {
		return
	}
	switch {
	case !hasID || !bytes.Equal(id, root.SubjectKeyId):
		p.lint("7.1.2.1.3", "the authorityKeyIdentifier of the root is not its subjectKeyIdentifier")
	case !body.Empty():
		p.lint("7.1.2.1.3", "the authorityKeyIdentifier of the root names an issuer or serial number")
	}
}
