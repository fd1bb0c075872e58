package desk

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// shardSize is how many certificates share a revocation list.
const shardSize = 10_000

// ledger writes down what one authority does. docs/issuance.md has the steps.
type ledger struct {
	desk      *Desk
	who       state.Actor
	requester string
	authority string // its id
	shard     int64
	key       crypto.PublicKey                        // that is certified; nil for what was planned before
	secret    *state.Secret                           // the sealed key that was made for it here; nil: whoever asks has it
	planned   func(tx *state.Tx, serial string) error // called within the commit of step 3; nil for none
}

// Plan is step 3: the draft, its shard, its key if that was made here, and the audit row in one commit. A certificate whose
// key was lost in a crash would be one that nobody can use, and that everybody must trust until it ends.
func (l *ledger) Plan(ctx context.Context, d *ca.Draft) error {
	return asLedger(l.desk.db.Append(ctx, l.who, func(tx *state.Tx) error {
		tx.ActFor(l.desk.server)
		if l.key != nil { // in this commit: whoever takes a certificate of it back meanwhile is before it or after it
			if err := notCompromised(tx, l.key, d.KeyID); err != nil {
				return err
			}
		}
		if err := tx.UseShard(l.authority, l.shard, shardSize); err != nil {
			return err
		}
		i := state.Issuance{Serial: d.Serial, AuthorityID: l.authority, Shard: l.shard, Profile: d.Profile, Requester: l.requester, Subject: d.Subject,
			KeyID: d.KeyID, Names: d.Names, NotBefore: d.NotBefore, NotAfter: d.NotAfter, TBS: d.TBS}
		if l.secret != nil {
			if err := tx.AddSecret(*l.secret); err != nil {
				return err
			}
			i.SecretID = l.secret.ID
		}
		if err := tx.PlanIssuance(i); err != nil {
			return err
		}
		if l.planned != nil {
			if err := l.planned(tx, d.Serial); err != nil {
				return err
			}
		}
		return tx.Audit("ca plan", d.Serial, nil, planRow{d.KeyID, d.Names, d.NotAfter, d.Profile, l.requester})
	}))
}

// Record is step 6.
func (l *ledger) Record(ctx context.Context, d *ca.Draft, raw []byte) error {
	return asLedger(l.desk.db.Append(ctx, l.who, func(tx *state.Tx) error {
		tx.ActFor(l.desk.server)
		if err := tx.RecordIssuance(d.Serial, raw); err != nil {
			return err
		}
		return tx.Audit("ca issue", d.Serial, nil, issueRow{x509cert.Thumbprint(raw)})
	}))
}

// planRow and issueRow are what the audit trail says of the steps, in the order of their names.
type planRow struct {
	KeyID     string    `json:"keyId"`
	Names     []string  `json:"names"`
	NotAfter  time.Time `json:"notAfter"`
	Profile   string    `json:"profile"`
	Requester string    `json:"requester"`
}

type issueRow struct {
	Thumbprint string `json:"thumbprint"`
}

// Planned reads the book.
func (l *ledger) Planned(ctx context.Context, serial string) (d *ca.Draft, raw []byte, err error) {
	err = l.desk.db.View(ctx, func(tx *state.Tx) error {
		i, err := tx.Issuance(serial)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		d, raw = &ca.Draft{Serial: i.Serial, Profile: i.Profile, Subject: i.Subject, NotBefore: i.NotBefore, NotAfter: i.NotAfter, KeyID: i.KeyID, TBS: i.TBS}, i.Certificate
		return nil
	})
	if err == nil && raw != nil { // the octets that were signed stand in the certificate
		cert, err := x509cert.ParseCertificate(raw)
		if err != nil {
			return nil, nil, err
		}
		d.TBS = cert.RawTBSCertificate
	}
	return d, raw, err
}

// asLedger words errors of the state as a ledger does.
func asLedger(err error) error {
	switch {
	case errors.Is(err, state.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", ca.ErrOutcomeUnknown, err)
	case errors.Is(err, state.ErrExists):
		return fmt.Errorf("%w: %w", ca.ErrSerialTaken, err)
	}
	return err
}
