package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Kinds of sign-in tokens.
const (
	SignInLink    = "link"    // works once
	SignInSession = "session" // works until it expires
)

// SignIn is one sign-in token, known by its hash.
type SignIn struct {
	TokenHash string // SHA-256, hex
	Kind      string
	Who       string
	ExpiresAt time.Time
}

// AddSignIn stores s and forgets the expired ones.
func (tx *Tx) AddSignIn(s SignIn) error {
	if err := tx.exec(`DELETE FROM sign_in WHERE expires_at <= $1`, micro(tx.now)); err != nil {
		return err
	}
	return tx.exec(`INSERT INTO sign_in (token_hash, kind, who, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		s.TokenHash, s.Kind, s.Who, micro(tx.now), micro(s.ExpiresAt))
}

// SignIn returns the token of that hash and kind if it has not expired, or [ErrNotFound].
func (tx *Tx) SignIn(hash, kind string) (SignIn, error) {
	s := SignIn{TokenHash: hash, Kind: kind}
	var expires int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT who, expires_at FROM sign_in WHERE token_hash = $1 AND kind = $2 AND expires_at > $3`, hash, kind, micro(tx.now)).Scan(&s.Who, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrNotFound
	}
	s.ExpiresAt = fromMicro(expires)
	return s, err
}

// RemoveSignIn forgets a token.
func (tx *Tx) RemoveSignIn(hash string) error {
	return tx.exec(`DELETE FROM sign_in WHERE token_hash = $1`, hash)
}

// ForgetSignIns forgets every link and every session.
func (tx *Tx) ForgetSignIns() error {
	if err := tx.exec(`DELETE FROM sign_in`); err != nil {
		return fmt.Errorf("forgetting the sign-ins: %w", err)
	}
	return nil
}
