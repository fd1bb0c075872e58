package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/issue/zlint"
)

const (
	// zlintEvery is how often somebody looks whether there is something that zlint has not read.
	zlintEvery = 10 * time.Second
	// zlintRest is how long a child may wait for work.
	zlintRest = time.Minute
	// zlintBatch is what is read before it is stored.
	zlintBatch = 100
	// maxZLints bounds the conditions, one for each lint.
	maxZLints = 50
	// unreadable is the name of the finding that zlint could not read something, or failed at it, twice.
	unreadable = "unreadable"
)

// ZLintHealth says what zlint has read of what our own authority made.
type ZLintHealth struct {
	Program  string         `json:"program"`  // where it is looked for; empty: nowhere
	There    bool           `json:"there"`    // without it nothing is read, and all waits
	Waits    int            `json:"waits"`    // what it has not read yet
	Findings []ZLintFinding `json:"findings"` // in what counts, and for which there is no reason
	Accepted []ZLintReason  `json:"accepted"` // by administrators
}

// ZLintFinding is what one lint finds.
type ZLintFinding struct {
	Lint     string    `json:"lint"`
	Severity string    `json:"severity"` // warn, error or fatal
	Count    int       `json:"count"`    // in how many things
	Kind     string    `json:"kind"`     // of one of them: issued, made, authority or list
	ID       string    `json:"id"`       // of it: a serial, or a SHA-256
	Subject  string    `json:"subject"`
	Details  string    `json:"details,omitempty"`
	FoundAt  time.Time `json:"foundAt"`
}

// ZLintReason is a finding that an administrator takes as it is.
type ZLintReason struct {
	Lint   string    `json:"lint"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// zlintHealth reads it.
func (d *Desk) zlintHealth(tx *state.Tx) (*ZLintHealth, error) {
	h := &ZLintHealth{Program: d.zlint, There: zlint.There(d.zlint), Findings: []ZLintFinding{}, Accepted: []ZLintReason{}}
	var err error
	if h.Waits, err = tx.CountUnread(); err != nil {
		return nil, err
	}
	found, err := zlintCounts(tx, time.Now())
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		f := c.First
		h.Findings = append(h.Findings, ZLintFinding{Lint: c.Lint, Severity: f.Severity, Count: c.Count, Kind: f.Kind, ID: f.ID, Subject: f.Subject, Details: f.Details, FoundAt: f.FoundAt.UTC()})
	}
	accepted, err := tx.AcceptedLints()
	for _, a := range accepted {
		h.Accepted = append(h.Accepted, ZLintReason{Lint: a.Lint, Reason: a.Reason, By: a.By, At: a.At.UTC()})
	}
	return h, err
}

// zlintCounts are the findings that count, without those for which a later version of this program has a reason.
func zlintCounts(tx *state.Tx, now time.Time) (all []state.LintCount, err error) {
	found, err := tx.LintCounts(now, maxZLints)
	reasons := zlint.Reasons()
	for _, c := range found {
		if reasons[c.Lint] == "" {
			all = append(all, c)
		}
	}
	return all, err
}

// zlintConditions says what zlint finds.
func zlintConditions(tx *state.Tx, now time.Time) (list []health.Condition, err error) {
	found, err := zlintCounts(tx, now)
	for _, c := range found {
		text := fmt.Sprintf("zlint finds %s in %s", c.Lint, c.First.Subject)
		if c.Lint == unreadable {
			text = "zlint cannot read " + c.First.Subject
		}
		if c.Count > 1 {
			text += fmt.Sprintf(" and %d more", c.Count-1)
		}
		if c.First.Details != "" {
			text += ": " + c.First.Details
		}
		list = append(list, health.Condition{Code: health.CodeZLintFinds, Severity: health.Attention, Object: c.Lint, Text: text})
	}
	return list, err
}

// RunZLint has zlint read whatever our own authority made and zlint has not read yet, until ctx ends. Nothing waits for it.
// While the program is not there, nothing is read, and nothing forgotten.
func (d *Desk) RunZLint(ctx context.Context) {
	l := d.newLinting(zlint.Options{Program: d.zlint})
	r := l.reader
	defer r.Close() // the child ends with its input; how, nobody asks
	t := time.NewTicker(zlintEvery)
	defer t.Stop()
	var last, rest time.Time
	for {
		if now := time.Now(); !now.Before(rest) {
			n, err := l.unread(ctx)
			if err != nil {
				rest = now.Add(tendAgain)
			}
			if n > 0 {
				last = now
			}
			if n > 0 || err != nil || !r.There() {
				d.tended(ctx, "zlint", "having zlint read what the authority made", err)
			}
			if r.Running() && now.Sub(last) > zlintRest {
				if err := r.Close(); err != nil {
					d.log.WarnContext(ctx, "ending zlint", "err", err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// linting has a child read, for one goroutine.
type linting struct {
	desk   *Desk
	reader *zlint.Reader
	failed map[state.Unread]time.Time // at what a child failed, and when
}

func (d *Desk) newLinting(o zlint.Options) *linting {
	return &linting{desk: d, reader: zlint.NewReader(o), failed: make(map[state.Unread]time.Time)}
}

// unread has everything read that was not, and says how much it was. What cannot be read now, because a list is not
// written yet, stays for the next time; so does what a child has failed at, for an hour: then perhaps there is a better one.
func (l *linting) unread(ctx context.Context) (n int, err error) {
	if !l.reader.There() {
		return 0, nil
	}
	d := l.desk
	for place := (state.Unread{}); ; {
		var batch []lintItem
		var last state.Unread
		err := d.db.View(ctx, func(tx *state.Tx) (err error) {
			batch, last, err = d.lintBatch(tx, place)
			return err
		})
		if err != nil || last == place {
			return n, err
		}
		place = last
		batch = slices.DeleteFunc(batch, func(i lintItem) bool { return time.Since(l.failed[i.unread]) < tendAgain })
		if len(batch) == 0 {
			continue
		}
		for i := range batch {
			item := &batch[i]
			if err := item.read(ctx, l.reader); err != nil {
				return n, err
			}
			delete(l.failed, item.unread)
			if item.failed {
				l.failed[item.unread] = time.Now()
			}
		}
		err = d.db.Keep(ctx, func(tx *state.Tx) error {
			for _, i := range batch {
				if err := tx.SetLintFindings(i.unread.Kind, i.id, i.found); err != nil {
					return err
				}
				if i.failed {
					continue
				}
				if err := tx.HaveRead(i.unread); err != nil {
					return err
				}
			}
			return tx.DropLintFindings(time.Now())
		})
		if err != nil {
			return n, err
		}
		n += len(batch)
	}
}
