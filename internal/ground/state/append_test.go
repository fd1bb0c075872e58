package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// note adds one audit row and nothing else.
func note(object string) func(*Tx) error {
	return func(tx *Tx) error {
		tx.ActFor(serverID)
		return tx.Audit("note", object, nil, nil)
	}
}

func notes(t *testing.T, db *DB) map[string]int {
	t.Helper()
	all := map[string]int{}
	if err := db.View(t.Context(), func(tx *Tx) error {
		rows, err := tx.AuditRows(serverID, 10_000)
		for _, r := range rows {
			if r.Act == "note" {
				all[r.Object]++
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAppendsShareACommit holds the writer's token while many come; they are all there afterwards, and few commits were
// made. The change sequence stands, and nobody is woken.
func TestAppendsShareACommit(t *testing.T) {
	t.Parallel()
	var commits atomic.Int64
	db := openWith(t, Options{Dir: t.TempDir(), Create: true, Commit: func(commit func() error) error { commits.Add(1); return commit() }})
	changes, stop := db.Watch()
	defer stop()
	before := db.Seq()
	db.writer <- struct{}{}
	var wg sync.WaitGroup
	const n = 200
	for i := range n {
		wg.Go(func() {
			if err := db.Append(t.Context(), tester, note(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	for queued := 0; queued < n; {
		db.appendMu.Lock()
		queued = len(db.appends)
		db.appendMu.Unlock()
	}
	<-db.writer
	wg.Wait()
	if got := notes(t, db); len(got) != n {
		t.Errorf("got %d rows, want %d", len(got), n)
	}
	if c := commits.Load(); c != 1 {
		t.Errorf("got %d commits, want one", c)
	}
	if db.Seq() != before || len(changes) != 0 {
		t.Errorf("the change sequence went from %d to %d; %d changes announced", before, db.Seq(), len(changes))
	}
}

// TestOneAppendFails: those that share its commit do not feel it.
func TestOneAppendFails(t *testing.T) {
	t.Parallel()
	db := openWith(t, Options{Dir: t.TempDir(), Create: true})
	db.writer <- struct{}{}
	errs := make(chan error, 3)
	begin := func(f func(*Tx) error, queued int) {
		go func() { errs <- db.Append(t.Context(), tester, f) }()
		for n := 0; n < queued; {
			db.appendMu.Lock()
			n = len(db.appends)
			db.appendMu.Unlock()
		}
	}
	begin(note("before"), 1)
	begin(func(tx *Tx) error { return errors.Join(note("half")(tx), errTest) }, 2)
	begin(func(*Tx) error { return nil }, 3)
	<-db.writer
	var failed []error
	for range 3 {
		if err := <-errs; err != nil {
			failed = append(failed, err)
		}
	}
	all := errors.Join(failed...)
	if len(failed) != 2 || !errors.Is(all, errTest) || !errors.Is(all, errNoAudit) {
		t.Errorf("got %v, want the fault and the missing audit row", failed)
	}
	if got := notes(t, db); len(got) != 1 || got["before"] != 1 {
		t.Errorf("got %v, want only the one before", got)
	}
}

// TestAppendFaults fails the commit: refused, done with its answer lost, and nobody knows. Everybody who shared it is told
// the same.
func TestAppendFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		commit func(db *DB, commit func() error) error
		want   error
		made   bool
	}{
		"refused":                {func(*DB, func() error) error { return errTest }, errTest, false},
		"done, the answer lost":  {func(_ *DB, commit func() error) error { return errors.Join(commit(), errTest) }, nil, true},
		"refused, nobody knows":  {func(db *DB, _ func() error) error { return errors.Join(db.read.Close(), errTest) }, ErrOutcomeUnknown, false},
		"done, and nobody knows": {func(db *DB, commit func() error) error { return errors.Join(commit(), db.read.Close(), errTest) }, ErrOutcomeUnknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var db *DB
			db = openWith(t, Options{Dir: dir, Create: true, Commit: func(commit func() error) error { return c.commit(db, commit) }})
			err := db.Append(t.Context(), tester, note("x"))
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !errors.Is(c.want, ErrOutcomeUnknown) && errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("got %v, although reading back works", err)
			}
			closeDB(t, db)
			if got := notes(t, openIn(t, dir)); (got["x"] == 1) != c.made {
				t.Errorf("after reopening: got %v, want made %v", got, c.made)
			}
		})
	}
}

// TestAnAppendIsWithdrawn: who goes away before his turn leaves nothing.
func TestAnAppendIsWithdrawn(t *testing.T) {
	t.Parallel()
	db := openWith(t, Options{Dir: t.TempDir(), Create: true})
	db.writer <- struct{}{}
	if err := db.Append(shortly(t), tester, note("gone")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want its deadline", err)
	}
	<-db.writer
	if err := db.Append(t.Context(), tester, note("here")); err != nil {
		t.Fatal(err)
	}
	if got := notes(t, db); len(got) != 1 || got["here"] != 1 {
		t.Errorf("got %v, want only the second", got)
	}
}

// TestWhoseWorkIsDoneLeavesTheRest: an append whose turn comes after another has run it does not go on with those of others, or
// under load it would never give the writer back.
func TestWhoseWorkIsDoneLeavesTheRest(t *testing.T) {
	t.Parallel()
	db := openWith(t, Options{Dir: t.TempDir(), Create: true})
	queued := func() *appending {
		return &appending{ctx: t.Context(), actor: tester, f: audited(func(*Tx) error { return nil }), done: make(chan struct{})}
	}
	ran := func(a *appending) bool {
		select {
		case <-a.done:
			return true
		default:
			return false
		}
	}
	mine, others := queued(), queued()
	close(mine.done)
	db.appends = append(db.appends, others)
	db.writer <- struct{}{}
	db.appendAll(mine)
	if ran(others) {
		t.Error("it went on with what another waits for")
	}
	db.appendAll(others)
	<-db.writer
	if !ran(others) || others.err != nil {
		t.Errorf("whoever waits for it runs it: %v, %v", ran(others), others.err)
	}
}
