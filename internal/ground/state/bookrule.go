package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// BookRule says how many days a line stays after the end of its certificate; 0 is for ever.
func (tx *Tx) BookRule() (days int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT keep_days FROM book_rule WHERE id = 1`).Scan(&days)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return days, err
}

// SetBookRule sets it.
func (tx *Tx) SetBookRule(days int) error {
	return tx.exec(`INSERT INTO book_rule (id, keep_days) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET keep_days = excluded.keep_days`, days)
}

// said is true for a line that no revocation list must still say: RFC 5280 section 3.3, an entry stays until it was on a
// list after the certificate's end. Number 0 is the complete list; a shard that is gone has retired. A line whose key is
// kept for a person ([PersonKeyID]) stays too: old letters are read with it long after.
const said = `NOT EXISTS (SELECT 1 FROM secret k WHERE k.id = 'person-' || i.serial) AND (i.revoked_at IS NULL OR NOT EXISTS (SELECT 1 FROM revocation_shard s WHERE s.authority_id = i.authority_id AND s.number IN (0, i.shard)
	AND (s.this_update IS NULL OR s.this_update <= i.not_after OR s.this_update <= i.revoked_at)))`

// EndedIssuance is a line that may be forgotten.
type EndedIssuance struct {
	Serial   string
	NotAfter time.Time
}

// EndedIssuances returns lines of a profile whose certificates ended before a time and which no list must still say, in
// the order of their ends, behind a place.
func (tx *Tx) EndedIssuances(profile string, before time.Time, after EndedIssuance, limit int) ([]EndedIssuance, error) {
	return collect(tx, `SELECT i.serial, i.not_after FROM issuance i WHERE i.profile = $1 AND i.not_after < $2 AND i.not_after >= $3 AND (i.not_after > $3 OR i.serial > $4) AND `+said+` ORDER BY i.not_after, i.serial LIMIT $5`,
		func(scan func(...any) error) (e EndedIssuance, err error) {
			var end int64
			err = scan(&e.Serial, &end)
			e.NotAfter = fromMicro(end)
			return e, err
		}, profile, micro(before), endOf(after), after.Serial, limit)
}

func endOf(e EndedIssuance) int64 {
	if e.Serial == "" {
		return 0
	}
	return micro(e.NotAfter)
}

// UnsaidLists returns the lists that must be signed once more before lines that ended before a time can be forgotten, each
// as its authority's id and number.
func (tx *Tx) UnsaidLists(before time.Time) ([]Shard, error) {
	return collect(tx, `SELECT DISTINCT s.authority_id, s.number FROM issuance i JOIN revocation_shard s ON s.authority_id = i.authority_id AND s.number IN (0, i.shard)
		WHERE i.revoked_at IS NOT NULL AND i.not_after < $1 AND (s.this_update IS NULL OR s.this_update <= i.not_after OR s.this_update <= i.revoked_at) ORDER BY 1, 2`, func(scan func(...any) error) (s Shard, err error) {
		return s, scan(&s.AuthorityID, &s.Number)
	}, micro(before))
}

// ForgetIssuance deletes a line with its names. One that a list must still say is refused with [ErrNotFound], as if it
// were not there to be forgotten.
func (tx *Tx) ForgetIssuance(serial string, before time.Time) error {
	var authority string
	var revocation sql.NullInt64
	err := tx.tx.QueryRowContext(tx.ctx, `DELETE FROM issuance AS i WHERE i.serial = $1 AND i.not_after < $2 AND `+said+` RETURNING authority_id, revocation`, serial, micro(before)).Scan(&authority, &revocation)
	if err == nil && revocation.Valid {
		err = tx.emptyBlock(authority, revocation.Int64)
	}
	if err == nil {
		err = tx.HaveRead(Unread{LintIssued, serial})
	}
	if err != nil {
		return fmt.Errorf("forgetting certificate %s: %w", serial, notFound(err))
	}
	return nil
}

// BookProfiles returns the profiles that lines have.
func (tx *Tx) BookProfiles() ([]string, error) {
	return collect(tx, `SELECT DISTINCT profile FROM issuance ORDER BY profile`, func(scan func(...any) error) (p string, err error) { return p, scan(&p) })
}
