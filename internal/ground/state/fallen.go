package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrAuthorityRevoked: the authority was taken back by the one above it, and issues nothing any more.
var ErrAuthorityRevoked = errors.New("the authority is revoked")

// AuthorityCertificates returns every certificate that an authority has had, the oldest first: extending makes another with
// the same key.
func (tx *Tx) AuthorityCertificates(id string) ([][]byte, error) {
	return collect(tx, `SELECT certificate FROM authority_certificate WHERE authority_id = $1 ORDER BY created_at, sha256`, func(scan func(...any) error) (der []byte, err error) {
		return der, scan(&der)
	}, id)
}

// CountIssued says how many certificates of an authority have neither ended nor been revoked, planned ones included.
func (tx *Tx) CountIssued(authorityID string) (n int64, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM issuance WHERE authority_id = $1 AND revoked_at IS NULL AND not_after >= $2`, authorityID, micro(tx.now)).Scan(&n)
	return n, err
}

// RevokeAuthority makes an authority one that issues nothing any more, and writes down that everything of it that counts is
// to be revoked, for which reason: [Tx.RevokeBelow] does it, a part at a time, because a million lines in one transaction
// would keep every other writer waiting for half a minute. What the list of the one above says is for
// [Tx.AddAuthorityRevocation].
func (tx *Tx) RevokeAuthority(id string, reason int) error {
	if err := tx.hit(`UPDATE authority SET state = $2, request = NULL WHERE id = $1 AND state <> 'pending'`, id, AuthorityRevoked); err != nil {
		return fmt.Errorf("revoking authority %s: %w", id, err)
	}
	// The wish stands in the table of what was revoked, as if the authority had taken itself back: its serial is none.
	if err := tx.exec(`INSERT INTO authority_revocation (issuer_id, serial, authority_id, revoked_at, reason) VALUES ($1, '', $1, $2, $3)`, id, micro(tx.now), reason); err != nil {
		return fmt.Errorf("revoking authority %s: %w", id, err)
	}
	return nil
}

// Falling is an authority that was revoked, and of which not everything is yet.
type Falling struct {
	AuthorityID string
	Name        string
	At          time.Time // of its revocation: what had ended before is left as it is
	Reason      int
}

// FallingAuthorities returns those of which [Tx.RevokeBelow] may have something left to revoke.
func (tx *Tx) FallingAuthorities() ([]Falling, error) {
	return collect(tx, `SELECT r.authority_id, a.name, r.revoked_at, r.reason FROM authority_revocation r JOIN authority a ON a.id = r.authority_id WHERE r.issuer_id = r.authority_id ORDER BY a.name`, func(scan func(...any) error) (f Falling, err error) {
		var at int64
		err = scan(&f.AuthorityID, &f.Name, &at, &f.Reason)
		f.At = fromMicro(at)
		return f, err
	})
}

const fallingLines = ` FROM issuance WHERE authority_id = $1 AND planned_at >= $2 AND revoked_at IS NULL AND not_after >= $3`

// NextBelow says when the first line after a moment was planned that is still to be revoked below a falling authority; the
// zero time if there is none. Nothing is planned below a revoked authority, so what was passed needs no second look. It is
// for a reader: the first search after a crash goes over what was revoked before.
func (tx *Tx) NextBelow(f Falling, after time.Time) (time.Time, error) {
	var at sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT min(planned_at) FROM (SELECT planned_at`+fallingLines+` ORDER BY planned_at LIMIT 1) AS first`, f.AuthorityID, micro(after), micro(f.At)).Scan(&at)
	if err != nil || !at.Valid {
		return time.Time{}, err
	}
	return fromMicro(at.Int64), nil
}

// RevokeBelow revokes at most so many lines of a falling authority, the oldest after a moment first, and says how many it
// were. Doing it twice revokes the next ones.
func (tx *Tx) RevokeBelow(f Falling, after time.Time, most int) (int64, error) {
	before, err := tx.Revocations()
	if err != nil {
		return 0, err
	}
	result, err := tx.tx.ExecContext(tx.ctx, `UPDATE issuance SET revoked_at = $4, reason = $5, revocation = $6 + o.n
		FROM (SELECT serial, row_number() OVER (ORDER BY planned_at, serial) AS n FROM (SELECT serial, planned_at`+fallingLines+` ORDER BY planned_at LIMIT $7) AS p) AS o
		WHERE o.serial = issuance.serial`, f.AuthorityID, micro(after), micro(f.At), micro(tx.now), f.Reason, before, most)
	if err != nil {
		return 0, fmt.Errorf("revoking what authority %s has issued: %w", f.Name, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	// Only the lists that name them are signed again: there may be hundreds.
	if err := tx.exec(`UPDATE revocation_shard SET dirty = TRUE WHERE authority_id = $1 AND (number = 0 OR number IN (SELECT shard FROM issuance WHERE authority_id = $1 AND revocation > $2))`, f.AuthorityID, before); err != nil {
		return 0, err
	}
	return n, tx.hit(`UPDATE change_sequence SET seq = seq + $2 WHERE id = $1`, revocationSequence, n)
}

// Fallen strikes out the wish: everything below the authority is revoked. It fails with [ErrNotFound] if somebody else has.
func (tx *Tx) Fallen(authorityID string) error {
	return tx.hit(`DELETE FROM authority_revocation WHERE issuer_id = $1 AND serial = ''`, authorityID)
}

// AddAuthorityRevocation has the list of an issuer name the certificate of an authority. One that is named stays as it is.
func (tx *Tx) AddAuthorityRevocation(issuerID, serial, authorityID string, reason int) error {
	if err := tx.exec(`INSERT INTO authority_revocation (issuer_id, serial, authority_id, revoked_at, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		issuerID, serial, authorityID, micro(tx.now), reason); err != nil {
		return fmt.Errorf("revoking the certificate %s of authority %s: %w", serial, authorityID, err)
	}
	return tx.hit(`UPDATE revocation_shard SET dirty = TRUE WHERE authority_id = $1 AND number = 0`, issuerID)
}

// FallenCertificate is a certificate of an authority that the one above has taken back.
type FallenCertificate struct {
	Revoked
	Name string // of the authority
}

// AuthorityRevocations returns what the list of an issuer names of authorities, in the order of the serials.
func (tx *Tx) AuthorityRevocations(issuerID string) ([]FallenCertificate, error) {
	return collect(tx, `SELECT r.serial, r.revoked_at, r.reason, a.name FROM authority_revocation r JOIN authority a ON a.id = r.authority_id WHERE r.issuer_id = $1 AND r.authority_id <> $1 ORDER BY r.serial`, func(scan func(...any) error) (f FallenCertificate, err error) {
		var at int64
		err = scan(&f.Serial, &at, &f.Reason, &f.Name)
		f.RevokedAt = fromMicro(at)
		return f, err
	}, issuerID)
}
