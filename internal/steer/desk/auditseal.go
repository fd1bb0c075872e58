package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// SealAudit signs the newest row of the trail and keeps the head in the file and in the database, unless that was done
// already. A trail that does not follow from the head before is an [*AuditBrokenError], and is not signed.
func (d *Desk) SealAudit(ctx context.Context) error {
	err := d.sealAudit(ctx)
	if broken, ok := errors.AsType[*AuditBrokenError](err); ok {
		d.raiseBroken(broken)
		return err
	}
	if err != nil {
		d.health.Raise(health.Condition{Code: health.CodeAuditUnsigned, Severity: health.Attention, Text: err.Error()})
		return fmt.Errorf("signing the audit trail: %w", err)
	}
	d.health.Clear(health.CodeAuditUnsigned, "")
	return nil
}

func (d *Desk) raiseBroken(e *AuditBrokenError) { d.health.Raise(e.condition()) }

func (e *AuditBrokenError) condition() health.Condition {
	return health.Condition{Code: health.CodeAuditBroken, Severity: health.Attention, Text: e.Error()}
}

func (d *Desk) sealAudit(ctx context.Context) error {
	d.auditing.Lock()
	defer d.auditing.Unlock()
	next := &audit.Head{Server: d.server, From: 1, Base: audit.Begin(d.server)}
	var secret string
	done := false
	err := d.db.View(ctx, func(tx *state.Tx) error {
		h, err := d.heads(tx)
		if err != nil {
			return err
		}
		v, err := d.against(tx, h, h.use == nil)
		if err != nil {
			return err
		}
		if !v.Whole {
			return &AuditBrokenError{v.Faults}
		}
		if next.Number, next.Hash, err = tx.LastAudit(d.server); err != nil {
			return err
		}
		if next.Hash == nil { // not chained yet: the next row begins the chain, and is signed
			next.Number = 0
		}
		if h.use != nil {
			next.From, next.Base = h.use.From, h.use.Base
		}
		// Of the file, too: a kill, or a lost answer, may have kept the second place from being written.
		done = next.Number == 0 || h.outside != nil && h.inside != nil && h.outside == h.use && h.outside.Number == next.Number && h.inside.Number == next.Number
		org, err := tx.Organisation()
		secret = org.SecretID
		return err
	})
	if err != nil || done {
		return err
	}
	key, err := d.key(ctx, secret)
	if err != nil {
		return fmt.Errorf("opening the organisation key: %w", err)
	}
	next.At = time.Now().UTC().Truncate(time.Microsecond)
	if err := next.Sign(key); err != nil {
		return err
	}
	text := next.Marshal()
	if err := d.disk.writeFile(d.headPath(), text); err != nil {
		return err
	}
	return d.db.Keep(ctx, func(tx *state.Tx) error { return tx.SetAuditHead(d.server, text) })
}

// checkAudit verifies everything and keeps the condition.
func (d *Desk) checkAudit(ctx context.Context) {
	v, err := d.verdictOfAudit(ctx, true)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.health.Raise(health.Condition{Code: health.CodeAuditBroken, Severity: health.Attention, Text: "checking the audit trail: " + err.Error()})
	case !v.Whole:
		d.raiseBroken(&AuditBrokenError{v.Faults})
		d.log.ErrorContext(ctx, "the audit trail is broken", "code", health.CodeAuditBroken, "faults", len(v.Faults), "first", v.Faults[0].Text)
	default:
		d.health.Clear(health.CodeAuditBroken, "")
	}
}

// RunAudit checks the whole trail now and every day, and signs it some seconds after each change, until ctx ends. What
// is left then is signed by a last [Desk.SealAudit], when nobody changes anything any more.
func (d *Desk) RunAudit(ctx context.Context) {
	changes, stop := d.db.Watch()
	defer stop()
	d.checkAudit(ctx)
	daily, looks := time.NewTicker(auditChecks), time.NewTicker(auditLooks)
	defer daily.Stop()
	defer looks.Stop()
	seal := func() {
		if err := d.SealAudit(ctx); err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "signing the audit trail", "err", err)
		}
	}
	seal()
	for {
		select {
		case <-ctx.Done():
			return
		case <-daily.C:
			d.checkAudit(ctx)
		case <-looks.C:
			seal()
		case <-changes:
			select {
			case <-ctx.Done():
				return
			case <-time.After(auditSettles):
			}
			seal()
		}
	}
}
