package desk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
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

// lintItem is something to be read, and what was found in it.
type lintItem struct {
	unread  state.Unread
	id      string // of its findings
	kind    zlint.Kind
	der     []byte // nil: it is gone, or has ended, and nobody reads it any more
	subject string
	ends    time.Time
	found   []state.LintFinding
	failed  bool // a child has failed at it, twice: it is read again later
}

// lintBatch reads what is behind a place from the state and the disk. last is the place of the last one that was looked at.
func (d *Desk) lintBatch(tx *state.Tx, place state.Unread) (batch []lintItem, last state.Unread, err error) {
	unread, err := tx.Unread(place, zlintBatch)
	last = place
	for _, u := range unread {
		last = u
		i := lintItem{unread: u, id: u.ID, kind: zlint.Certificate}
		waits := false
		switch u.Kind {
		case state.LintIssued:
			var line state.Issuance
			line, err = tx.Issuance(u.ID)
			i.der = line.Certificate
		case state.LintMade:
			i.der, err = tx.AuthorityMade(u.ID)
		case state.LintAuthority:
			i.der, err = tx.AuthorityCertificate(u.ID)
		case state.LintList:
			waits, err = d.lintList(tx, &i)
		}
		if errors.Is(err, state.ErrNotFound) { // the book has forgotten it
			err = nil
		}
		if err != nil {
			return nil, place, err
		}
		if waits {
			continue
		}
		if i.kind == zlint.Certificate && i.der != nil {
			i.subject, i.ends = "certificate "+u.ID, time.Now().AddDate(100, 0, 0)
			if cert, err := x509cert.ParseCertificate(i.der); err == nil {
				i.subject, i.ends = fmt.Sprintf("%s %s", i.subject, x509cert.SubjectText(cert.Subject)), cert.NotAfter
			}
		}
		if !i.ends.After(time.Now()) {
			i.der = nil
		}
		batch = append(batch, i)
	}
	return batch, last, err
}

// lintList finds a list on disk; waits says that it is about to be written.
func (d *Desk) lintList(tx *state.Tx, i *lintItem) (waits bool, err error) {
	parts := strings.Split(i.unread.ID, "-")
	if len(parts) != 3 {
		return false, nil
	}
	shard, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return false, nil
	}
	s, err := tx.Shard(parts[0], shard)
	if err != nil || s.CRLNumber != parts[2] {
		return false, err // there is a later one, or the list has retired
	}
	path := d.listPath(s.AuthorityID, s.Number, s.CRLNumber)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || info.Size() > zlint.MaxBytes {
		return false, err
	}
	i.id, i.kind, i.ends = listKey(s.AuthorityID, s.Number), zlint.List, s.NextUpdate
	all, err := tx.Authorities()
	if err != nil {
		return false, err
	}
	for _, a := range all {
		if a.ID == s.AuthorityID {
			i.subject = fmt.Sprintf("the revocation list %d of %s", s.Number, a.Name)
		}
	}
	i.der, err = os.ReadFile(path)
	return false, err
}

// read has it read. What a child fails at is given to another once; when that one fails too and a third reads something
// else, it is what is wrong with it.
func (i *lintItem) read(ctx context.Context, r *zlint.Reader) error {
	if i.der == nil {
		return nil
	}
	a, err := r.Read(ctx, i.kind, i.der)
	if failedAtIt(ctx, err) {
		a, err = r.Read(ctx, i.kind, i.der)
	}
	if failedAtIt(ctx, err) {
		if works := r.Works(ctx); works != nil {
			return fmt.Errorf("reading %s: %w: %w", i.subject, err, works)
		}
		i.failed = true
		a, err = &zlint.Answer{Unreadable: err.Error()}, nil
	}
	if err != nil {
		return err
	}
	if a.Unreadable != "" {
		i.add(zlint.Finding{Lint: unreadable, Severity: "fatal", Details: a.Unreadable})
	}
	reasons := zlint.Reasons()
	for _, f := range a.Findings {
		if reasons[f.Lint] == "" {
			i.add(f)
		}
	}
	return nil
}

// failedAtIt says that a child that works has failed at what it was given.
func failedAtIt(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, zlint.ErrNoProgram) && !errors.Is(err, zlint.ErrNoChild)
}

func (i *lintItem) add(f zlint.Finding) {
	i.found = append(i.found, state.LintFinding{Kind: i.unread.Kind, ID: i.id, Lint: f.Lint, Severity: f.Severity, Details: f.Details, Subject: i.subject, EndsAt: i.ends})
}

// ZLintRequest is about a finding of zlint that is right as it is.
type ZLintRequest struct {
	Doing
	Lint     string `json:"lint"`               // its name
	Reason   string `json:"reason,omitempty"`   // why; not with Withdraw
	Withdraw bool   `json:"withdraw,omitempty"` // it is not, after all
}

// Check finds what is wrong with the request itself.
func (r ZLintRequest) Check() error {
	if err := checkText("LINT", r.Lint, 200); err != nil {
		return err
	}
	switch {
	case r.Withdraw && r.Reason != "":
		return &ValueError{"--reason", r.Reason, "whoever withdraws gives none"}
	case r.Withdraw:
		return nil
	}
	return checkText("--reason", r.Reason, 300)
}

// AcceptZLint takes a finding as it is, with a reason, or withdraws that. A lint that nothing was found by may be accepted
// too: before what it will find is issued.
func (d *Desk) AcceptZLint(ctx context.Context, who state.Actor, r ZLintRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		var before string
		err := d.db.View(ctx, func(tx *state.Tx) error {
			accepted, err := tx.AcceptedLints()
			for _, a := range accepted {
				if a.Lint == r.Lint {
					before = a.Reason
				}
			}
			if err != nil {
				return err
			}
			found, err := tx.LintCounts(time.Now(), maxZLints)
			for _, c := range found {
				if c.Lint == r.Lint {
					change.Notes = append(change.Notes, fmt.Sprintf("found in %s, %d in all", c.First.Subject, c.Count))
				}
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if r.Withdraw {
			if before == "" {
				return nil, nil, fmt.Errorf("withdrawing the reason for %s: %w", clip(r.Lint), state.ErrNotFound)
			}
			change.Undo = "postseal ca zlint accept " + r.Lint + " --reason TEXT"
			return change, func(tx *state.Tx) error {
				if err := tx.RefuseLint(r.Lint); err != nil {
					return err
				}
				return tx.Audit("ca zlint-accept", r.Lint, map[string]any{"reason": before}, nil)
			}, nil
		}
		if len(change.Notes) == 0 {
			change.Notes = append(change.Notes, "nothing has that finding now; is the name right? see: postseal ca zlint list")
		}
		change.Undo = "postseal ca zlint accept " + r.Lint + " --withdraw"
		return change, func(tx *state.Tx) error {
			if err := tx.AcceptLint(r.Lint, r.Reason, who.Who); err != nil {
				return err
			}
			return tx.Audit("ca zlint-accept", r.Lint, nil, map[string]any{"reason": r.Reason})
		}, nil
	})
}
