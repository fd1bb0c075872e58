package state

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Where an anchor comes from.
const (
	AnchorAdded  = "added"  // by hand
	AnchorPushed = "pushed" // by an administrator's tool
	// AnchorAuthority: the root of our own authority.
	AnchorAuthority = "authority"
)

// Anchor is a root that the organisation trusts beyond the system's store.
type Anchor struct {
	SHA256      string // of the DER, 64 lower-case hex digits
	Certificate []byte // DER
	Origin      string
	AddedAt     time.Time
}

// Kinds of distrust.
const (
	DistrustCertificate = "certificate" // by SHA-256 of the DER
	DistrustSPKI        = "spki"        // by SHA-256 of the public key as it stands in certificates
	DistrustIssuer      = "issuer"      // by name, perhaps only after a date
	DistrustList        = "list"        // a whole list, as it came; there is one or none
)

// Distrust is something that is trusted no more, whatever vouches for it.
type Distrust struct {
	ID      string
	Kind    string
	Value   string
	After   time.Time // zero: whenever it was issued
	AddedAt time.Time
}

// AddAnchor stores a; the same one again changes nothing.
func (tx *Tx) AddAnchor(a Anchor) error {
	if err := tx.exec(`INSERT INTO anchor (sha256, certificate, origin, added_at) VALUES ($1, $2, $3, $4) ON CONFLICT (sha256) DO NOTHING`,
		a.SHA256, a.Certificate, a.Origin, micro(tx.now)); err != nil {
		return fmt.Errorf("storing anchor %s: %w", a.SHA256, err)
	}
	return nil
}

// Anchors returns every anchor, oldest first.
func (tx *Tx) Anchors() ([]Anchor, error) {
	return collect(tx, `SELECT sha256, certificate, origin, added_at FROM anchor ORDER BY added_at, sha256`, func(scan func(...any) error) (Anchor, error) {
		var a Anchor
		var added int64
		err := scan(&a.SHA256, &a.Certificate, &a.Origin, &added)
		a.AddedAt = fromMicro(added)
		return a, err
	})
}

// RemoveAnchor removes an anchor, or fails with [ErrNotFound].
func (tx *Tx) RemoveAnchor(sha256 string) error {
	return tx.hit(`DELETE FROM anchor WHERE sha256 = $1`, sha256)
}

// AddDistrust stores d; the same again takes its value and date.
func (tx *Tx) AddDistrust(d Distrust) error {
	after := sql.NullInt64{Int64: micro(d.After), Valid: !d.After.IsZero()}
	if err := tx.exec(`INSERT INTO distrust (id, kind, value, after, added_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET value = excluded.value, after = excluded.after, added_at = excluded.added_at`,
		d.ID, d.Kind, d.Value, after, micro(tx.now)); err != nil {
		return fmt.Errorf("storing the distrust of %s: %w", d.ID, err)
	}
	return nil
}

// Distrusts returns everything that is trusted no more, ordered by id.
func (tx *Tx) Distrusts() ([]Distrust, error) {
	list, err := collect(tx, `SELECT id, kind, value, after, added_at FROM distrust`, func(scan func(...any) error) (Distrust, error) {
		var d Distrust
		var after sql.NullInt64
		var added int64
		err := scan(&d.ID, &d.Kind, &d.Value, &after, &added)
		if after.Valid {
			d.After = fromMicro(after.Int64)
		}
		d.AddedAt = fromMicro(added)
		return d, err
	})
	slices.SortFunc(list, func(a, b Distrust) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}

// RemoveDistrust forgets a distrust, or fails with [ErrNotFound].
func (tx *Tx) RemoveDistrust(id string) error {
	return tx.hit(`DELETE FROM distrust WHERE id = $1`, id)
}

// AddKnownIssuer keeps the certificate of an authority, to complete chains with; the same one again changes
// nothing.
func (tx *Tx) AddKnownIssuer(sha256 string, der []byte) error {
	if err := tx.exec(`INSERT INTO known_issuer (sha256, certificate, added_at) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING`, sha256, der, micro(tx.now)); err != nil {
		return fmt.Errorf("storing the certificate of an issuer: %w", err)
	}
	return nil
}

// KnownIssuers returns the DER of every known issuer, oldest first.
func (tx *Tx) KnownIssuers() ([][]byte, error) {
	return collect(tx, `SELECT certificate FROM known_issuer ORDER BY added_at, sha256`, func(scan func(...any) error) ([]byte, error) {
		var der []byte
		return der, scan(&der)
	})
}
