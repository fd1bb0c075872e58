package state

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// later returns the migrations of this release and one more.
func later(t *testing.T, text string) fs.FS {
	t.Helper()
	entries, err := embedded.ReadDir("migrations")
	if err != nil || len(entries) == 0 {
		t.Fatalf("got %d migrations, %v", len(entries), err)
	}
	files := fstest.MapFS{"9999_later.sql": {Data: []byte("-- +goose Up\n" + text)}}
	for _, e := range entries {
		b, err := embedded.ReadFile("migrations/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = &fstest.MapFile{Data: b}
	}
	return files
}

func TestMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	for range 3 {
		if _, err := db.Update(t.Context(), tester, step); err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)
	// A copy that a kill cut short is in the way of nobody.
	backups := filepath.Join(dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(backups, "unfinished.db"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, migrations: later(t, "ALTER TABLE secret ADD COLUMN note TEXT;\nCREATE TABLE later (x BIGINT);")}
	db = openWith(t, o)
	wantSteps(t, db)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), `SELECT note FROM secret, later`); err != nil {
		t.Errorf("the migration did not happen: %v", err)
	}
	closeDB(t, db)
	wantRefused(t, dir, ErrNewer) // by the release before

	copies := wantBackups(t, dir, 1)
	restored := t.TempDir()
	copyFiles(t, backups, restored, copies[0])
	if err := os.Rename(filepath.Join(restored, copies[0]), filepath.Join(restored, FileName)); err != nil {
		t.Fatal(err)
	}
	if got := wantSteps(t, openWith(t, Options{Dir: restored})); got != 3 {
		t.Errorf("the copy has %d changes, want 3", got)
	}
	closeDB(t, openWith(t, o)) // nothing to migrate: no copy
	wantBackups(t, dir, 1)
}

// TestAMigrationThatCameLater: its number is smaller than that of one that was made already, because two people worked at
// the same time. It was passed over without a word, and what needed it failed later.
func TestAMigrationThatCameLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, ok := later(t, "CREATE TABLE later (x BIGINT);").(fstest.MapFS)
	if !ok {
		t.Fatal("the migrations are no map")
	}
	closeDB(t, openWith(t, Options{Dir: dir, Create: true, migrations: files}))
	files["9998_earlier.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE earlier (x BIGINT);")}
	db := openWith(t, Options{Dir: dir, migrations: files})
	if _, err := db.write.ExecContext(t.Context(), `SELECT * FROM earlier, later`); err != nil {
		t.Errorf("the earlier one was passed over: %v", err)
	}
	closeDB(t, db)
	closeDB(t, openWith(t, Options{Dir: dir, migrations: files})) // nothing to migrate any more: no second copy
	if copies, err := os.ReadDir(filepath.Join(dir, "backups")); err != nil || len(copies) != 1 {
		t.Errorf("got %d copies from before, %v, want 1", len(copies), err)
	}
}

// wantBackups wants n copies, closed to others and sound.
func wantBackups(t *testing.T, dir string, n int) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "backups"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 || !strings.HasPrefix(e.Name(), fmt.Sprintf("version-%d-2", newestVersion(t))) || !strings.HasSuffix(e.Name(), "Z.db") {
			t.Errorf("got %s with mode %v, want version-N-TIME.db with mode 0600", e.Name(), info.Mode())
		}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "backups", e.Name())+"?mode=ro&immutable=1")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var verdict string
		if err := db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("%s: got %s, %v, want ok", e.Name(), verdict, err)
		}
		names = append(names, e.Name())
	}
	if len(names) != n {
		t.Fatalf("got the copies %v, want %d", names, n)
	}
	return names
}

func TestMigrationFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openIn(t, dir)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	_, err := Open(t.Context(), Options{Dir: dir, migrations: later(t, "CREATE TABLE later (x BIGINT);\nDELETE FROM secret;\nINSERT INTO nowhere VALUES (1);")})
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("migrating the state from version %d to 9999: ", newestVersion(t))) {
		t.Errorf("got %v, want it to name both versions", err)
	}
	wantBackups(t, dir, 1)
	db = openWith(t, Options{Dir: dir}) // the release before
	if got := wantSteps(t, db); got != 1 {
		t.Errorf("got %d changes, want 1", got)
	}
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Error(err)
	}
	if _, err := db.write.ExecContext(t.Context(), `CREATE TABLE later (x BIGINT)`); err != nil {
		t.Errorf("half of the migration is there: %v", err)
	}
}

// TestMigrationWithoutBackup: no copy, no migration.
func TestMigrationWithoutBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeDB(t, openIn(t, dir))
	if err := os.WriteFile(filepath.Join(dir, "backups"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir, migrations: later(t, "CREATE TABLE later (x BIGINT);")})
	if err == nil || !strings.HasPrefix(err.Error(), "copying the state to "+dir) {
		t.Errorf("got %v, want that the copy could not be made", err)
	}
	openWith(t, Options{Dir: dir})
}

// newestVersion is the version of this release's own migrations.
func newestVersion(t *testing.T) int64 {
	t.Helper()
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	newest, err := newestMigration(files)
	if err != nil {
		t.Fatal(err)
	}
	return newest
}

// without returns the migrations of this release but for one.
func without(t *testing.T, number string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := embedded.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := embedded.ReadFile("migrations/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(e.Name(), number) {
			files[e.Name()] = &fstest.MapFile{Data: b}
		}
	}
	return files
}
