package state

import (
	"database/sql"
	"errors"
	"time"
)

// Shard is a revocation list of an authority: what its certificates say where to look. Number 0 is the complete list.
type Shard struct {
	AuthorityID string
	Number      int64
	Issued      int64
	Closed      bool
	EndsAt      time.Time // when the last of its certificates ends; zero: it has none
	CRLNumber   string    // of the last list, decimal; empty: there was none
	Dirty       bool      // something was revoked that the last list does not say
	ThisUpdate  time.Time // of the last list; zero: there was none
	NextUpdate  time.Time
}

// OpenShard returns the shard that new certificates of an authority belong to. After most certificates it is closed and
// the next begins.
func (tx *Tx) OpenShard(authorityID string, most int64) (int64, error) {
	var number, issued int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT number, issued FROM revocation_shard WHERE authority_id = $1 AND NOT closed AND number > 0 ORDER BY number DESC LIMIT 1`, authorityID).Scan(&number, &issued)
	switch {
	case err == nil && issued < most:
		return number, nil
	case err == nil:
		if err := tx.hit(`UPDATE revocation_shard SET closed = TRUE WHERE authority_id = $1 AND number = $2`, authorityID, number); err != nil {
			return 0, err
		}
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	}
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT coalesce(max(number), 0) + 1 FROM revocation_shard WHERE authority_id = $1`, authorityID).Scan(&number); err != nil {
		return 0, err
	}
	return number, tx.AddShard(authorityID, number)
}

// CurrentShard says which shard the next certificate of an authority belongs to, and writes nothing: its address stands in
// the certificate before anything is planned. [Tx.UseShard] begins it.
func (tx *Tx) CurrentShard(authorityID string, most int64) (int64, error) {
	var number, issued int64
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT number, issued FROM revocation_shard WHERE authority_id = $1 AND number > 0 ORDER BY number DESC LIMIT 1`, authorityID).Scan(&number, &issued)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, nil
	}
	if err == nil && issued >= most {
		number++
	}
	return number, err
}

// UseShard begins a shard if it is new, and then closes those before it.
func (tx *Tx) UseShard(authorityID string, number int64) error {
	var there int
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT 1 FROM revocation_shard WHERE authority_id = $1 AND number = $2`, authorityID, number).Scan(&there)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := tx.exec(`UPDATE revocation_shard SET closed = TRUE WHERE authority_id = $1 AND number > 0`, authorityID); err != nil {
		return err
	}
	return tx.AddShard(authorityID, number)
}

// AddShard begins a list.
func (tx *Tx) AddShard(authorityID string, number int64) error {
	return tx.exec(`INSERT INTO revocation_shard (authority_id, number, issued, closed, ends_at, crl_number, dirty) VALUES ($1, $2, 0, FALSE, 0, '', TRUE)`, authorityID, number)
}

// Published writes down that a list was signed.
func (tx *Tx) Published(s Shard) error {
	return tx.hit(`UPDATE revocation_shard SET crl_number = $3, dirty = FALSE, this_update = $4, next_update = $5 WHERE authority_id = $1 AND number = $2`,
		s.AuthorityID, s.Number, s.CRLNumber, micro(s.ThisUpdate), micro(s.NextUpdate))
}

// RetireShards forgets the closed shards whose last certificate ended before a time: nobody asks for them any more.
func (tx *Tx) RetireShards(before time.Time) error {
	return tx.exec(`DELETE FROM revocation_shard WHERE closed AND number > 0 AND ends_at < $1`, micro(before))
}

// Shards returns all lists of all authorities, in the order of authority and number.
func (tx *Tx) Shards() ([]Shard, error) {
	return collect(tx, `SELECT authority_id, number, issued, closed, ends_at, crl_number, dirty, this_update, next_update FROM revocation_shard ORDER BY authority_id, number`, func(scan func(...any) error) (Shard, error) {
		var s Shard
		var ends int64
		var this, next sql.NullInt64
		err := scan(&s.AuthorityID, &s.Number, &s.Issued, &s.Closed, &ends, &s.CRLNumber, &s.Dirty, &this, &next)
		for _, t := range []struct {
			n  sql.NullInt64
			to *time.Time
		}{{sql.NullInt64{Int64: ends, Valid: ends > 0}, &s.EndsAt}, {this, &s.ThisUpdate}, {next, &s.NextUpdate}} {
			if t.n.Valid {
				*t.to = fromMicro(t.n.Int64)
			}
		}
		return s, err
	})
}
