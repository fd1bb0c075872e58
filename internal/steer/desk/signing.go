package desk

import (
	"context"
	"fmt"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// signings writes down what is signed for our own authorities: before, so that nothing is ever signed that nobody
// remembers, and after, in the transaction that puts it in force. What stays planned was given to nobody: its act failed.
type signings struct {
	desk    *Desk
	ctx     context.Context
	who     state.Actor
	planned []string // serials
}

// plan is a [ca.AuthorityOptions] Plan.
func (s *signings) plan(p ca.Planned) error {
	err := s.desk.db.Append(s.ctx, s.who, func(tx *state.Tx) error {
		tx.ActFor(s.desk.server)
		if err := tx.PlanAuthority(state.AuthorityPlan{Serial: p.Serial, Issuer: p.Issuer, Purpose: string(p.Purpose), TBS: p.TBS}); err != nil {
			return err
		}
		return tx.Audit("ca plan-authority", string(p.Purpose), nil, map[string]any{"serial": p.Serial, "issuer": p.Issuer})
	})
	if err == nil {
		s.planned = append(s.planned, p.Serial)
	}
	return err
}

// record stores certificates that were planned.
func record(tx *state.Tx, certificates ...[]byte) error {
	for _, der := range certificates {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("recording a certificate: %w", err)
		}
		if err := tx.RecordAuthority(ca.SerialText(cert.SerialNumber), der); err != nil {
			return err
		}
	}
	return nil
}
