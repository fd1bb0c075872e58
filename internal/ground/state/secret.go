package state

import (
	"database/sql"
	"errors"
	"fmt"
)

// Kinds of secrets; the kind is bound into the seal.
const (
	SecretMemberKey       = "member-key"
	SecretOrganisationKey = "organisation-key"
	SecretAuthorityKey    = "authority-key"
	SecretACMEKey         = "acme-key"
	SecretModuleKey       = "module-key" // where an authority's key is in the security module, in place of the key
	SecretPersonKey       = "person-key"
)

// Secret is a sealed secret as stored: nobody can read it but its recipients.
type Secret struct {
	ID         string
	Kind       string
	Ciphertext []byte
	Wrapped    map[string][]byte // by recipient: the data key, wrapped for it
}

// AddSecret stores s.
func (tx *Tx) AddSecret(s Secret) error {
	if err := tx.exec(`INSERT INTO secret (id, kind, ciphertext, created_at) VALUES ($1, $2, $3, $4)`, s.ID, s.Kind, s.Ciphertext, micro(tx.now)); err != nil {
		return fmt.Errorf("storing a sealed secret: %w", err)
	}
	for recipient, wrapped := range s.Wrapped {
		if err := tx.exec(`INSERT INTO secret_recipient (secret_id, recipient, wrapped, created_at) VALUES ($1, $2, $3, $4)`, s.ID, recipient, wrapped, micro(tx.now)); err != nil {
			return fmt.Errorf("storing a sealed secret: %w", err)
		}
	}
	return nil
}

// Secret returns the secret id with what one recipient needs to open it, or [ErrNotFound].
func (tx *Tx) Secret(id, recipient string) (Secret, error) {
	s := Secret{ID: id}
	var wrapped []byte
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT s.kind, s.ciphertext, r.wrapped FROM secret s JOIN secret_recipient r ON r.secret_id = s.id
		WHERE s.id = $1 AND r.recipient = $2`, id, recipient).Scan(&s.Kind, &s.Ciphertext, &wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("reading secret %s for %s: %w", id, recipient, ErrNotFound)
	}
	if err != nil {
		return s, fmt.Errorf("reading secret %s: %w", id, err)
	}
	s.Wrapped = map[string][]byte{recipient: wrapped}
	return s, nil
}

// PersonKeyID is the id of the secret that keeps a person's key for decrypting, by the serial of the certificate that it
// was made for.
func PersonKeyID(serial string) string { return "person-" + serial }

// DropPersonKey forgets the key that is kept for a person by the serial of the certificate, if one is.
func (tx *Tx) DropPersonKey(serial string) error {
	return tx.exec(`DELETE FROM secret WHERE id = $1 AND kind = $2`, PersonKeyID(serial), SecretPersonKey)
}
