package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxAgeWithoutNext is how long an OCSP answer holds that does not say how long (RFC 6960 section 4.2.2.1: newer
// information is available all the time, so it could be less, but then nothing could be kept).
const maxAgeWithoutNext = 24 * time.Hour

// signedBy finds who signed the response, with the authority to do so: RFC 6960 section 4.2.2.2. That is the issuer of
// the certificate that was asked about, or the holder of a certificate that this very issuer signed for the purpose.
// The delegate is nil if it was the issuer.
func (r *response) signedBy(issuer *x509.Certificate, at time.Time) (delegate *x509.Certificate, err error) {
	if r.algorithm == (signatureAlgorithm{}) {
		return nil, &SignatureError{Cause: errors.New("its algorithm is unknown")}
	}
	if r.isFrom(issuer) {
		if err = r.algorithm.verify(r.tbs, r.signature, issuer.PublicKey); err == nil {
			return nil, nil
		}
	}
	for _, cert := range r.certs {
		if !r.isFrom(cert) {
			continue
		}
		if err = delegated(cert, issuer, at); err != nil {
			continue
		}
		if err = r.algorithm.verify(r.tbs, r.signature, cert.PublicKey); err == nil {
			return cert, nil
		}
	}
	if err == nil {
		err = errors.New("the responder's certificate is not at hand")
	}
	return nil, &SignatureError{Cause: err}
}

// isFrom compares the ResponderID with a certificate.
func (r *response) isFrom(cert *x509.Certificate) bool {
	if r.byKey != nil {
		bits, err := keyBits(cert)
		return err == nil && bytes.Equal(digest(crypto.SHA1, bits), r.byKey)
	}
	want, err := nameKey(r.byName)
	if err != nil {
		return false
	}
	got, err := nameKey(cert.RawSubject)
	return err == nil && got == want
}

// delegated says why a certificate does not make its holder a responder for issuer; nil if it does.
func delegated(cert, issuer *x509.Certificate, at time.Time) error {
	switch {
	case !bytes.Equal(cert.RawIssuer, issuer.RawSubject):
		return errors.New("the responder's certificate is of another issuer")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning): // anyExtendedKeyUsage is not enough
		return errors.New("the responder's certificate is not for OCSP")
	case cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return errors.New("the responder's key is not for signing")
	case at.Before(cert.NotBefore.Add(-skew)) || at.After(cert.NotAfter.Add(skew)):
		return errors.New("the responder's certificate has expired or is not valid yet")
	case len(cert.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("the responder's certificate has the unknown critical extension %v", cert.UnhandledCriticalExtensions[0])
	}
	if err := cert.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("the responder's certificate: %w", err)
	}
	return nil
}

// noCheck reports whether the issuer says that nobody needs to ask whether the responder was revoked (RFC 6960
// section 4.2.2.2.1).
func noCheck(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal([]int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}) {
			return true
		}
	}
	return false
}

// judge turns a response into a finding about a certificate. nonce is what was sent, nil if none was. The delegate
// whose word it is, if it is not the issuer's own, is returned too: he may be revoked himself.
func (r *response) judge(q Query, source string, nonce []byte) (f Finding, delegate *x509.Certificate, err error) {
	a, err := r.find(q.Cert, q.Issuer)
	if err != nil {
		return f, nil, err
	}
	// A nonce that is not ours is an old answer that somebody kept. None at all is what responders send that sign
	// beforehand, and then the times must do (RFC 9654 section 2.1).
	if nonce != nil && r.nonce != nil && !bytes.Equal(nonce, r.nonce) {
		return f, nil, errors.New("its nonce is not the one that was sent")
	}
	if delegate, err = r.signedBy(q.Issuer, q.At); err != nil {
		return f, nil, err
	}
	f = Finding{Status: a.status, Source: source, RevokedAt: a.revokedAt, Reason: a.reason, ThisUpdate: a.thisUpdate, NextUpdate: a.nextUpdate}
	switch {
	case r.producedAt.After(q.At.Add(skew)) || a.thisUpdate.After(q.At.Add(skew)):
		err = fmt.Errorf("it is from %s, after the time in question", a.thisUpdate.Format(time.RFC3339))
	case !a.nextUpdate.IsZero() && a.nextUpdate.Before(a.thisUpdate):
		err = errors.New("it ends before it begins")
	case !a.nextUpdate.IsZero() && a.nextUpdate.Add(skew).Before(q.At):
		err = fmt.Errorf("%w: it held until %s", ErrOutdated, a.nextUpdate.Format(time.RFC3339))
	case a.nextUpdate.IsZero() && a.thisUpdate.Add(maxAgeWithoutNext).Before(q.At):
		err = fmt.Errorf("%w: it is from %s and does not say how long it holds", ErrOutdated, a.thisUpdate.Format(time.RFC3339))
	}
	if err == nil && a.status == Unknown {
		err = errors.New("the responder does not know the certificate")
	}
	// What was revoked once stays revoked, as with lists.
	if err != nil && f.Status == Revoked && f.Reason != CertificateHold && !f.RevokedAt.After(q.At) {
		f.Why = fmt.Sprintf("the responder %s said so, although %v", source, err)
		return f, delegate, nil
	}
	return f, delegate, err
}
