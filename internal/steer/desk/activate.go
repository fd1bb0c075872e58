package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Errors of moving between generations.
var (
	// ErrNoPrevious: there is no earlier generation to go back to.
	ErrNoPrevious = errors.New("there is no previous generation to go back to")
	// ErrEnded: a generation past its end is not put in force again.
	ErrEnded = errors.New("it is past its end")
	// ErrRevoked: a certificate that its authority took back is not put in force.
	ErrRevoked = errors.New("its authority has revoked it")
	// ErrPending: a request without its answer cannot serve.
	ErrPending = errors.New("its authority has not answered yet")
)

// ActivateRequest asks that a waiting generation comes into force.
type ActivateRequest struct {
	Doing
	ID string `json:"id"` // a member of the generation; a lineage name means its next one
}

// Activate puts a generation in force. The one before becomes the previous one and can be gone back to.
func (d *Desk) Activate(ctx context.Context, who state.Actor, r ActivateRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		l, g, err := v.waiting(r.ID)
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		switch g.State {
		case state.StateCurrent:
			change.Warnings = append(change.Warnings, "nothing to change: it is in force already")
			return change, nil, nil
		case state.StatePending:
			return nil, nil, fmt.Errorf("activating generation %d of %s: %w", g.Number, l.Name, ErrPending)
		}
		if g.Members[0].SecretID == "" {
			return nil, nil, fmt.Errorf("activating generation %d of %s: %w", g.Number, l.Name, ErrNoPrivateKey)
		}
		if err := v.usable(l, g); err != nil {
			return nil, nil, fmt.Errorf("activating generation %d of %s: %w", g.Number, l.Name, err)
		}
		if err := change.takeOver(v, l, g); err != nil {
			return nil, nil, err
		}
		current, had := l.Current()
		if had {
			change.Undo = "postseal cert rollback " + l.Name
		}
		return change, func(tx *state.Tx) error {
			if err := tx.Activate(l, g); err != nil {
				return err
			}
			return tx.Audit("activate", l.Name, generationFacts(current), generationFacts(g))
		}, nil
	})
}

// waiting resolves the ID of an activation: the name of a lineage means its next generation.
func (v *view) waiting(id string) (state.Lineage, state.Generation, error) {
	if l, ok := v.named(id); ok {
		if next, ok := l.InState(state.StateNext); ok {
			return l, next, nil
		}
	}
	f, err := v.find(id)
	return f.lineage, f.generation, err
}

// notInForce says why a generation is not the current one: a request waits for somebody else, the others for us.
func notInForce(g state.Generation) error {
	if g.State == state.StatePending {
		return ErrPending
	}
	return ErrNotCurrent
}

// usable refuses a generation that clients would refuse whatever they trust: one that has ended, is revoked, or has no key.
func (v *view) usable(l state.Lineage, g state.Generation) error {
	if ended(g, time.Now()) {
		return ErrEnded
	}
	for _, m := range g.Members {
		if m.SecretID == "" { // its key was given up
			return ErrNoPrivateKey
		}
		c, err := v.certificate(l, g, m)
		if err != nil {
			return err
		}
		if c.Status == x509cert.StatusRevoked {
			return ErrRevoked
		}
	}
	return nil
}

// takeOver fills in what changes when g comes into force.
func (c *Change) takeOver(v *view, l state.Lineage, g state.Generation) error {
	c.moveGenerations(v, l, heldGeneration(l, g))
	c.Replaces = len(c.Moves) > 0
	if err := c.objectTo(v, l, g); err != nil {
		return err
	}
	if err := c.warnLost(v, l, g); err != nil {
		return err
	}
	return c.list(v, l, g)
}

// warnLost names what the generation in force is good for and g is not: whoever connects to that name is refused from
// then on.
func (c *Change) warnLost(v *view, l state.Lineage, g state.Generation) error {
	current, ok := l.Current()
	if !ok {
		return nil
	}
	old, err := v.facts.of(current.Members[0])
	if err != nil {
		return fmt.Errorf("reading certificate %s of %s: %w", current.Members[0].Thumbprint, l.Name, err)
	}
	next, err := v.facts.of(g.Members[0])
	if err != nil {
		return fmt.Errorf("reading certificate %s of %s: %w", g.Members[0].Thumbprint, l.Name, err)
	}
	lost := slices.DeleteFunc(old.Names, func(name string) bool {
		return slices.ContainsFunc(next.Names, func(other string) bool { return strings.EqualFold(other, name) })
	})
	if len(lost) > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("generation %d does not name %s, which the one in force does", g.Number, strings.Join(lost, ", ")))
	}
	return nil
}

// RollbackRequest asks to go back to the previous generation.
type RollbackRequest struct {
	Doing
	Lineage string `json:"lineage"`
}

// Rollback puts the previous generation of a lineage back in force; the one in force waits as the next.
// It is refused to a generation that has ended.
func (d *Desk) Rollback(ctx context.Context, who state.Actor, r RollbackRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		l, ok := v.named(r.Lineage)
		if !ok {
			return nil, nil, &UnknownLineageError{Name: r.Lineage}
		}
		previous, ok := l.InState(state.StatePrevious)
		if !ok {
			return nil, nil, fmt.Errorf("rolling back %s: %w", l.Name, ErrNoPrevious)
		}
		if err := v.usable(l, previous); err != nil {
			return nil, nil, fmt.Errorf("rolling back %s to generation %d: %w", l.Name, previous.Number, err)
		}
		change := newChange(v)
		if err := change.takeOver(v, l, previous); err != nil {
			return nil, nil, err
		}
		change.Undo = "postseal cert activate " + l.Name
		current, _ := l.Current()
		return change, func(tx *state.Tx) error {
			if err := tx.Rollback(l, previous); err != nil {
				return err
			}
			return tx.Audit("rollback", l.Name, generationFacts(current), generationFacts(previous))
		}, nil
	})
}

// How a lineage renews.
const (
	ActivationAuto    = "auto"    // a renewal serves at once
	ActivationApprove = "approve" // it waits for a person
	KeyNew            = "new"     // each renewal makes a new key
	KeyKeep           = "keep"    // each renewal certifies the same key
)

// LineageRequest asks to change how a lineage renews. Empty fields stay as they are.
type LineageRequest struct {
	Doing
	Lineage      string `json:"lineage"`
	Activation   string `json:"activation,omitempty"`   // ActivationAuto or ActivationApprove
	KeyAtRenewal string `json:"keyAtRenewal,omitempty"` // KeyNew or KeyKeep
}

// SetLineage changes how a lineage renews.
func (d *Desk) SetLineage(ctx context.Context, who state.Actor, r LineageRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		l, ok := v.named(r.Lineage)
		if !ok {
			return nil, nil, &UnknownLineageError{Name: r.Lineage}
		}
		before, change := l, newChange(v)
		undo := ""
		if r.Activation != "" && r.Activation != l.Activation {
			undo += " --activation " + l.Activation
			l.Activation = r.Activation
		}
		if r.KeyAtRenewal != "" && r.KeyAtRenewal != l.KeyAtRenewal {
			undo += " --key-at-renewal " + l.KeyAtRenewal
			l.KeyAtRenewal = r.KeyAtRenewal
		}
		if undo == "" {
			change.Warnings = append(change.Warnings, "nothing to change: it is so already")
			return change, nil, nil
		}
		change.Undo = "postseal lineage set " + l.Name + undo
		settings := func(l state.Lineage) map[string]string {
			return map[string]string{"activation": l.Activation, "keyAtRenewal": l.KeyAtRenewal}
		}
		return change, func(tx *state.Tx) error {
			if err := tx.SetLineage(l); err != nil {
				return err
			}
			return tx.Audit("set-lineage", l.Name, settings(before), settings(l))
		}, nil
	})
}
