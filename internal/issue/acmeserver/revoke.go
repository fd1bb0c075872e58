package acmeserver

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/crl"
)

// revoke takes a certificate back: for the account that it was issued to, for one that has proved all its names, and for
// whoever holds its key (RFC 8555 section 7.6).
func (q *question) revoke([]string) error {
	var r acme.Revocation
	if err := q.payload(&r); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.Strict().DecodeString(r.Certificate)
	if err != nil {
		return acme.Problemf(acme.Malformed, "certificate: not base64url")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return acme.Problemf(acme.Malformed, "certificate: it cannot be read")
	}
	reason := 0
	if r.Reason != nil {
		reason = *r.Reason
	}
	// RFC 5280 section 5.3.1: the holder can say these of his own certificate; the others are the authority's to say.
	if !slices.Contains([]int{0, 1, 3, 4, 5, 9}, reason) {
		return acme.Problemf(acme.BadRevocationReason, "want one of 0, 1, 3, 4, 5 and 9")
	}
	i, err := q.issuance(hex.EncodeToString(cert.SerialNumber.Bytes()))
	if err != nil || !bytes.Equal(i.Certificate, der) {
		if problem, ok := errors.AsType[*acme.Problem](err); err == nil || ok && problem.Status == http.StatusNotFound {
			return acme.Problemf(acme.Malformed, "certificate: it was not issued here")
		}
		return err
	}
	who := q.who()
	if q.message.Header.JWK != nil {
		same, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !same.Equal(q.key.Public()) {
			return acme.Problemf(acme.Unauthorized, "the message is signed neither by an account nor by the certificate's key")
		}
		who = state.Actor{Who: "acme, the key of " + i.Serial, From: "acme " + peer(q.r)}
	} else if !q.owns(i) {
		if wait := q.s.failures.take(q.account.ID); wait > 0 { // a thousand orders are read for the answer
			return tooOften("too many certificates of others were not this account's to revoke", wait)
		}
		if err := q.hasProved(cert); err != nil {
			return err
		}
		q.s.failures.giveBack(q.account.ID)
		// Who has the names now need not have had the key ever. On his word it would be certified no more, for anybody.
		if reason == int(crl.KeyCompromise) {
			return acme.Problemf(acme.BadRevocationReason, "keyCompromise is for whoever holds the key, and for the account that it was issued to")
		}
	}
	err = q.s.Authority.TakeBack(q.r.Context(), who, i.Serial, reason)
	if errors.Is(err, state.ErrExists) {
		return acme.Problemf(acme.AlreadyRevoked, "it was revoked before")
	}
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// hasProved says whether the account has proved every name of a certificate, in orders whose time is not over.
func (q *question) hasProved(cert *x509.Certificate) error {
	proved := map[string]bool{}
	const most = 1000
	err := q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		all, err := tx.ACMEOrdersOf(q.account.ID, most)
		for _, row := range all {
			if !tx.Now().Before(row.ExpiresAt) {
				continue
			}
			o, err := q.s.complete(row)
			if err != nil {
				return err
			}
			for _, a := range o.all {
				if a.Status == acme.StatusValid {
					proved[a.identifier().Value] = true
				}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	names := namesOf(cert)
	if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return !proved[n] }) {
		return acme.Problemf(acme.Unauthorized, "it was issued to another account, and this one has not proved its names")
	}
	return nil
}

// namesOf are the names of a certificate as orders write them.
func namesOf(cert *x509.Certificate) []string {
	var names []string
	for _, n := range cert.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
