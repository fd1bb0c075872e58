package state

import (
	"database/sql"
	"errors"
	"time"
)

// Token is one token of the API, known by its hash.
type Token struct {
	Name      string // unique
	Hash      string // SHA-256, hex
	Scope     string // "read", "operate" or "admin"
	MadeBy    string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: never
}

const tokenColumns = `name, token_hash, scope, made_by, created_at, expires_at, used_at`

func scanToken(scan func(...any) error) (Token, error) {
	var t Token
	var created, expires int64
	var used sql.NullInt64
	err := scan(&t.Name, &t.Hash, &t.Scope, &t.MadeBy, &created, &expires, &used)
	t.CreatedAt, t.ExpiresAt = fromMicro(created), fromMicro(expires)
	if used.Valid {
		t.UsedAt = fromMicro(used.Int64)
	}
	return t, err
}

// AddToken stores a new token; its name must be free.
func (tx *Tx) AddToken(t Token) error {
	return tx.exec(`INSERT INTO api_token (name, token_hash, scope, made_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.Name, t.Hash, t.Scope, t.MadeBy, micro(tx.now), micro(t.ExpiresAt))
}

// Tokens returns every token, those that have expired included, in no order.
func (tx *Tx) Tokens() ([]Token, error) {
	return collect(tx, `SELECT `+tokenColumns+` FROM api_token`, scanToken)
}

// TokenByHash returns the token of that hash, or [ErrNotFound]. It may have expired.
func (tx *Tx) TokenByHash(hash string) (Token, error) {
	t, err := scanToken(tx.tx.QueryRowContext(tx.ctx, `SELECT `+tokenColumns+` FROM api_token WHERE token_hash = $1`, hash).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, ErrNotFound
	}
	return t, err
}

// RemoveToken forgets a token, or fails with [ErrNotFound].
func (tx *Tx) RemoveToken(name string) error {
	return tx.hit(`DELETE FROM api_token WHERE name = $1`, name)
}

// TokenUsed writes down that a token was used now. One that is gone meanwhile stays so.
func (tx *Tx) TokenUsed(hash string) error {
	return tx.exec(`UPDATE api_token SET used_at = $2 WHERE token_hash = $1`, hash, micro(tx.now))
}

// AuditAfter returns the rows of a server's trail after a number, oldest first.
func (tx *Tx) AuditAfter(serverID string, number int64, limit int) ([]AuditRow, error) {
	return collect(tx, `SELECT number, at, who, origin, act, object, before, after FROM audit
		WHERE server_id = $1 AND number > $2 ORDER BY number LIMIT $3`, scanAudit, serverID, number, limit)
}

// AuditCursor returns the number of the last row that was sent to a collector; 0 for none.
func (tx *Tx) AuditCursor(serverID, sink string) (int64, error) {
	var number int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT number FROM audit_cursor WHERE server_id = $1 AND sink = $2`, serverID, sink).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return number, err
}

// SetAuditCursor writes down how far the rows were sent.
func (tx *Tx) SetAuditCursor(serverID, sink string, number int64) error {
	return tx.exec(`INSERT INTO audit_cursor (server_id, sink, number) VALUES ($1, $2, $3)
		ON CONFLICT (server_id, sink) DO UPDATE SET number = excluded.number`, serverID, sink, number)
}
