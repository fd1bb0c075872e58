package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// ReportRequest asks for a report.
type ReportRequest struct {
	Days int  `json:"days,omitempty"` // how far it looks back; 0 means 7, at most 400
	All  bool `json:"all,omitempty"`  // with every certificate there is, of old generations too
}

// Report is what an administrator reads on Monday, and an auditor at any time.
type Report struct {
	Organisation string             `json:"organisation"`
	Server       string             `json:"server"`
	MadeAt       time.Time          `json:"madeAt"`
	Since        time.Time          `json:"since"`
	NeedsYou     []health.Condition `json:"needsYou"`
	Changed      []ReportChange     `json:"changed"`         // newest first, at most 500
	ChangedMore  bool               `json:"changedMore"`     // there were more
	Ends         []Certificate      `json:"ends"`            // in force, within 90 days; at most 200
	First        *Certificate       `json:"first,omitempty"` // in force, the one that ends first
	Certificates []Certificate      `json:"certificates"`    // with All; otherwise empty
}

// ReportChange is one row of the audit trail.
type ReportChange struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	From   string    `json:"from"`
	Act    string    `json:"act"`
	Object string    `json:"object"`
}

const (
	reportDays    = 7
	maxReportDays = 400
	reportChanges = 500
	reportEnds    = 90 * 24 * time.Hour
)

// Check fails when a request can be seen to be wrong.
func (r ReportRequest) Check() error {
	if r.Days < 0 || r.Days > maxReportDays {
		return fmt.Errorf("reporting %d days: %w", r.Days, ErrReportDays)
	}
	return nil
}

// Report looks at what needs a person, what was changed and by whom, and what ends.
func (d *Desk) Report(ctx context.Context, r ReportRequest) (*Report, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Days == 0 {
		r.Days = reportDays
	}
	s, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	out := &Report{Organisation: s.Organisation, Server: s.Server, MadeAt: now, Since: now.AddDate(0, 0, -r.Days), NeedsYou: s.Attention,
		Changed: []ReportChange{}, Ends: []Certificate{}, Certificates: []Certificate{}}
	if len(s.Certificates) > 0 {
		out.First = &s.Certificates[0]
	}
	for _, c := range s.Certificates {
		if c.NotAfter.Sub(now) < reportEnds {
			out.Ends = append(out.Ends, c)
		}
	}
	if err := d.db.View(ctx, func(tx *state.Tx) error {
		rows, err := tx.AuditRows(d.server, reportChanges+1)
		for _, row := range rows {
			if row.At.Before(out.Since) {
				break
			}
			out.Changed = append(out.Changed, ReportChange{Number: row.Number, At: row.At, Who: row.Who, From: row.From, Act: row.Act, Object: row.Object})
		}
		return err
	}); err != nil {
		return nil, err
	}
	if len(out.Changed) > reportChanges {
		out.Changed, out.ChangedMore = slices.Clip(out.Changed[:reportChanges]), true
	}
	if r.All {
		out.Certificates, err = d.Certificates(ctx, Filter{})
	}
	return out, err
}
