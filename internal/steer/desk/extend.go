package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// ErrNothingNew: the authorities may certify all of it already.
var ErrNothingNew = errors.New("the authorities may certify it already")

// ExtendRequest widens what our own authorities may certify.
type ExtendRequest struct {
	Doing
	Domains  []string `json:"domains,omitempty"`  // besides those they have; empty, without networks, means the accepted domains
	Networks []string `json:"networks,omitempty"` // whose addresses may be certified; without any, no address may
}

// Extend certifies each issuing authority anew, with the same key and name, for more domains or networks. What was issued
// stays good, below the old certificate and below the new one, and is served with the new one from then on.
func (d *Desk) Extend(ctx context.Context, who state.Actor, r ExtendRequest) (*Change, error) {
	var made []recertified
	var asked []state.AuthorityRequest
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		if len(r.Domains)+len(r.Networks) == 0 {
			r.Domains = v.org.Domains
		}
		if _, err := ca.NewProfile(ca.ProfileOptions{Name: "server", Domains: r.Domains, Networks: r.Networks}); err != nil {
			return nil, nil, err
		}
		h, err := d.hierarchy(ctx, v.org.Domains)
		if err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		var due []widening
		for _, a := range h.issuing {
			w, err := h.wider(a, r)
			if err != nil {
				return nil, nil, fmt.Errorf("extending the authority %s: %w", a.Name, err)
			}
			if w != nil {
				due = append(due, *w)
				change.Notes = append(change.Notes, v.certifiedAnew(w.authority)...)
			}
		}
		if len(due) == 0 {
			return nil, nil, fmt.Errorf("extending the authorities: %w", ErrNothingNew)
		}
		h.askNotes(change, false)
		if r.DryRun {
			return change, nil, nil
		}
		if h.way != "" {
			for n := len(asked); n < len(due); n++ {
				q, err := d.askAgain(ctx, h, due[n])
				if err != nil {
					return nil, nil, fmt.Errorf("extending the authority %s: %w", due[n].authority.Name, err)
				}
				asked = append(asked, *q)
			}
			return change, func(tx *state.Tx) error { return storeRequests(tx, "ca extend", h.all, asked) }, nil
		}
		h.signings = &signings{desk: d, ctx: ctx, who: who}
		for n := len(made); n < len(due); n++ { // one act signs once
			next, err := h.certify(due[n], h.root, h.issuer)
			if err != nil {
				return nil, nil, fmt.Errorf("extending the authority %s: %w", due[n].authority.Name, err)
			}
			made = append(made, *next)
		}
		return change, func(tx *state.Tx) error {
			for _, m := range made {
				if err := m.store(tx, "ca extend"); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}

// certifiedAnew says what it means that an authority is certified anew.
func (v *view) certifiedAnew(a state.Authority) []string {
	notes := []string{"the authority " + a.Name + " is certified anew"}
	before, n := chainBelow(a), 0
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if bytes.Equal(m.Chain, before.der) {
					n++
				}
			}
		}
	}
	switch n {
	case 0:
	case 1:
		notes = append(notes, "1 certificate of lineages is sent with the new certificate of "+a.Name)
	default:
		notes = append(notes, fmt.Sprintf("%d certificates of lineages are sent with the new certificate of %s", n, a.Name))
	}
	return notes
}

// hierarchy is the root that is in force, with its key, and the issuing authorities below it that are.
type hierarchy struct {
	host    string
	all     []state.Authority
	root    state.Authority
	issuer  *ca.Issuer // nil if its key is not here
	issuing []state.Authority
	// way is how the issuing authorities reach the one above them: empty, it is here, or as in [state.AuthorityRequest].
	// Foreign ones have no root here.
	way      string
	requests []state.AuthorityRequest // that wait
	accepted []string                 // domains of the organisation
	signings *signings
}

func (d *Desk) hierarchy(ctx context.Context, accepted []string) (*hierarchy, error) {
	h := &hierarchy{accepted: accepted}
	var err error
	if h.all, h.host, err = d.authorities(ctx); err != nil {
		return nil, err
	}
	if err := d.db.View(ctx, func(tx *state.Tx) error { h.requests, err = tx.AuthorityRequests(); return err }); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.all, func(a state.Authority) bool { return a.Purpose == rootName && a.State == state.AuthorityActive })
	switch {
	case i >= 0 && h.all[i].SecretID == "":
		h.root, h.way = h.all[i], state.WayCeremony
	case i >= 0:
		h.root = h.all[i]
		if h.issuer, err = d.issuer(ctx, h.root, h.host); err != nil {
			return nil, err
		}
	default:
		h.way = state.WayForeign
	}
	for _, a := range h.all {
		if a.ParentID == h.root.ID && a.State == state.AuthorityActive && a.ID != h.root.ID {
			h.issuing = append(h.issuing, a)
		}
	}
	switch {
	case h.way != state.WayForeign || len(h.issuing) > 0:
		return h, nil
	case len(h.all) > 0:
		return nil, fmt.Errorf("looking for the authorities: %w", ErrAuthorityWaits)
	}
	return nil, fmt.Errorf("looking for the root: %w", ErrNoAuthority)
}

// recertified is an authority with the certificate that takes the place of its own.
type recertified struct {
	authority   state.Authority
	certificate []byte
	chain       []byte // as of state.Authority
	parent      string
	ours        bool // it was signed here, and planned
}

// store makes the certificate the current one, and what lineages send along.
func (r recertified) store(tx *state.Tx, act string) error {
	sum := sha256.Sum256(r.certificate)
	id := hex.EncodeToString(sum[:])
	before := chainBelow(r.authority)
	after := r.authority
	after.Certificate, after.Chain = r.certificate, r.chain
	if err := tx.CertifyAuthority(r.authority.ID, id, r.certificate, r.chain); err != nil {
		return err
	}
	if err := tx.SetAuthorityParent(r.authority.ID, r.parent); err != nil {
		return err
	}
	if err := tx.RemoveAuthorityRequest(r.authority.ID); err != nil {
		return err
	}
	if r.ours {
		if err := record(tx, r.certificate); err != nil {
			return err
		}
	}
	if err := tx.AddKnownIssuer(id, r.certificate); err != nil {
		return err
	}
	n, err := tx.ReplaceChains(before.der, chainBelow(after).der)
	if err != nil {
		return err
	}
	old := sha256.Sum256(r.authority.Certificate)
	return tx.Audit(act, r.authority.Name, map[string]any{"sha256": hex.EncodeToString(old[:])}, map[string]any{"sha256": id, "chains": n})
}

// widening is what an authority's next certificate is for.
type widening struct {
	authority         state.Authority
	cert              *x509.Certificate // its own
	domains, networks []string
	replaces          string // as in state.AuthorityRequest
}

// same keeps the names.
func same(a state.Authority) (*widening, error) {
	cert, err := x509cert.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, err
	}
	return &widening{a, cert, slices.Clone(cert.PermittedDNSDomains), networksOf(cert), ""}, nil
}

// wider adds names; nil if the authority has them. What a request that waits has asked for counts as had; when a successor
// waits, it is the one that gets them.
func (h *hierarchy) wider(a state.Authority, r ExtendRequest) (*widening, error) {
	w, err := same(a)
	if err != nil {
		return nil, err
	}
	if len(w.domains) == 0 { // a foreign authority has left the constraints out
		w.domains = slices.Clone(h.accepted)
	}
	for _, q := range h.requests {
		switch a.ID {
		case q.Replaces:
			i := slices.IndexFunc(h.all, func(b state.Authority) bool { return b.ID == q.AuthorityID })
			csr, err := x509.ParseCertificateRequest(q.Request)
			if i < 0 || err != nil {
				return nil, fmt.Errorf("reading the request of the successor: %w", errors.Join(err, ErrNoAuthority))
			}
			w = &widening{h.all[i], &x509.Certificate{Subject: csr.Subject, RawSubject: csr.RawSubject}, slices.Clone(q.Domains), slices.Clone(q.Networks), q.Replaces}
		case q.AuthorityID:
			w.domains, w.networks = slices.Clone(q.Domains), slices.Clone(q.Networks)
		}
	}
	had := len(w.domains) + len(w.networks)
	for _, text := range r.Domains {
		d, err := x509cert.ParseDomain(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(w.domains, string(d)) {
			w.domains = append(w.domains, string(d))
		}
	}
	for _, n := range r.Networks {
		if !slices.Contains(w.networks, n) {
			w.networks = append(w.networks, n)
		}
	}
	if len(w.domains)+len(w.networks) == had {
		return nil, nil
	}
	return w, nil
}

func networksOf(cert *x509.Certificate) (all []string) {
	for _, n := range cert.PermittedIPRanges {
		all = append(all, n.String())
	}
	return all
}

// certify makes an authority's certificate anew below a root, with the same key and the same name.
func (h *hierarchy) certify(w widening, root state.Authority, issuer *ca.Issuer) (*recertified, error) {
	raw, err := issuer.Certify(ca.AuthorityOptions{Purpose: ca.Purpose(w.authority.Purpose), Subject: w.cert.Subject, Key: w.cert.PublicKey, Domains: w.domains, Networks: w.networks,
		CRL: listAddress(h.host, root.Name, 0), Issuers: certificateAddress(h.host, root.Name), Plan: h.signings.plan})
	if err != nil {
		return nil, err
	}
	made, err := x509cert.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(made.RawSubject, w.cert.RawSubject) {
		return nil, fmt.Errorf("its name would not be the same octets, and what it issued would not be found below it: %w", ca.ErrIssuer)
	}
	return &recertified{authority: w.authority, certificate: raw, chain: append(slices.Clone(root.Certificate), root.Chain...), parent: root.ID, ours: true}, nil
}
