package desk

import (
	"context"
	"net/netip"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
)

// States of a listener as people see it.
const (
	ListenerOpen     = "open"     // answering
	ListenerClosed   = "closed"   // enabled, but not answering: see status
	ListenerDisabled = "disabled" // not wanted
	ListenerStopped  = "stopped"  // enabled, no server is running
)

// ListenerView is a listener as people and scripts see it.
type ListenerView struct {
	Listener    string           `json:"listener"`
	Service     listener.Service `json:"service"` // empty for http
	Protocol    string           `json:"protocol"`
	TLS         string           `json:"tls"` // "implicit", "starttls" or "none"
	Address     string           `json:"address"`
	Port        uint16           `json:"port"`
	Enabled     bool             `json:"enabled"`
	State       string           `json:"state"`
	Lineage     string           `json:"lineage"`     // of the default binding; empty for none
	Certificate string           `json:"certificate"` // its friendly name
	Thumbprints []string         `json:"thumbprints"` // of the members of its current generation
	Names       []string         `json:"names"`       // that the default certificate holds
	ByName      []string         `json:"byName"`      // lineages bound by name
	Backend     string           `json:"backend"`     // what is behind; empty for nothing
	Sessions    int64            `json:"sessions"`
	// Objections are what clients will not like in what is bound here, a sentence each; never nil.
	Objections []string `json:"objections"`
}

// Listeners lists the listeners of this server in the order of their kinds.
func (d *Desk) Listeners(ctx context.Context) ([]ListenerView, error) {
	v, err := d.part(ctx)
	if err != nil {
		return nil, err
	}
	return d.listenerViews(v)
}

func (d *Desk) listenerViews(v *view) ([]ListenerView, error) {
	views := []ListenerView{}
	var err error
	for _, l := range v.listeners {
		k, ok := listener.ByName(l.Name)
		if !ok {
			continue
		}
		at := d.runtime.Address(l.Name, l.Address)
		view := ListenerView{Listener: l.Name, Service: k.Service, Protocol: k.Protocol, TLS: k.Upgrade, Address: printAddress(at.Addr()), Port: at.Port(),
			Enabled: l.Enabled, Thumbprints: []string{}, Names: []string{}, ByName: []string{}, Objections: []string{}, Backend: d.runtime.Backend(l.Name)}
		var open bool
		view.Sessions, open = d.runtime.Sessions(l.Name)
		view.State = listenerState(l.Enabled, d.runtime.Running(), open)
		if bound, ok := v.defaultOf(l.Name); ok {
			view.Lineage, view.Certificate = bound.Name, bound.FriendlyName
			if g, ok := bound.Current(); ok {
				for _, m := range g.Members {
					c, err := v.certificate(bound, g, m)
					if err != nil {
						return nil, err
					}
					view.Thumbprints, view.Names = append(view.Thumbprints, c.Thumbprint), c.Names
				}
			}
		}
		for _, b := range v.bindings {
			if b.Listener == l.Name && b.Role == state.RoleName {
				if bound, ok := v.lineage(b.LineageID); ok {
					view.ByName = append(view.ByName, bound.Name)
				}
			}
		}
		if view.Objections, err = v.objectionsOf(l); err != nil {
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

// objectionsOf are those to everything that is bound to a listener; what is bound by name is named.
func (v *view) objectionsOf(at state.Listener) ([]string, error) {
	texts := []string{}
	for _, b := range v.bindings {
		l, ok := v.lineage(b.LineageID)
		if b.Listener != at.Name || !ok {
			continue
		}
		said, err := v.objectionsAt(at, b.Role, l)
		if err != nil {
			return nil, err
		}
		for _, o := range said {
			text := o.text
			if b.Role == state.RoleName {
				text = l.Name + ", bound by name: " + text
			}
			texts = append(texts, text)
		}
	}
	return texts, nil
}

func listenerState(enabled, running, open bool) string {
	switch {
	case !enabled:
		return ListenerDisabled
	case !running:
		return ListenerStopped
	case open:
		return ListenerOpen
	}
	return ListenerClosed
}

// printAddress prints an address for people: everything is "*".
func printAddress(a netip.Addr) string {
	if a.IsUnspecified() {
		return "*"
	}
	return a.String()
}

// ServiceView is a service as people and scripts see it.
type ServiceView struct {
	Service   listener.Service `json:"service"`
	Listeners []ListenerView   `json:"listeners"`
}

// Services lists the services with their listeners.
func (d *Desk) Services(ctx context.Context) ([]ServiceView, error) {
	all, err := d.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	views := []ServiceView{}
	for _, s := range listener.Services() {
		view := ServiceView{Service: s, Listeners: []ListenerView{}}
		for _, l := range all {
			if l.Service == s {
				view.Listeners = append(view.Listeners, l)
			}
		}
		views = append(views, view)
	}
	return views, nil
}

// ListenerRequest asks that a listener opens or closes.
type ListenerRequest struct {
	Doing
	Listener string `json:"listener"`
	Enabled  bool   `json:"enabled"`
}

// SetListener enables or disables a listener. Enabling is refused with a [*ListenError] when a running
// server could not open it.
func (d *Desk) SetListener(ctx context.Context, who state.Actor, r ListenerRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		act, undo := "enable-listener", "disable"
		if !r.Enabled {
			act, undo = "disable-listener", "enable"
			change.Replaces = true
		}
		for _, l := range v.listeners {
			if l.Name != r.Listener {
				continue
			}
			if l.Enabled == r.Enabled {
				change.Warnings = append(change.Warnings, "nothing to change: it is so already")
				return change, nil, nil
			}
			if r.Enabled {
				if err := d.runtime.CanOpen(l.Name, l.Address); err != nil {
					return nil, nil, err
				}
				if err := change.objectOpening(v, l); err != nil {
					return nil, nil, err
				}
			} else {
				change.Removed = []string{"the listener " + l.Name}
				change.Warnings = append(change.Warnings, "sessions that are open get the time of draining (limits.drain, 30s) to end")
			}
		}
		change.Undo = "postseal listener " + undo + " " + r.Listener
		return change, func(tx *state.Tx) error {
			if err := tx.SetListenerEnabled(d.server, r.Listener, r.Enabled); err != nil {
				return err
			}
			return tx.Audit(act, r.Listener, !r.Enabled, r.Enabled)
		}, nil
	})
}

// objectOpening says what the clients of a listener that opens will object to.
func (c *Change) objectOpening(v *view, at state.Listener) error {
	at.Enabled = true
	said, err := v.objectionsOf(at)
	if err != nil {
		return err
	}
	for _, text := range said {
		c.Warnings = append(c.Warnings, at.Name+": "+text)
		c.Replaces = true
	}
	return nil
}
