package state

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// organisation makes a state of some 100 pages in a directory of its own.
func organisation(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db := openIn(t, dir)
	for range 5 {
		if _, err := db.Update(t.Context(), tester, func(tx *Tx) error {
			for range 12 {
				if err := addLineage(tx, lineage(fmt.Sprintf("l%d", rand.Uint64()), "previous", "current")); err != nil {
					return err
				}
			}
			return step(tx)
		}); err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)
	return dir
}

// wantRefused opens dir and wants an error, and every byte and time as before.
func wantRefused(t *testing.T, dir string, want error) error {
	t.Helper()
	before := fingerprint(t, dir)
	for _, create := range []bool{false, true} {
		_, err := Open(t.Context(), Options{Dir: dir, Create: create})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want %v with the path", err, want)
		}
		if after := fingerprint(t, dir); after != before {
			t.Errorf("the files were touched:\n%s\nwere\n%s", after, before)
		}
		if err == nil || create {
			return err
		}
	}
	return nil
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	sound := organisation(t)
	const page = 4096
	for name, damage := range map[string]func(b []byte) []byte{
		"cut to a half":              func(b []byte) []byte { return b[:len(b)/2] },
		"cut by a page":              func(b []byte) []byte { return b[:len(b)-page] },
		"cut to less than a header":  func(b []byte) []byte { return b[:99] },
		"cut to one byte":            func(b []byte) []byte { return b[:1] },
		"the first page overwritten": func(b []byte) []byte { clear(b[:page]); return b },
		"the magic overwritten":      func(b []byte) []byte { copy(b, "MQLite"); return b },
		"the schema overwritten":     func(b []byte) []byte { clear(b[100:page]); return b },
		"a middle page overwritten": func(b []byte) []byte {
			random(b[len(b)/2/page*page:][:page])
			return b
		},
		"random bytes": func(b []byte) []byte { random(b); return b },
		"text":         func([]byte) []byte { return []byte("not what I meant to save here\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := os.ReadFile(filepath.Join(sound, FileName))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, FileName), damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, dir, ErrCorrupt)
		})
	}
}

func random(b []byte) {
	source := rand.NewChaCha8([32]byte{1})
	source.Read(b) // never fails
}

// TestDamagedAnywhere overwrites one place after the other. What quick_check cannot see (the inside of a
// value has no checksum) may open, and then every look ends in an answer or in ErrCorrupt.
func TestDamagedAnywhere(t *testing.T) {
	t.Parallel()
	sound := organisation(t)
	b, err := os.ReadFile(filepath.Join(sound, FileName))
	if err != nil {
		t.Fatal(err)
	}
	source := rand.New(rand.NewPCG(1, 2))
	const places = 60 // much of a small database are the empty pages of its tables, where damage is nothing to see
	found := 0
	for range places {
		dir := t.TempDir()
		damaged := append([]byte(nil), b...)
		at := source.IntN(len(b) - 200)
		random(damaged[at : at+200])
		if err := os.WriteFile(filepath.Join(dir, FileName), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, dir)
		db, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			found++
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("200 bytes at %d: got %v, want %v", at, err, ErrCorrupt)
			}
			if after := fingerprint(t, dir); after != before {
				t.Errorf("200 bytes at %d: the files were touched:\n%s\nwere\n%s", at, after, before)
			}
			continue
		}
		err = db.View(t.Context(), func(tx *Tx) error {
			_, err1 := tx.Lineages()
			_, err2 := tx.Servers()
			_, err3 := tx.AuditRows(serverID, 100)
			return errors.Join(err1, err2, err3)
		})
		t.Logf("200 bytes at %d: opened; reading: %v", at, err)
		closeDB(t, db)
	}
	if found < 10 {
		t.Errorf("found %d of %d damages, want at least 10", found, places)
	}
}

// TestDamagedLater: a page that goes bad under a running server gets the same name.
func TestDamagedLater(t *testing.T) {
	t.Parallel()
	dir := organisation(t)
	db := openIn(t, dir)
	f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, info.Size()-4096)
	random(junk)
	if _, err := f.WriteAt(junk, 4096); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *Tx) error { _, err := tx.Lineages(); return err })
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, ErrCorrupt)
	}
	if _, err = db.Update(t.Context(), tester, step); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, ErrCorrupt)
	}
}
