package acmeserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/ca"
)

// authorization is what must be proved about one name, as an order keeps it.
type authorization struct {
	Type      acme.IdentifierType `json:"type"`
	Value     string              `json:"value"` // without *.
	Wildcard  bool                `json:"wildcard,omitempty"`
	Token     string              `json:"token"`
	Status    acme.Status         `json:"status"`
	Method    acme.ChallengeType  `json:"method,omitempty"` // by which it was proved, or not
	Validated time.Time           `json:"validated,omitzero"`
	Problem   *acme.Problem       `json:"problem,omitempty"`
}

// identifier is the name as an order has it.
func (a authorization) identifier() acme.Identifier {
	if a.Wildcard {
		return acme.Identifier{Type: a.Type, Value: "*." + a.Value}
	}
	return acme.Identifier{Type: a.Type, Value: a.Value}
}

// challenges are the ways to prove it: RFC 8555 section 8.4 for wildcards, RFC 8738 section 4 for addresses.
func (a authorization) challenges() []acme.ChallengeType {
	switch {
	case a.Wildcard:
		return []acme.ChallengeType{acme.DNS01}
	case a.Type == acme.IdentifierIP:
		return []acme.ChallengeType{acme.HTTP01, acme.TLSALPN01}
	}
	return []acme.ChallengeType{acme.HTTP01, acme.DNS01, acme.TLSALPN01}
}

// order is a row with its authorizations as of now.
type order struct {
	row state.ACMEOrder
	all []authorization
}

// status follows from the authorizations and the book, RFC 8555 section 7.1.6.
func (o *order) status(now time.Time) acme.Status {
	switch {
	case o.row.Issued:
		return acme.StatusValid
	case o.row.Serial != "":
		return acme.StatusProcessing
	case o.row.Error != "" || !now.Before(o.row.ExpiresAt):
		return acme.StatusInvalid
	}
	status := acme.StatusReady
	for _, a := range o.all {
		switch a.Status {
		case acme.StatusValid:
		case acme.StatusPending, acme.StatusProcessing:
			status = acme.StatusPending
		default:
			return acme.StatusInvalid
		}
	}
	return status
}

// names are those of the order.
func (o *order) names() []string {
	var all []string
	for _, a := range o.all {
		all = append(all, a.identifier().Value)
	}
	return all
}

// text is how the authorizations are stored.
func text(all []authorization) (string, error) {
	b, err := json.Marshal(all)
	return string(b), err
}

// newOrder takes an order, RFC 8555 section 7.4.
func (q *question) newOrder([]string) error {
	var r acme.Order
	if err := q.payload(&r); err != nil {
		return err
	}
	if r.NotBefore != nil || r.NotAfter != nil {
		return acme.Problemf(acme.Malformed, "notBefore and notAfter are the profile's to say")
	}
	profile, err := q.profile(r.Profile)
	if err != nil {
		return err
	}
	all, err := q.wanted(profile, r.Identifiers)
	if err != nil {
		return err
	}
	// Renewals have a count of their own: what an administrator or the end of a life asks for must not wait for what is new.
	count := &q.s.orders
	if r.Replaces != "" {
		if err := q.replaces(r.Replaces, all); err != nil {
			return err
		}
		count = &q.s.renewals
	}
	if wait := count.take(q.account.ID); wait > 0 {
		return tooOften("too many orders of this account", wait)
	}
	o := order{row: state.ACMEOrder{ID: newID(), AccountID: q.account.ID, Profile: profile.Name(), Replaces: r.Replaces, ExpiresAt: time.Now().Add(orderLife).UTC().Truncate(time.Second)}, all: all}
	if o.row.Authorizations, err = text(all); err != nil {
		return err
	}
	err = q.append(func(tx *state.Tx) error {
		if err := tx.AddACMEOrder(o.row); err != nil {
			return err
		}
		return tx.Audit("acme order", o.row.ID, nil, map[string]any{"profile": o.row.Profile, "names": o.names()})
	})
	if err != nil {
		return err // done and the answer lost: nobody knows its address, and it is tidied away
	}
	q.s.pending.keep(o)
	return q.showOrder(http.StatusCreated, &o)
}

// profile finds the one that an order means. That of the account's key is the only one it may have.
func (q *question) profile(asked string) (*ca.Profile, error) {
	bound := q.account.Profile
	if q.account.KeyID == "" {
		bound = q.s.OpenProfile
	}
	if bound == "" {
		return nil, acme.Problemf(acme.ExternalAccountRequired, "the account has no external account key, and the directory was closed since")
	}
	if asked != "" && asked != bound {
		return nil, acme.Problemf(acme.InvalidProfile, "this account may have the profile %s", bound)
	}
	p, ok := q.offer.Profiles[bound]
	if !ok {
		return nil, acme.Problemf(acme.InvalidProfile, "the profile %s is not issued here any more", bound)
	}
	return p, nil
}

// wanted checks the names of an order, each once.
func (q *question) wanted(p *ca.Profile, ids []acme.Identifier) ([]authorization, error) {
	if len(ids) == 0 || len(ids) > ca.MaxNames {
		return nil, acme.Problemf(acme.Malformed, "want 1 to %d identifiers", ca.MaxNames)
	}
	var all []authorization
	var subs []acme.Subproblem
	for _, id := range ids {
		a, problem := q.one(p, id)
		if problem != nil {
			subs = append(subs, acme.Subproblem{Type: problem.Type, Detail: problem.Detail, Identifier: acme.Identifier{Type: id.Type, Value: clip(id.Value)}})
			continue
		}
		if !slices.ContainsFunc(all, func(b authorization) bool { return b.identifier() == a.identifier() }) {
			all = append(all, a)
		}
	}
	switch {
	case len(subs) == 0:
		return all, nil
	case len(subs) == 1:
		problem := acme.Problemf(subs[0].Type, "%s", subs[0].Detail)
		problem.Identifier = &subs[0].Identifier
		return nil, problem
	}
	// RFC 8555 section 6.7.1.
	problem := acme.Problemf(acme.RejectedIdentifier, "%d of the names are not issued", len(subs))
	problem.Subproblems = subs
	return nil, problem
}

// one checks one name.
func (q *question) one(p *ca.Profile, id acme.Identifier) (authorization, *acme.Problem) {
	var a authorization
	if id.Type != acme.IdentifierDNS && id.Type != acme.IdentifierIP {
		return a, acme.Problemf(acme.UnsupportedIdentifier, "identifiers of type dns and ip are issued")
	}
	if len(id.Value) > 300 {
		return a, acme.Problemf(acme.Malformed, "an identifier is too long")
	}
	canonical, err := x509cert.ParseSAN(id.Value)
	if err != nil {
		return a, acme.Problemf(acme.RejectedIdentifier, "%v", err)
	}
	if _, err := netip.ParseAddr(canonical); (err == nil) != (id.Type == acme.IdentifierIP) {
		return a, acme.Problemf(acme.Malformed, "%q is no identifier of type %s", clip(id.Value), id.Type)
	}
	if err := q.offer.Issuer.Certifies(p, []string{canonical}); err != nil {
		return a, acme.Problemf(acme.RejectedIdentifier, "%v", err)
	}
	a = authorization{Type: id.Type, Value: canonical, Token: newToken(), Status: acme.StatusPending}
	a.Value, a.Wildcard = strings.CutPrefix(canonical, "*.")
	// An address is below no domain, so an account that is bound to domains has none.
	if len(q.account.Domains) > 0 && !slices.ContainsFunc(q.account.Domains, func(d string) bool { return a.Value == d || strings.HasSuffix(a.Value, "."+d) }) {
		return a, acme.Problemf(acme.RejectedIdentifier, "the external account key of this account is for %s", strings.Join(q.account.Domains, ", "))
	}
	return a, nil
}

// load reads an order of the account, with what is in memory.
func (q *question) load(id string) (*order, error) {
	if o, ok := q.s.pending.of(id, time.Now()); ok {
		if o.row.AccountID != q.account.ID {
			return nil, notYours()
		}
		q.s.overlay(o)
		return o, nil
	}
	var row state.ACMEOrder
	err := q.s.State.View(q.r.Context(), func(tx *state.Tx) (err error) {
		row, err = tx.ACMEOrder(id)
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return nil, notThere()
	}
	if err != nil {
		return nil, err
	}
	if row.AccountID != q.account.ID {
		return nil, notYours()
	}
	return q.s.complete(row)
}

func notYours() *acme.Problem { return acme.Problemf(acme.Unauthorized, "this is another's order") }

// complete reads the authorizations of a row and puts what is in memory over them.
func (s *Server) complete(row state.ACMEOrder) (*order, error) {
	o := &order{row: row}
	if err := json.Unmarshal([]byte(row.Authorizations), &o.all); err != nil {
		return nil, fmt.Errorf("reading order %s: %w", row.ID, err)
	}
	s.overlay(o)
	return o, nil
}

// overlay puts what is in memory over what an order says of its names.
func (s *Server) overlay(o *order) {
	if o.row.Serial != "" {
		return
	}
	s.proofs.mu.Lock()
	defer s.proofs.mu.Unlock()
	if p, ok := s.proofs.byOrder[o.row.ID]; ok {
		o.all = slices.Clone(p.all)
	}
}

// orderAt shows an order. One whose issuance was left unfinished is finished here.
func (q *question) orderAt(parts []string) error {
	if !q.asGet() {
		return acme.Problemf(acme.Malformed, "nothing can be said to an order")
	}
	o, err := q.load(parts[0])
	if err != nil {
		return err
	}
	const unfinished = 5 * time.Second
	// Abs: the clock may have been set back since.
	if o.status(time.Now()) == acme.StatusProcessing && time.Since(o.row.PlannedAt).Abs() > unfinished {
		if err := q.s.Authority.Finish(q.r.Context(), o.row.Serial); err != nil {
			q.s.Log.ErrorContext(q.r.Context(), "finishing an order", "order", o.row.ID, "serial", o.row.Serial, "err", err)
		} else if o, err = q.load(parts[0]); err != nil {
			return err
		}
	}
	return q.showOrder(http.StatusOK, o)
}

func (q *question) showOrder(status int, o *order) error {
	v := acme.Order{Status: o.status(time.Now()), Expires: &o.row.ExpiresAt, Profile: o.row.Profile, Replaces: o.row.Replaces, Identifiers: []acme.Identifier{}, Finalize: q.base + "/finalize/" + o.row.ID}
	for n, a := range o.all {
		v.Identifiers = append(v.Identifiers, a.identifier())
		v.Authorizations = append(v.Authorizations, q.base+"/authz/"+o.row.ID+"/"+strconv.Itoa(n))
		if a.Problem != nil && v.Error == nil {
			v.Error = a.Problem
		}
	}
	q.w.Header().Set("Location", q.base+"/order/"+o.row.ID) // some clients go on from the answer to finalize
	switch v.Status {
	case acme.StatusValid:
		v.Certificate = q.base + "/cert/" + o.row.Serial
	case acme.StatusProcessing:
		q.w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	if o.row.Error != "" && v.Error == nil {
		v.Error = new(acme.Problem)
		if err := json.Unmarshal([]byte(o.row.Error), v.Error); err != nil {
			return err
		}
	}
	return q.answer(status, v)
}
