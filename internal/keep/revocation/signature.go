package revocation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // for lists and answers of old authorities, see readSignatureAlgorithm
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SignatureError reports that a list or an answer is not signed by the one who may sign it.
type SignatureError struct {
	Cause error
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("its signature does not fit: %v", e.Cause)
}

// Unwrap gives what the check said.
func (e *SignatureError) Unwrap() error { return e.Cause }

// signatureAlgorithm is an AlgorithmIdentifier that is understood; the zero value is one that is not.
type signatureAlgorithm struct {
	key       x509.PublicKeyAlgorithm
	hash      crypto.Hash // 0 for Ed25519
	pss       bool
	saltBytes int // of PSS
}

// signatureAlgorithms by the contents of their OBJECT IDENTIFIER.
//
// SHA-1 is among them, as it is for lists in crypto/x509: forging needs a collision, and whoever asks for a list or
// an answer has no say in what is signed. MD5 is not.
var signatureAlgorithms = map[string]signatureAlgorithm{
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": {key: x509.RSA, hash: crypto.SHA1},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": {key: x509.RSA, hash: crypto.SHA256},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": {key: x509.RSA, hash: crypto.SHA384},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": {key: x509.RSA, hash: crypto.SHA512},
	"\x2a\x86\x48\xce\x3d\x04\x01":         {key: x509.ECDSA, hash: crypto.SHA1},
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     {key: x509.ECDSA, hash: crypto.SHA256},
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     {key: x509.ECDSA, hash: crypto.SHA384},
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     {key: x509.ECDSA, hash: crypto.SHA512},
	"\x2b\x65\x70":                         {key: x509.Ed25519}, // RFC 8410
}

const (
	idRSAPSS = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	idMGF1   = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
)

// pssHashes are the hashes of RSASSA-PSS by the contents of their OBJECT IDENTIFIER.
var pssHashes = map[string]crypto.Hash{
	"\x60\x86\x48\x01\x65\x03\x04\x02\x01": crypto.SHA256,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x02": crypto.SHA384,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x03": crypto.SHA512,
}

// readSignatureAlgorithm reads an AlgorithmIdentifier with its SEQUENCE.
func readSignatureAlgorithm(s cryptobyte.String) signatureAlgorithm {
	id, parameters, ok := readAlgorithm(&s)
	if !ok || !s.Empty() {
		return signatureAlgorithm{}
	}
	if id == idRSAPSS {
		return readPSS(parameters)
	}
	a := signatureAlgorithms[id]
	if a.key == x509.RSA && len(parameters) > 0 && !bytes.Equal(parameters, []byte{5, 0}) || a.key != x509.RSA && len(parameters) > 0 {
		return signatureAlgorithm{}
	}
	return a
}

// readAlgorithm splits an AlgorithmIdentifier into the contents of its OBJECT IDENTIFIER and the element behind it, which
// may be absent.
func readAlgorithm(s *cryptobyte.String) (id string, parameters []byte, ok bool) {
	var contents, oid cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) || !contents.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return "", nil, false
	}
	behind := contents
	var element cryptobyte.String
	var tag asn1.Tag
	if !contents.Empty() && (!contents.ReadAnyASN1Element(&element, &tag) || !contents.Empty()) {
		return "", nil, false
	}
	return string(oid), behind, true
}

// readPSS reads RSASSA-PSS-params (RFC 4055 section 3.1). The hash of the mask must be that of the message, and
// the SHA-1 of the defaults is not taken.
func readPSS(parameters []byte) (a signatureAlgorithm) {
	s := cryptobyte.String(parameters)
	var all, hash, mask, salt, trailer cryptobyte.String
	var hasHash, hasMask, hasSalt, hasTrailer bool
	if !s.ReadASN1(&all, asn1.SEQUENCE) || !s.Empty() ||
		!all.ReadOptionalASN1(&hash, &hasHash, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!all.ReadOptionalASN1(&mask, &hasMask, asn1.Tag(1).ContextSpecific().Constructed()) ||
		!all.ReadOptionalASN1(&salt, &hasSalt, asn1.Tag(2).ContextSpecific().Constructed()) ||
		!all.ReadOptionalASN1(&trailer, &hasTrailer, asn1.Tag(3).ContextSpecific().Constructed()) || !all.Empty() || !hasHash || !hasMask {
		return a
	}
	hashID, _, ok := readAlgorithm(&hash)
	maskID, maskParameters, ok2 := readAlgorithm(&mask)
	inner := cryptobyte.String(maskParameters)
	maskHash, _, ok3 := readAlgorithm(&inner)
	saltBytes, trailerField := 20, 1 // the defaults
	if hasSalt && !salt.ReadASN1Integer(&saltBytes) || hasTrailer && !trailer.ReadASN1Integer(&trailerField) {
		return a
	}
	if !ok || !ok2 || !ok3 || maskID != idMGF1 || maskHash != hashID || pssHashes[hashID] == 0 || saltBytes < 1 || saltBytes > 512 || trailerField != 1 {
		return a
	}
	return signatureAlgorithm{key: x509.RSA, hash: pssHashes[hashID], pss: true, saltBytes: saltBytes}
}

// verify checks a signature over signed, which is hashed where it lies.
func (a signatureAlgorithm) verify(signed, signature []byte, key crypto.PublicKey) error {
	digest := signed
	if a.hash != 0 {
		h := a.hash.New()
		h.Write(signed) // a hash never fails
		digest = h.Sum(nil)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch {
		case a.key != x509.RSA:
			return errors.New("the key is an RSA key, the signature is not")
		case a.pss:
			return rsa.VerifyPSS(key, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: a.saltBytes})
		default:
			return rsa.VerifyPKCS1v15(key, a.hash, digest, signature)
		}
	case *ecdsa.PublicKey:
		if a.key != x509.ECDSA {
			return errors.New("the key is an ECDSA key, the signature is not")
		}
		if !ecdsa.VerifyASN1(key, digest, signature) {
			return errors.New("wrong ECDSA signature")
		}
		return nil
	case ed25519.PublicKey:
		if a.key != x509.Ed25519 {
			return errors.New("the key is an Ed25519 key, the signature is not")
		}
		if !ed25519.Verify(key, digest, signature) {
			return errors.New("wrong Ed25519 signature")
		}
		return nil
	}
	return errors.New("the algorithm of the key is unknown")
}

// verify checks that the list is signed with the key of signer. A signature that fitted once is not computed again.
func (c *CRL) verify(signer *x509.Certificate) error {
	if c.algorithm == (signatureAlgorithm{}) {
		return &SignatureError{Cause: errors.New("its algorithm is unknown")}
	}
	key := sha256.Sum256(signer.RawSubjectPublicKeyInfo)
	c.mu.Lock()
	known := c.verified[key]
	c.mu.Unlock()
	if known {
		return nil
	}
	if err := c.algorithm.verify(c.tbs, c.signature, signer.PublicKey); err != nil {
		return &SignatureError{Cause: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verified == nil {
		c.verified = map[[32]byte]bool{}
	}
	c.verified[key] = true // at most one key fits, so this does not grow
	return nil
}
