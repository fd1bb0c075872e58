package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postseal/internal/ground/x509cert"
)

// LintError says that a draft breaks a rule. It is a fault of this program, never of who asked: what may not be
// certified was refused before.
type LintError struct {
	Serial   string
	Findings []string // one clause each
}

// Error lists the findings.
func (e *LintError) Error() string {
	return fmt.Sprintf("linting the certificate %s: %s", e.Serial, strings.Join(e.Findings, "; "))
}

// expectation is what a draft must say, from what was asked, not from what was written.
type expectation struct {
	names        []name
	usages       []x509cert.Usage
	keyUsage     x509.KeyUsage
	noRevocation bool
	crl          string
}

// lint reads a draft as a client will, with a signature that is only as long as a real one, and holds it against RFC 5280
// and against what was asked. It runs before anything is stored or signed. It returns what it has read.
func (i *Issuer) lint(tbs []byte, want expectation) (*x509.Certificate, error) {
	raw, err := i.algorithm.Assemble(tbs, make([]byte, i.algorithm.MaxSignature))
	if err != nil {
		return nil, err
	}
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		return nil, &LintError{Findings: []string{"it cannot be read: " + err.Error()}}
	}
	var findings []string
	for _, rule := range []struct {
		holds bool
		text  string
	}{
		{cert.Version == 3, "not version 3 (RFC 5280 section 4.1.2.1)"},
		{cert.SerialNumber.Sign() > 0 && len(cert.SerialNumber.Bytes()) == serialOctets, "the serial has not 16 octets"},
		{slices.Equal(cert.RawIssuer, i.cert.RawSubject), "the issuer is not the authority's subject (RFC 5280 section 4.1.2.4)"},
		{slices.Equal(cert.AuthorityKeyId, i.cert.SubjectKeyId), "the authority's key identifier is not its own (RFC 5280 section 4.2.1.1)"},
		{len(cert.SubjectKeyId) == 20, "no key identifier of 20 octets (RFC 5280 section 4.2.1.2)"},
		{cert.NotBefore.Before(cert.NotAfter), "it ends before it begins"},
		{!cert.NotAfter.After(i.cert.NotAfter), "it outlives its authority"},
		{!cert.NotBefore.Before(i.cert.NotBefore.Add(-Backdate)), "it begins before its authority"},
		{cert.BasicConstraintsValid && !cert.IsCA, "it could be an authority (RFC 5280 section 4.2.1.9)"},
		{cert.KeyUsage == want.keyUsage && cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) == 0, "the key usage is not that of the profile (RFC 5280 section 4.2.1.3)"},
		{len(cert.UnhandledCriticalExtensions) == 0, "a critical extension that nobody knows"},
		{sameUsages(cert, want.usages), "the extended key usages are not those of the profile (RFC 5280 section 4.2.1.12)"},
		{sameNames(cert, want.names), "the names are not those asked for (RFC 5280 section 4.2.1.6)"},
		{slices.Equal(cert.CRLDistributionPoints, lists(want)), "the address of the list is not the one given (RFC 5280 section 4.2.1.13)"},
		{!want.noRevocation || len(cert.OCSPServer) == 0, "an address of a responder beside noRevAvail (RFC 9608 section 3)"},
		{!slices.Contains(cert.DNSNames, ""), "an empty name"},
		{once(cert), "an extension is there twice (RFC 5280 section 4.2)"},
	} {
		if !rule.holds {
			findings = append(findings, rule.text)
		}
	}
	if len(findings) > 0 {
		return nil, &LintError{Serial: hex.EncodeToString(cert.SerialNumber.Bytes()), Findings: findings}
	}
	return cert, nil
}

func lists(want expectation) []string {
	if want.noRevocation || want.crl == "" {
		return nil
	}
	return []string{want.crl}
}

// sameUsages compares them in any order: crypto/x509 lists those that it has no name for last.
func sameUsages(cert *x509.Certificate, usages []x509cert.Usage) bool {
	var want []string
	for _, u := range usages {
		want = append(want, string(u))
	}
	return slices.Equal(slices.Sorted(slices.Values(x509cert.Usages(cert))), slices.Sorted(slices.Values(want)))
}

func once(cert *x509.Certificate) bool {
	seen := map[string]bool{}
	for _, e := range cert.Extensions {
		if seen[e.Id.String()] {
			return false
		}
		seen[e.Id.String()] = true
	}
	return true
}

// sameNames compares what a client reads with what was asked, kind by kind.
func sameNames(cert *x509.Certificate, names []name) bool {
	var hosts, emails, addresses, gotAddresses []string
	for _, n := range names {
		switch n.kind {
		case kindDNS:
			hosts = append(hosts, n.text)
		case kindEmail:
			emails = append(emails, n.text)
		case kindIP:
			addresses = append(addresses, n.ip.Unmap().String())
		}
	}
	for _, ip := range cert.IPAddresses {
		addr, _ := netip.AddrFromSlice(ip)
		gotAddresses = append(gotAddresses, addr.Unmap().String())
	}
	return len(cert.URIs) == 0 && slices.Equal(cert.DNSNames, hosts) && slices.Equal(cert.EmailAddresses, emails) && slices.Equal(gotAddresses, addresses)
}

// sum256 is the SHA-256 of octets in lower-case hex.
func sum256(octets []byte) string {
	sum := sha256.Sum256(octets)
	return hex.EncodeToString(sum[:])
}
