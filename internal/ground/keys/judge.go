package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
)

const (
	minRSABits = 2048
	// maxRSABits is where crypto/tls stops: it does not verify a signature of a larger key, because that costs the
	// verifier too much.
	maxRSABits = 8192
	// minScalarBits is the size below which an ECDSA scalar cannot have come from a random generator: the chance
	// is 2 to the power of -224 for P-256. Everything below can be found by trying.
	minScalarBits = 33
)

// WeakKeyError says that a key must not be used, and why.
type WeakKeyError struct {
	Kind   Kind   // what sort of key it is; not always one of Kinds
	Reason string // one clause, in lower case, for people
	Public bool   // it was judged by its public half alone
}

// Error names the kind and the reason.
func (e *WeakKeyError) Error() string {
	half := "private"
	if e.Public {
		half = "public"
	}
	return fmt.Sprintf("%s key %s must not be used: %s", half, e.Kind.Label(), e.Reason)
}

// Judge says whether a private key is fit for use. It looks at its size, at numbers that nobody draws by chance (scalars
// that are small, primes that are close or come from a broken chip), and at whether the private half belongs to the public one. The error is a [*WeakKeyError], or [ErrUnknownKind] for a
// key that is neither RSA nor ECDSA nor Ed25519. A [Private] has been judged when it was made.
func Judge(key crypto.Signer) error {
	var reason string
	switch k := key.(type) {
	case *Private:
		if k == nil || k.key == nil {
			return fmt.Errorf("empty key: %w", ErrUnknownKind)
		}
		return Judge(k.key().signer)
	case *ecdsa.PrivateKey:
		if k == nil || k.Curve == nil {
			return fmt.Errorf("empty ECDSA key: %w", ErrUnknownKind)
		}
		reason = judgeECDSA(k)
	case *rsa.PrivateKey:
		if k == nil || k.N == nil {
			return fmt.Errorf("empty RSA key: %w", ErrUnknownKind)
		}
		reason = judgeRSA(k)
	case ed25519.PrivateKey:
		if len(k) != ed25519.PrivateKeySize {
			return fmt.Errorf("key of %d bytes for Ed25519: %w", len(k), ErrUnknownKind)
		}
	default:
		return fmt.Errorf("private key of type %T: %w", key, ErrUnknownKind)
	}
	if reason == "" {
		reason = judgePair(key)
	}
	if reason == "" {
		return nil
	}
	kind, err := KindOf(key.Public())
	if err != nil {
		return err
	}
	return &WeakKeyError{Kind: kind, Reason: reason}
}

func judgeECDSA(k *ecdsa.PrivateKey) string {
	kind, err := KindOf(&k.PublicKey)
	if err != nil || kind != ECDSAP256 && kind != ECDSAP384 {
		return "its curve is not P-256 or P-384"
	}
	scalar, err := k.Bytes() // refuses what is not in the range 1 to n-1
	if err != nil {
		return "its scalar is out of range"
	}
	// The octets are not cleared: crypto/ecdsa may hand out those that it signs with itself.
	// Go takes the scalar 1, whose public key is printed in every textbook. n minus a small number is no better: its
	// public key is that of the small number with the other y.
	s := new(big.Int).SetBytes(scalar)
	negative := new(big.Int).Sub(k.Curve.Params().N, s)
	if s.BitLen() < minScalarBits || negative.BitLen() < minScalarBits {
		return "its scalar is so small that it can be guessed"
	}
	return ""
}

func judgeRSA(k *rsa.PrivateKey) string {
	if bits := k.N.BitLen(); bits < minRSABits {
		return fmt.Sprintf("its modulus has %d bits, fewer than %d", bits, minRSABits)
	} else if bits > maxRSABits {
		return fmt.Sprintf("its modulus has %d bits, more than the %d that TLS clients verify", bits, maxRSABits)
	}
	if len(k.Primes) != 2 {
		return fmt.Sprintf("it has %d primes, not two", len(k.Primes))
	}
	if k.Primes[0] == nil || k.Primes[1] == nil {
		return "its numbers do not belong together"
	}
	// FIPS 186-5 section A.1.1: the primes differ in their first 100 bits. Whoever knows the primes need not search.
	if new(big.Int).Sub(k.Primes[0], k.Primes[1]).BitLen() <= k.N.BitLen()/2-100 {
		return "its primes are so close together that they can be found"
	}
	if err := k.Validate(); err != nil {
		return "its numbers do not belong together"
	}
	return judgeModulus(&k.PublicKey)
}

// judgePair signs a message and verifies it. It finds a private key that has been given the public key of another.
func judgePair(key crypto.Signer) string {
	message := []byte("postseal pairwise consistency")
	digest := sha256.Sum256(message)
	signed, hash := digest[:], crypto.SHA256
	if _, ok := key.(ed25519.PrivateKey); ok {
		signed, hash = message, crypto.Hash(0) // RFC 8032 section 5.1: Ed25519 hashes by itself
	}
	signature, err := key.Sign(rand.Reader, signed, hash)
	if err != nil {
		return "it cannot sign"
	}
	verifies := false
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		verifies = ecdsa.VerifyASN1(pub, signed, signature)
	case *rsa.PublicKey:
		verifies = rsa.VerifyPKCS1v15(pub, hash, signed, signature) == nil
	case ed25519.PublicKey:
		verifies = ed25519.Verify(pub, signed, signature)
	}
	if !verifies {
		return "its private and its public half do not belong together"
	}
	return ""
}
