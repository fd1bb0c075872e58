package plan

import (
	"math/bits"
	"slices"
)

// trial tries which wildcards to make where some names must be apart.
//
// It looks at the sets of wildcards in the order in which they are wanted, so the first that reaches the bound ends it;
// and it only counts certificates, since what goes into which is of no interest before the set is found.
type trial struct {
	*part
	units   []unit
	free    []family // never cost a certificate
	bound   []family // may
	beyond  int      // families of bound that are too many to try: they are always made
	dropped bool     // there are more than can be tried at all
	budget  *int
	owner   map[string]int // unit of each name
	clique  int            // of the names as they are: joining names never needs fewer colours
}

func newTrial(p *part, units []unit, budget *int) *trial {
	t := &trial{part: p, units: units, budget: budget}
	for _, f := range p.families(units) {
		if f.bound {
			t.bound = append(t.bound, f)
		} else {
			t.free = append(t.free, f)
		}
	}
	const width = 62 // of a choice
	if len(t.bound) > width {
		t.bound, t.dropped = t.bound[:width], true // the smallest are not made
	}
	t.beyond = max(len(t.bound)-maxChoice, 0)
	t.owner = make(map[string]int)
	for i, u := range units {
		for _, name := range u.covers {
			t.owner[name] = i
		}
	}
	t.clique = t.graph(0).clique()
	return t
}

// set is a choice of families: bit i for bound[i].
type set struct {
	bits    int
	entries int // with all free wildcards
	made    int // wildcards, all free ones among them
}

// chosen returns the families of a choice that may cost a certificate.
func (t *trial) chosen(bits int) []family {
	var all []family
	for i, f := range t.bound {
		if bits&(1<<i) != 0 {
			all = append(all, f)
		}
	}
	return all
}

// sets returns all choices that are tried.
func (t *trial) sets() []set {
	tried := min(len(t.bound), maxChoice)
	always := 1<<len(t.bound) - 1<<tried // never more than 62 bits: see newTrial
	sets := make([]set, 0, 1<<tried)
	for low := range 1 << tried {
		one := set{bits: always | low, entries: len(t.units), made: len(t.free)}
		for _, f := range append(slices.Clone(t.free), t.chosen(one.bits)...) {
			one.entries -= len(f.members) - 1
		}
		one.made += bits.OnesCount(uint(one.bits))
		sets = append(sets, one)
	}
	return sets
}

// best finds the set that the policy wants.
func (t *trial) best(how policy) *packing {
	sets := t.sets()
	slices.SortStableFunc(sets, func(a, b set) int { return slices.Compare([]int{a.entries, a.made}, []int{b.entries, b.made}) })
	room := (sets[0].entries + t.capacity - 1) / t.capacity // all entries of the set with the fewest need so many
	bound := max(room, t.clique)
	var found *set
	least, proven := 0, true
	for i, one := range sets {
		if found != nil && least == bound {
			break // fewer certificates there are not, and what comes has more entries or wildcards
		}
		if *t.budget <= 0 && found != nil {
			proven = false
			break
		}
		n, sure := t.count(one)
		proven = proven && sure
		if found == nil || n < least {
			found, least = &sets[i], n
		}
	}
	first := found == &sets[0]
	proven = (proven || least == bound) && !t.dropped && (t.beyond == 0 || first && least == bound)
	made := append(slices.Clone(t.free), t.chosen(found.bits)...)
	if how == someWildcards {
		var sure bool
		made, sure = t.few(sets, least, made)
		proven = proven && sure
	}
	s := t.pack(join(t.units, made), t.budget)
	s.least, s.proven = min(least, len(s.bins)), proven && len(s.bins) == least
	if !proven {
		s.least = bound
	}
	return s
}

// few finds the fewest wildcards with which most certificates suffice. The largest free ones save the most entries, so
// they come first, and no other choice of them needs fewer.
func (t *trial) few(sets []set, most int, fallback []family) ([]family, bool) {
	type option struct {
		set
		free int // how many of the free ones
	}
	var options []option
	for _, one := range sets {
		o := option{set: one}
		for i := len(t.free) - 1; i >= 0; i-- { // all but those that are needed, the smallest go first
			without := o.entries + len(t.free[i].members) - 1
			if without > most*t.capacity {
				break
			}
			o.entries, o.made = without, o.made-1
		}
		o.free = o.made - bits.OnesCount(uint(one.bits))
		options = append(options, o)
	}
	slices.SortStableFunc(options, func(a, b option) int { return slices.Compare([]int{a.made, a.entries}, []int{b.made, b.entries}) })
	for _, o := range options {
		if *t.budget <= 0 {
			break
		}
		if n, sure := t.count(o.set); n <= most {
			return append(slices.Clone(t.free[:o.free]), t.chosen(o.bits)...), sure && t.beyond == 0 && !t.dropped
		}
	}
	return fallback, false
}

// count says how many certificates a set needs, and whether that is certain.
func (t *trial) count(one set) (int, bool) {
	g := t.graph(one.bits)
	room := (one.entries + t.capacity - 1) / t.capacity
	_, n, _, proven := g.fewest(max(room, t.clique), room, t.capacity, t.budget)
	return n, proven
}

// graph is that of the names that must be apart, with the families of a choice joined.
func (t *trial) graph(choice int) *graph {
	joined := make(map[int]int) // unit -> its family, as a number below all units
	for i, f := range t.bound {
		if choice&(1<<i) != 0 {
			for _, m := range f.members {
				joined[m] = -1 - i
			}
		}
	}
	vertex := make(map[int]int)
	at := func(name string) int {
		u := t.owner[name]
		if f, ok := joined[u]; ok {
			u = f
		}
		if _, ok := vertex[u]; !ok {
			vertex[u] = len(vertex)
		}
		return vertex[u]
	}
	var edges [][2]int
	for _, pair := range t.apart {
		edges = append(edges, [2]int{at(pair[0]), at(pair[1])})
	}
	g := newGraph(len(vertex))
	for _, e := range edges {
		g.join(e[0], e[1])
	}
	return g
}
