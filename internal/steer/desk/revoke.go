package desk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/crl"
)

// UnknownIssuedError reports an ID that means no certificate of our own authority.
type UnknownIssuedError struct{ ID string }

func (e *UnknownIssuedError) Error() string {
	return fmt.Sprintf("finding certificate %q: our own authority has issued none with that serial, thumbprint or lineage name", clip(e.ID))
}

// RevokeRequest asks to take a certificate of our own authority back.
type RevokeRequest struct {
	Doing
	ID     string `json:"id"`               // its serial; or what cert show takes, if it is of a lineage of ours
	Reason string `json:"reason,omitempty"` // a word of RFC 5280 section 5.3.1; empty means unspecified
}

// Check finds what is wrong with the request itself.
func (r RevokeRequest) Check() error {
	if r.Reason == "" {
		return nil
	}
	_, err := crl.ParseReason(r.Reason)
	return err
}

// Revoke takes a certificate back. On return the lists and the answers of OCSP say so.
func (d *Desk) Revoke(ctx context.Context, who state.Actor, r RevokeRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	reason := crl.Unspecified
	if r.Reason != "" {
		reason, _ = crl.ParseReason(r.Reason) // it was checked
	}
	var serial string
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		i, err := d.findIssued(ctx, v, r.ID)
		if err != nil {
			return nil, nil, err
		}
		if !i.RevokedAt.IsZero() {
			return nil, nil, fmt.Errorf("revoking certificate %s: it was revoked on %s: %w", i.Serial, i.RevokedAt.UTC().Format(time.DateOnly), state.ErrExists)
		}
		serial = i.Serial
		change := newChange(v)
		change.Replaces = true // nothing undoes it
		change.Removed = append(change.Removed, "the trust in certificate "+i.Serial+" ("+i.Subject+")")
		if name, ok := strings.CutPrefix(i.Requester, ownLineage); ok {
			if l, ok := v.named(name); ok && len(v.bindingViews(l.ID)) > 0 {
				change.Warnings = append(change.Warnings, "it serves; put another in its place: postseal cert renew "+l.Name)
			}
		}
		return change, func(tx *state.Tx) error {
			if err := tx.Revoke(i.Serial, int(reason)); err != nil {
				return err
			}
			return tx.Audit("ca revoke", i.Serial, nil, map[string]any{"reason": reason.String(), "subject": i.Subject})
		}, nil
	})
	if err == nil && !r.DryRun {
		d.pki.forget(serial)
	}
	return change, err
}

// findIssued finds a line of the book.
func (d *Desk) findIssued(ctx context.Context, v *view, id string) (i state.Issuance, err error) {
	serial := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(id), ":", ""))
	err = d.db.View(ctx, func(tx *state.Tx) error {
		i, err = tx.Issuance(serial)
		return err
	})
	if !errors.Is(err, state.ErrNotFound) {
		return i, err
	}
	f, err := v.find(id)
	if err != nil || f.member.Certificate == nil {
		return i, &UnknownIssuedError{ID: id}
	}
	cert, err := x509cert.ParseCertificate(f.member.Certificate)
	if err != nil {
		return i, err
	}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		i, err = tx.Issuance(hex.EncodeToString(cert.SerialNumber.Bytes()))
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return i, &UnknownIssuedError{ID: id}
	}
	return i, err
}
