package desk

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// missingPurposes are those for which no authority issues, nor waits for its certificate: those that were left out, those
// that a later release has brought, and those whose authority was revoked.
func missingPurposes(all []state.Authority) (missing []string) {
	for _, p := range ca.Purposes() {
		if !slices.ContainsFunc(all, func(a state.Authority) bool {
			return a.Purpose == string(p) && (a.State == state.AuthorityActive || a.State == state.AuthorityPending)
		}) {
			missing = append(missing, string(p))
		}
	}
	return missing
}

// complete adds issuing authorities to a hierarchy that is there, for purposes that have none.
func (d *Desk) complete(ctx context.Context, who state.Actor, r AuthorityRequest, purposes []ca.Purpose) (*Change, error) {
	var made *founded
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		h, err := d.hierarchy(ctx, v.org.Domains)
		if err != nil {
			return nil, nil, err
		}
		missing := missingPurposes(h.all)
		if len(r.Purposes) == 0 {
			err := fmt.Errorf("making an authority: %w", ErrAuthorityExists)
			if len(missing) > 0 {
				err = fmt.Errorf("making an authority: %w, but none for %s", ErrAuthorityExists, strings.Join(missing, ", "))
			}
			return nil, nil, err
		}
		for _, p := range purposes {
			if !slices.Contains(missing, string(p)) {
				return nil, nil, fmt.Errorf("making an authority for %s: %w", p, ErrAuthorityExists)
			}
		}
		for _, given := range []struct{ flag, value string }{{"--name", r.Name}, {"--pki-host", r.PKIHost}, {"--root-key", r.RootKey}, {"--subordinate or --ceremony", r.Superior}} {
			if given.value != "" {
				return nil, nil, &ValueError{given.flag, given.value, "the hierarchy is there, and what is added to it is like the rest"}
			}
		}
		c := &completion{hierarchy: h, purposes: purposes, domains: r.Domains, sealer: v.sealer()}
		if len(c.domains) == 0 {
			c.domains = certifiable(h.all, v.org.Domains)
		}
		if _, err := ca.NewProfile(ca.ProfileOptions{Name: "server", Domains: c.domains}); err != nil {
			return nil, nil, err
		}
		like := h.root
		if len(h.issuing) > 0 {
			like = h.issuing[0]
		}
		if c.keys, err = d.keysLike(ctx, like, r.Module == ModuleAll); err != nil {
			return nil, nil, err
		}
		c.keys.who, c.keys.sealer = who, c.sealer
		c.name = organisationOf(like, v.org.Name)
		change := newChange(v)
		for _, p := range purposes {
			change.Notes = append(change.Notes, "an authority for "+string(p)+" is added, which certifies names below "+strings.Join(c.domains, ", "))
		}
		h.askNotes(change, false)
		if r.DryRun {
			return change, nil, nil
		}
		h.signings = &signings{desk: d, ctx: ctx, who: who}
		if made == nil { // one act makes its keys once
			if made, err = c.make(); err != nil {
				return nil, nil, err
			}
		}
		return change, func(tx *state.Tx) error { return c.store(tx, made) }, nil
	})
}

// organisationOf is the organisation in the name of an authority that is there.
func organisationOf(a state.Authority, otherwise string) string {
	if cert, err := x509cert.ParseCertificate(a.Certificate); err == nil && len(cert.Subject.Organization) > 0 {
		return cert.Subject.Organization[0]
	}
	return shortened(otherwise)
}

// completion is what is added to a hierarchy.
type completion struct {
	*hierarchy
	purposes []ca.Purpose
	domains  []string
	name     string // of the organisation
	sealer   *sealer
	keys     *authorityKeys
}

// make makes the keys, and the certificates where the root is here, or requests.
func (c *completion) make() (*founded, error) {
	out := &founded{}
	for _, p := range c.purposes {
		// An earlier one, which was revoked, has its name and its addresses for ever.
		named := successor{hierarchy: c.hierarchy, old: state.Authority{Purpose: string(p)}}
		named.name()
		title, name := titleOf(p), string(p)
		if named.number > 1 {
			title, name = fmt.Sprintf("%s %d", title, named.number), named.as
		}
		key, secret, err := c.keys.make(keys.ECDSAP256, name)
		if err != nil {
			return nil, fmt.Errorf("making the authority for %s: %w", p, err)
		}
		o := ca.AuthorityOptions{Purpose: p, Subject: ceremony.Subject(c.name, title), Domains: c.domains}
		a := state.Authority{ID: newID(), Name: name, Purpose: string(p), SecretID: secret}
		if c.way != "" {
			if a.Request, err = ca.RequestAuthority(o, key); err != nil {
				return nil, fmt.Errorf("making the authority for %s: %w", p, err)
			}
			if a.PublicKey, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
				return nil, fmt.Errorf("making the authority for %s: %w", p, err)
			}
			a.State = state.AuthorityPending
			out.requests = append(out.requests, state.AuthorityRequest{AuthorityID: a.ID, Way: c.way, Request: a.Request, Domains: c.domains})
		} else {
			o.Key, o.CRL, o.Issuers, o.Plan = key.Public(), listAddress(c.host, c.root.Name, 0), certificateAddress(c.host, c.root.Name), c.signings.plan
			if a.Certificate, err = c.issuer.Certify(o); err != nil {
				return nil, fmt.Errorf("making the authority for %s: %w", p, err)
			}
			cert, err := x509cert.ParseCertificate(a.Certificate)
			if err != nil {
				return nil, fmt.Errorf("making the authority for %s: %w", p, err)
			}
			a.State, a.ParentID, a.PublicKey = state.AuthorityActive, c.root.ID, cert.RawSubjectPublicKeyInfo
			a.Chain = append(slices.Clone(c.root.Certificate), c.root.Chain...)
		}
		out.authorities = append(out.authorities, a)
	}
	return out, nil
}

func (c *completion) store(tx *state.Tx, made *founded) error {
	if err := addSecrets(tx, c.sealer.made); err != nil {
		return err
	}
	for _, a := range made.authorities {
		if err := tx.AddAuthority(a); err != nil {
			return err
		}
		if a.Certificate == nil {
			continue
		}
		sum := sha256.Sum256(a.Certificate)
		id := hex.EncodeToString(sum[:])
		if err := record(tx, a.Certificate); err != nil {
			return err
		}
		if err := tx.CertifyAuthority(a.ID, id, a.Certificate, a.Chain); err != nil {
			return err
		}
		if err := tx.AddShard(a.ID, 0); err != nil {
			return err
		}
		if err := tx.AddKnownIssuer(id, a.Certificate); err != nil {
			return err
		}
		if err := tx.Audit("ca init", a.Name, nil, map[string]any{"sha256": id}); err != nil {
			return err
		}
	}
	return storeRequests(tx, "ca init", made.authorities, made.requests)
}
