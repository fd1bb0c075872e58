package ca

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/signed"
)

// Lives of authorities. A root outlives the machines that trust it; an issuing authority lives half as long, so that
// what it has issued ends before its successor's successor.
const (
	RootYears    = 20
	IssuingYears = 10
)

// AuthorityOptions say what certificate of an authority to make. The zero value has no subject, so it makes none.
type AuthorityOptions struct {
	Purpose Purpose
	Subject pkix.Name
	// RawSubject, if not nil, are the octets to write for Subject: those of a certificate that is there already, because
	// what it issued is found by them (RFC 5280 section 7.1 compares names, and many clients compare octets).
	RawSubject []byte
	Key        crypto.PublicKey
	// Domains and Networks become name constraints (RFC 5280 section 4.2.1.10). A root has none: it signs our own
	// authorities only, and adding a domain must not need it to be trusted anew.
	Domains  []string
	Networks []string
	// NotBefore is when the life begins; zero means now, less [Backdate].
	NotBefore time.Time
	// Years is how long it lives; zero means [RootYears] or [IssuingYears].
	Years int
	// CRL, OCSP and Issuers are http addresses of the authority above. Empty ones are left out.
	CRL, OCSP, Issuers string
	// Plan, if not nil, is called with what will be signed before the key is touched. If it fails, nothing is signed.
	Plan func(Planned) error

	crossed bool // a root's other certificate, by another root: see CertifyRoot
}

// SelfSign makes a root's certificate: signed by its own key, trusted because somebody says so.
func SelfSign(o AuthorityOptions, signer crypto.Signer) (raw []byte, err error) {
	if o.Purpose != PurposeRoot {
		return nil, fmt.Errorf("signing itself is for a root, not for %s: %w", o.Purpose, ErrIssuer)
	}
	o.Key = signer.Public()
	a, err := signed.AlgorithmOf(o.Key)
	if err != nil {
		return nil, err
	}
	subject, err := o.subject()
	if err != nil {
		return nil, err
	}
	_, keyID, err := publicKeyInfo(o.Key)
	if err != nil {
		return nil, err
	}
	tbs, err := o.body(a, subject, keyID, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := o.plan(tbs, o.Subject); err != nil {
		return nil, err
	}
	s, err := a.Sign(signer, tbs)
	if err != nil {
		return nil, err
	}
	if raw, err = a.Assemble(tbs, s); err != nil {
		return nil, err
	}
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("reading back the root: %w", err)
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		return nil, fmt.Errorf("reading back the root: %w", err)
	}
	return raw, nil
}

// Certify makes the certificate of an issuing authority, signed by i, which must be a root. The same key may be certified
// again with other constraints: that is how a domain is added.
func (i *Issuer) Certify(o AuthorityOptions) (raw []byte, err error) {
	if i.purpose != PurposeRoot || o.Purpose == PurposeRoot {
		return nil, fmt.Errorf("an authority for %s below one for %s: %w", o.Purpose, i.purpose, ErrIssuer)
	}
	if len(o.Domains) == 0 {
		return nil, fmt.Errorf("an authority for %s without domains could certify anything: %w", o.Purpose, ErrIssuer)
	}
	if _, err := signed.AlgorithmOf(o.Key); err != nil {
		return nil, err
	}
	raw, _, err = i.certifyAuthority(o, i.cert.NotAfter)
	return raw, err
}

// certifyAuthority signs the certificate of an authority that ends with ends at the latest, and reads it back.
func (i *Issuer) certifyAuthority(o AuthorityOptions, ends time.Time) ([]byte, *x509.Certificate, error) {
	tbs, err := o.body(i.algorithm, i.cert.RawSubject, i.keyID, ends)
	if err != nil {
		return nil, nil, err
	}
	if err := o.plan(tbs, i.cert.Subject); err != nil {
		return nil, nil, err
	}
	raw, err := i.sign(tbs)
	if err != nil {
		return nil, nil, err
	}
	cert, err := i.readBack(raw, &Draft{TBS: tbs})
	if err != nil {
		return nil, nil, err
	}
	if err := cert.CheckSignatureFrom(i.cert); err != nil {
		return nil, nil, fmt.Errorf("reading back the authority for %s: %w", o.Purpose, err)
	}
	return raw, cert, nil
}

func (o AuthorityOptions) subject() ([]byte, error) {
	if err := x509cert.CheckSubject(o.Subject); err != nil {
		return nil, err
	}
	if o.RawSubject != nil {
		return o.RawSubject, nil
	}
	return asn1.Marshal(o.Subject.ToRDNSequence())
}

// body writes the octets to be signed. ends is when the authority above ends; zero for a root.
func (o AuthorityOptions) body(a signed.Algorithm, issuer, issuerKeyID []byte, ends time.Time) ([]byte, error) {
	subject, err := o.subject()
	if err != nil {
		return nil, err
	}
	info, keyID, err := publicKeyInfo(o.Key)
	if err != nil {
		return nil, err
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-Backdate)
	}
	if o.Years == 0 {
		o.Years = IssuingYears
		if o.Purpose == PurposeRoot {
			o.Years = RootYears
		}
	}
	if o.Years < 1 || o.Years > 50 {
		return nil, &LifeError{Reason: fmt.Sprintf("%d years: want 1 to 50", o.Years)}
	}
	b := body{serial: newSerial(o.NotBefore), signature: a.Identifier, issuer: issuer, subject: subject, publicKey: info, notBefore: o.NotBefore.UTC().Truncate(time.Second)}
	b.notAfter = b.notBefore.AddDate(o.Years, 0, 0).Add(-time.Second)
	if !ends.IsZero() && b.notAfter.After(ends) {
		b.notAfter = ends
	}
	if b.extensions, err = o.extensions(keyID, issuerKeyID); err != nil {
		return nil, err
	}
	return b.encode()
}

func (o AuthorityOptions) extensions(keyID, issuerKeyID []byte) ([]extension, error) {
	root := o.Purpose == PurposeRoot
	list := []extension{
		{ce(arcSubjectKeyID), false, build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })},
		// It signs certificates, lists, and nothing else: answers of OCSP have a signer of their own.
		{ce(arcKeyUsage), true, keyUsageBits(x509.KeyUsageCertSign | x509.KeyUsageCRLSign)},
	}
	if root {
		list = append(list, extension{ce(arcBasicConstraints), true, basicConstraints(true, -1)})
		if o.crossed {
			list = append(list, extension{ce(arcAuthorityKeyID), false, authorityKeyID(issuerKeyID)})
			list = append(list, o.addresses()...)
		}
		return list, nil
	}
	domains, networks, err := o.constraints()
	if err != nil {
		return nil, err
	}
	usages, err := extKeyUsage(append(o.Purpose.usages(), x509cert.UsageOCSPSigning))
	if err != nil {
		return nil, err
	}
	list = append(list,
		extension{ce(arcAuthorityKeyID), false, authorityKeyID(issuerKeyID)},
		extension{ce(arcExtKeyUsage), false, usages},
		// Path length 0: it signs no further authority, RFC 5280 section 4.2.1.9.
		extension{ce(arcBasicConstraints), true, basicConstraints(true, 0)},
		extension{ce(arcNameConstraints), true, nameConstraints(domains, networks, o.Purpose.constrainsAddresses())},
	)
	return append(list, o.addresses()...), nil
}

// addresses are where to ask about the authority above.
func (o AuthorityOptions) addresses() (list []extension) {
	if o.CRL != "" {
		list = append(list, extension{ce(arcCRLPoints), false, crlPoint(o.CRL)})
	}
	if o.OCSP != "" || o.Issuers != "" {
		list = append(list, extension{oidAuthorityInfo(), false, authorityInfo(o.OCSP, o.Issuers)})
	}
	return list
}

func (o AuthorityOptions) constraints() (domains []string, networks []netip.Prefix, err error) {
	if len(o.Domains) > maxListed || len(o.Networks) > maxListed {
		return nil, nil, fmt.Errorf("constraints of an authority: at most %d domains and networks", maxListed)
	}
	for _, text := range o.Domains {
		d, err := x509cert.ParseDomain(text)
		if err != nil {
			return nil, nil, err
		}
		domains = append(domains, string(d))
	}
	for _, text := range o.Networks {
		n, err := netip.ParsePrefix(text)
		if err != nil || n != n.Masked() {
			return nil, nil, errors.New("network " + clip(text) + ": want one like 192.0.2.0/24")
		}
		networks = append(networks, n)
	}
	return domains, networks, nil
}
