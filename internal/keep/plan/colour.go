package plan

// Graph colouring with classes of bounded size: which of the things that must be apart go into which certificate.
//
// It is exact by exhaustion: DSATUR chooses the vertex that has the fewest colours left, each colour that is already
// used is tried and one that is not (all unused colours are alike), and a bound from a clique says where to begin.
// Colouring is NP-hard, so the search has a budget of steps; who runs out says so instead of claiming an optimum.

// graph is a graph of conflicts. Vertices are numbers from 0.
type graph struct {
	adjacent []map[int]bool
}

func newGraph(n int) *graph {
	g := &graph{adjacent: make([]map[int]bool, n)}
	for i := range g.adjacent {
		g.adjacent[i] = make(map[int]bool)
	}
	return g
}

func (g *graph) join(a, b int) {
	g.adjacent[a][b], g.adjacent[b][a] = true, true
}

// clique returns the size of some clique: no colouring has fewer colours.
func (g *graph) clique() int {
	best := 0
	for start := range g.adjacent {
		if len(g.adjacent[start])+1 <= best {
			continue
		}
		in := []int{start}
		for v := range g.adjacent {
			all := true
			for _, u := range in {
				all = all && g.adjacent[v][u]
			}
			if all {
				in = append(in, v)
			}
		}
		best = max(best, len(in))
	}
	return best
}

// greedy colours without ever taking a decision back, with as many colours as that takes.
func (g *graph) greedy(size int) (colours []int, n int) {
	steps := 1 << 62
	c := &colouring{graph: g, most: len(g.adjacent), size: size, used: make([]int, len(g.adjacent)), budget: &steps}
	for range g.adjacent {
		c.colour = append(c.colour, -1)
		c.near = append(c.near, make([]int, c.most))
	}
	begun := 0
	for range g.adjacent {
		v := c.next(begun)
		k := 0
		for c.near[v][k] > 0 || c.used[k] == size { // a colour of its own is always free
			k++
		}
		c.put(v, k, 1)
		begun = max(begun, k+1)
	}
	return c.colour, begun
}

// fewest finds a colouring with as few colours as there are, at least least and enough. What it returns is that number,
// a lower bound of it, and whether the two are known to be the same.
func (g *graph) fewest(least, enough, size int, budget *int) (colours []int, n, bound int, proven bool) {
	colours, n = g.greedy(size)
	n, proven = max(n, enough), true
	*budget -= len(g.adjacent) * len(g.adjacent)
	for k := least; k < n; k++ {
		found, impossible := g.colour(k, size, budget)
		if found != nil {
			colours, n = found, k
			break
		}
		if !impossible {
			proven = false
		} else if proven {
			least = k + 1
		}
	}
	return colours, n, min(least, n), proven
}

// colouring is a search for a colouring with most colours of at most size vertices each.
type colouring struct {
	*graph
	most, size int
	colour     []int // of each vertex; -1 for none yet
	used       []int // vertices of each colour
	near       [][]int
	budget     *int // steps that are left, shared by all searches of one plan
}

// colour returns a colour for each vertex, or whether it is certain that there is no such colouring.
func (g *graph) colour(most, size int, budget *int) (colours []int, impossible bool) {
	c := &colouring{graph: g, most: most, size: size, used: make([]int, most), budget: budget}
	for range g.adjacent {
		c.colour = append(c.colour, -1)
		c.near = append(c.near, make([]int, most))
	}
	if c.search(len(g.adjacent), 0) {
		return c.colour, false
	}
	return nil, *budget > 0
}

// search colours the vertices that are left; begun is the number of colours that are in use.
func (c *colouring) search(left, begun int) bool {
	if left == 0 {
		return true
	}
	if *c.budget -= len(c.colour); *c.budget <= 0 {
		return false
	}
	v := c.next(begun)
	for k := 0; k < min(begun+1, c.most); k++ {
		if c.near[v][k] > 0 || c.used[k] == c.size {
			continue
		}
		c.put(v, k, 1)
		if c.search(left-1, max(begun, k+1)) {
			return true
		}
		c.put(v, k, -1)
		if *c.budget <= 0 {
			return false
		}
	}
	return false
}

// next is the vertex with the most colours beside it, and among those the one with the most neighbours.
func (c *colouring) next(begun int) int {
	best, bestSeen, bestDegree := -1, -1, -1
	for v := range c.adjacent {
		if c.colour[v] >= 0 {
			continue
		}
		seen := 0
		for k := range begun {
			if c.near[v][k] > 0 {
				seen++
			}
		}
		if seen > bestSeen || seen == bestSeen && len(c.adjacent[v]) > bestDegree {
			best, bestSeen, bestDegree = v, seen, len(c.adjacent[v])
		}
	}
	return best
}

// put gives v colour k (by = 1) or takes it back (by = -1).
func (c *colouring) put(v, k, by int) {
	c.colour[v] = k
	if by < 0 {
		c.colour[v] = -1
	}
	c.used[k] += by
	for u := range c.adjacent[v] {
		c.near[u][k] += by
	}
}
