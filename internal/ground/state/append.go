package state

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Append adds rows that change nothing of what is served or bound: what an authority issues, what a client orders. Like
// an [DB.Update] it is durable when it returns nil, must leave an audit row, and leaves nothing behind when it fails,
// except with [ErrOutcomeUnknown]. Unlike one, it does not advance the change sequence, wakes nobody, and shares its
// commit: of those that come together one runs them all, each in a savepoint of its own, and the disk is waited for once.
//
// f may be run by another caller's goroutine. It must touch nothing but its transaction and what it was given.
func (db *DB) Append(ctx context.Context, actor Actor, f func(*Tx) error) error {
	a := &appending{ctx: ctx, actor: actor, f: f, done: make(chan struct{})}
	db.appendMu.Lock()
	db.appends = append(db.appends, a)
	db.appendMu.Unlock()
	select {
	case db.writer <- struct{}{}:
		db.gather()
		db.appendAll(a)
		<-db.writer
	case <-a.done: // another has run it
	case <-ctx.Done():
		if db.withdraw(a) {
			return fmt.Errorf("changing the state: %w", context.Cause(ctx))
		}
	}
	<-a.done // it is under way: its outcome must not be lost
	return a.err
}

// gather lets those come who are about to. Of those whom a commit has served together the first would otherwise be alone in
// the next one, and the others in the one after it. As long as the processors have something else to do, and another comes
// of it, it does that first; nobody waits for the clock, and who is alone does not wait at all.
func (db *DB) gather() {
	const rounds = 4
	for before := 0; before < maxAppended; {
		db.appendMu.Lock()
		n := len(db.appends)
		db.appendMu.Unlock()
		if n <= before {
			return
		}
		before = n
		for range rounds {
			runtime.Gosched()
		}
	}
}

// maxAppended bounds what shares one commit, so that the first of many does not wait for all.
const maxAppended = 500

// appending is one Append on its way. err is written before done is closed, by whoever runs it.
type appending struct {
	ctx   context.Context
	actor Actor
	f     func(*Tx) error
	done  chan struct{}
	err   error
}

// withdraw takes a out of the queue; false means that somebody runs it.
func (db *DB) withdraw(a *appending) bool {
	db.appendMu.Lock()
	defer db.appendMu.Unlock()
	for n, other := range db.appends {
		if other == a {
			db.appends = append(db.appends[:n], db.appends[n+1:]...)
			return true
		}
	}
	return false
}

// appendAll runs what is queued until mine is among it. The caller holds the writer's token. Who finds that another has run his
// leaves the rest to those whose it is: as long as more came, he would hold the token, and a [DB.Update] would wait for a
// moment in which nobody wants anything.
func (db *DB) appendAll(mine *appending) {
	for {
		select {
		case <-mine.done:
			return
		default:
		}
		db.appendMu.Lock()
		n := min(len(db.appends), maxAppended)
		batch := db.appends[:n:n]
		db.appends = db.appends[n:]
		db.appendMu.Unlock()
		if len(batch) == 0 {
			return // nobody waits for anything
		}
		for _, a := range batch {
			a.err = nil
		}
		db.appendBatch(batch)
		ran := false
		for _, a := range batch {
			ran = ran || a == mine
			close(a.done)
		}
		if ran {
			return
		}
	}
}

// appendBatch runs each in a savepoint and commits once. Each gets its own error, or that of the commit.
func (db *DB) appendBatch(batch []*appending) {
	// No caller's context: one who goes away must not take the others' commit with him.
	ctx := context.Background()
	fail := func(err error) {
		for _, a := range batch {
			if a.err == nil {
				a.err = err
			}
		}
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		fail(fmt.Errorf("changing the state: %w", named(err)))
		return
	}
	defer db.writeKept.settle(ctx)
	defer tx.Rollback() // does nothing after a commit
	kept := statements{tx, db.writeKept}
	now, end := timestamp(), new(chainEnd)
	done := 0
	for _, a := range batch {
		if a.err = db.appendOne(ctx, kept, end, now, a); a.err == nil {
			done++
		}
	}
	if done == 0 {
		return
	}
	// A number of its own decides what became of a commit whose answer is lost: see readBackOf.
	var number int64
	if err := kept.QueryRowContext(ctx, `UPDATE change_sequence SET seq = seq + 1 WHERE id = 2 RETURNING seq`).Scan(&number); err != nil {
		fail(fmt.Errorf("changing the state: %w", named(err)))
		return
	}
	if err := db.commit(tx.Commit); err != nil {
		tx.Rollback() // before reading back: a refused commit leaves the transaction open
		if err := db.readBackOf(ctx, appendSequence, number, err); err != nil {
			fail(err)
		}
	}
}

// The rows of change_sequence.
const (
	updateSequence     = 1
	appendSequence     = 2
	revocationSequence = 3
)

func (db *DB) appendOne(ctx context.Context, tx statements, end *chainEnd, now time.Time, a *appending) error {
	if a.ctx.Err() != nil {
		return fmt.Errorf("changing the state: %w", context.Cause(a.ctx))
	}
	if _, err := tx.ExecContext(ctx, `SAVEPOINT one`); err != nil {
		return fmt.Errorf("changing the state: %w", named(err))
	}
	t := &Tx{tx: tx, ctx: context.WithoutCancel(a.ctx), now: now, actor: a.actor, end: end}
	err := a.f(t)
	if err == nil && t.audited == 0 {
		err = errNoAudit
	}
	if err != nil {
		*end = chainEnd{} // its rows are taken back
		if _, undo := tx.ExecContext(ctx, `ROLLBACK TO one`); undo != nil {
			return fmt.Errorf("%w; taking it back: %w", named(err), undo)
		}
	}
	if _, end := tx.ExecContext(ctx, `RELEASE one`); end != nil && err == nil {
		return fmt.Errorf("changing the state: %w", named(end))
	}
	return named(err)
}
