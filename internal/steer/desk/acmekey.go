package desk

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// Lives and numbers of keys for accounts of ACME.
const (
	eabLife     = 30 * 24 * time.Hour
	maxEABLife  = 398 * 24 * time.Hour
	maxAccounts = 1000
)

// ErrNoEnrolment: certificates of that profile are not had by proving names.
var ErrNoEnrolment = errors.New("certificates of this profile are not issued over ACME")

// UnknownEABError reports an ID that no key for accounts has, or one that was revoked.
type UnknownEABError struct{ ID string }

func (e *UnknownEABError) Error() string {
	return fmt.Sprintf("key %q: there is none of that ID in force", clip(e.ID))
}

// UnknownAccountError reports an ID that no ACME account in force has.
type UnknownAccountError struct{ ID string }

func (e *UnknownAccountError) Error() string {
	return fmt.Sprintf("ACME account %q: there is none of that ID in force", clip(e.ID))
}

// EABRequest asks for a key that binds accounts of ACME to a profile and names.
type EABRequest struct {
	Profile   string   `json:"profile,omitempty"`   // empty means server
	Domains   []string `json:"domains,omitempty"`   // below which its accounts may ask for names; empty: those of the profile
	Accounts  int      `json:"accounts,omitempty"`  // how many it may make; 0 means 1, at most 1000
	ExpiresIn int64    `json:"expiresIn,omitempty"` // seconds in which it makes accounts; 0 means 30 days, at most 398 days
}

// EAB is a new key. It is shown this once.
type EAB struct {
	ID        string    `json:"id"`  // the kid
	Key       string    `json:"key"` // HMAC-SHA256 key, base64url
	Profile   string    `json:"profile"`
	Domains   []string  `json:"domains"`
	Accounts  int       `json:"accounts"`
	ExpiresAt time.Time `json:"expiresAt"`
	Directory string    `json:"directory"` // address of the directory that takes it; its port is that of https or management
}

// EABView is a key as lists show it.
type EABView struct {
	ID        string    `json:"id"`
	Profile   string    `json:"profile"`
	Domains   []string  `json:"domains"`
	Accounts  int       `json:"accounts"`
	Made      int       `json:"made"` // accounts
	MadeBy    string    `json:"madeBy"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	State     string    `json:"state"` // open, used, expired or revoked
}

// Check finds what is wrong with the request itself.
func (r EABRequest) Check() error {
	if r.Accounts < 0 || r.Accounts > maxAccounts {
		return &ValueError{"--accounts", fmt.Sprint(r.Accounts), fmt.Sprintf("want 1 to %d", maxAccounts)}
	}
	if s := r.ExpiresIn; s < 0 || s > int64(maxEABLife/time.Second) {
		return &ValueError{"--expires", fmt.Sprintf("%d seconds", s), "want at most 398 days"}
	}
	for _, d := range r.Domains {
		if _, err := x509cert.ParseDomain(d); err != nil {
			return err
		}
	}
	return nil
}

// NewEAB makes a key for accounts of ACME.
func (d *Desk) NewEAB(ctx context.Context, who state.Actor, r EABRequest) (*EAB, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	if !enrolls(profile) {
		return nil, fmt.Errorf("making a key for profile %s: %w", r.Profile, ErrNoEnrolment)
	}
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	purpose := string(profile.Purpose())
	if !slices.ContainsFunc(all, func(a state.Authority) bool { return a.Purpose == purpose && a.State == state.AuthorityActive }) {
		return nil, fmt.Errorf("making a key for %s: %w", purpose, ErrNoAuthority)
	}
	k := state.ACMEKey{ID: newID(), Authority: purpose, Profile: r.Profile, Accounts: max(r.Accounts, 1), MadeBy: who.Who}
	for _, text := range r.Domains {
		domain, _ := x509cert.ParseDomain(text) // it was checked
		if !slices.ContainsFunc(profile.Options().Domains, func(p string) bool { return string(domain) == p || strings.HasSuffix(string(domain), "."+p) }) {
			return nil, &ca.NameError{Name: text, Reason: profile.BelowNone()}
		}
		k.Domains = append(k.Domains, string(domain))
	}
	life := time.Duration(r.ExpiresIn) * time.Second
	if life == 0 {
		life = eabLife
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	plain := make(keys.Secret, 32)
	defer plain.Wipe()
	fillEABKey(plain)
	k.SecretID = newID()
	sealed, err := keys.Seal(keys.Object{Kind: state.SecretACMEKey, ID: k.SecretID}, plain, v.sealer().recipients)
	if err != nil {
		return nil, err
	}
	_, err = d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		k.ExpiresAt = tx.Now().Add(life)
		if err := tx.AddSecret(state.Secret{ID: k.SecretID, Kind: state.SecretACMEKey, Ciphertext: sealed.Ciphertext, Wrapped: sealed.Wrapped}); err != nil {
			return err
		}
		if err := tx.AddACMEKey(k); err != nil {
			return err
		}
		return tx.Audit("ca eab new", k.ID, nil, map[string]any{"profile": k.Profile, "domains": k.Domains, "accounts": k.Accounts, "expires": k.ExpiresAt})
	})
	if err != nil {
		return nil, err
	}
	return &EAB{ID: k.ID, Key: base64.RawURLEncoding.EncodeToString(plain.Bytes()), Profile: k.Profile, Domains: append([]string{}, k.Domains...), Accounts: k.Accounts,
		ExpiresAt: k.ExpiresAt, Directory: "https://" + d.webHost(v) + "/acme/" + purpose + "/directory"}, nil
}

// fillEABKey makes the key. In base64url one in 64 begins with a hyphen, which every client takes for an option when it is
// typed behind one: `--eab-hmac-key -x…` is refused by certbot.
func fillEABKey(key []byte) {
	const hyphen = 0b111110 // RFC 4648 section 5
	for {
		rand.Read(key) // never fails, crypto/rand
		if key[0]>>2 != hyphen {
			return
		}
	}
}

// EABs lists the keys for accounts of ACME, the newest first.
func (d *Desk) EABs(ctx context.Context) ([]EABView, error) {
	out := []EABView{}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.ACMEKeys()
		for _, k := range all {
			v := EABView{ID: k.ID, Profile: k.Profile, Domains: append([]string{}, k.Domains...), Accounts: k.Accounts, Made: k.Made, MadeBy: k.MadeBy,
				CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt, State: "open"}
			switch {
			case !k.RevokedAt.IsZero():
				v.State = "revoked"
			case k.Made >= k.Accounts:
				v.State = "used"
			case !tx.Now().Before(k.ExpiresAt):
				v.State = "expired"
			}
			out = append(out, v)
		}
		return err
	})
	return out, err
}

// EABRevocation says which key, or which account, is shut out.
type EABRevocation struct {
	ID string `json:"id"`
}

// RevokeEAB shuts a key out with the accounts that it made. What they were issued stays good.
func (d *Desk) RevokeEAB(ctx context.Context, who state.Actor, r EABRevocation) (*EABView, error) {
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.RevokeACMEKey(r.ID); errors.Is(err, state.ErrNotFound) {
			return &UnknownEABError{ID: r.ID}
		} else if err != nil {
			return err
		}
		return tx.Audit("ca eab revoke", r.ID, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	all, err := d.EABs(ctx)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(v EABView) bool { return v.ID == r.ID })
	return &all[n], nil
}

// AccountView is an ACME account as lists show it.
type AccountView struct {
	ID        string    `json:"id"`
	Authority string    `json:"authority"`
	State     string    `json:"state"` // valid, deactivated or revoked
	Contact   []string  `json:"contact"`
	Key       string    `json:"key,omitempty"` // ID of the key that it showed
	Profile   string    `json:"profile,omitempty"`
	Domains   []string  `json:"domains"`
	CreatedAt time.Time `json:"createdAt"`
}

// Accounts lists the newest 1000 accounts of ACME.
func (d *Desk) Accounts(ctx context.Context) ([]AccountView, error) {
	out := []AccountView{}
	const most = 1000
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.ACMEAccounts(most)
		for _, a := range all {
			out = append(out, AccountView{ID: a.ID, Authority: a.Authority, State: a.Status, Contact: append([]string{}, a.Contact...), Key: a.KeyID, Profile: a.Profile,
				Domains: append([]string{}, a.Domains...), CreatedAt: a.CreatedAt})
		}
		return err
	})
	return out, err
}

// RevokeAccount shuts an account out. What it was issued stays good: see [Desk.Revoke] with its requester.
func (d *Desk) RevokeAccount(ctx context.Context, who state.Actor, r EABRevocation) (*AccountView, error) {
	var v AccountView
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.EndACMEAccount(r.ID, state.ACMERevoked); errors.Is(err, state.ErrNotFound) {
			return &UnknownAccountError{ID: r.ID}
		} else if err != nil {
			return err
		}
		a, err := tx.ACMEAccount(r.ID)
		if err != nil {
			return err
		}
		v = AccountView{ID: a.ID, Authority: a.Authority, State: a.Status, Contact: append([]string{}, a.Contact...), Key: a.KeyID, Profile: a.Profile, Domains: append([]string{}, a.Domains...), CreatedAt: a.CreatedAt}
		return tx.Audit("ca account revoke", r.ID, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// webHost is where clients reach this server's https, with the port if it is another than 443. Where https is closed, as
// beside a mail server of somebody else, it is management that answers.
func (d *Desk) webHost(v *view) string {
	for _, name := range []string{listener.HTTPS, listener.Management} {
		i := slices.IndexFunc(v.listeners, func(l state.Listener) bool { return l.Name == name && l.Enabled })
		if i < 0 {
			continue
		}
		if port := d.runtime.Address(name, v.listeners[i].Address).Port(); port != 443 {
			return net.JoinHostPort(v.server.Name, strconv.Itoa(int(port)))
		}
		break
	}
	return v.server.Name
}
