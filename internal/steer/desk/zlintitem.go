package desk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/zlint"
)

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
