package desk

import (
	"context"
	"fmt"
	"log/slog"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/renewal"
)

// Engine is the desk as the renewal engine sees it: the lineages that renew by themselves. In this release
// these are the three defaults; a self-signed certificate made later may have been compared by people, who
// would not know the next one.
type Engine struct{ desk *Desk }

// Engine returns what [renewal.Run] works on.
func (d *Desk) Engine() *Engine { return &Engine{d} }

// RunRenewals renews what is due until ctx ends.
func (d *Desk) RunRenewals(ctx context.Context, log *slog.Logger) { renewal.Run(ctx, d.Engine(), log) }

// Lines returns the lineages that renew by themselves.
func (e *Engine) Lines(ctx context.Context) ([]renewal.Line, error) {
	v, err := e.desk.view(ctx)
	if err != nil {
		return nil, err
	}
	var lines []renewal.Line
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok || !renewsItself(l) {
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

// renewsItself says whether the engine renews a lineage.
func renewsItself(l state.Lineage) bool {
	return l.Origin == state.OriginSetup
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
