package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// scalarKey returns the ECDSA key with this scalar.
func scalarKey(t *testing.T, curve elliptic.Curve, scalar *big.Int) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(curve, scalar.FillBytes(make([]byte, (curve.Params().BitSize+7)/8)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestJudgeWeakKeys(t *testing.T) {
	t.Parallel()
	rsaOf := func(bits int) *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ecdsaOn := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	below33, n := big.NewInt(1<<32-1), elliptic.P256().Params().N

	swappedECDSA := *ecdsaOn(elliptic.P256())
	swappedECDSA.PublicKey = ecdsaOn(elliptic.P256()).PublicKey
	swappedRSA := *rsaOf(2048)
	swappedRSA.PublicKey = rsaOf(2048).PublicKey
	swappedEd := append(ed25519.PrivateKey(nil), ed...)
	swappedEd[63] ^= 1

	tests := []struct {
		name   string
		key    crypto.Signer
		kind   Kind
		reason string
	}{
		{"RSA of 1024 bits", rsaOf(1024), "rsa-1024", "1024 bits, fewer than 2048"},
		{"RSA of 2047 bits", rsaOf(2047), "rsa-2047", "2047 bits, fewer than 2048"},
		{"huge RSA", &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537}}, "rsa-8193", "8193 bits, more than"},
		{"RSA without primes", &rsa.PrivateKey{PublicKey: rsaOf(2048).PublicKey, D: big.NewInt(3)}, RSA2048, "0 primes"},
		{"RSA with the modulus of another", &swappedRSA, RSA2048, "do not belong together"},
		{"P-224", ecdsaOn(elliptic.P224()), "ecdsa-p224", "curve"},
		{"P-521", ecdsaOn(elliptic.P521()), "ecdsa-p521", "curve"},
		{"scalar 1", scalarKey(t, elliptic.P256(), big.NewInt(1)), ECDSAP256, "guessed"},
		{"scalar 1 on P-384", scalarKey(t, elliptic.P384(), big.NewInt(1)), ECDSAP384, "guessed"},
		{"scalar of 32 bits", scalarKey(t, elliptic.P256(), below33), ECDSAP256, "guessed"},
		{"scalar n-1", scalarKey(t, elliptic.P256(), new(big.Int).Sub(n, big.NewInt(1))), ECDSAP256, "guessed"},
		{"scalar n less 32 bits", scalarKey(t, elliptic.P256(), new(big.Int).Sub(n, below33)), ECDSAP256, "guessed"},
		{"scalar 0", &ecdsa.PrivateKey{PublicKey: ecdsaOn(elliptic.P256()).PublicKey, D: new(big.Int)}, ECDSAP256, "out of range"},
		{"scalar n", &ecdsa.PrivateKey{PublicKey: ecdsaOn(elliptic.P256()).PublicKey, D: n}, ECDSAP256, "out of range"},
		{"ECDSA with the public key of another", &swappedECDSA, ECDSAP256, ""},
		{"Ed25519 with the public key of another", swappedEd, Ed25519, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Judge(tt.key)
			weak, ok := errors.AsType[*WeakKeyError](err)
			if !ok {
				t.Fatalf("got %v, want a WeakKeyError", err)
			}
			if got, want := err.Error(), "private key "+tt.kind.Label()+" must not be used: "+weak.Reason; got != want {
				t.Errorf("got text %s, want %s", got, want)
			}
			if weak.Kind != tt.kind || !strings.Contains(weak.Reason, tt.reason) {
				t.Errorf("got %q, %s, want %q, %s", string(weak.Kind), weak.Reason, string(tt.kind), tt.reason)
			}
			if p, err := New(tt.key); p != nil || err == nil {
				t.Errorf("New took it: %v, %v", p, err)
			}
		})
	}
}

func TestJudgeTakesTheSmallestGoodKeys(t *testing.T) {
	t.Parallel()
	n := elliptic.P256().Params().N
	for name, scalar := range map[string]*big.Int{
		"33 bits":        big.NewInt(1 << 32),
		"n less 33 bits": new(big.Int).Sub(n, big.NewInt(1<<32)),
	} {
		if err := Judge(scalarKey(t, elliptic.P256(), scalar)); err != nil {
			t.Errorf("%s: got %v, want no error", name, err)
		}
	}
	odd, err := rsa.GenerateKey(rand.Reader, 2056)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(odd)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Kind(), Kind("rsa-2056"); got != want {
		t.Errorf("got kind %v, want %v", got, want)
	}
}

// otherSigner is a signer that is none of the standard library's.
type otherSigner struct{ crypto.Signer }

func TestJudgeUnknownKeys(t *testing.T) {
	t.Parallel()
	tests := map[string]crypto.Signer{
		"another type":     otherSigner{},
		"no key":           nil,
		"nil Private":      (*Private)(nil),
		"empty Private":    &Private{},
		"nil ECDSA":        (*ecdsa.PrivateKey)(nil),
		"nil RSA":          (*rsa.PrivateKey)(nil),
		"empty ECDSA":      &ecdsa.PrivateKey{},
		"empty RSA":        &rsa.PrivateKey{},
		"short Ed25519":    ed25519.PrivateKey("short"),
		"Ed25519 of nil":   ed25519.PrivateKey(nil),
		"long for Ed25519": make(ed25519.PrivateKey, 65),
	}
	for name, key := range tests {
		if err := Judge(key); !errors.Is(err, ErrUnknownKind) {
			t.Errorf("%s: got %v, want ErrUnknownKind", name, err)
		}
	}
}

func TestParseJudges(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one := scalarKey(t, elliptic.P256(), big.NewInt(1))
	sec1, err := x509.MarshalECPrivateKey(one)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(one)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"PKCS #1": x509.MarshalPKCS1PrivateKey(small), "SEC 1": sec1, "PKCS #8": pkcs8} {
		p, err := Parse(der)
		if _, ok := errors.AsType[*WeakKeyError](err); !ok || p != nil {
			t.Errorf("%s: got %v, %v, want a WeakKeyError", name, p, err)
		}
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(agreement)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePKCS8(der); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("X25519: got %v, want ErrUnknownKind", err)
	}
}

// TestJudgingLeavesTheKeyAlone: what crypto/ecdsa returns as the octets of a key may be its own, so a judge that
// clears them would destroy the key for whoever uses it at that moment.
func TestJudgingLeavesTheKeyAlone(t *testing.T) {
	t.Parallel()
	p, err := Generate(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	want := p.PKCS8()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := Judge(p); err != nil {
					t.Errorf("judging: %v", err)
				}
				if got := p.PKCS8(); !bytes.Equal(got, want) {
					t.Error("the key has changed")
				}
			}
		})
	}
	all.Wait()
}
