package state

import (
	"fmt"
	"time"
)

// What zlint reads.
const (
	LintIssued    = "issued"    // a line of the book; its id is the serial
	LintMade      = "made"      // a certificate of an authority or of a signer of OCSP answers that we signed; its id is the serial
	LintAuthority = "authority" // a certificate of one of our authorities, whoever signed it; its id is the SHA-256
	LintList      = "list"      // a revocation list; its id is that of [ListID]
)

// Unread is something that zlint has not read yet.
type Unread struct{ Kind, ID string }

// ListID is the id of a revocation list among [Unread]: each number is another list.
func ListID(authorityID string, shard int64, number string) string {
	return fmt.Sprintf("%s-%d-%s", authorityID, shard, number)
}

func (tx *Tx) toRead(kind, id string) error {
	return tx.exec(`INSERT INTO zlint_unread (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, kind, id)
}

// dropUnreadLists forgets the lists of a shard that zlint has not read: another takes their place, or none, and where there
// is no zlint they would be kept for ever.
func (tx *Tx) dropUnreadLists(s Shard) error {
	// Of the numbers behind the last hyphen each begins with a digit, and a colon is what comes after the digits.
	return tx.exec(`DELETE FROM zlint_unread WHERE kind = $1 AND id >= $2 AND id < $3`, LintList, ListID(s.AuthorityID, s.Number, ""), ListID(s.AuthorityID, s.Number, ":"))
}

// Unread returns what zlint has not read yet, in the order of kinds and ids, behind a place: the zero value is the beginning.
func (tx *Tx) Unread(behind Unread, limit int) ([]Unread, error) {
	return collect(tx, `SELECT kind, id FROM zlint_unread WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $3`, func(scan func(...any) error) (u Unread, err error) {
		return u, scan(&u.Kind, &u.ID)
	}, behind.Kind, behind.ID, limit)
}

// CountUnread says how much zlint has not read yet.
func (tx *Tx) CountUnread() (n int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM zlint_unread`).Scan(&n)
	return n, err
}

// HaveRead says that zlint has read it, and what it found is stored.
func (tx *Tx) HaveRead(u Unread) error {
	return tx.exec(`DELETE FROM zlint_unread WHERE kind = $1 AND id = $2`, u.Kind, u.ID)
}

// LintFinding is something that zlint found.
type LintFinding struct {
	Kind, ID string
	Lint     string
	Severity string
	Details  string
	Subject  string
	EndsAt   time.Time
	FoundAt  time.Time
}

// SetLintFindings stores what was found in one thing, in the place of what was found there before.
func (tx *Tx) SetLintFindings(kind, id string, found []LintFinding) error {
	if err := tx.exec(`DELETE FROM zlint_finding WHERE kind = $1 AND id = $2`, kind, id); err != nil {
		return err
	}
	for _, f := range found {
		if err := tx.exec(`INSERT INTO zlint_finding (kind, id, lint, severity, details, subject, ends_at, found_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			kind, id, f.Lint, f.Severity, f.Details, f.Subject, micro(f.EndsAt), micro(tx.now)); err != nil {
			return fmt.Errorf("storing what zlint found: %w", err)
		}
	}
	return nil
}

// DropLintFindings forgets those about what has ended.
func (tx *Tx) DropLintFindings(before time.Time) error {
	return tx.exec(`DELETE FROM zlint_finding WHERE ends_at < $1`, micro(before))
}

// LintCount says in how many things that count zlint found the same.
type LintCount struct {
	Lint  string
	Count int
	First LintFinding // one of them
}

// findingCounts are the findings in what has not ended, was not revoked, and is not accepted.
const findingCounts = ` FROM zlint_finding f LEFT JOIN issuance i ON f.kind = 'issued' AND i.serial = f.id
	WHERE f.ends_at >= $1 AND i.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM zlint_accepted a WHERE a.lint = f.lint)`

// LintCounts counts the findings in what counts at a time, by lint. At most limit lints.
func (tx *Tx) LintCounts(at time.Time, limit int) ([]LintCount, error) {
	all, err := collect(tx, `SELECT f.lint, count(*)`+findingCounts+` GROUP BY f.lint ORDER BY f.lint LIMIT $2`, func(scan func(...any) error) (c LintCount, err error) {
		return c, scan(&c.Lint, &c.Count)
	}, micro(at), limit)
	for n := range all {
		if err != nil {
			break
		}
		var ends, found int64
		f := &all[n].First
		err = tx.tx.QueryRowContext(tx.ctx, `SELECT f.kind, f.id, f.lint, f.severity, f.details, f.subject, f.ends_at, f.found_at`+findingCounts+` AND f.lint = $2 ORDER BY f.found_at, f.id LIMIT 1`, micro(at), all[n].Lint).
			Scan(&f.Kind, &f.ID, &f.Lint, &f.Severity, &f.Details, &f.Subject, &ends, &found)
		f.EndsAt, f.FoundAt = fromMicro(ends), fromMicro(found)
	}
	return all, err
}

// AcceptedLint is a finding that an administrator takes as it is.
type AcceptedLint struct {
	Lint, Reason string
	By           string
	At           time.Time
}

// AcceptLint stores one, in the place of an earlier one.
func (tx *Tx) AcceptLint(lint, reason, by string) error {
	return tx.exec(`INSERT INTO zlint_accepted (lint, reason, accepted_by, accepted_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (lint) DO UPDATE SET reason = excluded.reason, accepted_by = excluded.accepted_by, accepted_at = excluded.accepted_at`, lint, reason, by, micro(tx.now))
}

// RefuseLint forgets one, or fails with [ErrNotFound].
func (tx *Tx) RefuseLint(lint string) error {
	return tx.hit(`DELETE FROM zlint_accepted WHERE lint = $1`, lint)
}

// AcceptedLints returns all of them, by name.
func (tx *Tx) AcceptedLints() ([]AcceptedLint, error) {
	return collect(tx, `SELECT lint, reason, accepted_by, accepted_at FROM zlint_accepted ORDER BY lint`, func(scan func(...any) error) (a AcceptedLint, err error) {
		var at int64
		err = scan(&a.Lint, &a.Reason, &a.By, &at)
		a.At = fromMicro(at)
		return a, err
	})
}

// AuthorityCertificate returns the DER of a certificate of one of our authorities by its SHA-256, or fails with [ErrNotFound].
func (tx *Tx) AuthorityCertificate(sha256 string) (der []byte, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT certificate FROM authority_certificate WHERE sha256 = $1`, sha256).Scan(&der)
	return der, notFound(err)
}

// AuthorityMade returns the DER of a certificate that we signed for an authority or a signer of OCSP answers by its serial,
// nil if it was not signed, or fails with [ErrNotFound].
func (tx *Tx) AuthorityMade(serial string) (der []byte, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT certificate FROM authority_plan WHERE serial = $1`, serial).Scan(&der)
	return der, notFound(err)
}
