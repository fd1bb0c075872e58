package ocsp

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/issue/crl"
	"postseal/internal/issue/signed"
)

// Status is what we know of a certificate.
type Status int

// The answers. The zero value is unknown: good must be said on purpose.
const (
	Unknown Status = iota
	Good
	Revoked
)

// Answer is what we say of one certificate.
type Answer struct {
	Status    Status
	RevokedAt time.Time
	Reason    crl.Reason
}

// Refusals of RFC 6960 section 4.2.1, whole: they are not signed.
var (
	malformedRequest = []byte{0x30, 3, 0x0a, 1, 1}
	internalError    = []byte{0x30, 3, 0x0a, 1, 2}
	tryLater         = []byte{0x30, 3, 0x0a, 1, 3}
	unauthorized     = []byte{0x30, 3, 0x0a, 1, 6}
)

// Signer signs answers in the name of an authority. Only [NewSigner] makes one.
type Signer struct {
	cert      *x509.Certificate
	key       crypto.Signer
	algorithm signed.Algorithm
	keyHash   []byte // SHA-1 of the signer's key bits: byKey, RFC 6960 section 4.2.1
	certs     []byte // [0] with the certificate, as each answer ends
}

// ErrSigner says that a certificate and a key cannot sign answers.
var ErrSigner = errors.New("not a signer of OCSP answers")

// NewSigner checks that cert is for signing answers and that key belongs to it. The error wraps [ErrSigner].
func NewSigner(cert *x509.Certificate, key crypto.Signer) (*Signer, error) {
	forOCSP := false
	for _, u := range cert.ExtKeyUsage {
		forOCSP = forOCSP || u == x509.ExtKeyUsageOCSPSigning
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !forOCSP || !ok || !pub.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("certificate %x: %w", cert.SerialNumber, ErrSigner)
	}
	a, err := signed.AlgorithmOf(cert.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	bits, err := keyBits(cert)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(bits)
	var certs cryptobyte.Builder
	certs.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(cert.Raw) })
	})
	return &Signer{cert: cert, key: key, algorithm: a, keyHash: sum[:], certs: certs.BytesOrPanic()}, nil
}

// keyBits are the contents of the BIT STRING of a certificate's public key: what OCSP takes the hash of.
func keyBits(cert *x509.Certificate) ([]byte, error) {
	s := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info, algorithm cryptobyte.String
	var bits []byte
	if !s.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1(&algorithm, der.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil, fmt.Errorf("the public key of certificate %x is malformed", cert.SerialNumber)
	}
	return bits, nil
}

// sign writes a whole OCSPResponse with one answer for each question, in their order.
func (s *Signer) sign(questions []CertID, answers []Answer, nonce []byte, thisUpdate, nextUpdate time.Time) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific() }
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // ResponseData, RFC 6960 section 4.2.1
		b.AddASN1(context(2).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.keyHash) })
		b.AddASN1GeneralizedTime(thisUpdate)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for n, id := range questions {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(id.raw)
					addAnswer(b, answers[n])
					b.AddASN1GeneralizedTime(thisUpdate)
					b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(nextUpdate) })
				})
			}
		})
		if nonce == nil {
			return
		}
		b.AddASN1(context(1).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(der.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(nonceOID)) })
					b.AddASN1(der.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
				})
			})
		})
	})
	data, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP answer: %w", err)
	}
	signature, err := s.algorithm.Sign(s.key, data)
	if err != nil {
		return nil, fmt.Errorf("an OCSP answer: %w", err)
	}
	basic, err := s.algorithm.Assemble(data, signature, s.certs)
	if err != nil {
		return nil, err
	}
	whole := cryptobyte.NewBuilder(make([]byte, 0, len(basic)+64))
	whole.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier([]int{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}) // id-pkix-ocsp-basic
				b.AddASN1OctetString(basic)
			})
		})
	})
	return whole.Bytes()
}

// addAnswer writes a CertStatus: [0] NULL is good, [1] revoked, [2] NULL unknown.
func addAnswer(b *cryptobyte.Builder, a Answer) {
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific() }
	switch a.Status {
	case Good:
		b.AddASN1(context(0), func(*cryptobyte.Builder) {})
	case Revoked:
		b.AddASN1(context(1).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(a.RevokedAt.UTC())
			if a.Reason != crl.Unspecified {
				b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(a.Reason)) })
			}
		})
	default:
		b.AddASN1(context(2), func(*cryptobyte.Builder) {})
	}
}
