package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// stateFile is the name of the database in the data directory.
const stateFile = "postseal.db"

// fill puts lines into the book, copies of the first in all but what must differ, in lists of ten thousand. The server
// must not run.
func (m *measurement) fill(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(m.data, stateFile)+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)&_pragma=cache_size(-400000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	began := time.Now()
	for _, query := range []string{
		`INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, certificate, planned_at, recorded_at, thumbprint)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1),
			one AS (SELECT * FROM issuance WHERE certificate IS NOT NULL LIMIT 1)
			SELECT '4' || substr(lower(hex(randomblob(16))), 2), authority_id, 1000 + i / 10000, profile, requester, 'CN=old' || i || '.example.com', lower(hex(randomblob(32))), not_before, not_after, certificate, planned_at - i * 1000, recorded_at - i * 1000, hex(randomblob(20))
			FROM n, one`,
		`INSERT INTO issuance_name (name, serial) SELECT 'com.example.' || substr(subject, 4, length(subject) - 15), serial FROM issuance WHERE shard >= 1000 AND $1 > 0`,
	} {
		if _, err := db.ExecContext(ctx, query, m.book); err != nil {
			return fmt.Errorf("filling the book: %w", err)
		}
	}
	fmt.Fprintf(m.w, "%-52s %9.0f\n", fmt.Sprintf("filling the book with %d lines took, s", m.book), time.Since(began).Seconds())
	return nil
}
