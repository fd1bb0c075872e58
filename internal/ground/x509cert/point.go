package x509cert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	extDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	extNobodys            = asn1.ObjectIdentifier{2, 5, 29, 127} // as long as the other, and of no meaning to anybody
)

// errNoRelativePoint says that a certificate has no distribution point with a relative name, or is malformed.
var errNoRelativePoint = errors.New("no relative distribution point")

// parseRelative reads a certificate that has a distribution point with a name relative to the CRL issuer (RFC 5280
// section 4.2.1.13). crypto/x509 refuses to parse it, although everything else of it is in order. So it is given a copy
// in which the extension has an identifier that it does not know; afterwards everything says what the original says.
// The error is [errNoRelativePoint] or that of crypto/x509.
func parseRelative(der []byte) (*x509.Certificate, error) {
	tbs, place, points := findPoints(der)
	if place < 0 {
		return nil, errNoRelativePoint
	}
	addresses, relative, ok := readPoints(points)
	if !ok || !relative {
		return nil, errNoRelativePoint
	}
	copied := bytes.Clone(der)
	copied[place] = 127
	cert, err := x509.ParseCertificate(copied)
	if err != nil {
		return nil, err
	}
	cert.Raw, cert.RawTBSCertificate, cert.CRLDistributionPoints = der, tbs, addresses
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(extNobodys) {
			cert.Extensions[i].Id = extDistributionPoints
		}
	}
	known := cert.UnhandledCriticalExtensions[:0]
	for _, id := range cert.UnhandledCriticalExtensions {
		if !id.Equal(extNobodys) {
			known = append(known, id)
		}
	}
	cert.UnhandledCriticalExtensions = known
	return cert, nil
}

// findPoints returns what is signed, the place in der of the last octet of the identifier of the distribution points,
// and their value; place is -1 if there are none, or if the certificate is malformed.
func findPoints(der []byte) (signed []byte, place int, value cryptobyte.String) {
	none := func() ([]byte, int, cryptobyte.String) { return nil, -1, nil }
	s := cryptobyte.String(der[:len(der):len(der)]) // so that what is left of its capacity tells the place
	var cert, tbs, extensions cryptobyte.String
	if !s.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1Element(&tbs, cbasn1.SEQUENCE) {
		return none()
	}
	signed = tbs
	if !tbs.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return none()
	}
	for !tbs.Empty() { // the extensions are the last field, and the only one with the tag [3]
		var field cryptobyte.String
		var tag cbasn1.Tag
		if !tbs.ReadAnyASN1(&field, &tag) {
			return none()
		}
		if tag == cbasn1.Tag(3).ContextSpecific().Constructed() && !field.ReadASN1(&extensions, cbasn1.SEQUENCE) {
			return none()
		}
	}
	for !extensions.Empty() {
		var one, id cryptobyte.String
		if !extensions.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) {
			return none()
		}
		if string(id) != "\x55\x1d\x1f" {
			continue
		}
		if !one.SkipOptionalASN1(cbasn1.BOOLEAN) || !one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.Empty() {
			return none()
		}
		return signed, len(der) - cap(id) + len(id) - 1, value
	}
	return none()
}

// readPoints reads distribution points. ok says that they are well formed, relative that one is relative.
func readPoints(value cryptobyte.String) (addresses []string, relative, ok bool) {
	const uri = 6
	var all cryptobyte.String
	if !value.ReadASN1(&all, cbasn1.SEQUENCE) || !value.Empty() {
		return nil, false, false
	}
	for !all.Empty() {
		var point, name, names, rdn cryptobyte.String
		var hasName bool
		if !all.ReadASN1(&point, cbasn1.SEQUENCE) ||
			!point.ReadOptionalASN1(&name, &hasName, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
			!point.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific()) ||
			!point.SkipOptionalASN1(cbasn1.Tag(2).ContextSpecific().Constructed()) || !point.Empty() {
			return nil, false, false
		}
		switch {
		case !hasName:
		case name.PeekASN1Tag(cbasn1.Tag(1).ContextSpecific().Constructed()):
			if !name.ReadASN1(&rdn, cbasn1.Tag(1).ContextSpecific().Constructed()) {
				return nil, false, false
			}
			relative = true
		case name.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific().Constructed()):
			if !name.ReadASN1(&names, cbasn1.Tag(0).ContextSpecific().Constructed()) {
				return nil, false, false
			}
			for !names.Empty() {
				var one cryptobyte.String
				var tag cbasn1.Tag
				if !names.ReadAnyASN1(&one, &tag) {
					return nil, false, false
				}
				if tag == cbasn1.Tag(uri).ContextSpecific() {
					addresses = append(addresses, string(one))
				}
			}
		default:
			return nil, false, false
		}
		if !name.Empty() {
			return nil, false, false
		}
	}
	return addresses, relative, true
}
