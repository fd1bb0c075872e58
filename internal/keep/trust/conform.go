package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"strings"

	"postseal/internal/ground/x509cert"
)

// The extensions of RFC 5280 section 4.2 that are looked at by their identifier.
var (
	extSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	extKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	extSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	extBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	extAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	extExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	extInhibitAnyPolicy = asn1.ObjectIdentifier{2, 5, 29, 54}
	extNoRevAvail       = asn1.ObjectIdentifier{2, 5, 29, 56}
)

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

// conform finds what RFC 5280 section 4 forbids in a certificate, whatever chain it stands in. crypto/x509 has refused
// malformed encodings, negative serial numbers and extensions that appear twice before we see them.
//
// An anchor of the system's store is not asked: its form was judged by the programme that took it in, and some of the
// oldest have none of this.
func (p *path) conform(i int) {
	cert := p.chain[i]
	anchor, isAnchor := p.anchorAt(i)
	if isAnchor && (anchor.From == x509cert.RootThirdParty || len(p.chain) == 1) {
		return
	}
	authority := i > 0 || cert.BasicConstraintsValid && cert.IsCA
	p.conformFields(i, isAnchor)
	if authority {
		p.conformAuthority(i, isAnchor)
	}
	if !authority {
		// RFC 5280 section 4.2.1.9
		if cert.KeyUsage&x509.KeyUsageCertSign != 0 {
			p.fault(i, "may sign certificates by its key usage, but is no authority")
		}
		// RFC 5280 section 4.2.1.10: only in certificates of authorities.
		if extension(cert, extNameConstraints) != nil {
			p.fault(i, "has name constraints, but is no authority")
		}
	}
	// RFC 5280 section 4.2.1.10 wants name constraints critical; the Baseline Requirements section 7.1.2.5.2 do not.
	if e := extension(cert, extNameConstraints); e != nil && !e.Critical && p.question.Profile != ProfileWebPKI {
		p.fault(i, "has name constraints that are not critical")
	}
	// RFC 5280 section 4.2.1.14. DEVIATION: the same is said of policyConstraints in section 4.2.1.11, but 16 authorities of
	// PKITS have them not critical, and cases that NIST calls valid depend on them; they are processed either way.
	if e := extension(cert, extInhibitAnyPolicy); e != nil && !e.Critical {
		p.fault(i, "has an inhibitAnyPolicy extension that is not critical")
	}
	// RFC 5280 section 4.2.1.12: SEQUENCE SIZE (1..MAX)
	if extension(cert, extExtKeyUsage) != nil && len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		p.fault(i, "has an extended key usage that allows nothing")
	}
	if !isAnchor {
		p.conformNames(i)
	}
}

func (p *path) conformFields(i int, isAnchor bool) {
	cert := p.chain[i]
	empty := []byte{0x30, 0}
	// RFC 5280 section 4.1.2.4
	if bytes.Equal(cert.RawIssuer, empty) {
		p.fault(i, "has an empty issuer")
	}
	// RFC 5280 section 4.1.2.2: positive and at most 20 octets. An octet more for the sign is forgiven.
	if n := cert.SerialNumber; !isAnchor && n.Sign() <= 0 {
		p.fault(i, "has a serial number that is not positive")
	} else if !isAnchor && n.BitLen() > 160 {
		p.fault(i, "has a serial number of more than 20 octets")
	}
	// RFC 5280 section 4.1.2.9
	if cert.Version != 3 && len(cert.Extensions) > 0 {
		p.fault(i, "has extensions, but is not of version 3")
	}
	// RFC 5280 section 4.2.1.1: in all certificates but those that their own key signed. Whether issuer and subject of an
	// anchor are one name does not matter to that: nobody looks for who signed it.
	if cert.Version == 3 && len(cert.AuthorityKeyId) == 0 && !(isAnchor && (selfIssued(cert) || signsItself(cert))) && !selfSigned(cert) {
		p.fault(i, "does not say which key of its issuer signed it (no authorityKeyIdentifier)")
	}
}

func (p *path) conformAuthority(i int, isAnchor bool) {
	cert := p.chain[i]
	// RFC 5280 section 4.1.2.6
	if bytes.Equal(cert.RawSubject, []byte{0x30, 0}) {
		p.fault(i, "is an authority without a subject")
	}
	// RFC 5280 section 4.2.1.2
	if cert.Version == 3 && len(cert.SubjectKeyId) == 0 {
		p.fault(i, "is an authority without a subjectKeyIdentifier")
	}
	// RFC 5280 section 4.2.1.9 wants it critical. For authorities between, PKITS case 4.6.4 forgives it, and so do we:
	// the path validation of section 6.1.4 does not ask.
	if e := extension(cert, extBasicConstraints); isAnchor && e != nil && !e.Critical {
		p.fault(i, "has basic constraints that are not critical")
	}
}

// conformNames checks the subjectAltName, RFC 5280 section 4.2.1.6.
func (p *path) conformNames(i int) {
	cert := p.chain[i]
	san := extension(cert, extSubjectAltName)
	if bytes.Equal(cert.RawSubject, []byte{0x30, 0}) && (san == nil || !san.Critical) {
		p.fault(i, "has an empty subject and no critical subjectAltName")
	}
	for _, name := range cert.DNSNames {
		if _, err := netip.ParseAddr(name); err == nil {
			p.fault(i, "has the IP address %s as a DNS name", quote(name))
		} else if !isPreferredName(strings.TrimPrefix(name, "*.")) {
			p.fault(i, "has the DNS name %s, which is none", quote(name))
		}
	}
	for _, address := range cert.EmailAddresses {
		if !isMailbox(address) {
			p.fault(i, "has the mail address %s, which is none", quote(address))
		}
	}
}

// isPreferredName: the "preferred name syntax" of RFC 1034 section 3.5 as RFC 1123 section 2.1 widened it.
func isPreferredName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// isMailbox: Local-part "@" Domain of RFC 5321 section 4.1.2, in ASCII. Quoted local parts are taken as they are.
func isMailbox(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || len(s) > 320 {
		return false
	}
	local, host := s[:at], s[at+1:]
	if quoted := len(local) > 1 && local[0] == '"' && local[len(local)-1] == '"'; !quoted {
		for atom := range strings.SplitSeq(local, ".") {
			if atom == "" || strings.ContainsFunc(atom, notAtext) {
				return false
			}
		}
	}
	if literal, ok := strings.CutPrefix(host, "["); ok {
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(literal, "]"), "IPv6:"))
		return err == nil
	}
	return isPreferredName(host)
}

// notAtext: RFC 5322 section 3.2.3.
func notAtext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}
