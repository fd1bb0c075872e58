package acmeserver

import (
	"errors"
	"net/http"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

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
	err = q.changeAccount(func(tx *state.Tx) error {
		if err := tx.SetACMEAccountKey(a, old.Thumbprint()); err != nil {
			return err
		}
		return tx.Audit("acme key", a.ID, map[string]any{"thumbprint": old.Thumbprint()}, map[string]any{"thumbprint": a.Thumbprint})
	})
	switch {
	case errors.Is(err, state.ErrNotFound): // another request with the old key was faster
		return acme.Problemf(acme.Unauthorized, "the account has another key by now")
	case errors.Is(err, state.ErrExists):
		found, again := q.withKey(fresh)
		if again != nil {
			return again
		}
		q.w.Header().Set("Location", q.base+"/account/"+found.ID)
		p := acme.Problemf(acme.Malformed, "another account has that key")
		p.Status = http.StatusConflict
		return p
	case err != nil:
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
