package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// RequestAuthority makes the request (PKCS #10) of an issuing authority to the authority above it: the extensions that its
// certificate shall have stand in it, and whoever certifies it may leave some of them out. o needs no key: it is signer's.
func RequestAuthority(o AuthorityOptions, signer crypto.Signer) ([]byte, error) {
	if o.Purpose == PurposeRoot {
		return nil, fmt.Errorf("a request for a root, which nobody certifies: %w", ErrIssuer)
	}
	o.Key = signer.Public()
	subject, err := o.subject()
	if err != nil {
		return nil, err
	}
	algorithm, ok := x509cert.SignatureAlgorithm(o.Key)
	if !ok {
		return nil, &KeyError{KeyType: x509cert.KeyType(o.Key), Reason: "no authority signs with it"}
	}
	all, err := o.extensions(nil, nil)
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{RawSubject: subject, SignatureAlgorithm: algorithm}
	for _, e := range all {
		switch {
		case e.id.Equal(ce(arcSubjectKeyID)), e.id.Equal(ce(arcAuthorityKeyID)), e.id.Equal(ce(arcCRLPoints)), e.id.Equal(oidAuthorityInfo()):
			continue // whoever certifies it knows better
		}
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: e.id, Critical: e.critical, Value: e.value})
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the request of the authority for %s: %w", o.Purpose, err)
	}
	read, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = read.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("reading back the request of the authority for %s: %w", o.Purpose, err)
	}
	return der, nil
}

// SubordinateError says why a certificate cannot be that of an issuing authority here.
type SubordinateError struct {
	Subject string // of the certificate that is wrong, which may be one above it
	Reason  string
}

// Error names the certificate first.
func (e *SubordinateError) Error() string {
	return fmt.Sprintf("certificate of %q: %s", clip(e.Subject), e.Reason)
}

// Subordinate is what somebody else has certified, on its way in.
type Subordinate struct {
	Purpose     Purpose
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // those above it, each after what it has certified, to a root that signs itself
	Now         time.Time
}

// Judge refuses, with a [*SubordinateError], what clients would not accept below, and returns what is worth knowing.
// That the key is ours is the caller's to see.
func (s Subordinate) Judge(public *keys.PublicJudge) (warnings []string, err error) {
	c := s.Certificate
	bad := func(c *x509.Certificate, format string, a ...any) ([]string, error) {
		return nil, &SubordinateError{Subject: x509cert.SubjectText(c.Subject), Reason: fmt.Sprintf(format, a...)}
	}
	if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return bad(c, "it is not for an authority (basicConstraints CA and keyUsage keyCertSign)")
	}
	if c.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return bad(c, "it may not sign revocation lists (keyUsage cRLSign)")
	}
	if len(c.SubjectKeyId) == 0 {
		return bad(c, "it has no subjectKeyIdentifier (RFC 5280 section 4.2.1.2)")
	}
	if main := s.Purpose.usages(); len(main) > 0 && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
		if !slices.Contains(x509cert.Inspect(c).Usages, string(main[0])) {
			return bad(c, "its extended key usages leave out %s, so nothing below it is good for that", main[0])
		}
	}
	all := append([]*x509.Certificate{c}, s.Chain...)
	below := 0 // authorities between this one and what is issued at the end
	for n, x := range all {
		self := string(x.RawSubject) == string(x.RawIssuer)
		switch {
		case s.Now.Before(x.NotBefore):
			return bad(x, "its life begins only on %s", x.NotBefore.UTC().Format(time.DateOnly))
		case s.Now.After(x.NotAfter):
			return bad(x, "it has ended on %s", x.NotAfter.UTC().Format(time.DateOnly))
		case !x.IsCA || !x.BasicConstraintsValid:
			return bad(x, "it is not an authority's")
		case (x.MaxPathLen > 0 || x.MaxPathLenZero) && below > x.MaxPathLen:
			// RFC 5280 section 4.2.1.9: how many authorities may stand between it and the end.
			return bad(x, "its path length is %d, and %d would stand below it", x.MaxPathLen, below)
		}
		if err := public.Judge(x.PublicKey); err != nil {
			return bad(x, "%v", err)
		}
		if !self && weakSignature(x.SignatureAlgorithm) {
			return bad(x, "it is signed with %s, which is broken", x.SignatureAlgorithm)
		}
		if n+1 < len(all) {
			if err := x.CheckSignatureFrom(all[n+1]); err != nil {
				return bad(x, "it is not signed by %s: %v", x509cert.SubjectText(all[n+1].Subject), err)
			}
		}
		if !self {
			below++
		}
	}
	if last := all[len(all)-1]; len(s.Chain) == 0 || string(last.RawSubject) != string(last.RawIssuer) {
		return bad(last, "its issuer is not among the files: %s", x509cert.SubjectText(last.Issuer))
	}
	if !constrains(all) {
		warnings = append(warnings, fmt.Sprintf("%s has no name constraints: whoever gets its key can certify any name, and only our profiles keep it to our domains", x509cert.SubjectText(c.Subject)))
	}
	if !c.MaxPathLenZero {
		warnings = append(warnings, fmt.Sprintf("%s has no path length of 0: it could certify further authorities", x509cert.SubjectText(c.Subject)))
	}
	if left := c.NotAfter.Sub(s.Now); left < 365*day {
		warnings = append(warnings, fmt.Sprintf("%s ends in %d days, and everything that it issues with it", x509cert.SubjectText(c.Subject), int(left/day)))
	}
	return warnings, nil
}

// constrains says whether one of them keeps the names of hosts to some domains.
func constrains(all []*x509.Certificate) bool {
	return slices.ContainsFunc(all, func(c *x509.Certificate) bool { return len(c.PermittedDNSDomains) > 0 })
}

// weakSignature says whether two certificates with one signature can be made.
func weakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1, x509.UnknownSignatureAlgorithm:
		return true
	}
	return false
}
