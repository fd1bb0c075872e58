package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"sync"
	"sync/atomic"
)

// MaxScalarBits bounds the search of a [ScalarSearch]: every two further bits cost twice as much.
const MaxScalarBits = 24

// maxRemembered bounds the answers that are kept; then all are forgotten.
const maxRemembered = 50_000

// A ScalarSearch finds elliptic keys by their public half whose private scalar k is trivially small, or trivially near
// the order of the curve: authorities have made such keys (CVE-2026-111943), and k·G is then a secret to nobody. It is
// the search with baby steps and giant steps: the x of i·G for i up to half a giant step are kept, and the key is moved
// by giant steps, forth and back, until its x is one of them. x does not tell k from -k, so each look finds both.
//
// Only public numbers are computed with, so the time that it takes gives nothing away. It may be used by many goroutines
// at once.
type ScalarSearch struct {
	bits  int
	baby  int64                        // baby steps; a giant step is twice as many and one
	steps map[string]func() *stepTable // by the name of the curve; computed when first needed

	// wide is the same search with a larger table: its beginning costs as much as a hundred keys save by it. It is used
	// from the key number manyKeys on; nil when there is none.
	wide  func() *ScalarSearch
	asked atomic.Int64

	// mu guards known. It is not held while searching.
	mu    sync.Mutex
	known map[[32]byte]bool // by the SHA-256 of the point
}

// stepTable is what searches on one curve share.
type stepTable struct {
	baby  map[[8]byte]int64 // i by a part of the x of i·G
	giant []affine          // 1, 2, 3 … giant steps
}

// NewScalarSearch returns a search for scalars of at most that many bits, 1 to [MaxScalarBits]; beyond, it is that.
func NewScalarSearch(bits int) *ScalarSearch {
	bits = min(max(bits, 1), MaxScalarBits)
	s := newScalarSearch(bits, 1<<((bits+2)/2))
	if s.baby < wideBabySteps {
		s.wide = sync.OnceValue(func() *ScalarSearch { return newScalarSearch(bits, wideBabySteps) })
	}
	return s
}

const (
	manyKeys      = 200
	wideBabySteps = 1 << 13
)

// newScalarSearch takes the baby steps apart: more of them cost memory and a longer beginning once, and save giant steps
// with each key.
func newScalarSearch(bits int, baby int64) *ScalarSearch {
	s := &ScalarSearch{bits: bits, baby: baby, steps: map[string]func() *stepTable{}, known: map[[32]byte]bool{}}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		s.steps[curve.Params().Name] = sync.OnceValue(func() *stepTable { return s.table(curve) })
	}
	return s
}

// Bits is how many bits a scalar may have to be found.
func (s *ScalarSearch) Bits() int { return s.bits }

func (s *ScalarSearch) table(curve elliptic.Curve) *stepTable {
	f := newField(curve.Params().P)
	g := affine{curve.Params().Gx, curve.Params().Gy}
	t := &stepTable{baby: make(map[[8]byte]int64, s.baby)}
	for i, p := range f.multiples(g, int(s.baby)) {
		t.baby[part(p.x)] = int64(i) + 1
	}
	step := 2*s.baby + 1
	x, y := curve.ScalarBaseMult(big.NewInt(step).Bytes())
	t.giant = f.multiples(affine{x, y}, int((int64(1)<<s.bits)/step)+1)
	return t
}

// part is enough of a coordinate to look it up; a hit is proved by computing k·G.
func part(x *big.Int) [8]byte {
	var whole [66]byte // P-521
	x.FillBytes(whole[:])
	return [8]byte(whole[len(whole)-8:])
}

// Small reports whether pub is such a key. What is no elliptic key of a curve that crypto/elliptic has is none.
func (s *ScalarSearch) Small(pub crypto.PublicKey) bool {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil || key.Curve == nil || s.steps[key.Curve.Params().Name] == nil {
		return false
	}
	raw, err := key.Bytes() // 4, x, y
	if err != nil {
		return false
	}
	id := sha256.Sum256(raw)
	s.mu.Lock()
	answer, known := s.known[id]
	s.mu.Unlock()
	if known {
		return answer
	}
	half := 1 + len(raw)/2
	searcher := s
	if s.wide != nil && s.asked.Add(1) > manyKeys {
		searcher = s.wide()
	}
	answer = searcher.search(key.Curve, affine{new(big.Int).SetBytes(raw[1:half]), new(big.Int).SetBytes(raw[half:])})
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxRemembered {
		clear(s.known)
	}
	s.known[id] = answer
	return answer
}

func (s *ScalarSearch) search(curve elliptic.Curve, key affine) bool {
	t := s.steps[curve.Params().Name]()
	f := newField(curve.Params().P)
	proved := func(moved int64, x *big.Int) bool {
		i, hit := t.baby[part(x)]
		return hit && (multiple(curve, moved-i, key.x) || multiple(curve, moved+i, key.x))
	}
	if proved(0, key.x) {
		return true
	}
	step := 2*s.baby + 1
	for i, x := range f.offsets(key, t.giant) {
		moved := (int64(i) + 1) * step
		if x[0] == nil { // the same x: the key is a giant step, or its inverse
			return true
		}
		if proved(moved, x[0]) || proved(moved, x[1]) {
			return true
		}
	}
	return false
}

// multiple reports whether x is that of k·G, whatever the sign of k.
func multiple(curve elliptic.Curve, k int64, x *big.Int) bool {
	if k < 0 {
		k = -k
	}
	have, _ := curve.ScalarBaseMult(big.NewInt(k).Bytes())
	return have.Cmp(x) == 0
}
