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
// long to be signed for each. Those that were revoked before stay as they are; if there are no others, that is
// [state.ErrExists].
//
// A thousand are revoked in one commit, so that others who write wait for a moment and not for a minute. If there are more and
// it is cut off, it says how far it came, and whoever asks again goes on with those that are left.
func (d *Desk) Revoke(ctx context.Context, who state.Actor, r RevokeRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	reason := crl.Unspecified
	if r.Reason != "" {
		reason, _ = crl.ParseReason(r.Reason) // it was checked
	}
	var first, rest []state.PickedLine
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		good, err := d.findIssued(ctx, v, r)
		if err != nil {
			return nil, nil, err
		}
		one := good[0]
		if good = slices.DeleteFunc(good, func(l state.PickedLine) bool { return !l.RevokedAt.IsZero() }); len(good) == 0 {
			return nil, nil, fmt.Errorf("revoking certificate %s: it was revoked on %s: %w", one.Serial, one.RevokedAt.UTC().Format(time.DateOnly), state.ErrExists)
		}
		change := newChange(v)
		change.Replaces = true // nothing undoes it
		serving := func(l state.PickedLine) bool { return strings.HasPrefix(l.Requester, ownLineage) }
		// Those of lineages come first: with their commit the server looks at what it serves.
		slices.SortStableFunc(good, func(a, b state.PickedLine) int {
			switch {
			case serving(a) == serving(b):
				return 0
			case serving(a):
				return -1
			}
			return 1
		})
		for n, l := range good {
			if listed := 100; n < listed {
				change.Removed = append(change.Removed, "the trust in certificate "+l.Serial+" ("+l.Subject+")")
			}
			if name, ok := strings.CutPrefix(l.Requester, ownLineage); ok {
				if lineage, ok := v.named(name); ok && len(v.bindingViews(lineage.ID)) > 0 && holds(lineage, l) {
					change.Warnings = append(change.Warnings, "it serves; put another in its place: postseal cert renew "+lineage.Name)
				}
			}
		}
		if more := len(good) - len(change.Removed); more > 0 {
			change.Removed = append(change.Removed, fmt.Sprintf("the trust in %d more certificates", more))
		}
		ours := slices.IndexFunc(good, func(l state.PickedLine) bool { return !serving(l) })
		if ours < 0 {
			ours = len(good)
		}
		n := min(max(ours, d.below), len(good))
		first, rest = good[:n], good[n:]
		return change, func(tx *state.Tx) error { return revokeAll(tx, first, reason, false) }, nil
	})
	if err != nil || r.DryRun {
		return change, err
	}
	d.forgetAnswers(first)
	done := len(first)
	for part := range slices.Chunk(rest, d.below) {
		err := d.db.Append(context.WithoutCancel(ctx), who, func(tx *state.Tx) error {
			tx.ActFor(d.server)
			return revokeAll(tx, part, reason, true)
		})
		if err != nil {
			return nil, fmt.Errorf("revoking %d certificates: %d are revoked, ask again for the others: %w", len(first)+len(rest), done, err)
		}
		d.forgetAnswers(part)
		done += len(part)
	}
	return change, nil
}

// revokeAll revokes lines, each with its row in the audit trail. again says that somebody else may have revoked one since.
func revokeAll(tx *state.Tx, lines []state.PickedLine, reason crl.Reason, again bool) error {
	for _, l := range lines {
		err := tx.Revoke(l.Serial, int(reason))
		if again && errors.Is(err, state.ErrExists) {
			continue
		}
		if err != nil {
			return err
		}
		if err := tx.Audit("ca revoke", l.Serial, nil, map[string]any{"reason": reason.String(), "subject": l.Subject}); err != nil {
			return err
		}
	}
	return nil
}

// forgetAnswers makes answers about lines of no use.
func (d *Desk) forgetAnswers(lines []state.PickedLine) {
	serials := make([]string, 0, len(lines))
	for _, l := range lines {
		serials = append(serials, l.Serial)
	}
	d.pki.forget(serials...)
}

// holds says whether the current generation of a lineage has a certificate.
func holds(l state.Lineage, i state.PickedLine) bool {
	g, _ := l.Current()
	return i.Thumbprint != "" && slices.ContainsFunc(g.Members, func(m state.Member) bool { return m.Thumbprint == i.Thumbprint })
}

// findIssued finds the lines of the book that are meant, at least one.
func (d *Desk) findIssued(ctx context.Context, v *view, r RevokeRequest) ([]state.PickedLine, error) {
	if r.ID == "" && r.Certificate == nil {
		return d.findMany(ctx, r)
	}
	i, err := d.findOne(ctx, v, r)
	if err != nil {
		return nil, err
	}
	return []state.PickedLine{i.Picked()}, nil
}

// findMany finds those of a key, a requester or a profile. They are counted before they are read.
func (d *Desk) findMany(ctx context.Context, r RevokeRequest) (all []state.PickedLine, err error) {
	what, p := r.Key+r.Requester+r.Profile, state.Picked{KeyID: plainHex(r.Key), Requester: r.Requester, Profile: r.Profile}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		n, err := tx.CountPicked(p, maxRevoked+1)
		switch {
		case err != nil:
			return err
		case n > maxRevoked:
			return &ValueError{"ID", what, fmt.Sprintf("it means more than %d certificates, revoke by something narrower", maxRevoked)}
		case n == 0:
			return &UnknownIssuedError{ID: what}
		}
		all, err = tx.PickLines(p, maxRevoked)
		return err
	})
	return all, err
}

// findOne finds the line of an ID or of a file.
func (d *Desk) findOne(ctx context.Context, v *view, r RevokeRequest) (i state.Issuance, err error) {
	pick := func(p state.Picked, most int) (all []state.Issuance, err error) {
		err = d.db.View(ctx, func(tx *state.Tx) error {
			all, err = tx.PickIssuances(p, most)
			return err
		})
		return all, err
	}
	if r.Certificate != nil {
		return d.issuedInFile(pick, *r.Certificate)
	}
	id := plainHex(strings.TrimSpace(r.ID))
	all, err := pick(state.Picked{Serial: id}, 1)
	if err != nil || len(all) > 0 {
		return firstOf(all), err
	}
	const shortest = 8 // as everywhere else
	if _, err := hex.DecodeString(id + strings.Repeat("0", len(id)%2)); err == nil && len(id) >= shortest {
		all, err := pick(state.Picked{Thumbprint: strings.ToUpper(id)}, 2)
		if err != nil || len(all) == 1 {
			return firstOf(all), err
		}
		if len(all) > 1 {
			return i, &ValueError{"ID", r.ID, "more than one certificate has a thumbprint that begins so"}
		}
	}
	f, err := v.find(r.ID)
	if err != nil || f.member.Certificate == nil {
		return i, &UnknownIssuedError{ID: r.ID}
	}
	i, err = d.issuedInFile(pick, ImportFile{Name: r.ID, Data: f.member.Certificate})
	if unknown, ok := errors.AsType[*UnknownIssuedError](err); ok {
		leaf, err := x509cert.ParseCertificate(f.member.Certificate)
		unknown.Lineage, unknown.SelfSigned = f.lineage.Name, err == nil && x509cert.Inspect(leaf).SelfSigned
	}
	return i, err
}

func firstOf(all []state.Issuance) (i state.Issuance) {
	if len(all) > 0 {
		i = all[0]
	}
	return i
}

// issuedInFile finds the certificate of a file in the book. Other authorities have serials like ours: it must be the same
// octets.
func (d *Desk) issuedInFile(pick func(state.Picked, int) ([]state.Issuance, error), file ImportFile) (i state.Issuance, err error) {
	read, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil {
		return i, err
	}
	for _, c := range read.Certificates {
		if c.SerialNumber.Sign() <= 0 {
			continue // none of ours, RFC 5280 section 4.1.2.2
		}
		all, err := pick(state.Picked{Serial: hex.EncodeToString(c.SerialNumber.Bytes())}, 1)
		if err != nil {
			return i, err
		}
		if len(all) == 1 && bytes.Equal(all[0].Certificate, c.Raw) {
			return all[0], nil // a file may have the chain too, which the book has not
		}
	}
	return i, &UnknownIssuedError{ID: file.Name}
}
