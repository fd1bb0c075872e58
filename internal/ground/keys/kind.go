package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind says what sort of key a key is: its algorithm and its size. The value is what the command line and the state
// write. [KindOf] can name kinds beyond the constants, such as rsa-1024 or ecdsa-p521, for certificates of others.
type Kind string

// The kinds that we make.
const (
	ECDSAP256 Kind = "ecdsa-p256" // what every client of the last ten years understands, and the cheapest
	ECDSAP384 Kind = "ecdsa-p384"
	RSA2048   Kind = "rsa-2048" // for clients without ECDSA
	RSA3072   Kind = "rsa-3072"
	RSA4096   Kind = "rsa-4096"
	Ed25519   Kind = "ed25519" // organisation keys; no public authority and few mail clients take it
)

// ErrUnknownKind says that a key, or the name of a kind, is none that this package knows.
var ErrUnknownKind = errors.New("unknown kind of key")

// Kinds lists the kinds that we make, in the order of the help texts.
func Kinds() []Kind {
	return []Kind{ECDSAP256, ECDSAP384, RSA2048, RSA3072, RSA4096, Ed25519}
}

// ParseKind returns the kind of that name. Anything but one of [Kinds], in lower case, is [ErrUnknownKind].
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if s == string(k) {
			return k, nil
		}
	}
	return "", fmt.Errorf("kind %q: %w", s, ErrUnknownKind)
}

// KindOf says what sort of key pub is, good or bad. A key that is neither RSA nor ECDSA nor Ed25519 is
// [ErrUnknownKind].
func KindOf(pub crypto.PublicKey) (Kind, error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if pub != nil && pub.Curve != nil {
			// "P-256" is ecdsa-p256.
			return Kind("ecdsa-" + strings.ToLower(strings.ReplaceAll(pub.Curve.Params().Name, "-", ""))), nil
		}
	case *rsa.PublicKey:
		if pub != nil && pub.N != nil {
			return Kind("rsa-" + strconv.Itoa(pub.N.BitLen())), nil
		}
	case ed25519.PublicKey:
		if len(pub) == ed25519.PublicKeySize {
			return Ed25519, nil
		}
	}
	return "", fmt.Errorf("public key of type %T: %w", pub, ErrUnknownKind)
}

// Algorithm returns "ECDSA", "RSA" or "Ed25519": a generation has at most one member for each.
func (k Kind) Algorithm() string {
	algorithm, _, _ := strings.Cut(string(k), "-")
	if k == Ed25519 {
		return "Ed25519"
	}
	return strings.ToUpper(algorithm)
}

// Label returns the key type for people and for JSON: "ECDSA-P256", "RSA-2048", "Ed25519".
func (k Kind) Label() string {
	if k == Ed25519 {
		return "Ed25519"
	}
	return strings.ToUpper(string(k))
}
