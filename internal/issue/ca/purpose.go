package ca

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/x509cert"
)

// A Purpose says what an issuing authority is for. One authority for one purpose: who trusts the authority of the
// servers for TLS does not trust what it could say about people.
type Purpose string

// The purposes. A root issues the others and nothing else.
const (
	PurposeRoot    Purpose = "root"
	PurposeServers Purpose = "servers"
	PurposeClients Purpose = "clients" // people, devices and partners, who show their certificates to servers
	PurposeSMIME   Purpose = "smime"
	PurposeCode    Purpose = "code" // signing of programs
	// PurposeIPsec is for gateways of IKEv2. It is one of its own because strongSwan, up to 5.9 at least, reads no name
	// constraints on addresses of the Internet, and takes no authority that has them.
	PurposeIPsec Purpose = "ipsec"
)

// Purposes lists those of issuing authorities.
func Purposes() []Purpose {
	return []Purpose{PurposeServers, PurposeClients, PurposeSMIME, PurposeCode, PurposeIPsec}
}

// usages are the extended key usages that an issuing authority may pass on. In an authority's certificate they bind
// everything below it: crypto/x509, OpenSSL, NSS and Windows all intersect them along the chain.
func (p Purpose) usages() []x509cert.Usage {
	switch p {
	case PurposeServers:
		return []x509cert.Usage{x509cert.UsageServerAuth, x509cert.UsageClientAuth, UsageIKE}
	case PurposeClients:
		return []x509cert.Usage{x509cert.UsageClientAuth, x509cert.UsageServerAuth, UsageIKE}
	case PurposeSMIME:
		return []x509cert.Usage{x509cert.UsageEmailProtection, x509cert.UsageClientAuth}
	case PurposeIPsec:
		return []x509cert.Usage{UsageIKE, x509cert.UsageServerAuth}
	case PurposeCode:
		return []x509cert.Usage{x509cert.UsageCodeSigning, x509cert.UsageTimeStamping}
	}
	return nil
}

// constrainsAddresses says whether the certificate of an authority of this purpose constrains addresses of the Internet.
func (p Purpose) constrainsAddresses() bool { return p != PurposeIPsec }

// ParsePurpose returns the purpose of that name.
func ParsePurpose(s string) (Purpose, error) {
	if p := Purpose(s); slices.Contains(Purposes(), p) {
		return p, nil
	}
	return "", fmt.Errorf("purpose %q: there are %s", s, joined(Purposes()))
}

// joined is a list of words in a sentence.
func joined[T ~string](all []T) string {
	var b strings.Builder
	for i, one := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(one))
	}
	return b.String()
}
