package acmeserver

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// newToken is 192 random bits; RFC 8555 section 8.1 asks for at least 128.
func newToken() string {
	var b [24]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// find returns the authorization that an address means.
func (q *question) find(parts []string) (*order, int, error) {
	o, err := q.load(parts[0])
	if err != nil {
		return nil, 0, err
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 0 || n >= len(o.all) || strconv.Itoa(n) != parts[1] {
		return nil, 0, notThere()
	}
	return o, n, nil
}

// authorizationAt shows an authorization, or ends it: RFC 8555 sections 7.5 and 7.5.2.
func (q *question) authorizationAt(parts []string) error {
	o, n, err := q.find(parts)
	if err != nil {
		return err
	}
	if q.asGet() {
		return q.showAuthorization(o, n)
	}
	var r struct {
		Status acme.Status `json:"status"`
	}
	if err := q.payload(&r); err != nil {
		return err
	}
	if r.Status != acme.StatusDeactivated || o.row.Serial != "" || o.row.Error != "" {
		return acme.Problemf(acme.Malformed, "an authorization can only become deactivated, before its order is finished")
	}
	// In memory first: a look that is under way must not make it valid again.
	all, _ := q.s.proofs.set(o, n, func(a *authorization) bool {
		a.Status = acme.StatusDeactivated
		return true
	})
	o.all = all
	stored, err := text(all)
	if err != nil {
		return err
	}
	q.s.pending.forget(o.row.ID)
	err = q.append(func(tx *state.Tx) error {
		if err := tx.SetACMEOrder(o.row.ID, stored, o.row.Error); err != nil {
			return err
		}
		return tx.Audit("acme deactivate-authorization", o.row.ID, nil, map[string]any{"name": all[n].identifier().Value})
	})
	if err != nil {
		return err
	}
	q.s.proofs.keep(o.row.ID, all)
	return q.showAuthorization(o, n)
}

func (q *question) showAuthorization(o *order, n int) error {
	a := o.all[n]
	v := acme.Authorization{Identifier: acme.Identifier{Type: a.Type, Value: a.Value}, Wildcard: a.Wildcard, Status: a.Status, Expires: &o.row.ExpiresAt}
	if v.Status == acme.StatusProcessing {
		v.Status = acme.StatusPending // RFC 8555 section 7.1.6: an authorization has no such state
	}
	if v.Status == acme.StatusPending && !time.Now().Before(o.row.ExpiresAt) {
		v.Status = acme.StatusExpired
	}
	for _, kind := range a.challenges() {
		if a.Method == "" || a.Method == kind { // once one was tried, it is the only one
			v.Challenges = append(v.Challenges, q.challenge(o, n, kind))
		}
	}
	return q.answer(http.StatusOK, v)
}

func (q *question) challenge(o *order, n int, kind acme.ChallengeType) acme.Challenge {
	a := o.all[n]
	c := acme.Challenge{Type: kind, URL: q.base + "/challenge/" + o.row.ID + "/" + strconv.Itoa(n) + "/" + string(kind), Status: acme.StatusPending, Token: a.Token}
	if a.Method == kind {
		c.Status, c.Error = a.Status, a.Problem
		if a.Status == acme.StatusDeactivated {
			c.Status = acme.StatusInvalid
		}
		if !a.Validated.IsZero() {
			c.Validated = &a.Validated
		}
	}
	return c
}

// challengeAt is told that what proves a name is in its place, and looks: RFC 8555 section 7.5.1.
func (q *question) challengeAt(parts []string) error {
	o, n, err := q.find(parts)
	if err != nil {
		return err
	}
	kind := acme.ChallengeType(parts[2])
	if !slices.Contains(o.all[n].challenges(), kind) {
		return notThere()
	}
	q.w.Header().Set("Link", "<"+q.base+"/authz/"+parts[0]+"/"+parts[1]+`>;rel="up"`)
	if q.asGet() {
		return q.answer(http.StatusOK, q.challenge(o, n, kind))
	}
	if err := q.payload(&struct{}{}); err != nil {
		return err
	}
	now := time.Now()
	if o.all[n].Status == acme.StatusPending && o.status(now) == acme.StatusPending {
		done, err := q.begin(o, n, kind)
		if err != nil {
			return err
		}
		// Most names are looked at in milliseconds: who waits for that saves the client a question.
		select {
		case <-done:
		case <-time.After(waitForValidation):
		case <-q.r.Context().Done():
		}
		if o, err = q.load(parts[0]); err != nil {
			return err
		}
	}
	c := q.challenge(o, n, kind)
	if c.Status == acme.StatusProcessing {
		q.w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	return q.answer(http.StatusOK, c)
}
