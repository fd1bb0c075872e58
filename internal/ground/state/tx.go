package state

import (
	"context"
	"database/sql"
	"encoding/json"
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
	tx      *sql.Tx
	ctx     context.Context
	now     time.Time
	actor   Actor
	server  string // for the audit rows
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
	defer tx.Rollback() // a reader has nothing to lose
	return named(f(&Tx{tx: tx, ctx: ctx, now: timestamp()}))
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
		return 0, fmt.Errorf("changing the state: %w", named(err))
	}
	defer tx.Rollback() // does nothing after a commit
	t := &Tx{tx: tx, ctx: ctx, now: timestamp(), actor: actor}
	if err := f(t); err != nil {
		return 0, named(err)
	}
	if t.audited == 0 {
		return 0, errNoAudit
	}
	var seq int64
	if err := tx.QueryRowContext(ctx, `UPDATE change_sequence SET seq = seq + 1 WHERE id = 1 RETURNING seq`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("changing the state: %w", named(err))
	}
	if err := db.commit(tx.Commit); err != nil {
		tx.Rollback() // before reading back: a refused commit leaves the transaction open
		if err := db.readBack(ctx, seq, err); err != nil {
			return 0, err
		}
	}
	db.announce(seq)
	return seq, nil
}

// readBack finds out what a commit with a lost answer did. We are the only writer, so the sequence
// number decides: nil means that the change was made.
func (db *DB) readBack(ctx context.Context, seq int64, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var now int64
	if err := db.read.QueryRowContext(ctx, `SELECT seq FROM change_sequence WHERE id = 1`).Scan(&now); err != nil {
		return fmt.Errorf("changing the state: %w: %w; reading back: %w", ErrOutcomeUnknown, cause, err)
	}
	if now < seq {
		return fmt.Errorf("changing the state: %w", named(cause))
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

// ActFor says which server this transaction acts for: its audit rows go into that server's chain.
func (tx *Tx) ActFor(serverID string) { tx.server = serverID }

// Audit writes down what is being changed: the act ("enable"), the object, and what it was before and
// is after, as JSON; nil for nothing.
func (tx *Tx) Audit(act, object string, before, after any) error {
	if tx.server == "" {
		return errNoServer
	}
	var texts [2]string
	for i, v := range []any{before, after} {
		if v != nil {
			b, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("writing the audit row of %s: %w", act, err)
			}
			texts[i] = string(b)
		}
	}
	if err := tx.exec(`INSERT INTO audit (server_id, number, at, who, origin, act, object, before, after)
		SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM audit WHERE server_id = $1`,
		tx.server, micro(tx.now), tx.actor.Who, tx.actor.From, act, object, texts[0], texts[1]); err != nil {
		return fmt.Errorf("writing the audit row of %s: %w", act, err)
	}
	tx.audited++
	return nil
}

// AuditRow is one row of the audit trail.
type AuditRow struct {
	Number        int64
	At            time.Time
	Who, From     string
	Act, Object   string
	Before, After string // JSON, or empty
}

// AuditRows returns the last rows of a server's trail, newest first.
func (tx *Tx) AuditRows(serverID string, limit int) ([]AuditRow, error) {
	return collect(tx, `SELECT number, at, who, origin, act, object, before, after FROM audit
		WHERE server_id = $1 ORDER BY number DESC LIMIT $2`, scanAudit, serverID, limit)
}

func scanAudit(scan func(...any) error) (AuditRow, error) {
	var r AuditRow
	var at int64
	err := scan(&r.Number, &at, &r.Who, &r.From, &r.Act, &r.Object, &r.Before, &r.After)
	r.At = fromMicro(at)
	return r, err
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
