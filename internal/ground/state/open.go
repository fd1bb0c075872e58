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
	"sync/atomic"
	"syscall"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var embedded embed.FS

// FileName is the database's name inside the data directory.
const FileName = "postseal.db"

// Options say how to open the state.
type Options struct {
	Dir    string // the data directory
	Holder Holder // what for; empty means HolderCommand
	Create bool   // make the directory and an empty database when they are missing
	// Commit, when set, is called instead of committing a transaction and is given the commit. Tests
	// put faults here: refuse, or commit and lose the answer, or say with [ErrOutcomeUnknown] that nobody can know.
	Commit func(commit func() error) error

	migrations fs.FS // nil means those of this release; tests add later ones
}

// DB is an open state. Its methods may be called from any goroutine.
type DB struct {
	dir    string
	holder Holder
	lock   *lock
	// checked and sound belong to Open and Close, see clean.go.
	checked int64 // when the database file was last read from end to end, in seconds
	file    string
	sound   atomic.Bool // it has been opened, and nothing was wrong with it since
	write   *sql.DB     // one connection: one writer
	read    *sql.DB
	// writeKept and readKept are the compiled statements of the two.
	writeKept, readKept *prepared
	commit              func(commit func() error) error
	files               fs.FS // the migrations

	// writer holds one token while an Update runs, reading back included: another Update in between would
	// take the sequence number of a refused one, which would then pass for made.
	writer chan struct{}

	changes atomic.Int64 // see Changes

	// appendMu guards appends, which wait for whoever gets the writer's token. It is never held across I/O.
	appendMu sync.Mutex
	appends  []*appending

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
	if o.Dir == "" {
		return nil, fmt.Errorf("opening the data directory: %w: it has no name", ErrDirectory)
	}
	path, err := filepath.Abs(filepath.Join(o.Dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("opening the data directory: %w: %w", ErrDirectory, err)
	}
	if err := directory(o.Dir, path, o.Create); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !o.Create {
		return nil, fmt.Errorf("opening the data directory %s: %w", o.Dir, ErrNoOrganisation)
	}
	l, err := takeLock(ctx, o.Dir, o.Holder)
	if err != nil {
		return nil, err
	}
	db := &DB{dir: o.Dir, file: path, holder: o.Holder, lock: l, commit: o.Commit, files: o.migrations,
		writer: make(chan struct{}, 1), watchers: make(map[chan int64]struct{})}
	if err := db.open(ctx, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// maxPathBytes is the longest path of a database file that SQLite opens, with the suffix of its -journal
// and with every symbolic link followed.
const maxPathBytes = 504

// directory checks that dir is a directory of ours that we can write to, and that SQLite can open path there.
func directory(dir, path string, create bool) error {
	if len(path) > maxPathBytes {
		return fmt.Errorf("opening the data directory: %w: the path of %s has %d bytes, at most %d work", ErrDirectory, FileName, len(path), maxPathBytes)
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the data directory: %w: %w", ErrDirectory, named(err))
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
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		// Whoever may write here may put another database in the place of ours.
		return fmt.Errorf("opening the data directory: %w: %s: others may write to it (mode %04o)", ErrDirectory, dir, mode)
	}
	if err := syscall.Access(dir, 0x2|0x1); err != nil {
		return fmt.Errorf("opening the data directory: %w: %s: %w", ErrDirectory, dir, err)
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err != nil {
		return fmt.Errorf("opening the data directory: %w: %w", ErrDirectory, err)
	} else if n := len(filepath.Join(real, FileName)); n > maxPathBytes {
		return fmt.Errorf("opening the data directory: %w: the path of %s has %d bytes, at most %d work", ErrDirectory, FileName, n, maxPathBytes)
	}
	return nil
}

func (db *DB) open(ctx context.Context, path string) error {
	newest, err := newestMigration(db.files)
	if err != nil {
		return err
	}
	version, err := db.check(ctx, path, newest)
	if err != nil {
		return err
	}
	// SQLite would make the file readable by everybody; its -wal and -shm files copy this one's mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the state: %w", named(err))
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("opening the state: %w", err)
	}
	if db.write, err = handle(path, readWrite, 1); err != nil {
		return err
	}
	db.writeKept = newPrepared(db.write)
	if err := db.migrate(ctx, version, newest); err != nil {
		return err
	}
	// Also when there is nothing to write today: the last writer to close tidies away the -wal.
	if err := db.write.PingContext(ctx); err != nil {
		return fmt.Errorf("opening the state %s: %w", path, named(err))
	}
	// What a savepoint would bring back is kept in memory and not in a file: of what Append writes, that was the half. A page
	// of an index that many commits change is copied into the database once for 16 MiB of them, and read from the file once
	// while the writer's 8 MiB have room for it. Not earlier: a migration that builds an index over a large book sorts in a
	// file.
	for _, pragma := range []string{`temp_store = MEMORY`, `wal_autocheckpoint = 4000`, `cache_size = -8192`} {
		if _, err := db.write.ExecContext(ctx, `PRAGMA `+pragma); err != nil {
			return fmt.Errorf("opening the state %s: %w", path, named(err))
		}
	}
	if err := db.fillFacts(ctx); err != nil {
		return fmt.Errorf("opening the state %s: %w", path, err)
	}
	if db.read, err = handle(path, readOnly, 4); err != nil {
		return err
	}
	db.readKept = newPrepared(db.read)
	if err := db.read.QueryRowContext(ctx, `SELECT seq FROM change_sequence WHERE id = 1`).Scan(&db.seq); err != nil {
		return fmt.Errorf("opening the state %s: reading the change sequence: %w", path, named(err))
	}
	db.sound.Store(true)
	return nil
}

// access is what a handle may do.
type access int

const (
	readWrite access = iota
	readOnly
	frozen  // readOnly, of a file that nobody changes: no lock, and no -wal or -shm beside it
	mending // readWrite that leaves the journal as it finds it
)

// handle opens the database file. synchronous=FULL: an answered change survives the power cut.
func handle(path string, a access, connections int) (*sql.DB, error) {
	query := url.Values{"mode": {"ro"}, "_txlock": {"deferred"}, "_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)"}}
	switch a {
	case readWrite:
		query.Set("mode", "rw")
		query.Set("_txlock", "immediate")
		query.Add("_pragma", "journal_mode(WAL)")
	case mending:
		query.Set("mode", "rw")
	case frozen:
		query.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("opening the state %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // one that is closed takes its compiled statements with it
	return db, nil
}

// newestMigration returns the version that the migrations lead to.
func newestMigration(files fs.FS) (int64, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, e := range entries { // by number: 0010 and 00010 sort otherwise by name
		n, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, err
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// Close gives everything back. Watchers get no more changes. An Update that has begun ends first, so that
// the next holder of the directory never meets it.
func (db *DB) Close() error {
	db.writer <- struct{}{}
	defer func() { <-db.writer }()
	var errs []error
	for _, handle := range []*sql.DB{db.read, db.write} {
		if handle != nil {
			errs = append(errs, handle.Close())
		}
	}
	left := ""
	if errors.Join(errs...) == nil {
		left = db.leave()
	}
	return errors.Join(append(errs, db.lock.close(left))...)
}

// Dir returns the data directory.
func (db *DB) Dir() string { return db.dir }
