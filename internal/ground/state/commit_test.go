package state

import (
	"context"
	"errors"
	"sync"
	"testing"
)

var errTest = errors.New("a fault of the test")

// TestCommitFaults fails the commit in every way, twice in a row, and reopens the state.
func TestCommitFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		commit func(db *DB, commit func() error) error
		inside func(tx *Tx) error // before the commit; may be nil
		want   error              // nil means success
		made   bool
		broken bool // reading is not possible any more in this process
	}{
		"refused":                            {commit: func(*DB, func() error) error { return errTest }, want: errTest},
		"done but the answer lost":           {commit: func(_ *DB, commit func() error) error { return errors.Join(commit(), errTest) }, made: true},
		"refused and reading back fails too": {commit: func(db *DB, _ func() error) error { return errors.Join(db.read.Close(), errTest) }, want: ErrOutcomeUnknown, broken: true},
		"done, the answer lost and reading back fails too": {commit: func(db *DB, commit func() error) error {
			return errors.Join(commit(), db.read.Close(), errTest)
		}, want: ErrOutcomeUnknown, made: true, broken: true},
		"refused by the database": {commit: func(_ *DB, commit func() error) error { return commit() }, want: errForeignKey,
			inside: func(tx *Tx) error { // found out at the commit only
				if err := tx.exec(`PRAGMA defer_foreign_keys = 1`); err != nil {
					return err
				}
				return tx.Bind(serverID, Binding{"imap", "nothing", RoleName})
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var db *DB
			faulty := false
			db = openWith(t, Options{Dir: dir, Create: true, Commit: func(commit func() error) error {
				if faulty {
					return c.commit(db, commit)
				}
				return commit()
			}})
			made := int64(1)
			if _, err := db.Update(t.Context(), tester, step); err != nil {
				t.Fatal(err)
			}
			changes, stop := db.Watch()
			defer stop()
			for range 2 {
				faulty = true
				known := db.Changes()
				seq, err := db.Update(t.Context(), tester, func(tx *Tx) error {
					if c.inside != nil {
						if err := c.inside(tx); err != nil {
							return err
						}
					}
					return step(tx)
				})
				faulty = false
				if db.Changes() == known {
					t.Error("what was read before is taken for true though it may have changed")
				}
				switch {
				case c.want == nil && (err != nil || seq != made+1):
					t.Fatalf("got %d, %v, want %d", seq, err, made+1)
				case c.want == errForeignKey && (err == nil || errors.Is(err, ErrOutcomeUnknown)):
					t.Fatalf("got %v, want the error of the database", err)
				case c.want != nil && c.want != errForeignKey && !errors.Is(err, c.want):
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if c.want != nil && !c.broken && errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("got %v, although reading back works", err)
				}
				if c.made {
					made++
				}
				if announced := len(changes) == 1; announced != (c.want == nil) {
					t.Errorf("watchers were told: got %v, want %v", announced, c.want == nil)
				}
				if c.broken {
					break
				}
				if got := wantSteps(t, db); got != made {
					t.Errorf("changes: got %d, want %d", got, made)
				}
				if c.want == nil {
					<-changes
				}
			}
			if !c.broken { // the next change works
				if seq, err := db.Update(t.Context(), tester, step); err != nil || seq != made+1 {
					t.Fatalf("the next change: got %d, %v, want %d", seq, err, made+1)
				}
				made++
			}
			closeDB(t, db)
			if got := wantSteps(t, openIn(t, dir)); got != made {
				t.Errorf("changes after reopening: got %d, want %d", got, made)
			}
		})
	}
}

// errForeignKey stands for the database's own error.
var errForeignKey = errors.New("foreign key")

// TestRefusedCommitIsNotTakenForTheNext: the number of a refused change goes to the next one, which must
// not be found when the refused one reads back.
func TestRefusedCommitIsNotTakenForTheNext(t *testing.T) {
	t.Parallel()
	refusing := make(chan bool, 1)
	refusing <- true
	reached := make(chan bool)
	db := openWith(t, Options{Dir: t.TempDir(), Create: true, Commit: func(commit func() error) error {
		select {
		case <-refusing:
			close(reached)
			return errTest
		default:
			return commit()
		}
	}})
	// Readers take every connection, so that reading back has to wait for them.
	var readers sync.WaitGroup
	inside, release := make(chan bool), make(chan bool)
	for range db.read.Stats().MaxOpenConnections {
		readers.Go(func() {
			err := db.View(t.Context(), func(*Tx) error {
				inside <- true
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-inside
	}
	answer := make(chan error)
	go func() {
		_, err := db.Update(t.Context(), tester, step)
		answer <- err
	}()
	<-reached
	if _, err := db.Update(shortly(t), tester, step); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the next change: got %v, want to wait for the answer of the one before", err)
	}
	close(release)
	if err := <-answer; !errors.Is(err, errTest) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v, want %v", err, errTest)
	}
	readers.Wait()
	if got := wantSteps(t, db); got != 0 {
		t.Errorf("got %d changes, want none", got)
	}
}

// TestManyWriters: each change that is made has a number of its own, and none is lost.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	var n int // only the one writer counts
	db := openWith(t, Options{Dir: t.TempDir(), Create: true, Commit: func(commit func() error) error {
		if n++; n%2 == 0 {
			return errTest
		}
		return commit()
	}})
	var mu sync.Mutex
	answered := make(map[int64]bool)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 10 {
				seq, err := db.Update(t.Context(), tester, step)
				if errors.Is(err, errTest) {
					continue
				}
				mu.Lock()
				if err != nil || answered[seq] {
					t.Errorf("got number %d, %v, want a number of its own", seq, err)
				}
				answered[seq] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if got := wantSteps(t, db); got != int64(len(answered)) || got != 30 {
		t.Errorf("got %d changes and %d answers, want 30 of both", got, len(answered))
	}
}
