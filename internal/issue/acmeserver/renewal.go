package acmeserver

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// askAgain is when a client asks for the window again: RFC 9773 section 4.3 has six hours.
const askAgain = 6 * time.Hour

// named finds the certificate that an identifier of RFC 9773 section 4.1 means: the issuer's key identifier and the serial.
func (q *question) named(id string) (state.Issuance, *x509.Certificate, error) {
	key, serial, ok := strings.Cut(id, ".")
	aki, err := base64.RawURLEncoding.Strict().DecodeString(key)
	octets, err2 := base64.RawURLEncoding.Strict().DecodeString(serial)
	if !ok || err != nil || err2 != nil || len(octets) == 0 || len(octets) > 21 {
		return state.Issuance{}, nil, acme.Problemf(acme.Malformed, "no identifier of a certificate")
	}
	// The octets are those of the DER, which has a zero before a serial that begins with a set bit, and no other. A second
	// way to write an identifier would be a second certificate that can be replaced.
	digits := bytes.TrimLeft(octets, "\x00")
	if zeros := len(octets) - len(digits); len(digits) == 0 || zeros != int(digits[0]>>7) {
		return state.Issuance{}, nil, acme.Problemf(acme.Malformed, "no identifier of a certificate")
	}
	i, err := q.issuance(hex.EncodeToString(digits))
	if err != nil {
		return i, nil, err
	}
	cert, err := x509.ParseCertificate(i.Certificate)
	if err != nil || !bytes.Equal(cert.AuthorityKeyId, aki) { // not recorded yet, or another authority's
		return i, nil, notThere()
	}
	var all []state.Authority
	if err := q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		all, err = tx.Authorities()
		return err
	}); err != nil {
		return i, nil, err
	}
	// One that was rolled over counts: the directory is that of the purpose.
	if !slices.ContainsFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID && a.Purpose == q.authority }) {
		return i, nil, notThere()
	}
	return i, cert, nil
}

// renewalInfo says when a certificate should be renewed. It needs no account (RFC 9773 section 4.2).
func (q *question) renewalInfo(id string) error {
	i, _, err := q.named(id)
	if err != nil {
		return err
	}
	info := acme.RenewalInfo{SuggestedWindow: window(i)}
	if i.RevokedAt.IsZero() {
		err = q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
			all, err := tx.ACMEWindows()
			for _, w := range all {
				if w.Authority == q.authority && (w.Profile == "" || w.Profile == i.Profile) && i.PlannedAt.Before(w.IssuedBefore) {
					info = acme.RenewalInfo{SuggestedWindow: acme.Window{Start: w.StartsAt, End: w.EndsAt}, ExplanationURL: w.Explanation}
					break
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	q.w.Header().Set("Retry-After", strconv.Itoa(int(askAgain/time.Second)))
	return q.answer(http.StatusOK, info)
}

// window is when a certificate should be renewed if nothing is wrong: from two thirds of its life, over a tenth of it, so
// that those who were issued together do not come back together. What was revoked should have been renewed already.
func window(i state.Issuance) acme.Window {
	if !i.RevokedAt.IsZero() {
		return acme.Window{Start: i.RevokedAt.Add(-time.Hour).Truncate(time.Second), End: i.RevokedAt.Truncate(time.Second)}
	}
	life := i.NotAfter.Sub(i.NotBefore)
	start := i.NotBefore.Add(life * 2 / 3)
	return acme.Window{Start: start.Truncate(time.Second), End: start.Add(life / 10).Truncate(time.Second)}
}

// replaces checks which certificate an order renews, RFC 9773 section 5: one of the same account, with a name in common.
func (q *question) replaces(id string, wanted []authorization) error {
	i, cert, err := q.named(id)
	if err != nil {
		if problem, ok := errors.AsType[*acme.Problem](err); ok {
			problem.Type, problem.Status = acme.Malformed, 0
			problem.Detail = "replaces: no certificate that was issued here"
		}
		return err
	}
	if !q.owns(i) {
		return acme.Problemf(acme.Unauthorized, "replaces: the certificate is another account's")
	}
	has := namesOf(cert)
	if !slices.ContainsFunc(wanted, func(a authorization) bool { return slices.Contains(has, a.identifier().Value) }) {
		return acme.Problemf(acme.Malformed, "replaces: the order has no name of that certificate")
	}
	var done bool
	err = q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		done, err = tx.ACMEReplacement(id)
		return err
	})
	if err == nil && done {
		return acme.Problemf(acme.AlreadyReplaced, "replaces: it was renewed already")
	}
	return err
}
