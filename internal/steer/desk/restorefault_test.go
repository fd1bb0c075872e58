package desk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
)

// TestRestoreFaults fails each write of a restore in both ways: refused, and done with the answer lost. After it there is
// no database, and the next try succeeds; or there is the whole one, the next try says that something is there, and
// recovery goes on from it. The audit trail says once that it was restored.
func TestRestoreFaults(t *testing.T) {
	t.Parallel()
	h, key, _ := drill(t)
	if err := h.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := h.backedUp(t)
	refused := func(string, []byte, os.FileMode) error { return errFault }
	lost := func(path string, data []byte, perm os.FileMode) error {
		return errors.Join(durable.WriteFile(path, data, perm), errFault)
	}
	for name, c := range map[string]struct {
		change func(*RestoreOptions, *Reading)
		commit faultKind
		done   bool // Restore says that it is done
		placed bool // the database is in its place
	}{
		"nothing fails": {func(*RestoreOptions, *Reading) {}, faultNone, true, true},
		"the source breaks off": {func(_ *RestoreOptions, r *Reading) {
			r.Source = io.MultiReader(io.LimitReader(r.Source, int64(len(file)/2)), iotest.ErrReader(errFault))
		}, faultNone, false, false},
		"not accepted": {func(o *RestoreOptions, _ *Reading) {
			o.Accept = func(*backup.Archive) error { return errFault }
		}, faultNone, false, false},
		"row refused":           {func(*RestoreOptions, *Reading) {}, faultRefused, false, false},
		"row lost":              {func(*RestoreOptions, *Reading) {}, faultLost, true, true}, // reading back finds it
		"configuration refused": {func(o *RestoreOptions, _ *Reading) { o.Before = func([]byte) error { return errFault } }, faultNone, false, false},
		"head refused":          {func(o *RestoreOptions, _ *Reading) { o.disk.write = refused }, faultNone, false, false},
		"head lost":             {func(o *RestoreOptions, _ *Reading) { o.disk.write = lost }, faultNone, false, false},
		"move refused": {func(o *RestoreOptions, _ *Reading) {
			o.disk.rename = func(string, string) error { return errFault }
		}, faultNone, false, false},
		"move lost": {func(o *RestoreOptions, _ *Reading) {
			o.disk.rename = func(from, to string) error { return errors.Join(durable.Rename(from, to), errFault) }
		}, faultNone, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new")
			f := new(fault)
			f.set(c.commit)
			o, r := RestoreOptions{Dir: dir, Actor: tester(), commit: f.commit}, reading(file, key)
			c.change(&o, &r)
			if _, err := RestoreBackup(t.Context(), r, o); (err == nil) != c.done || err != nil && !errors.Is(err, errFault) {
				t.Errorf("got %v, want it done: %v", err, c.done)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".restoring-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			_, err := RestoreBackup(t.Context(), reading(file, key), RestoreOptions{Dir: dir, Actor: tester()})
			if (err != nil) != c.placed || err != nil && !errors.Is(err, state.ErrNotEmpty) {
				t.Errorf("again: got %v, want it refused: %v", err, c.placed)
			}
			recoverIn(t, dir, key)
			again := wantServing(t, dir)
			if n := again.count(t, `SELECT count(*) FROM audit WHERE act = 'restore'`); n != 1 {
				t.Errorf("the audit trail says %d times that it was restored", n)
			}
			if err := again.opens(t, key); err != nil {
				t.Errorf("the recovery key: %v", err)
			}
		})
	}
}

// TestKillRecoveryInit ends a server in the middle of making a recovery key the organisation's: every secret is wrapped for
// it or none, and the file that the command line keeps beside its place tells which.
func TestKillRecoveryInit(t *testing.T) {
	t.Parallel()
	for step, force := range map[string]bool{stepCommit: false, stepCommitted: true} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
			view, err := h.Recovery(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			key, err := backup.NewKey(view.Owner)
			if err != nil {
				t.Fatal(err)
			}
			dir := h.dir
			h.close(t)
			if err := os.WriteFile(filepath.Join(dir, "recovery.key"), key.Marshal(), 0o600); err != nil {
				t.Fatal(err)
			}
			start(t, "init", dir, step).drain(t)
			again := whole(t, dir)
			if again == nil {
				t.Fatal("the organisation is gone")
			}
			if view, err = again.Recovery(t.Context()); err != nil || (view.ID == key.Public().ID()) != force || view.Missing != 0 {
				t.Errorf("killed %s: got %+v, %v, want the key in force: %v", step, view, err, force)
			}
			if !force {
				if n := again.count(t, `SELECT count(*) FROM secret_recipient WHERE recipient = 'recovery'`); n != 0 {
					t.Errorf("%d secrets are wrapped for a key that is not in force", n)
				}
				if _, err := again.SetRecovery(t.Context(), tester(), RecoveryRequest{Public: key.Public()}); err != nil {
					t.Fatal(err)
				}
			}
			if err := again.opens(t, key); err != nil {
				t.Errorf("killed %s: %v", step, err)
			}
		})
	}
}
