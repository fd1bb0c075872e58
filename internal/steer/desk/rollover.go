package desk

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// RolloverRequest gives an authority a successor.
type RolloverRequest struct {
	Doing
	Name   string `json:"name"`             // of an authority in force
	Module bool   `json:"module,omitempty"` // make its key in the security module; otherwise it is made where the old one's is
}

// Rollover makes a successor with a new key. The old one is retired: it issues no more, and goes on answering for what it
// issued. A new root is certified by the old one too, so whoever trusts only that accepts what stands below the new one;
// the issuing authorities are certified anew below it, with their keys.
func (d *Desk) Rollover(ctx context.Context, who state.Actor, r RolloverRequest) (*Change, error) {
	var made func(tx *state.Tx) error
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		h, err := d.hierarchy(ctx, v.org.Domains)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(h.all, func(a state.Authority) bool { return a.Name == r.Name && a.State == state.AuthorityActive })
		if i < 0 {
			return nil, nil, fmt.Errorf("authority %q: %w", clip(r.Name), ErrNoAuthority)
		}
		old := h.all[i]
		if old.ID == h.root.ID && h.issuer == nil {
			return nil, nil, fmt.Errorf("giving %s a successor: %w", old.Name, ErrKeyElsewhere)
		}
		if j := slices.IndexFunc(h.all, func(a state.Authority) bool { return a.Purpose == old.Purpose && a.State == state.AuthorityPending }); j >= 0 {
			return nil, nil, fmt.Errorf("giving %s a successor: there is %s: %w", old.Name, h.all[j].Name, ErrAuthorityWaits)
		}
		h.signings = &signings{desk: d, ctx: ctx, who: who}
		s := successor{hierarchy: h, old: old, sealer: v.sealer()}
		if s.keys, err = d.keysLike(ctx, old, r.Module); err != nil {
			return nil, nil, err
		}
		s.keys.who, s.keys.sealer = who, s.sealer
		s.name()
		change := newChange(v)
		if h.way != "" && old.ID != h.root.ID {
			h.askNotes(change, true)
		} else {
			change.Replaces = true
			change.Removed = append(change.Removed, "what the authority "+old.Name+" would issue: "+s.as+" does from now on")
		}
		if old.ID == h.root.ID {
			change.Warnings = append(change.Warnings, "give the new root to all machines (postseal trust export) before the old one ends or is distrusted")
			for _, a := range h.issuing {
				change.Notes = append(change.Notes, v.certifiedAnew(a)...)
			}
		}
		if r.DryRun {
			return change, nil, nil
		}
		if made == nil { // one act makes its keys once
			if made, err = s.make(); err != nil {
				return nil, nil, fmt.Errorf("making the successor of %s: %w", old.Name, err)
			}
		}
		return change, made, nil
	})
}

// successor is an authority that takes the place of another.
type successor struct {
	*hierarchy
	old    state.Authority
	sealer *sealer
	keys   *authorityKeys
	as     string // its name
	number int
}

// name picks the next name of its purpose: servers-2 follows servers.
func (s *successor) name() {
	s.number = 1
	for _, a := range s.all {
		if a.Purpose == s.old.Purpose {
			s.number++
		}
	}
	s.as = s.old.Purpose + "-" + strconv.Itoa(s.number)
}

var numbered = regexp.MustCompile(` \d+$`)

func (s *successor) make() (func(tx *state.Tx) error, error) {
	cert, err := x509cert.ParseCertificate(s.old.Certificate)
	if err != nil {
		return nil, err
	}
	kind, err := keys.KindOf(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	key, secret, err := s.keys.make(kind, s.as)
	if err != nil {
		return nil, err
	}
	subject := pkix.Name{Organization: cert.Subject.Organization, CommonName: numbered.ReplaceAllString(cert.Subject.CommonName, "") + " " + strconv.Itoa(s.number)}
	next := state.Authority{ID: newID(), Name: s.as, Purpose: s.old.Purpose, ParentID: s.old.ParentID, State: state.AuthorityActive, SecretID: secret}
	if s.way != "" {
		return s.ask(next, subject, cert, key)
	}
	var below []recertified
	if s.old.ID == s.root.ID {
		below, err = s.newRoot(&next, subject, key)
	} else {
		next.Certificate, err = s.issuer.Certify(ca.AuthorityOptions{Purpose: ca.Purpose(s.old.Purpose), Subject: subject, Key: key.Public(), Domains: cert.PermittedDNSDomains, Networks: networksOf(cert),
			CRL: listAddress(s.host, s.root.Name, 0), Issuers: certificateAddress(s.host, s.root.Name), Plan: s.signings.plan})
		next.Chain = append(slices.Clone(s.root.Certificate), s.root.Chain...)
	}
	if err != nil {
		return nil, err
	}
	made, err := x509cert.ParseCertificate(next.Certificate)
	if err != nil {
		return nil, err
	}
	next.PublicKey = made.RawSubjectPublicKeyInfo
	return func(tx *state.Tx) error { return s.store(tx, next, below) }, nil
}

// newRoot fills in the certificate of a new root, and certifies what stands below. Its chain is what takes a client from it
// to the old root.
func (s *successor) newRoot(next *state.Authority, subject pkix.Name, key crypto.Signer) ([]recertified, error) {
	var err error
	if next.Certificate, err = ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: subject, Plan: s.signings.plan}, key); err != nil {
		return nil, err
	}
	cert, err := x509cert.ParseCertificate(next.Certificate)
	if err != nil {
		return nil, err
	}
	cross, err := s.issuer.CertifyRoot(cert, listAddress(s.host, s.root.Name, 0), certificateAddress(s.host, s.root.Name), s.signings.plan)
	if err != nil {
		return nil, err
	}
	next.Chain = cross
	issuer, err := ca.NewIssuer(ca.IssuerOptions{Purpose: ca.PurposeRoot, Certificate: cert, Signer: key})
	if err != nil {
		return nil, err
	}
	var below []recertified
	for _, a := range s.issuing {
		w, err := same(a)
		if err != nil {
			return nil, err
		}
		r, err := s.certify(*w, *next, issuer)
		if err != nil {
			return nil, err
		}
		below = append(below, *r)
	}
	return below, nil
}

func (s *successor) store(tx *state.Tx, next state.Authority, below []recertified) error {
	sum := sha256.Sum256(next.Certificate)
	id := hex.EncodeToString(sum[:])
	for _, secret := range s.sealer.made {
		if err := tx.AddSecret(secret); err != nil {
			return err
		}
	}
	if err := tx.SetAuthorityState(s.old.ID, state.AuthorityRetired); err != nil {
		return err
	}
	if err := tx.AddAuthority(next); err != nil {
		return err
	}
	if err := tx.CertifyAuthority(next.ID, id, next.Certificate, next.Chain); err != nil {
		return err
	}
	if err := tx.AddShard(next.ID, 0); err != nil {
		return err
	}
	signed := [][]byte{next.Certificate}
	if next.Purpose == rootName {
		signed = append(signed, next.Chain) // by the old root
	}
	if err := record(tx, signed...); err != nil {
		return err
	}
	var err error
	if next.Purpose == rootName {
		err = tx.AddAnchor(state.Anchor{SHA256: id, Certificate: next.Certificate, Origin: state.AnchorAuthority})
	} else {
		err = tx.AddKnownIssuer(id, next.Certificate)
	}
	if err != nil {
		return err
	}
	for _, b := range below {
		if err := b.store(tx, "ca recertify"); err != nil {
			return err
		}
	}
	return tx.Audit("ca rollover", next.Name, map[string]any{"retired": s.old.Name}, map[string]any{"sha256": id})
}
