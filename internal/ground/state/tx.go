package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Actor is who makes a change, and from where.
type Actor struct {
	Who  string // "root", "uid 1000", "signed in by link"
	From string // "command", "socket", "pages 127.0.0.1"
}

// Tx is one transaction.
type Tx struct {
	tx      statements
	ctx     context.Context
	now     time.Time
	actor   Actor
	server  string // for the audit rows
	end     *chainEnd
	audited int
}

// Now is the time of this transaction, the same for everything in it, in UTC and whole microseconds.
func (tx *Tx) Now() time.Time { return tx.now }

// View calls f with a transaction that sees one moment of the state. f must not change anything.
func (db *DB) View(ctx context.Context, f func(*Tx) error) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("reading the state: %w", named(err))
	}
	defer db.readKept.settle(ctx)
	defer tx.Rollback() // a reader has nothing to lose
	return db.noted(f(&Tx{tx: statements{tx, db.readKept}, ctx: ctx, now: timestamp()}))
}

// Update calls f with a transaction for actor and commits it when f returns nil; then the change is
// durable, and the new sequence number is returned. When f or the commit fails nothing has changed,
// except with [ErrOutcomeUnknown].
func (db *DB) Update(ctx context.Context, actor Actor, f func(*Tx) error) (int64, error) {
	select {
	case db.writer <- struct{}{}:
		defer func() { <-db.writer }()
	case <-ctx.Done():
		return 0, fmt.Errorf("changing the state: %w", context.Cause(ctx))
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("changing the state: %w", db.noted(err))
	}
	defer db.writeKept.settle(ctx)
	defer tx.Rollback() // does nothing after a commit
	t := &Tx{tx: statements{tx, db.writeKept}, ctx: ctx, now: timestamp(), actor: actor, end: new(chainEnd)}
	if err := f(t); err != nil {
		return 0, db.noted(err)
	}
	if t.audited == 0 {
		return 0, errNoAudit
	}
	var seq int64
	if err := tx.QueryRowContext(ctx, `UPDATE change_sequence SET seq = seq + 1 WHERE id = 1 RETURNING seq`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("changing the state: %w", db.noted(err))
	}
	err = db.commit(tx.Commit)
	db.changes.Add(1) // whatever became of it: that the answer is lost must not let anybody believe what he has read before
	if err != nil {
		tx.Rollback() // before reading back: a refused commit leaves the transaction open
		if err := db.readBackOf(ctx, updateSequence, seq, err); err != nil {
			return 0, err
		}
	}
	db.announce(seq)
	return seq, nil
}

// readBackOf finds out what a commit with a lost answer did. We are the only writer, so the number of the
// sequence decides: nil means that the change was made. A cause that wraps [ErrOutcomeUnknown] says that reading back
// would fail too.
func (db *DB) readBackOf(ctx context.Context, sequence, seq int64, cause error) error {
	if errors.Is(cause, ErrOutcomeUnknown) {
		return fmt.Errorf("changing the state: %w", cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var now int64
	if err := db.read.QueryRowContext(ctx, `SELECT seq FROM change_sequence WHERE id = $1`, sequence).Scan(&now); err != nil {
		return fmt.Errorf("changing the state: %w: %w; reading back: %w", ErrOutcomeUnknown, cause, err)
	}
	if now < seq {
		return fmt.Errorf("changing the state: %w", db.noted(cause))
	}
	return nil
}

// Expect fails with [ErrStale] unless the state is still at seq; 0 expects nothing.
func (tx *Tx) Expect(seq int64) error {
	now, err := tx.Seq()
	if err != nil || seq == 0 || seq == now {
		return err
	}
	return fmt.Errorf("changing the state: %w", ErrStale)
}

// Seq is the number of the last change.
func (tx *Tx) Seq() (int64, error) {
	var seq int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT seq FROM change_sequence WHERE id = 1`).Scan(&seq)
	return seq, err
}

func (tx *Tx) exec(query string, args ...any) error {
	_, err := tx.tx.ExecContext(tx.ctx, query, args...)
	return err
}

// hit is exec for a row that must be there: [ErrNotFound] if nothing was touched, so that no audit row
// tells of a change that was none.
func (tx *Tx) hit(query string, args ...any) error {
	result, err := tx.tx.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// collect runs a query and gathers what one makes of each row.
func collect[T any](tx *Tx, query string, one func(scan func(...any) error) (T, error), args ...any) ([]T, error) {
	rows, err := tx.tx.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := one(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

func timestamp() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func micro(t time.Time) int64 { return t.UnixMicro() }

func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }
