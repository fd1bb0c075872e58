package signed

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512" // SHA-384, for keys on P-384
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

// ErrUnsuitableKey says that a key cannot be an authority's.
var ErrUnsuitableKey = errors.New("an authority's key is ECDSA on P-256 or P-384, RSA, or Ed25519")

// Algorithm is how a key signs. Only [AlgorithmOf] makes one.
type Algorithm struct {
	// Identifier is the AlgorithmIdentifier in DER (RFC 5280 section 4.1.1.2).
	Identifier []byte
	// X509 is the algorithm as crypto/x509 knows it, to verify with.
	X509 x509.SignatureAlgorithm
	// MaxSignature is the longest signature, in octets.
	MaxSignature int

	hash crypto.Hash // 0: the key hashes by itself
}

// AlgorithmOf picks how a key signs: SHA-256, and with P-384 its own SHA-384, or the hash would be weaker than the curve.
// Any other key is [ErrUnsuitableKey].
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	a := Algorithm{hash: crypto.SHA256}
	var oid asn1.ObjectIdentifier
	null := false
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		// PKCS #1 v1.5, not PSS: Windows and older mail programs refuse certificates signed with PSS. RFC 4055 section 5:
		// the parameters are NULL.
		oid, null, a.X509, a.MaxSignature = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true, x509.SHA256WithRSA, pub.Size()
	case *ecdsa.PublicKey:
		// RFC 5758 section 3.2: the parameters are absent.
		switch pub.Curve {
		case elliptic.P256():
			oid, a.X509, a.MaxSignature = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256, 72
		case elliptic.P384():
			oid, a.X509, a.hash, a.MaxSignature = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384, crypto.SHA384, 104
		}
	case ed25519.PublicKey:
		oid, a.X509, a.hash, a.MaxSignature = asn1.ObjectIdentifier{1, 3, 101, 112}, x509.PureEd25519, 0, ed25519.SignatureSize
	}
	if oid == nil {
		return Algorithm{}, fmt.Errorf("a key of type %s: %w", x509cert.KeyType(pub), ErrUnsuitableKey)
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
	var err error
	a.Identifier, err = b.Bytes()
	return a, err
}

// Sign signs octets. The error is the signer's.
func (a Algorithm) Sign(signer crypto.Signer, octets []byte) ([]byte, error) {
	if a.hash == 0 { // RFC 8032 section 5.1
		return a.finish(signer, octets)
	}
	h := a.hash.New()
	h.Write(octets) // a hash never fails
	return a.finish(signer, h.Sum(nil))
}

// Hash returns a running hash for octets that are too many to be held, to be given to [Algorithm.SignHash]. It is nil for
// a key that hashes by itself: Ed25519 needs all octets at once.
func (a Algorithm) Hash() hash.Hash {
	if a.hash == 0 {
		return nil
	}
	return a.hash.New()
}

// SignHash signs what went into a hash of [Algorithm.Hash].
func (a Algorithm) SignHash(signer crypto.Signer, h hash.Hash) ([]byte, error) {
	return a.finish(signer, h.Sum(nil))
}

func (a Algorithm) finish(signer crypto.Signer, digest []byte) ([]byte, error) {
	s, err := signer.Sign(rand.Reader, digest, a.hash)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return s, nil
}

// Assemble writes octets, the algorithm, the signature, and what follows them, if anything does.
func (a Algorithm) Assemble(octets, signature []byte, more ...[]byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(octets)
		b.AddBytes(a.Identifier)
		b.AddASN1BitString(signature)
		for _, m := range more {
			b.AddBytes(m)
		}
	})
	whole, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding what was signed: %w", err)
	}
	return whole, nil
}

// errAssembled says that octets are not what [Algorithm.Assemble] writes with nothing behind the signature.
var errAssembled = errors.New("not octets with their algorithm and signature, and nothing else")

// Split takes apart what [Algorithm.Assemble] has written. Both parts lie in whole.
func (a Algorithm) Split(whole []byte) (octets, signature []byte, err error) {
	s := cryptobyte.String(whole)
	var inner, tbs, identifier, bits cryptobyte.String
	if !s.ReadASN1(&inner, der.SEQUENCE) || !s.Empty() || !inner.ReadASN1Element(&tbs, der.SEQUENCE) || !inner.ReadASN1Element(&identifier, der.SEQUENCE) ||
		!bytes.Equal(identifier, a.Identifier) || !inner.ReadASN1(&bits, der.BIT_STRING) || !inner.Empty() || len(bits) == 0 || bits[0] != 0 {
		return nil, nil, errAssembled
	}
	return tbs, bits[1:], nil // the first octet says how many bits of the last are unused
}
