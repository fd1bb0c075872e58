package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// States of an authority.
const (
	AuthorityPending = "pending" // its request waits for the authority above
	AuthorityActive  = "active"
	AuthorityRetired = "retired" // it answers for what it issued, and issues no more
	AuthorityRevoked = "revoked" // the one above has taken it back, and with it what it issued
)

// Authority is one of the organisation's own: the root or an issuing one.
type Authority struct {
	ID          string
	Name        string // in addresses and commands
	Purpose     string
	ParentID    string // empty: a root, or below a foreign one
	State       string
	Request     []byte // PKCS#10 DER, while pending
	PublicKey   []byte // SubjectPublicKeyInfo DER
	SecretID    string // empty: its key is elsewhere
	CreatedAt   time.Time
	Certificate []byte // DER of the current one; nil while pending
	Chain       []byte // DER of those above, one after the other; nil for a root
}

// AddAuthority stores a without its certificate.
func (tx *Tx) AddAuthority(a Authority) error {
	if err := tx.exec(`INSERT INTO authority (id, name, purpose, parent_id, state, request, public_key, secret_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		a.ID, a.Name, a.Purpose, nullable(a.ParentID), a.State, a.Request, a.PublicKey, nullable(a.SecretID), micro(tx.now)); err != nil {
		return fmt.Errorf("storing authority %s: %w", a.Name, err)
	}
	return nil
}

// CertifyAuthority makes a certificate the current one of an authority, which becomes active. sha256 is that of the DER.
// Earlier ones are kept.
func (tx *Tx) CertifyAuthority(id, sha256 string, certificate, chain []byte) error {
	if err := tx.exec(`UPDATE authority_certificate SET current = FALSE WHERE authority_id = $1`, id); err != nil {
		return fmt.Errorf("storing the certificate of authority %s: %w", id, err)
	}
	if err := tx.exec(`INSERT INTO authority_certificate (sha256, authority_id, certificate, chain, current, created_at) VALUES ($1, $2, $3, $4, TRUE, $5)`,
		sha256, id, certificate, chain, micro(tx.now)); err != nil {
		return fmt.Errorf("storing the certificate of authority %s: %w", id, err)
	}
	if err := tx.toRead(LintAuthority, sha256); err != nil {
		return err
	}
	return tx.hit(`UPDATE authority SET state = $2, request = NULL WHERE id = $1 AND state NOT IN ('retired', 'revoked')`, id, AuthorityActive)
}

// SetAuthorityState changes an authority's state, or fails with [ErrNotFound].
func (tx *Tx) SetAuthorityState(id, s string) error {
	return tx.hit(`UPDATE authority SET state = $2 WHERE id = $1`, id, s)
}

// SetAuthorityParent says which authority is above, empty for none.
func (tx *Tx) SetAuthorityParent(id, parent string) error {
	return tx.hit(`UPDATE authority SET parent_id = $2 WHERE id = $1`, id, nullable(parent))
}

// ReplaceChains gives the members of lineages that send one chain along another, and says how many they were.
func (tx *Tx) ReplaceChains(before, after []byte) (int64, error) {
	result, err := tx.tx.ExecContext(tx.ctx, `UPDATE member SET chain = $2 WHERE chain = $1`, before, after)
	if err != nil {
		return 0, fmt.Errorf("replacing chains: %w", err)
	}
	return result.RowsAffected()
}

// ForgetAuthorityKey takes an authority's key out of the state: it was exported, and lives elsewhere from now on.
func (tx *Tx) ForgetAuthorityKey(id string) error {
	var secret sql.NullString
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT secret_id FROM authority WHERE id = $1`, id).Scan(&secret); err != nil {
		return fmt.Errorf("removing the key of authority %s: %w", id, notFound(err))
	}
	if err := tx.hit(`UPDATE authority SET secret_id = NULL WHERE id = $1 AND secret_id IS NOT NULL`, id); err != nil {
		return fmt.Errorf("removing the key of authority %s: %w", id, err)
	}
	return tx.hit(`DELETE FROM secret WHERE id = $1`, secret.String)
}

// Authorities returns all of them, the oldest first.
func (tx *Tx) Authorities() ([]Authority, error) {
	return collect(tx, `SELECT a.id, a.name, a.purpose, a.parent_id, a.state, a.request, a.public_key, a.secret_id, a.created_at, c.certificate, c.chain
		FROM authority a LEFT JOIN authority_certificate c ON c.authority_id = a.id AND c.current ORDER BY a.created_at, a.id`, func(scan func(...any) error) (Authority, error) {
		var a Authority
		var parent, secret sql.NullString
		var created int64
		err := scan(&a.ID, &a.Name, &a.Purpose, &parent, &a.State, &a.Request, &a.PublicKey, &secret, &created, &a.Certificate, &a.Chain)
		a.ParentID, a.SecretID, a.CreatedAt = parent.String, secret.String, fromMicro(created)
		return a, err
	})
}

// PKIHost is the host of the http addresses in certificates, empty if none was set.
func (tx *Tx) PKIHost() (string, error) {
	var host string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT pki_host FROM authority_setting WHERE id = 1`).Scan(&host)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return host, err
}

// SetPKIHost sets it, for the certificates that come.
func (tx *Tx) SetPKIHost(host string) error {
	return tx.exec(`INSERT INTO authority_setting (id, pki_host) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET pki_host = excluded.pki_host`, host)
}

// SetProfile stores the options of a profile, as JSON.
func (tx *Tx) SetProfile(name, options string) error {
	return tx.exec(`INSERT INTO profile (name, options, changed_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET options = excluded.options, changed_at = excluded.changed_at`,
		name, options, micro(tx.now))
}

// RemoveProfile forgets one, or fails with [ErrNotFound]. If it is the name of a built-in one, that is in force again.
func (tx *Tx) RemoveProfile(name string) error {
	return tx.hit(`DELETE FROM profile WHERE name = $1`, name)
}

// Profiles returns the options of each stored profile by its name, as JSON.
func (tx *Tx) Profiles() (map[string]string, error) {
	type row struct{ name, options string }
	rows, err := collect(tx, `SELECT name, options FROM profile`, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.name, &r.options)
	})
	all := map[string]string{}
	for _, r := range rows {
		all[r.name] = r.options
	}
	return all, err
}

// notFound turns the driver's word for no row into ours.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
