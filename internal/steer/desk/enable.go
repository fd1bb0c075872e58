package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// EnableRequest asks that a certificate serves.
type EnableRequest struct {
	Doing
	ID        string   `json:"id"`
	Services  string   `json:"services"`            // "IMAP,SMTP"
	Listeners []string `json:"listeners,omitempty"` // only these of the services; empty for all
	ByName    bool     `json:"byName,omitempty"`    // a name binding (--sni-only) instead of the default one
}

// ErrOwnIdentity: with a token of the scope operate, a certificate was to become that of management. Its key may have come
// from outside, and by management administrators know the server to which they show their tokens.
var ErrOwnIdentity = errors.New("a token of the scope operate does not choose the certificate of management")

// belowAdmin says whether whoever asks has shown a token, and one that is not of the scope admin. Each act that can change what
// management serves asks: enabling, making and issuing with services, and importing into a lineage that serves it.
func belowAdmin(ctx context.Context) bool {
	bearer, byToken := BearerOf(ctx)
	return byToken && !bearer.Scope.Allows(ScopeAdmin)
}

// Enable binds the lineage of a certificate to the listeners of services. It is additive: what the
// lineage served before it goes on serving. The default binding of these listeners is taken over from
// whoever had it; with ByName a name binding is added beside it.
func (d *Desk) Enable(ctx context.Context, who state.Actor, r EnableRequest) (*Change, error) {
	names, err := listenersOf(r.Services, r.Listeners)
	if err != nil {
		return nil, err
	}
	if belowAdmin(ctx) && slices.Contains(names, listener.Management) {
		return nil, fmt.Errorf("enabling %s for %s: %w", clip(r.ID), listener.Management, ErrOwnIdentity)
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case f.generation.State != state.StateCurrent:
			return nil, nil, fmt.Errorf("enabling %s: %w", f.member.Thumbprint, notInForce(f.generation))
		case f.member.SecretID == "":
			return nil, nil, fmt.Errorf("enabling %s: %w", f.member.Thumbprint, ErrNoPrivateKey)
		case f.lineage.ID == v.org.AuthLineage:
			return nil, nil, fmt.Errorf("enabling %s: %w", f.lineage.Name, ErrAuthCertificate)
		}
		change := newChange(v)
		bindings, undo, err := change.bind(v, f.lineage, bindRequest{names, r.ByName})
		if err != nil {
			return nil, nil, err
		}
		if len(bindings) == 0 {
			change.Warnings = append(change.Warnings, "nothing to change: it is bound so already")
			return change, nil, nil
		}
		change.Undo = undo
		return change, storeBindings(d.server, f.lineage, change.Moves, bindings), nil
	})
}

type bindRequest struct {
	listeners []string
	byName    bool
}

// bind computes the bindings that change, fills in moves and warnings, and returns the undo command.
func (c *Change) bind(v *view, l state.Lineage, r bindRequest) ([]state.Binding, string, error) {
	var bindings []state.Binding
	var undo []undoMove
	var addedByName []string
	for _, stored := range v.listeners {
		if !slices.Contains(r.listeners, stored.Name) {
			continue
		}
		role := v.role(stored.Name, l.ID)
		move := Move{Listener: stored.Name, Port: stored.Address.Port(), To: held(l)}
		if r.byName {
			if role != "" {
				continue // its names are answered already, whatever the role
			}
			move.Role = state.RoleName
			addedByName = append(addedByName, stored.Name)
			if _, ok := v.defaultOf(stored.Name); !ok {
				c.Warnings = append(c.Warnings, stored.Name+" stays closed until a certificate is enabled for it without --sni-only: it has no default")
			}
		} else {
			if role == state.RoleDefault {
				continue
			}
			move.Role = state.RoleDefault
			before := undoMove{listener: stored.Name, role: role}
			if old, ok := v.defaultOf(stored.Name); ok {
				move.From, before.lineage = held(old), old.Name
				c.Replaces = true
			}
			undo = append(undo, before)
		}
		c.Moves = append(c.Moves, move)
		bindings = append(bindings, state.Binding{Listener: stored.Name, LineageID: l.ID, Role: move.Role})
	}
	g, _ := l.Current()
	for _, m := range g.Members {
		view, err := v.certificate(l, g, m)
		if err != nil {
			return nil, "", err
		}
		c.Certificates = append(c.Certificates, view)
	}
	if err := c.warn(v, l, g); err != nil {
		return nil, "", err
	}
	if r.byName {
		var commands []string
		for _, name := range addedByName {
			commands = append(commands, "postseal cert disable "+l.Name+" --listener "+name)
		}
		return bindings, strings.Join(commands, " && "), nil
	}
	return bindings, undoEnable(l.Name, undo), nil
}

// warn says what is unusual about a generation that is bound, and what its clients will object to. None of it is
// refused.
func (c *Change) warn(v *view, l state.Lineage, g state.Generation) error {
	c.note(v, l, g, listenersOfMoves(c.Moves))
	if len(c.Moves) == 0 || len(c.Certificates) == 0 {
		return nil
	}
	if err := c.objectTo(v, l, g); err != nil {
		return err
	}
	first := c.Certificates[0]
	switch first.Status {
	case x509cert.StatusRevocationCheckFailure, x509cert.StatusUnknown:
		c.Warnings = append(c.Warnings, string(first.Status)+": "+first.StatusReason)
	}
	c.warnOf(v, x509cert.Covers(first.Names, v.server.Name),
		slices.ContainsFunc(c.Certificates, func(x Certificate) bool { return strings.HasPrefix(x.KeyType, "RSA") }))
	return nil
}

// warnOf says whom a certificate leaves out.
func (c *Change) warnOf(v *view, covers, rsa bool) {
	if !covers && slices.ContainsFunc(c.Moves, func(m Move) bool { return m.Role == state.RoleDefault }) {
		c.Warnings = append(c.Warnings, fmt.Sprintf("it does not name this server, %s", v.server.Name))
	}
	if !rsa {
		c.Warnings = append(c.Warnings, "it has no RSA member: clients without ECDSA cannot connect (port 25 falls back to the internal certificate)")
	}
}

// storeBindings writes bindings with their audit row.
func storeBindings(server string, l state.Lineage, moves []Move, bindings []state.Binding) func(tx *state.Tx) error {
	return func(tx *state.Tx) error {
		before, after := make(map[string]string), make(map[string]string)
		for _, m := range moves {
			if m.From != nil {
				before[m.Listener] = m.From.Lineage
			}
			after[m.Listener] = m.To.Lineage + " (" + m.Role + ")"
		}
		for _, b := range bindings {
			if err := tx.Bind(server, b); err != nil {
				return err
			}
		}
		return tx.Audit("enable", l.Name, before, after)
	}
}

// listenersOf returns the listeners of services, or only those named.
func listenersOf(services string, only []string) ([]string, error) {
	parsed, err := listener.ParseServices(services)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range parsed {
		names = append(names, s.Listeners()...)
	}
	if len(only) == 0 {
		return names, nil
	}
	for _, name := range only {
		if err := checkListener(name); err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			return nil, &ListenerServiceError{Listener: name, Services: services}
		}
	}
	return only, nil
}

// DisableRequest asks that a name binding goes.
type DisableRequest struct {
	Doing
	ID       string `json:"id"`
	Listener string `json:"listener"`
}

// Disable removes a name binding. A default binding can only be taken over: [ErrDefaultBinding].
func (d *Desk) Disable(ctx context.Context, who state.Actor, r DisableRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		switch v.role(r.Listener, f.lineage.ID) {
		case state.RoleDefault:
			return nil, nil, fmt.Errorf("disabling %s at %s: %w", f.lineage.Name, r.Listener, ErrDefaultBinding)
		case "":
			return nil, nil, fmt.Errorf("disabling %s at %s: %w", f.lineage.Name, r.Listener, ErrNotBound)
		}
		change := newChange(v)
		change.Removed = []string{fmt.Sprintf("the name binding of %s at %s", f.lineage.Name, r.Listener)}
		change.Replaces = true
		change.Undo = enableCommand(f.lineage.Name, []string{r.Listener}, true)
		return change, func(tx *state.Tx) error {
			if err := tx.Unbind(d.server, r.Listener, f.lineage.ID); err != nil {
				return err
			}
			return tx.Audit("disable", f.lineage.Name, map[string]string{r.Listener: state.RoleName}, nil)
		}, nil
	})
}

// InternalRequest asks that a certificate becomes the internal one.
type InternalRequest struct {
	Doing
	ID string `json:"id"`
}

// SetInternal makes a lineage the internal certificate of this server: direct trust and internal
// transport. It changes no binding; enabling for SMTP is another act.
func (d *Desk) SetInternal(ctx context.Context, who state.Actor, r InternalRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		switch {
		case f.generation.State != "current":
			return nil, nil, fmt.Errorf("making %s internal: %w", f.member.Thumbprint, ErrNotCurrent)
		case f.member.SecretID == "":
			return nil, nil, fmt.Errorf("making %s internal: %w", f.member.Thumbprint, ErrNoPrivateKey)
		case f.lineage.ID == v.org.AuthLineage:
			return nil, nil, fmt.Errorf("making %s internal: %w", f.lineage.Name, ErrAuthCertificate)
		case f.lineage.ID == v.server.InternalLineage:
			change.Warnings = append(change.Warnings, "nothing to change: it is the internal certificate already")
			return change, nil, nil
		}
		old, _ := v.lineage(v.server.InternalLineage)
		change.Replaces = true
		change.Moves = []Move{{Listener: RoleInternal, Role: RoleInternal, From: held(old), To: held(f.lineage)}}
		change.Undo = "postseal cert set-internal " + old.Name
		if !slices.ContainsFunc(f.generation.Members, func(m state.Member) bool { return m.Algorithm == "RSA" }) {
			change.Warnings = append(change.Warnings, "it has no RSA member: port 25 has nothing to fall back to for senders without ECDSA")
		}
		return change, func(tx *state.Tx) error {
			if err := tx.SetInternal(d.server, f.lineage.ID); err != nil {
				return err
			}
			return tx.Audit("set-internal", v.server.Name, old.Name, f.lineage.Name)
		}, nil
	})
}
