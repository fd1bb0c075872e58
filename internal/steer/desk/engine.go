package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/renewal"
)

// Engine is the desk as the renewal engine sees it: the lineages that renew by themselves. These are the three defaults
// and what our own authority has issued; a self-signed certificate made later may have been compared by people, who
// would not know the next one.
type Engine struct{ desk *Desk }

// Engine returns what [renewal.Run] works on.
func (d *Desk) Engine() *Engine { return &Engine{d} }

// RunRenewals renews what is due until ctx ends.
func (d *Desk) RunRenewals(ctx context.Context, log *slog.Logger) { renewal.Run(ctx, d.Engine(), log) }

// Lines returns the lineages that renew by themselves. It also retires what has come to its end, which time alone does.
func (e *Engine) Lines(ctx context.Context) ([]renewal.Line, error) {
	v, err := e.desk.view(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.retire(ctx, v); err != nil {
		return nil, err
	}
	var lines []renewal.Line
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok || !v.renewsItself(l) {
			continue
		}
		if _, waits := l.InState(state.StateNext); waits {
			continue // made, and kept from coming into force by a person: by approval, or by a roll-back
		}
		line := renewal.Line{Name: l.Name}
		for _, m := range g.Members {
			cert, err := x509cert.ParseCertificate(m.Certificate)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %s of %s: %w", m.Thumbprint, l.Name, err)
			}
			if line.NotAfter.IsZero() || cert.NotAfter.Before(line.NotAfter) {
				line.NotBefore, line.NotAfter = cert.NotBefore, cert.NotAfter
			}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// retire retires previous generations that have come to their own end: until then they can be gone back to, after it
// they are only kept to be looked at.
func (e *Engine) retire(ctx context.Context, v *view) error {
	for _, l := range v.lineages {
		previous, ok := l.InState(state.StatePrevious)
		if !ok || !ended(previous, time.Now()) {
			continue
		}
		seq, err := e.desk.db.Update(ctx, state.Actor{Who: "postseal", From: "renewal"}, func(tx *state.Tx) error {
			tx.ActFor(e.desk.server)
			if err := tx.Expect(v.seq); err != nil {
				return err
			}
			if err := tx.SetGenerationState(previous, state.StateRetired); err != nil {
				return err
			}
			return tx.Audit("retire", l.Name, generationFacts(previous), nil)
		})
		if errors.Is(err, state.ErrStale) {
			return nil // somebody changed something meanwhile; the next look will tell
		}
		if err != nil {
			return fmt.Errorf("retiring generation %d of %s: %w", previous.Number, l.Name, err)
		}
		v.seq = seq
	}
	return nil
}

// renewsItself says whether the engine renews a lineage: where it comes from says that it should, and what is in force
// says that it can. Into a lineage of our own authority somebody may have imported the certificate of another one; that
// is for people to renew, and to be told of in time.
func (v *view) renewsItself(l state.Lineage) bool {
	g, ok := l.Current()
	if !ok || l.Origin != state.OriginSetup && l.Origin != state.OriginAuthority {
		return false
	}
	return !slices.ContainsFunc(g.Members, func(m state.Member) bool {
		facts, err := v.facts.of(m)
		if err != nil {
			return true // nobody could renew what nobody can read
		}
		if l.Origin == state.OriginSetup {
			return !facts.SelfSigned
		}
		return !v.issued.issuers[facts.Issuer]
	})
}

// Renew makes the next generation of a lineage, and activates it unless the lineage wants approval. A failure
// is a health condition until it is done.
func (e *Engine) Renew(ctx context.Context, name string) error {
	_, err := e.desk.Renew(ctx, state.Actor{Who: "postseal", From: "renewal"}, RenewRequest{ID: name})
	if err != nil {
		e.desk.health.Raise(health.Condition{Code: health.CodeRenewalFailed, Severity: health.Attention, Object: name, Text: err.Error()})
		return err
	}
	return nil
}
