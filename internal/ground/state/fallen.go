package state

import (
	"errors"
	"fmt"
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

// RevokeAuthority makes an authority one that issues nothing any more, and revokes everything of it that counts. It says how
// many that were. What the list of the one above says is for [Tx.AddAuthorityRevocation].
func (tx *Tx) RevokeAuthority(id string, reason int) (int64, error) {
	if err := tx.hit(`UPDATE authority SET state = $2, request = NULL WHERE id = $1 AND state <> 'pending'`, id, AuthorityRevoked); err != nil {
		return 0, fmt.Errorf("revoking authority %s: %w", id, err)
	}
	before, err := tx.Revocations()
	if err != nil {
		return 0, err
	}
	result, err := tx.tx.ExecContext(tx.ctx, `UPDATE issuance SET revoked_at = $2, reason = $3, revocation = $4 + o.n
		FROM (SELECT serial, row_number() OVER (ORDER BY planned_at, serial) AS n FROM issuance WHERE authority_id = $1 AND revoked_at IS NULL AND not_after >= $2) AS o
		WHERE o.serial = issuance.serial`, id, micro(tx.now), reason, before)
	if err != nil {
		return 0, fmt.Errorf("revoking what authority %s has issued: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	if err := tx.exec(`UPDATE revocation_shard SET dirty = TRUE WHERE authority_id = $1`, id); err != nil {
		return 0, err
	}
	return n, tx.hit(`UPDATE change_sequence SET seq = seq + $2 WHERE id = $1`, revocationSequence, max(n, 1))
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
	return collect(tx, `SELECT r.serial, r.revoked_at, r.reason, a.name FROM authority_revocation r JOIN authority a ON a.id = r.authority_id WHERE r.issuer_id = $1 ORDER BY r.serial`, func(scan func(...any) error) (f FallenCertificate, err error) {
		var at int64
		err = scan(&f.Serial, &at, &f.Reason, &f.Name)
		f.RevokedAt = fromMicro(at)
		return f, err
	}, issuerID)
}
