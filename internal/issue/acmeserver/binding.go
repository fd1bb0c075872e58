package acmeserver

import (
	"errors"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

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
