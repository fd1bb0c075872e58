package state

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// A complete revocation list may name a million certificates, and reading so many lines takes longer than signing them. But
// a revocation is final: a line that has one never changes, it can only be forgotten. So what was revoked is numbered, and
// what a list says of each full range of numbers is kept beside the book, octet by octet, as a block. A list is then its
// blocks, one after the other, and the few lines behind the last.
//
// Nothing depends on a block being there. What is behind the last one, what is in the range of one that was emptied because
// a line of it was forgotten ([Tx.ForgetIssuance], same transaction), and what was revoked without a number, is read from
// the book.

const (
	blockLines = 2048 // in one block, about 100 KiB
	blocksOnce = 4    // in one transaction, so that other writers do not wait for a million
	markOctets = 8 + 1
)

// EncodeRevoked appends an entry to b as it stands in a list, with at most 255 octets.
type EncodeRevoked func(b []byte, r Revoked) ([]byte, error)

// revokedLine is what the book says of one revocation.
type revokedLine struct {
	Revoked
	number int64
	end    time.Time // after it the entry may be left out: of the certificate, or the revocation itself if that was later
}

// eachRevokedLine calls f for revocations from one number to another, in their order.
func (tx *Tx) eachRevokedLine(authorityID string, first, last int64, most int, f func(revokedLine) error) error {
	rows, err := tx.tx.stream(tx.ctx, `SELECT revocation, serial, revoked_at, reason, not_after FROM issuance
		WHERE authority_id = $1 AND revocation >= $2 AND revocation <= $3 ORDER BY revocation LIMIT $4`, authorityID, first, last, most)
	if err != nil {
		return err
	}
	return revokedLines(rows, f)
}

// eachUnnumbered calls f for what was revoked without a number. Nobody does that; and if somebody did, the list said it.
func (tx *Tx) eachUnnumbered(authorityID string, f func(revokedLine) error) error {
	rows, err := tx.tx.stream(tx.ctx, `SELECT 0, serial, revoked_at, coalesce(reason, 0), not_after FROM issuance WHERE authority_id = $1 AND revoked_at IS NOT NULL AND revocation IS NULL`, authorityID)
	if err != nil {
		return err
	}
	return revokedLines(rows, f)
}

func revokedLines(rows *sql.Rows, f func(revokedLine) error) error {
	defer rows.Close()
	for rows.Next() {
		var l revokedLine
		var at, end int64
		if err := rows.Scan(&l.number, &l.Serial, &at, &l.Reason, &end); err != nil {
			return err
		}
		l.RevokedAt, l.end = fromMicro(at), fromMicro(max(at, end))
		if err := f(l); err != nil {
			return err
		}
	}
	return rows.Err()
}

// revokedBlock is a range of revocations, and what a list says of them.
type revokedBlock struct {
	first, last         int64
	endsFirst, endsLast int64
	octets              int
	lines               int
	marks, entries      []byte
}

// add appends a line.
func (b *revokedBlock) add(l revokedLine, encode EncodeRevoked) (err error) {
	before := len(b.entries)
	if b.entries, err = encode(b.entries, l.Revoked); err != nil {
		return err
	}
	n, end := len(b.entries)-before, micro(l.end)
	if n < 1 || n > math.MaxUint8 {
		return fmt.Errorf("the entry of certificate %s has %d octets", l.Serial, n)
	}
	if b.lines == 0 {
		b.endsFirst, b.endsLast = end, end
	}
	b.endsFirst, b.endsLast = min(b.endsFirst, end), max(b.endsLast, end)
	b.marks = append(binary.BigEndian.AppendUint64(b.marks, uint64(end)), byte(n))
	b.octets, b.last = len(b.entries), l.number
	b.lines++
	return nil
}

// wanted calls f for each run of octets whose entries are still said at a moment, as places in the entries.
func wanted(marks []byte, from int64, f func(begin, end int)) {
	begin, place := -1, 0
	for ; len(marks) >= markOctets; marks = marks[markOctets:] {
		said := int64(binary.BigEndian.Uint64(marks)) >= from
		if said && begin < 0 {
			begin = place
		}
		if !said && begin >= 0 {
			f(begin, place)
			begin = -1
		}
		place += int(marks[8])
	}
	if begin >= 0 {
		f(begin, place)
	}
}

// Unblocked says whether [Tx.BlockRevoked] has something to do.
func (tx *Tx) Unblocked(authorityID string) (bool, error) {
	var empty, behind int
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM (SELECT 1 FROM revocation_block WHERE authority_id = $1 AND entries IS NULL LIMIT 1) AS e`, authorityID).Scan(&empty)
	if err != nil || empty > 0 {
		return empty > 0, err
	}
	last, err := tx.lastBlocked(authorityID)
	if err != nil {
		return false, err
	}
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM (SELECT 1 FROM issuance WHERE authority_id = $1 AND revocation > $2 LIMIT $3) AS b`, authorityID, last, blockLines).Scan(&behind)
	return behind == blockLines, err
}

// BlockRevoked makes blocks of what was revoked, some in one transaction, and fills those again of which lines were
// forgotten. It says whether there are more to make. Doing it twice changes nothing.
func (tx *Tx) BlockRevoked(authorityID string, encode EncodeRevoked) (more bool, err error) {
	return tx.blockRevoked(authorityID, blockLines, encode)
}

func (tx *Tx) blockRevoked(authorityID string, lines int, encode EncodeRevoked) (more bool, err error) {
	made := 0
	empty, err := collect(tx, `SELECT first_number, last_number FROM revocation_block WHERE authority_id = $1 AND entries IS NULL ORDER BY last_number LIMIT $2`, func(scan func(...any) error) (b revokedBlock, err error) {
		return b, scan(&b.first, &b.last)
	}, authorityID, blocksOnce)
	if err != nil {
		return false, err
	}
	for _, e := range empty {
		if err := tx.fillBlock(authorityID, e, encode); err != nil {
			return false, err
		}
		made++
	}
	last, err := tx.lastBlocked(authorityID)
	if err != nil {
		return false, err
	}
	for ; made < blocksOnce; made++ {
		b := revokedBlock{first: last + 1}
		if err := tx.eachRevokedLine(authorityID, b.first, math.MaxInt64, lines, func(l revokedLine) error { return b.add(l, encode) }); err != nil {
			return false, err
		}
		if b.lines < lines {
			return false, nil
		}
		if err := tx.exec(`INSERT INTO revocation_block (authority_id, first_number, last_number, ends_first, ends_last, octets, marks, entries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			authorityID, b.first, b.last, b.endsFirst, b.endsLast, b.octets, b.marks, b.entries); err != nil {
			return false, err
		}
		last = b.last
	}
	return true, nil
}

// fillBlock fills one of which lines were forgotten; if all of them were, it goes.
func (tx *Tx) fillBlock(authorityID string, e revokedBlock, encode EncodeRevoked) error {
	b := revokedBlock{first: e.first}
	if err := tx.eachRevokedLine(authorityID, e.first, e.last, math.MaxInt, func(l revokedLine) error { return b.add(l, encode) }); err != nil {
		return err
	}
	if b.lines == 0 {
		return tx.hit(`DELETE FROM revocation_block WHERE authority_id = $1 AND last_number = $2`, authorityID, e.last)
	}
	return tx.hit(`UPDATE revocation_block SET ends_first = $3, ends_last = $4, octets = $5, marks = $6, entries = $7 WHERE authority_id = $1 AND last_number = $2`,
		authorityID, e.last, b.endsFirst, b.endsLast, b.octets, b.marks, b.entries)
}

// lastBlocked is the number that blocks reach to.
func (tx *Tx) lastBlocked(authorityID string) (last int64, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT coalesce(max(last_number), 0) FROM revocation_block WHERE authority_id = $1`, authorityID).Scan(&last)
	return last, err
}

// emptyBlock empties the block that a forgotten line stood in.
func (tx *Tx) emptyBlock(authorityID string, number int64) error {
	return tx.exec(`UPDATE revocation_block SET octets = 0, marks = NULL, entries = NULL WHERE authority_id = $1 AND first_number <= $2 AND last_number >= $2`, authorityID, number)
}

// EncodedRevoked is what a complete list of an authority says, encoded: the same entries that [Tx.EachRevoked] calls for
// shard 0, in the order of their revocation. It holds as long as its transaction.
type EncodedRevoked struct {
	tx          *Tx
	authorityID string
	from        int64
	fresh       []byte // what no block has
	octets      int
}

// EncodedRevoked counts what the complete list says; from is that of [Tx.EachRevoked].
func (tx *Tx) EncodedRevoked(authorityID string, from time.Time, encode EncodeRevoked) (*EncodedRevoked, error) {
	e := &EncodedRevoked{tx: tx, authorityID: authorityID, from: micro(from)}
	var ranges []revokedBlock // to be read from the book
	last := int64(0)
	err := e.each(`first_number, last_number, ends_first, octets, CASE WHEN ends_first < $2 THEN marks END, entries IS NULL`, func(rows *sql.Rows) error {
		var b revokedBlock
		var marks sql.RawBytes
		var empty bool
		if err := rows.Scan(&b.first, &b.last, &b.endsFirst, &b.octets, &marks, &empty); err != nil {
			return err
		}
		switch {
		case empty:
			ranges = append(ranges, b)
		case b.endsFirst >= e.from:
			e.octets += b.octets
		default:
			wanted(marks, e.from, func(begin, end int) { e.octets += end - begin })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if last, err = tx.lastBlocked(authorityID); err != nil {
		return nil, err
	}
	add := func(l revokedLine) (err error) {
		if micro(l.end) >= e.from {
			e.fresh, err = encode(e.fresh, l.Revoked)
		}
		return err
	}
	for _, r := range append(ranges, revokedBlock{first: last + 1, last: math.MaxInt64}) {
		if err := tx.eachRevokedLine(authorityID, r.first, r.last, math.MaxInt, add); err != nil {
			return nil, err
		}
	}
	if err := tx.eachUnnumbered(authorityID, add); err != nil {
		return nil, err
	}
	e.octets += len(e.fresh)
	return e, nil
}

// Octets is how many octets [EncodedRevoked.All] yields.
func (e *EncodedRevoked) Octets() int { return e.octets }

// All yields the entries, many at once. What it yields holds until it goes on.
func (e *EncodedRevoked) All(yield func([]byte, error) bool) {
	err := e.each(`CASE WHEN ends_first < $2 THEN marks END, entries`, func(rows *sql.Rows) error {
		var marks, entries sql.RawBytes
		if err := rows.Scan(&marks, &entries); err != nil {
			return err
		}
		if marks == nil {
			if len(entries) > 0 && !yield(entries, nil) {
				return errEnough
			}
			return nil
		}
		enough := false
		wanted(marks, e.from, func(begin, end int) {
			end = min(end, len(entries)) // a block that is damaged is too short, which the reader counts
			enough = enough || begin < end && !yield(entries[begin:end], nil)
		})
		if enough {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || err == nil && len(e.fresh) > 0 && !yield(e.fresh, nil) {
		return
	}
	if err != nil {
		yield(nil, err)
	}
}

// errEnough ends a walk whose caller wants no more.
var errEnough = errors.New("enough")

// each calls f with columns of the blocks that a list still says something of.
func (e *EncodedRevoked) each(columns string, f func(*sql.Rows) error) error {
	rows, err := e.tx.tx.stream(e.tx.ctx, `SELECT `+columns+` FROM revocation_block WHERE authority_id = $1 AND ends_last >= $2 ORDER BY last_number`, e.authorityID, e.from)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
