package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// EndingRequest asks for a part of the certificates in the order of their end.
type EndingRequest struct {
	Filter      // its Limit and After are not used
	All    bool // retired and previous generations too
	Size   int  // generations on a page
	Number int  // of the page, from 1; beyond the last it is the last
}

// EndingPage is a part of the list, by generation; what ends first stands first, and before it the requests that wait.
type EndingPage struct {
	Generations [][]Certificate // the members that pass the filter
	Count       int             // generations on all pages
	Number      int             // of this page
}

// Ending lists certificates by generation, in the order of their end. Only those on the page are judged, unless a status
// is in the filter: that is known of a certificate only when it was judged.
func (d *Desk) Ending(ctx context.Context, r EndingRequest) (*EndingPage, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Domain != "" {
		r.Domain, _ = x509cert.ParseSAN(r.Domain) // checked
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.checkServer(r.Server); err != nil {
		return nil, err
	}
	type generation struct {
		members []found
		end     time.Time // of the member that ends first
	}
	var all []generation
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			if !r.All && (g.State == state.StateRetired || g.State == state.StatePrevious) {
				continue
			}
			var one generation
			for _, m := range g.Members {
				end, ok, err := v.passes(r.Filter, found{l, g, m})
				if err != nil {
					return nil, err
				}
				if !ok {
					continue
				}
				if len(one.members) == 0 || end.Before(one.end) {
					one.end = end
				}
				one.members = append(one.members, found{l, g, m})
			}
			if len(one.members) > 0 {
				all = append(all, one)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b generation) int { return a.end.Compare(b.end) })
	size := max(r.Size, 1)
	page := &EndingPage{Count: len(all), Number: min(max(r.Number, 1), max((len(all)+size-1)/size, 1))}
	for _, g := range all[min((page.Number-1)*size, len(all)):min(page.Number*size, len(all))] {
		var members []Certificate
		for _, one := range g.members {
			c, err := v.certificate(one.lineage, one.generation, one.member)
			if err != nil {
				return nil, err
			}
			members = append(members, c)
		}
		page.Generations = append(page.Generations, members)
	}
	return page, nil
}

// passes says whether a member passes a filter, and when it ends.
func (v *view) passes(f Filter, one found) (end time.Time, ok bool, err error) {
	end, names, err := v.facts.outline(one.member)
	if err != nil {
		return end, false, fmt.Errorf("reading certificate %s of %s: %w", one.member.Thumbprint, one.lineage.Name, err)
	}
	if !f.lets(end, names) || f.Status == "" {
		return end, f.lets(end, names), nil
	}
	c, err := v.plainCertificate(one.lineage, one.generation, one.member)
	return end, err == nil && c.Status == f.Status, err
}
