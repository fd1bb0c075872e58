package desk

import (
	"context"
	"fmt"
	"time"

	"postseal/internal/ground/state"
)

// ZLintRequest is about a finding of zlint that is right as it is.
type ZLintRequest struct {
	Doing
	Lint     string `json:"lint"`               // its name
	Reason   string `json:"reason,omitempty"`   // why; not with Withdraw
	Withdraw bool   `json:"withdraw,omitempty"` // it is not, after all
}

// Check finds what is wrong with the request itself.
func (r ZLintRequest) Check() error {
	if err := checkText("LINT", r.Lint, 200); err != nil {
		return err
	}
	switch {
	case r.Withdraw && r.Reason != "":
		return &ValueError{"--reason", r.Reason, "whoever withdraws gives none"}
	case r.Withdraw:
		return nil
	}
	return checkText("--reason", r.Reason, 300)
}

// AcceptZLint takes a finding as it is, with a reason, or withdraws that. A lint that nothing was found by may be accepted
// too: before what it will find is issued.
func (d *Desk) AcceptZLint(ctx context.Context, who state.Actor, r ZLintRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		var before string
		err := d.db.View(ctx, func(tx *state.Tx) error {
			accepted, err := tx.AcceptedLints()
			for _, a := range accepted {
				if a.Lint == r.Lint {
					before = a.Reason
				}
			}
			if err != nil {
				return err
			}
			found, err := tx.LintCounts(time.Now(), maxZLints)
			for _, c := range found {
				if c.Lint == r.Lint {
					change.Notes = append(change.Notes, fmt.Sprintf("found in %s, %d in all", c.First.Subject, c.Count))
				}
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if r.Withdraw {
			if before == "" {
				return nil, nil, fmt.Errorf("withdrawing the reason for %s: %w", clip(r.Lint), state.ErrNotFound)
			}
			change.Undo = "postseal ca zlint accept " + r.Lint + " --reason TEXT"
			return change, func(tx *state.Tx) error {
				if err := tx.RefuseLint(r.Lint); err != nil {
					return err
				}
				return tx.Audit("ca zlint-accept", r.Lint, map[string]any{"reason": before}, nil)
			}, nil
		}
		if len(change.Notes) == 0 {
			change.Notes = append(change.Notes, "nothing has that finding now; is the name right? see: postseal ca zlint list")
		}
		change.Undo = "postseal ca zlint accept " + r.Lint + " --withdraw"
		return change, func(tx *state.Tx) error {
			if err := tx.AcceptLint(r.Lint, r.Reason, who.Who); err != nil {
				return err
			}
			return tx.Audit("ca zlint-accept", r.Lint, nil, map[string]any{"reason": r.Reason})
		}, nil
	})
}
