package state

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestUpdateRefuses(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	changed := make(chan error, 1)
	for name, c := range map[string]struct {
		f    func(*Tx) error
		want error
	}{
		"a change without an audit row": {func(tx *Tx) error { tx.ActFor(serverID); return server(tx, serverID) }, errNoAudit},
		"a change that does not say for whom": {func(tx *Tx) error {
			return errors.Join(server(tx, serverID), tx.Audit("x", "y", nil, nil))
		}, errNoServer},
		"an audit row that could not be written": {func(tx *Tx) error {
			tx.ActFor(serverID)
			if err := tx.exec(`DROP TABLE audit`); err != nil {
				return err
			}
			if err := tx.Audit("x", "y", nil, nil); err == nil {
				changed <- errors.New("an audit row went into a table that is not there")
			}
			return server(tx, serverID) // the error of Audit is dropped
		}, errNoAudit},
		"a change that fails": {func(tx *Tx) error { return errors.Join(server(tx, serverID), errTest) }, errTest},
	} {
		t.Run(name, func(t *testing.T) {
			seq, err := db.Update(t.Context(), tester, c.f)
			if !errors.Is(err, c.want) || seq != 0 {
				t.Errorf("got %d, %v, want %v", seq, err, c.want)
			}
			view(t, db, func(tx *Tx) error {
				servers, err := tx.Servers()
				if len(servers) != 0 {
					t.Errorf("got %v, want nothing stored", servers)
				}
				return err
			})
		})
	}
	if len(changed) != 0 {
		t.Error(<-changed)
	}
	if got := update(t, db, func(tx *Tx) error { return server(tx, serverID) }); got != 1 {
		t.Errorf("the first change that is made: got number %d, want 1", got)
	}
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	gone := errors.New("the client went away")
	t.Run("before the commit", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := db.Update(ctx, tester, func(tx *Tx) error {
			defer cancel(gone)
			return step(tx)
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if got := wantSteps(t, db); got != 0 {
			t.Errorf("got %d changes, want none", got)
		}
	})
	t.Run("while another change runs", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := db.Update(t.Context(), tester, func(tx *Tx) error {
			cancel(gone)
			if _, err := db.Update(ctx, tester, step); !errors.Is(err, gone) {
				t.Errorf("the second: got %v, want %v", err, gone)
			}
			return step(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := wantSteps(t, db); got != 1 {
			t.Errorf("got %d changes, want 1", got)
		}
	})
	t.Run("after the commit", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		db := openWith(t, Options{Dir: t.TempDir(), Create: true, Commit: func(commit func() error) error {
			err := commit()
			cancel()
			return errors.Join(err, ctx.Err())
		}})
		if seq, err := db.Update(ctx, tester, step); err != nil || seq != 1 {
			t.Errorf("got %d, %v, want 1: the change was made", seq, err)
		}
	})
	t.Run("a look", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := db.View(ctx, func(tx *Tx) error { _, err := tx.Servers(); return err })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

func TestExpect(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	shown := update(t, db, func(tx *Tx) error { return tx.Expect(0) })
	update(t, db, func(tx *Tx) error { return tx.Expect(shown) })
	if err := refused(t, db, func(tx *Tx) error { return tx.Expect(shown) }); !errors.Is(err, ErrStale) {
		t.Errorf("got %v, want %v", err, ErrStale)
	}
	if err := refused(t, db, func(tx *Tx) error { return tx.Expect(shown + 100) }); !errors.Is(err, ErrStale) {
		t.Errorf("a number of the future: got %v, want %v", err, ErrStale)
	}
	update(t, db, func(tx *Tx) error { return tx.Expect(0) })
}

// TestViewSeesOneMoment: a look keeps what it has seen, and a look after a change sees it.
func TestViewSeesOneMoment(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	view(t, db, func(tx *Tx) error {
		before, err := tx.Seq()
		if err != nil {
			return err
		}
		seq := update(t, db, func(tx *Tx) error { return nil })
		if after, err := tx.Seq(); err != nil || after != before {
			t.Errorf("got %d, %v, want still %d", after, err, before)
		}
		if got := stored(t, db); got != seq {
			t.Errorf("a new look: got %d, want %d", got, seq)
		}
		return nil
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	inside, release, closed := make(chan bool), make(chan bool), make(chan error, 1)
	answer := make(chan error, 1)
	go func() {
		_, err := db.Update(t.Context(), tester, func(tx *Tx) error {
			close(inside)
			<-release
			return step(tx)
		})
		answer <- err
	}()
	<-inside
	go func() { closed <- db.Close() }()
	if _, err := Open(shortly(t), Options{Dir: db.Dir()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opening before the last change ended: got %v, want to wait", err)
	}
	close(release)
	if err := errors.Join(<-answer, <-closed); err != nil {
		t.Error(err)
	}
	if _, err := db.Update(t.Context(), tester, step); err == nil {
		t.Error("a closed state was changed")
	}
	if err := db.View(t.Context(), func(*Tx) error { return nil }); err == nil {
		t.Error("a closed state was read")
	}
	if got := wantSteps(t, openIn(t, db.Dir())); got != 1 {
		t.Errorf("got %d changes, want 1", got)
	}
}

// shortly is a context that ends before a process loses patience with a command.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestTimeIsThatOfTheProcess: in a bubble the year is 2000, also in the database.
func TestTimeIsThatOfTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(t.Context(), Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close() // in the bubble
		start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		update(t, db, func(tx *Tx) error {
			if !tx.Now().Equal(start) {
				t.Errorf("got %v, want %v", tx.Now(), start)
			}
			time.Sleep(time.Second)
			if !tx.Now().Equal(start) {
				t.Errorf("in the same transaction: got %v, want still %v", tx.Now(), start)
			}
			return tx.AddSignIn(SignIn{"hash", SignInLink, "root", start.Add(15 * time.Minute)})
		})
		found := func() error {
			return db.View(t.Context(), func(tx *Tx) error { _, err := tx.SignIn("hash", SignInLink); return err })
		}
		time.Sleep(15*time.Minute - time.Second - time.Microsecond)
		if err := found(); err != nil {
			t.Errorf("a microsecond before the end: got %v", err)
		}
		time.Sleep(time.Microsecond)
		if err := found(); !errors.Is(err, ErrNotFound) {
			t.Errorf("at the end: got %v, want %v", err, ErrNotFound)
		}
		view(t, db, func(tx *Tx) error {
			rows, err := tx.AuditRows(serverID, 1)
			if err == nil && !rows[0].At.Equal(start) {
				t.Errorf("audit row: got %v, want %v", rows[0].At, start)
			}
			return err
		})
	})
}
