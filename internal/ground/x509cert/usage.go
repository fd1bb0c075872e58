package x509cert

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strconv"
	"strings"
)

// A Usage says what a certificate may be used for: an extended key usage by the name that RFC 5280 section 4.2.1.12
// gives it.
type Usage string

// The usages that have a name here. All others are shown as dotted OIDs.
const (
	UsageServerAuth      Usage = "serverAuth"
	UsageClientAuth      Usage = "clientAuth"
	UsageEmailProtection Usage = "emailProtection"
	UsageCodeSigning     Usage = "codeSigning"
	UsageTimeStamping    Usage = "timeStamping"
	UsageOCSPSigning     Usage = "ocspSigning"
	UsageAny             Usage = "any"
)

func (u Usage) extended() (x509.ExtKeyUsage, bool) {
	switch u {
	case UsageServerAuth:
		return x509.ExtKeyUsageServerAuth, true
	case UsageClientAuth:
		return x509.ExtKeyUsageClientAuth, true
	case UsageEmailProtection:
		return x509.ExtKeyUsageEmailProtection, true
	case UsageCodeSigning:
		return x509.ExtKeyUsageCodeSigning, true
	case UsageTimeStamping:
		return x509.ExtKeyUsageTimeStamping, true
	case UsageOCSPSigning:
		return x509.ExtKeyUsageOCSPSigning, true
	case UsageAny:
		return x509.ExtKeyUsageAny, true
	}
	return 0, false
}

// OID returns the key purpose identifier of a named usage, as requests and certificates hold it. False: it is not named
// here.
func (u Usage) OID() (asn1.ObjectIdentifier, bool) {
	extended, ok := u.extended()
	if !ok {
		return nil, false
	}
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(extended.OID().String(), ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			return nil, false // the arcs of the standard library's own are small
		}
		oid = append(oid, n)
	}
	return oid, true
}

// Usages lists the extended key usages of a certificate: words for those of RFC 5280 section 4.2.1.12, dotted OIDs for
// all others. It is empty, never nil, if the certificate has none; then it is not restricted.
func Usages(cert *x509.Certificate) []string {
	usages := []string{}
	named := []Usage{UsageServerAuth, UsageClientAuth, UsageEmailProtection, UsageCodeSigning, UsageTimeStamping, UsageOCSPSigning, UsageAny}
	for _, extended := range cert.ExtKeyUsage {
		i := slices.IndexFunc(named, func(u Usage) bool {
			e, ok := u.extended()
			return ok && e == extended
		})
		if i >= 0 {
			usages = append(usages, string(named[i]))
		} else {
			usages = append(usages, extended.OID().String())
		}
	}
	for _, oid := range cert.UnknownExtKeyUsage {
		usages = append(usages, oid.String())
	}
	return usages
}

// ServerKeyUsage returns the key usage of a TLS server's certificate for a key. Every server signs the handshake. Only
// RSA can also decrypt, as the old key exchange of TLS 1.2 wants and as Exchange's certificates say; RFC 8813 section 3
// forbids keyEncipherment to ECDSA, RFC 9295 section 3 to Ed25519.
func ServerKeyUsage(pub crypto.PublicKey) x509.KeyUsage {
	if _, ok := pub.(*rsa.PublicKey); ok {
		return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	return x509.KeyUsageDigitalSignature
}

// SignsHandshakes reports whether the key usage of a certificate, if it has one, lets its key sign a handshake. TLS 1.3
// and the cipher suites of TLS 1.2 with forward secrecy need that (RFC 8446 section 4.4.2.2).
func SignsHandshakes(cert *x509.Certificate) bool {
	return cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageDigitalSignature != 0
}
