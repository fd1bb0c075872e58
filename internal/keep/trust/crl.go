package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The extensions of RFC 5280 section 5 by their last number under 2.5.29.
var (
	extCRLNumber          = asn1.ObjectIdentifier{2, 5, 29, 20}
	extReasonCode         = asn1.ObjectIdentifier{2, 5, 29, 21}
	extInvalidityDate     = asn1.ObjectIdentifier{2, 5, 29, 24}
	extDeltaIndicator     = asn1.ObjectIdentifier{2, 5, 29, 27}
	extIssuingPoint       = asn1.ObjectIdentifier{2, 5, 29, 28}
	extCertificateIssuer  = asn1.ObjectIdentifier{2, 5, 29, 29}
	extDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
)

// A crl is a parsed list with what crypto/x509 leaves unread.
type crl struct {
	list    *x509.RevocationList
	issuer  []byte        // in normal form
	point   *issuingPoint // nil if it covers all certificates of its issuer
	rawIDP  []byte        // for RFC 5280 section 6.3.3 (c) (2): a delta has the same
	base    *big.Int      // BaseCRLNumber of a delta; nil for a complete list
	strange string        // why it must not be used to call a certificate good; empty if it may
	entries map[string][]entry
}

// An entry is one revoked certificate. In an indirect CRL it can be anybody's.
type entry struct {
	issuer []byte // in normal form
	reason int
	since  time.Time
}

// reasonRemoved is removeFromCRL of RFC 5280 section 5.3.1.
const reasonRemoved = 8

func parseCRL(der []byte) (*crl, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	if len(list.Raw) != len(der) {
		return nil, errors.New("octets after the list")
	}
	c := &crl{list: list, issuer: normalName(list.RawIssuer), entries: make(map[string][]entry, len(list.RevokedCertificateEntries))}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(extIssuingPoint):
			if c.point, err = parseIssuingPoint(e.Value, list.RawIssuer); err != nil {
				return nil, err
			}
			c.rawIDP = e.Value
		case e.Id.Equal(extDeltaIndicator):
			s := cryptobyte.String(e.Value)
			c.base = new(big.Int)
			if !s.ReadASN1Integer(c.base) || !s.Empty() {
				return nil, errors.New("malformed deltaCRLIndicator")
			}
		case e.Id.Equal(extCRLNumber) && e.Critical:
			c.strange = "its cRLNumber is critical" // RFC 5280 section 5.2.3
		case e.Critical:
			// RFC 5280 section 5.2: it must not be used to determine the status of certificates.
			c.strange = fmt.Sprintf("it has the critical extension %s, which is not known", e.Id)
		}
	}
	if list.Number == nil {
		c.strange = "it has no cRLNumber" // RFC 5280 section 5.2.3
	}
	return c, c.index()
}

// index makes the entries searchable. RFC 5280 section 5.3.3: in an indirect CRL an entry without certificateIssuer is
// of the same issuer as the one before it.
func (c *crl) index() error {
	issuer := c.issuer
	for _, e := range c.list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			switch {
			case x.Id.Equal(extCertificateIssuer):
				name, err := directoryNameOf(x.Value)
				if err != nil {
					return err
				}
				if c.point == nil || !c.point.indirect {
					c.strange = "it has entries of other issuers and does not say that it is indirect"
				}
				issuer = name
			case x.Critical && !x.Id.Equal(extReasonCode) && !x.Id.Equal(extInvalidityDate):
				// RFC 5280 section 5.3: the same as for the list.
				c.strange = fmt.Sprintf("an entry has the critical extension %s, which is not known", x.Id)
			}
		}
		key := string(e.SerialNumber.Bytes())
		c.entries[key] = append(c.entries[key], entry{issuer: issuer, reason: e.ReasonCode, since: e.RevocationTime})
	}
	return nil
}

// find looks a certificate up by issuer and serial number.
func (c *crl) find(cert *x509.Certificate) (entry, bool) {
	issuer := normalName(cert.RawIssuer)
	for _, e := range c.entries[string(cert.SerialNumber.Bytes())] {
		if bytes.Equal(e.issuer, issuer) {
			return e, true
		}
	}
	return entry{}, false
}

// directoryNameOf takes a GeneralNames that holds one directory name, and returns that in normal form.
func directoryNameOf(der []byte) ([]byte, error) {
	s := cryptobyte.String(der)
	var body cryptobyte.String
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, errors.New("malformed certificateIssuer")
	}
	names, err := readGenerals(body)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(names, func(g general) bool { return g.kind == kindDirectory })
	if i < 0 {
		return nil, errors.New("certificateIssuer without a directory name")
	}
	return normalName([]byte(names[i].value)), nil
}

// reasonWord is the name that RFC 5280 section 5.3.1 gives a reason.
func reasonWord(code int) string {
	words := []string{"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
		"certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise"}
	if code < 0 || code >= len(words) {
		return ""
	}
	return words[code]
}
