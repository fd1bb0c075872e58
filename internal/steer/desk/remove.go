package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
)

// RemoveRequest asks that a certificate goes.
type RemoveRequest struct {
	Doing
	ID  string `json:"id"`
	All bool   `json:"all,omitempty"` // every generation of its lineage
}

// Remove removes the generation that id means, with its members and their private keys; with the last
// generation its lineage goes. What is in use is refused with an [*InUseError]: the internal certificate,
// the auth certificate, and a generation in force on any listener but management. Removing the
// management certificate closes its listener.
func (d *Desk) Remove(ctx context.Context, who state.Actor, r RemoveRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		goes := []state.Generation{f.generation}
		if r.All {
			goes = f.lineage.Generations
		}
		inForce := slices.ContainsFunc(goes, func(g state.Generation) bool { return g.State == state.StateCurrent })
		if inForce {
			if err := v.removable(f.lineage); err != nil {
				return nil, nil, err
			}
		}
		change := newChange(v)
		change.Replaces = true
		for _, g := range goes {
			for _, m := range g.Members {
				change.Removed = append(change.Removed, fmt.Sprintf("%q %s with its private key", f.lineage.FriendlyName, m.Thumbprint))
			}
		}
		for _, b := range v.bindingViews(f.lineage.ID) {
			if !inForce || b.Role != state.RoleDefault {
				continue
			}
			change.Warnings = append(change.Warnings, fmt.Sprintf("the listener %s has no certificate then and closes", b.Listener))
		}
		return change, func(tx *state.Tx) error {
			rest := f.lineage
			for _, g := range goes {
				if err := tx.RemoveGeneration(rest, g); err != nil {
					return err
				}
				rest.Generations = slices.DeleteFunc(slices.Clone(rest.Generations), func(x state.Generation) bool { return x.ID == g.ID })
			}
			return tx.Audit("remove", f.lineage.Name, change.Removed, nil)
		}, nil
	})
}

// removable refuses a lineage in use. Only the management listener may lose its certificate.
func (v *view) removable(l state.Lineage) error {
	e := &InUseError{Name: fmt.Sprintf("%q", l.FriendlyName), Lineage: l.Name}
	for _, role := range v.roles(l.ID) {
		e.Role = role
		switch role {
		case RoleInternal:
			e.By = append(e.By, "the internal certificate of "+v.server.Name)
		case RoleAuth:
			e.By = append(e.By, "the auth certificate, which signs server-to-server tokens")
		}
	}
	var services []string
	for _, b := range v.bindingViews(l.ID) {
		k, _ := listener.ByName(b.Listener)
		if k.Service == listener.ServiceManagement {
			continue
		}
		e.By = append(e.By, fmt.Sprintf("%s of %s (%s)", b.Role, b.Listener, k.Service))
		if b.Role == state.RoleName {
			e.ByName = append(e.ByName, b.Listener)
		}
		if b.Role == state.RoleDefault && !slices.Contains(services, string(k.Service)) {
			services = append(services, string(k.Service))
		}
	}
	e.Services = strings.Join(services, ",")
	if len(e.By) == 0 {
		return nil
	}
	return e
}
