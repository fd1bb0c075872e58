package desk

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/issue/crl"
)

// ErrRootRevocation: a root stands on no list but its own, which whoever has its key signs.
var ErrRootRevocation = errors.New("a root is revoked by nobody")

// RevokeAuthorityRequest asks to take an issuing authority back.
type RevokeAuthorityRequest struct {
	Doing
	Name   string `json:"name"`   // of the authority, see ca show
	Reason string `json:"reason"` // cACompromise, superseded or cessationOfOperation
}

// AuthorityReasons are the reasons for which an authority is taken back.
func AuthorityReasons() []string {
	return []string{crl.CACompromise.String(), crl.Superseded.String(), crl.CessationOfOperation.String()}
}

// Check finds what is wrong with the request itself.
func (r RevokeAuthorityRequest) Check() error {
	if r.Name == "" {
		return &ValueError{"--authority", r.Name, "say which: postseal ca show"}
	}
	if !slices.Contains(AuthorityReasons(), r.Reason) {
		return &ValueError{"--reason", r.Reason, "of an authority want " + strings.Join(AuthorityReasons(), ", ")}
	}
	return nil
}

// RevokeAuthority takes an issuing authority back, with everything that it has issued: it issues nothing any more, the list
// of its root names each of its certificates, its own lists and answers name each of those below it, and nothing below its
// key is believed here. Nothing undoes it. If the root's key is elsewhere, the root's list says so when its next one is
// taken in; if the root is another's, he must say so.
//
// One commit does all of that but for the certificates below, of which it revokes the first [fallenLines] and writes down that
// the others are to follow. They do before this returns; if it is cut off, the server goes on within a minute of its start,
// and so does whoever asks again.
func (d *Desk) RevokeAuthority(ctx context.Context, who state.Actor, r RevokeAuthorityRequest) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	reason, err := crl.ParseReason(r.Reason)
	if err != nil {
		return nil, err
	}
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		all, _, err := d.authorities(ctx)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(all, func(a state.Authority) bool { return a.Name == r.Name && a.Certificate != nil })
		switch {
		case i < 0:
			return nil, nil, fmt.Errorf("revoking authority %q: %w", clip(r.Name), ErrNoAuthority)
		case all[i].Purpose == rootName:
			return nil, nil, fmt.Errorf("revoking authority %s: %w", all[i].Name, ErrRootRevocation)
		case all[i].State == state.AuthorityRevoked:
			if left, err := d.falling(ctx); err != nil || slices.ContainsFunc(left, func(f state.Falling) bool { return f.AuthorityID == all[i].ID }) {
				change := newChange(v)
				change.Replaces = true
				change.Removed = append(change.Removed, "the trust in the certificates below "+all[i].Name+" that are not yet revoked")
				return change, nil, err
			}
			return nil, nil, fmt.Errorf("revoking authority %s: %w", all[i].Name, state.ErrAuthorityRevoked)
		}
		f := &falling{authority: all[i]}
		var below int64
		err = d.db.View(ctx, func(tx *state.Tx) (err error) {
			if below, err = tx.CountIssued(f.authority.ID); err != nil {
				return err
			}
			certificates, err := tx.AuthorityCertificates(f.authority.ID)
			if err != nil {
				return err
			}
			return f.find(all, certificates)
		})
		if err != nil {
			return nil, nil, fmt.Errorf("revoking authority %s: %w", f.authority.Name, err)
		}
		change := newChange(v)
		change.Replaces = true // nothing undoes it
		change.Removed = append(change.Removed, fmt.Sprintf("the trust in the authority %s (%s), and in %d certificates that are valid below it", f.authority.Name, x509cert.SubjectText(f.cert.Subject), below))
		f.describe(v, all, change)
		return change, func(tx *state.Tx) error {
			if err := tx.RevokeAuthority(f.authority.ID, int(belowReason(reason))); err != nil {
				return err
			}
			n, err := tx.RevokeBelow(state.Falling{AuthorityID: f.authority.ID, Name: f.authority.Name, At: tx.Now(), Reason: int(belowReason(reason))}, time.Time{}, d.below)
			if err != nil {
				return err
			}
			if n < int64(d.below) { // there are no more: there seldom are
				if err := tx.Fallen(f.authority.ID); err != nil {
					return err
				}
			}
			for _, c := range f.named {
				if err := tx.AddAuthorityRevocation(c.root.ID, c.serial, f.authority.ID, int(reason)); err != nil {
					return err
				}
			}
			// A request of it that waits is for what nobody wants any more.
			if err := tx.RemoveAuthorityRequest(f.authority.ID); err != nil {
				return err
			}
			key := fingerprint(f.cert.RawSubjectPublicKeyInfo)
			if err := tx.AddDistrust(state.Distrust{ID: "spki " + key, Kind: state.DistrustSPKI, Value: key}); err != nil {
				return err
			}
			return tx.Audit("ca revoke-authority", f.authority.Name, map[string]any{"state": f.authority.State}, map[string]any{"reason": reason.String(), "serials": f.serials(), "below": below})
		}, nil
	})
	if err != nil || r.DryRun {
		return change, err
	}
	if err := d.finishFalling(context.WithoutCancel(ctx), who); err != nil {
		return nil, err
	}
	return change, nil
}

// fallenLines is how many certificates one transaction revokes: so many take a tenth of a second, or some more with a row in
// the audit trail for each, in which nobody else writes.
const fallenLines = 1000

func (d *Desk) falling(ctx context.Context) (all []state.Falling, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		all, err = tx.FallingAuthorities()
		return err
	})
	return all, err
}

// finishFalling revokes what is left below authorities that were revoked, a part at a time. Two who do it at once do no harm.
func (d *Desk) finishFalling(ctx context.Context, who state.Actor) error {
	all, err := d.falling(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := d.fall(ctx, who, f); err != nil {
			return fmt.Errorf("revoking what authority %s has issued: %w", f.Name, err)
		}
	}
	return nil
}

func (d *Desk) fall(ctx context.Context, who state.Actor, f state.Falling) error {
	for at := (time.Time{}); ; {
		err := d.db.View(ctx, func(tx *state.Tx) (err error) {
			at, err = tx.NextBelow(f, at)
			return err
		})
		if err != nil {
			return err
		}
		if at.IsZero() {
			break
		}
		err = d.db.Append(ctx, who, func(tx *state.Tx) error {
			tx.ActFor(d.server)
			n, err := tx.RevokeBelow(f, at, d.below)
			if err == nil && n == 0 { // another was here
				err = errNothingToDo
			}
			return errors.Join(err, tx.Audit("ca revoke-below", f.Name, nil, map[string]any{"revoked": n}))
		})
		if err != nil && !errors.Is(err, errNothingToDo) {
			return err
		}
	}
	// This is a change of what is served: a lineage of ours may have been among them.
	_, err := d.do(ctx, who, Doing{}, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		return newChange(v), func(tx *state.Tx) error {
			if err := tx.Fallen(f.AuthorityID); err != nil {
				return err
			}
			return tx.Audit("ca revoke-below", f.Name, nil, map[string]any{"left": 0})
		}, nil
	})
	d.pki.forget()
	if errors.Is(err, state.ErrNotFound) { // another was here
		err = nil
	}
	return err
}

// belowReason is that of what an authority has issued when it is taken back for a reason. cACompromise is about keys of
// authorities alone (X.509 section 9.5.3.1), and their own keys are whole: for what is the authority's fault the Baseline
// Requirements section 4.9.1.1 want unspecified, which no list writes (RFC 5280 section 5.3.1).
func belowReason(reason crl.Reason) crl.Reason {
	if reason == crl.CACompromise {
		return crl.Unspecified
	}
	return reason
}

// falling is an authority that is about to be revoked.
type falling struct {
	authority state.Authority
	cert      *x509.Certificate // its current one
	named     []fallenCertificate
	foreign   []string // serials of those that another organisation's authority has made
}

// fallenCertificate is a certificate of it that a root of ours has made.
type fallenCertificate struct {
	root   state.Authority
	serial string
}

func (f *falling) serials() []string {
	all := slices.Clone(f.foreign)
	for _, c := range f.named {
		all = append(all, c.serial)
	}
	return all
}

// find says for each of its certificates whose list has to name it. An authority has as many as it was extended, and they
// are one key.
func (f *falling) find(all []state.Authority, certificates [][]byte) error {
	var err error
	if f.cert, err = x509cert.ParseCertificate(f.authority.Certificate); err != nil {
		return err
	}
	for _, der := range certificates {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return err
		}
		serial, ours := ca.SerialText(cert.SerialNumber), false
		for _, a := range all {
			if a.Purpose != rootName || a.Certificate == nil {
				continue
			}
			root, err := x509cert.ParseCertificate(a.Certificate)
			if err != nil {
				return err
			}
			if bytes.Equal(cert.RawIssuer, root.RawSubject) && cert.CheckSignatureFrom(root) == nil {
				f.named, ours = append(f.named, fallenCertificate{a, serial}), true
			}
		}
		if !ours {
			f.foreign = append(f.foreign, serial)
		}
	}
	return nil
}

// describe says what it means, and what to do.
func (f *falling) describe(v *view, all []state.Authority, change *Change) {
	told := map[string]bool{}
	for _, c := range f.named {
		if c.root.SecretID == "" && !told[c.root.ID] {
			told[c.root.ID] = true
			change.Warnings = append(change.Warnings, "the key of "+c.root.Name+" is not here, so its revocation list says so only when it has signed another: postseal ca request --out FILE, then postseal ca ceremony FILE where the root is, then postseal ca import ANSWER")
		}
	}
	if len(f.foreign) > 0 {
		change.Warnings = append(change.Warnings, "the authority above is another's: have it revoke "+strings.Join(f.foreign, ", "))
	}
	if !slices.ContainsFunc(all, func(a state.Authority) bool {
		return a.ID != f.authority.ID && a.Purpose == f.authority.Purpose && a.State == state.AuthorityActive
	}) {
		text := "nothing takes its place; make a successor first: postseal ca rollover " + f.authority.Name
		if f.authority.State != state.AuthorityActive {
			text = "nothing has taken its place; make another: postseal ca init --purpose " + f.authority.Purpose
		}
		change.Warnings = append(change.Warnings, text)
	}
	var serving []string
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok || l.Origin != state.OriginAuthority || len(v.bindingViews(l.ID)) == 0 {
			continue
		}
		if slices.ContainsFunc(g.Members, func(m state.Member) bool {
			cert, err := x509cert.ParseCertificate(m.Certificate)
			return err == nil && bytes.Equal(cert.AuthorityKeyId, f.cert.SubjectKeyId)
		}) {
			serving = append(serving, l.Name)
		}
	}
	for _, name := range serving[:min(len(serving), 20)] {
		change.Warnings = append(change.Warnings, name+" serves a certificate of it; put another in its place: postseal cert renew "+name)
	}
	if more := len(serving) - 20; more > 0 {
		change.Warnings = append(change.Warnings, fmt.Sprintf("%d more serve certificates of it", more))
	}
}

// fallen is what the list of a root must name.
func (d *Desk) fallen(ctx context.Context, rootID string) (all []ceremony.Fallen, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		all, err = fallenOf(tx, rootID)
		return err
	})
	return all, err
}

func fallenOf(tx *state.Tx, rootID string) (all []ceremony.Fallen, err error) {
	rows, err := tx.AuthorityRevocations(rootID)
	for _, r := range rows {
		all = append(all, ceremony.Fallen{Name: r.Name, Serial: r.Serial, At: r.RevokedAt.UTC(), Reason: r.Reason})
	}
	return all, err
}
