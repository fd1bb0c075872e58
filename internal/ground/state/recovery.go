package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// RecipientRecovery is the recipient for whom every secret is wrapped when there is a recovery key.
const RecipientRecovery = "recovery"

// Recovery is the recovery key as the organisation knows it.
type Recovery struct {
	ID        string
	Statement []byte // the public half; package backup reads it
	Signature []byte // over Statement, by the organisation key
	CreatedAt time.Time
	TestedAt  time.Time // zero: never
}

// Recovery returns the recovery key, or [ErrNotFound]. Its signature is not checked here.
func (tx *Tx) Recovery() (Recovery, error) {
	var r Recovery
	var created int64
	var tested sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT id, statement, signature, created_at, tested_at FROM recovery`).Scan(&r.ID, &r.Statement, &r.Signature, &created, &tested)
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("reading the recovery key: %w", err)
	}
	r.CreatedAt, r.TestedAt = fromMicro(created), fromNullable(tested)
	return r, nil
}

// SetRecovery makes r the recovery key and forgets the one before it, with all that was wrapped for it.
func (tx *Tx) SetRecovery(r Recovery) error {
	if err := tx.RemoveRecovery(); err != nil {
		return err
	}
	if err := tx.exec(`INSERT INTO recovery (id, statement, signature, created_at) VALUES ($1, $2, $3, $4)`, r.ID, r.Statement, r.Signature, micro(tx.now)); err != nil {
		return fmt.Errorf("storing the recovery key: %w", err)
	}
	return nil
}

// RemoveRecovery forgets the recovery key, with all that was wrapped for it.
func (tx *Tx) RemoveRecovery() error {
	for _, query := range []string{`DELETE FROM recovery`, `DELETE FROM secret_recipient WHERE recipient = '` + RecipientRecovery + `'`} {
		if err := tx.exec(query); err != nil {
			return fmt.Errorf("forgetting the recovery key: %w", err)
		}
	}
	return nil
}

// SetRecoveryTested records that the file of recovery key id was tried now, or returns [ErrNotFound].
func (tx *Tx) SetRecoveryTested(id string) error {
	if err := tx.hit(`UPDATE recovery SET tested_at = $2 WHERE id = $1`, id, micro(tx.now)); err != nil {
		return fmt.Errorf("recording the test of recovery key %s: %w", id, err)
	}
	return nil
}

// Secrets returns every secret with what one recipient needs to open it; Wrapped is empty where that
// recipient cannot.
func (tx *Tx) Secrets(recipient string) ([]Secret, error) {
	list, err := collect(tx, `SELECT s.id, s.kind, s.ciphertext, r.wrapped FROM secret s
		LEFT JOIN secret_recipient r ON r.secret_id = s.id AND r.recipient = $1 ORDER BY s.id`,
		func(scan func(...any) error) (Secret, error) {
			var s Secret
			var wrapped []byte
			err := scan(&s.ID, &s.Kind, &s.Ciphertext, &wrapped)
			if wrapped != nil {
				s.Wrapped = map[string][]byte{recipient: wrapped}
			}
			return s, err
		}, recipient)
	if err != nil {
		return nil, fmt.Errorf("reading the secrets: %w", err)
	}
	return list, nil
}

// NotWrapped counts the secrets that a recipient cannot open.
func (tx *Tx) NotWrapped(recipient string) (int, error) {
	var n int
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM secret WHERE NOT EXISTS
		(SELECT 1 FROM secret_recipient WHERE secret_id = secret.id AND recipient = $1)`, recipient).Scan(&n)
	return n, err
}

// Wrap stores the data key of a secret, wrapped for one more recipient.
func (tx *Tx) Wrap(secretID, recipient string, wrapped []byte) error {
	if err := tx.exec(`INSERT INTO secret_recipient (secret_id, recipient, wrapped, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (secret_id, recipient) DO UPDATE SET wrapped = excluded.wrapped, created_at = excluded.created_at`,
		secretID, recipient, wrapped, micro(tx.now)); err != nil {
		return fmt.Errorf("wrapping secret %s for %s: %w", secretID, recipient, err)
	}
	return nil
}

// SetServerKey gives a server another sealing key, or returns [ErrNotFound].
func (tx *Tx) SetServerKey(serverID string, public []byte) error {
	if err := tx.hit(`UPDATE server SET sealing_public_key = $2 WHERE id = $1`, serverID, public); err != nil {
		return fmt.Errorf("changing the sealing key of server %s: %w", serverID, err)
	}
	return nil
}

// SetOrganisationKey gives the organisation another key.
func (tx *Tx) SetOrganisationKey(public []byte, secretID string) error {
	if err := tx.hit(`UPDATE organisation SET public_key = $1, secret_id = $2`, public, secretID); err != nil {
		return fmt.Errorf("changing the organisation key: %w", err)
	}
	return nil
}

// LoseKeys forgets every secret that nobody can open any more. Certificates stay, without their keys.
func (tx *Tx) LoseKeys() error {
	for _, query := range []string{`UPDATE member SET secret_id = NULL`, `DELETE FROM secret`} {
		if err := tx.exec(query); err != nil {
			return fmt.Errorf("forgetting the lost keys: %w", err)
		}
	}
	return nil
}

func fromNullable(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return fromMicro(n.Int64)
}
