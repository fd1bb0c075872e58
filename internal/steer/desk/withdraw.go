package desk

import (
	"context"
	"fmt"

	"postseal/internal/ground/state"
)

// WithdrawRequest takes back what waits for the authority above.
type WithdrawRequest struct {
	Doing
	Name string `json:"name,omitempty"` // of the authority; empty means all that wait
}

// Withdraw forgets requests, and the keys of authorities that would have begun with them. An answer that comes later is
// refused.
func (d *Desk) Withdraw(ctx context.Context, who state.Actor, r WithdrawRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		e, err := d.elsewhere(ctx)
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		change.Replaces = true
		var gone []state.Authority
		for _, q := range e.requests {
			a := e.named(q.AuthorityID)
			if r.Name != "" && a.Name != r.Name {
				continue
			}
			gone = append(gone, a)
			text := "the request of " + a.Name
			if a.State == state.AuthorityPending {
				text += ", and its key"
			}
			change.Removed = append(change.Removed, text)
		}
		if len(gone) == 0 {
			return nil, nil, fmt.Errorf("withdrawing requests: %w", ErrNothingWaits)
		}
		return change, func(tx *state.Tx) error {
			for _, a := range gone {
				remove := tx.RemoveAuthorityRequest
				if a.State == state.AuthorityPending {
					remove = tx.RemoveAuthority
				}
				if err := remove(a.ID); err != nil {
					return err
				}
				if err := tx.Audit("ca withdraw", a.Name, map[string]any{"state": a.State}, nil); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}
