package desk

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"testing"

	"postseal/internal/ground/keys"
)

// tokenKey is a key that signs, or not.
type tokenKey struct {
	crypto.Signer
	broken error
}

func (k *tokenKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.broken != nil {
		return nil, k.broken
	}
	return k.Signer.Sign(random, digest, opts)
}

// TestAModuleThatDoesNotSign is a condition until it signs again. With a real one: testdata/pkcs11 of the command line.
func TestAModuleThatDoesNotSign(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	inner := &tokenKey{Signer: key, broken: errors.New("CKR_DEVICE_REMOVED")}
	w := &watched{inner, h.Desk}
	digest := sha256.Sum256([]byte("what is to be signed"))
	const code = "!securityModuleUnreachable "
	if _, err := w.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, inner.broken) {
		t.Errorf("got %v, want %v", err, inner.broken)
	}
	if got := conditionsOf(t, h); !slices.Contains(got, code) {
		t.Errorf("it does not sign: got %q", got)
	}
	inner.broken = nil
	if _, err := w.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		t.Error(err)
	}
	if got := conditionsOf(t, h); slices.Contains(got, code) {
		t.Errorf("it signs again: got %q", got)
	}
}
