package state

import (
	"database/sql"
	"errors"
	"fmt"
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

// ErrShardFull: another took the last place of a shard. Whoever gets it draws up the certificate anew, for the next one.
var ErrShardFull = errors.New("the revocation list has as many certificates as it may")

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

// UseShard makes sure, in the transaction that plans a certificate, that the shard it names still has room: most is how many
// certificates share a list. A new one begins, and those before it are closed. One that is full or closed is
// [ErrShardFull]: between [Tx.CurrentShard] and this, others may have come first.
func (tx *Tx) UseShard(authorityID string, number, most int64) error {
	var issued int64
	var closed bool
	var of string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT s.issued, s.closed, a.state FROM revocation_shard s JOIN authority a ON a.id = s.authority_id WHERE s.authority_id = $1 AND s.number = $2`, authorityID, number).Scan(&issued, &closed, &of)
	switch {
	case err == nil && of == AuthorityRevoked: // since whoever asks has looked
		return fmt.Errorf("shard %d: %w", number, ErrAuthorityRevoked)
	case err == nil && (closed || issued >= most):
		return fmt.Errorf("shard %d: %w", number, ErrShardFull)
	case err == nil:
		return nil
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT state FROM authority WHERE id = $1`, authorityID).Scan(&of); err != nil {
		return notFound(err)
	}
	if of == AuthorityRevoked {
		return fmt.Errorf("shard %d: %w", number, ErrAuthorityRevoked)
	}
	// One that retired is gone from the table, and must not begin again: its address stands in old certificates.
	var last int64
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT coalesce(max(number), 0) FROM revocation_shard WHERE authority_id = $1`, authorityID).Scan(&last); err != nil {
		return err
	}
	if number <= last {
		return fmt.Errorf("shard %d: %w", number, ErrShardFull)
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

// Publishing writes down, before a list is read and signed, which number it will have and for how long it holds. What is
// revoked from then on makes the shard dirty again, whether the list says it or not: the next one says it at the latest.
// A number whose list was never written is never used again.
func (tx *Tx) Publishing(s Shard) error {
	if err := tx.hit(`UPDATE revocation_shard SET crl_number = $3, dirty = FALSE, this_update = $4, next_update = $5 WHERE authority_id = $1 AND number = $2`,
		s.AuthorityID, s.Number, s.CRLNumber, micro(s.ThisUpdate), micro(s.NextUpdate)); err != nil {
		return err
	}
	if err := tx.dropUnreadLists(s); err != nil {
		return err
	}
	return tx.toRead(LintList, ListID(s.AuthorityID, s.Number, s.CRLNumber))
}

// RetireShards forgets the closed shards whose last certificate ended before a time, and whose list was signed after that
// end and holds no more, and says which: nobody asks for them any more, and what was revoked was said (RFC 5280 section 3.3).
func (tx *Tx) RetireShards(before time.Time) ([]Shard, error) {
	const retired = ` FROM revocation_shard WHERE closed AND number > 0 AND ends_at < $1 AND NOT dirty AND this_update > ends_at AND next_update < $2`
	gone, err := collect(tx, `SELECT `+shardColumns+retired, scanShard, micro(before), micro(tx.now))
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	for _, s := range gone {
		if err := tx.dropUnreadLists(s); err != nil {
			return nil, err
		}
	}
	return gone, tx.exec(`DELETE`+retired, micro(before), micro(tx.now))
}

// Shard returns one list, or fails with [ErrNotFound].
func (tx *Tx) Shard(authorityID string, number int64) (Shard, error) {
	s, err := scanShard(tx.tx.QueryRowContext(tx.ctx, `SELECT `+shardColumns+` FROM revocation_shard WHERE authority_id = $1 AND number = $2`, authorityID, number).Scan)
	if err != nil {
		return s, fmt.Errorf("reading revocation list %d: %w", number, notFound(err))
	}
	return s, nil
}

const shardColumns = `authority_id, number, issued, closed, ends_at, crl_number, dirty, this_update, next_update`

// Shards returns all lists of all authorities, in the order of authority and number.
func (tx *Tx) Shards() ([]Shard, error) {
	return collect(tx, `SELECT `+shardColumns+` FROM revocation_shard ORDER BY authority_id, number`, scanShard)
}

func scanShard(scan func(...any) error) (Shard, error) {
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
}

// ShardName names a list.
type ShardName struct {
	AuthorityID string
	Number      int64
}

// RevokedInShards counts the revoked certificates of each list, ended ones too; number 0 has all of its authority.
func (tx *Tx) RevokedInShards() (map[ShardName]int64, error) {
	type row struct {
		name ShardName
		n    int64
	}
	rows, err := collect(tx, `SELECT authority_id, shard, count(*) FROM issuance WHERE revoked_at IS NOT NULL GROUP BY authority_id, shard`, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.name.AuthorityID, &r.name.Number, &r.n)
	})
	if err != nil {
		return nil, fmt.Errorf("counting revoked certificates: %w", err)
	}
	all := make(map[ShardName]int64)
	for _, r := range rows {
		all[r.name] += r.n
		if r.name.Number != 0 {
			all[ShardName{AuthorityID: r.name.AuthorityID}] += r.n
		}
	}
	return all, nil
}
