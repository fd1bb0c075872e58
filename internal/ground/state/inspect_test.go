package state

import (
	"context"
	"database/sql"
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
	for range 20 {
		if _, err := db.Update(t.Context(), tester, func(tx *Tx) error {
			for range 3 {
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
	found := 0
	for range 60 {
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
	if found < 15 {
		t.Errorf("found %d of 60 damages, want at least 15", found)
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

func TestNotAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, FileName, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, ErrCorrupt)
}

// TestNothingYet: what a kill at birth leaves is a new state, not a damaged one.
func TestNothingYet(t *testing.T) {
	t.Parallel()
	t.Run("an empty file", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantNew(t, dir)
	})
	t.Run("a database without a table", func(t *testing.T) {
		dir := t.TempDir()
		execute(t, filepath.Join(dir, FileName), `PRAGMA journal_mode = WAL`)
		wantNew(t, dir)
	})
	t.Run("the table of versions alone", func(t *testing.T) {
		dir := t.TempDir()
		execute(t, filepath.Join(dir, FileName), `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`)
		wantNew(t, dir)
	})
	t.Run("a first page with its journal", func(t *testing.T) {
		from, dir := t.TempDir(), t.TempDir()
		db, err := sql.Open("sqlite", filepath.Join(from, FileName)+"?_pragma=cache_size(1)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		for _, query := range []string{`CREATE TABLE half (x)`, `INSERT INTO half VALUES (zeroblob(100000))`, `INSERT INTO half VALUES (zeroblob(100000))`} {
			if _, err := tx.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		copyFiles(t, from, dir, FileName, FileName+"-journal")
		if size, err := fileSize(filepath.Join(dir, FileName)); err != nil || size == 0 {
			t.Fatalf("the fixture has %d bytes, %v, want a half-written database", size, err)
		}
		wantNew(t, dir)
	})
}

func wantNew(t *testing.T, dir string) {
	t.Helper()
	db := openIn(t, dir)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	if got := wantSteps(t, openIn(t, dir)); got != 1 {
		t.Errorf("got %d changes, want 1", got)
	}
}

// execute runs statements on a database file with no other settings.
func execute(t *testing.T, path string, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range queries {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		dir := organisation(t)
		execute(t, filepath.Join(dir, FileName), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`, `DROP TABLE change_sequence`)
		err := wantRefused(t, dir, ErrNewer)
		if want := "version 99, this release knows 1"; err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want it to end with %s", err, want)
		}
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		dir := killed(t, func(db *DB) {
			if _, err := db.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
				t.Fatal(err)
			}
		})
		before := fingerprint(t, dir)
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v, want %v", err, ErrNewer)
		}
		// The index of the -wal, which holds nothing of its own, may be made anew.
		if err := os.Remove(filepath.Join(dir, FileName+"-shm")); err != nil {
			t.Logf("no -shm: %v", err)
		}
		if after := fingerprint(t, dir); after != before {
			t.Errorf("the files were touched:\n%s\nwere\n%s", after, before)
		}
	})
}

// killed makes the files that a killed process leaves: a database and its -wal.
func killed(t *testing.T, change func(*DB)) (dir string) {
	t.Helper()
	from, dir := t.TempDir(), t.TempDir()
	db := openIn(t, from)
	change(db)
	copyFiles(t, from, dir, FileName, FileName+"-wal")
	return dir
}

func TestAfterKill(t *testing.T) {
	t.Parallel()
	change := func(db *DB) {
		for range 5 {
			if _, err := db.Update(t.Context(), tester, step); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("the -wal is read", func(t *testing.T) {
		t.Parallel()
		if got := wantSteps(t, openWith(t, Options{Dir: killed(t, change)})); got != 5 {
			t.Errorf("got %d changes, want 5", got)
		}
	})
	t.Run("a torn end of the -wal is no change", func(t *testing.T) {
		t.Parallel()
		dir := killed(t, change)
		wal := filepath.Join(dir, FileName+"-wal")
		info, err := os.Stat(wal)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(wal, info.Size()-100); err != nil {
			t.Fatal(err)
		}
		if got := wantSteps(t, openWith(t, Options{Dir: dir})); got != 4 {
			t.Errorf("got %d changes, want 4", got)
		}
	})
	t.Run("a -wal without its database is not thrown away", func(t *testing.T) {
		t.Parallel()
		dir := killed(t, change)
		if err := os.Truncate(filepath.Join(dir, FileName), 0); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, dir, ErrCorrupt)
		if err := os.Remove(filepath.Join(dir, FileName)); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, dir)
		if _, err := Open(t.Context(), Options{Dir: dir, Create: true}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want %v", err, ErrCorrupt)
		}
		if after := fingerprint(t, dir); after != before {
			t.Errorf("the files were touched:\n%s\nwere\n%s", after, before)
		}
	})
}

func TestForeign(t *testing.T) {
	t.Parallel()
	const versions = `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL)`
	for name, queries := range map[string][]string{
		"another program's":                             {`CREATE TABLE users (name TEXT)`},
		"another program's with goose":                  {versions, `INSERT INTO goose_db_version VALUES (1, 0, 1), (2, 1, 1)`, `CREATE TABLE users (name TEXT)`},
		"another program's with goose, not yet started": {versions, `CREATE TABLE users (name TEXT)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			execute(t, filepath.Join(dir, FileName), queries...)
			err := wantRefused(t, dir, ErrCorrupt)
			if err != nil && !strings.HasSuffix(err.Error(), "not a database of postseal") {
				t.Errorf("got %v, want it to say whose it is not", err)
			}
		})
	}
}

// TestOpenInterrupted: an open that is called off is not damage.
func TestOpenInterrupted(t *testing.T) {
	t.Parallel()
	dir := organisation(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v alone", err, context.Canceled)
	}
	openIn(t, dir)
}

// BenchmarkOpen opens a state of 10,000 certificates: each command without a server pays for this.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	if err := fill(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(b.Context(), Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// fill makes 10,000 certificates of ordinary size with their keys, in 2,500 lineages.
func fill(ctx context.Context, dir string) error {
	db, err := Open(ctx, Options{Dir: dir, Create: true})
	if err != nil {
		return err
	}
	_, err = db.Update(ctx, tester, func(tx *Tx) error {
		tx.ActFor(serverID)
		for i := range 2500 {
			l := lineage(fmt.Sprintf("l-%d", i), "previous", "current")
			for _, g := range l.Generations {
				for k, m := range g.Members {
					g.Members[k].Certificate = make([]byte, 1000)
					if err := tx.AddSecret(Secret{ID: m.SecretID, Kind: SecretMemberKey, Ciphertext: make([]byte, 300),
						Wrapped: map[string][]byte{serverID: make([]byte, 1200), "recovery": make([]byte, 1200)}}); err != nil {
						return err
					}
				}
			}
			if err := errors.Join(tx.AddLineage(l), tx.Audit("new", l.Name, nil, l.Name)); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
