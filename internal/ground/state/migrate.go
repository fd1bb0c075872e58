package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"

	"postseal/internal/ground/durable"
)

// migrate brings the database from version to the newest one. What exists is copied first. Two changes that are made at
// the same time may come in the order that their numbers do not have: a database that has the later one gets the earlier
// one too.
func (db *DB) migrate(ctx context.Context, version, newest int64) error {
	if version == newest {
		if whole, err := db.migrated(ctx); whole || err != nil {
			return err
		}
	}
	if version > 0 {
		if err := db.backup(ctx, version); err != nil {
			return err
		}
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.write, db.files, goose.WithAllowOutofOrder(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("migrating the state: %w", named(err))
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the state from version %d to %d: %w", version, newest, named(err))
	}
	return nil
}

// migrated says whether every migration was made of a database that is of the newest version.
func (db *DB) migrated(ctx context.Context) (bool, error) {
	files, err := fs.ReadDir(db.files, ".")
	if err != nil {
		return false, err
	}
	var made int
	if err := db.write.QueryRowContext(ctx, `SELECT count(DISTINCT version_id) FROM goose_db_version WHERE is_applied = 1 AND version_id > 0`).Scan(&made); err != nil {
		return false, fmt.Errorf("migrating the state: %w", named(err))
	}
	return made >= len(files), nil
}

// backup copies the whole database into DIR/backups, and keeps the newest few of such copies. VACUUM INTO
// reads one consistent snapshot. The copy has its name only when it is whole. It is not encrypted: it lies
// beside the database, whoever reads one reads the other, and to go back must not need the offline key.
func (db *DB) backup(ctx context.Context, version int64) error {
	dir := filepath.Join(db.dir, "backups")
	stamp := time.Now().UTC().Format("20060102T150405.000000Z")
	path := filepath.Join(dir, fmt.Sprintf("version-%d-%s.db", version, stamp))
	if err := db.copyTo(ctx, dir, path); err != nil {
		return fmt.Errorf("copying the state to %s before migrating: %w", path, named(err))
	}
	return nil
}

func (db *DB) copyTo(ctx context.Context, dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	part := filepath.Join(dir, "unfinished.db")
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // VACUUM INTO accepts an empty file
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := db.write.ExecContext(ctx, `VACUUM INTO $1`, part); err != nil {
		os.Remove(part) // on a full disk the room is needed
		return err
	}
	if err := durable.Rename(part, path); err != nil {
		return err
	}
	return prune(dir)
}
