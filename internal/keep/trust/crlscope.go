package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A reasonSet is a set of the reasons of RFC 5280 section 4.2.1.13, bit 1 for keyCompromise to bit 8 for aACompromise.
type reasonSet uint16

const allReasons reasonSet = 0x1fe

// An issuingPoint is the scope of a partitioned CRL, RFC 5280 section 5.2.5.
type issuingPoint struct {
	names                                []general // in comparable form; empty if it is not bound to a distribution point
	user, authority, attribute, indirect bool
	reasons                              reasonSet
}

// A distributionPoint says where the CRLs of a certificate are, RFC 5280 section 4.2.1.13.
type distributionPoint struct {
	names   []general // in comparable form
	issuers [][]byte  // cRLIssuer in normal form; empty if the CRL is the certificate issuer's own
	reasons reasonSet
}

func tagged(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

func parseIssuingPoint(der, issuer []byte) (*issuingPoint, error) {
	malformed := errors.New("malformed issuingDistributionPoint")
	s := cryptobyte.String(der)
	var body, name cryptobyte.String
	var hasName bool
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() || !body.ReadOptionalASN1(&name, &hasName, tagged(0).Constructed()) {
		return nil, malformed
	}
	p := &issuingPoint{reasons: allReasons}
	var err error
	if hasName {
		if p.names, err = pointNames(name, issuer); err != nil {
			return nil, err
		}
	}
	if p.user, err = readFlag(&body, 1); err != nil {
		return nil, err
	}
	if p.authority, err = readFlag(&body, 2); err != nil {
		return nil, err
	}
	if p.reasons, err = readReasons(&body, 3); err != nil {
		return nil, err
	}
	if p.indirect, err = readFlag(&body, 4); err != nil {
		return nil, err
	}
	if p.attribute, err = readFlag(&body, 5); err != nil || !body.Empty() {
		return nil, malformed
	}
	return p, nil
}

func readFlag(s *cryptobyte.String, tag uint8) (bool, error) {
	var value cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&value, &present, tagged(tag)) || present && len(value) != 1 {
		return false, errors.New("malformed issuingDistributionPoint")
	}
	return present && value[0] != 0, nil
}

// readReasons reads an IMPLICIT BIT STRING; absent means all.
func readReasons(s *cryptobyte.String, tag uint8) (reasonSet, error) {
	var value cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&value, &present, tagged(tag)) || present && (len(value) == 0 || value[0] > 7) {
		return 0, errors.New("malformed reasons")
	}
	if !present {
		return allReasons, nil
	}
	var set reasonSet
	for i := range 9 {
		if octet := 1 + i/8; octet < len(value) && value[octet]&(0x80>>(i%8)) != 0 {
			set |= 1 << i
		}
	}
	return set & allReasons, nil
}

// pointNames reads a DistributionPointName. A name relative to the issuer of the CRL is made whole, RFC 5280 section
// 4.2.1.13.
func pointNames(s cryptobyte.String, issuer []byte) ([]general, error) {
	var full, relative cryptobyte.String
	var hasFull, hasRelative bool
	if !s.ReadOptionalASN1(&full, &hasFull, tagged(0).Constructed()) ||
		!s.ReadOptionalASN1(&relative, &hasRelative, tagged(1).Constructed()) || !s.Empty() || hasFull == hasRelative {
		return nil, errors.New("malformed name of a distribution point")
	}
	if hasFull {
		names, err := readGenerals(full)
		for i := range names {
			names[i] = foldedGeneral(names[i])
		}
		return names, err
	}
	rdn, ok := normalRDN(relative)
	rdns, whole := normalRDNs(issuer)
	if !ok || !whole {
		return nil, errors.New("malformed relative name of a distribution point")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, part := range append(rdns, rdn) {
			b.AddBytes(part)
		}
	})
	name, err := b.Bytes()
	return []general{{kindDirectory, string(name)}}, err
}

// foldedGeneral makes names comparable by their octets.
func foldedGeneral(g general) general {
	switch g.kind {
	case kindDirectory:
		g.value = string(normalName([]byte(g.value)))
	case kindDNS, kindMail:
		g.value = strings.ToLower(g.value)
	}
	return g
}

// pointsOf lists the distribution points of cert, and after them the one that RFC 5280 section 6.3.3 adds: any CRL of
// its issuer.
func pointsOf(cert *x509.Certificate) ([]distributionPoint, error) {
	var points []distributionPoint
	if ext := extension(cert, extDistributionPoints); ext != nil {
		s := cryptobyte.String(ext.Value)
		var list cryptobyte.String
		if !s.ReadASN1(&list, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed distribution points")
		}
		for !list.Empty() {
			p, err := readPoint(&list, cert.RawIssuer)
			if err != nil {
				return nil, err
			}
			points = append(points, p)
		}
	}
	implied := distributionPoint{names: []general{{kindDirectory, string(normalName(cert.RawIssuer))}}, reasons: allReasons}
	return append(points, implied), nil
}

func readPoint(list *cryptobyte.String, certIssuer []byte) (distributionPoint, error) {
	malformed := errors.New("malformed distribution point")
	var body, name, issuers cryptobyte.String
	var hasName, hasIssuers bool
	if !list.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadOptionalASN1(&name, &hasName, tagged(0).Constructed()) {
		return distributionPoint{}, malformed
	}
	reasons, err := readReasons(&body, 1)
	if err != nil || !body.ReadOptionalASN1(&issuers, &hasIssuers, tagged(2).Constructed()) || !body.Empty() {
		return distributionPoint{}, malformed
	}
	p := distributionPoint{reasons: reasons}
	relativeTo := certIssuer
	if hasIssuers {
		names, err := readGenerals(issuers)
		if err != nil {
			return distributionPoint{}, err
		}
		for _, g := range names {
			if g.kind == kindDirectory {
				p.issuers = append(p.issuers, normalName([]byte(g.value)))
				relativeTo = []byte(g.value)
			}
		}
	}
	if hasName {
		p.names, err = pointNames(name, relativeTo)
	}
	return p, err
}

// covers says why c is not a CRL for cert at this point; empty means that it is one. RFC 5280 section 6.3.3 (b).
func (p distributionPoint) covers(c *crl, cert *x509.Certificate) string {
	if len(p.issuers) > 0 {
		if !slices.ContainsFunc(p.issuers, func(n []byte) bool { return bytes.Equal(n, c.issuer) }) {
			return "it is of another issuer"
		}
		if c.point == nil || !c.point.indirect {
			return "it is not an indirect CRL"
		}
	} else if !bytes.Equal(c.issuer, normalName(cert.RawIssuer)) {
		return "it is of another issuer"
	}
	if c.point == nil {
		return ""
	}
	if len(c.point.names) > 0 {
		have := p.names
		if len(have) == 0 {
			for _, n := range p.issuers {
				have = append(have, general{kindDirectory, string(n)})
			}
		}
		if !slices.ContainsFunc(c.point.names, func(g general) bool { return slices.Contains(have, g) }) {
			return "it is for another distribution point"
		}
	}
	authority := cert.BasicConstraintsValid && cert.IsCA
	switch {
	case c.point.user && authority:
		return "it is for certificates that are no authorities"
	case c.point.authority && !authority:
		return "it is for certificates of authorities"
	case c.point.attribute:
		return "it is for attribute certificates"
	}
	return ""
}
