package desk

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/state"
)

// Limits of what is listed at once.
const (
	auditListed  = 100    // when nobody says how many
	maxAudit     = 10_000 // rows in one answer
	historyShown = 20     // rows beside an object
)

// ErrAuditWhole: there is no fault in the audit trail that could be accepted.
var ErrAuditWhole = errors.New("the audit trail is whole")

// AuditRequest asks for rows of the audit trail, newest first.
type AuditRequest struct {
	Object string    `json:"object,omitempty"` // a certificate, a lineage, or the object as it stands in rows
	Who    string    `json:"who,omitempty"`    // exactly as it stands in rows
	Since  time.Time `json:"since,omitzero"`
	Before int64     `json:"before,omitempty"` // only rows with a smaller number: the next page
	Limit  int       `json:"limit,omitempty"`  // 0 means 100
}

// Entry is one row of the audit trail as people and scripts see it.
type Entry struct {
	Number int64           `json:"number"`
	At     time.Time       `json:"at"`
	Who    string          `json:"who"`
	From   string          `json:"from"`
	Act    string          `json:"act"`
	Object string          `json:"object"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// entry makes an entry of a row. What stands there as JSON and is none, because somebody has written to the
// database, is shown as a text.
func entry(r state.AuditRow) Entry {
	raw := func(text string) json.RawMessage {
		if text == "" || json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
		b, err := json.Marshal(text)
		if err != nil {
			return nil // a text is always JSON
		}
		return b
	}
	return Entry{r.Number, r.At, r.Who, r.From, r.Act, r.Object, raw(r.Before), raw(r.After)}
}

// Audit lists rows of this server's trail.
func (d *Desk) Audit(ctx context.Context, r AuditRequest) ([]Entry, error) {
	if r.Limit < 0 || r.Limit > maxAudit {
		return nil, &ValueError{"--limit", fmt.Sprint(r.Limit), fmt.Sprintf("want 1 to %d", maxAudit)}
	}
	if r.Before < 0 {
		return nil, &ValueError{"--before", fmt.Sprint(r.Before), "want the number of a row"}
	}
	if r.Limit == 0 {
		r.Limit = auditListed
	}
	f := state.AuditFilter{Who: r.Who, Since: r.Since, Before: r.Before}
	entries := []Entry{}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		if r.Object != "" {
			// An object that is gone still has its rows, under the name that it had.
			f.Objects = []string{r.Object}
			v, err := d.look(tx)
			if err != nil {
				return err
			}
			if found, err := v.find(r.Object); err == nil && found.lineage.Name != r.Object {
				f.Objects = append(f.Objects, found.lineage.Name)
			}
		}
		rows, err := tx.AuditTrail(d.server, f, r.Limit)
		for _, row := range rows {
			entries = append(entries, entry(row))
		}
		return err
	})
	return entries, err
}

// history returns the last rows about a lineage.
func (d *Desk) history(ctx context.Context, lineage string) ([]Entry, error) {
	entries := []Entry{}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		rows, err := tx.AuditTrail(d.server, state.AuditFilter{Objects: []string{lineage}}, historyShown)
		for _, row := range rows {
			entries = append(entries, entry(row))
		}
		return err
	})
	return entries, err
}

// AcceptAudit goes on with a trail that has faults, after a person has looked at them: they are written into a row,
// and a head is signed that speaks for this row and those after it. What came before stays as it is, and is not
// checked any more. [ErrAuditWhole] when there is nothing to accept.
func (d *Desk) AcceptAudit(ctx context.Context, who state.Actor, r Doing) (*AuditVerdict, error) {
	v, err := d.VerifyAudit(ctx)
	if err != nil || r.DryRun {
		return v, err
	}
	if v.Whole {
		return nil, fmt.Errorf("accepting faults: %w", ErrAuditWhole)
	}
	if err := d.accept(ctx, who, v.Faults); err != nil {
		return nil, err
	}
	if v, err = d.VerifyAudit(ctx); err == nil && v.Whole {
		d.checkAudit(ctx) // the condition ends
	}
	return v, err
}

// accept writes down the faults that a person has seen. If others are found at the moment of writing, nothing is
// accepted ([state.ErrStale]): what nobody has looked at would never be checked again.
func (d *Desk) accept(ctx context.Context, who state.Actor, seen []audit.Fault) error {
	d.auditing.Lock()
	defer d.auditing.Unlock()
	var org state.Organisation
	if err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		org, err = tx.Organisation()
		return err
	}); err != nil {
		return err
	}
	key, err := d.key(ctx, org.SecretID)
	if err != nil {
		return fmt.Errorf("opening the organisation key: %w", err)
	}
	head := &audit.Head{Server: d.server}
	var text []byte
	if _, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		v, err := d.judgeAudit(tx, true)
		if err != nil {
			return err
		}
		if !slices.Equal(v.Faults, seen) {
			return fmt.Errorf("%w: the trail has other faults now", state.ErrStale)
		}
		last, hash, err := tx.LastAudit(d.server)
		if err != nil {
			return err
		}
		if err := tx.Audit("audit-accept", v.Server, nil, map[string]any{"faults": v.Faults, "rows": last, "hash": hex.EncodeToString(hash)}); err != nil {
			return err
		}
		if head.Number, head.Hash, err = tx.LastAudit(d.server); err != nil {
			return err
		}
		// What the new row follows: nothing, if the row before it has no hash.
		if head.Base, err = tx.AuditHash(d.server, head.Number-1); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if head.Number == 1 {
			head.Base = audit.Begin(d.server)
		}
		head.From, head.At = head.Number, tx.Now()
		if err := head.Sign(key); err != nil {
			return err
		}
		text = head.Marshal()
		return tx.SetAuditHead(d.server, text)
	}); err != nil {
		return fmt.Errorf("accepting faults: %w", err)
	}
	// Killed here, the file is older than the database says: a fault again, to be accepted again.
	return d.disk.writeFile(d.headPath(), text)
}
