package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

const (
	// minKeepDays leaves every revocation list the time to name what was revoked once more, and whoever verifies an old
	// signature the time to ask.
	minKeepDays = 30
	maxKeepDays = 36500
	// forgetBatch is how many lines are forgotten in one transaction: each names its serials in one audit row.
	forgetBatch = 200
	// forgetEvery is how often the rule is carried out.
	forgetEvery = 24 * time.Hour
)

// KeepRequest sets how long lines of the book stay after the end of their certificates.
type KeepRequest struct {
	Doing
	Days int `json:"days"` // 0: for ever; otherwise at least 30
}

// Check finds what is wrong with the request itself.
func (r KeepRequest) Check() error {
	if r.Days != 0 && (r.Days < minKeepDays || r.Days > maxKeepDays) {
		return &ValueError{"--days", fmt.Sprint(r.Days), fmt.Sprintf("want %d to %d", minKeepDays, maxKeepDays)}
	}
	return nil
}

// KeepBook sets the rule and carries it out. What is forgotten is named in the audit trail; nothing is that a revocation
// list must still say, nor what a lineage of ours still has.
func (d *Desk) KeepBook(ctx context.Context, who state.Actor, r KeepRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		var before, ready int
		err := d.db.View(ctx, func(tx *state.Tx) (err error) {
			if before, err = tx.BookRule(); err != nil || r.Days == 0 {
				return err
			}
			ended, err := endedLines(tx, time.Now().AddDate(0, 0, -r.Days), v.heldSerials())
			ready = len(ended)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		change.Undo = keepCommand(before)
		if r.Days > 0 {
			change.Notes = append(change.Notes, fmt.Sprintf("lines of the book are forgotten %d days after the end of their certificates", r.Days))
		}
		if ready > 0 {
			change.Replaces = true // the lines do not come back
			change.Removed = append(change.Removed, fmt.Sprintf("%s that ended more than %d days ago", bookLines(ready), r.Days))
		}
		if before == r.Days {
			return change, nil, nil
		}
		return change, func(tx *state.Tx) error {
			if err := tx.SetBookRule(r.Days); err != nil {
				return err
			}
			return tx.Audit("ca keep", "book", map[string]any{"days": before}, map[string]any{"days": r.Days})
		}, nil
	})
	if err != nil || r.DryRun {
		return change, err
	}
	_, err = d.ForgetEnded(context.WithoutCancel(ctx), who)
	return change, err
}

func keepCommand(days int) string {
	if days == 0 {
		return "postseal ca keep --forever"
	}
	return fmt.Sprintf("postseal ca keep --days %d", days)
}

// bookLines says how many lines, up to a number that nobody counts further.
func bookLines(n int) string {
	switch {
	case n >= maxEnded:
		return fmt.Sprintf("at least %d lines of the book", n)
	case n == 1:
		return "1 line of the book"
	}
	return fmt.Sprintf("%d lines of the book", n)
}

// heldSerials are those that a lineage still has, but for those of retired generations: renewing reads their lines.
func (v *view) heldSerials() map[string]bool {
	serials := make(map[string]bool)
	for _, l := range v.lineages {
		if l.Origin != state.OriginAuthority {
			continue
		}
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil && g.State != state.StateRetired {
					serials[x509cert.Inspect(cert).Serial] = true
				}
			}
		}
	}
	return serials
}

// maxEnded bounds what is looked for at once.
const maxEnded = 10_000

// endedLines are the serials of what may be forgotten.
func endedLines(tx *state.Tx, before time.Time, keep map[string]bool) (serials []string, err error) {
	profiles, err := tx.BookProfiles()
	if err != nil {
		return nil, err
	}
	for _, profile := range profiles {
		for place := (state.EndedIssuance{}); len(serials) < maxEnded; {
			part, err := tx.EndedIssuances(profile, before, place, maxEnded)
			if err != nil {
				return nil, err
			}
			for _, e := range part {
				if !keep[e.Serial] && len(serials) < maxEnded {
					serials = append(serials, e.Serial)
				}
			}
			if len(part) < maxEnded {
				break
			}
			place = part[len(part)-1]
		}
	}
	return serials, nil
}

// ForgetEnded carries the rule out and says how many lines are gone.
func (d *Desk) ForgetEnded(ctx context.Context, who state.Actor) (n int, err error) {
	v, err := d.view(ctx)
	if err != nil {
		return 0, err
	}
	var days int
	var unsaid []state.Shard
	var before time.Time
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		if days, err = tx.BookRule(); err != nil || days == 0 {
			return err
		}
		before = time.Now().AddDate(0, 0, -days)
		if unsaid, err = tx.UnsaidLists(before); err != nil {
			return err
		}
		lost, err := d.lostLists(tx)
		unsaid = append(unsaid, lost...)
		return err
	})
	if err != nil || days == 0 {
		return 0, err
	}
	if failed := d.sayOnce(ctx, unsaid); failed != nil {
		return 0, failed // a line that no list has said is not forgotten
	}
	keep := v.heldSerials()
	for {
		var serials []string
		err := d.db.View(ctx, func(tx *state.Tx) (err error) {
			serials, err = endedLines(tx, before, keep)
			return err
		})
		if err != nil {
			return n, err
		}
		for batch := range slices.Chunk(serials, forgetBatch) {
			err := d.db.Append(ctx, who, func(tx *state.Tx) error {
				tx.ActFor(d.server)
				for _, serial := range batch {
					if err := tx.ForgetIssuance(serial, before); err != nil {
						return err
					}
				}
				return tx.Audit("ca forget", "book", map[string]any{"serials": batch}, map[string]any{"endedBefore": before.UTC().Format(time.DateOnly)})
			})
			if err != nil {
				return n, err
			}
			n += len(batch)
		}
		if len(serials) < maxEnded {
			return n, nil
		}
	}
}

// lostLists returns the lists that were signed, says the state, and are not on disk: a signature that was cut off. Whether
// anybody has seen what they were to say, nobody knows.
func (d *Desk) lostLists(tx *state.Tx) (lost []state.Shard, err error) {
	all, err := tx.Shards()
	for _, s := range all {
		if there, err := d.listIsThere(s); s.CRLNumber != "" && (err != nil || !there) {
			lost = append(lost, s)
		}
	}
	return lost, err
}

// sayOnce signs lists once more, so that what ended was on one after its end. A list that cannot be signed, because its
// key is elsewhere, keeps its lines in the book; that is no failure.
func (d *Desk) sayOnce(ctx context.Context, unsaid []state.Shard) error {
	if len(unsaid) == 0 {
		return nil
	}
	all, _, err := d.authorities(ctx)
	if err != nil {
		return err
	}
	for _, s := range unsaid {
		i := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == s.AuthorityID })
		if i < 0 || all[i].SecretID == "" {
			continue
		}
		if _, err := d.listOf(ctx, all[i].Name, s.Number); err != nil {
			return err
		}
	}
	return nil
}

// RunBook carries the rule out once a day, until ctx ends.
func (d *Desk) RunBook(ctx context.Context) {
	t := time.NewTicker(forgetEvery)
	defer t.Stop()
	for {
		n, err := d.ForgetEnded(ctx, state.Actor{Who: "postseal", From: "book"})
		d.tended(ctx, "book", "forgetting what ended", err)
		if n > 0 {
			d.log.InfoContext(ctx, "forgot what ended", "lines", n)
		}
		again := t.C
		if err != nil {
			again = time.After(tendAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
	}
}

// tendAgain is when what has failed is tried again: a full disk is mended within the day, and the condition is to be gone then.
const tendAgain = time.Hour

// tended raises or clears the condition about one of the things that our own authority does by itself.
func (d *Desk) tended(ctx context.Context, what, doing string, err error) {
	switch {
	case ctx.Err() != nil: // it was cut short, which says nothing
	case err != nil:
		d.log.ErrorContext(ctx, doing, "code", health.CodeAuthorityUntended, "err", err)
		d.health.Raise(health.Condition{Code: health.CodeAuthorityUntended, Severity: health.Attention, Object: what, Text: doing + ": " + err.Error()})
	default:
		d.health.Clear(health.CodeAuthorityUntended, what)
	}
}
