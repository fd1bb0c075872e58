package desk

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// Abandoned is what was given up, and what was made anew.
type Abandoned struct {
	Organisation string   `json:"organisation"`
	Server       string   `json:"server"`
	Recovery     bool     `json:"recovery"` // there is a recovery key, which would save everything
	Losses       []Loss   `json:"losses"`
	Made         []string `json:"made"`  // thumbprints of the defaults that were made anew
	Moved        []string `json:"moved"` // listeners that a default serves from now on
	Seq          int64    `json:"seq"`
}

// AbandonKeys goes on without the sealing key and without a recovery key: every private key is given up.
// This server gets a new sealing key, the organisation a new organisation key, and the defaults a new
// generation each. A listener that was served by anything else is served by a default, so that it answers
// at all; the certificates that need a new key are listed with what to do.
func AbandonKeys(ctx context.Context, db *state.DB, o RecoverOptions, actor state.Actor) (*Abandoned, error) {
	if err := finished(ctx, db, o); err != nil {
		return nil, err
	}
	var v *view
	out := &Abandoned{Made: []string{}, Moved: []string{}}
	err := db.View(ctx, func(tx *state.Tx) (err error) {
		if v, err = bareView(tx, o.Server); err != nil {
			return err
		}
		_, err = tx.Recovery()
		out.Recovery = err == nil
		if errors.Is(err, state.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Organisation, out.Server, out.Losses, out.Seq = v.org.Name, v.server.Name, v.losses(), v.seq
	for _, b := range v.bindings {
		if l, ok := v.lineage(b.LineageID); ok && b.Role == state.RoleDefault && !v.reissues(l) {
			out.Moved = append(out.Moved, b.Listener)
		}
	}
	if o.DryRun {
		return out, nil
	}
	a, err := v.anew(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range a.made {
		for _, member := range m.generation.Members {
			out.Made = append(out.Made, member.Thumbprint)
		}
	}
	err = o.install(ctx, db, a.file, actor, func(tx *state.Tx) error {
		if err := tx.Expect(v.seq); err != nil {
			return err
		}
		return a.store(tx, v, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// bareView reads a view without a desk: it judges no certificates.
func bareView(tx *state.Tx, server string) (*view, error) {
	v := new(view)
	var err error
	if v.org, err = tx.Organisation(); err != nil {
		return nil, err
	}
	if v.server, err = serverNamed(tx, server); err != nil {
		return nil, err
	}
	v.servers = []state.Server{v.server}
	if v.lineages, err = tx.Lineages(); err != nil {
		return nil, err
	}
	if v.bindings, err = tx.Bindings(v.server.ID); err != nil {
		return nil, err
	}
	if v.listeners, err = tx.Listeners(v.server.ID); err != nil {
		return nil, err
	}
	sortListeners(v.listeners)
	v.index()
	v.seq, err = tx.Seq()
	return v, err
}

// reissues says whether a lineage gets a new generation: the defaults, as far as they sign themselves.
func (v *view) reissues(l state.Lineage) bool {
	g, ok := l.Current()
	if !ok {
		return false
	}
	if l.Origin != state.OriginSetup && l.ID != v.server.InternalLineage && l.ID != v.org.AuthLineage {
		return false
	}
	cert, err := x509cert.ParseCertificate(g.Members[0].Certificate)
	return err == nil && x509cert.Inspect(cert).SelfSigned
}

// anew is everything that is made when the keys are given up.
type anew struct {
	file    *keys.SealingFile
	key     *keys.Private // the organisation's
	public  ed25519.PublicKey
	secret  string // id of the organisation key
	secrets []state.Secret
	made    []remade

	internal string         // id of the lineage that is internal from now on
	fresh    *state.Lineage // it, if it had to be made
	manage   string         // id of the lineage that serves management; empty for the internal one
}

type remade struct {
	lineage    state.Lineage
	generation state.Generation
}

// anew makes the keys and certificates.
func (v *view) anew(ctx context.Context) (*anew, error) {
	organisation, err := keys.Generate(keys.Ed25519)
	if err != nil {
		return nil, err
	}
	a := &anew{key: organisation, public: organisation.Public().(ed25519.PublicKey)}
	a.file = &keys.SealingFile{Server: v.server.ID, Organisation: a.public, Key: keys.NewSealingKey()}
	s := &sealer{recipients: map[string][]byte{v.server.ID: a.file.Key.Public()}}
	if a.secret, err = s.seal(state.SecretOrganisationKey, organisation); err != nil {
		return nil, err
	}
	for _, l := range v.lineages {
		if !v.reissues(l) {
			continue
		}
		current, _ := l.Current()
		next := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StateNext}
		for _, m := range current.Members {
			leaf, err := x509cert.ParseCertificate(m.Certificate)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %s: %w", m.Thumbprint, err)
			}
			member, err := new(Desk).renewMember(ctx, s, leaf, oldMember{m, false})
			if err != nil {
				return nil, fmt.Errorf("making %q anew: %w", l.FriendlyName, err)
			}
			next.Members = append(next.Members, member)
		}
		a.made = append(a.made, remade{l, next})
		switch {
		case l.ID == v.server.InternalLineage:
			a.internal = l.ID
		case l.Origin == state.OriginSetup && strings.HasPrefix(l.Name, "management-"):
			a.manage = l.ID
		}
	}
	if a.internal == "" {
		short, _, _ := strings.Cut(v.server.Name, ".")
		fresh, err := s.lineage(lineageSpec{name: v.freeName("internal-" + strings.ReplaceAll(v.server.Name, ".", "-")), friendly: NameInternal, server: v.server.ID, origin: state.OriginSetup,
			kinds: []keys.Kind{keys.ECDSAP256, keys.RSA2048}, options: selfsigned.Options{CommonName: short, Names: []string{short, v.server.Name}, Years: 5}})
		if err != nil {
			return nil, err
		}
		a.fresh, a.internal = &fresh, fresh.ID
	}
	a.secrets = s.made
	return a, nil
}

// store gives the old keys up and puts the new ones in force.
func (a *anew) store(tx *state.Tx, v *view, out *Abandoned) error {
	if err := tx.RemoveRecovery(); err != nil { // it was signed by a key that is no more
		return err
	}
	if err := tx.LoseKeys(); err != nil {
		return err
	}
	for _, s := range a.secrets {
		if err := tx.AddSecret(s); err != nil {
			return err
		}
	}
	if err := tx.SetOrganisationKey(a.public, a.secret); err != nil {
		return err
	}
	again := make(map[string]bool)
	for _, m := range a.made {
		again[m.lineage.ID] = true
		if err := tx.AddGeneration(m.lineage, m.generation); err != nil {
			return err
		}
		if err := tx.Activate(m.lineage, m.generation); err != nil {
			return err
		}
	}
	if a.fresh != nil {
		if err := tx.AddLineage(*a.fresh); err != nil {
			return err
		}
		if err := tx.SetInternal(v.server.ID, a.fresh.ID); err != nil {
			return err
		}
	}
	for _, l := range v.lineages {
		if l.KeyAtRenewal == KeyKeep { // there is none to keep
			l.KeyAtRenewal = KeyNew
			if err := tx.SetLineage(l); err != nil {
				return err
			}
		}
		for _, g := range l.Generations {
			// Nobody can go back, or on, to a generation without its key. What is in force stays to be seen, until a
			// next one takes its place.
			if g.State == state.StateRetired || g.State == state.StateCurrent && !again[l.ID] {
				continue
			}
			if err := tx.SetGenerationState(g, state.StateRetired); err != nil {
				return err
			}
		}
	}
	for _, b := range v.bindings {
		if err := a.rebind(tx, v, b, again); err != nil {
			return err
		}
	}
	var lost []string
	for _, x := range out.Losses {
		lost = append(lost, x.Lineage)
	}
	if err := tx.Audit(actAbandonKeys, v.org.Name, map[string]any{"lineages": lost}, map[string]any{"made": out.Made, "moved": out.Moved}); err != nil {
		return err
	}
	return a.signTrail(tx, v.server.ID)
}

// signTrail signs the head of the audit trail with the new key, in the transaction that brings it: the head in the
// file is of a key that is no more. The next [Desk.SealAudit] holds both against the rows.
func (a *anew) signTrail(tx *state.Tx, server string) error {
	head := &audit.Head{Server: server, From: 1, Base: audit.Begin(server), At: tx.Now()}
	var err error
	if head.Number, head.Hash, err = tx.LastAudit(server); err != nil {
		return err
	}
	if err := head.Sign(a.key); err != nil {
		return err
	}
	return tx.SetAuditHead(server, head.Marshal())
}

// rebind gives a listener whose certificate has no key any more to a default.
func (a *anew) rebind(tx *state.Tx, v *view, b state.Binding, again map[string]bool) error {
	if again[b.LineageID] {
		return nil
	}
	if b.Role == state.RoleName {
		return tx.Unbind(v.server.ID, b.Listener, b.LineageID)
	}
	to := a.internal
	if k, ok := listener.ByName(b.Listener); ok && k.Service == listener.ServiceManagement && a.manage != "" {
		to = a.manage
	}
	return tx.Bind(v.server.ID, state.Binding{Listener: b.Listener, LineageID: to, Role: state.RoleDefault})
}
