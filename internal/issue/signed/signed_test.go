package signed

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"testing"

	"crypto/ecdsa"
	"crypto/rand"
)

// TestSplitTakesOnlyWhatAssembleWrites: what comes back is what went in, and nothing that is longer, shorter or of another
// algorithm is taken.
func TestSplitTakesOnlyWhatAssembleWrites(t *testing.T) {
	t.Parallel()
	algorithm := func(curve elliptic.Curve) Algorithm {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		a, err := AlgorithmOf(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, other := algorithm(elliptic.P256()), algorithm(elliptic.P384())
	tbs, signature := []byte{0x30, 3, 2, 1, 7}, []byte("a signature")
	whole, err := a.Assemble(tbs, signature)
	if err != nil {
		t.Fatal(err)
	}
	if octets, s, err := a.Split(whole); err != nil || !bytes.Equal(octets, tbs) || !bytes.Equal(s, signature) {
		t.Errorf("got %x, %x, %v, want what was assembled", octets, s, err)
	}
	more, err := a.Assemble(tbs, signature, []byte{5, 0})
	if err != nil {
		t.Fatal(err)
	}
	otherwise, err := other.Assemble(tbs, signature)
	if err != nil {
		t.Fatal(err)
	}
	unused := bytes.Clone(whole)
	unused[len(whole)-len(signature)-1] = 1 // bits of the last octet that are none of the signature
	for what, octets := range map[string][]byte{"nothing": nil, "something behind the signature": more, "another algorithm": otherwise, "an octet more": append(bytes.Clone(whole), 0), "an octet less": whole[:len(whole)-1], "unused bits": unused} {
		if _, _, err := a.Split(octets); !errors.Is(err, errAssembled) {
			t.Errorf("%s: got %v, want it refused", what, err)
		}
	}
}
