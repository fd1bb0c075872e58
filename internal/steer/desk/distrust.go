package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// DistrustRequest asks that something is trusted no more: one of the three.
type DistrustRequest struct {
	Doing
	File   *ImportFile `json:"file,omitempty"`   // the certificates in it, or a whole list (trust.Distrust)
	SPKI   string      `json:"spki,omitempty"`   // SHA-256 of a public key, 64 hex digits
	Issuer string      `json:"issuer,omitempty"` // RFC 4514 name of an authority
	After  time.Time   `json:"after,omitzero"`   // issuer: only what it issued after this
}

// AddDistrust trusts something no more, whatever vouches for it.
func (d *Desk) AddDistrust(ctx context.Context, who state.Actor, r DistrustRequest) (*Change, error) {
	rows, err := r.rows()
	if err != nil {
		return nil, err
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		change.Replaces = true
		var undo []string
		if len(rows) == 1 && rows[0].Kind == state.DistrustList {
			return v.takeList(change, rows[0])
		}
		fresh := v.freshDistrust(rows, change)
		if len(fresh) == 0 {
			change.Replaces = false
			return change, nil, nil
		}
		change.Warnings = append(change.Warnings, v.ours(rows)...)
		for _, row := range fresh {
			change.Removed = append(change.Removed, "the trust in "+row.ID)
			undo = append(undo, "postseal trust remove "+quoted(row.ID))
			if old, ok := v.distrusted(row.ID); ok { // it comes back as it was
				undo = append(undo, "postseal trust distrust --issuer "+quoted(old.Value)+" --after "+old.After.UTC().Format(time.RFC3339))
			}
		}
		change.Undo = strings.Join(undo, " && ")
		return change, func(tx *state.Tx) error {
			for _, row := range fresh {
				var before any
				if old, ok := v.distrusted(row.ID); ok {
					before = old.After
				}
				if err := tx.AddDistrust(row); err != nil {
					return err
				}
				if err := tx.Audit("distrust", row.ID, before, row.After); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}

// quoted is a word of a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// distrusted finds what is distrusted already.
func (v *view) distrusted(id string) (state.Distrust, bool) {
	i := slices.IndexFunc(v.judge.distrusts, func(t state.Distrust) bool { return t.ID == id })
	if i < 0 {
		return state.Distrust{}, false
	}
	return v.judge.distrusts[i], true
}

// freshDistrust leaves out what is distrusted already as far or farther: who distrusts more must not by that begin to
// trust, as with an issuer of whom everything was distrusted, and then what he issued after a date.
func (v *view) freshDistrust(rows []state.Distrust, change *Change) (fresh []state.Distrust) {
	for _, row := range rows {
		old, ok := v.distrusted(row.ID)
		if !ok || row.After.Before(old.After) { // the zero time is before all: everything
			fresh = append(fresh, row)
			continue
		}
		text := "nothing to change: " + row.ID + " is distrusted already"
		if !row.After.Equal(old.After) {
			text += ", and more of it; to distrust less, take that back first: postseal trust remove " + quoted(row.ID)
		}
		change.Warnings = append(change.Warnings, text)
	}
	return fresh
}

// listID is the ID of the list of distrust that was taken in. There is one: a newer one takes the place of an older.
const listID = "list"

// takeList stores a whole list, unless it is older than the one that is there.
func (v *view) takeList(change *Change, row state.Distrust) (*Change, func(tx *state.Tx) error, error) {
	list, err := trust.ParseDistrust([]byte(row.Value))
	if err != nil {
		return nil, nil, err
	}
	type summary struct {
		Sequence int64 `json:"sequence"`
		Entries  int   `json:"entries"`
	}
	var before any
	change.Undo = "postseal trust remove " + listID
	for _, t := range v.judge.distrusts {
		if t.Kind != state.DistrustList {
			continue
		}
		old, err := trust.ParseDistrust([]byte(t.Value))
		if err != nil {
			return nil, nil, err
		}
		if t.Value == row.Value {
			change.Undo = ""
			change.Warnings = append(change.Warnings, "nothing to change: this list is in use already")
			return change, nil, nil
		}
		if err := list.Replaces(old); err != nil {
			return nil, nil, err
		}
		before, change.Undo = summary{old.Sequence(), old.Len()}, "" // an older list is not taken back
		change.Removed = append(change.Removed, fmt.Sprintf("the list of distrust %d with its %d entries", old.Sequence(), old.Len()))
	}
	change.Removed = append(change.Removed, fmt.Sprintf("the trust in what the list of distrust %d names, in %d entries", list.Sequence(), list.Len()))
	return change, func(tx *state.Tx) error {
		if err := tx.AddDistrust(row); err != nil {
			return err
		}
		return tx.Audit("distrust", row.ID, before, summary{list.Sequence(), list.Len()})
	}, nil
}

// ours warns when a certificate of our own is distrusted: that stops nobody from being served it.
func (v *view) ours(rows []state.Distrust) (warnings []string) {
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if m.Certificate == nil {
					continue
				}
				sum := sha256.Sum256(m.Certificate)
				if !slices.ContainsFunc(rows, func(r state.Distrust) bool {
					return r.Kind == state.DistrustCertificate && r.Value == hex.EncodeToString(sum[:])
				}) {
					continue
				}
				why := "clients do not ask us, so have its authority revoke it"
				if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil && x509cert.Inspect(cert).SelfSigned {
					why = "nobody can revoke what signs itself, and clients that accepted it do not ask us"
				}
				warnings = append(warnings, fmt.Sprintf("%s is ours (%s): %s; then replace it: postseal cert renew %s", m.Thumbprint, l.FriendlyName, why, l.Name))
			}
		}
	}
	return warnings
}

// rows checks a request and returns what to store.
func (r DistrustRequest) rows() ([]state.Distrust, error) {
	given := 0
	for _, yes := range []bool{r.File != nil, r.SPKI != "", r.Issuer != ""} {
		if yes {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, &ValueError{"distrust", "", "give a file, --spki or --issuer, and one of them only"}
	case r.Issuer == "" && !r.After.IsZero():
		return nil, &ValueError{"--after", r.After.Format(time.RFC3339), "it goes with --issuer"}
	case r.SPKI != "":
		sum, err := hex.DecodeString(r.SPKI)
		if err != nil || len(sum) != sha256.Size {
			return nil, &ValueError{"--spki", r.SPKI, "want 64 hex digits, the SHA-256 of the public key"}
		}
		value := hex.EncodeToString(sum)
		return []state.Distrust{{ID: "spki " + value, Kind: state.DistrustSPKI, Value: value}}, nil
	case r.Issuer != "":
		name, err := x509cert.ParseSubject(r.Issuer)
		if err != nil {
			return nil, err
		}
		value := x509cert.SubjectText(name)
		return []state.Distrust{{ID: "issuer " + value, Kind: state.DistrustIssuer, Value: value, After: r.After}}, nil
	}
	if bytes.HasPrefix(bytes.TrimSpace(r.File.Data), []byte("{")) {
		if _, err := trust.ParseDistrust(r.File.Data); err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.File.Name, err)
		}
		return []state.Distrust{{ID: listID, Kind: state.DistrustList, Value: string(r.File.Data)}}, nil
	}
	read, err := certfile.Read(r.File.Name, r.File.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	var rows []state.Distrust
	for _, c := range read.Certificates {
		value := x509cert.Inspect(c.Certificate).SHA256
		rows = append(rows, state.Distrust{ID: "certificate " + value, Kind: state.DistrustCertificate, Value: value})
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("distrusting %s: %w", r.File.Name, ErrNothingToImport)
	}
	return rows, nil
}

// UnknownTrustError reports an ID that means nothing that is trusted or distrusted, or more than one thing.
type UnknownTrustError struct {
	ID      string
	Matches int
}

// Error says which ID.
func (e *UnknownTrustError) Error() string {
	if e.Matches > 1 {
		return fmt.Sprintf("removing %q from what is trusted: it means %d authorities", clip(e.ID), e.Matches)
	}
	return fmt.Sprintf("removing %q from what is trusted: there is nothing of that ID", clip(e.ID))
}

// ForgetRequest asks that an anchor or a distrust is taken back.
type ForgetRequest struct {
	Doing
	ID string `json:"id"` // of an anchor: 8 or more of its first hex digits; of a distrust: the whole, or its hash alone
}

// ForgetTrust takes an anchor or a distrust back.
func (d *Desk) ForgetTrust(ctx context.Context, who state.Actor, r ForgetRequest) (*Change, error) {
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		change.Replaces = true
		for _, t := range v.judge.distrusts {
			if t.ID == r.ID || t.Value == strings.ToLower(r.ID) && t.Kind != state.DistrustList {
				change.Removed = []string{"the distrust of " + t.ID}
				return change, func(tx *state.Tx) error {
					if err := tx.RemoveDistrust(t.ID); err != nil {
						return err
					}
					what := t.Value
					if t.Kind == state.DistrustList {
						what = fmt.Sprintf("%d bytes", len(t.Value))
					}
					return tx.Audit("trust-remove", t.ID, what, nil)
				}, nil
			}
		}
		var hits []state.Anchor
		for _, a := range v.judge.anchors {
			if len(r.ID) >= 8 && strings.HasPrefix(a.SHA256, strings.ToLower(r.ID)) {
				hits = append(hits, a)
			}
		}
		if len(hits) != 1 {
			return nil, nil, &UnknownTrustError{ID: r.ID, Matches: len(hits)}
		}
		change.Removed = []string{"the trust in anchor " + hits[0].SHA256}
		return change, func(tx *state.Tx) error {
			if err := tx.RemoveAnchor(hits[0].SHA256); err != nil {
				return err
			}
			return tx.Audit("trust-remove", hits[0].SHA256, hits[0].Origin, nil)
		}, nil
	})
}
