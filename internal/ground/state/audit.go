package state

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/audit"
)

// AuditRow is one row of the audit trail.
type AuditRow = audit.Row

// ActFor says which server this transaction acts for: its audit rows go into that server's chain.
func (tx *Tx) ActFor(serverID string) { tx.server = serverID }

// Audit writes down what is being changed: the act ("enable"), the object, and what it was before and
// is after, as JSON; nil for nothing. The row gets the hash that chains it to the one before (package audit),
// read in this transaction, so that rows that are written and taken back in savepoints leave no gap.
func (tx *Tx) Audit(act, object string, before, after any) error {
	if tx.server == "" {
		return errNoServer
	}
	r := AuditRow{At: tx.now, Who: tx.actor.Who, From: tx.actor.From, Act: act, Object: object}
	for _, v := range []struct {
		value any
		text  *string
	}{{before, &r.Before}, {after, &r.After}} {
		if v.value != nil {
			b, err := json.Marshal(v.value)
			if err != nil {
				return fmt.Errorf("writing the audit row of %s: %w", act, err)
			}
			*v.text = string(b)
		}
	}
	if err := tx.chain(r); err != nil {
		return fmt.Errorf("writing the audit row of %s: %w", act, err)
	}
	tx.audited++
	return nil
}

// chain appends a row.
func (tx *Tx) chain(r AuditRow) error {
	number, previous, err := tx.chainEnd()
	if err != nil {
		return err
	}
	if number > 0 && previous == nil {
		if number, previous, err = tx.chainOld(number); err != nil {
			return err
		}
	}
	r.Number = number + 1
	hash := audit.Hash(previous, tx.server, r)
	if err := tx.addAudit(r, hash); err != nil {
		return err
	}
	if tx.end != nil {
		*tx.end = chainEnd{tx.server, r.Number, hash}
	}
	return nil
}

// chainEnd is the last row that a transaction has written, so that the next need not be read back from the database.
type chainEnd struct {
	server string // empty: it has written none
	number int64
	hash   []byte
}

// chainEnd is what the next row follows.
func (tx *Tx) chainEnd() (int64, []byte, error) {
	if tx.end != nil && tx.end.server == tx.server {
		return tx.end.number, tx.end.hash, nil
	}
	return tx.LastAudit(tx.server)
}

func (tx *Tx) addAudit(r AuditRow, hash []byte) error {
	return tx.exec(`INSERT INTO audit (server_id, number, at, who, origin, act, object, before, after, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.server, r.Number, micro(r.At), r.Who, r.From, r.Act, r.Object, r.Before, r.After, hash)
}

// AuditBegins is the act of the row that says which rows are older than the chain.
const AuditBegins = "audit-begins"

// chainOld chains the rows that an older release has written without hashes, and writes one more row that
// says so: before it, nothing would have shown a change. If some have hashes, somebody has taken one away: then
// nothing is mended, and audit verify will find it.
func (tx *Tx) chainOld(last int64) (int64, []byte, error) {
	chained, err := tx.AuditChained(tx.server)
	if err != nil || chained {
		return last, nil, err
	}
	previous := audit.Begin(tx.server)
	for from := int64(0); from < last; {
		rows, err := collect(tx, `SELECT number, at, who, origin, act, object, before, after FROM audit
			WHERE server_id = $1 AND number > $2 ORDER BY number LIMIT 1000`, scanAudit, tx.server, from)
		if err != nil {
			return 0, nil, err
		}
		for _, r := range rows {
			previous, from = audit.Hash(previous, tx.server, r), r.Number
			if err := tx.exec(`UPDATE audit SET hash = $3 WHERE server_id = $1 AND number = $2`, tx.server, r.Number, previous); err != nil {
				return 0, nil, err
			}
		}
	}
	after, err := json.Marshal(map[string]any{"rows": last, "hash": hex.EncodeToString(previous)})
	if err != nil {
		return 0, nil, err
	}
	r := AuditRow{Number: last + 1, At: tx.now, Who: "postseal", From: "migration", Act: AuditBegins, Object: fmt.Sprintf("rows 1 to %d", last), After: string(after)}
	hash := audit.Hash(previous, tx.server, r)
	return r.Number, hash, tx.addAudit(r, hash)
}

// AuditChained reports whether any row of a server has a hash. Rows of a release without the chain have none until the
// next row is written.
func (tx *Tx) AuditChained(serverID string) (chained bool, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT EXISTS (SELECT 1 FROM audit WHERE server_id = $1 AND hash IS NOT NULL)`, serverID).Scan(&chained)
	return chained, err
}

// LastAudit returns the number and the hash of a server's last row: 0 and what the first row follows when
// there is none; a nil hash for a row without one.
func (tx *Tx) LastAudit(serverID string) (int64, []byte, error) {
	var number int64
	var hash []byte
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT number, hash FROM audit WHERE server_id = $1 ORDER BY number DESC LIMIT 1`, serverID).Scan(&number, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, audit.Begin(serverID), nil
	}
	return number, hash, err
}

// AuditHash returns the hash of one row, or [ErrNotFound].
func (tx *Tx) AuditHash(serverID string, number int64) ([]byte, error) {
	var hash []byte
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT hash FROM audit WHERE server_id = $1 AND number = $2`, serverID, number).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return hash, err
}

// EachAudit calls f with each row of a server from a number on, and its hash, in their order. f must not use
// the transaction.
func (tx *Tx) EachAudit(serverID string, from int64, f func(AuditRow, []byte)) error {
	rows, err := tx.tx.stream(tx.ctx, `SELECT number, at, who, origin, act, object, before, after, hash FROM audit
		WHERE server_id = $1 AND number >= $2 ORDER BY number`, serverID, from)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var hash []byte
		r, err := scanAudit(func(into ...any) error { return rows.Scan(append(into, &hash)...) })
		if err != nil {
			return err
		}
		f(r, hash)
	}
	return rows.Err()
}

// AuditServers returns every server that has rows.
func (tx *Tx) AuditServers() ([]string, error) {
	return collect(tx, `SELECT DISTINCT server_id FROM audit ORDER BY server_id`, func(scan func(...any) error) (string, error) {
		var id string
		return id, scan(&id)
	})
}

// AuditHead returns the signed head of a server that was stored last, as it was stored, or [ErrNotFound].
func (tx *Tx) AuditHead(serverID string) ([]byte, error) {
	var head []byte
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT head FROM audit_head WHERE server_id = $1`, serverID).Scan(&head)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return head, err
}

// SetAuditHead stores the signed head of a server.
func (tx *Tx) SetAuditHead(serverID string, head []byte) error {
	if err := tx.exec(`INSERT INTO audit_head (server_id, head) VALUES ($1, $2) ON CONFLICT (server_id) DO UPDATE SET head = excluded.head`, serverID, head); err != nil {
		return fmt.Errorf("storing the head of the audit trail: %w", err)
	}
	return nil
}

// AuditFilter chooses rows of a trail; the zero value is all of them.
type AuditFilter struct {
	Objects []string // any of these; nil for any
	Who     string   // exactly; empty for anybody
	Since   time.Time
	Before  int64 // only numbers below it; 0 for any
}

// AuditRows returns the last rows of a server's trail, newest first.
func (tx *Tx) AuditRows(serverID string, limit int) ([]AuditRow, error) {
	return tx.AuditTrail(serverID, AuditFilter{}, limit)
}

// AuditTrail returns the last of the rows that a filter chooses, newest first.
func (tx *Tx) AuditTrail(serverID string, f AuditFilter, limit int) ([]AuditRow, error) {
	query, args := `SELECT number, at, who, origin, act, object, before, after FROM audit WHERE server_id = $1`, []any{serverID}
	also := func(condition string, value any) {
		args = append(args, value)
		query += fmt.Sprintf(condition, fmt.Sprintf("$%d", len(args)))
	}
	if len(f.Objects) > 0 {
		var places []string
		for _, o := range f.Objects {
			args = append(args, o)
			places = append(places, fmt.Sprintf("$%d", len(args)))
		}
		query += ` AND object IN (` + strings.Join(places, ", ") + `)`
	}
	if f.Who != "" {
		also(` AND who = %s`, f.Who)
	}
	if !f.Since.IsZero() {
		also(` AND at >= %s`, micro(f.Since))
	}
	if f.Before > 0 {
		also(` AND number < %s`, f.Before)
	}
	also(` ORDER BY number DESC LIMIT %s`, limit)
	return collect(tx, query, scanAudit, args...)
}

func scanAudit(scan func(...any) error) (AuditRow, error) {
	var r AuditRow
	var at int64
	err := scan(&r.Number, &at, &r.Who, &r.From, &r.Act, &r.Object, &r.Before, &r.After)
	r.At = fromMicro(at)
	return r, err
}
