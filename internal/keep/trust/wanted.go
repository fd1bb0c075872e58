package trust

import (
	"crypto/x509"
	"slices"
	"strings"

	"postseal/internal/ground/x509cert"
)

var usages = map[x509cert.Usage]x509.ExtKeyUsage{
	x509cert.UsageServerAuth:      x509.ExtKeyUsageServerAuth,
	x509cert.UsageClientAuth:      x509.ExtKeyUsageClientAuth,
	x509cert.UsageEmailProtection: x509.ExtKeyUsageEmailProtection,
}

// purpose checks what the certificate is wanted for. An authority that lists usages limits those below it: RFC 5280 does
// not say so, but every verifier does, and authorities rely on it.
func (p *path) purpose() {
	usage, known := usages[p.question.Purpose]
	if !known {
		if p.question.Purpose != x509cert.UsageAny {
			p.faults = append(p.faults, invalid("nobody can say whether the certificate is for %s", quote(string(p.question.Purpose))))
		}
		return
	}
	for i, cert := range p.chain {
		if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
			continue
		}
		if !slices.Contains(cert.ExtKeyUsage, usage) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
			p.fault(i, "is not for %s, only for %s", p.question.Purpose, strings.Join(x509cert.Usages(cert), ", "))
		}
	}
	// RFC 5280 section 4.2.1.12: where both are there, a purpose must agree with the key usage as well. Without an extended
	// key usage the certificate claims no purpose that could disagree; what servers need then is a lint of [path.baseline].
	leaf := p.chain[0]
	if extension(leaf, extExtKeyUsage) == nil {
		return
	}
	useful := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement | x509.KeyUsageContentCommitment
	if _, direct := p.anchors.direct[string(leaf.Raw)]; !direct && extension(leaf, extKeyUsage) != nil && leaf.KeyUsage&useful == 0 {
		p.fault(0, "is not for %s by its key usage", p.question.Purpose)
	}
}

// name checks the name that the certificate is wanted for. Only subjectAltName counts, RFC 9525 section 6.3.
func (p *path) name() {
	if wanted := p.question.Name; wanted != "" {
		if reason := CheckName(p.chain[0], wanted); reason != "" {
			p.faults = append(p.faults, invalid("%s", reason))
		}
	}
}

// CheckName says in a sentence why a certificate is not for a host, an IP address or a mail address; empty means that
// it is.
func CheckName(cert *x509.Certificate, wanted string) string {
	names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if x509cert.NamesOf(cert).Verify(wanted) {
		return ""
	}
	if len(names) == 0 && extension(cert, extSubjectAltName) == nil && cert.Subject.CommonName != "" {
		return "the certificate has a common name but no subjectAltName, so it is for no name at all"
	}
	if len(names) == 0 {
		return "the certificate is for no name at all, and so not for " + quote(wanted)
	}
	const few = 5
	if more := len(names) - few; more > 1 {
		names = append(names[:few:few], "…")
	}
	return "the certificate is not for " + quote(wanted) + ", only for " + clip(strings.Join(names, ", "))
}
