package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
)

// Private is a private key that has been judged good. It signs, and it never prints itself: every way of printing
// gives its kind and the SHA-256 of its public key. Only [Generate], [New], [Parse], [ParsePKCS8] and [ReadFile]
// make one; the zero value has no key and must not be used. It never changes, so any number of goroutines may share
// it.
type Private struct {
	// A function, because fmt cannot call Format on a field that is not exported and walks into it instead, and no
	// printer can walk into a function. A pointer does not stop fmt: a verb that does not fit makes it follow one.
	key func() privateKey
}

type privateKey struct {
	kind   Kind
	signer crypto.Signer // *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey
}

// Generate makes a new key. A kind that is not one of [Kinds] is [ErrUnknownKind].
func Generate(kind Kind) (*Private, error) {
	key, err := generate(kind)
	if err != nil {
		return nil, fmt.Errorf("making a key of kind %q: %w", string(kind), err)
	}
	return New(key)
}

func generate(kind Kind) (crypto.Signer, error) {
	switch kind {
	case ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, ErrUnknownKind
}

// New judges a key of the standard library, as other parsers return it, and takes it over: the caller must not
// change it later. The error is that of [Judge].
func New(key crypto.PrivateKey) (*Private, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key of type %T: %w", key, ErrUnknownKind)
	}
	if err := Judge(signer); err != nil {
		return nil, err
	}
	if p, ok := key.(*Private); ok {
		return p, nil
	}
	kind, err := KindOf(signer.Public())
	if err != nil {
		return nil, err
	}
	return &Private{func() privateKey { return privateKey{kind, signer} }}, nil
}

// Kind says what sort of key it is. A key from a file can have a size that is not one of [Kinds], such as rsa-8192.
func (p Private) Kind() Kind { return p.key().kind }

// Public returns the public key: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
func (p Private) Public() crypto.PublicKey { return p.key().signer.Public() }

// Sign implements [crypto.Signer].
func (p Private) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return p.key().signer.Sign(random, digest, opts)
}

// Matches reports whether cert certifies this key.
func (p Private) Matches(cert *x509.Certificate) bool {
	pub, ok := p.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(cert.PublicKey)
}

// PKCS8 returns the key itself in PKCS #8 DER, ready to be sealed.
func (p Private) PKCS8() Secret {
	der, err := x509.MarshalPKCS8PrivateKey(p.key().signer)
	if err != nil {
		// Only for a type of key that New does not let in.
		panic("keys: internal error: encoding a judged key: " + err.Error())
	}
	return der
}

// PEM returns the key itself in PKCS #8 PEM, for a file that another program reads.
func (p Private) PEM() Secret {
	der := p.PKCS8()
	defer der.Wipe()
	// RFC 7468 section 10: the label is PRIVATE KEY for every algorithm. OpenSSL refuses PKCS #8 under a label that
	// names one, such as ED25519 PRIVATE KEY.
	return pem.EncodeToMemory(&pem.Block{Type: labelPKCS8, Bytes: der})
}

// String says which key it is without giving it away.
func (p Private) String() string {
	if p.key == nil {
		return "[private key]"
	}
	spki, err := x509.MarshalPKIXPublicKey(p.Public())
	if err != nil {
		return "[private key " + p.Kind().Label() + "]"
	}
	return fmt.Sprintf("[private key %s, SHA-256 of public key %x]", p.Kind().Label(), sha256.Sum256(spki))
}

// GoString is [Private.String].
func (p Private) GoString() string { return p.String() }

// Format writes what String returns, whatever the verb.
func (p Private) Format(st fmt.State, verb rune) { writeRedacted(st, p.String()) }

// LogValue is [Private.String].
func (p Private) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is [Private.String].
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// MarshalJSON is [Private.String] as a JSON string.
func (p Private) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }
