package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm is the name of a signature in a message, RFC 7518 section 3.1 and RFC 8037 section 3.1.
type Algorithm string

// The algorithms that we know. RFC 8555 section 6.2 asks for ES256 and, of a server, recommends EdDSA; "none" and
// everything with a shared key is not among them, and cannot be asked for.
const (
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	RS256 Algorithm = "RS256"
	EdDSA Algorithm = "EdDSA"
)

// Algorithms lists them, for badSignatureAlgorithm.
func Algorithms() []string {
	return []string{string(ES256), string(ES384), string(RS256), string(EdDSA)}
}

// Key is the public half of an account's key with the one algorithm that it signs with. Only [ParseKey] and [NewKey]
// make one. That the key decides the algorithm, and never the message, is what keeps one from being taken for another.
type Key struct {
	public     crypto.PublicKey
	algorithm  Algorithm
	thumbprint string
	jwk        string
}

// The bounds of RSA keys. Above, each message of a stranger would cost too much to check.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// errKey: a key that no account may have.
var errKey = errors.New("want an ECDSA key on P-256 or P-384, an RSA key of 2048 to 4096 bits, or an Ed25519 key")

// NewKey takes a public key.
func NewKey(public crypto.PublicKey) (*Key, error) {
	k := &Key{public: public}
	// RFC 7638 section 3.2: the required members only, in the order of their names, without spaces.
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		var curve string
		switch p.Curve {
		case elliptic.P256():
			k.algorithm, curve = ES256, "P-256"
		case elliptic.P384():
			k.algorithm, curve = ES384, "P-384"
		default:
			return nil, errKey
		}
		point, err := p.Bytes()
		if err != nil {
			return nil, errKey
		}
		half := (len(point) - 1) / 2
		k.jwk = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, curve, encode(point[1:1+half]), encode(point[1+half:]))
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits || p.E < 3 || p.E%2 == 0 {
			return nil, errKey
		}
		k.algorithm = RS256
		k.jwk = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, encode(big.NewInt(int64(p.E)).Bytes()), encode(p.N.Bytes()))
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize {
			return nil, errKey
		}
		k.algorithm = EdDSA
		k.jwk = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, encode(p))
	default:
		return nil, errKey
	}
	sum := sha256.Sum256([]byte(k.jwk))
	k.thumbprint = encode(sum[:])
	return k, nil
}

// ParseKey reads a JSON Web Key (RFC 7517). One with a private half is refused: whoever sends it has told it to us.
func ParseKey(jwk []byte) (*Key, error) {
	var j struct {
		Kty, Crv, X, Y, N, E string
		D                    *string
	}
	if err := ReadJSON(jwk, &j); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if j.D != nil {
		return nil, errors.New("key: a private key was sent")
	}
	part := func(s string) []byte {
		b, err := decode(s)
		if err != nil {
			return nil
		}
		return b
	}
	switch {
	case j.Kty == "EC" && (j.Crv == "P-256" || j.Crv == "P-384"):
		curve := elliptic.P256()
		if j.Crv == "P-384" {
			curve = elliptic.P384()
		}
		x, y := part(j.X), part(j.Y)
		// RFC 7518 section 6.2.1.2: the coordinates have the length of the field, leading zeros included.
		if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
			return nil, errKey
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, errKey // not a point of the curve
		}
		return NewKey(public)
	case j.Kty == "RSA":
		n, e := part(j.N), part(j.E)
		if len(n) == 0 || len(n) > maxRSABits/8 || len(e) == 0 || len(e) > 4 || n[0] == 0 || e[0] == 0 {
			return nil, errKey
		}
		return NewKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		return NewKey(ed25519.PublicKey(part(j.X)))
	}
	return nil, errKey
}

// Public is the key itself.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Algorithm is what it signs with.
func (k *Key) Algorithm() Algorithm { return k.algorithm }

// Thumbprint is its name, RFC 7638.
func (k *Key) Thumbprint() string { return k.thumbprint }

// JWK is the key as JSON, in the one form of which the thumbprint is made.
func (k *Key) JWK() string { return k.jwk }

// Authorization is what proves, at a place that only the holder of a name can write to, that he means the account with
// this key: RFC 8555 section 8.1.
func (k *Key) Authorization(token string) string { return token + "." + k.thumbprint }

// encode and decode are base64url without padding, RFC 7515 section 2.
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }
