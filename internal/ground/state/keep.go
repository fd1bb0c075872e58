package state

import (
	"context"
	"fmt"
)

// Keep is Update for bookkeeping: how far a queue has been worked off, when a token was last used. Nothing of
// the organisation changes, so there is no audit row, the sequence stays, and nobody is woken. f must be such
// that doing it twice does no harm: a commit with a lost answer is an error here, whatever it did.
func (db *DB) Keep(ctx context.Context, f func(*Tx) error) error {
	select {
	case db.writer <- struct{}{}:
		defer func() { <-db.writer }()
	case <-ctx.Done():
		return fmt.Errorf("keeping books in the state: %w", context.Cause(ctx))
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keeping books in the state: %w", named(err))
	}
	defer tx.Rollback() // does nothing after a commit
	t := &Tx{tx: statements{tx: tx}, ctx: ctx, now: timestamp()}
	if err := f(t); err != nil {
		return named(err)
	}
	if t.audited != 0 {
		return errKeptChange
	}
	if err := db.commit(tx.Commit); err != nil {
		return fmt.Errorf("keeping books in the state: %w", named(err))
	}
	return nil
}
