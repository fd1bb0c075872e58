package state

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
)

// migrate brings the database from version to the newest one. What exists is copied first.
func (db *DB) migrate(ctx context.Context, version, newest int64) error {
	if version == newest {
		return nil
	}
	if version > 0 {
		if err := db.backup(ctx, version); err != nil {
			return err
		}
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.write, db.files, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("migrating the state: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the state from version %d to %d: %w", version, newest, err)
	}
	return nil
}

// backup copies the whole database into DIR/backups. VACUUM INTO reads one consistent snapshot.
func (db *DB) backup(ctx context.Context, version int64) error {
	dir := filepath.Join(db.dir, "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("copying the state before migrating: %w", err)
	}
	stamp := time.Now().UTC().Format("20060102T150405.000000Z")
	path := filepath.Join(dir, fmt.Sprintf("version-%d-%s.db", version, stamp))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // VACUUM INTO accepts an empty file
	if err != nil {
		return fmt.Errorf("copying the state before migrating: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copying the state before migrating: %w", err)
	}
	if _, err := db.write.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return fmt.Errorf("copying the state before migrating to %s: %w", path, err)
	}
	return nil
}
