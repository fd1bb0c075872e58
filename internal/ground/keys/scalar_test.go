package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"math/big"
	"testing"
)

// TestSmallScalars: keys that anybody can find are found by their public half, of both signs, and no others.
func TestSmallScalars(t *testing.T) {
	t.Parallel()
	const bits = 10
	search := NewScalarSearch(bits)
	step := 2*search.baby + 1
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		n := curve.Params().N
		for _, k := range []int64{1, 2, 3, search.baby - 1, search.baby, search.baby + 1, step - 1, step, step + 1, 2 * step, 1000, 1<<bits - 1, 1 << bits} {
			for name, scalar := range map[string]*big.Int{fmt.Sprint(k): big.NewInt(k), fmt.Sprint("n-", k): new(big.Int).Sub(n, big.NewInt(k))} {
				for range 2 { // searched, then remembered
					if !search.Small(scalarKey(t, curve, scalar).Public()) {
						t.Errorf("%s: the scalar %s was not found", curve.Params().Name, name)
					}
				}
			}
		}
		for _, scalar := range []*big.Int{big.NewInt(1 << 40), new(big.Int).Rsh(n, 1), new(big.Int).Sub(n, big.NewInt(1<<40))} {
			if search.Small(scalarKey(t, curve, scalar).Public()) {
				t.Errorf("%s: the scalar %x was found, want not", curve.Params().Name, scalar)
			}
		}
	}
	for _, pub := range []crypto.PublicKey{nil, "key", (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}} {
		if search.Small(pub) {
			t.Errorf("%v: found, want not", pub)
		}
	}
	for bits, want := range map[int]int{-1: 1, 0: 1, 20: 20, 99: MaxScalarBits} {
		if got := NewScalarSearch(bits).Bits(); got != want {
			t.Errorf("a search for %d bits: got %d", bits, got)
		}
	}
}

// TestTheWholeRange: a search of 20 bits finds the last number of them.
func TestTheWholeRange(t *testing.T) {
	t.Parallel()
	search := NewScalarSearch(20)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		for _, k := range []int64{1<<20 - 1, 1 << 20, 777_777} {
			if !search.Small(scalarKey(t, curve, big.NewInt(k)).Public()) {
				t.Errorf("%s: the scalar %d was not found", curve.Params().Name, k)
			}
		}
	}
}

// TestManyKeys: after many keys the search has a larger table, and finds the same.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const bits = 18
	search := NewScalarSearch(bits)
	search.asked.Store(manyKeys)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		for _, k := range []int64{1, wideBabySteps - 1, wideBabySteps, wideBabySteps + 1, 2*wideBabySteps + 1, 100_003, 1 << bits} {
			if !search.Small(scalarKey(t, curve, big.NewInt(k)).Public()) {
				t.Errorf("%s: the scalar %d was not found", curve.Params().Name, k)
			}
		}
		if search.Small(scalarKey(t, curve, new(big.Int).Rsh(curve.Params().N, 1)).Public()) {
			t.Errorf("%s: half of the order was found, want not", curve.Params().Name)
		}
	}
	if search.asked.Load() <= manyKeys {
		t.Error("the larger table was not used")
	}
}

// TestMultiplesAreThoseOfTheCurve compares our arithmetic with that of crypto/elliptic.
func TestMultiplesAreThoseOfTheCurve(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		for _, n := range []int{1, 2, 3, 4, 5, 70} {
			all := newField(curve.Params().P).multiples(affine{curve.Params().Gx, curve.Params().Gy}, n)
			if len(all) != n {
				t.Fatalf("%s: got %d multiples, want %d", curve.Params().Name, len(all), n)
			}
			for i, p := range all {
				x, y := curve.ScalarBaseMult(big.NewInt(int64(i) + 1).Bytes())
				if p.x.Cmp(x) != 0 || p.y.Cmp(y) != 0 {
					t.Errorf("%s: %d·G is wrong", curve.Params().Name, i+1)
				}
			}
		}
	}
}

func BenchmarkScalarSearch(b *testing.B) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		b.Run(curve.Params().Name, func(b *testing.B) {
			search := NewScalarSearch(20)
			x, y := curve.ScalarBaseMult(new(big.Int).Rsh(curve.Params().N, 1).Bytes())
			key := &ecdsa.PublicKey{Curve: curve, X: x, Y: y}
			for b.Loop() {
				clear(search.known)
				if search.Small(key) {
					b.Fatal("found")
				}
			}
		})
	}
}
