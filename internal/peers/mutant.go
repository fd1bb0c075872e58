package peers

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Mutant is a file that was damaged, and how.
type Mutant struct {
	Name string
	Data []byte
}

// Mutants are der itself and n damaged copies, the same each time. Octets are changed where they stand, and elements are
// changed with the lengths around them mended, also in strings that hold DER, so that the damage is found where it is.
func Mutants(der []byte, n int) []Mutant {
	files := []Mutant{{"whole", der}}
	for i := range n {
		r := rand.New(rand.NewPCG(0x9e3779b97f4a7c15, uint64(i)))
		if i%4 == 0 {
			files = append(files, blunt(r, der))
			continue
		}
		files = append(files, subtle(r, i, der))
	}
	return files
}

// TextMutants are text itself and n damaged copies, the same each time: octets and lines changed, doubled, exchanged.
func TextMutants(text []byte, n int) []Mutant {
	files := []Mutant{{"whole", text}}
	for i := range n {
		r := rand.New(rand.NewPCG(0x2545f4914f6cdd1d, uint64(i)))
		if i%2 == 0 {
			files = append(files, blunt(r, text))
			continue
		}
		lines := bytes.SplitAfter(text, []byte("\n"))
		a, b := r.IntN(len(lines)-1), r.IntN(len(lines)-1)
		name := ""
		switch r.IntN(4) {
		case 0:
			name, lines = "doubled", slices.Insert(lines, a, lines[a])
		case 1:
			name, lines = "left out", slices.Delete(lines, a, a+1)
		case 2:
			name = fmt.Sprintf("exchanged with %d", b)
			lines[a], lines[b] = lines[b], lines[a]
		case 3:
			name, lines[a] = "without its end", bytes.TrimSuffix(lines[a], []byte("\n"))
		}
		files = append(files, Mutant{fmt.Sprintf("line %d %s", a, name), bytes.Join(lines, nil)})
	}
	return files
}

// blunt changes octets without a look at what they mean.
func blunt(r *rand.Rand, data []byte) Mutant {
	at := r.IntN(len(data))
	changed := bytes.Clone(data)
	switch r.IntN(8) {
	case 0:
		return Mutant{fmt.Sprintf("cut at %d", at), changed[:at]}
	case 1:
		extra := byte(r.IntN(256))
		return Mutant{fmt.Sprintf("%#x put in at %d", extra, at), slices.Insert(changed, at, extra)}
	case 2:
		return Mutant{fmt.Sprintf("one less at %d", at), slices.Delete(changed, at, at+1)}
	case 3:
		return Mutant{"one more behind it", append(changed, byte(r.IntN(256)))}
	}
	flip := byte(1 << r.IntN(8))
	changed[at] ^= flip
	return Mutant{fmt.Sprintf("%#x flipped at %d", flip, at), changed}
}

// node is an element of DER.
type node struct {
	tag      byte
	before   []byte  // what stands before the inner elements: the unused bits of a BIT STRING
	content  []byte  // if there are no inner elements
	inner    []*node // of a structure, or of a string that holds DER
	length   int     // added to the length, which is then wrong
	long     bool    // the length has more octets than it needs
	indefi   bool    // the length is indefinite
	inPieces bool    // a string in two pieces
}

// parseNodes reads elements; nil if data is not made of them.
func parseNodes(data []byte, depth int) (nodes []*node) {
	for len(data) > 0 {
		if len(data) < 2 || data[0]&0x1f == 0x1f || depth > 64 {
			return nil
		}
		n, head := int(data[1]), 2
		if n >= 0x80 {
			size := n & 0x7f
			if size == 0 || size > 3 || len(data) < 2+size {
				return nil
			}
			n, head = 0, 2+size
			for _, c := range data[2:head] {
				n = n<<8 | int(c)
			}
		}
		if n > len(data)-head {
			return nil
		}
		e := &node{tag: data[0], content: data[head : head+n]}
		switch {
		case e.tag&0x20 != 0:
			e.inner = parseNodes(e.content, depth+1)
			if e.inner == nil && n > 0 {
				return nil
			}
		case e.tag == 4 && n > 2 && e.content[0] == 0x30:
			e.inner = parseNodes(e.content, depth+1)
		case e.tag == 3 && n > 3 && e.content[0] == 0 && e.content[1] == 0x30:
			if e.inner = parseNodes(e.content[1:], depth+1); e.inner != nil {
				e.before = e.content[:1]
			}
		}
		nodes, data = append(nodes, e), data[head+n:]
	}
	return nodes
}

func (e *node) encode() []byte {
	content := e.content
	if e.inner != nil {
		content = bytes.Clone(e.before)
		for _, c := range e.inner {
			content = append(content, c.encode()...)
		}
	}
	tag := e.tag
	if e.inPieces {
		half, octets := len(content)/2, content
		tag, content = tag|0x20, (&node{tag: 4, content: octets[:half]}).encode()
		content = append(content, (&node{tag: 4, content: octets[half:]}).encode()...)
	}
	out := []byte{tag}
	n := len(content) + e.length
	switch {
	case e.indefi:
		return append(append(append(out, 0x80), content...), 0, 0)
	case e.long:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<8:
		out = append(out, 0x81, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}

// place is an element and what holds it.
type place struct {
	of   *node
	at   int
	node *node
}

func places(of *node) (all []place) {
	for i, e := range of.inner {
		all = append(append(all, place{of, i, e}), places(e)...)
	}
	return all
}

// subtle changes one element; kind chooses how.
func subtle(r *rand.Rand, kind int, der []byte) Mutant {
	nodes := parseNodes(der, 0)
	if len(nodes) != 1 {
		panic("peers: internal error: a mutant of what is not one element of DER")
	}
	root := nodes[0]
	all := append([]place{{nil, 0, root}}, places(root)...)
	index := r.IntN(len(all))
	p := all[index]
	e, name := p.node, ""
	switch kind % 17 {
	case 0:
		e.length, name = 1-2*r.IntN(2), "has a wrong length"
	case 1, 2:
		if p.of != nil {
			p.of.inner, name = slices.Insert(p.of.inner, p.at, e), "stands there twice"
		}
	case 3, 4:
		if p.of != nil && len(p.of.inner) > 1 {
			other := (p.at + 1) % len(p.of.inner)
			p.of.inner[p.at], p.of.inner[other] = p.of.inner[other], p.of.inner[p.at]
			name = "is exchanged with the next"
		}
	case 5, 6:
		if p.of != nil && len(p.of.inner) > 1 {
			p.of.inner, name = slices.Delete(p.of.inner, p.at, p.at+1), "is left out"
		}
	case 7:
		if e.tag&0x20 != 0 {
			e.indefi, name = true, "has an indefinite length"
		}
	case 8:
		e.long, name = true, "has a length that is too long"
	case 9:
		if e.inner != nil {
			e.inner, name = append(e.inner, &node{tag: 5}), "has a NULL at its end"
		}
	case 10:
		e.tag ^= 1 << r.IntN(8)
		name = fmt.Sprintf("has the tag %#x", e.tag)
	case 11:
		e.content, e.inner, name = nil, nil, "is empty"
	case 12:
		if e.tag == 4 {
			e.inPieces, name = true, "is in pieces"
		}
	case 13:
		if e.tag == 2 {
			e.content, name = append([]byte{byte(-r.IntN(2))}, e.content...), "has an octet too many"
		}
	case 14:
		if e.tag == 1 && len(e.content) == 1 {
			e.content, name = []byte{byte(r.IntN(256))}, "is another truth"
		}
	case 15:
		e.length, name = r.IntN(1<<16)-r.IntN(len(der)), "has a length of another"
	case 16:
		if len(e.content) > 0 && e.inner == nil {
			e.content = bytes.Clone(e.content)
			e.content[r.IntN(len(e.content))] ^= byte(1 + r.IntN(255))
			name = "has another octet"
		}
	}
	if name == "" { // not of a kind for that
		if len(e.content) == 0 || e.inner != nil {
			return blunt(r, der)
		}
		e.content, name = e.content[:r.IntN(len(e.content))], "is shorter"
	}
	return Mutant{fmt.Sprintf("element %d (tag %#x) %s", index, p.node.tag, name), root.encode()}
}

// OctetMutants are data itself and n copies with octets changed, the same each time, for what is neither DER nor text.
func OctetMutants(data []byte, n int) []Mutant {
	files := []Mutant{{"whole", data}}
	for i := range n {
		files = append(files, blunt(rand.New(rand.NewPCG(0xd1342543de82ef95, uint64(i))), data))
	}
	return files
}
