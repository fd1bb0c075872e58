package plan

import (
	"slices"
	"strings"

	"postseal/internal/ground/x509cert"
)

// How the fewest certificates are found, and why they are the fewest.
//
// Zones share no key and what different authorities sign is not in one certificate, so each part (zone, issuer) is a
// problem of its own and the sums are least when each part is. Within a part:
//
//  1. A name under a wildcard that is needed anyway costs nothing: the wildcard's key speaks for it already, so it takes
//     over what the name must be apart from.
//  2. A wildcard that we would make joins all hosts under it into one entry. In a part where nothing must be apart from
//     them this only takes entries away, so it never costs a certificate ("free"). Where something must be apart, the
//     joined entry must be apart from all of it, and that can cost one: each such wildcard is tried in and out.
//  3. What is left are entries of equal size. Those that must be apart from others are coloured (colour.go) with classes
//     of at most the authority's number of names; the others fill the room that is left, wherever it is. So k
//     certificates suffice exactly when there is such a colouring with k colours and all entries together are at most
//     k times that number.
//
// Tests compare this with trying everything, on small inventories.

// policy says which wildcards are welcome.
type policy int

const (
	noWildcards   policy = iota // fewest certificates, then fewest names, without making a wildcard
	allWildcards                // fewest certificates, then fewest names, then fewest wildcards
	someWildcards               // fewest certificates, then fewest wildcards, then fewest names
	eachItsOwn                  // a certificate for each name
)

// Bounds of the search for one plan, far above what an organisation needs.
const (
	maxSteps  = 8_000_000 // of colouring
	maxChoice = 12        // wildcards that are tried in and out: 2 to this power
)

// part is what one issuer signs for one zone.
type part struct {
	zone     Zone
	issuer   *terms
	capacity int
	names    []string // in order of domain
	apart    []Pair   // with both names in the part
	parents  map[string]bool
}

// unit is one entry of a certificate: a name, or a wildcard with what it stands for.
type unit struct {
	entry  string
	covers []string
	made   bool // a wildcard that nobody asked for
}

// packing is a solved part: the units of each certificate.
type packing struct {
	bins   [][]unit
	least  int  // no solution has fewer certificates
	proven bool // and this one has just so many, and is least in the rest too
}

func (p *packing) entries() (entries, wildcards int) {
	for _, bin := range p.bins {
		entries += len(bin)
		for _, u := range bin {
			if u.made {
				wildcards++
			}
		}
	}
	return entries, wildcards
}

// parentOf is the domain that a host is directly under, if a wildcard over it could stand for the host.
func parentOf(name string) string {
	_, parent, dotted := strings.Cut(name, ".")
	if !dotted || strings.HasPrefix(name, "*.") || !x509cert.Match("*."+parent, name) {
		return ""
	}
	return parent
}

// absorb makes a unit of each name, and one of a needed wildcard together with what stands under it.
func (p *part) absorb() []unit {
	given := make(map[string]int)
	var units []unit
	for _, name := range p.names {
		if parent, ok := strings.CutPrefix(name, "*."); ok {
			given[parent] = len(units)
			units = append(units, unit{entry: name, covers: []string{name}})
		}
	}
	for _, name := range p.names {
		if strings.HasPrefix(name, "*.") {
			continue
		}
		if at, ok := given[parentOf(name)]; ok {
			units[at].covers = append(units[at].covers, name)
			continue
		}
		units = append(units, unit{entry: name, covers: []string{name}})
	}
	return units
}

// family are units that a wildcard could join.
type family struct {
	parent  string
	members []int
	bound   bool // one of them must be apart from something
}

// families finds the wildcards that may be made, the largest first.
func (p *part) families(units []unit) []family {
	touched := make(map[string]bool)
	for _, pair := range p.apart {
		touched[pair[0]], touched[pair[1]] = true, true
	}
	at := make(map[string]int)
	var all []family
	for i, u := range units {
		parent := parentOf(u.entry)
		if parent == "" || !p.parents[parent] {
			continue
		}
		k, ok := at[parent]
		if !ok {
			k = len(all)
			at[parent] = k
			all = append(all, family{parent: parent})
		}
		all[k].members = append(all[k].members, i)
		all[k].bound = all[k].bound || touched[u.entry]
	}
	within := make(map[string]bool) // parents whose own hosts must be apart
	for _, pair := range p.apart {
		if parent := parentOf(pair[0]); parent != "" && parent == parentOf(pair[1]) {
			within[parent] = true
		}
	}
	all = slices.DeleteFunc(all, func(f family) bool { return len(f.members) < 2 || within[f.parent] })
	slices.SortStableFunc(all, func(a, b family) int { return len(b.members) - len(a.members) })
	return all
}

// join returns the units with the members of these families joined.
func join(units []unit, families []family) []unit {
	gone := make(map[int]bool)
	var joined []unit
	for _, f := range families {
		u := unit{entry: "*." + f.parent, made: true}
		for _, m := range f.members {
			gone[m] = true
			u.covers = append(u.covers, units[m].covers...)
		}
		joined = append(joined, u)
	}
	for i, u := range units {
		if !gone[i] {
			joined = append(joined, u)
		}
	}
	return joined
}

// solve packs the part by a policy.
func (p *part) solve(how policy, budget *int) *packing {
	if how == eachItsOwn {
		s := &packing{least: len(p.names), proven: true}
		for _, name := range p.names {
			s.bins = append(s.bins, []unit{{entry: name, covers: []string{name}}})
		}
		return s
	}
	units := p.absorb()
	if how == noWildcards {
		return p.pack(units, budget)
	}
	return newTrial(p, units, budget).best(how)
}

// pack puts units into as few certificates as hold them.
func (p *part) pack(units []unit, budget *int) *packing {
	owner := make(map[string]int, len(units))
	for i, u := range units {
		for _, name := range u.covers {
			owner[name] = i
		}
	}
	vertex := make(map[int]int) // unit -> vertex
	var tied []int              // vertex -> unit
	edges := make(map[[2]int]bool)
	for _, pair := range p.apart {
		a, b := owner[pair[0]], owner[pair[1]]
		for _, u := range []int{a, b} {
			if _, ok := vertex[u]; !ok {
				vertex[u] = len(tied)
				tied = append(tied, u)
			}
		}
		edges[[2]int{vertex[a], vertex[b]}] = true
	}
	g := newGraph(len(tied))
	for e := range edges {
		g.join(e[0], e[1])
	}
	least := max((len(units)+p.capacity-1)/p.capacity, g.clique())
	colours, n, least, proven := g.fewest(least, (len(units)+p.capacity-1)/p.capacity, p.capacity, budget)
	s := &packing{bins: make([][]unit, n), least: least, proven: proven}
	for v, k := range colours {
		s.bins[k] = append(s.bins[k], units[tied[v]])
	}
	var rest []unit
	for i, u := range units {
		if _, isTied := vertex[i]; !isTied {
			rest = append(rest, u)
		}
	}
	s.fill(rest, len(units), p.capacity)
	return s
}

// fill puts the units that go with any into the certificates: those of one domain together, and about as many into
// each, so that a stolen key opens as little as possible.
func (s *packing) fill(rest []unit, all, capacity int) {
	if len(s.bins) == 0 {
		return
	}
	slices.SortStableFunc(rest, func(a, b unit) int { return compareNames(a.entry, b.entry) })
	even := (all + len(s.bins) - 1) / len(s.bins)
	for _, most := range []int{even, capacity} {
		for k := range s.bins {
			n := min(max(most-len(s.bins[k]), 0), len(rest))
			s.bins[k] = append(s.bins[k], rest[:n]...)
			rest = rest[n:]
		}
	}
	for k := range s.bins {
		slices.SortStableFunc(s.bins[k], func(a, b unit) int { return compareNames(a.entry, b.entry) })
	}
}
