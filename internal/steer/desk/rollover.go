package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"postseal/internal/ground/keys"
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
