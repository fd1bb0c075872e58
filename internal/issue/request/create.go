package request

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/bits"
	"net/netip"

	"postseal/internal/ground/x509cert"
)

// UnsuitableKeyError says that a key is of a kind that we make no requests for.
type UnsuitableKeyError struct {
	KeyType string // the label of x509cert.KeyType
}

// Error names the key's type and those that are taken.
func (e *UnsuitableKeyError) Error() string {
	return fmt.Sprintf("request for a key of type %s: want ECDSA-P256, ECDSA-P384, Ed25519, or RSA of 2048 to 8192 bits", e.KeyType)
}

// Create makes a request for the public half of signer, signed by signer, and returns its DER. It returns a
// *x509cert.InvalidNameError, a *x509cert.InvalidSubjectError, [ErrNoName], [ErrUnknownUsage], a [*TooManyNamesError]
// or an [*UnsuitableKeyError] for what cannot be asked. Any other error is the signer's, or means that the result was
// not what was asked; then there is no request.
func Create(opts Options, signer crypto.Signer) (der []byte, err error) {
	a, err := opts.check()
	if err != nil {
		return nil, err
	}
	if signer == nil {
		return nil, &UnsuitableKeyError{KeyType: x509cert.KeyType(nil)}
	}
	algorithm, ok := x509cert.SignatureAlgorithm(signer.Public())
	if !ok {
		return nil, &UnsuitableKeyError{KeyType: x509cert.KeyType(signer.Public())}
	}
	extensions, err := a.extensions(signer.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{Subject: a.subject, SignatureAlgorithm: algorithm, ExtraExtensions: extensions}
	if der, err = x509.CreateCertificateRequest(rand.Reader, template, signer); err != nil {
		return nil, fmt.Errorf("signing the request for %s: %w", a.names[0], err)
	}
	if err := verify(der, template, signer.Public()); err != nil {
		return nil, fmt.Errorf("reading back the request for %s: %w", a.names[0], err)
	}
	return der, nil
}

// extensions are those that the certificate shall have, RFC 2985 section 5.4.2.
func (a asked) extensions(pub crypto.PublicKey) ([]pkix.Extension, error) {
	var purposes []asn1.ObjectIdentifier
	for _, u := range a.usages {
		oid, _ := u.OID()
		purposes = append(purposes, oid)
	}
	var names []asn1.RawValue
	for _, name := range a.names {
		// RFC 5280 section 4.2.1.6: dNSName is [2], iPAddress is [7] with 4 or 16 octets.
		value := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)}
		if ip, err := netip.ParseAddr(name); err == nil {
			value.Tag, value.Bytes = 7, ip.AsSlice()
		}
		names = append(names, value)
	}
	var extensions []pkix.Extension
	for _, e := range []struct {
		id       int // under 2.5.29
		critical bool
		value    any
	}{
		// RFC 5280 section 4.2.1.6: critical if and only if there is no subject.
		{17, len(a.subject.ToRDNSequence()) == 0, names},
		{15, true, keyUsage(x509cert.ServerKeyUsage(pub))},
		{37, false, purposes},
		{19, true, struct{}{}}, // no authority, which is the default and so an empty SEQUENCE
	} {
		value, err := asn1.Marshal(e.value)
		if err != nil {
			return nil, fmt.Errorf("encoding an extension: %w", err)
		}
		extensions = append(extensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, e.id}, Critical: e.critical, Value: value})
	}
	return extensions, nil
}

// keyUsage encodes RFC 5280 section 4.2.1.3: the first bit is the highest of the octet, and there are no zero bits at
// the end. All that we ask for are among the first eight.
func keyUsage(usage x509.KeyUsage) asn1.BitString {
	octet := bits.Reverse8(byte(usage))
	return asn1.BitString{Bytes: []byte{octet}, BitLength: 8 - bits.TrailingZeros8(octet)}
}

// verify reads the request back and compares it with the template. A signer may be a device with a mind of its own.
func verify(der []byte, template *x509.CertificateRequest, pub crypto.PublicKey) error {
	got, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	if err := got.CheckSignature(); err != nil {
		return err
	}
	subject, err := asn1.Marshal(template.Subject.ToRDNSequence())
	if err != nil {
		return fmt.Errorf("encoding the subject: %w", err)
	}
	key, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !key.Equal(got.PublicKey):
		return fmt.Errorf("the public key is not the signer's")
	case got.SignatureAlgorithm != template.SignatureAlgorithm:
		return fmt.Errorf("the signature algorithm is %v, not %v", got.SignatureAlgorithm, template.SignatureAlgorithm)
	case !bytes.Equal(got.RawSubject, subject):
		return fmt.Errorf("the subject is not what was asked")
	case len(got.Extensions) != len(template.ExtraExtensions):
		return fmt.Errorf("%d extensions, not %d", len(got.Extensions), len(template.ExtraExtensions))
	}
	for i, e := range template.ExtraExtensions {
		if g := got.Extensions[i]; !g.Id.Equal(e.Id) || g.Critical != e.Critical || !bytes.Equal(g.Value, e.Value) {
			return fmt.Errorf("extension %s is not what was asked", e.Id)
		}
	}
	return nil
}
