package ca

import (
	"crypto/x509"
	"fmt"

	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/signed"
)

// CertifyRoot certifies another root of the organisation, its successor: whoever trusts only i accepts what stands below
// it. The certificate ends with the one of the two that ends first. It has no constraints, as its own has none.
func (i *Issuer) CertifyRoot(root *x509.Certificate, crl, issuers string, plan func(Planned) error) ([]byte, error) {
	if i.purpose != PurposeRoot || !root.IsCA || root.CheckSignatureFrom(root) != nil {
		return nil, fmt.Errorf("certifying a root by an authority for %s: %w", i.purpose, ErrIssuer)
	}
	if _, err := signed.AlgorithmOf(root.PublicKey); err != nil {
		return nil, err
	}
	ends := i.cert.NotAfter
	if root.NotAfter.Before(ends) {
		ends = root.NotAfter
	}
	o := AuthorityOptions{Purpose: PurposeRoot, Subject: root.Subject, Key: root.PublicKey, CRL: crl, Issuers: issuers, Plan: plan, crossed: true}
	raw, cert, err := i.certifyAuthority(o, ends)
	if err != nil {
		return nil, err
	}
	if x509cert.SubjectText(cert.Subject) != x509cert.SubjectText(root.Subject) || string(cert.RawSubject) != string(root.RawSubject) {
		return nil, fmt.Errorf("the root's name would not be the same octets: %w", ErrIssuer)
	}
	return raw, nil
}
