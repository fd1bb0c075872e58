package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		if want := fmt.Sprintf("version 99, this release knows %d", newestVersion(t)); err != nil && !strings.HasSuffix(err.Error(), want) {
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
