package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// inspect looks at an existing database before anything may write to it, and returns its version; 0 for
// none yet. What it refuses it leaves as it was, to the byte. (goose opens a newer database without a
// word, and a corrupt one it tries to repair.) Without whole it believes that the pages have been checked, see [DB.check].
func inspect(ctx context.Context, path string, newest int64, whole bool) (int64, error) {
	version, err := examine(ctx, path, newest, whole)
	if err != nil {
		return 0, fmt.Errorf("opening the state %s: %w", path, named(err))
	}
	return version, nil
}

// smallestBytes is the smallest page, and so the smallest database, of SQLite.
const smallestBytes = 512

func examine(ctx context.Context, path string, newest int64, whole bool) (int64, error) {
	size, err := fileSize(path)
	if err != nil {
		return 0, err
	}
	wal, err := fileSize(path + "-wal")
	if err != nil {
		return 0, err
	}
	if size == 0 && wal > 0 {
		// SQLite would take this for a new database and delete the -wal. It writes the first page before
		// any -wal, so this was never a birth that was cut short.
		return 0, fmt.Errorf("%w: the file is empty or gone, but there are changes in %s-wal", ErrCorrupt, path)
	}
	if size == 0 {
		return 0, nil
	}
	if journal, err := fileSize(path + "-journal"); err != nil {
		return 0, err
	} else if journal > 0 {
		if err := rollBack(ctx, path); err != nil {
			return 0, err
		}
		if size, err = fileSize(path); err != nil || size == 0 {
			return 0, err
		}
	}
	if size < smallestBytes {
		// SQLite would take a file of one byte for an empty one.
		return 0, fmt.Errorf("%w: the file has %d bytes", ErrCorrupt, size)
	}
	// Under our lock nobody writes. Without a -wal the file is all there is, and a plain reader would
	// leave an empty -wal and a -shm beside it.
	how := frozen
	if wal > 0 {
		how = readOnly
	}
	db, err := handle(path, how, 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if whole || wal > 0 {
		var verdict string
		if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
			return 0, err
		}
		if verdict != "ok" {
			return 0, fmt.Errorf("%w: %s", ErrCorrupt, verdict)
		}
	}
	return versionOf(ctx, db, newest)
}

// versionOf reads the version of a sound database, after making sure that it is one of ours: other
// programs use goose too.
func versionOf(ctx context.Context, db *sql.DB, newest int64) (int64, error) {
	var tables, versions, sequence int
	err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(name = 'goose_db_version'), 0), coalesce(sum(name = 'change_sequence'), 0)
		FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'`).Scan(&tables, &versions, &sequence)
	if err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil // a kill between the file and its first migration
	}
	if versions == 0 {
		return 0, fmt.Errorf("%w: not a database of postseal", ErrCorrupt)
	}
	var version int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
		return 0, err
	}
	switch {
	case version > newest:
		return 0, fmt.Errorf("%w: version %d, this release knows %d", ErrNewer, version, newest)
	case version == 0 && tables > 1, version > 0 && sequence == 0:
		return 0, fmt.Errorf("%w: not a database of postseal", ErrCorrupt)
	}
	return version, nil
}

// rollBack lets SQLite undo a change that a kill cut short before the database had a -wal: its birth.
func rollBack(ctx context.Context, path string) error {
	db, err := handle(path, mending, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	var tables int // any look at the content rolls back
	return db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables)
}

// fileSize is the size of the file at path in bytes, 0 if there is none.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%w: %s is not a file", ErrCorrupt, path)
	}
	return info.Size(), nil
}
