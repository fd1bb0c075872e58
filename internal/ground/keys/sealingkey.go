package keys

import (
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
)

// sealingSeedBytes is the length of a sealing key: the seed from which both halves of the hybrid key are derived.
const sealingSeedBytes = 32

// SealingKey is what a server opens its secrets with: a private key of HPKE (RFC 9180) with the hybrid of ML-KEM-768
// and X25519. Like [Private] it never prints itself. Only [NewSealingKey] and [ParseSealingKey] make one; the zero
// value must not be used. It never changes, so any number of goroutines may share it.
type SealingKey struct {
	key func() sealingKey // a function for the reason that Private has one
}

type sealingKey struct {
	private hpke.PrivateKey
	public  []byte
}

// NewSealingKey makes a new sealing key.
func NewSealingKey() *SealingKey {
	seed := make(Secret, sealingSeedBytes)
	defer seed.Wipe()
	rand.Read(seed) // never fails: crypto/rand ends the process instead
	k, err := ParseSealingKey(seed)
	if err != nil {
		panic("keys: internal error: every seed of the right length is a sealing key: " + err.Error())
	}
	return k
}

// ParseSealingKey returns the sealing key with this seed of 32 bytes, as [SealingKey.Seed] gives it.
func ParseSealingKey(seed Secret) (*SealingKey, error) {
	if len(seed) != sealingSeedBytes {
		return nil, fmt.Errorf("sealing key of %d bytes, want %d", len(seed), sealingSeedBytes)
	}
	private, err := sealingKEM().NewPrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("deriving the sealing key: %w", err)
	}
	public := private.PublicKey().Bytes()
	return &SealingKey{func() sealingKey { return sealingKey{private, public} }}, nil
}

// Seed returns the key itself.
func (k SealingKey) Seed() Secret {
	seed, err := k.key().private.Bytes()
	if err != nil {
		panic("keys: internal error: a sealing key without its seed: " + err.Error())
	}
	return NewSecret(seed) // a copy, so that wiping it does not destroy the key
}

// Public returns the public half, 1216 bytes, for [Seal].
func (k SealingKey) Public() []byte { return append([]byte(nil), k.key().public...) }

// String says which key it is without giving it away.
func (k SealingKey) String() string {
	if k.key == nil {
		return "[sealing key]"
	}
	return fmt.Sprintf("[sealing key, SHA-256 of public key %x]", sha256.Sum256(k.key().public))
}

// GoString is [SealingKey.String].
func (k SealingKey) GoString() string { return k.String() }

// Format writes what String returns, whatever the verb.
func (k SealingKey) Format(st fmt.State, verb rune) { writeRedacted(st, k.String()) }

// LogValue is [SealingKey.String].
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is [SealingKey.String].
func (k SealingKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalJSON is [SealingKey.String] as a JSON string.
func (k SealingKey) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// The suite is fixed by the version byte of what is sealed, never negotiated.
func sealingKEM() hpke.KEM   { return hpke.MLKEM768X25519() }
func sealingKDF() hpke.KDF   { return hpke.HKDFSHA256() }
func sealingAEAD() hpke.AEAD { return hpke.AES256GCM() }
