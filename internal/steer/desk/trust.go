package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// ErrNotAnAuthority: only the certificate of an authority, or one that is self-signed, can be an anchor.
var ErrNotAnAuthority = errors.New("it is neither an authority's certificate nor self-signed")

// TrustView is what the organisation trusts beyond the system's store, and what it trusts no more.
type TrustView struct {
	Anchors  []AnchorView   `json:"anchors"`
	Distrust []DistrustView `json:"distrust"`
}

// AnchorView is an anchor as people and scripts see it.
type AnchorView struct {
	ID       string    `json:"id"` // SHA-256 of the DER, in hex
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"notAfter"`
	Origin   string    `json:"origin"` // added, pushed or authority
	AddedAt  time.Time `json:"addedAt"`
}

// DistrustView is a distrust as people and scripts see it.
type DistrustView struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Value   string    `json:"value"`
	After   time.Time `json:"after,omitzero"`
	AddedAt time.Time `json:"addedAt"`
	Subject string    `json:"subject,omitempty"` // whose key it is, if an authority of ours had it
	// Sequence, Updated and Entries are of a whole list, whose value is not repeated here.
	Sequence int64     `json:"sequence,omitempty"`
	Updated  time.Time `json:"updated,omitzero"`
	Entries  int       `json:"entries,omitempty"`
}

// Trust lists anchors and distrust.
func (d *Desk) Trust(ctx context.Context) (*TrustView, error) {
	out := &TrustView{Anchors: []AnchorView{}, Distrust: []DistrustView{}}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		anchors, err := tx.Anchors()
		if err != nil {
			return err
		}
		for _, a := range anchors {
			cert, err := x509cert.ParseCertificate(a.Certificate)
			if err != nil {
				return fmt.Errorf("reading anchor %s: %w", a.SHA256, err)
			}
			out.Anchors = append(out.Anchors, AnchorView{a.SHA256, x509cert.SubjectText(cert.Subject), cert.NotAfter.UTC(), a.Origin, a.AddedAt})
		}
		ours, err := subjectsByKey(tx)
		if err != nil {
			return err
		}
		distrusts, err := tx.Distrusts()
		for _, t := range distrusts {
			one := DistrustView{ID: t.ID, Kind: t.Kind, Value: t.Value, After: t.After, AddedAt: t.AddedAt, Subject: ours[t.ID]}
			if t.Kind == state.DistrustList {
				list, err := trust.ParseDistrust([]byte(t.Value))
				if err != nil {
					return err
				}
				one.Value, one.Sequence, one.Updated, one.Entries = "", list.Sequence(), list.Updated(), list.Len()
			}
			out.Distrust = append(out.Distrust, one)
		}
		return err
	})
	return out, err
}

// subjectsByKey are the subjects of our own authorities, by the ID of distrust in their keys.
func subjectsByKey(tx *state.Tx) (map[string]string, error) {
	all, err := tx.Authorities()
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(all))
	for _, a := range all {
		if a.Certificate == nil {
			continue
		}
		cert, err := x509cert.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading authority %s: %w", a.Name, err)
		}
		out["spki "+keyIDOf(cert.RawSubjectPublicKeyInfo)] = x509cert.SubjectText(cert.Subject)
	}
	return out, nil
}

// AnchorRequest asks that certificates are trusted, or no longer looked at.
type AnchorRequest struct {
	Doing
	File   ImportFile `json:"file"`
	Pushed bool       `json:"pushed,omitempty"` // by an administrator's tool rather than by hand
}

// AddAnchors trusts the authorities whose certificates a file holds.
func (d *Desk) AddAnchors(ctx context.Context, who state.Actor, r AnchorRequest) (*Change, error) {
	read, err := certfile.Read(r.File.Name, r.File.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	var anchors []state.Anchor
	origin := state.AnchorAdded
	if r.Pushed {
		origin = state.AnchorPushed
	}
	for _, c := range read.Certificates {
		facts := x509cert.Inspect(c.Certificate)
		if !c.IsCA && !facts.SelfSigned {
			return nil, fmt.Errorf("trusting %s: %w", c.From, ErrNotAnAuthority)
		}
		anchors = append(anchors, state.Anchor{SHA256: facts.SHA256, Certificate: c.Raw, Origin: origin})
	}
	if len(anchors) == 0 {
		return nil, fmt.Errorf("trusting %s: %w", r.File.Name, ErrNothingToImport)
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		change := newChange(v)
		fresh := slices.DeleteFunc(slices.Clone(anchors), func(a state.Anchor) bool {
			return slices.ContainsFunc(v.judge.anchors, func(b state.Anchor) bool { return a.SHA256 == b.SHA256 })
		})
		if len(fresh) == 0 {
			change.Warnings = append(change.Warnings, "nothing to change: it is trusted already")
			return change, nil, nil
		}
		var undo []string
		for _, a := range fresh {
			undo = append(undo, "postseal trust remove "+a.SHA256[:16])
		}
		change.Undo = strings.Join(undo, " && ")
		return change, func(tx *state.Tx) error {
			for _, a := range fresh {
				if err := tx.AddAnchor(a); err != nil {
					return err
				}
				if err := tx.Audit("trust", a.SHA256, nil, a.Origin); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}
