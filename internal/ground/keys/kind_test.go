package keys

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"testing"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind                  Kind
		wire, algorithm, text string
	}{
		{ECDSAP256, "ecdsa-p256", "ECDSA", "ECDSA-P256"},
		{ECDSAP384, "ecdsa-p384", "ECDSA", "ECDSA-P384"},
		{RSA2048, "rsa-2048", "RSA", "RSA-2048"},
		{RSA3072, "rsa-3072", "RSA", "RSA-3072"},
		{RSA4096, "rsa-4096", "RSA", "RSA-4096"},
		{Ed25519, "ed25519", "Ed25519", "Ed25519"},
	}
	if got, want := len(Kinds()), len(tests); got != want {
		t.Errorf("got %d kinds, want %d", got, want)
	}
	for i, tt := range tests {
		if got := Kinds()[i]; got != tt.kind {
			t.Errorf("kind %d: got %q, want %q", i, string(got), string(tt.kind))
		}
		if got, err := ParseKind(tt.wire); got != tt.kind || err != nil {
			t.Errorf("ParseKind(%q): got %q, %v, want %q", tt.wire, string(got), err, string(tt.kind))
		}
		if got := tt.kind.Algorithm(); got != tt.algorithm {
			t.Errorf("%s: got algorithm %s, want %s", tt.wire, got, tt.algorithm)
		}
		if got := tt.kind.Label(); got != tt.text {
			t.Errorf("%s: got label %s, want %s", tt.wire, got, tt.text)
		}
	}
}

func TestParseKindRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "rsa", "rsa-1024", "RSA-2048", "ecdsa-p521", "ed25519 ", "rsa-02048"} {
		if got, err := ParseKind(s); !errors.Is(err, ErrUnknownKind) || got != "" {
			t.Errorf("ParseKind(%q): got %q, %v, want ErrUnknownKind", s, string(got), err)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		pub   crypto.PublicKey
		kind  Kind // empty: ErrUnknownKind
		label string
	}{
		{"a curve that we do not make", p521.Public(), "ecdsa-p521", "ECDSA-P521"},
		{"a size that we do not make", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 3}, "rsa-1024", "RSA-1024"},
		{"key agreement only", x25519.Public(), "", ""},
		{"no key", nil, "", ""},
		{"a nil pointer", (*rsa.PublicKey)(nil), "", ""},
		{"an empty ECDSA key", &ecdsa.PublicKey{}, "", ""},
		{"an empty RSA key", &rsa.PublicKey{}, "", ""},
		{"a short Ed25519 key", ed25519.PublicKey("short"), "", ""},
	}
	for _, tt := range tests {
		got, err := KindOf(tt.pub)
		if got != tt.kind || (tt.kind == "") != errors.Is(err, ErrUnknownKind) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, string(got), err, string(tt.kind))
		}
		if got := tt.kind.Label(); got != tt.label {
			t.Errorf("%s: got label %q, want %q", tt.name, got, tt.label)
		}
	}
}
