package revocation

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// reasonMask is a ReasonFlags: bit n is the reason with the number n of RFC 5280 section 4.2.1.13.
type reasonMask uint16

const allReasons reasonMask = 0b1_1111_1110 // keyCompromise(1) to aACompromise(8)

// point is a DistributionPoint of a certificate (RFC 5280 section 4.2.1.13): where a list is that covers it.
type point struct {
	names   []generalName // where; empty if only issuers are given
	reasons reasonMask    // which reasons the list covers
	issuers []generalName // who signs it; empty means the issuer of the certificate
	// implied marks the point that RFC 5280 section 6.3.3 assumes for lists that no certificate points to.
	implied bool
}

const maxPoints = 32

// readPoints reads the distribution points of a certificate, or where its delta lists are.
func readPoints(value cryptobyte.String, certIssuer []byte) (points []point, err error) {
	var all cryptobyte.String
	if !value.ReadASN1(&all, asn1.SEQUENCE) || !value.Empty() {
		return nil, errors.New("the distribution points are no SEQUENCE")
	}
	for !all.Empty() {
		p := point{reasons: allReasons}
		var one, name, flags, issuers cryptobyte.String
		var hasName, hasReasons, hasIssuers bool
		if !all.ReadASN1(&one, asn1.SEQUENCE) ||
			!one.ReadOptionalASN1(&name, &hasName, asn1.Tag(0).ContextSpecific().Constructed()) ||
			!one.ReadOptionalASN1(&flags, &hasReasons, asn1.Tag(1).ContextSpecific()) ||
			!one.ReadOptionalASN1(&issuers, &hasIssuers, asn1.Tag(2).ContextSpecific().Constructed()) || !one.Empty() {
			return nil, errors.New("a distribution point is malformed")
		}
		if hasReasons {
			if p.reasons, err = readReasons(flags); err != nil {
				return nil, err
			}
		}
		if hasIssuers {
			if p.issuers, err = readNamesOf(issuers); err != nil {
				return nil, err
			}
		}
		if hasName {
			base := certIssuer
			if d := directories(p.issuers); len(d) == 1 { // RFC 5280 section 4.2.1.13: relative needs exactly one
				base = d[0]
			}
			if p.names, err = readPointName(name, base); err != nil {
				return nil, err
			}
		}
		if points = append(points, p); len(points) > maxPoints {
			return nil, fmt.Errorf("there are more than %d distribution points", maxPoints)
		}
	}
	return points, nil
}

func directories(names []generalName) (ders [][]byte) {
	for _, n := range names {
		if n.directory != nil {
			ders = append(ders, n.directory)
		}
	}
	return ders
}

// readPointName reads a DistributionPointName; base is what a relative one is relative to.
func readPointName(s cryptobyte.String, base []byte) ([]generalName, error) {
	var contents cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&contents, &tag) || !s.Empty() {
		return nil, errors.New("the name of a distribution point is malformed")
	}
	switch tag {
	case asn1.Tag(0).ContextSpecific().Constructed():
		return readNamesOf(contents)
	case asn1.Tag(1).ContextSpecific().Constructed():
		full, err := appendRDN(base, contents)
		if err != nil {
			return nil, err
		}
		key, err := nameKey(full)
		return []generalName{{key: "dn:" + key, directory: full}}, err
	}
	return nil, errors.New("the name of a distribution point is neither full nor relative")
}

// readReasons reads the contents of a ReasonFlags, a BIT STRING.
func readReasons(b []byte) (m reasonMask, err error) {
	if len(b) < 1 || len(b) > 3 || b[0] > 7 || len(b) == 1 && b[0] != 0 {
		return 0, errors.New("the reasons of a distribution point are malformed")
	}
	for i := range (len(b)-1)*8 - int(b[0]) {
		if b[1+i/8]&(0x80>>(i%8)) != 0 {
			m |= 1 << i
		}
	}
	return m & allReasons, nil
}

// pointsOf are the distribution points of a certificate and the addresses of its deltas.
func pointsOf(cert *x509.Certificate) (points, deltas []point, err error) {
	for _, e := range cert.Extensions {
		into := &points
		switch {
		case e.Id.Equal([]int{2, 5, 29, 31}):
		case e.Id.Equal([]int{2, 5, 29, 46}):
			into = &deltas
		default:
			continue
		}
		if *into, err = readPoints(e.Value, cert.RawIssuer); err != nil {
			return nil, nil, fmt.Errorf("reading the distribution points of the certificate: %w", err)
		}
	}
	return points, deltas, nil
}

// ListIssuers are the names, in DER, of those who sign the lists of cert in its issuer's place (cRLIssuer). A certificate
// whose distribution points cannot be read names none.
func ListIssuers(cert *x509.Certificate) (names [][]byte) {
	points, _, err := pointsOf(cert)
	if err != nil {
		return nil
	}
	for _, p := range points {
		names = append(names, directories(p.issuers)...)
	}
	return names
}

// scope is an IssuingDistributionPoint (RFC 5280 section 5.2.5): what a list covers.
type scope struct {
	present        bool
	raw            []byte        // of the extension, to compare a delta with its base
	names          []generalName // empty if the list is not tied to a place
	onlyUsers      bool
	onlyCAs        bool
	onlyAttributes bool
	reasons        reasonMask // allReasons unless onlySomeReasons is there
	indirect       bool
}

func readScope(value cryptobyte.String, issuer []byte) (sc scope, err error) {
	sc = scope{present: true, raw: value, reasons: allReasons}
	var s, name, flags cryptobyte.String
	var hasName, hasReasons bool
	if !value.ReadASN1(&s, asn1.SEQUENCE) || !value.Empty() ||
		!s.ReadOptionalASN1(&name, &hasName, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!readFlag(&s, 1, &sc.onlyUsers) || !readFlag(&s, 2, &sc.onlyCAs) ||
		!s.ReadOptionalASN1(&flags, &hasReasons, asn1.Tag(3).ContextSpecific()) ||
		!readFlag(&s, 4, &sc.indirect) || !readFlag(&s, 5, &sc.onlyAttributes) || !s.Empty() {
		return sc, errors.New("the issuing distribution point is malformed")
	}
	if hasReasons {
		if sc.reasons, err = readReasons(flags); err != nil {
			return sc, err
		}
	}
	if hasName {
		sc.names, err = readPointName(name, issuer)
	}
	return sc, err
}

// readFlag reads an optional BOOLEAN under an implicit tag.
func readFlag(s *cryptobyte.String, number uint8, out *bool) bool {
	var contents cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&contents, &present, asn1.Tag(number).ContextSpecific()) {
		return false
	}
	if !present {
		return true
	}
	*out = len(contents) == 1 && contents[0] == 0xff
	return len(contents) == 1 && (contents[0] == 0 || contents[0] == 0xff)
}

// shareName reports whether two lists of names have one in common.
func shareName(a, b []generalName) bool {
	for _, x := range a {
		for _, y := range b {
			if x.key == y.key {
				return true
			}
		}
	}
	return false
}

// covers says whether a list is one for the certificate at this point: RFC 5280 section 6.3.3 (b). The text says why
// not; it is empty if the list covers it.
func (c *CRL) covers(p point, cert *x509.Certificate, certIssuerKey string) string {
	if len(p.issuers) > 0 {
		if !shareName(p.issuers, []generalName{{key: "dn:" + c.issuerKey}}) {
			return "its issuer is not the one that the certificate names"
		}
		if !c.scope.indirect && c.issuerKey != certIssuerKey {
			return "it is not an indirect list"
		}
	} else if c.issuerKey != certIssuerKey {
		return "its issuer is another than the certificate's"
	}
	sc := c.scope
	if !sc.present {
		return ""
	}
	if len(sc.names) > 0 {
		names := p.names
		switch {
		case p.implied:
			names = []generalName{{key: "dn:" + certIssuerKey}}
		case len(names) == 0:
			names = p.issuers
		}
		if !shareName(sc.names, names) {
			return "it covers another part of the certificates"
		}
	}
	switch {
	case sc.onlyAttributes:
		return "it covers attribute certificates only"
	case sc.onlyUsers && isCA(cert):
		return "it does not cover authorities"
	case sc.onlyCAs && !isCA(cert):
		return "it covers authorities only"
	}
	return ""
}

func isCA(cert *x509.Certificate) bool { return cert.BasicConstraintsValid && cert.IsCA }

// sameScope reports whether a delta covers what its base covers: RFC 5280 section 6.3.3 (c).
func (c *CRL) sameScope(d *CRL) bool {
	return c.issuerKey == d.issuerKey && c.scope.present == d.scope.present && bytes.Equal(c.scope.raw, d.scope.raw) &&
		bytes.Equal(c.keyID, d.keyID)
}
