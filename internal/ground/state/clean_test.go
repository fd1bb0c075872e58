package state

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// overwrite writes junk into the middle of the database file.
func overwrite(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, size-4096)
	random(junk)
	if _, err := f.WriteAt(junk, 4096); err != nil {
		t.Fatal(err)
	}
}

// TestAClosedDatabaseIsBelieved, by a command, and for a day; and damage done between is found all the same, also when the
// time of the file was put back.
func TestAClosedDatabaseIsBelieved(t *testing.T) {
	t.Parallel()
	dir := organisation(t)
	path := filepath.Join(dir, FileName)
	closeDB(t, openIn(t, dir))
	left, err := os.ReadFile(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	checked := sealed(path, string(left), now)
	if checked == 0 {
		t.Fatalf("the lock file says %q, want the seal of the database", left)
	}
	if sealed(path, string(left), now.Add(trustCheck+time.Minute)) != 0 || sealed(path, string(left), now.Add(-time.Hour)) != 0 {
		t.Error("a check of another day is believed")
	}
	for _, wrong := range []string{"", "12 serve\n", string(left[:len(left)-2]), string(left) + "x", "clean 1 2 3 4 5\n"} {
		if sealed(path, wrong, now) != 0 {
			t.Errorf("%q is believed", wrong)
		}
	}
	db := openIn(t, dir)
	if db.checked != checked {
		t.Errorf("a command checked again: at %d, it was checked at %d", db.checked, checked)
	}
	closeDB(t, db)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, ErrCorrupt)
}

// TestDoubtLeavesNoSeal: neither a server that was killed nor a database that showed damage leave one, and a server checks
// whatever it finds.
func TestDoubtLeavesNoSeal(t *testing.T) {
	t.Parallel()
	dir := organisation(t)
	path := filepath.Join(dir, FileName)
	left := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	db := openIn(t, dir)
	if sealed(path, left(), time.Now()) != 0 { // what a kill would leave
		t.Errorf("held, the lock file says %q", left())
	}
	closeDB(t, db)
	db, err := Open(t.Context(), Options{Dir: dir, Holder: HolderServe})
	if err != nil {
		t.Fatal(err)
	}
	// Damage under a running server: what has been checked at its start is not what it leaves.
	overwrite(t, path)
	if err := db.View(t.Context(), func(tx *Tx) error { _, err := tx.Lineages(); return err }); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v, want %v", err, ErrCorrupt)
	}
	db.Close() // may complain
	if sealed(path, left(), time.Now()) != 0 {
		t.Errorf("after damage the lock file says %q", left())
	}
}
