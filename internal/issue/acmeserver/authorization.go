package acmeserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/challenge"
)

// proofAge is how long what was proved stays in memory alone.
const proofAge = time.Second

// newToken is 192 random bits; RFC 8555 section 8.1 asks for at least 128.
func newToken() string {
	var b [24]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// proof is what was found out about the names of one order.
type proof struct {
	order string
	all   []authorization // never changed, only replaced, so that a reader may keep it
	at    time.Time       // of the last change
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
	if r.Status != acme.StatusDeactivated || o.row.Serial != "" {
		return acme.Problemf(acme.Malformed, "an authorization can only become deactivated, before its order is finished")
	}
	all := slices.Clone(o.all)
	all[n].Status = acme.StatusDeactivated
	o.all = all
	stored, err := text(all)
	if err != nil {
		return err
	}
	err = q.append(func(tx *state.Tx) error {
		if err := tx.SetACMEOrder(o.row.ID, stored, o.row.Error); err != nil {
			return err
		}
		return tx.Audit("acme deactivate-authorization", o.row.ID, nil, map[string]any{"name": all[n].identifier().Value})
	})
	if err != nil {
		return err
	}
	q.s.proofs.forget(o.row.ID)
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

// begin starts a look, and returns what is closed when it is done.
func (q *question) begin(o *order, n int, kind acme.ChallengeType) (<-chan struct{}, error) {
	s, account := q.s, q.account.ID
	if wait := s.failures.take(account); wait > 0 { // it is given back if the name is proved
		return nil, tooOften("too many names of this account were not proved", wait)
	}
	done := make(chan struct{})
	if begun, err := s.proofs.begin(account, o, n, kind); !begun {
		s.failures.giveBack(account)
		close(done)
		return done, err
	}
	a := o.all[n]
	question := challenge.Question{Type: kind, Identifier: acme.Identifier{Type: a.Type, Value: a.Value}, Wildcard: a.Wildcard, Token: a.Token, Account: q.key}
	who := challenge.Issuer{Domains: q.offer.CAA, Account: q.base + "/account/" + account, Method: kind}
	actor := q.who()
	ctx := context.WithoutCancel(q.r.Context()) // the client may hang up; the validator has a deadline
	s.proofs.running.Go(func() {
		defer close(done)
		defer s.proofs.release(account)
		s.found(ctx, actor, o, n, s.look(ctx, question, who))
	})
	return done, nil
}

// begin marks that a name is being looked at. It is not begun if another request was faster, or if there are too many.
func (p *proofs) begin(account string, o *order, n int, kind acme.ChallengeType) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.byOrder[o.row.ID]; ok && known.all[n].Status != acme.StatusPending {
		return false, nil
	}
	if p.checking >= maxChecking || p.ofOne[account] >= maxCheckingOfOne {
		return false, tooOften("too many names are being looked at", retryAfter)
	}
	if p.ofOne == nil {
		p.ofOne = make(map[string]int)
	}
	p.checking++
	p.ofOne[account]++
	p.change(o, func(a []authorization) { a[n].Status, a[n].Method = acme.StatusProcessing, kind })
	return true, nil
}

// look asks the name, and what its domain says about who may issue.
func (s *Server) look(ctx context.Context, question challenge.Question, who challenge.Issuer) *acme.Problem {
	if problem := s.Validator.Validate(ctx, question); problem != nil {
		return problem
	}
	if question.Identifier.Type == acme.IdentifierDNS && public(question.Identifier.Value) {
		return s.Validator.CAA(ctx, question.Identifier.Value, question.Wildcard, who)
	}
	return nil
}

// found keeps what a look has found. That a name was not proved is written down at once, for the order is over.
func (s *Server) found(ctx context.Context, actor state.Actor, o *order, n int, problem *acme.Problem) {
	now := time.Now().UTC().Truncate(time.Second)
	if problem == nil {
		s.failures.giveBack(o.row.AccountID)
		s.proofs.set(o, func(a []authorization) { a[n].Status, a[n].Validated = acme.StatusValid, now })
		return
	}
	problem.Status = statusOf(problem)
	all := s.proofs.set(o, func(a []authorization) { a[n].Status, a[n].Problem = acme.StatusInvalid, problem })
	stored, err := text(all)
	var said []byte
	if err == nil {
		said, err = json.Marshal(problem)
	}
	if err == nil {
		err = s.State.Append(ctx, actor, func(tx *state.Tx) error {
			tx.ActFor(s.Server)
			if err := tx.SetACMEOrder(o.row.ID, stored, string(said)); err != nil {
				return err
			}
			return tx.Audit("acme refuse", o.row.ID, nil, map[string]any{"name": all[n].identifier().Value, "method": all[n].Method, "problem": problem.Error()})
		})
	}
	if err != nil { // it is in memory, and Run tries again
		s.Log.ErrorContext(ctx, "writing down that a name was not proved", "order", o.row.ID, "err", err)
	}
}

// set changes what is known of an order.
func (p *proofs) set(o *order, change func([]authorization)) []authorization {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.change(o, change)
}

// change is set for whoever holds mu.
func (p *proofs) change(o *order, change func([]authorization)) []authorization {
	all := o.all
	if known, ok := p.byOrder[o.row.ID]; ok {
		all = known.all
	}
	all = slices.Clone(all)
	change(all)
	if p.byOrder == nil {
		p.byOrder = make(map[string]*proof)
	}
	p.byOrder[o.row.ID] = &proof{order: o.row.ID, all: all, at: time.Now()}
	return all
}

func (p *proofs) forget(order string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byOrder, order)
}

// release ends a validation.
func (p *proofs) release(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checking--
	if p.ofOne[account]--; p.ofOne[account] <= 0 {
		delete(p.ofOne, account)
	}
}

// keepProofs writes down what was proved before a time and drops it from memory.
func (s *Server) keepProofs(ctx context.Context, before time.Time) {
	p := &s.proofs
	var due []*proof
	p.mu.Lock()
	for _, x := range p.byOrder {
		if x.at.Before(before) && !slices.ContainsFunc(x.all, func(a authorization) bool { return a.Status == acme.StatusProcessing }) {
			due = append(due, x)
		}
	}
	p.mu.Unlock()
	if len(due) == 0 {
		return
	}
	err := s.State.Append(ctx, state.Actor{Who: "postseal", From: "acme"}, func(tx *state.Tx) error {
		tx.ActFor(s.Server)
		for _, x := range due {
			stored, err := text(x.all)
			if err != nil {
				return err
			}
			said := ""
			for _, a := range x.all {
				if a.Problem != nil {
					b, err := json.Marshal(a.Problem)
					if err != nil {
						return err
					}
					said = string(b)
				}
			}
			if err := tx.SetACMEOrder(x.order, stored, said); err != nil {
				return err
			}
			if err := tx.Audit("acme proved", x.order, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "writing down what was proved", "orders", len(due), "err", err)
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range due {
		if p.byOrder[x.order] == x { // nothing was found out since
			delete(p.byOrder, x.order)
		}
	}
}
