package state

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Ways in which an authority's request reaches whoever certifies it.
const (
	WayForeign  = "foreign"  // another organisation, or another program, certifies it
	WayCeremony = "ceremony" // our own root, on a machine that is not this one
)

// AuthorityRequest waits for the authority above: for the certificate of a new authority, or for another one of an
// authority that is in force.
type AuthorityRequest struct {
	AuthorityID string
	Way         string
	Request     []byte // PKCS#10 DER
	Domains     []string
	Networks    []string
	Replaces    string // id of the authority that is retired when the answer comes; empty for none
	CreatedAt   time.Time
}

// PutAuthorityRequest stores one, in the place of an earlier one for the same authority.
func (tx *Tx) PutAuthorityRequest(r AuthorityRequest) error {
	domains, err := json.Marshal(r.Domains)
	if err != nil {
		return err
	}
	networks, err := json.Marshal(r.Networks)
	if err != nil {
		return err
	}
	if err := tx.RemoveAuthorityRequest(r.AuthorityID); err != nil {
		return err
	}
	return tx.exec(`INSERT INTO authority_request (authority_id, way, request, domains, networks, replaces, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		r.AuthorityID, r.Way, r.Request, string(domains), string(networks), nullable(r.Replaces), micro(tx.now))
}

// RemoveAuthorityRequest forgets the one of an authority, if there is one.
func (tx *Tx) RemoveAuthorityRequest(authorityID string) error {
	return tx.exec(`DELETE FROM authority_request WHERE authority_id = $1`, authorityID)
}

// AuthorityRequests returns what waits, the oldest first.
func (tx *Tx) AuthorityRequests() ([]AuthorityRequest, error) {
	return collect(tx, `SELECT authority_id, way, request, domains, networks, replaces, created_at FROM authority_request ORDER BY created_at, authority_id`, func(scan func(...any) error) (AuthorityRequest, error) {
		var r AuthorityRequest
		var domains, networks string
		var replaces sql.NullString
		var created int64
		err := scan(&r.AuthorityID, &r.Way, &r.Request, &domains, &networks, &replaces, &created)
		r.Replaces, r.CreatedAt = replaces.String, fromMicro(created)
		if err == nil {
			err = errors.Join(json.Unmarshal([]byte(domains), &r.Domains), json.Unmarshal([]byte(networks), &r.Networks))
		}
		return r, err
	})
}

// RemoveAuthority forgets an authority that never had a certificate, with its request and its key, or fails with
// [ErrNotFound].
func (tx *Tx) RemoveAuthority(id string) error {
	if err := tx.RemoveAuthorityRequest(id); err != nil {
		return err
	}
	var secret sql.NullString
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT secret_id FROM authority WHERE id = $1`, id).Scan(&secret); err != nil {
		return fmt.Errorf("removing authority %s: %w", id, notFound(err))
	}
	if err := tx.hit(`DELETE FROM authority WHERE id = $1 AND state = 'pending'`, id); err != nil {
		return fmt.Errorf("removing authority %s: %w", id, err)
	}
	if !secret.Valid {
		return nil
	}
	return tx.hit(`DELETE FROM secret WHERE id = $1`, secret.String)
}

// SetAuthorityKey says which secret an authority's key is: it was brought back.
func (tx *Tx) SetAuthorityKey(id, secretID string) error {
	return tx.hit(`UPDATE authority SET secret_id = $2 WHERE id = $1 AND secret_id IS NULL`, id, secretID)
}

// AuthorityPlan is a certificate of an authority, or of a signer of OCSP answers, that was planned and perhaps signed.
type AuthorityPlan struct {
	Serial      string // lower-case hex
	Issuer      string // RFC 4514 text
	Purpose     string
	TBS         []byte // nil once the certificate is there
	Certificate []byte // nil: nobody was given it
	PlannedAt   time.Time
}

// PlanAuthority writes down what is to be signed. A serial that is there already is [ErrExists].
func (tx *Tx) PlanAuthority(p AuthorityPlan) error {
	result, err := tx.tx.ExecContext(tx.ctx, `INSERT INTO authority_plan (serial, issuer, purpose, tbs, planned_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (serial) DO NOTHING`,
		p.Serial, p.Issuer, p.Purpose, p.TBS, micro(tx.now))
	if err != nil {
		return fmt.Errorf("planning certificate %s: %w", p.Serial, err)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("planning certificate %s: %w", p.Serial, err)
	}
	return nil
}

// RecordAuthority stores the certificate of a planned serial, or fails with [ErrNotFound].
func (tx *Tx) RecordAuthority(serial string, certificate []byte) error {
	if err := tx.hit(`UPDATE authority_plan SET certificate = $2, tbs = NULL, recorded_at = $3 WHERE serial = $1`, serial, certificate, micro(tx.now)); err != nil {
		return fmt.Errorf("recording certificate %s: %w", serial, err)
	}
	return tx.toRead(LintMade, serial)
}

// AuthorityPlans returns all of them, the oldest first.
func (tx *Tx) AuthorityPlans() ([]AuthorityPlan, error) {
	return collect(tx, `SELECT serial, issuer, purpose, tbs, certificate, planned_at FROM authority_plan ORDER BY planned_at, serial`, func(scan func(...any) error) (AuthorityPlan, error) {
		var p AuthorityPlan
		var planned int64
		err := scan(&p.Serial, &p.Issuer, &p.Purpose, &p.TBS, &p.Certificate, &planned)
		p.PlannedAt = fromMicro(planned)
		return p, err
	})
}

// KeepAuthorityList stores the list of an authority whose key is elsewhere, in the place of an earlier one.
func (tx *Tx) KeepAuthorityList(authorityID string, der []byte) error {
	return tx.exec(`INSERT INTO authority_list (authority_id, der, stored_at) VALUES ($1, $2, $3) ON CONFLICT (authority_id) DO UPDATE SET der = excluded.der, stored_at = excluded.stored_at`,
		authorityID, der, micro(tx.now))
}

// AuthorityList returns it, nil if there is none.
func (tx *Tx) AuthorityList(authorityID string) (der []byte, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT der FROM authority_list WHERE authority_id = $1`, authorityID).Scan(&der)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return der, err
}

// ForgetAuthorityList removes it, if there is one: the key is here, and signs lists again.
func (tx *Tx) ForgetAuthorityList(authorityID string) error {
	return tx.exec(`DELETE FROM authority_list WHERE authority_id = $1`, authorityID)
}

// RootKey is the kind of key of the root that a ceremony is to make, empty if none is.
func (tx *Tx) RootKey() (string, error) {
	var kind sql.NullString
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT root_key FROM authority_setting WHERE id = 1`).Scan(&kind)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return kind.String, err
}

// SetRootKey sets it, after [Tx.SetPKIHost].
func (tx *Tx) SetRootKey(kind string) error {
	return tx.hit(`UPDATE authority_setting SET root_key = $1 WHERE id = 1`, nullable(kind))
}
