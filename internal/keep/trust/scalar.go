package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"
	"sync"
)

// maxScalarBits bounds the search: every further bit costs as much again.
const maxScalarBits = 24

// maxRemembered bounds the answers that are kept; then all are forgotten.
const maxRemembered = 50_000

// A scalarSearch finds elliptic keys whose private scalar k is trivially small, or trivially near the order of the
// curve: authorities have made such keys (CVE-2026-111943), and k·G is then a secret to nobody. It is the search with
// baby steps and giant steps: the x of i·G for i up to half a giant step are kept, and the key is moved by giant steps
// until its x is one of them. x does not tell k from -k, so each look finds both.
type scalarSearch struct {
	bits  int
	baby  int64                               // baby steps; a giant step is twice as many and one
	steps map[string]func() map[[8]byte]int64 // by the name of the curve; computed when first needed

	// mu guards known. It is not held while searching.
	mu    sync.Mutex
	known map[[32]byte]bool // by the SHA-256 of the SubjectPublicKeyInfo
}

func newScalarSearch(bits int) *scalarSearch {
	s := &scalarSearch{bits: bits, baby: 1 << ((bits + 6) / 2), steps: map[string]func() map[[8]byte]int64{}, known: map[[32]byte]bool{}}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		s.steps[curve.Params().Name] = sync.OnceValue(func() map[[8]byte]int64 { return babySteps(curve, s.baby) })
	}
	return s
}

// babySteps are the first n multiples of the generator, by a part of their x.
func babySteps(curve elliptic.Curve, n int64) map[[8]byte]int64 {
	steps := make(map[[8]byte]int64, n)
	gx, gy := curve.Params().Gx, curve.Params().Gy
	x, y := gx, gy
	for i := range n {
		steps[part(x)] = i + 1
		x, y = curve.Add(x, y, gx, gy)
	}
	return steps
}

// part is enough of a coordinate to look it up; a hit is proved by computing k·G.
func part(x *big.Int) [8]byte {
	var whole [66]byte // P-521
	x.FillBytes(whole[:])
	return [8]byte(whole[len(whole)-8:])
}

// small reports whether pub is such a key. spki is the SHA-256 by which the answer is remembered.
func (s *scalarSearch) small(spki [32]byte, pub crypto.PublicKey) bool {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil || key.Curve == nil || s.steps[key.Curve.Params().Name] == nil {
		return false
	}
	s.mu.Lock()
	answer, known := s.known[spki]
	s.mu.Unlock()
	if known {
		return answer
	}
	answer = s.search(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxRemembered {
		clear(s.known)
	}
	s.known[spki] = answer
	return answer
}

func (s *scalarSearch) search(key *ecdsa.PublicKey) bool {
	raw, err := key.Bytes() // 4, x, y
	if err != nil {
		return false
	}
	curve, half := key.Curve, 1+len(raw)/2
	keyX, keyY := new(big.Int).SetBytes(raw[1:half]), new(big.Int).SetBytes(raw[half:])
	negative := func(y *big.Int) *big.Int { return new(big.Int).Sub(curve.Params().P, y) }
	steps := s.steps[curve.Params().Name]()
	giant := 2*s.baby + 1
	backX, backY := curve.ScalarBaseMult(big.NewInt(giant).Bytes())
	backY = negative(backY)
	// Both the key and its inverse, which is small if k is near the order of the curve.
	for _, y := range []*big.Int{keyY, negative(keyY)} {
		x := keyX
		for moved := int64(0); moved-s.baby <= 1<<s.bits; moved += giant {
			if x.Sign() == 0 && y.Sign() == 0 {
				return true // infinity: k is a multiple of the giant step
			}
			if i, hit := steps[part(x)]; hit && (multiple(curve, moved-i, keyX) || multiple(curve, moved+i, keyX)) {
				return true
			}
			x, y = curve.Add(x, y, backX, backY)
		}
	}
	return false
}

// multiple reports whether x is that of k·G.
func multiple(curve elliptic.Curve, k int64, x *big.Int) bool {
	if k <= 0 {
		k = -k
	}
	have, _ := curve.ScalarBaseMult(big.NewInt(k).Bytes())
	return have.Cmp(x) == 0
}
