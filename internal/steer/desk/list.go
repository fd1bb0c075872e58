package desk

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Filter narrows a list of certificates. The zero value lets everything through.
type Filter struct {
	Server         string          `json:"server,omitempty"`
	Status         x509cert.Status `json:"status,omitempty"`
	Domain         string          `json:"domain,omitempty"`         // a name that the certificate covers or holds
	ExpiringWithin int64           `json:"expiringWithin,omitempty"` // seconds; 0 for any

	// Limit is how many certificates are listed at most; 0 for all.
	Limit int `json:"limit,omitempty"`
	// After begins the list behind a certificate: the Next of the page before, or the ID of any certificate. A Next
	// names a place in the order, so it stays good when the certificate there is removed.
	After string `json:"after,omitempty"`
}

// Page is a part of the list of certificates.
type Page struct {
	Certificates []Certificate `json:"certificates"`
	Next         string        `json:"next,omitempty"` // what After is for the next page; empty on the last
	// More is how many certificates follow. With a filter nobody counts: it is 0 then, and Next says whether any do.
	More int `json:"more,omitempty"`
}

// Certificates lists one object per member, ordered by lineage, generation (newest first) and key.
func (d *Desk) Certificates(ctx context.Context, f Filter) ([]Certificate, error) {
	page, err := d.Page(ctx, f)
	if err != nil {
		return nil, err
	}
	return page.Certificates, nil
}

// Page lists as [Desk.Certificates] does, and says where the list goes on. Filters come first: a page is full of what
// they let through. What stands on no page costs next to nothing.
func (d *Desk) Page(ctx context.Context, f Filter) (*Page, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	if f.Domain != "" {
		f.Domain, _ = x509cert.ParseSAN(f.Domain) // checked
	}
	// A place that is printed needs no look at the state to be found.
	begin, placed := parseSpot(f.After)
	if (f.Limit > 0 || f.Domain != "" || f.ExpiringWithin > 0) && (placed || f.After == "") {
		return d.partPage(ctx, f, begin)
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.checkServer(f.Server); err != nil {
		return nil, err
	}
	if f.After != "" && !placed {
		at, err := v.find(f.After)
		if err != nil {
			return nil, err
		}
		begin = spot{at.lineage.Name, at.generation.Number, at.member.Algorithm}
	}
	return v.page(f, v.lineages, begin)
}

// page lists the members of lineages behind a place.
func (v *view) page(f Filter, lineages []state.Lineage, begin spot) (*Page, error) {
	page := &Page{Certificates: []Certificate{}}
	var last spot
	for at, one := range membersAfter(lineages, begin) {
		full := f.Limit > 0 && len(page.Certificates) == f.Limit
		if full && f.plain() {
			page.Next = last.String()
			page.More++
			continue
		}
		may, err := f.mayLet(v, one.member)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %s of %s: %w", one.member.Thumbprint, one.lineage.Name, err)
		}
		if !may {
			continue
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
			break
		}
		page.Certificates, last = append(page.Certificates, c), at
	}
	return page, nil
}

// plain says whether everything passes.
func (f Filter) plain() bool { return f.Status == "" && f.Domain == "" && f.ExpiringWithin == 0 }

// mayLet says whether a member passes but for its status, which costs more to know.
func (f Filter) mayLet(v *view, m state.Member) (bool, error) {
	if f.Domain == "" && f.ExpiringWithin == 0 {
		return true, nil
	}
	notAfter, names, err := v.facts.outline(m)
	if err != nil {
		return false, err
	}
	return f.lets(notAfter, names), nil
}

// lets says whether what ends then and has these names passes.
func (f Filter) lets(notAfter time.Time, names []string) bool {
	if f.ExpiringWithin > 0 && (notAfter.IsZero() || int64(time.Until(notAfter)/time.Second) >= f.ExpiringWithin) { // any number of seconds, a Duration ends at 292 years
		return false
	}
	return f.Domain == "" || slices.ContainsFunc(names, func(name string) bool { return name == f.Domain || x509cert.Match(name, f.Domain) })
}

// spot is a place in the list of certificates. The zero value is before the first.
type spot struct {
	lineage    string
	generation int
	algorithm  string
}

// String is for people, and for [parseSpot].
func (s spot) String() string {
	return s.lineage + "/" + strconv.Itoa(s.generation) + "/" + s.algorithm
}

// compare is the order of the list.
func (s spot) compare(t spot) int {
	return cmp.Or(strings.Compare(s.lineage, t.lineage), cmp.Compare(t.generation, s.generation), strings.Compare(s.algorithm, t.algorithm))
}

// parseSpot reads what [spot.String] has written.
func parseSpot(text string) (spot, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return spot{}, false
	}
	number, err := strconv.Atoi(parts[1])
	return spot{parts[0], number, parts[2]}, err == nil
}

// membersAfter yields every member behind a place, in the order of the list.
func membersAfter(lineages []state.Lineage, begin spot) iter.Seq2[spot, found] {
	from, _ := slices.BinarySearchFunc(lineages, begin.lineage, func(l state.Lineage, name string) int { return strings.Compare(l.Name, name) })
	return func(yield func(spot, found) bool) {
		for _, l := range lineages[from:] {
			for _, g := range l.Generations {
				for _, m := range g.Members {
					at := spot{l.Name, g.Number, m.Algorithm}
					if at.compare(begin) > 0 && !yield(at, found{l, g, m}) {
						return
					}
				}
			}
		}
	}
}
