package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
)

// Issuance is one line of the book: a certificate that was planned, and perhaps signed and revoked.
type Issuance struct {
	Serial      string // lower-case hex
	AuthorityID string
	Shard       int64
	Profile     string
	Requester   string
	Subject     string // RFC 4514 text
	KeyID       string // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
	Names       []string
	NotBefore   time.Time
	NotAfter    time.Time
	TBS         []byte // the octets to be signed; nil once the certificate is there
	Certificate []byte // DER; nil: planned, and not recorded
	PlannedAt   time.Time
	RecordedAt  time.Time // zero: not yet
	RevokedAt   time.Time // zero: it was not
	Reason      int       // CRLReason, RFC 5280 section 5.3.1
	SecretID    string    // of the key that was made for it here, until a lineage holds it; empty: none waits
	Thumbprint  string    // SHA-1 of the certificate, upper-case hex; empty: there is none yet
	KeyKept     bool      // a key for a person is kept, see [PersonKeyID]; only [Tx.Book] says so
}

// PlanIssuance writes a certificate down before it is signed, and counts it in its shard. A serial that is there already
// is [ErrExists].
func (tx *Tx) PlanIssuance(i Issuance) error {
	result, err := tx.tx.ExecContext(tx.ctx, `INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, tbs, planned_at, secret_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (serial) DO NOTHING`,
		i.Serial, i.AuthorityID, i.Shard, i.Profile, i.Requester, i.Subject, i.KeyID, micro(i.NotBefore), micro(i.NotAfter), i.TBS, micro(tx.now), nullable(i.SecretID))
	if err != nil {
		return fmt.Errorf("planning certificate %s: %w", i.Serial, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		if err == nil {
			err = ErrExists
		}
		return fmt.Errorf("planning certificate %s: %w", i.Serial, err)
	}
	for _, name := range i.Names {
		if err := tx.exec(`INSERT INTO issuance_name (name, serial) VALUES ($1, $2) ON CONFLICT DO NOTHING`, searchable(name), i.Serial); err != nil {
			return fmt.Errorf("planning certificate %s: %w", i.Serial, err)
		}
	}
	return tx.hit(`UPDATE revocation_shard SET issued = issued + 1, ends_at = CASE WHEN ends_at < $3 THEN $3 ELSE ends_at END
		WHERE authority_id = $1 AND number = $2`, i.AuthorityID, i.Shard, micro(i.NotAfter))
}

// RecordIssuance stores the certificate of a planned serial. Another one for the same serial is [ErrExists]; the same
// again changes nothing; a serial that was never planned is [ErrNotFound].
func (tx *Tx) RecordIssuance(serial string, certificate []byte) error {
	err := tx.hit(`UPDATE issuance SET certificate = $2, tbs = NULL, recorded_at = $3, thumbprint = $4 WHERE serial = $1 AND certificate IS NULL`,
		serial, certificate, micro(tx.now), x509cert.Thumbprint(certificate))
	if err == nil {
		return tx.toRead(LintIssued, serial)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	i, err := tx.Issuance(serial)
	if err == nil && !slices.Equal(i.Certificate, certificate) {
		return fmt.Errorf("recording certificate %s: %w", serial, ErrExists)
	}
	return err
}

const issuanceColumns = `serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, tbs, certificate, planned_at, recorded_at, revoked_at, reason, secret_id, thumbprint`

func scanIssuance(scan func(...any) error) (Issuance, error) {
	var i Issuance
	var d issuanceDates
	var secret, thumbprint sql.NullString
	err := scan(&i.Serial, &i.AuthorityID, &i.Shard, &i.Profile, &i.Requester, &i.Subject, &i.KeyID, &d.before, &d.after, &i.TBS, &i.Certificate, &d.planned, &d.recorded, &d.revoked, &d.reason, &secret, &thumbprint)
	i.SecretID, i.Thumbprint = secret.String, thumbprint.String
	d.into(&i)
	return i, err
}

// issuanceDates are the moments of a line as they are stored, and the reason that goes with the last.
type issuanceDates struct {
	before, after, planned    int64
	recorded, revoked, reason sql.NullInt64
}

// into writes them into a line. What has not happened stays the zero time.
func (d issuanceDates) into(i *Issuance) {
	i.NotBefore, i.NotAfter, i.PlannedAt, i.Reason = fromMicro(d.before), fromMicro(d.after), fromMicro(d.planned), int(d.reason.Int64)
	if d.recorded.Valid {
		i.RecordedAt = fromMicro(d.recorded.Int64)
	}
	if d.revoked.Valid {
		i.RevokedAt = fromMicro(d.revoked.Int64)
	}
}

// Issuance returns the line of a serial, without its names, or fails with [ErrNotFound].
func (tx *Tx) Issuance(serial string) (Issuance, error) {
	i, err := scanIssuance(tx.tx.QueryRowContext(tx.ctx, `SELECT `+issuanceColumns+` FROM issuance WHERE serial = $1`, serial).Scan)
	if err != nil {
		return i, fmt.Errorf("reading certificate %s: %w", serial, notFound(err))
	}
	return i, nil
}

// Told is what whoever asks about a certificate is told.
type Told struct {
	AuthorityID string
	Recorded    bool      // its certificate is there
	RevokedAt   time.Time // zero: it was not
	Reason      int
}

const toldQuery = `SELECT authority_id, certificate IS NOT NULL, revoked_at, reason FROM issuance WHERE serial = $1`

// Told looks one serial up, or fails with [ErrNotFound]. Strangers ask for it all day, so it is one statement without a
// transaction around it.
func (db *DB) Told(ctx context.Context, serial string) (t Told, err error) {
	ctx = context.WithoutCancel(ctx) // a watcher for each look would cost more than the look
	var row *sql.Row
	if ready := db.readKept.of(toldQuery); ready != nil {
		row = ready.QueryRowContext(ctx, serial)
	} else {
		row = db.read.QueryRowContext(ctx, toldQuery, serial)
		defer db.readKept.settle(ctx)
	}
	var revoked, reason sql.NullInt64
	err = row.Scan(&t.AuthorityID, &t.Recorded, &revoked, &reason)
	if err != nil {
		return Told{}, fmt.Errorf("reading certificate %s: %w", serial, notFound(db.noted(err)))
	}
	if revoked.Valid {
		t.RevokedAt, t.Reason = fromMicro(revoked.Int64), int(reason.Int64)
	}
	return t, nil
}

// UnfinishedIssuances returns what was planned before a time and never recorded, the oldest first, without names.
func (tx *Tx) UnfinishedIssuances(before time.Time, limit int) ([]Issuance, error) {
	return collect(tx, `SELECT `+issuanceColumns+` FROM issuance WHERE certificate IS NULL AND planned_at < $1 ORDER BY planned_at LIMIT $2`, scanIssuance, micro(before), limit)
}

// Issuances returns the newest lines of the book, without names. search, if not empty, is a serial, the SHA-256 of a key,
// a name, or a domain of which it shows everything below.
func (tx *Tx) Issuances(search string, limit int) ([]Issuance, error) {
	query, args := `SELECT `+issuanceColumns+` FROM issuance`, []any{limit}
	if search != "" {
		name := searchable(strings.ToLower(search))
		// "/" follows "." in ASCII, so this is everything that begins with the name and a dot.
		query += ` WHERE serial = $2 OR key_id = $2 OR serial IN (SELECT serial FROM issuance_name WHERE name = $3 OR name > $4 AND name < $5)`
		args = append(args, strings.ToLower(search), name, name+".", name+"/")
	}
	return collect(tx, query+` ORDER BY planned_at DESC, serial LIMIT $1`, scanIssuance, args...)
}

// UnheldIssuances returns what was planned together with a key that no lineage holds yet, the oldest first, without names.
func (tx *Tx) UnheldIssuances(limit int) ([]Issuance, error) {
	return collect(tx, `SELECT `+issuanceColumns+` FROM issuance WHERE secret_id IS NOT NULL ORDER BY planned_at LIMIT $1`, scanIssuance, limit)
}

// HoldKey says that a lineage holds the key that was stored with a plan.
func (tx *Tx) HoldKey(serial string) error {
	return tx.hit(`UPDATE issuance SET secret_id = NULL WHERE serial = $1 AND secret_id IS NOT NULL`, serial)
}

// DropKey forgets the key that was stored with a plan: no lineage will hold it.
func (tx *Tx) DropKey(serial string) error {
	i, err := tx.Issuance(serial)
	if err != nil {
		return err
	}
	if err := tx.HoldKey(serial); err != nil {
		return fmt.Errorf("forgetting the key of certificate %s: %w", serial, err)
	}
	return tx.hit(`DELETE FROM secret WHERE id = $1`, i.SecretID)
}

// Picked says which lines of the book are meant. Exactly one field is set.
type Picked struct {
	Serial     string // lower-case hex
	Thumbprint string // or how it begins, upper-case hex
	KeyID      string // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
	Requester  string
	Profile    string
}

// where is the condition of a query whose first placeholder is $2, and its argument.
func (p Picked) where() (string, []any, error) {
	switch {
	case p.Serial != "":
		return `serial = $2`, []any{p.Serial}, nil
	case p.Thumbprint != "":
		// "G" follows the hex digits in ASCII, so this is everything that begins so.
		return `thumbprint >= $2 AND thumbprint < $3`, []any{p.Thumbprint, p.Thumbprint + "G"}, nil
	case p.KeyID != "":
		return `key_id = $2`, []any{p.KeyID}, nil
	case p.Requester != "":
		return `requester = $2`, []any{p.Requester}, nil
	case p.Profile != "":
		return `profile = $2`, []any{p.Profile}, nil
	}
	return "", nil, errors.New("picking certificates: nothing says which")
}

// PickIssuances returns the lines that are meant, the newest first, without names.
func (tx *Tx) PickIssuances(p Picked, limit int) ([]Issuance, error) {
	where, args, err := p.where()
	if err != nil {
		return nil, err
	}
	return collect(tx, `SELECT `+issuanceColumns+` FROM issuance WHERE `+where+` ORDER BY planned_at DESC, serial LIMIT $1`, scanIssuance, append([]any{limit}, args...)...)
}

// CountPicked counts the lines that are meant, up to a limit.
func (tx *Tx) CountPicked(p Picked, limit int) (n int, err error) {
	where, args, err := p.where()
	if err != nil {
		return 0, err
	}
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM (SELECT 1 FROM issuance WHERE `+where+` LIMIT $1) AS found`, append([]any{limit}, args...)...).Scan(&n)
	return n, err
}

// PickedLine is a line of the book as far as one has to know it to revoke it: a hundred thousand of them are held at once.
type PickedLine struct {
	Serial, Requester, Subject, Thumbprint string
	RevokedAt                              time.Time // zero: it was not
}

// Picked is the line without what only its certificate has.
func (i Issuance) Picked() PickedLine {
	return PickedLine{i.Serial, i.Requester, i.Subject, i.Thumbprint, i.RevokedAt}
}

// PickLines returns the lines that are meant, the newest first.
func (tx *Tx) PickLines(p Picked, limit int) ([]PickedLine, error) {
	where, args, err := p.where()
	if err != nil {
		return nil, err
	}
	return collect(tx, `SELECT serial, requester, subject, thumbprint, revoked_at FROM issuance WHERE `+where+` ORDER BY planned_at DESC, serial LIMIT $1`, func(scan func(...any) error) (l PickedLine, err error) {
		var thumbprint sql.NullString
		var revoked sql.NullInt64
		err = scan(&l.Serial, &l.Requester, &l.Subject, &thumbprint, &revoked)
		if l.Thumbprint = thumbprint.String; revoked.Valid {
			l.RevokedAt = fromMicro(revoked.Int64)
		}
		return l, err
	}, append([]any{limit}, args...)...)
}

// KeyRevokedFor reports whether a certificate of a key (SHA-256 of its SubjectPublicKeyInfo, hex) was revoked for a reason.
func (tx *Tx) KeyRevokedFor(keyID string, reason int64) (bool, error) {
	rows, err := collect(tx, `SELECT 1 FROM issuance WHERE key_id = $1 AND reason = $2 AND revoked_at IS NOT NULL LIMIT 1`, func(scan func(...any) error) (one int64, err error) {
		return one, scan(&one)
	}, keyID, reason)
	return len(rows) > 0, err
}

// RevokedOf returns what was revoked of the certificates that requesters of one prefix asked for.
func (tx *Tx) RevokedOf(prefix string) ([]Revoked, error) {
	return collect(tx, `SELECT serial, revoked_at, reason FROM issuance WHERE requester >= $1 AND requester < $2 AND revoked_at IS NOT NULL`, func(scan func(...any) error) (Revoked, error) {
		var r Revoked
		var at int64
		err := scan(&r.Serial, &at, &r.Reason)
		r.RevokedAt = fromMicro(at)
		return r, err
	}, prefix, prefix+"\U0010ffff")
}

// Revoke marks a certificate as revoked, and its shard and the complete list as not saying so yet. One that was revoked
// before is [ErrExists].
func (tx *Tx) Revoke(serial string, reason int) error {
	var authority string
	var shard int64
	var revoked sql.NullInt64
	if err := tx.tx.QueryRowContext(tx.ctx, `SELECT authority_id, shard, revoked_at FROM issuance WHERE serial = $1`, serial).Scan(&authority, &shard, &revoked); err != nil {
		return fmt.Errorf("reading certificate %s: %w", serial, notFound(err))
	}
	if revoked.Valid {
		return fmt.Errorf("revoking certificate %s: %w", serial, ErrExists)
	}
	var number int64
	if err := tx.tx.QueryRowContext(tx.ctx, `UPDATE change_sequence SET seq = seq + 1 WHERE id = $1 RETURNING seq`, revocationSequence).Scan(&number); err != nil {
		return fmt.Errorf("revoking certificate %s: %w", serial, err)
	}
	if err := tx.hit(`UPDATE issuance SET revoked_at = $2, reason = $3, revocation = $4 WHERE serial = $1`, serial, micro(tx.now), reason, number); err != nil {
		return fmt.Errorf("revoking certificate %s: %w", serial, err)
	}
	return tx.hit(`UPDATE revocation_shard SET dirty = TRUE WHERE authority_id = $1 AND number IN (0, $2)`, authority, shard)
}

// Revocations says how often something was revoked.
func (tx *Tx) Revocations() (n int64, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT seq FROM change_sequence WHERE id = $1`, revocationSequence).Scan(&n)
	return n, err
}

// Revoked is one entry of a revocation list.
type Revoked struct {
	Serial    string
	RevokedAt time.Time
	Reason    int
}

// EachRevoked calls f with what a list names, in the order of the serials, until f fails: the certificates of a shard, or
// of all shards for shard 0, that were revoked, and ended or were revoked no earlier than from. RFC 5280 section 3.3: an
// entry stays until it was on a list after the certificate's end; the caller passes the time of such a list.
func (tx *Tx) EachRevoked(authorityID string, shard int64, from time.Time, f func(Revoked) error) error {
	query := `SELECT serial, revoked_at, reason FROM issuance WHERE authority_id = $1 AND revoked_at IS NOT NULL AND (not_after >= $2 OR revoked_at >= $2)`
	args := []any{authorityID, micro(from)}
	if shard != 0 {
		query += ` AND shard = $3`
		args = append(args, shard)
	}
	rows, err := tx.tx.stream(tx.ctx, query+` ORDER BY serial`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r Revoked
		var at int64
		if err := rows.Scan(&r.Serial, &at, &r.Reason); err != nil {
			return err
		}
		r.RevokedAt = fromMicro(at)
		if err := f(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// searchable is a name as the book keeps it: the labels of a host reversed, so that everything below a domain begins with
// it; an e-mail address as its domain, then the rest.
func searchable(name string) string {
	local, host := "", name
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		local, host = "@"+name[:i], name[i+1:]
	}
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + local
}
