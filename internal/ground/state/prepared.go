package state

import (
	"context"
	"database/sql"
	"sync"
)

// maxPrepared bounds the statements that a handle keeps. There are fewer texts than that; a search that is put together
// from parts has many.
const maxPrepared = 500

// prepared keeps the statements of a handle compiled: reading SQL takes SQLite longer than doing what it says. A statement
// that was asked for once in a transaction is compiled when that one is over, because the handle may have no other
// connection.
type prepared struct {
	db *sql.DB

	// mu guards what follows. It is not held while anything is compiled.
	mu    sync.Mutex
	known map[string]*sql.Stmt // nil for one that is to be compiled
	owed  []string
}

func newPrepared(db *sql.DB) *prepared { return &prepared{db: db, known: make(map[string]*sql.Stmt)} }

// of returns the statement, or nil, and then notes that it is wanted. Without a receiver nothing is kept.
func (p *prepared) of(query string) *sql.Stmt {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, noted := p.known[query]
	if !noted && len(p.known) < maxPrepared {
		p.known[query] = nil
		p.owed = append(p.owed, query)
	}
	return s
}

// settle compiles what was wanted. The caller is in no transaction of this handle. What cannot be compiled goes on as it is.
func (p *prepared) settle(ctx context.Context) {
	p.mu.Lock()
	owed := p.owed
	p.owed = nil
	p.mu.Unlock()
	for _, query := range owed {
		s, err := p.db.PrepareContext(ctx, query)
		p.mu.Lock()
		if err != nil {
			delete(p.known, query)
		} else {
			p.known[query] = s
		}
		p.mu.Unlock()
	}
}

// statements is a transaction whose statements are kept compiled. A statement must be read to its end before the same text
// is run again: [statements.stream] is for those that are read while others run.
type statements struct {
	tx   *sql.Tx
	kept *prepared
}

func (s statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if ready := s.kept.of(query); ready != nil {
		return s.tx.StmtContext(ctx, ready).ExecContext(ctx, args...)
	}
	return s.tx.ExecContext(ctx, query, args...)
}

func (s statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if ready := s.kept.of(query); ready != nil {
		return s.tx.StmtContext(ctx, ready).QueryContext(ctx, args...)
	}
	return s.tx.QueryContext(ctx, query, args...)
}

func (s statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if ready := s.kept.of(query); ready != nil {
		return s.tx.StmtContext(ctx, ready).QueryRowContext(ctx, args...)
	}
	return s.tx.QueryRowContext(ctx, query, args...)
}

// stream runs a query that is not kept.
func (s statements) stream(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.tx.QueryContext(ctx, query, args...)
}
