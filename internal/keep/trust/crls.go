package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// CRLs is a [Revocation] that has nothing but the lists it was given. It fetches nothing.
type CRLs struct {
	complete, delta []*crl
	unreadable      string // why one of them could not be read; it may have been the one that matters
}

// MaxCRLBytes bounds one list.
const MaxCRLBytes = 256 << 20

// NewCRLs parses lists in DER. One that cannot be read does not spoil the others, but while it is there, no certificate
// whose status it may have held is called good: [CRLs.Check] says so.
func NewCRLs(lists ...[]byte) *CRLs {
	s := &CRLs{}
	for i, der := range lists {
		var c *crl
		err := fmt.Errorf("longer than %d MiB", MaxCRLBytes>>20)
		if len(der) <= MaxCRLBytes {
			c, err = parseCRL(der)
		}
		switch {
		case err != nil:
			s.unreadable = fmt.Sprintf("list %d cannot be read: %s", i+1, clip(err.Error()))
		case c.base != nil:
			s.delta = append(s.delta, c)
		default:
			s.complete = append(s.complete, c)
		}
	}
	return s
}

// Check follows RFC 5280 section 6.3.3: every distribution point of the certificate, every list that covers it, until a
// list names the certificate or all reasons are covered.
func (s *CRLs) Check(ctx context.Context, link Link) Finding {
	points, err := pointsOf(link.Cert)
	if err != nil {
		return Finding{State: StateUnknown, Why: "its " + err.Error(), Refused: true}
	}
	var seen reasonSet
	unknown := Finding{State: StateUnknown, Why: "no CRL of " + issuerOf(link.Cert) + " covers it"}
	if s.unreadable != "" {
		unknown = Finding{State: StateUnknown, Why: s.unreadable, Refused: true}
	}
	for _, point := range points {
		for _, c := range s.complete {
			if ctx.Err() != nil {
				return Finding{State: StateUnknown, Why: "the check was interrupted"}
			}
			interim := point.reasons
			if c.point != nil {
				interim &= c.point.reasons
			}
			if interim&^seen == 0 || point.covers(c, link.Cert) != "" {
				continue
			}
			finding := s.ask(ctx, c, link)
			if finding.State == StateRevoked {
				return finding
			}
			if finding.State != StateGood {
				if finding.Refused || !unknown.Refused {
					unknown = finding
				}
				continue
			}
			if seen |= interim; seen == allReasons {
				return finding
			}
		}
	}
	if seen != 0 {
		unknown.Why = "the CRLs of " + issuerOf(link.Cert) + " do not cover all reasons"
	}
	return unknown
}

// ask reads one complete list that covers the certificate, and the delta that belongs to it.
func (s *CRLs) ask(ctx context.Context, c *crl, link Link) Finding {
	refused := func(why string) Finding {
		return Finding{State: StateUnknown, Why: "the CRL of " + quoteIssuer(c) + " cannot be believed: " + why, Refused: true, AsOf: c.list.ThisUpdate}
	}
	signer, why := s.signer(ctx, c, link)
	if signer == nil {
		return refused(why)
	}
	delta := s.deltaOf(c, signer, link.At)
	found, listed := c.find(link.Cert)
	if delta != nil {
		if e, ok := delta.find(link.Cert); ok {
			found, listed = e, e.reason != reasonRemoved
		}
	}
	// A list that is old or strange still says truly that a certificate was revoked: RFC 5280 sections 5.2 and 5.3.
	if listed && found.reason != reasonRemoved && !found.since.After(link.At) {
		return Finding{State: StateRevoked, Reason: reasonWord(found.reason), Since: found.since, AsOf: c.list.ThisUpdate}
	}
	switch {
	case c.strange != "":
		return refused(c.strange)
	case delta != nil && delta.strange != "":
		return refused("of its delta, " + delta.strange)
	case c.current(link.At), delta != nil && delta.current(link.At):
		return Finding{State: StateGood, AsOf: c.list.ThisUpdate}
	case c.list.ThisUpdate.After(link.At):
		return Finding{State: StateUnknown, Why: "the CRL of " + quoteIssuer(c) + " is of " + moment(c.list.ThisUpdate) + ", later than the moment asked for", AsOf: c.list.ThisUpdate}
	}
	return Finding{State: StateUnknown, Why: "the CRL of " + quoteIssuer(c) + " is too old, it was good until " + moment(c.list.NextUpdate), AsOf: c.list.ThisUpdate}
}

// current: RFC 5280 section 5.1.2.5 wants nextUpdate; without it a list is never current.
func (c *crl) current(at time.Time) bool {
	return !at.Before(c.list.ThisUpdate) && !at.After(c.list.NextUpdate)
}

// deltaOf finds the newest delta that can be put on top of c: RFC 5280 sections 5.2.4 and 6.3.3 (c) and (h).
func (s *CRLs) deltaOf(c *crl, signer *x509.Certificate, at time.Time) *crl {
	var best *crl
	for _, d := range s.delta {
		switch {
		case c.list.Number == nil || d.list.Number == nil || !bytes.Equal(d.issuer, c.issuer) || !bytes.Equal(d.rawIDP, c.rawIDP),
			!bytes.Equal(d.list.AuthorityKeyId, c.list.AuthorityKeyId), d.base.Cmp(c.list.Number) > 0, c.list.Number.Cmp(d.list.Number) >= 0,
			!d.current(at), checkCRLSignature(d, signer) != nil:
		case best == nil || best.list.Number.Cmp(d.list.Number) < 0:
			best = d
		}
	}
	return best
}

// signer finds who signed the list and may: the issuer itself, or a certificate of the list's issuer with a good chain to
// the same anchor (RFC 5280 section 6.3.3 (f) and (g)). If it is nil, the text says why.
func (s *CRLs) signer(ctx context.Context, c *crl, link Link) (*x509.Certificate, string) {
	why := "its signer is not known"
	for _, candidate := range slices.Concat(link.Above, link.Others) {
		if !bytes.Equal(normalName(candidate.RawSubject), c.issuer) {
			continue
		}
		if checkCRLSignature(c, candidate) != nil {
			why = "its signature is not that of its issuer"
			continue
		}
		// RFC 5280 section 6.3.3 (f): asked only if there is a key usage.
		if extension(candidate, extKeyUsage) != nil && candidate.KeyUsage&x509.KeyUsageCRLSign == 0 {
			why = "its issuer must not sign CRLs by its key usage"
			continue
		}
		if containsCert(link.Above, candidate) {
			return candidate, "" // its chain is the one that is being judged
		}
		if err := link.Vouch(ctx, candidate, s); err != nil {
			why = clip(err.Error())
			continue
		}
		return candidate, ""
	}
	return nil, why
}

// checkCRLSignature verifies with a certificate that need not be an authority. CheckSignature would take SHA-1.
func checkCRLSignature(c *crl, signer *x509.Certificate) error {
	if a := c.list.SignatureAlgorithm; insecure(a) {
		return x509.InsecureAlgorithmError(a)
	}
	return signer.CheckSignature(c.list.SignatureAlgorithm, c.list.RawTBSRevocationList, c.list.Signature)
}

func quoteIssuer(c *crl) string { return quote(c.list.Issuer.String()) }
