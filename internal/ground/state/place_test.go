package state

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// copied is the bytes of a snapshot of db.
func copied(t *testing.T, db *DB) (content []byte) {
	t.Helper()
	if err := db.Snapshot(t.Context(), func(_ *Tx, f *os.File) (err error) {
		content, err = io.ReadAll(f)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return content
}

// TestSnapshot: it is of one moment, nobody waits for it, and nothing is left of it, whatever becomes of the reader.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	update(t, db, step)
	before := db.Seq()
	fault := errors.New("the reader has had enough")
	for _, want := range []error{nil, fault} {
		err := db.Snapshot(t.Context(), func(tx *Tx, f *os.File) error {
			now := db.Seq()
			update(t, db, step) // the writer goes on
			if seq, err := tx.Seq(); err != nil || seq != now {
				t.Errorf("got sequence %d, %v, want %d", seq, err, now)
			}
			if _, err := os.Stat(f.Name()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the copy has a name: %v", err)
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if db.Seq() != before+2 {
		t.Errorf("got sequence %d, want %d", db.Seq(), before+2)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".snapshot-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPlace: a database comes to its place whole and checked, or not at all.
func TestPlace(t *testing.T) {
	t.Parallel()
	source := openIn(t, t.TempDir())
	update(t, source, step)
	content := copied(t, source)
	fault := errors.New("a fault")
	fill := func(f *os.File) error { _, err := f.Write(content); return err }
	check := func(db *DB) error { update(t, db, step); return nil } // a change in the check is in the file, not in a -wal
	good := func() Placing { return Placing{Fill: fill, Check: check} }
	cases := map[string]struct {
		change  func(t *testing.T, dir string, p *Placing)
		want    error // nil: any
		refused bool
	}{
		"good":          {func(*testing.T, string, *Placing) {}, nil, false},
		"filling fails": {func(_ *testing.T, _ string, p *Placing) { p.Fill = func(*os.File) error { return fault } }, fault, true},
		"cut short": {func(_ *testing.T, _ string, p *Placing) {
			p.Fill = func(f *os.File) error { _, err := f.Write(content[:len(content)/2]); return err }
		}, ErrCorrupt, true},
		"not a database": {func(_ *testing.T, _ string, p *Placing) {
			p.Fill = func(f *os.File) error { _, err := f.WriteString(strings.Repeat("x", 5000)); return err }
		}, ErrCorrupt, true},
		"the check fails": {func(_ *testing.T, _ string, p *Placing) { p.Check = func(*DB) error { return fault } }, fault, true},
		"before fails":    {func(_ *testing.T, _ string, p *Placing) { p.Before = func() error { return fault } }, fault, true},
		"rename fails":    {func(_ *testing.T, _ string, p *Placing) { p.Rename = func(string, string) error { return fault } }, fault, true},
		"one is there": {func(t *testing.T, dir string, _ *Placing) {
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrNotEmpty, true},
		"a -wal is there": {func(t *testing.T, dir string, _ *Placing) {
			if err := os.WriteFile(filepath.Join(dir, FileName+"-wal"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrNotEmpty, true},
		"one was cut short before": {func(t *testing.T, dir string, _ *Placing) {
			if err := os.MkdirAll(filepath.Join(dir, ".restoring-1", "deep"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := good()
			c.change(t, dir, &p)
			existing, _ := os.ReadFile(filepath.Join(dir, FileName))
			err := Place(t.Context(), dir, p)
			if c.refused != (err != nil) || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".restoring-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if c.refused {
				if now, err := os.ReadFile(filepath.Join(dir, FileName)); string(now) != string(existing) || existing == nil && err == nil {
					t.Errorf("the database became %q, %v", now, err)
				}
				return
			}
			db := openIn(t, dir)
			if got, want := db.Seq(), source.Seq()+1; got != want {
				t.Errorf("got sequence %d, want %d", got, want)
			}
		})
	}
}

// TestOldCopiesArePruned: of the copies from before migrations the newest stay, by their age and not by their name;
// nothing else is touched.
func TestOldCopiesArePruned(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "of [a] glob*?")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := func(name string, age time.Duration) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		file("version-"+strconv.Itoa(9-i)+"-x.db", time.Duration(9-i)*time.Hour) // the lower its version, the newer
	}
	file("mine.db", 1000*time.Hour)
	if err := prune(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := "mine.db version-1-x.db version-2-x.db version-3-x.db version-4-x.db version-5-x.db"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("got %v, %v, want %s", names, err, want)
	}
}
