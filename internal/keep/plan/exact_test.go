package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postseal/internal/ground/x509cert"
)

// small draws an inventory that can be tried out whole.
func small(t *rapid.T, most int) *Inventory {
	names := []string{"a.x.org", "b.x.org", "c.x.org", "a.y.org", "b.y.org", "x.org", "*.y.org", "a.b.x.org", "mail.co.kr", "h.local", "a.co.kr"}
	zones := []Zone{ZoneInside, ZoneInside, ZoneInside, ZoneEdge, PartnerZone("bank")}
	var needs []Need
	for range rapid.IntRange(1, most).Draw(t, "needs") {
		needs = append(needs, need(rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(zones).Draw(t, "zone")))
	}
	var apart []Pair
	for range rapid.IntRange(0, 4).Draw(t, "pairs") {
		one := Pair{rapid.SampledFrom(needs).Draw(t, "one").Name, rapid.SampledFrom(needs).Draw(t, "other").Name}
		if _, err := NewInventory(needs, append(slices.Clone(apart), one)); err == nil {
			apart = append(apart, one)
		}
	}
	i, err := NewInventory(needs, apart)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestExact compares each policy with trying everything.
func TestExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := small(t, 7)
		capacity := rapid.IntRange(1, 4).Draw(t, "capacity")
		for _, how := range []policy{noWildcards, allWildcards, someWildcards} {
			p := planner{inventory: i, authority: &terms{id: "test", public: true, maxNames: capacity, wildcard: true, life: PublicLife}, now: today, budget: maxSteps}
			for _, one := range p.parts() {
				if one.issuer.public {
					one.capacity = capacity
				}
				s := one.solve(how, &p.budget)
				entries, wildcards := s.entries()
				got := []int{len(s.bins), entries, wildcards}
				want := tryAll(one, how)
				if how == someWildcards {
					got[1], got[2] = got[2], got[1]
				}
				if !slices.Equal(got, want) || !s.proven || s.least != len(s.bins) {
					t.Fatalf("policy %d, %v apart %v, at most %d names: got %v (least %d, proven %v), trying everything gives %v", how, one.names, one.apart, one.capacity, got, s.least, s.proven, want)
				}
			}
		}
	})
}

// tryAll tries every way to put the names of a part into certificates, and in each every choice of wildcards.
func tryAll(p *part, how policy) []int {
	var best []int
	block := make([]int, len(p.names))
	var put func(at, blocks int)
	put = func(at, blocks int) {
		if at == len(p.names) {
			sum := []int{blocks, 0, 0}
			for b := range blocks {
				var names []string
				for i, name := range p.names {
					if block[i] == b {
						names = append(names, name)
					}
				}
				cost := p.cheapest(names, how)
				if cost == nil {
					return
				}
				sum[1], sum[2] = sum[1]+cost[0], sum[2]+cost[1]
			}
			if best == nil || slices.Compare(sum, best) < 0 {
				best = sum
			}
			return
		}
		for b := range blocks + 1 {
			block[at] = b
			put(at+1, max(blocks, b+1))
		}
	}
	put(0, 0)
	return best
}

// cheapest tries every set of entries for one certificate; nil means that it cannot be.
func (p *part) cheapest(names []string, how policy) []int {
	var parents []string
	for _, name := range names {
		if parent := parentOf(name); parent != "" && p.parents[parent] && how != noWildcards && !slices.Contains(parents, parent) {
			parents = append(parents, parent)
		}
	}
	var best []int
	for set := range 1 << len(parents) {
		var entries []string
		made := 0
		for i, parent := range parents {
			if set&(1<<i) != 0 {
				entries = append(entries, "*."+parent)
				made++
			}
		}
		for _, name := range names {
			if strings.HasPrefix(name, "*.") {
				entries = append(entries, name)
			}
		}
		wildcards := slices.Clone(entries)
		for _, name := range names {
			if !strings.HasPrefix(name, "*.") && !slices.ContainsFunc(wildcards, func(w string) bool { return x509cert.Match(w, name) }) {
				entries = append(entries, name)
			}
		}
		if len(entries) > p.capacity || p.shares(entries) {
			continue
		}
		cost := []int{len(entries), made}
		if how == someWildcards {
			cost = []int{made, len(entries)}
		}
		if best == nil || slices.Compare(cost, best) < 0 {
			best = cost
		}
	}
	return best
}

// shares says whether one key speaks for two names that must be apart.
func (p *part) shares(entries []string) bool {
	speaks := func(name string) bool {
		return slices.ContainsFunc(entries, func(e string) bool { return e == name || x509cert.Match(e, name) })
	}
	return slices.ContainsFunc(p.apart, func(pair Pair) bool { return speaks(pair[0]) && speaks(pair[1]) })
}

// TestColouringIsExact: an odd cycle needs three colours although nobody in it has three neighbours that know each other.
func TestColouringIsExact(t *testing.T) {
	t.Parallel()
	for _, n := range []int{5, 7, 21} {
		var needs []Need
		var apart []Pair
		for k := range n {
			needs = append(needs, need(fmt.Sprintf("h%02d.d%02d.org", k, k), ZoneInside))
		}
		for k := range n {
			apart = append(apart, Pair{needs[k].Name, needs[(k+1)%n].Name})
		}
		c, err := compute(t, inventory(t, needs, apart...), "").Choice(ChoiceSAN)
		if err != nil || c.Cost.Certificates != 3 || c.Least != 3 || !c.Proven {
			t.Errorf("a ring of %d: got %+v, %v, want 3 certificates, proven", n, c, err)
		}
	}
}

// TestHardSearchSaysSo: where the search ends before its end, the answer is good and says that it is not proven.
func TestHardSearchSaysSo(t *testing.T) {
	t.Parallel()
	g := newGraph(60)
	seed := uint32(1)
	for a := range 60 {
		for b := range a {
			if seed = seed*1664525 + 1013904223; seed>>30 < 2 {
				g.join(a, b)
			}
		}
	}
	_, upper := g.greedy(60)
	steps := 60 * 20
	found, impossible := g.colour(upper-2, 60, &steps)
	if found != nil || impossible {
		t.Errorf("got %v, impossible %v, want neither in twenty steps", found, impossible)
	}
	colours, n := g.greedy(2)
	used := make([]int, n)
	for v, k := range colours {
		used[k]++
		for u := range g.adjacent[v] {
			if colours[u] == k {
				t.Fatalf("%d and %d have the same colour", u, v)
			}
		}
	}
	if most := slices.Max(used); most > 2 {
		t.Errorf("a colour has %d vertices, want at most 2", most)
	}
}
