package desk

import (
	"context"
	"time"

	"postseal/internal/ground/state"
)

// Deed is one row of this server's audit trail: who did what, and what it was before and after.
type Deed struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	From   string    `json:"from"`
	Act    string    `json:"act"`
	Object string    `json:"object"`
	Before string    `json:"before,omitempty"` // JSON
	After  string    `json:"after,omitempty"`  // JSON
}

// Trail returns the last rows of this server's audit trail, the newest first.
func (d *Desk) Trail(ctx context.Context, most int) ([]Deed, error) {
	var rows []state.AuditRow
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		rows, err = tx.AuditRows(d.server, most)
		return err
	})
	deeds := make([]Deed, 0, len(rows))
	for _, r := range rows {
		deeds = append(deeds, Deed{r.Number, r.At, r.Who, r.From, r.Act, r.Object, r.Before, r.After})
	}
	return deeds, err
}
