package desk

import (
	"context"
	"slices"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
)

// LineageView is a lineage as people and scripts see it.
type LineageView struct {
	Lineage      string             `json:"lineage"`
	Name         string             `json:"name"`
	Server       string             `json:"server"` // empty for the whole organisation
	Activation   string             `json:"activation"`
	KeyAtRenewal string             `json:"keyAtRenewal"`
	Issuer       string             `json:"issuer"`     // "self", or the name of the authority
	RenewsHere   bool               `json:"renewsHere"` // it signs itself, or our own authority issued it: cert renew makes the next one at once
	Exportable   bool               `json:"exportable"`
	Roles        []string           `json:"roles"`
	Services     []listener.Service `json:"services"`
	Bindings     []BindingView      `json:"bindings"`
	Generations  []GenerationView   `json:"generations"`       // newest first
	History      []Entry            `json:"history,omitempty"` // the last rows of the audit trail about it, newest first; not in lists
}

// GenerationView is one step of a lineage.
type GenerationView struct {
	Generation   int           `json:"generation"`
	State        string        `json:"state"`
	Certificates []Certificate `json:"certificates"`
}

// Lineages lists every lineage, ordered by name.
func (d *Desk) Lineages(ctx context.Context) ([]LineageView, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	views := []LineageView{}
	for _, l := range v.lineages {
		one, err := v.lineageView(l)
		if err != nil {
			return nil, err
		}
		views = append(views, one)
	}
	return views, nil
}

// LineagesInUse lists the lineages that are bound on this server or have a role, ordered by name.
func (d *Desk) LineagesInUse(ctx context.Context) ([]LineageView, error) {
	v, err := d.part(ctx)
	if err != nil {
		return nil, err
	}
	views := []LineageView{}
	used := v.inUse()
	for _, l := range v.lineages {
		if _, ok := slices.BinarySearch(used, l.ID); !ok {
			continue
		}
		one, err := v.lineageView(l)
		if err != nil {
			return nil, err
		}
		views = append(views, one)
	}
	return views, nil
}

// Lineage returns the lineage of that name.
func (d *Desk) Lineage(ctx context.Context, name string) (*LineageView, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	l, ok := v.named(name)
	if !ok {
		return nil, &UnknownLineageError{Name: name}
	}
	one, err := v.lineageView(l)
	if err != nil {
		return nil, err
	}
	one.History, err = d.history(ctx, l.Name)
	return &one, err
}

func (v *view) lineageView(l state.Lineage) (LineageView, error) {
	view := LineageView{Lineage: l.Name, Name: l.FriendlyName, Activation: l.Activation, KeyAtRenewal: l.KeyAtRenewal, Issuer: "self", Exportable: l.Exportable,
		Roles: v.roles(l.ID), Services: v.services(l.ID), Bindings: v.bindingViews(l.ID), Generations: []GenerationView{}}
	g, ok := l.Current()
	switch {
	case !ok && l.Origin == state.OriginRequest:
		view.Issuer = "" // nobody has answered yet
	case ok:
		c, err := v.certificate(l, g, g.Members[0])
		if err == nil && !c.SelfSigned {
			view.Issuer = c.Issuer
		}
		view.RenewsHere = l.Origin == state.OriginAuthority || err == nil && c.SelfSigned
	}
	for _, s := range v.servers {
		if s.ID == l.ServerID {
			view.Server = s.Name
		}
	}
	for _, g := range l.Generations {
		one := GenerationView{Generation: g.Number, State: g.State}
		for _, m := range g.Members {
			c, err := v.certificate(l, g, m)
			if err != nil {
				return view, err
			}
			one.Certificates = append(one.Certificates, c)
		}
		view.Generations = append(view.Generations, one)
	}
	return view, nil
}
