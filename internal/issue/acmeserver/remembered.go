package acmeserver

import (
	"context"
	"slices"
	"sync"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// What is remembered between the messages of a client. A certificate takes some seven of them, each signed by the account
// and most about one order; reading both from the database for each cost a fifth of everything. Nobody but this process
// writes to the database, so both can hold: whoever writes makes what he writes to be forgotten.

// maxRemembered bounds how many accounts, and how many orders, are in memory. Beyond, all are forgotten: they are read again.
const maxRemembered = 2000

// accounts are accounts as they were read, with their keys. An administrator who shuts one out makes an Update; that they
// have changed then shows in [state.DB.Changes], and all are forgotten.
type accounts struct {
	// mu guards what follows. It is not held while anything is read.
	mu      sync.Mutex
	changes int64
	written int64 // how often this server has changed an account
	known   map[string]account
}

// account is a row with its key read. Nobody changes it.
type account struct {
	row state.ACMEAccount
	key *acme.Key
}

// account returns an account, or fails with [state.ErrNotFound].
func (s *Server) account(ctx context.Context, id string) (account, error) {
	changes := s.State.Changes()
	a := &s.accounts
	a.mu.Lock()
	if a.changes < changes {
		a.changes, a.known = changes, nil
	}
	found, ok := a.known[id]
	written := a.written
	a.mu.Unlock()
	if ok {
		return found, nil
	}
	err := s.State.View(ctx, func(tx *state.Tx) (err error) {
		found.row, err = tx.ACMEAccount(id)
		return err
	})
	if err != nil {
		return account{}, err
	}
	if found.key, err = acme.ParseKey([]byte(found.row.JWK)); err != nil {
		return account{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == changes && a.written == written { // otherwise what was read may be what was before
		if a.known == nil || len(a.known) >= maxRemembered {
			a.known = make(map[string]account)
		}
		a.known[id] = found
	}
	return found, nil
}

// forget is called after an account was changed, or perhaps was.
func (a *accounts) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written++
	delete(a.known, id)
}

// changeAccount is append for what changes the account.
func (q *question) changeAccount(f func(tx *state.Tx) error) error {
	defer q.s.accounts.forget(q.account.ID)
	return q.append(f)
}

// pending are orders that were made by this process and that nothing has happened to: no row was written since. Each is put
// in once, before its client knows of it, and taken out before its row is written again; so none is there that the row has
// left behind.
type pending struct {
	// mu guards known.
	mu    sync.Mutex
	known map[string]order
}

func (p *pending) keep(o order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxRemembered {
		p.known = make(map[string]order)
	}
	o.all = slices.Clone(o.all)
	p.known[o.row.ID] = o
}

// of returns an order whose time is not over: others are read, for they are tidied away.
func (p *pending) of(id string, now time.Time) (*order, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.known[id]
	if ok && !now.Before(o.row.ExpiresAt) {
		delete(p.known, id)
		return nil, false
	}
	o.all = slices.Clone(o.all)
	return &o, ok
}

func (p *pending) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
}
