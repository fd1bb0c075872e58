package desk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/state"
)

// AuditBrokenError reports that the audit trail is not what was signed, so that no new head is signed over it.
type AuditBrokenError struct{ Faults []audit.Fault }

func (e *AuditBrokenError) Error() string {
	if len(e.Faults) == 1 {
		return "the audit trail is broken: " + e.Faults[0].Text
	}
	return fmt.Sprintf("the audit trail is broken: %s; and %d more faults", e.Faults[0].Text, len(e.Faults)-1)
}

// Times of the running server's work on the trail.
const (
	auditSettles = 3 * time.Second // after a change, so that many changes share a head
	auditLooks   = time.Minute     // for rows that woke nobody
	auditChecks  = 24 * time.Hour  // from the first row to the last
)

// actAbandonKeys is the act after which the organisation has another key.
const actAbandonKeys = "abandon-keys"

// AuditVerdict says whether the audit trail of this server is what was signed.
type AuditVerdict struct {
	Server   string    `json:"server"`
	Rows     int64     `json:"rows"`
	From     int64     `json:"from"`               // the first row that was checked: 1, unless faults before it were accepted
	Signed   int64     `json:"signed"`             // the signed head is at this row; 0: there is none yet
	SignedAt time.Time `json:"signedAt,omitzero"`  // by the organisation's key
	Unsigned int64     `json:"unsigned"`           // rows after the head, which is no fault
	Unproved int64     `json:"unproved,omitempty"` // rows that are older than the chain: nothing watched over them until it began
	// CheckedAt is when this server last looked at every row; only in a quick verdict, and absent when it never did.
	CheckedAt time.Time     `json:"checkedAt,omitzero"`
	Whole     bool          `json:"whole"` // no faults
	Faults    []audit.Fault `json:"faults"`
}

// VerifyRequest asks for a verdict on the audit trail.
type VerifyRequest struct {
	Quick bool `json:"quick,omitempty"` // only the rows since the signed head, and what the last look at all rows found
}

// auditCheck is a look at every row.
type auditCheck struct {
	at     time.Time
	faults []audit.Fault
}

// heads are the two places of the head: outside is the file, inside the database.
type heads struct {
	outside, inside *audit.Head // nil: none, or none of this server
	use             *audit.Head // the one to hold the trail against; nil for none
	faults          []audit.Fault
}

func (h *heads) fault(row int64, format string, args ...any) {
	h.faults = append(h.faults, audit.Fault{Row: row, Text: fmt.Sprintf(format, args...)})
}

func (d *Desk) headPath() string { return filepath.Join(d.db.Dir(), audit.HeadFile) }

// readHead reads a head file: nil for none.
func readHead(path string) (*audit.Head, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	b, err := io.ReadAll(io.LimitReader(f, audit.MaxHeadBytes+1))
	if err != nil {
		return nil, err
	}
	return audit.ParseHead(b)
}

// heads reads both heads and judges which one counts. The file is written before the row, so the row is never
// newer, with one exception: abandon-keys stores a head of the new key with its own row.
func (d *Desk) heads(tx *state.Tx) (*heads, error) {
	h := new(heads)
	var err error
	if h.outside, err = readHead(d.headPath()); errors.Is(err, audit.ErrNotAHead) {
		h.fault(0, "%s is damaged: %v", d.headPath(), err)
	} else if err != nil {
		return nil, fmt.Errorf("reading the head of the audit trail: %w", err)
	}
	damaged := len(h.faults) > 0
	if h.outside != nil && h.outside.Server != d.server {
		h.outside = nil // left by another organisation in this directory: as none
	}
	b, err := tx.AuditHead(d.server)
	if err == nil {
		if h.inside, err = audit.ParseHead(b); err == nil {
			err = verifyHead(h.inside, d.server, d.sealing.Organisation)
		}
		if err != nil {
			h.inside = nil
			h.fault(0, "the head in the database: %v", err)
		}
	} else if !errors.Is(err, state.ErrNotFound) {
		return nil, err
	}
	switch {
	case h.outside == nil && h.inside == nil:
	case h.outside == nil:
		h.use = h.inside
		if !damaged {
			h.fault(0, "%s is missing, although row %d was signed on %s", d.headPath(), h.inside.Number, h.inside.At.Format(time.RFC3339))
		}
	case h.outside.Verify(d.sealing.Organisation) != nil:
		h.use = h.inside
		if ok, err := h.ofTheKeyBefore(tx, d.server); err != nil || ok {
			return h, err
		}
		h.fault(0, "%s: %v", d.headPath(), audit.ErrHeadForged)
	default:
		h.use = h.outside
		if h.inside != nil && h.inside.Number > h.outside.Number {
			h.use = h.inside
			h.fault(0, "%s is older than the head in the database: it ends at row %d instead of %d", d.headPath(), h.outside.Number, h.inside.Number)
		}
	}
	return h, nil
}

func verifyHead(h *audit.Head, server string, organisation ed25519.PublicKey) error {
	if h.Server != server {
		return errors.New("it is of another server")
	}
	return h.Verify(organisation)
}

// ofTheKeyBefore says whether the file is of the key that was given up with the row that the head in the database
// stands at, and agrees with it: killed in between, the file is of before.
func (h *heads) ofTheKeyBefore(tx *state.Tx, server string) (bool, error) {
	if h.inside == nil || h.outside.Number > h.inside.Number {
		return false, nil
	}
	rows, err := tx.AuditTrail(server, state.AuditFilter{Before: h.inside.Number + 1}, 1)
	if err != nil || len(rows) == 0 || rows[0].Number != h.inside.Number || rows[0].Act != actAbandonKeys {
		return false, err
	}
	hash, err := tx.AuditHash(server, h.outside.Number)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return bytes.Equal(hash, h.outside.Hash), err
}

// against holds the rows from the head on against it, or, with whole, every row that it speaks for.
func (d *Desk) against(tx *state.Tx, h *heads, whole bool) (*AuditVerdict, error) {
	v := &AuditVerdict{From: 1, Faults: h.faults}
	if fresh, err := d.unchained(tx, h); err != nil || fresh {
		if v.Rows, _, err = tx.LastAudit(d.server); err != nil {
			return nil, err
		}
		v.Unsigned, v.Unproved, v.Whole, v.Faults = v.Rows, v.Rows, true, []audit.Fault{}
		return v, nil
	}
	base := audit.Begin(d.server)
	from := int64(1)
	if h.use != nil {
		v.From, base, v.Signed, v.SignedAt = h.use.From, h.use.Base, h.use.Number, h.use.At
		from = v.From
		if !whole {
			from, base = h.use.Number+1, h.use.Hash
		}
	}
	w := audit.NewWalk(d.server, from, base)
	if err := tx.EachAudit(d.server, from, func(r state.AuditRow, hash []byte) {
		w.Row(r, hash)
		if r.Act == state.AuditBegins {
			v.Unproved = r.Number - 1
		}
	}); err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	var err error
	if v.Rows, _, err = tx.LastAudit(d.server); err != nil {
		return nil, err
	}
	v.Faults = append(v.Faults, w.Faults()...)
	for _, head := range []*audit.Head{h.outside, h.inside} {
		if head == nil || head == h.inside && h.outside != nil && h.inside.Number == h.outside.Number && bytes.Equal(h.inside.Hash, h.outside.Hash) {
			continue
		}
		if err := d.stands(tx, v, head); err != nil {
			return nil, err
		}
	}
	v.Unsigned = max(v.Rows-v.Signed, 0)
	if v.Faults == nil {
		v.Faults = []audit.Fault{}
	}
	v.Whole = len(v.Faults) == 0
	return v, nil
}

// unchained reports whether the trail is of a release without the chain, and nothing was written since: no row has a
// hash, and there is no head, whole or damaged. Nothing watched over such rows, and the chain begins with the next one.
func (d *Desk) unchained(tx *state.Tx, h *heads) (bool, error) {
	if h.use != nil || h.outside != nil || len(h.faults) > 0 {
		return false, nil
	}
	chained, err := tx.AuditChained(d.server)
	return !chained, err
}

// stands adds a fault unless the row of a head is there and is the one that was signed.
func (d *Desk) stands(tx *state.Tx, v *AuditVerdict, head *audit.Head) error {
	signed := head.At.Format(time.RFC3339)
	hash, err := tx.AuditHash(d.server, head.Number)
	switch {
	case errors.Is(err, state.ErrNotFound) && head.Number > v.Rows:
		v.Faults = append(v.Faults, audit.Fault{Row: head.Number, Text: fmt.Sprintf(
			"the trail ends at row %d, but row %d was signed on %s: rows were removed from its end, or an older database was put back", v.Rows, head.Number, signed)})
	case errors.Is(err, state.ErrNotFound): // the walk has found that it is missing
	case err != nil:
		return err
	case !bytes.Equal(hash, head.Hash):
		v.Faults = append(v.Faults, audit.Fault{Row: head.Number, Text: fmt.Sprintf(
			"row %d is not the one that was signed on %s: it, or rows before it, were written anew", head.Number, signed)})
	}
	return nil
}

// VerifyAudit checks the audit trail of this server from its first row to its last.
func (d *Desk) VerifyAudit(ctx context.Context) (*AuditVerdict, error) {
	return d.verdictOfAudit(ctx, true)
}

// GlanceAudit checks the rows since the signed head, which are those of the last seconds while a server runs: so a page
// may ask at each view, however long the trail is. What the last look at every row found stays true until the next.
func (d *Desk) GlanceAudit(ctx context.Context) (*AuditVerdict, error) {
	return d.verdictOfAudit(ctx, false)
}

func (d *Desk) verdictOfAudit(ctx context.Context, whole bool) (v *AuditVerdict, err error) {
	// Held, or a head that is being written would be seen in one place and not yet in the other.
	d.auditing.Lock()
	defer d.auditing.Unlock()
	err = d.db.View(ctx, func(tx *state.Tx) error {
		v, err = d.judgeAudit(tx, whole)
		return err
	})
	switch {
	case err != nil:
	case whole:
		d.checked = &auditCheck{time.Now().UTC(), v.Faults}
	case d.checked != nil:
		if v.CheckedAt = d.checked.at; v.Whole && len(d.checked.faults) > 0 {
			v.Whole, v.Faults = false, d.checked.faults
		}
	}
	return v, err
}

// judgeAudit is the verdict as of tx. The caller holds auditing.
func (d *Desk) judgeAudit(tx *state.Tx, whole bool) (*AuditVerdict, error) {
	h, err := d.heads(tx)
	if err != nil {
		return nil, err
	}
	v, err := d.against(tx, h, whole)
	if err != nil {
		return nil, err
	}
	return v, d.strangers(tx, v, whole)
}

// strangers names the server, and finds rows that stand in nobody's trail.
func (d *Desk) strangers(tx *state.Tx, v *AuditVerdict, whole bool) error {
	servers, err := tx.Servers()
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, s := range servers {
		known[s.ID] = true
		if s.ID == d.server {
			v.Server = s.Name
		}
	}
	if !whole {
		return nil
	}
	ids, err := tx.AuditServers()
	for _, id := range ids {
		if !known[id] {
			v.Faults, v.Whole = append(v.Faults, audit.Fault{Text: fmt.Sprintf("there are rows of a server %q that is none of the organisation's", clip(id))}), false
		}
	}
	return err
}
