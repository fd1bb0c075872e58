package state

import "fmt"

// InState returns the newest generation of l in a state.
func (l Lineage) InState(state string) (Generation, bool) {
	for _, g := range l.Generations {
		if g.State == state {
			return g, true
		}
	}
	return Generation{}, false
}

// NextNumber is the number of the generation that comes after all of l.
func (l Lineage) NextNumber() int {
	if len(l.Generations) == 0 {
		return 1
	}
	return l.Generations[0].Number + 1
}

// AddGeneration stores another generation of l. A waiting generation of the same state (next or pending) is
// retired: only the newest can be meant.
func (tx *Tx) AddGeneration(l Lineage, g Generation) error {
	if g.State == StateCurrent {
		return fmt.Errorf("storing generation %d of %s: a generation becomes current by Activate", g.Number, l.Name)
	}
	if err := tx.exec(`UPDATE generation SET state = $3 WHERE lineage_id = $1 AND state = $2`, l.ID, g.State, StateRetired); err != nil {
		return fmt.Errorf("retiring what generation %d of %s replaces: %w", g.Number, l.Name, err)
	}
	return tx.addGeneration(l, g)
}

// Activate puts a generation of l in force. The one in force becomes the previous one, and the one
// previous to that is retired.
func (tx *Tx) Activate(l Lineage, g Generation) error {
	for _, step := range []struct{ from, to string }{{StatePrevious, StateRetired}, {StateCurrent, StatePrevious}} {
		if err := tx.exec(`UPDATE generation SET state = $3 WHERE lineage_id = $1 AND state = $2 AND id <> $4`, l.ID, step.from, step.to, g.ID); err != nil {
			return fmt.Errorf("activating generation %d of %s: %w", g.Number, l.Name, err)
		}
	}
	if err := tx.hit(`UPDATE generation SET state = $2, activated_at = $3 WHERE id = $1`, g.ID, StateCurrent, micro(tx.now)); err != nil {
		return fmt.Errorf("activating generation %d of %s: %w", g.Number, l.Name, err)
	}
	return nil
}

// Rollback puts the previous generation of l back in force; the one in force waits as the next one.
func (tx *Tx) Rollback(l Lineage, previous Generation) error {
	for _, step := range []struct{ from, to string }{{StateNext, StateRetired}, {StateCurrent, StateNext}} {
		if err := tx.exec(`UPDATE generation SET state = $3 WHERE lineage_id = $1 AND state = $2`, l.ID, step.from, step.to); err != nil {
			return fmt.Errorf("rolling back %s: %w", l.Name, err)
		}
	}
	if err := tx.hit(`UPDATE generation SET state = $2, activated_at = $3 WHERE id = $1`, previous.ID, StateCurrent, micro(tx.now)); err != nil {
		return fmt.Errorf("rolling back %s: %w", l.Name, err)
	}
	return nil
}

// Complete gives a pending member its certificate. Its generation still is in the state it was.
func (tx *Tx) Complete(g Generation, m Member) error {
	if err := tx.hit(`UPDATE member SET thumbprint = $3, certificate = $4, chain = $5 WHERE generation_id = $1 AND algorithm = $2 AND certificate IS NULL`,
		g.ID, m.Algorithm, m.Thumbprint, m.Certificate, m.Chain); err != nil {
		return fmt.Errorf("completing a request of generation %d: %w", g.Number, err)
	}
	return tx.storeFacts(g.ID, m)
}

// SetGenerationState moves a generation between the states that are not in force.
func (tx *Tx) SetGenerationState(g Generation, state string) error {
	if state == StateCurrent {
		return fmt.Errorf("moving generation %d: a generation becomes current by Activate", g.Number)
	}
	return tx.hit(`UPDATE generation SET state = $2 WHERE id = $1`, g.ID, state)
}

// SetLineage stores how a lineage renews.
func (tx *Tx) SetLineage(l Lineage) error {
	if err := tx.hit(`UPDATE lineage SET activation = $2, key_at_renewal = $3 WHERE id = $1`, l.ID, l.Activation, l.KeyAtRenewal); err != nil {
		return fmt.Errorf("changing lineage %s: %w", l.Name, err)
	}
	return nil
}
