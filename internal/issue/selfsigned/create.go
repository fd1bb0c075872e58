package selfsigned

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"

	"postseal/internal/ground/x509cert"
)

// UnsuitableKeyError says that a key is of a kind that we make no certificates for.
type UnsuitableKeyError struct {
	KeyType string // the label of x509cert.KeyType
}

// Error names the key's type and those that are taken.
func (e *UnsuitableKeyError) Error() string {
	return fmt.Sprintf("key of type %s: want ECDSA-P256, ECDSA-P384, Ed25519, or RSA of 2048 to 8192 bits", e.KeyType)
}

// Create makes a certificate for the public half of signer, signed by signer, and returns its DER. It returns a
// *x509cert.InvalidNameError, a *x509cert.InvalidSubjectError, [ErrNoSubject], a [*TooManyNamesError], a [*LifeError]
// or an [*UnsuitableKeyError] for what cannot be made. Any other error is the signer's, or means that the result was
// not what was asked; then there is no certificate.
func Create(opts Options, signer crypto.Signer) (der []byte, err error) {
	r, err := opts.check()
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
	template, err := r.template(signer.Public())
	if err != nil {
		return nil, err
	}
	template.SignatureAlgorithm = algorithm
	if der, err = x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer); err != nil {
		return nil, fmt.Errorf("signing the certificate of %q: %w", x509cert.SubjectText(r.subject), err)
	}
	if err := r.verify(der, template, signer.Public()); err != nil {
		return nil, fmt.Errorf("reading back the certificate of %q: %w", x509cert.SubjectText(r.subject), err)
	}
	return der, nil
}

// template has the extensions of spec/exchange.md section 1.1. DEVIATION from RFC 5280 section 4.2.1.2, which would like
// a subject key identifier: identifiers help to find an issuer, and here nobody looks for one; Exchange has none either.
func (r request) template(pub crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      r.subject,
		NotBefore:    r.notBefore,
		NotAfter:     r.notAfter,
		KeyUsage:     x509cert.ServerKeyUsage(pub), // critical, RFC 5280 section 4.2.1.3
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Critical, RFC 5280 section 4.2.1.9: even who puts this certificate among his trusted roots does not
		// trust what its key would sign for others.
		BasicConstraintsValid: true,
		IsCA:                  false,
	}
	if len(r.names) > 0 {
		// By hand, because crypto/x509 would put all domains before all addresses.
		value, err := subjectAltName(r.names)
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName(), Value: value}}
	}
	return template, nil
}

// newSerial returns 128 random bits, not zero. RFC 5280 section 4.1.2.2: positive, at most 20 octets; this is at most 17
// with the sign. No register of serials is needed: two alike do not happen.
func newSerial() (*big.Int, error) {
	for {
		octets := make([]byte, 16)
		if _, err := rand.Read(octets); err != nil {
			return nil, fmt.Errorf("drawing a serial: %w", err)
		}
		if serial := new(big.Int).SetBytes(octets); serial.Sign() > 0 {
			return serial, nil
		}
	}
}

func oidSubjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// subjectAltName encodes names as RFC 5280 section 4.2.1.6 says: dNSName is [2], iPAddress is [7] with 4 or 16 octets.
func subjectAltName(names []string) ([]byte, error) {
	var general []asn1.RawValue
	for _, name := range names {
		value := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)}
		if ip, ok := isIP(name); ok {
			value.Tag, value.Bytes = 7, ip.AsSlice()
		}
		general = append(general, value)
	}
	der, err := asn1.Marshal(general)
	if err != nil {
		return nil, fmt.Errorf("encoding %d names: %w", len(names), err)
	}
	return der, nil
}

// verify reads the certificate back and compares it with the request. A signer may be a device with a mind of its own,
// and what is served for five years deserves a second look.
func (r request) verify(der []byte, template *x509.Certificate, pub crypto.PublicKey) error {
	cert, err := x509cert.ParseCertificate(der)
	if err != nil {
		return err
	}
	subject, err := asn1.Marshal(r.subject.ToRDNSequence())
	if err != nil {
		return fmt.Errorf("encoding the subject: %w", err)
	}
	facts := x509cert.Inspect(cert)
	key, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	for _, check := range []struct {
		what string
		good bool
	}{
		{"public key", ok && key.Equal(cert.PublicKey)},
		{"signature", facts.SelfSigned && cert.SignatureAlgorithm == template.SignatureAlgorithm},
		{"subject", bytes.Equal(cert.RawSubject, subject)},
		{"serial", cert.SerialNumber.Cmp(template.SerialNumber) == 0},
		{"life", cert.NotBefore.Equal(r.notBefore) && cert.NotAfter.Equal(r.notAfter)},
		{"names", r.sameNames(cert, facts)},
		{"key usage", cert.KeyUsage == template.KeyUsage},
		{"extended key usage", len(facts.Usages) == 1 && facts.Usages[0] == string(x509cert.UsageServerAuth)},
		{"basic constraints", cert.BasicConstraintsValid && !cert.IsCA},
	} {
		if !check.good {
			return fmt.Errorf("the %s is not what was asked", check.what)
		}
	}
	return nil
}

// sameNames compares the names. Without names there must be no extension, because then the facts tell the common name.
func (r request) sameNames(cert *x509.Certificate, facts x509cert.Facts) bool {
	if len(r.names) > 0 {
		return slices.Equal(facts.Names, r.names)
	}
	return !slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSubjectAltName()) })
}
