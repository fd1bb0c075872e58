package keyring

import "slices"

// Served is what a listener's default binding serves.
type Served struct {
	Lineage      string
	FriendlyName string
	Generation   int
	Names        []string
	Members      []MemberFacts // in the order in which clients are offered them
}

// Served returns what the default binding of a listener serves, for tables. It is false when nothing is bound to it,
// or the snapshot in force does not know it.
func (r *Ring) Served(listener string) (Served, bool) {
	p := r.current.Load().ports[listener]
	if p == nil || len(p.candidates) == 0 {
		return Served{}, false
	}
	gen := p.standard.generation
	return Served{
		Lineage:      gen.lineage,
		FriendlyName: gen.friendlyName,
		Generation:   gen.number,
		Names:        slices.Clone(gen.names),
		Members:      gen.facts(),
	}, true
}

func (g *generation) facts() []MemberFacts {
	facts := make([]MemberFacts, len(g.members))
	for i, m := range g.members {
		facts[i] = m.facts
	}
	return facts
}
