package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/crl"
)

// UnknownIssuedError reports an ID that means no certificate of our own authority.
type UnknownIssuedError struct {
	ID string
	// Lineage is the one whose certificate was meant, if it is one of ours that somebody else has signed, or it itself.
	Lineage    string
	SelfSigned bool
}

func (e *UnknownIssuedError) Error() string {
	if e.SelfSigned {
		return fmt.Sprintf("revoking certificate %q: it signs itself, and has no authority that could take it back", clip(e.ID))
	}
	return fmt.Sprintf("finding certificate %q: it is none that our own authority has issued", clip(e.ID))
}

// RevokeRequest asks to take certificates of our own authority back. Exactly one of ID, Certificate, Key, Requester and
// Profile says which.
type RevokeRequest struct {
	Doing
	ID          string      `json:"id,omitempty"`          // a serial, a thumbprint or how it begins, or the name of a lineage
	Certificate *ImportFile `json:"certificate,omitempty"` // a file with it
	Key         string      `json:"key,omitempty"`         // SHA-256 of the public key, hex: everything it was certified for
	Requester   string      `json:"requester,omitempty"`   // everything that one has asked for, as ca list shows him
	Profile     string      `json:"profile,omitempty"`     // everything of that profile
	Reason      string      `json:"reason,omitempty"`      // a word of RFC 5280 section 5.3.1; empty means unspecified
}

// maxRevoked bounds what one act takes back.
const maxRevoked = 100_000

// Check finds what is wrong with the request itself.
func (r RevokeRequest) Check() error {
	given := 0
	for _, is := range []bool{r.ID != "", r.Certificate != nil, r.Key != "", r.Requester != "", r.Profile != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return &ValueError{"ID", r.ID, fmt.Sprintf("say which in one way: ID, --certificate, --public-key, --requester or --profile; here are %d", given)}
	}
	if raw, err := hex.DecodeString(plainHex(r.Key)); r.Key != "" && (err != nil || len(raw) != sha256.Size) {
		return &ValueError{"--public-key", r.Key, "want the SHA-256 of a public key, 64 hex digits"}
	}
	if r.Reason == "" {
		return nil
	}
	reason, err := crl.ParseReason(r.Reason)
	if err == nil && reason == crl.CACompromise {
		return &ValueError{"--reason", r.Reason, "it is that of an authority: postseal ca revoke --authority NAME"}
	}
	return err
}

// plainHex is hex as we keep it, from how people copy it.
func plainHex(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
}

// Revoke takes certificates back. On return the lists and the answers of OCSP say so, and two seconds later a list that is too
// long to be signed for each. Those that were revoked before stay as
// they are; if there are no others, that is [state.ErrExists].
func (d *Desk) Revoke(ctx context.Context, who state.Actor, r RevokeRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	reason := crl.Unspecified
	if r.Reason != "" {
		reason, _ = crl.ParseReason(r.Reason) // it was checked
	}
	var serials []string
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		all, err := d.findIssued(ctx, v, r)
		if err != nil {
			return nil, nil, err
		}
		good := slices.DeleteFunc(slices.Clone(all), func(i state.Issuance) bool { return !i.RevokedAt.IsZero() })
		if len(good) == 0 {
			return nil, nil, fmt.Errorf("revoking certificate %s: it was revoked on %s: %w", all[0].Serial, all[0].RevokedAt.UTC().Format(time.DateOnly), state.ErrExists)
		}
		change := newChange(v)
		change.Replaces = true // nothing undoes it
		serials = serials[:0]
		for n, i := range good {
			serials = append(serials, i.Serial)
			if listed := 100; n < listed {
				change.Removed = append(change.Removed, "the trust in certificate "+i.Serial+" ("+i.Subject+")")
			}
			if name, ok := strings.CutPrefix(i.Requester, ownLineage); ok {
				if l, ok := v.named(name); ok && len(v.bindingViews(l.ID)) > 0 && holds(l, i) {
					change.Warnings = append(change.Warnings, "it serves; put another in its place: postseal cert renew "+l.Name)
				}
			}
		}
		if more := len(good) - len(change.Removed); more > 0 {
			change.Removed = append(change.Removed, fmt.Sprintf("the trust in %d more certificates", more))
		}
		return change, func(tx *state.Tx) error {
			for _, i := range good {
				if err := tx.Revoke(i.Serial, int(reason)); err != nil {
					return err
				}
				if err := tx.Audit("ca revoke", i.Serial, nil, map[string]any{"reason": reason.String(), "subject": i.Subject}); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
	if err == nil && !r.DryRun {
		d.pki.forget(serials...)
	}
	return change, err
}

// holds says whether the current generation of a lineage has a certificate.
func holds(l state.Lineage, i state.Issuance) bool {
	g, _ := l.Current()
	return slices.ContainsFunc(g.Members, func(m state.Member) bool { return bytes.Equal(m.Certificate, i.Certificate) })
}

// findIssued finds the lines of the book that are meant, at least one.
func (d *Desk) findIssued(ctx context.Context, v *view, r RevokeRequest) ([]state.Issuance, error) {
	pick := func(p state.Picked, most int) (all []state.Issuance, err error) {
		err = d.db.View(ctx, func(tx *state.Tx) error {
			all, err = tx.PickIssuances(p, most)
			return err
		})
		return all, err
	}
	what, p := r.ID, state.Picked{KeyID: plainHex(r.Key), Requester: r.Requester, Profile: r.Profile}
	switch {
	case r.Certificate != nil:
		return d.issuedInFile(pick, *r.Certificate)
	case r.ID == "":
		all, err := pick(p, maxRevoked+1)
		if what = r.Key + r.Requester + r.Profile; err == nil && len(all) > maxRevoked {
			return nil, &ValueError{"ID", what, fmt.Sprintf("it means more than %d certificates, revoke by something narrower", maxRevoked)}
		}
		if err == nil && len(all) == 0 {
			err = &UnknownIssuedError{ID: what}
		}
		return all, err
	}
	id := plainHex(strings.TrimSpace(r.ID))
	all, err := pick(state.Picked{Serial: id}, 2)
	if err != nil || len(all) > 0 {
		return all, err
	}
	const shortest = 8 // as everywhere else
	if _, err := hex.DecodeString(id + strings.Repeat("0", len(id)%2)); err == nil && len(id) >= shortest {
		all, err := pick(state.Picked{Thumbprint: strings.ToUpper(id)}, 2)
		if err != nil || len(all) == 1 {
			return all, err
		}
		if len(all) > 1 {
			return nil, &ValueError{"ID", r.ID, "more than one certificate has a thumbprint that begins so"}
		}
	}
	f, err := v.find(r.ID)
	if err != nil || f.member.Certificate == nil {
		return nil, &UnknownIssuedError{ID: r.ID}
	}
	all, err = d.issuedInFile(pick, ImportFile{Name: r.ID, Data: f.member.Certificate})
	if unknown, ok := errors.AsType[*UnknownIssuedError](err); ok {
		leaf, err := x509cert.ParseCertificate(f.member.Certificate)
		unknown.Lineage, unknown.SelfSigned = f.lineage.Name, err == nil && x509cert.Inspect(leaf).SelfSigned
	}
	return all, err
}

// issuedInFile finds the certificate of a file in the book. Other authorities have serials like ours: it must be the same
// octets.
func (d *Desk) issuedInFile(pick func(state.Picked, int) ([]state.Issuance, error), file ImportFile) ([]state.Issuance, error) {
	read, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	for _, c := range read.Certificates {
		if c.SerialNumber.Sign() <= 0 {
			continue // none of ours, RFC 5280 section 4.1.2.2
		}
		all, err := pick(state.Picked{Serial: hex.EncodeToString(c.SerialNumber.Bytes())}, 1)
		if err != nil {
			return nil, err
		}
		if len(all) == 1 && bytes.Equal(all[0].Certificate, c.Raw) {
			return all, nil // a file may have the chain too, which the book has not
		}
	}
	return nil, &UnknownIssuedError{ID: file.Name}
}
