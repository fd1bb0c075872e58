package acmeserver

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"strings"

	"crypto/rand"
	"encoding/hex"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// newID is 128 random bits.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return hex.EncodeToString(b[:])
}

// newAccount makes an account, or finds that of the key: RFC 8555 section 7.3.
func (q *question) newAccount([]string) error {
	var r acme.Account
	if err := q.payload(&r); err != nil {
		return err
	}
	found, err := q.accountOfKey()
	switch {
	case err == nil && found.Status != state.ACMEValid:
		return acme.Problemf(acme.Unauthorized, "the account with this key is %s", found.Status)
	case err == nil:
		q.account = found
		return q.showAccount(http.StatusOK)
	case !errors.Is(err, state.ErrNotFound):
		return err
	case r.OnlyReturnExisting:
		return acme.Problemf(acme.AccountDoesNotExist, "no account has this key")
	}
	if err := checkContact(r.Contact); err != nil {
		return err
	}
	if wait := q.s.registrations.take(peer(q.r)); wait > 0 {
		return tooOften("too many new accounts from this address", wait)
	}
	a := state.ACMEAccount{ID: newID(), Authority: q.authority, Thumbprint: q.key.Thumbprint(), JWK: q.key.JWK(), Contact: r.Contact, Status: state.ACMEValid}
	if a.KeyID, err = q.binding(r); err != nil {
		return err
	}
	q.account = a
	err = q.append(func(tx *state.Tx) error {
		if a.KeyID != "" { // it may have made its last account meanwhile
			k, err := tx.ACMEKey(a.KeyID)
			if err != nil {
				return err
			}
			if err := usable(k, tx); err != nil {
				return err
			}
		}
		if err := tx.AddACMEAccount(a); err != nil {
			return err
		}
		return tx.Audit("acme account", a.ID, nil, map[string]any{"authority": a.Authority, "thumbprint": a.Thumbprint, "key": a.KeyID, "contact": a.Contact})
	})
	if err != nil {
		// Done and the answer lost, or another request with this key was faster: the account is there all the same.
		if found, again := q.accountOfKey(); again == nil && found.Status == state.ACMEValid {
			q.account = found
			return q.showAccount(http.StatusOK)
		}
		return err
	}
	return q.showAccount(http.StatusCreated)
}

func (q *question) accountOfKey() (a state.ACMEAccount, err error) {
	err = q.s.State.View(context.WithoutCancel(q.r.Context()), func(tx *state.Tx) error {
		a, err = tx.ACMEAccountOf(q.authority, q.key.Thumbprint())
		return err
	})
	return a, err
}

// append writes with an audit row, in a commit that is shared with others.
func (q *question) append(f func(tx *state.Tx) error) error {
	return q.s.State.Append(q.r.Context(), q.who(), func(tx *state.Tx) error {
		tx.ActFor(q.s.Server)
		return f(tx)
	})
}

// usable says whether a key may make one more account.
func usable(k state.ACMEKey, tx *state.Tx) error {
	switch {
	case !k.RevokedAt.IsZero():
		return acme.Problemf(acme.Unauthorized, "the external account key was revoked")
	case !tx.Now().Before(k.ExpiresAt):
		return acme.Problemf(acme.Unauthorized, "the external account key has expired")
	case k.Made >= k.Accounts:
		return acme.Problemf(acme.Unauthorized, "the external account key was used")
	}
	return nil
}

// binding checks the external account binding and returns the id of its key: RFC 8555 section 7.3.4. Empty: there is none,
// and none is needed.
func (q *question) binding(r acme.Account) (string, error) {
	if len(r.ExternalAccountBinding) == 0 {
		if q.s.OpenProfile == "" {
			return "", acme.Problemf(acme.ExternalAccountRequired, "an administrator gives out the key: postseal ca eab new")
		}
		return "", nil
	}
	m, err := acme.ParseMessage(r.ExternalAccountBinding)
	if err != nil {
		return "", acme.Problemf(acme.Malformed, "externalAccountBinding: %v", err)
	}
	inner, err := acme.ParseKey(m.Payload)
	switch {
	case err != nil || inner.Thumbprint() != q.key.Thumbprint():
		return "", acme.Problemf(acme.Malformed, "externalAccountBinding: it is about another key")
	case m.Header.Nonce != "" || m.Header.JWK != nil || m.Header.URL != q.message.Header.URL:
		return "", acme.Problemf(acme.Malformed, "externalAccountBinding: want the address of this message, and no nonce")
	}
	refused := acme.Problemf(acme.Unauthorized, "the external account key is not known, or another")
	var k state.ACMEKey
	err = q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		if k, err = tx.ACMEKey(m.Header.KeyID); err != nil {
			return err
		}
		return usable(k, tx)
	})
	if errors.Is(err, state.ErrNotFound) || err == nil && k.Authority != q.authority {
		return "", refused
	}
	if err != nil {
		return "", err
	}
	secret, err := q.s.Authority.SharedKey(q.r.Context(), k.SecretID)
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	if err := m.VerifyMAC(secret.Bytes()); errors.Is(err, acme.ErrSignature) {
		return "", refused
	} else if err != nil {
		return "", signatureProblem(err)
	}
	return k.ID, nil
}

// checkContact takes addresses of e-mail, RFC 8555 section 7.3.
func checkContact(contact []string) error {
	const most = 10
	if len(contact) > most {
		return acme.Problemf(acme.InvalidContact, "at most %d addresses", most)
	}
	for _, c := range contact {
		address, ok := strings.CutPrefix(c, "mailto:")
		if !ok {
			return acme.Problemf(acme.UnsupportedContact, "want addresses that begin with mailto:")
		}
		a, err := mail.ParseAddress(address)
		if err != nil || a.Address != address || len(address) > 254 || strings.ContainsAny(address, "?,\r\n") {
			return acme.Problemf(acme.InvalidContact, "%q is no e-mail address", clip(address))
		}
	}
	return nil
}

func (q *question) showAccount(status int) error {
	at := q.base + "/account/" + q.account.ID
	q.w.Header().Set("Location", at)
	return q.answer(status, acme.Account{Status: acme.Status(q.account.Status), Contact: q.account.Contact, Orders: q.base + "/orders/" + q.account.ID})
}

// accountAt shows, changes or ends the account: RFC 8555 sections 7.3.2 and 7.3.6.
func (q *question) accountAt(parts []string) error {
	if parts[0] != q.account.ID {
		return acme.Problemf(acme.Unauthorized, "this is another's account")
	}
	if q.asGet() {
		return q.showAccount(http.StatusOK)
	}
	var r struct {
		Contact *[]string   `json:"contact"`
		Status  acme.Status `json:"status"`
	}
	if err := q.payload(&r); err != nil {
		return err
	}
	switch {
	case r.Status == acme.StatusDeactivated:
		err := q.append(func(tx *state.Tx) error {
			if err := tx.EndACMEAccount(q.account.ID, state.ACMEDeactivated); err != nil {
				return err
			}
			return tx.Audit("acme deactivate", q.account.ID, nil, nil)
		})
		if err != nil {
			return err
		}
		q.account.Status = state.ACMEDeactivated
	case r.Status != "" && r.Status != acme.StatusValid:
		return acme.Problemf(acme.Malformed, "an account can only become deactivated")
	case r.Contact != nil:
		if err := checkContact(*r.Contact); err != nil {
			return err
		}
		err := q.append(func(tx *state.Tx) error {
			if err := tx.SetACMEContact(q.account.ID, *r.Contact); err != nil {
				return err
			}
			return tx.Audit("acme contact", q.account.ID, map[string]any{"contact": q.account.Contact}, map[string]any{"contact": *r.Contact})
		})
		if err != nil {
			return err
		}
		q.account.Contact = *r.Contact
	}
	return q.showAccount(http.StatusOK)
}

// keyChange gives the account another key, which signs the inner message: RFC 8555 section 7.3.5.
func (q *question) keyChange([]string) error {
	m, err := acme.ParseMessage(q.message.Payload)
	if err != nil {
		return acme.Problemf(acme.Malformed, "inner message: %v", err)
	}
	if m.Header.JWK == nil || m.Header.KeyID != "" || m.Header.Nonce != "" || m.Header.URL != q.message.Header.URL {
		return acme.Problemf(acme.Malformed, "inner message: want jwk, the address of the outer one, and neither kid nor nonce")
	}
	fresh, err := acme.ParseKey(m.Header.JWK)
	if err == nil {
		err = q.s.judge.Judge(fresh.Public())
	}
	if err != nil {
		return acme.Problemf(acme.BadPublicKey, "%v", err)
	}
	if err := m.Verify(fresh); err != nil {
		return signatureProblem(err)
	}
	var r acme.KeyChange
	if err := acme.ReadJSON(m.Payload, &r); err != nil {
		return acme.Problemf(acme.Malformed, "inner payload: %v", err)
	}
	old, err := acme.ParseKey(r.OldKey)
	if err != nil || old.Thumbprint() != q.key.Thumbprint() || r.Account != q.message.Header.KeyID {
		return acme.Problemf(acme.Malformed, "inner payload: want this account and its key")
	}
	a := q.account
	a.Thumbprint, a.JWK = fresh.Thumbprint(), fresh.JWK()
	err = q.append(func(tx *state.Tx) error {
		if err := tx.SetACMEAccountKey(a); err != nil {
			return err
		}
		return tx.Audit("acme key", a.ID, map[string]any{"thumbprint": old.Thumbprint()}, map[string]any{"thumbprint": a.Thumbprint})
	})
	if errors.Is(err, state.ErrExists) {
		found, again := q.withKey(fresh)
		if again != nil {
			return again
		}
		q.w.Header().Set("Location", q.base+"/account/"+found.ID)
		p := acme.Problemf(acme.Malformed, "another account has that key")
		p.Status = http.StatusConflict
		return p
	}
	if err != nil {
		return err
	}
	return q.showAccount(http.StatusOK)
}

func (q *question) withKey(k *acme.Key) (a state.ACMEAccount, err error) {
	err = q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		a, err = tx.ACMEAccountOf(q.authority, k.Thumbprint())
		return err
	})
	return a, err
}

// ordersOf lists the newest orders of the account, RFC 8555 section 7.1.2.1.
func (q *question) ordersOf(parts []string) error {
	if parts[0] != q.account.ID {
		return acme.Problemf(acme.Unauthorized, "these are another's orders")
	}
	const most = 100
	list := struct {
		Orders []string `json:"orders"`
	}{Orders: []string{}}
	err := q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		all, err := tx.ACMEOrdersOf(q.account.ID, most)
		for _, o := range all {
			list.Orders = append(list.Orders, q.base+"/order/"+o.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, list)
}
