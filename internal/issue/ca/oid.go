package ca

import (
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"

	"postseal/internal/ground/x509cert"
)

// ce is an extension of RFC 5280 section 4.2.1, under id-ce.
func ce(arc int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, arc} }

// The extensions that certificates of ours have, by their arc under id-ce.
const (
	arcSubjectKeyID     = 14
	arcKeyUsage         = 15
	arcSubjectAltName   = 17
	arcBasicConstraints = 19
	arcNameConstraints  = 30
	arcCRLPoints        = 31
	arcPolicies         = 32
	arcAuthorityKeyID   = 35
	arcExtKeyUsage      = 37
	arcNoRevocation     = 56 // RFC 9608 section 2
)

// oidAuthorityInfo is id-pe-authorityInfoAccess, RFC 5280 section 4.2.2.1.
func oidAuthorityInfo() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
}

// accessOCSP and accessIssuers are the methods of that extension.
func accessOCSP() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1} }

func accessIssuers() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2} }

// usageOID is the extended key usage of that name (RFC 5280 section 4.2.1.12, RFC 4945 section 5.1.3.12 for IKE), or a
// dotted OID as it stands.
func usageOID(u x509cert.Usage) (asn1.ObjectIdentifier, error) {
	if oid, ok := u.OID(); ok && u != x509cert.UsageAny { // a certificate for anything is none of ours
		return oid, nil
	}
	oid, err := parseOID(string(u))
	if err != nil {
		return nil, fmt.Errorf("usage %q: %w", u, err)
	}
	return oid, nil
}

// UsageIKE is id-kp-ipsecIKE (RFC 4945 section 5.1.3.12), by its dotted name, as certificates show it.
const UsageIKE x509cert.Usage = "1.3.6.1.5.5.7.3.17"

// parseOID reads a dotted OID of at most 20 arcs.
func parseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil || len(oid) == 20 || strconv.FormatUint(n, 10) != arc {
			return nil, fmt.Errorf("%q is no object identifier", s)
		}
		oid = append(oid, int(n))
	}
	if _, err := asn1.Marshal(oid); err != nil {
		return nil, fmt.Errorf("%q is no object identifier", s)
	}
	return oid, nil
}
