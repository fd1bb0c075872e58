package keys

import "math/big"

// affine is a point of an elliptic curve that is not the point at infinity. Its numbers are never changed.
type affine struct{ x, y *big.Int }

// field computes modulo the prime of a curve. It is for public numbers only: math/big is not constant in time. What makes
// it worth having beside crypto/elliptic is that the one costly step of an addition, the inversion, is done once for
// many (Montgomery's trick: three multiplications in the place of each).
type field struct {
	p *big.Int
	// product and quotient are for mul alone: most of its time would go into making them. So a field belongs to one
	// goroutine.
	product, quotient *big.Int
}

func newField(p *big.Int) field { return field{p, new(big.Int), new(big.Int)} }

// invert replaces each number by its inverse. None may be zero.
func (f field) invert(all []*big.Int) {
	if len(all) == 0 {
		return
	}
	products := make([]*big.Int, len(all)) // of all before
	product := big.NewInt(1)
	for i, n := range all {
		products[i] = product
		product = f.mul(product, n)
	}
	inverse := new(big.Int).ModInverse(product, f.p)
	for i := len(all) - 1; i >= 0; i-- {
		n := all[i]
		all[i] = f.mul(inverse, products[i])
		inverse = f.mul(inverse, n)
	}
}

func (f field) mul(a, b *big.Int) *big.Int {
	rest := new(big.Int)
	f.product.Mul(a, b)
	f.quotient.QuoRem(f.product, f.p, rest)
	return rest
}

func (f field) sub(a, b *big.Int) *big.Int {
	c := new(big.Int).Sub(a, b)
	if c.Sign() < 0 {
		c.Add(c, f.p)
	}
	return c
}

// multiples returns 1·g to n·g. It doubles what it has: k·g added to the first k gives the next k.
func (f field) multiples(g affine, n int) []affine {
	all := append(make([]affine, 0, n), g)
	for len(all) < n {
		k := len(all)
		last, more := all[k-1], min(k-1, n-k)
		// k·g + i·g for i below k have different x, since i is neither k nor -k. The last one is a doubling.
		dx := make([]*big.Int, more)
		for i := range more {
			dx[i] = f.sub(last.x, all[i].x)
		}
		f.invert(dx)
		for i := range more {
			all = append(all, f.chord(all[i], last, f.mul(f.sub(last.y, all[i].y), dx[i])))
		}
		if len(all) < n {
			all = append(all, f.double(last))
		}
	}
	return all
}

// chord is the third point, mirrored, on the line through a and b with that slope.
func (f field) chord(a, b affine, slope *big.Int) affine {
	x := f.chordX(a, b, slope)
	return affine{x, f.sub(f.mul(slope, f.sub(a.x, x)), a.y)}
}

// chordX is the x of chord.
func (f field) chordX(a, b affine, slope *big.Int) *big.Int {
	return f.sub(f.sub(f.mul(slope, slope), a.x), b.x)
}

// double adds a point to itself; for all curves of crypto/elliptic a is -3, and so the slope is 3(x²-1)/2y.
func (f field) double(p affine) affine {
	top := f.sub(f.mul(p.x, p.x), big.NewInt(1))
	top = f.mul(top, big.NewInt(3))
	bottom := new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), f.p)
	return f.chord(p, p, f.mul(top, bottom))
}

// offsets returns, for each step, the x of key+step and of key-step, which share one inversion. Both are nil where key
// and step have the same x.
func (f field) offsets(key affine, steps []affine) [][2]*big.Int {
	all := make([][2]*big.Int, len(steps))
	dx, at := make([]*big.Int, 0, len(steps)), make([]int, 0, len(steps))
	for i, s := range steps {
		if d := f.sub(s.x, key.x); d.Sign() != 0 {
			dx, at = append(dx, d), append(at, i)
		}
	}
	f.invert(dx)
	for n, i := range at {
		s := steps[i]
		minus := affine{s.x, f.sub(f.p, s.y)}
		all[i][0] = f.chordX(key, s, f.mul(f.sub(s.y, key.y), dx[n]))
		all[i][1] = f.chordX(key, minus, f.mul(f.sub(minus.y, key.y), dx[n]))
	}
	return all
}
