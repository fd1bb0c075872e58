package acmeserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/mail"
	"strings"

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
	a := state.ACMEAccount{ID: newID(), Authority: q.authority, Thumbprint: q.key.Thumbprint(), JWK: q.key.JWK(), Contact: r.Contact, Status: state.ACMEValid}
	var refused error
	if a.KeyID, refused = q.binding(r); refused != nil || a.KeyID == "" {
		// Who shows a good key is not counted: it has a bound of its own, and behind his address may stand many machines, or
		// a stranger who tries keys.
		if wait := q.s.registrations.take(neighbourhood(q.r)); wait > 0 {
			return tooOften("too many new accounts from this address", wait)
		}
	}
	if refused != nil {
		return refused
	}
	if err := q.s.judge.Judge(q.key.Public()); err != nil {
		return badKey(err)
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
		err := q.changeAccount(func(tx *state.Tx) error {
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
		err := q.changeAccount(func(tx *state.Tx) error {
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
