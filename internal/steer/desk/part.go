package desk

import (
	"context"
	"maps"
	"slices"

	"postseal/internal/ground/state"
)

// A command without a server begins with nothing in memory, and reading ten thousand lineages to show a hundred takes
// most of its time. So there are looks at a part of the state.

// part reads a view with the lineages in use and those that more names; nil names none. When the whole is in memory
// anyway, it is that.
func (d *Desk) part(ctx context.Context, more func(tx *state.Tx) ([]string, error)) (v *view, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		if v, err = d.glance(tx); err != nil {
			return err
		}
		if whole := d.kept.sharedAt(v.seq); whole != nil {
			v.lineages = slices.Clone(whole)
			v.index()
			return nil
		}
		ids := v.inUse()
		if more != nil {
			named, err := more(tx)
			if err != nil {
				return err
			}
			ids = append(ids, named...)
		}
		slices.Sort(ids)
		v.lineages, err = tx.LineagesOf(slices.Compact(ids))
		v.index()
		return err
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

// plainPage is [Desk.Page] of a filter that lets everything through, from the part of the state that it shows.
func (d *Desk) plainPage(ctx context.Context, f Filter, begin spot) (*Page, error) {
	var shown map[string]bool // ids of the lineages on the page; nil for all
	following := 0            // members of the lineages behind them
	v, err := d.part(ctx, func(tx *state.Tx) ([]string, error) {
		shown, following = make(map[string]bool), 0
		all, err := tx.Outlines()
		if err != nil {
			return nil, err
		}
		// The first lineage may have been shown in part already, so nobody counts on its members.
		room := f.Limit
		for _, o := range all {
			switch {
			case o.Name < begin.lineage:
			case room > 0:
				shown[o.ID] = true
				if o.Name > begin.lineage {
					room -= o.Members
				}
			default:
				following += o.Members
			}
		}
		return slices.Collect(maps.Keys(shown)), nil
	})
	if err != nil {
		return nil, err
	}
	window := v.lineages
	if shown != nil {
		window = slices.DeleteFunc(slices.Clone(window), func(l state.Lineage) bool { return !shown[l.ID] }) // bound ones may be elsewhere
	}
	page, last, err := v.page(f, window, begin)
	if err == nil && following > 0 {
		page.More += following
		page.Next = last.String()
	}
	return page, err
}
