package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"math/big"
)

const (
	// publicScalarBits is how small a scalar is found by its public half alone. A search takes some milliseconds.
	publicScalarBits = 20
	// quickScalarBits and quickBabySteps are those of [NewQuickPublicJudge]: five giant steps are left. The table
	// takes a tenth of a second once for each curve.
	quickScalarBits = 16
	quickBabySteps  = 1 << 13
)

// A PublicJudge says of a public key, as certificates and requests of others bring it, whether anybody can find its
// private half. Make one with [NewPublicJudge] and keep it: what searches share is computed once. It may be used by many
// goroutines at once.
type PublicJudge struct {
	scalars *ScalarSearch
}

// NewPublicJudge returns a judge. What it needs is computed when the first key asks for it.
func NewPublicJudge() *PublicJudge { return &PublicJudge{scalars: NewScalarSearch(publicScalarBits)} }

// NewQuickPublicJudge returns a judge for an authority, which sees thousands of new keys and answers while somebody waits:
// it finds scalars of 16 bits in the place of 20, for a hundredth of the work.
func NewQuickPublicJudge() *PublicJudge {
	return &PublicJudge{scalars: newScalarSearch(quickScalarBits, quickBabySteps)}
}

// Judge returns a [*WeakKeyError] for a key whose private half can be found: RSA too short, with a factor that everybody
// tries, with primes close to each other, or from the chips of CVE-2017-15361 (ROCA); ECDSA with a scalar that is
// trivially small; Ed25519 that no scalar made. A kind of key that it does not know is none of its business.
func (j *PublicJudge) Judge(pub crypto.PublicKey) error {
	var reason string
	switch key := pub.(type) {
	case *rsa.PublicKey:
		if key == nil || key.N == nil {
			return nil
		}
		reason = judgeModulus(key)
	case *ecdsa.PublicKey:
		if j.scalars.Small(key) {
			reason = fmt.Sprintf("its scalar is a number of at most %d bits, which anybody can find", j.scalars.Bits())
		}
	case ed25519.PublicKey:
		if smallOrder(key) {
			reason = "it is one of the eight points for which anybody can sign"
		}
	}
	if reason == "" {
		return nil
	}
	kind, err := KindOf(pub)
	if err != nil {
		return err
	}
	return &WeakKeyError{Kind: kind, Reason: reason, Public: true}
}

// smallOrder reports whether an Ed25519 key is a point whose order divides 8. No private key has it, and a signature of
// zeros, which needs none, verifies with it: RFC 8032 section 5.1.7 does not ask that it be refused, and crypto/ed25519
// does not. The octets are those of y, the first the lowest, for 0, 1, -1 and the two of order 8, and for 0 and 1 written
// with the prime added; the highest bit is the sign of x.
func smallOrder(key ed25519.PublicKey) bool {
	if len(key) != ed25519.PublicKeySize {
		return false
	}
	y := [ed25519.PublicKeySize]byte(key)
	y[len(y)-1] &= 0x7f
	for _, small := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if hex.EncodeToString(y[:]) == small {
			return true
		}
	}
	return false
}

// judgeModulus looks at what an RSA key shows to everybody.
func judgeModulus(key *rsa.PublicKey) string {
	bits := key.N.BitLen()
	switch {
	case bits < minRSABits:
		return fmt.Sprintf("its modulus has %d bits, fewer than %d", bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Sprintf("its modulus has %d bits, more than the %d that TLS clients verify", bits, maxRSABits)
	case key.E < 3 || key.E&1 == 0:
		return fmt.Sprintf("its exponent is %d; RFC 8017 section 3.1 wants an odd number from 3", key.E)
	case hasSmallFactor(key.N):
		return "its modulus has a small factor"
	case isROCA(key.N):
		return "it comes from a chip that makes keys which can be computed (ROCA, CVE-2017-15361)"
	case closePrimes(key.N):
		return "its primes are so close together that they can be found"
	}
	return ""
}

// smallPrimes are the odd primes up to 167, which is where the fingerprint of ROCA for keys of 512 bits and more ends.
func smallPrimes() []int64 {
	return []int64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}
}

func hasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	for _, p := range smallPrimes() {
		if rest(n, p) == 0 {
			return true
		}
	}
	return false
}

func rest(n *big.Int, p int64) int64 {
	return new(big.Int).Mod(n, big.NewInt(p)).Int64()
}

// isROCA knows the keys of CVE-2017-15361 by their fingerprint: both primes are powers of 65537 modulo many small primes,
// so the modulus is too (Nemec and others, "The Return of Coppersmith's Attack", section 3.2). Of other keys one in 2 to
// the power of 27 looks so.
func isROCA(n *big.Int) bool {
	for _, p := range smallPrimes() {
		wanted, power, found := rest(n, p), int64(1), false
		for range p {
			if power == wanted {
				found = true
				break
			}
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// fermatSteps is how far [closePrimes] searches, about two milliseconds.
const fermatSteps = 10_000

// closePrimes looks for the factors of n near its square root, as Fermat did: n is a²-b² with a the mean of the primes
// and b half their distance. It needs few steps when they are close (CVE-2022-26320), and never ends when they are not.
func closePrimes(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	rest := new(big.Int).Mul(a, a)
	if rest.Cmp(n) == 0 {
		return true // n is a square
	}
	a.Add(a, big.NewInt(1))
	rest.Mul(a, a).Sub(rest, n)
	step := new(big.Int).Add(new(big.Int).Lsh(a, 1), big.NewInt(1)) // from a² to (a+1)²
	two, root, square := big.NewInt(2), new(big.Int), new(big.Int)
	for range fermatSteps {
		if mayBeSquare(rest) {
			if root.Sqrt(rest); square.Mul(root, root).Cmp(rest) == 0 {
				return true
			}
		}
		rest.Add(rest, step)
		step.Add(step, two)
	}
	return false
}

// mayBeSquare sorts most numbers out by their last six bits: a square has one of twelve endings there.
func mayBeSquare(n *big.Int) bool {
	const endings = 1<<0 | 1<<1 | 1<<4 | 1<<9 | 1<<16 | 1<<17 | 1<<25 | 1<<33 | 1<<36 | 1<<41 | 1<<49 | 1<<57
	words := n.Bits()
	return len(words) == 0 || uint64(endings)>>(uint(words[0])&63)&1 == 1
}
