package desk

import (
	"context"
	"fmt"
	"slices"

	"postseal/internal/ground/state"
)

// A command without a server begins with nothing in memory, and reading ten thousand lineages to show a hundred takes
// most of its time. So there are looks at a part of the state.

// part reads a view with the lineages in use. When the whole is in memory anyway, it is that.
func (d *Desk) part(ctx context.Context) (v *view, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		if v, err = d.glance(tx); err != nil {
			return err
		}
		if whole := d.kept.sharedAt(v.seq); whole != nil {
			v.lineages = slices.Clone(whole)
			v.index()
			return nil
		}
		return v.load(tx, nil)
	})
	return v, err
}

// inUse returns the ids of the lineages that are bound on this server, or have a role.
func (v *view) inUse() []string {
	var ids []string
	for _, b := range v.bindings {
		ids = append(ids, b.LineageID)
	}
	for _, id := range []string{v.server.InternalLineage, v.org.AuthLineage} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// partPage is [Desk.Page] from the part of the state that it shows: what passes the filter is told by the facts that the
// state keeps of each certificate, and only what is on the page is read. A status is known only of what has been read,
// so with one in the filter as much is read as it takes to fill the page.
func (d *Desk) partPage(ctx context.Context, f Filter, begin spot) (page *Page, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		v, err := d.glance(tx)
		if err != nil {
			return err
		}
		if err := v.checkServer(f.Server); err != nil {
			return err
		}
		if whole := d.kept.sharedAt(v.seq); whole != nil {
			v.lineages = slices.Clone(whole)
			v.index()
			page, err = v.page(f, v.lineages, begin)
			return err
		}
		if f.Domain == "" && f.ExpiringWithin == 0 {
			page, err = v.nextPage(tx, f, begin)
			return err
		}
		all, err := tx.Facts()
		if err != nil {
			return err
		}
		passing := slices.DeleteFunc(all, func(fact state.Fact) bool {
			return spotOf(fact).compare(begin) <= 0 || !fact.Unreadable && !f.lets(fact.NotAfter, fact.Names)
		})
		page, err = v.fill(tx, f, func() ([]state.Fact, error) {
			some := passing[:min(f.batch(len(passing)), len(passing))]
			passing = passing[len(some):]
			return some, nil
		})
		return err
	})
	return page, err
}

// batch is how many members are read at once, of so many.
func (f Filter) batch(of int) int {
	switch {
	case f.Limit > 0:
		return f.Limit + 1 // one more tells whether there is another page
	case f.Status != "":
		return 200
	}
	return of
}

// nextPage makes a page for which facts decide nothing: they are read no further than it takes to fill it.
func (v *view) nextPage(tx *state.Tx, f Filter, begin spot) (*Page, error) {
	at := begin
	page, err := v.fill(tx, f, func() ([]state.Fact, error) {
		some, err := tx.FactsAfter(at.lineage, at.generation, at.algorithm, f.batch(f.Limit))
		if len(some) > 0 {
			at = spotOf(some[len(some)-1])
		}
		return some, err
	})
	if err != nil || page.Next == "" || !f.plain() {
		return page, err
	}
	last, _ := parseSpot(page.Next)
	page.More, err = tx.CountAfter(last.lineage, last.generation, last.algorithm)
	return page, err
}

// fill makes a page of members, the facts of which have passed the filter, and reads them, batch by batch, until the page
// is full or there are no more.
func (v *view) fill(tx *state.Tx, f Filter, batch func() ([]state.Fact, error)) (*Page, error) {
	page := &Page{Certificates: []Certificate{}}
	var last spot
	for {
		some, err := batch()
		if err != nil || len(some) == 0 {
			return page, err
		}
		if err := v.load(tx, some); err != nil {
			return nil, err
		}
		for _, fact := range some {
			full := f.Limit > 0 && len(page.Certificates) == f.Limit
			if full && f.Status == "" { // whatever comes next stands on the next page
				page.Next = last.String()
				return page, nil
			}
			one, ok := v.member(fact)
			if !ok {
				return nil, fmt.Errorf("reading certificate %s: %w", spotOf(fact), state.ErrCorrupt) // a fact without its member
			}
			c, err := v.certificate(one.lineage, one.generation, one.member)
			if err != nil {
				return nil, err
			}
			if f.Status != "" && c.Status != f.Status {
				continue
			}
			if full {
				page.Next = last.String()
				return page, nil
			}
			page.Certificates, last = append(page.Certificates, c), spotOf(fact)
		}
	}
}

// load reads the lineages of some members, and those in use.
func (v *view) load(tx *state.Tx, some []state.Fact) (err error) {
	ids := v.inUse()
	for _, fact := range some {
		ids = append(ids, fact.LineageID)
	}
	slices.Sort(ids)
	v.lineages, err = tx.LineagesOf(slices.Compact(ids))
	v.index()
	return err
}

// member finds the member that a fact is about, of the lineages that are read.
func (v *view) member(fact state.Fact) (found, bool) {
	l, ok := v.lineage(fact.LineageID)
	for _, g := range l.Generations {
		for _, m := range g.Members {
			if ok && g.Number == fact.Generation && m.Algorithm == fact.Algorithm {
				return found{l, g, m}, true
			}
		}
	}
	return found{}, false
}

// spotOf is the place of a fact in the list.
func spotOf(fact state.Fact) spot { return spot{fact.Lineage, fact.Generation, fact.Algorithm} }
