package acmeserver

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/challenge"
)

// How long what was found out stays in memory: alone, so that a client that goes on at once costs no commit of its own;
// and beside the row, so that a request that has read the row before does not begin from it.
const (
	proofAge  = 5 * time.Second
	proofStay = time.Minute
)

// proof is what was found out about the names of one order.
type proof struct {
	order string
	all   []authorization // never changed, only replaced, so that a reader may keep it
	at    time.Time       // of the last change
	kept  bool            // it is written down
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
	p.change(o, n, func(a *authorization) bool {
		a.Status, a.Method = acme.StatusProcessing, kind
		return true
	})
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
		s.proofs.set(o, n, func(a *authorization) bool {
			still := a.Status == acme.StatusProcessing // it was not deactivated meanwhile
			if still {
				a.Status, a.Validated = acme.StatusValid, now
			}
			return still
		})
		return
	}
	problem.Status = statusOf(problem)
	all, still := s.proofs.set(o, n, func(a *authorization) bool {
		still := a.Status == acme.StatusProcessing
		if still {
			a.Status, a.Problem = acme.StatusInvalid, problem
		}
		return still
	})
	if !still {
		return
	}
	stored, err := text(all)
	var said []byte
	if err == nil {
		said, err = json.Marshal(problem)
	}
	s.pending.forget(o.row.ID)
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
		return
	}
	s.proofs.keep(o.row.ID, all)
}

// set changes what is known of one name of an order, unless change says no.
func (p *proofs) set(o *order, n int, change func(*authorization) bool) ([]authorization, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.change(o, n, change)
}

// change is set for whoever holds mu.
func (p *proofs) change(o *order, n int, change func(*authorization) bool) ([]authorization, bool) {
	all := o.all
	if known, ok := p.byOrder[o.row.ID]; ok {
		all = known.all
	}
	all = slices.Clone(all)
	if !change(&all[n]) {
		return all, false
	}
	if p.byOrder == nil {
		p.byOrder = make(map[string]*proof)
	}
	p.byOrder[o.row.ID] = &proof{order: o.row.ID, all: all, at: time.Now()}
	return all, true
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

// keepProofs writes down what was found out before a time, and drops from memory what is written down and old.
func (s *Server) keepProofs(ctx context.Context, now, before time.Time) {
	p := &s.proofs
	var due []*proof
	p.mu.Lock()
	for id, x := range p.byOrder {
		busy := slices.ContainsFunc(x.all, func(a authorization) bool { return a.Status == acme.StatusProcessing })
		switch age := now.Sub(x.at); {
		case busy:
		case x.kept && (age > proofStay || age < 0): // below zero: the clock was set back
			delete(p.byOrder, id)
		case !x.kept && (x.at.Before(before) || age < 0):
			due = append(due, x)
		}
	}
	p.mu.Unlock()
	if len(due) == 0 {
		return
	}
	for _, x := range due {
		s.pending.forget(x.order)
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
			p.byOrder[x.order] = &proof{order: x.order, all: x.all, at: x.at, kept: true}
		}
	}
}

// keep remembers that what is known of an order is written down, if it is that.
func (p *proofs) keep(order string, all []authorization) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x, ok := p.byOrder[order]; ok && &x.all[0] == &all[0] {
		p.byOrder[order] = &proof{order: order, all: x.all, at: x.at, kept: true}
	}
}
