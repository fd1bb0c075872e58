package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// starter acts when a server begins.
func starter() state.Actor { return state.Actor{Who: "postseal", From: "start"} }

// FinishIssuances finishes what was planned and not recorded when an earlier server ended, and takes up what was issued for a
// lineage that was never stored. It is for the start, before anybody can ask for anything.
func (d *Desk) FinishIssuances(ctx context.Context) error {
	all, host, err := d.authorities(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	var open []state.Issuance
	const most = 10_000 // in one start; the next finds the rest
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		open, err = tx.UnfinishedIssuances(time.Now(), most)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, i := range open {
		n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID })
		if n < 0 {
			continue // the table refers to it, so it is there
		}
		issuer, err := d.issuer(ctx, all[n], host)
		if err == nil {
			_, err = ca.New(issuer, &ledger{desk: d, who: starter(), authority: i.AuthorityID}).Resume(ctx, i.Serial)
		}
		failed = append(failed, err)
	}
	return errors.Join(append(failed, d.takeUp(ctx, most))...)
}

// finishOne finishes what was planned and not recorded, and reads it back.
func (d *Desk) finishOne(ctx context.Context, i state.Issuance) (state.Issuance, error) {
	all, host, err := d.authorities(ctx)
	if err != nil {
		return i, err
	}
	n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID }) // the table refers to it
	issuer, err := d.issuer(ctx, all[n], host)
	if err != nil {
		return i, err
	}
	_, err = ca.New(issuer, &ledger{desk: d, who: starter(), authority: i.AuthorityID}).Resume(ctx, i.Serial)
	if err != nil && !errors.Is(err, ca.ErrSerialTaken) { // another has finished it in this moment
		return i, err
	}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		i, err = tx.Issuance(i.Serial)
		return err
	})
	return i, err
}

// takeUp gives the certificates whose key waits for a lineage that lineage: whoever asked for it was told of no success, and
// still finds it. If the name is taken meanwhile, or nobody could use it, the key is forgotten, and the audit trail says so.
func (d *Desk) takeUp(ctx context.Context, most int) error {
	var waiting []state.Issuance
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		waiting, err = tx.UnheldIssuances(most)
		return err
	})
	failed := []error{err}
	for _, i := range waiting {
		if i.Certificate == nil {
			continue // it could not be finished; its authority's key may come back
		}
		failed = append(failed, d.takeUpOne(ctx, i))
	}
	return errors.Join(failed...)
}

func (d *Desk) takeUpOne(ctx context.Context, i state.Issuance) error {
	_, err := d.do(ctx, starter(), Doing{}, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		all, _, err := d.authorities(ctx)
		if err != nil {
			return nil, nil, err
		}
		n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID }) // the table refers to it
		store, err := takingUp(v, i, all[n])
		return newChange(v), store, err
	})
	if err != nil {
		return fmt.Errorf("taking up certificate %s: %w", i.Serial, err)
	}
	return nil
}

// takingUp says what becomes of one.
func takingUp(v *view, i state.Issuance, a state.Authority) (func(tx *state.Tx) error, error) {
	cert, err := x509cert.ParseCertificate(i.Certificate)
	if err != nil {
		return nil, err
	}
	name, ours := strings.CutPrefix(i.Requester, ownLineage)
	_, taken := v.named(name)
	why := ""
	switch {
	case !ours: // for a person, who never got it
		return func(tx *state.Tx) error { return giveUpIn(tx, i, "it could not be handed out") }, nil
	case taken:
		why = "the lineage is there, and renews by itself" // a renewal was cut off, or somebody asked again
	case !i.RevokedAt.IsZero():
		why = "it was revoked"
	case time.Now().After(i.NotAfter):
		why = "it has ended"
	}
	if why != "" {
		return func(tx *state.Tx) error {
			if err := tx.DropKey(i.Serial); err != nil {
				return err
			}
			return tx.Audit("ca give up", i.Serial, nil, map[string]any{"requester": i.Requester, "reason": why})
		}, nil
	}
	kind, err := keys.KindOf(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	m := issuedMember(&issued{i.Serial, cert, chainBelow(a)})
	m.Algorithm, m.SecretID = kind.Algorithm(), i.SecretID
	l := issuedLineage(state.Lineage{Name: name, ServerID: v.server.ID, FriendlyName: nameOf(x509cert.Inspect(cert).Names[0])}, m)
	return func(tx *state.Tx) error {
		if err := tx.AddLineage(l); err != nil {
			return err
		}
		if err := tx.HoldKey(i.Serial); err != nil {
			return err
		}
		return tx.Audit("ca take up", l.Name, nil, map[string]any{"serial": i.Serial, "thumbprint": m.Thumbprint})
	}, nil
}

// RunAuthority does for our own authority what nobody asks for, until ctx ends: once a minute it goes on revoking what is below
// an authority that was revoked, if that was cut off, and once an hour the lists of shards that have come to their end are
// forgotten.
func (d *Desk) RunAuthority(ctx context.Context) {
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	var tended time.Time
	for {
		d.tended(ctx, "revoked", "revoking what a revoked authority has issued", d.finishFalling(ctx, starter()))
		if time.Since(tended) >= time.Hour {
			d.tended(ctx, "lists", "forgetting revocation lists that have come to their end", d.TendLists(ctx))
			tended = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
