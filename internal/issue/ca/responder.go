package ca

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"postseal/internal/ground/x509cert"
)

// ResponderLife is how long a signer of OCSP answers lives. It cannot be revoked (id-pkix-ocsp-nocheck), so it is short.
const ResponderLife = 30 * day

// CertifyResponder makes the certificate of a key that signs OCSP answers in the authority's name (RFC 6960 section
// 4.2.2.2): the authority's own key is then not touched by what strangers ask. The key must not be the authority's.
// plan, if not nil, is as in [AuthorityOptions].
func (i *Issuer) CertifyResponder(pub crypto.PublicKey, now time.Time, plan func(Planned) error) (*x509.Certificate, error) {
	if i.purpose == PurposeRoot {
		return nil, fmt.Errorf("a responder below a root: what it issues is named in its list: %w", ErrIssuer)
	}
	if same, ok := pub.(interface{ Equal(crypto.PublicKey) bool }); !ok || same.Equal(i.cert.PublicKey) {
		return nil, &KeyError{KeyType: x509cert.KeyType(pub), Reason: "a responder has a key of its own"}
	}
	info, keyID, err := publicKeyInfo(pub)
	if err != nil {
		return nil, err
	}
	subject, err := asn1.Marshal(pkix.Name{CommonName: "OCSP"}.ToRDNSequence())
	if err != nil {
		return nil, fmt.Errorf("encoding the subject: %w", err)
	}
	usages, err := extKeyUsage([]x509cert.Usage{x509cert.UsageOCSPSigning})
	if err != nil {
		return nil, err
	}
	b := body{serial: newSerial(now), signature: i.algorithm.Identifier, issuer: i.cert.RawSubject, subject: subject, publicKey: info,
		notBefore: now.UTC().Truncate(time.Second).Add(-Backdate),
		extensions: []extension{
			{ce(arcAuthorityKeyID), false, authorityKeyID(i.keyID)},
			{ce(arcSubjectKeyID), false, build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })},
			{ce(arcKeyUsage), true, keyUsageBits(x509.KeyUsageDigitalSignature)},
			{ce(arcExtKeyUsage), false, usages},
			{ce(arcBasicConstraints), true, basicConstraints(false, -1)},
			// RFC 6960 section 4.2.2.2.1: do not ask whether this one is revoked.
			{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, false, []byte{5, 0}},
		}}
	b.notAfter = b.notBefore.Add(ResponderLife)
	if b.notAfter.After(i.cert.NotAfter) {
		b.notAfter = i.cert.NotAfter
	}
	tbs, err := b.encode()
	if err != nil {
		return nil, err
	}
	if err := (AuthorityOptions{Purpose: "ocsp", Plan: plan}).plan(tbs, i.cert.Subject); err != nil {
		return nil, err
	}
	raw, err := i.sign(tbs)
	if err != nil {
		return nil, err
	}
	return i.readBack(raw, &Draft{TBS: tbs})
}
