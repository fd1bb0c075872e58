package state

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// ACMEKey is a key with which accounts of the ACME server are bound to a profile and names.
type ACMEKey struct {
	ID        string
	Authority string
	Profile   string
	Domains   []string // empty: those of the profile
	SecretID  string
	Accounts  int // how many it may make
	Made      int // how many it has made
	MadeBy    string
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero: it was not
}

// States of an account, RFC 8555 section 7.1.6.
const (
	ACMEValid       = "valid"
	ACMEDeactivated = "deactivated"
	ACMERevoked     = "revoked"
)

// ACMEAccount is an account of the ACME server.
type ACMEAccount struct {
	ID         string
	Authority  string
	Thumbprint string
	JWK        string
	Contact    []string
	Status     string
	KeyID      string   // empty: made without a key
	Profile    string   // of its key
	Domains    []string // of its key
	CreatedAt  time.Time
}

// ACMEOrder is an order of an account. Authorizations and Error are JSON, of which only the server knows more.
type ACMEOrder struct {
	ID             string
	AccountID      string
	Profile        string
	Authorizations string
	Replaces       string
	Serial         string // empty: nothing was planned
	Error          string
	CreatedAt      time.Time
	ExpiresAt      time.Time
	Issued         bool      // the certificate of Serial is there
	PlannedAt      time.Time // zero: it was not
}

// ACMEWindow is a window in which clients shall renew.
type ACMEWindow struct {
	ID           string
	Authority    string
	Profile      string // empty: every one
	IssuedBefore time.Time
	StartsAt     time.Time
	EndsAt       time.Time
	Explanation  string
	CreatedAt    time.Time
}

// AddACMEKey stores a key.
func (tx *Tx) AddACMEKey(k ACMEKey) error {
	return tx.exec(`INSERT INTO acme_key (id, authority, profile, domains, secret_id, accounts, made_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		k.ID, k.Authority, k.Profile, listText(k.Domains), k.SecretID, k.Accounts, k.MadeBy, micro(tx.now), micro(k.ExpiresAt))
}

const acmeKeyColumns = `k.id, k.authority, k.profile, k.domains, k.secret_id, k.accounts, k.made_by, k.created_at, k.expires_at, k.revoked_at,
	(SELECT COUNT(*) FROM acme_account a WHERE a.key_id = k.id)`

func scanACMEKey(scan func(...any) error) (ACMEKey, error) {
	var k ACMEKey
	var domains string
	var created, expires int64
	var revoked sql.NullInt64
	err := scan(&k.ID, &k.Authority, &k.Profile, &domains, &k.SecretID, &k.Accounts, &k.MadeBy, &created, &expires, &revoked, &k.Made)
	if err != nil {
		return k, err
	}
	k.CreatedAt, k.ExpiresAt = fromMicro(created), fromMicro(expires)
	if revoked.Valid {
		k.RevokedAt = fromMicro(revoked.Int64)
	}
	k.Domains, err = textList(domains)
	return k, err
}

// ACMEKey returns a key, or fails with [ErrNotFound].
func (tx *Tx) ACMEKey(id string) (ACMEKey, error) {
	k, err := scanACMEKey(tx.tx.QueryRowContext(tx.ctx, `SELECT `+acmeKeyColumns+` FROM acme_key k WHERE k.id = $1`, id).Scan)
	return k, notFound(err)
}

// ACMEKeys returns every key, the newest first.
func (tx *Tx) ACMEKeys() ([]ACMEKey, error) {
	return collect(tx, `SELECT `+acmeKeyColumns+` FROM acme_key k ORDER BY k.created_at DESC, k.id`, scanACMEKey)
}

// RevokeACMEKey shuts a key out with the accounts that it made, or fails with [ErrNotFound] if there is none or it was.
func (tx *Tx) RevokeACMEKey(id string) error {
	if err := tx.hit(`UPDATE acme_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`, id, micro(tx.now)); err != nil {
		return err
	}
	return tx.exec(`UPDATE acme_account SET status = $2 WHERE key_id = $1 AND status = $3`, id, ACMERevoked, ACMEValid)
}

// AddACMEAccount stores an account. One with the same key at the same authority is [ErrExists].
func (tx *Tx) AddACMEAccount(a ACMEAccount) error {
	result, err := tx.tx.ExecContext(tx.ctx, `INSERT INTO acme_account (id, authority, thumbprint, jwk, contact, status, key_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		a.ID, a.Authority, a.Thumbprint, a.JWK, listText(a.Contact), a.Status, nullable(a.KeyID), micro(tx.now))
	if err != nil {
		return fmt.Errorf("storing account %s: %w", a.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("storing account %s: %w", a.ID, ErrExists)
	}
	return nil
}

const acmeAccountQuery = `SELECT a.id, a.authority, a.thumbprint, a.jwk, a.contact, a.status, a.key_id, a.created_at, k.profile, k.domains
	FROM acme_account a LEFT JOIN acme_key k ON k.id = a.key_id `

func scanACMEAccount(scan func(...any) error) (ACMEAccount, error) {
	var a ACMEAccount
	var contact string
	var key, profile, domains sql.NullString
	var created int64
	err := scan(&a.ID, &a.Authority, &a.Thumbprint, &a.JWK, &contact, &a.Status, &key, &created, &profile, &domains)
	if err != nil {
		return a, err
	}
	a.KeyID, a.Profile, a.CreatedAt = key.String, profile.String, fromMicro(created)
	if a.Contact, err = textList(contact); err != nil {
		return a, err
	}
	a.Domains, err = textList(domains.String)
	return a, err
}

// ACMEAccount returns an account, or fails with [ErrNotFound].
func (tx *Tx) ACMEAccount(id string) (ACMEAccount, error) {
	a, err := scanACMEAccount(tx.tx.QueryRowContext(tx.ctx, acmeAccountQuery+`WHERE a.id = $1`, id).Scan)
	return a, notFound(err)
}

// ACMEAccountOf returns the account with a key at an authority, or fails with [ErrNotFound].
func (tx *Tx) ACMEAccountOf(authority, thumbprint string) (ACMEAccount, error) {
	a, err := scanACMEAccount(tx.tx.QueryRowContext(tx.ctx, acmeAccountQuery+`WHERE a.authority = $1 AND a.thumbprint = $2`, authority, thumbprint).Scan)
	return a, notFound(err)
}

// ACMEAccounts returns the newest accounts.
func (tx *Tx) ACMEAccounts(limit int) ([]ACMEAccount, error) {
	return collect(tx, acmeAccountQuery+`ORDER BY a.created_at DESC, a.id LIMIT $1`, scanACMEAccount, limit)
}

// SetACMEContact changes whom an account names.
func (tx *Tx) SetACMEContact(id string, contact []string) error {
	return tx.hit(`UPDATE acme_account SET contact = $2 WHERE id = $1`, id, listText(contact))
}

// EndACMEAccount makes a valid account another, or fails with [ErrNotFound].
func (tx *Tx) EndACMEAccount(id, status string) error {
	return tx.hit(`UPDATE acme_account SET status = $2 WHERE id = $1 AND status = $3`, id, status, ACMEValid)
}

// SetACMEAccountKey gives an account another key in the place of one that it has. A key that another account of the
// authority has is [ErrExists]; an account that has another key than before by now is [ErrNotFound].
func (tx *Tx) SetACMEAccountKey(a ACMEAccount, before string) error {
	other, err := tx.ACMEAccountOf(a.Authority, a.Thumbprint)
	switch {
	case err == nil:
		return fmt.Errorf("changing the key of account %s to that of %s: %w", a.ID, other.ID, ErrExists)
	case err != ErrNotFound:
		return err
	}
	return tx.hit(`UPDATE acme_account SET thumbprint = $2, jwk = $3 WHERE id = $1 AND status = $4 AND thumbprint = $5`, a.ID, a.Thumbprint, a.JWK, ACMEValid, before)
}

// AddACMEOrder stores an order.
func (tx *Tx) AddACMEOrder(o ACMEOrder) error {
	return tx.exec(`INSERT INTO acme_order (id, account_id, profile, authorizations, replaces, error, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, '', $6, $7)`,
		o.ID, o.AccountID, o.Profile, o.Authorizations, o.Replaces, micro(tx.now), micro(o.ExpiresAt))
}

const acmeOrderQuery = `SELECT o.id, o.account_id, o.profile, o.authorizations, o.replaces, o.serial, o.error, o.created_at, o.expires_at, i.certificate IS NOT NULL, i.planned_at
	FROM acme_order o LEFT JOIN issuance i ON i.serial = o.serial `

func scanACMEOrder(scan func(...any) error) (ACMEOrder, error) {
	var o ACMEOrder
	var serial sql.NullString
	var created, expires int64
	var planned sql.NullInt64
	err := scan(&o.ID, &o.AccountID, &o.Profile, &o.Authorizations, &o.Replaces, &serial, &o.Error, &created, &expires, &o.Issued, &planned)
	o.Serial, o.CreatedAt, o.ExpiresAt = serial.String, fromMicro(created), fromMicro(expires)
	if planned.Valid {
		o.PlannedAt = fromMicro(planned.Int64)
	}
	return o, err
}

// ACMEOrder returns an order, or fails with [ErrNotFound].
func (tx *Tx) ACMEOrder(id string) (ACMEOrder, error) {
	o, err := scanACMEOrder(tx.tx.QueryRowContext(tx.ctx, acmeOrderQuery+`WHERE o.id = $1`, id).Scan)
	return o, notFound(err)
}

// ACMEOrdersOf returns the newest orders of an account.
func (tx *Tx) ACMEOrdersOf(accountID string, limit int) ([]ACMEOrder, error) {
	return collect(tx, acmeOrderQuery+`WHERE o.account_id = $1 ORDER BY o.created_at DESC, o.id LIMIT $2`, scanACMEOrder, accountID, limit)
}

// SetACMEOrder stores what became of the authorizations of an order, and its error. One for which something was planned
// is not touched.
func (tx *Tx) SetACMEOrder(id, authorizations, problem string) error {
	return tx.exec(`UPDATE acme_order SET authorizations = $2, error = $3 WHERE id = $1 AND serial IS NULL`, id, authorizations, problem)
}

// PlanACMEOrder writes down for which order a serial was planned, in the transaction that plans it. An order that has one
// already is [ErrExists].
func (tx *Tx) PlanACMEOrder(id, authorizations, serial string) error {
	err := tx.hit(`UPDATE acme_order SET authorizations = $2, serial = $3 WHERE id = $1 AND serial IS NULL AND error = ''`, id, authorizations, serial)
	if err == ErrNotFound {
		return fmt.Errorf("finishing order %s: %w", id, ErrExists)
	}
	return err
}

// ACMEReplacement says whether an order has renewed a certificate already.
func (tx *Tx) ACMEReplacement(certificate string) (bool, error) {
	var n int
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT COUNT(*) FROM acme_order WHERE replaces = $1 AND serial IS NOT NULL`, certificate).Scan(&n)
	return n > 0, err
}

// TidyACME forgets orders: those that came to nothing and ended before a time, and those that came to something and ended
// before another. It returns how many.
func (tx *Tx) TidyACME(unused, used time.Time) (int64, error) {
	result, err := tx.tx.ExecContext(tx.ctx, `DELETE FROM acme_order WHERE serial IS NULL AND expires_at < $1 OR serial IS NOT NULL AND expires_at < $2`, micro(unused), micro(used))
	if err != nil {
		return 0, fmt.Errorf("tidying orders: %w", err)
	}
	return result.RowsAffected()
}

// AddACMEWindow stores a window. The newest that applies is in force.
func (tx *Tx) AddACMEWindow(w ACMEWindow) error {
	return tx.exec(`INSERT INTO acme_window (id, authority, profile, issued_before, starts_at, ends_at, explanation, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.ID, w.Authority, w.Profile, micro(w.IssuedBefore), micro(w.StartsAt), micro(w.EndsAt), w.Explanation, micro(tx.now))
}

// RemoveACMEWindow forgets one, or fails with [ErrNotFound].
func (tx *Tx) RemoveACMEWindow(id string) error {
	return tx.hit(`DELETE FROM acme_window WHERE id = $1`, id)
}

// ACMEWindows returns them, the newest first.
func (tx *Tx) ACMEWindows() ([]ACMEWindow, error) {
	return collect(tx, `SELECT id, authority, profile, issued_before, starts_at, ends_at, explanation, created_at FROM acme_window ORDER BY created_at DESC, id`, func(scan func(...any) error) (ACMEWindow, error) {
		var w ACMEWindow
		var before, starts, ends, created int64
		err := scan(&w.ID, &w.Authority, &w.Profile, &before, &starts, &ends, &w.Explanation, &created)
		w.IssuedBefore, w.StartsAt, w.EndsAt, w.CreatedAt = fromMicro(before), fromMicro(starts), fromMicro(ends), fromMicro(created)
		return w, err
	})
}

func listText(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("state: internal error: a list of strings that JSON cannot say: " + err.Error())
	}
	return string(text)
}

func textList(text string) (list []string, err error) {
	if text == "" {
		return nil, nil
	}
	return list, json.Unmarshal([]byte(text), &list)
}
