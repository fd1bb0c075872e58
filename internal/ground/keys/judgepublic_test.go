package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// prime returns a random prime of so many bits.
func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// primeFrom returns the first prime from n on, in steps that keep it odd.
func primeFrom(n, step *big.Int) *big.Int {
	p := new(big.Int).Set(n)
	for !p.ProbablyPrime(10) {
		p.Add(p, step)
	}
	return p
}

// rsaOf makes a key of two primes.
func rsaOf(t *testing.T, p, q *big.Int) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	totient := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q)}, Primes: []*big.Int{p, q}}
	for _, e := range []int{65537, 257, 101, 103, 107, 109} { // one of them is not a divisor of the totient
		if k.D = new(big.Int).ModInverse(big.NewInt(int64(e)), totient); k.D != nil {
			k.E = e
			break
		}
	}
	k.Precompute()
	return k
}

// rocaPrime is a prime as the chips of CVE-2017-15361 made them: k·M + (65537^a mod M).
func rocaPrime(t *testing.T, bits int) *big.Int {
	t.Helper()
	m := big.NewInt(2)
	for _, p := range smallPrimes() {
		m.Mul(m, big.NewInt(p))
	}
	a, err := rand.Int(rand.Reader, m)
	if err != nil {
		t.Fatal(err)
	}
	low := new(big.Int).Exp(big.NewInt(65537), a, m)
	k := prime(t, bits-m.BitLen()+1)
	return primeFrom(new(big.Int).Add(low, new(big.Int).Mul(k, m)), m)
}

func TestRSAThatCanBeFactored(t *testing.T) {
	t.Parallel()
	judge := NewPublicJudge()
	p := prime(t, 1024)
	two := big.NewInt(2)
	next := primeFrom(new(big.Int).Add(p, two), two)
	// So far apart that Fermat needs some thousand steps: about (p-q)²/8p of them.
	apart := new(big.Int).Add(p, new(big.Int).Lsh(big.NewInt(200), 512))
	for name, c := range map[string]struct {
		key    *rsa.PrivateKey
		reason string
	}{
		"neighbours": {rsaOf(t, next, p), "close together"},
		"close":      {rsaOf(t, primeFrom(apart.SetBit(apart, 0, 1), two), p), "close together"},
		"ROCA":       {rsaOf(t, rocaPrime(t, 1024), rocaPrime(t, 1030)), "ROCA"},
	} {
		for half, err := range map[string]error{"private": Judge(c.key), "public": judge.Judge(&c.key.PublicKey)} {
			weak, ok := errors.AsType[*WeakKeyError](err)
			if !ok || !strings.Contains(weak.Reason, c.reason) || !strings.HasPrefix(err.Error(), half+" key ") {
				t.Errorf("%s, %s: got %v, want %q", name, half, err, c.reason)
			}
		}
	}
	// Only whoever knows the primes sees that these agree in their first hundred bits.
	agree := primeFrom(new(big.Int).SetBit(new(big.Int).Add(p, new(big.Int).Lsh(big.NewInt(1), 900)), 0, 1), two)
	if err := Judge(rsaOf(t, agree, p)); err == nil || !strings.Contains(err.Error(), "close together") {
		t.Errorf("primes that agree in a hundred bits: got %v", err)
	}
}

func TestPublicJudge(t *testing.T) {
	t.Parallel()
	judge := NewPublicJudge()
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	with := func(e int) *rsa.PublicKey { return &rsa.PublicKey{N: good.N, E: e} }
	for name, c := range map[string]struct {
		pub    crypto.PublicKey
		reason string
	}{
		"RSA":               {&good.PublicKey, ""},
		"exponent 3":        {with(3), ""},
		"exponent 1":        {with(1), "exponent is 1"},
		"even exponent":     {with(65536), "exponent is 65536"},
		"1024 bits":         {short, "1024 bits"},
		"even modulus":      {&rsa.PublicKey{N: new(big.Int).Lsh(good.N, 1), E: 65537}, "small factor"},
		"factor 167":        {&rsa.PublicKey{N: new(big.Int).Mul(good.N, big.NewInt(167)), E: 65537}, "small factor"},
		"a square":          {&rsa.PublicKey{N: new(big.Int).Mul(good.N, good.N), E: 65537}, "close together"},
		"scalar 7":          {scalarKey(t, elliptic.P256(), big.NewInt(7)).Public(), "at most 20 bits"},
		"scalar on P-384":   {scalarKey(t, elliptic.P384(), big.NewInt(51_113)).Public(), "at most 20 bits"},
		"n less something":  {scalarKey(t, elliptic.P384(), new(big.Int).Sub(elliptic.P384().Params().N, big.NewInt(65_537))).Public(), "at most 20 bits"},
		"scalar of 40 bits": {scalarKey(t, elliptic.P256(), big.NewInt(1<<40)).Public(), ""},
		"Ed25519":           {edwards, ""},
		"Ed25519 of zeros":  {ed25519.PublicKey(make([]byte, 32)), "anybody can sign"},
		"short Ed25519":     {ed25519.PublicKey(make([]byte, 31)), ""},
		"nothing":           {nil, ""},
		"empty RSA":         {&rsa.PublicKey{}, ""},
		"nil ECDSA":         {(*ecdsa.PublicKey)(nil), ""},
	} {
		err := judge.Judge(c.pub)
		weak, ok := errors.AsType[*WeakKeyError](err)
		if ok != (c.reason != "") || ok && (!weak.Public || !strings.Contains(weak.Reason, c.reason)) {
			t.Errorf("%s: got %v, want %q", name, err, c.reason)
		}
	}
}

// TestQuickPublicJudge: less is found, and up to its bound everything, whatever giant step is needed.
func TestQuickPublicJudge(t *testing.T) {
	t.Parallel()
	judge := NewQuickPublicJudge()
	order := elliptic.P256().Params().N
	for _, k := range []int64{1, quickBabySteps, quickBabySteps + 1, 2*quickBabySteps + 1, 51_113, 65_535} {
		for _, scalar := range []*big.Int{big.NewInt(k), new(big.Int).Sub(order, big.NewInt(k))} {
			weak, ok := errors.AsType[*WeakKeyError](judge.Judge(scalarKey(t, elliptic.P256(), scalar).Public()))
			if !ok || !strings.Contains(weak.Reason, "at most 16 bits") {
				t.Errorf("scalar %v: got %v", scalar, weak)
			}
		}
	}
	for range 20 {
		key, err := Generate(ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge.Judge(key.Public()); err != nil {
			t.Errorf("a good key: %v", err)
		}
	}
	if err := judge.Judge(scalarKey(t, elliptic.P256(), big.NewInt(1<<19)).Public()); err != nil {
		t.Errorf("a scalar of 20 bits is beyond it: %v", err)
	}
}

func BenchmarkPublicJudge(b *testing.B) {
	for name, judge := range map[string]*PublicJudge{"full": NewPublicJudge(), "quick": NewQuickPublicJudge()} {
		b.Run(name, func(b *testing.B) {
			key, err := Generate(ECDSAP256)
			if err != nil {
				b.Fatal(err)
			}
			pub := key.Public().(*ecdsa.PublicKey)
			search := judge.scalars
			if err := judge.Judge(pub); err != nil { // the table is made
				b.Fatal(err)
			}
			point, err := pub.Bytes()
			if err != nil {
				b.Fatal(err)
			}
			at := affine{new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:])}
			for b.Loop() {
				search.search(pub.Curve, at) // what was seen before would be remembered
			}
		})
	}
}

// TestHalvesOfAFile: the public half that a file carries beside the private one is compared, in each form of file.
func TestHalvesOfAFile(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{ECDSAP256, ECDSAP384} {
		key, err := Generate(kind)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8 := key.PKCS8().Bytes()
		if _, err := Parse(pkcs8); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		damaged := append([]byte(nil), pkcs8...)
		damaged[len(damaged)-1] ^= 1 // of the public point, which is last
		_, err = Parse(damaged)
		if weak, ok := errors.AsType[*WeakKeyError](err); !ok || !strings.Contains(weak.Reason, "public half beside it") {
			t.Errorf("%s with another public half: got %v", kind, err)
		}
	}
	// RFC 5958 section 2 lets an Ed25519 key carry its public half too.
	key, err := Generate(Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		t.Fatal("no Ed25519")
	}
	var bare struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	if _, err := asn1.Unmarshal(key.PKCS8().Bytes(), &bare); err != nil {
		t.Fatal(err)
	}
	file := func(public []byte) []byte {
		der, err := asn1.Marshal(struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
			Public    asn1.BitString `asn1:"tag:1"`
		}{1, bare.Algorithm, bare.Key, asn1.BitString{Bytes: public, BitLength: 8 * len(public)}})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	if _, err := Parse(file(pub)); err != nil {
		t.Errorf("Ed25519 with its public half: %v", err)
	}
	other := append([]byte(nil), pub...)
	other[0] ^= 1
	if _, err := Parse(file(other)); err == nil {
		t.Error("Ed25519 with another public half is taken")
	}
}

// TestPointsForWhichAnybodySigns: each verifies a signature that was made without a key, and is refused; a good key is not.
func TestPointsForWhichAnybodySigns(t *testing.T) {
	t.Parallel()
	judge := NewQuickPublicJudge()
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	eight, _ := new(big.Int).SetString("5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	var points [][]byte
	for _, y := range []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(prime, big.NewInt(1)), eight, new(big.Int).Sub(prime, eight), prime, new(big.Int).Add(prime, big.NewInt(1))} {
		low := y.FillBytes(make([]byte, ed25519.PublicKeySize))
		slices.Reverse(low)
		high := slices.Clone(low)
		high[len(high)-1] |= 0x80 // the other sign of x
		points = append(points, low, high)
	}
	for _, p := range points {
		forged := false
		for m := range 64 {
			for _, r := range points {
				forged = forged || ed25519.Verify(p, []byte{byte(m)}, append(append([]byte{}, r...), make([]byte, 32)...))
			}
		}
		var weak *WeakKeyError
		if err := judge.Judge(ed25519.PublicKey(p)); !errors.As(err, &weak) || !forged {
			t.Errorf("%x: forged %t, judged %v", p, forged, err)
		}
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.Judge(pub); err != nil {
		t.Errorf("a good key: %v", err)
	}
}
