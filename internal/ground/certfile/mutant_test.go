package certfile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
)

// mutants damages data in n ways, always the same ones: octets that are flipped, cut off, put in, or behind the end; and,
// where data is DER, elements that are there twice, left out, or in another order, and lengths that are longer than they
// need be, indefinite, one too large or one too small.
func mutants(data []byte, n int) map[string][]byte {
	random := rand.New(rand.NewPCG(uint64(len(data)), 1))
	made := map[string][]byte{
		"one octet behind the end": append(bytes.Clone(data), 0),
		"twice":                    append(bytes.Clone(data), data...),
	}
	elements := walk(data, 0, len(data), -1, nil)
	for len(made) < n {
		at := random.IntN(len(data))
		kind := random.IntN(10)
		if kind > 3 && len(elements) < 2 {
			kind %= 4
		}
		switch kind {
		case 0, 1:
			changed := bytes.Clone(data)
			bit := random.IntN(8)
			changed[at] ^= 1 << bit
			made[fmt.Sprintf("bit %d of %d flipped", bit, at)] = changed
		case 2:
			made[fmt.Sprintf("cut at %d", at)] = data[:at]
		case 3:
			made[fmt.Sprintf("one more at %d", at)] = slices.Insert(bytes.Clone(data), at, 0x30)
		case 4:
			e := elements[1+random.IntN(len(elements)-1)]
			made[fmt.Sprintf("element at %d twice", e.at)] = rebuild(data, elements, e, slices.Repeat(data[e.at:e.end], 2))
		case 5:
			e := elements[1+random.IntN(len(elements)-1)]
			made[fmt.Sprintf("element at %d left out", e.at)] = rebuild(data, elements, e, nil)
		case 6:
			e := elements[1+random.IntN(len(elements)-1)]
			if next := slices.IndexFunc(elements, func(x place) bool { return x.at == e.end && x.parent == e.parent }); next >= 0 {
				second := elements[next]
				made[fmt.Sprintf("elements at %d exchanged", e.at)] = slices.Concat(data[:e.at], data[second.at:second.end], data[e.at:e.end], data[second.end:])
			}
		case 7:
			e := elements[random.IntN(len(elements))]
			made[fmt.Sprintf("long length at %d", e.at)] = rebuild(data, elements, e, slices.Concat(data[e.at:e.at+1], longLength(e.end-e.body), data[e.body:e.end]))
		case 8:
			if e := elements[random.IntN(len(elements))]; data[e.at]&0x20 != 0 {
				made[fmt.Sprintf("indefinite length at %d", e.at)] = rebuild(data, elements, e, slices.Concat(data[e.at:e.at+1], []byte{0x80}, data[e.body:e.end], []byte{0, 0}))
			}
		case 9:
			e := elements[random.IntN(len(elements))]
			changed := bytes.Clone(data)
			step := byte(1 + 254*random.IntN(2)) // plus or minus one
			changed[e.body-1] += step
			made[fmt.Sprintf("length at %d changed by %d", e.at, int8(step))] = changed
		}
	}
	return made
}

// A place is that of a TLV of DER: data[at:end], its content begins at body.
type place struct{ at, body, end, parent int }

// walk finds the places of data[from:to], outer ones first. What is no DER has none.
func walk(data []byte, from, to, parent int, found []place) []place {
	var level []place
	for at := from; at < to; {
		body, length, ok := lengthAt(data, at+1, to)
		if !ok || data[at]&0x1f == 0x1f {
			return found // not DER after all: a leaf
		}
		level = append(level, place{at, body, body + length, parent})
		at = body + length
	}
	for _, e := range level {
		found = append(found, e)
		if data[e.at]&0x20 != 0 {
			found = walk(data, e.body, e.end, e.at, found)
		}
	}
	return found
}

func lengthAt(data []byte, at, to int) (body, length int, ok bool) {
	if at >= to {
		return 0, 0, false
	}
	first := int(data[at])
	if first < 0x80 {
		return at + 1, first, at+1+first <= to
	}
	n := first & 0x7f
	if n == 0 || n > 3 || at+1+n > to {
		return 0, 0, false
	}
	for _, b := range data[at+1 : at+1+n] {
		length = length<<8 | int(b)
	}
	return at + 1 + n, length, at+1+n+length <= to
}

// longLength writes a length in one octet more than it needs.
func longLength(n int) []byte {
	return []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
}

// rebuild puts other octets in the place of an element, and mends the lengths of those around it.
func rebuild(data []byte, elements []place, e place, other []byte) []byte {
	for {
		i := slices.IndexFunc(elements, func(x place) bool { return x.at == e.parent })
		if e.parent < 0 || i < 0 {
			return slices.Concat(data[:e.at], other, data[e.end:])
		}
		outer := elements[i]
		content := slices.Concat(data[outer.body:e.at], other, data[e.end:outer.end])
		other = slices.Concat(data[outer.at:outer.at+1], shortLength(len(content)), content)
		e = outer
	}
}

// shortLength writes a length as DER wants it.
func shortLength(n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(n)}
	case n < 0x100:
		return []byte{0x81, byte(n)}
	case n < 0x10000:
		return []byte{0x82, byte(n >> 8), byte(n)}
	}
	return []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
}
