package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"time"
)

// How much of a certificate's own words crypto/x509 hears while it builds chains.
type hearing int

const (
	// strict leaves the validity and the right to sign, so that dead ends are left early: crypto/x509 tries at most 100
	// signatures for one certificate, and expired or unfit issuers shall not use them up.
	strict hearing = iota
	// lenient leaves nothing. Chains are built over faulty issuers too, and their faults can be told.
	lenient
)

var extNameConstraints = []int{2, 5, 29, 30}

// stripped returns a copy of cert that crypto/x509 can chain by RFC 5280 section 7.1 and takes no offence at. What is
// taken away is judged in this package. The copy keeps the signed octets, so signatures verify as before.
func stripped(cert *x509.Certificate, h hearing) *x509.Certificate {
	c := *cert
	c.RawSubject, c.RawIssuer = normalName(cert.RawSubject), normalName(cert.RawIssuer)
	c.MaxPathLen, c.MaxPathLenZero = -1, false // crypto/x509 counts self-issued certificates too
	c.UnhandledCriticalExtensions = nil
	if slices.ContainsFunc(cert.Extensions, isNameConstraints) {
		c.Extensions = slices.DeleteFunc(slices.Clone(cert.Extensions), isNameConstraints)
	}
	stripPolicies(&c)
	if h == lenient {
		c.NotBefore, c.NotAfter = time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		c.Version, c.BasicConstraintsValid, c.IsCA, c.KeyUsage = 3, true, true, 0
	}
	return &c
}

func isNameConstraints(e pkix.Extension) bool { return e.Id.Equal(extNameConstraints) }

func stripPolicies(c *x509.Certificate) {
	c.Policies, c.PolicyMappings = nil, nil
	c.RequireExplicitPolicy, c.RequireExplicitPolicyZero = 0, false
	c.InhibitAnyPolicy, c.InhibitAnyPolicyZero = 0, false
	c.InhibitPolicyMapping, c.InhibitPolicyMappingZero = 0, false
}

// chains returns every chain that crypto/x509 finds from leaf to an anchor, the shortest first. There may be none.
func (a *anchorage) chains(leaf *x509.Certificate, others []*x509.Certificate, at time.Time, h hearing) [][]*x509.Certificate {
	original := map[*x509.Certificate]*x509.Certificate{}
	pool := x509.NewCertPool()
	for _, cert := range others {
		if h == strict && deadEnd(cert, at) {
			continue // crypto/x509 would verify a signature before it sees that
		}
		c := stripped(cert, h)
		original[c] = cert
		pool.AddCert(c)
	}
	roots := a.strict
	if h == lenient {
		roots = a.lenient
	}
	copied := stripped(leaf, lenient) // its own faults are faults of every chain
	original[copied] = leaf
	found, err := copied.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil // why, says [diagnose]
	}
	chains := make([][]*x509.Certificate, 0, len(found))
	for _, chain := range found {
		whole := make([]*x509.Certificate, len(chain))
		for i, c := range chain {
			if whole[i] = original[c]; whole[i] == nil {
				whole[i] = a.original[c]
			}
		}
		chains = append(chains, whole)
	}
	slices.SortStableFunc(chains, func(x, y []*x509.Certificate) int { return len(x) - len(y) })
	return chains
}

// deadEnd means that crypto/x509 would not take an issuer, whatever signatures say.
func deadEnd(cert *x509.Certificate, at time.Time) bool {
	return at.Before(cert.NotBefore) || at.After(cert.NotAfter) || cert.Version == 3 && (!cert.BasicConstraintsValid || !cert.IsCA) ||
		cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0
}

// selfIssued means that subject and issuer are one name, RFC 5280 section 6.1.
func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, cert.RawSubject) || bytes.Equal(normalName(cert.RawIssuer), normalName(cert.RawSubject))
}

// selfSigned means that its own key made its signature. Authority or not does not matter here.
func selfSigned(cert *x509.Certificate) bool { return selfIssued(cert) && signsItself(cert) }

// signsItself means that its own key made its signature, whatever its names are.
func signsItself(cert *x509.Certificate) bool {
	return stripped(cert, lenient).CheckSignatureFrom(stripped(cert, lenient)) == nil
}
