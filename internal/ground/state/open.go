// Package state keeps the organisation: what there is, what is bound to what, and who changed it.
//
// It is one relational database in the data directory (SQLite, file postseal.db), in portable SQL so
// that PostgreSQL can join. There is one writer: the process that holds the directory's lock. Everything
// happens in transactions: [DB.View] reads, [DB.Update] changes. An Update must leave an audit row
// ([Tx.Audit]), advances the change sequence, and wakes everybody who called [DB.Watch].
//
// Times come from Go, one per transaction ([Tx.Now]); SQL has no time functions here, because tests run
// on a clock of their own. Secrets are never in plain text: a secret is stored sealed, with one row per
// recipient that can open it (package keys seals).
//
// [Open] refuses what it does not understand before touching anything: a directory in use, a corrupt
// database, one from a newer release. Migrations go forward only, and a copy of the database is put into
// DIR/backups before each.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var embedded embed.FS

// FileName is the database's name inside the data directory.
const FileName = "postseal.db"

// The errors of Open that a person can act on; each names the directory or file in its text.
var (
	ErrNoOrganisation = errors.New("there is no organisation here")
	ErrCorrupt        = errors.New("the state is damaged")
	ErrNewer          = errors.New("the state was written by a newer release of postseal")
	ErrNotOurs        = errors.New("the data directory belongs to another user")
	ErrDirectory      = errors.New("the data directory cannot be used")
)

// Options say how to open the state.
type Options struct {
	Dir    string // the data directory
	Holder Holder // what for; empty means HolderCommand
	Create bool   // make the directory and an empty database when they are missing
	// Commit, when set, is called instead of committing a transaction and is given the commit. Tests
	// put faults here: refuse, or commit and lose the answer.
	Commit func(commit func() error) error

	migrations fs.FS // nil means those of this release; tests add later ones
}

// DB is an open state. Its methods may be called from any goroutine.
type DB struct {
	dir    string
	lock   *lock
	write  *sql.DB // one connection: one writer
	read   *sql.DB
	commit func(commit func() error) error
	files  fs.FS // the migrations

	// mu guards seq and watchers. It is never held across I/O.
	mu       sync.Mutex
	seq      int64
	watchers map[chan int64]struct{}
}

// Open opens the state in o.Dir. Without o.Create a directory that holds no database is
// [ErrNoOrganisation], and nothing is made. A directory held by another process is an [*InUseError].
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Holder == "" {
		o.Holder = HolderCommand
	}
	if o.Commit == nil {
		o.Commit = func(commit func() error) error { return commit() }
	}
	if o.migrations == nil {
		files, err := fs.Sub(embedded, "migrations")
		if err != nil {
			return nil, err
		}
		o.migrations = files
	}
	if err := directory(o.Dir, o.Create); err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, FileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !o.Create {
		return nil, fmt.Errorf("opening the data directory %s: %w", o.Dir, ErrNoOrganisation)
	}
	l, err := takeLock(ctx, o.Dir, o.Holder)
	if err != nil {
		return nil, err
	}
	db := &DB{dir: o.Dir, lock: l, commit: o.Commit, files: o.migrations, watchers: make(map[chan int64]struct{})}
	if err := db.open(ctx, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// directory checks that dir is a directory of ours that we can write to.
func directory(dir string, create bool) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the data directory: %w: %w", ErrDirectory, err)
		}
		info, err = os.Stat(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the data directory %s: %w", dir, ErrNoOrganisation)
	}
	if err != nil {
		return fmt.Errorf("opening the data directory: %w: %w", ErrDirectory, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("opening the data directory: %w: %s is not a directory", ErrDirectory, dir)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if me := os.Geteuid(); int(owner) != me {
		// Also for root: files of root in another user's directory would lock that user out.
		return fmt.Errorf("opening the data directory %s: %w: it is owned by uid %d, we run as uid %d", dir, ErrNotOurs, owner, me)
	}
	if err := syscall.Access(dir, 0x2|0x1); err != nil {
		return fmt.Errorf("opening the data directory: %w: %s: %w", ErrDirectory, dir, err)
	}
	return nil
}

func (db *DB) open(ctx context.Context, path string) error {
	newest, err := newestMigration(db.files)
	if err != nil {
		return err
	}
	version, err := inspect(ctx, path, newest)
	if err != nil {
		return err
	}
	// SQLite would make the file readable by everybody; its -wal and -shm files copy this one's mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the state: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("opening the state: %w", err)
	}
	if db.write, err = handle(path, "rw", 1); err != nil {
		return err
	}
	if err := db.migrate(ctx, version, newest); err != nil {
		return err
	}
	if db.read, err = handle(path, "ro", 4); err != nil {
		return err
	}
	return db.read.QueryRowContext(ctx, `SELECT seq FROM change_sequence WHERE id = 1`).Scan(&db.seq)
}

// handle opens the database file. synchronous=FULL: an answered change survives the power cut.
func handle(path, mode string, connections int) (*sql.DB, error) {
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)"}}
	if mode == "rw" {
		query.Add("_pragma", "journal_mode(WAL)")
	} else {
		query.Set("_txlock", "deferred")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("opening the state %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

// inspect looks at an existing database before anything may write to it, and returns its version; 0
// for none yet, ErrNewer for one above newest. (goose opens a newer database without a word, and a corrupt one it tries to repair.)
func inspect(ctx context.Context, path string, newest int64) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("opening the state: %w", err)
	}
	db, err := handle(path, "ro", 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return 0, fmt.Errorf("opening the state %s: %w: %w", path, ErrCorrupt, err)
	}
	if verdict != "ok" {
		return 0, fmt.Errorf("opening the state %s: %w: %s", path, ErrCorrupt, verdict)
	}
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables); err != nil {
		return 0, fmt.Errorf("opening the state %s: %w: %w", path, ErrCorrupt, err)
	}
	if tables == 0 {
		return 0, nil // a kill between the file and its first migration
	}
	var version int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
		return 0, fmt.Errorf("opening the state %s: %w: not a database of postseal: %w", path, ErrCorrupt, err)
	}
	if version > newest {
		return 0, fmt.Errorf("opening the state %s: %w: version %d, this release knows %d", path, ErrNewer, version, newest)
	}
	return version, nil
}

// newestMigration returns the version that the migrations lead to.
func newestMigration(files fs.FS) (int64, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(entries[len(entries)-1].Name())
}

// Close gives everything back. Watchers get no more changes.
func (db *DB) Close() error {
	var errs []error
	for _, handle := range []*sql.DB{db.read, db.write} {
		if handle != nil {
			errs = append(errs, handle.Close())
		}
	}
	return errors.Join(append(errs, db.lock.close())...)
}

// Dir returns the data directory.
func (db *DB) Dir() string { return db.dir }
