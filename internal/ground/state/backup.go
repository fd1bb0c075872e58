package state

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"postseal/internal/ground/durable"
)

// maxBackupRows is how many backups are remembered.
const maxBackupRows = 100

// Backup is a backup that was made.
type Backup struct {
	ID         string
	Path       string // as the one who made it named it
	Bytes      int64  // of the file
	RecoveryID string // the recovery key that opens it; empty for none
	MadeAt     time.Time
	TestedAt   time.Time // zero: never opened since
}

// AddBackup remembers a backup. Told twice of one, as after an answer that was lost, it remembers it once.
func (tx *Tx) AddBackup(b Backup) error {
	if err := tx.exec(`INSERT INTO backup (id, path, bytes, recovery_id, made_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET path = excluded.path, bytes = excluded.bytes`, b.ID, b.Path, b.Bytes, b.RecoveryID, micro(tx.now)); err != nil {
		return fmt.Errorf("remembering backup %s: %w", b.ID, err)
	}
	if err := tx.exec(`DELETE FROM backup WHERE id NOT IN (SELECT id FROM backup ORDER BY made_at DESC, id LIMIT $1)`, maxBackupRows); err != nil {
		return fmt.Errorf("forgetting old backups: %w", err)
	}
	return nil
}

// LastBackup returns the newest backup, or [ErrNotFound].
func (tx *Tx) LastBackup() (Backup, error) {
	var b Backup
	var made int64
	var tested sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT id, path, bytes, recovery_id, made_at, tested_at FROM backup ORDER BY made_at DESC, id LIMIT 1`).
		Scan(&b.ID, &b.Path, &b.Bytes, &b.RecoveryID, &made, &tested)
	if errors.Is(err, sql.ErrNoRows) {
		return b, ErrNotFound
	}
	if err != nil {
		return b, fmt.Errorf("reading the backups: %w", err)
	}
	b.MadeAt, b.TestedAt = fromMicro(made), fromNullable(tested)
	return b, nil
}

// SetBackupTested records that a backup was opened now, or returns [ErrNotFound].
func (tx *Tx) SetBackupTested(id string) error {
	if err := tx.hit(`UPDATE backup SET tested_at = $2 WHERE id = $1`, id, micro(tx.now)); err != nil {
		return fmt.Errorf("recording the test of backup %s: %w", id, err)
	}
	return nil
}

// Counts says how much there is.
type Counts struct{ Lineages, Certificates, Secrets int }

// Counts counts.
func (tx *Tx) Counts() (Counts, error) {
	var c Counts
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT (SELECT count(*) FROM lineage), (SELECT count(*) FROM member), (SELECT count(*) FROM secret)`).
		Scan(&c.Lineages, &c.Certificates, &c.Secrets)
	return c, err
}

// Version is the version of the database: the last migration.
func (db *DB) Version() (int64, error) { return newestMigration(db.files) }

// NewestVersion is the version that this release brings a database to.
func NewestVersion() (int64, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return 0, err
	}
	return newestMigration(files)
}

// Snapshot copies the database as it is at one moment, and calls f with a transaction on the copy and
// the open file. Nobody has to wait: readers and the writer go on meanwhile. The file has no name any
// more when f is called, so that a kill leaves nothing.
func (db *DB) Snapshot(ctx context.Context, f func(*Tx, *os.File) error) error {
	if err := db.snapshot(ctx, f); err != nil {
		return fmt.Errorf("copying the state: %w", named(err))
	}
	return nil
}

func (db *DB) snapshot(ctx context.Context, f func(*Tx, *os.File) error) error {
	// In the data directory: a copy may be as large as the database, and must be as private.
	dir, err := os.MkdirTemp(db.dir, ".snapshot-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // what matters has been read by then
	path := filepath.Join(dir, FileName)
	from, err := handle(filepath.Join(db.dir, FileName), readOnly, 1)
	if err != nil {
		return err
	}
	// The copy has no name in a moment, and need not outlive a power cut: waiting for the disk would cost a third of
	// the time. (VACUUM INTO writes as the connection is set that reads.)
	if _, err = from.ExecContext(ctx, `PRAGMA synchronous = OFF`); err == nil {
		_, err = from.ExecContext(ctx, `VACUUM INTO $1`, path)
	}
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() // opened for reading only
	copied, err := handle(path, frozen, 1)
	if err != nil {
		return err
	}
	defer copied.Close() // nothing was written
	tx, err := copied.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()                       // a reader has nothing to lose
	if err := os.RemoveAll(dir); err != nil { // both are open
		return err
	}
	return f(&Tx{tx: statements{tx: tx}, ctx: ctx, now: timestamp()}, file)
}

// Tidy removes what a killed [DB.Snapshot] or [Place] has left behind. Nobody else may be at work.
func (db *DB) Tidy() error { return tidy(db.dir) }

func tidy(dir string) error {
	for _, pattern := range []string{".snapshot-*", ".restoring-*"} {
		left, err := filepath.Glob(filepath.Join(globQuoted(dir), pattern))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// globQuoted keeps the name of a directory from being taken for a pattern.
func globQuoted(dir string) string {
	var b []byte
	for i := range len(dir) {
		if c := dir[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, dir[i])
	}
	return string(b)
}

// Place puts a database into a data directory that has none, whole or not at all: fill writes it into a
// file beside its place, check looks at it as an open state (migrated, if it is older than this release),
// and one rename puts it in force. Nobody else gets the directory meanwhile. A directory that was made for it and
// came to nothing is removed again.
func Place(ctx context.Context, dir string, p Placing) (err error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return fmt.Errorf("opening the data directory: %w: %w", ErrDirectory, err)
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		// What was made for nothing goes away again: the lock's file is the last, and the lock is held until then.
		defer func() {
			if _, there := os.Lstat(path); err != nil && there != nil {
				os.Remove(filepath.Join(dir, "lock")) // a directory that is not empty stays, and that is all
				os.Remove(dir)
			}
		}()
	}
	if err := directory(dir, path, true); err != nil {
		return err
	}
	l, err := takeLock(ctx, dir, HolderCommand)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close("")) }()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return fmt.Errorf("restoring into %s: %w: %s", dir, ErrNotEmpty, FileName+suffix)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restoring into %s: %w", dir, named(err))
		}
	}
	if err := tidy(dir); err != nil {
		return fmt.Errorf("restoring into %s: %w", dir, named(err))
	}
	if err := place(ctx, dir, path, p); err != nil {
		return fmt.Errorf("restoring into %s: %w", dir, named(err))
	}
	return nil
}

// Placing says how a database comes to its place.
type Placing struct {
	Fill   func(*os.File) error        // writes the database
	Check  func(*DB) error             // looks at it
	Before func() error                // what else must be there first; nil for nothing
	Rename func(from, to string) error // nil means durable.Rename; tests make it fail
	Commit func(func() error) error    // as in [Options]; tests make it fail
}

func place(ctx context.Context, dir, path string, p Placing) error {
	work, err := os.MkdirTemp(dir, ".restoring-*") // mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) // after the rename there is nothing in it that matters
	part := filepath.Join(work, FileName)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(p.Fill(f), f.Close()); err != nil {
		return err
	}
	db, err := Open(ctx, Options{Dir: work, Commit: p.Commit})
	if err != nil {
		return err
	}
	if err := errors.Join(p.Check(db), db.Close()); err != nil {
		return err
	}
	// Closing has brought everything into the one file; a -wal that is left would be lost by the rename.
	if size, err := fileSize(part + "-wal"); err != nil || size > 0 {
		return errors.Join(fmt.Errorf("%d bytes are left in %s-wal", size, part), err)
	}
	if p.Before != nil {
		if err := p.Before(); err != nil {
			return err
		}
	}
	rename := p.Rename
	if rename == nil {
		rename = durable.Rename
	}
	return rename(part, path)
}

// OrganisationIn returns the id of the organisation in a data directory, without opening it for anything
// else; empty for none, or one that cannot be read.
func OrganisationIn(ctx context.Context, dir string) string {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return ""
	}
	how := frozen
	if wal, err := fileSize(path + "-wal"); err != nil || wal > 0 {
		how = readOnly
	}
	db, err := handle(path, how, 1)
	if err != nil {
		return ""
	}
	defer db.Close() // nothing was written
	var id string
	if db.QueryRowContext(ctx, `SELECT id FROM organisation`).Scan(&id) != nil {
		return ""
	}
	return id
}

// ErrNotEmpty: there is something already where a backup shall be restored.
var ErrNotEmpty = errors.New("the data directory is not empty")

// keptCopies is how many copies from before migrations are kept.
const keptCopies = 5

// prune removes the oldest copies of the database in DIR/backups. Their names begin with the version, so
// age is asked of the file.
func prune(dir string) error {
	paths, err := filepath.Glob(filepath.Join(globQuoted(dir), "version-*.db"))
	if err != nil || len(paths) <= keptCopies {
		return err
	}
	age := make(map[string]time.Time, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		age[path] = info.ModTime()
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(age[b].Compare(age[a]), strings.Compare(b, a)) })
	for _, path := range paths[keptCopies:] {
		if err := os.Remove(path); err != nil && !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	return nil
}
