package desk

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"
	"net/netip"

	"postseal/internal/ground/health"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"

	"postseal/internal/ground/listener"
)

// Runtime is what runs beside the desk: the listeners of a server, or nothing.
type Runtime interface {
	// Running says whether a server runs here.
	Running() bool
	// Follow opens and closes listeners until they are as want says, and returns when they are. What
	// cannot be opened is a health condition, not an error: the rest goes on.
	Follow(ctx context.Context, want []Wanted)
	// CanOpen says whether a listener could be opened there now.
	CanOpen(name string, stored netip.AddrPort) error
	// Address returns where a listener is in this run, given its stored place.
	Address(name string, stored netip.AddrPort) netip.AddrPort
	// Sessions counts the sessions of a listener, and says whether it is open.
	Sessions(name string) (sessions int64, open bool)
	// Backend describes what is behind a listener, empty for nothing.
	Backend(name string) string
	// Trial says whether the trial mailbox runs.
	Trial() bool
}

// Wanted is a listener that shall be open.
type Wanted struct {
	Name    string
	Address netip.AddrPort // as stored
}

// Stopped is the runtime where no server runs.
type Stopped struct{}

// Running is false.
func (Stopped) Running() bool { return false }

// Follow has nothing to open.
func (Stopped) Follow(context.Context, []Wanted) {}

// CanOpen does not know; the next start will tell.
func (Stopped) CanOpen(string, netip.AddrPort) error { return nil }

// Address is the stored one.
func (Stopped) Address(_ string, stored netip.AddrPort) netip.AddrPort { return stored }

// Sessions are none.
func (Stopped) Sessions(string) (int64, bool) { return 0, false }

// Backend is unknown.
func (Stopped) Backend(string) string { return "" }

// Trial is false.
func (Stopped) Trial() bool { return false }

// Settle brings the keyring and the listeners to what the state says. A state that cannot be served
// leaves the keyring as it was, raises [health.CodeSnapshotRefused], and is returned.
func (d *Desk) Settle(ctx context.Context) error {
	d.settling.Lock()
	defer d.settling.Unlock()
	v, err := d.reload(ctx)
	if err != nil {
		d.log.ErrorContext(ctx, "the state cannot be served, the keyring before it goes on", "code", health.CodeSnapshotRefused, "err", err)
		d.health.Raise(health.Condition{Code: health.CodeSnapshotRefused, Severity: health.Attention, Text: err.Error()})
		return err
	}
	d.health.Clear(health.CodeSnapshotRefused, "")
	d.runtime.Follow(ctx, v.wanted())
	return nil
}

// reload reads the state into the keyring. The caller holds settling.
func (d *Desk) reload(ctx context.Context) (*view, error) {
	var v *view
	var in keyring.Input
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		if v, err = d.look(tx); err != nil {
			return err
		}
		in, err = d.input(tx, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := d.ring.Swap(in); err != nil {
		return nil, err
	}
	d.forget(in)
	return v, nil
}

// forget drops the opened keys that serve no more. The caller holds settling.
func (d *Desk) forget(in keyring.Input) {
	used := make(map[crypto.Signer]bool)
	for _, l := range in.Lineages {
		for _, m := range l.Members {
			used[m.Signer] = true
		}
	}
	maps.DeleteFunc(d.signers, func(_ string, key *keys.Private) bool { return !used[key] })
}

// ensureRing fills the keyring when no server keeps it up to date.
func (d *Desk) ensureRing(ctx context.Context) error {
	if d.runtime.Running() {
		return nil
	}
	d.settling.Lock()
	defer d.settling.Unlock()
	_, err := d.reload(ctx)
	return err
}

// wanted returns the listeners that shall be open: enabled, and with something to serve.
func (v *view) wanted() []Wanted {
	var want []Wanted
	for _, l := range v.listeners {
		k, ok := listener.ByName(l.Name)
		if !ok || !l.Enabled {
			continue
		}
		if _, bound := v.defaultOf(l.Name); bound || k.Service == "" {
			want = append(want, Wanted{Name: l.Name, Address: l.Address})
		}
	}
	return want
}

// input reads what the keyring serves, and opens the private keys that it does not know yet.
func (d *Desk) input(tx *state.Tx, v *view) (keyring.Input, error) {
	in := keyring.Input{Seq: v.seq}
	used := make(map[string]bool)
	for _, l := range v.listeners {
		k, ok := listener.ByName(l.Name)
		if !ok || k.Service == "" {
			continue
		}
		ring := keyring.Listener{Name: l.Name, Opportunistic: k.Opportunistic}
		switch {
		case k.Protocol == "http":
			ring.NextProtos = []string{"h2", "http/1.1"}
		case k.Upgrade == "implicit":
			// A browser that is led here by somebody in between must not take us for a web site: a client that
			// offers protocols (RFC 7301) and not ours is refused. Mail clients mostly offer none.
			ring.NextProtos = []string{k.Protocol}
		}
		// A default can be removed while names are bound beside it (management): then nothing is served here,
		// and everything goes on elsewhere. The names are answered again with the next default.
		_, served := v.defaultOf(l.Name)
		for _, b := range v.bindings {
			if b.Listener != l.Name || !served {
				continue
			}
			bound, ok := v.lineage(b.LineageID)
			if !ok {
				return in, fmt.Errorf("reading the binding of %s: %w", l.Name, state.ErrNotFound)
			}
			if _, ok := bound.Current(); !ok { // removed, while others of its line are kept
				continue
			}
			ring.Bindings = append(ring.Bindings, keyring.Binding{Lineage: bound.Name, Role: keyring.Role(b.Role)})
			used[bound.ID] = true
		}
		in.Listeners = append(in.Listeners, ring)
	}
	if internal, ok := v.lineage(v.server.InternalLineage); ok {
		in.Internal = internal.Name
		used[internal.ID] = true
	}
	for _, l := range v.lineages {
		if !used[l.ID] {
			continue
		}
		lineage, err := d.inForce(tx, l)
		if err != nil {
			return in, err
		}
		in.Lineages = append(in.Lineages, lineage)
	}
	return in, nil
}

// inForce reads the current generation of l with its private keys.
func (d *Desk) inForce(tx *state.Tx, l state.Lineage) (keyring.Lineage, error) {
	g, ok := l.Current()
	if !ok {
		return keyring.Lineage{}, fmt.Errorf("reading lineage %s: no generation is current: %w", l.Name, state.ErrNotFound)
	}
	out := keyring.Lineage{Name: l.Name, FriendlyName: l.FriendlyName, Generation: g.Number}
	for _, m := range g.Members {
		signer, err := d.signer(tx, m.SecretID)
		if err != nil {
			return out, fmt.Errorf("opening the key of %s (%s): %w", l.Name, m.Thumbprint, err)
		}
		chain := [][]byte{m.Certificate}
		if len(m.Chain) > 0 {
			issuers, err := x509.ParseCertificates(m.Chain)
			if err != nil {
				return out, fmt.Errorf("reading the chain of %s (%s): %w", l.Name, m.Thumbprint, err)
			}
			for _, issuer := range issuers {
				chain = append(chain, issuer.Raw)
			}
		}
		leaf, err := x509cert.ParseCertificate(m.Certificate)
		if err != nil {
			return out, fmt.Errorf("reading the certificate of %s (%s): %w", l.Name, m.Thumbprint, err)
		}
		out.Names = x509cert.NamesOf(leaf).Hosts()
		out.Members = append(out.Members, keyring.Member{Chain: chain, Signer: signer})
	}
	return out, nil
}

// signer opens a sealed private key, once. The caller holds settling.
func (d *Desk) signer(tx *state.Tx, secretID string) (*keys.Private, error) {
	if key, ok := d.signers[secretID]; ok {
		return key, nil
	}
	s, err := tx.Secret(secretID, d.server)
	if err != nil {
		return nil, err
	}
	if s.Kind == state.SecretModuleKey {
		return nil, ErrKeyInModule
	}
	plain, err := d.sealing.Key.Open(keys.Object{Kind: s.Kind, ID: s.ID}, d.server, s.Ciphertext, s.Wrapped[d.server])
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	key, err := keys.ParsePKCS8(plain)
	if err != nil {
		return nil, err
	}
	d.signers[secretID] = key
	return key, nil
}
