package desk

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

// ownLineage begins the requester of what our own authority issues for our own lineages, before their name.
const ownLineage = "lineage "

// wanted is one certificate to be issued. The requester has the private half of Key.
type wanted struct {
	profile   *ca.Profile
	key       crypto.PublicKey
	names     []string
	subject   pkix.Name
	requester string
	secret    *state.Secret                           // the key, sealed, if it was made here: stored with the plan
	agreed    bool                                    // a second person has agreed, or need not
	dry       bool                                    // decide, and draft, and leave it at that
	planned   func(tx *state.Tx, serial string) error // called within the commit that plans it; nil for none
}

// issued is what came of it.
type issued struct {
	serial      string
	certificate *x509.Certificate
	chain       chain // of the issuing authority and those above it
}

// issueOne takes one request through the steps of docs/issuance.md.
func (d *Desk) issueOne(ctx context.Context, who state.Actor, w wanted) (*issued, error) {
	if w.profile.NeedsApproval() && !w.agreed {
		return nil, fmt.Errorf("issuing for profile %s: %w", w.profile.Name(), ErrApproval) // whoever calls keeps it for one
	}
	s, err := d.standing(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.authorities, func(a state.Authority) bool {
		return a.Purpose == string(w.profile.Purpose()) && a.State == state.AuthorityActive
	})
	if i < 0 && slices.ContainsFunc(s.authorities, func(a state.Authority) bool {
		return a.Purpose == string(w.profile.Purpose()) && a.State == state.AuthorityPending
	}) {
		return nil, fmt.Errorf("issuing for %s: %w", w.profile.Purpose(), ErrAuthorityWaits)
	}
	if i < 0 {
		return nil, fmt.Errorf("issuing for %s: %w", w.profile.Purpose(), ErrNoAuthority)
	}
	a := s.authorities[i]
	issuer, err := d.issuer(ctx, a, s.host)
	if err != nil {
		return nil, err
	}
	for {
		out, err := d.issueInShard(ctx, issuingNow{who: who, wanted: w, authority: a, host: s.host, issuer: issuer})
		if errors.Is(err, state.ErrShardFull) {
			d.noPlace(a.ID)
			continue // others took its last places; the next one has room for shardSize
		}
		if err != nil || out == nil {
			return nil, err
		}
		return &issued{out.Draft.Serial, out.Certificate, s.chains[a.ID]}, nil
	}
}

// notCompromised refuses a key that somebody else may have: one of which a certificate was revoked for keyCompromise
// (CA/Browser Forum, Baseline Requirements section 6.1.1.3). The book knows it as long as it has the line.
func notCompromised(tx *state.Tx, key crypto.PublicKey, keyID string) error {
	found, err := tx.KeyRevokedFor(keyID, int64(crl.KeyCompromise))
	if err == nil && found {
		err = &ca.KeyError{KeyType: x509cert.KeyType(key), Reason: "it was revoked for keyCompromise, so somebody else may have it"}
	}
	return err
}

// chainBelow is what goes with a certificate of an authority: its own certificate and those above, without the root, which
// whoever trusts it has.
func chainBelow(a state.Authority) chain {
	der := slices.Clone(a.Certificate)
	above, err := x509.ParseCertificates(a.Chain)
	if err != nil {
		above = nil // it was read before it was stored
	}
	for _, cert := range above {
		if !bytes.Equal(cert.RawSubject, cert.RawIssuer) { // no signature is verified: it is for each certificate that is issued
			der = append(der, cert.Raw...)
		}
	}
	return chain{der, x509cert.PEM(der)}
}

// issuingNow is a request on its way through an authority.
type issuingNow struct {
	wanted
	who       state.Actor
	authority state.Authority
	host      string
	issuer    *ca.Issuer
}

// issueInShard draws it up for the shard that has room now, and issues it. A draft alone gives nothing.
func (d *Desk) issueInShard(ctx context.Context, w issuingNow) (*ca.Issued, error) {
	l := &ledger{desk: d, who: w.who, requester: w.requester, authority: w.authority.ID, key: w.key, secret: w.secret, planned: w.planned}
	var err error
	if l.shard, err = d.place(ctx, w.authority.ID); err != nil {
		return nil, err
	}
	r := ca.Request{PublicKey: w.key, Names: w.names, Subject: w.subject, CRL: listAddress(w.host, w.authority.Name, l.shard)}
	if w.dry {
		draft, err := w.issuer.Draft(w.profile, r, time.Now())
		if err == nil {
			err = d.db.View(ctx, func(tx *state.Tx) error { return notCompromised(tx, w.key, draft.KeyID) })
		}
		return nil, err
	}
	authority := ca.New(w.issuer, l)
	out, err := authority.Issue(ctx, w.profile, r)
	if step, ok := errors.AsType[*ca.StepError](err); ok && errors.Is(err, ca.ErrOutcomeUnknown) {
		// It may be there: whoever asks again without looking would get another.
		read, again := authority.Resume(context.WithoutCancel(ctx), step.Serial)
		if again == nil && read != nil {
			return read, nil
		}
	}
	return out, err
}

// IssueRequest asks our own authority for a certificate of a new lineage, whose key is made here.
type IssueRequest struct {
	Doing
	Profile string   `json:"profile,omitempty"` // empty means server
	Domains []string `json:"domains,omitempty"` // empty means this server's names
	Kind    string   `json:"kind,omitempty"`    // of the key; empty means ecdsa-p256
	Enable  string   `json:"enable,omitempty"`  // services that it serves at once; empty for none
	Lineage string   `json:"lineage,omitempty"` // name of the new lineage; empty makes one of the first name
}

// yetUnnamed is the name of a lineage until it is known which names it has.
const yetUnnamed = "issued by our own authority"

// Check finds what is wrong with the request itself.
func (r IssueRequest) Check() error {
	_, err := r.plan("")
	return err
}

func (r IssueRequest) plan(server string) (*certPlan, error) {
	kind := r.Kind
	if kind == "" {
		kind = string(keys.ECDSAP256)
	}
	friendly := yetUnnamed
	if len(r.Domains) > 0 {
		friendly = nameOf(r.Domains[0])
	}
	p, err := NewRequest{Name: friendly, Domains: r.Domains, Kinds: []string{kind}, Services: r.Enable, Lineage: r.Lineage}.plan(server)
	if err != nil {
		return nil, err
	}
	p.issued, p.spec.options.Days = true, int(ca.LifeAutomatic/(24*time.Hour))
	return p, nil
}

// Issue makes a key and lets our own authority certify it, in a lineage of its own that renews by itself.
func (d *Desk) Issue(ctx context.Context, who state.Actor, r IssueRequest) (*Change, error) {
	return d.issueNew(ctx, who, r, false)
}

func (d *Desk) issueNew(ctx context.Context, who state.Actor, r IssueRequest, agreed bool) (*Change, error) {
	p, err := r.plan(d.server)
	if err != nil {
		return nil, err
	}
	if belowAdmin(ctx) && slices.Contains(p.listeners, listener.Management) {
		return nil, fmt.Errorf("issuing for %s: %w", listener.Management, ErrOwnIdentity)
	}
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	var made *heldLineage
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		if err := p.complete(v); err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		if profile.NeedsApproval() && !agreed {
			if _, err := d.issueLineage(ctx, who, v.sealer(), issuing{plan: p, profile: profile, dry: true, agreed: true}); err != nil {
				return nil, nil, err
			}
			change.Notes = append(change.Notes, "a second person must agree: postseal ca pending")
			if r.DryRun {
				return change, nil, nil
			}
			id, err := d.hold(ctx, who, profile.Name(), p.spec.options.Names, heldRequest{Issue: &r})
			change.Notes = []string{waitsFor(id)}
			return change, nil, err
		}
		if r.DryRun || made == nil { // one act issues once
			if made, err = d.issueLineage(ctx, who, v.sealer(), issuing{plan: p, profile: profile, dry: r.DryRun, agreed: agreed}); err != nil {
				return nil, nil, err
			}
		}
		if r.DryRun {
			change.preview(v, p)
			return change, nil, nil
		}
		l := made.lineage
		l.Name = p.spec.name // another one may have taken the name meanwhile
		bindings, undo, err := change.bind(v, l, bindRequest{listeners: p.listeners})
		if err != nil {
			return nil, nil, err
		}
		change.Undo = joinCommands("postseal cert remove "+l.Name, undo)
		if undo == "" {
			change.Undo = "postseal cert remove " + l.Name
		}
		return change, func(tx *state.Tx) error {
			if err := tx.AddLineage(l); err != nil {
				return err
			}
			if err := tx.HoldKey(made.serial); err != nil {
				return err
			}
			if err := tx.Audit("new", l.Name, nil, map[string]any{"name": l.FriendlyName, "profile": r.Profile, "thumbprints": thumbprints(l)}); err != nil {
				return err
			}
			if len(bindings) == 0 {
				return nil
			}
			return storeBindings(d.server, l, change.Moves, bindings)(tx)
		}, nil
	})
}

// issuing is one lineage to be issued.
type issuing struct {
	plan    *certPlan
	profile *ca.Profile
	dry     bool
	agreed  bool
}

// heldLineage is a lineage whose certificate was issued and whose key was stored with the plan of serial.
type heldLineage struct {
	serial  string
	lineage state.Lineage
}

func (d *Desk) issueLineage(ctx context.Context, who state.Actor, s *sealer, w issuing) (*heldLineage, error) {
	spec := w.plan.spec
	key, err := keys.Generate(spec.kinds[0])
	if err != nil {
		return nil, err
	}
	if _, err := s.seal(state.SecretMemberKey, key); err != nil {
		return nil, err
	}
	out, err := d.issueOne(ctx, who, wanted{profile: w.profile, key: key.Public(), names: spec.options.Names, requester: ownLineage + spec.name, secret: &s.made[0], agreed: w.agreed, dry: w.dry})
	if err != nil || w.dry {
		return nil, err
	}
	m := issuedMember(out)
	m.Algorithm, m.SecretID = spec.kinds[0].Algorithm(), s.made[0].ID
	return &heldLineage{out.serial, issuedLineage(state.Lineage{Name: spec.name, ServerID: spec.server, FriendlyName: spec.friendly}, m)}, nil
}

// issuedMember is a certificate of our own authority as a lineage keeps it.
func issuedMember(out *issued) state.Member {
	return state.Member{Thumbprint: x509cert.Thumbprint(out.certificate.Raw), Certificate: out.certificate.Raw, Chain: slices.Clone(out.chain.der)}
}

// issuedLineage is a new lineage of our own authority with its first generation.
func issuedLineage(l state.Lineage, m state.Member) state.Lineage {
	l.ID, l.Origin, l.Activation, l.KeyAtRenewal = newID(), state.OriginAuthority, ActivationAuto, KeyNew
	l.Generations = []state.Generation{{ID: newID(), Number: 1, State: state.StateCurrent, Members: []state.Member{m}}}
	return l
}

// renewing is a member whose successor our own authority issues.
type renewing struct {
	lineage state.Lineage
	leaf    *x509.Certificate
	old     oldMember
}

// reissued is the successor of a member. serial is that of the plan with which its new key was stored; empty if the key
// was kept.
type reissued struct {
	member state.Member
	serial string
}

// reissue asks for the successor with the same names and the profile that the book has. Whoever agreed to the first has
// agreed to what follows.
func (d *Desk) reissue(ctx context.Context, who state.Actor, s *sealer, r renewing) (*reissued, error) {
	var before state.Issuance
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		before, err = tx.Issuance(x509cert.Inspect(r.leaf).Serial)
		return err
	})
	if errors.Is(err, state.ErrNotFound) || err == nil && !bytes.Equal(before.Certificate, r.leaf.Raw) {
		return nil, ErrNotSelfSigned // it was imported into the lineage, or answers a request to another authority
	}
	if err != nil {
		return nil, err
	}
	profile, err := d.profile(ctx, before.Profile)
	if err != nil {
		return nil, err
	}
	key, err := d.keyFor(ctx, r.leaf, r.old)
	if err != nil {
		return nil, err
	}
	w := wanted{profile: profile, key: key.Public(), names: x509cert.Inspect(r.leaf).Names, requester: ownLineage + r.lineage.Name, agreed: true}
	if !r.old.keep {
		if _, err := s.seal(state.SecretMemberKey, key); err != nil {
			return nil, err
		}
		w.secret = &s.made[len(s.made)-1]
	}
	if profile.Options().Subject {
		w.subject = r.leaf.Subject
	}
	out, err := d.issueOne(ctx, who, w)
	if err != nil {
		return nil, err
	}
	next := &reissued{member: issuedMember(out)}
	next.member.Algorithm, next.member.SecretID = r.old.Algorithm, r.old.SecretID
	if w.secret != nil {
		next.member.SecretID, next.serial = w.secret.ID, out.serial
	}
	return next, nil
}

// CertifyRequest asks our own authority to certify the key of a request in a file.
type CertifyRequest struct {
	Profile string     `json:"profile,omitempty"` // empty means server
	CSR     ImportFile `json:"csr"`
	Domains []string   `json:"domains,omitempty"` // with Emails: in the place of the names in the request
	Emails  []string   `json:"emails,omitempty"`
	DryRun  bool       `json:"dryRun,omitempty"` // only say whether it would be issued
}

// Certified is a certificate that was issued for a request in a file, or the request that waits for a second person.
type Certified struct {
	Serial     string    `json:"serial"`
	Thumbprint string    `json:"thumbprint"`
	Names      []string  `json:"names"`
	NotAfter   time.Time `json:"notAfter,omitzero"`
	PEM        string    `json:"pem"`               // with its issuer
	Waiting    string    `json:"waiting,omitempty"` // id of the request that waits; then there is no certificate
	Lineage    string    `json:"lineage,omitempty"` // that has it, if its key was made here for a request that was agreed to
	Enabled    string    `json:"enabled,omitempty"` // services that this lineage serves from now on
}

// Certify issues for a request in a file. Its signature proves that whoever made it holds the key (RFC 2986 section 4.2);
// who asks is whoever calls. If the profile needs a second person, the request waits for him: [Certified.Waiting].
func (d *Desk) Certify(ctx context.Context, who state.Actor, r CertifyRequest) (*Certified, error) {
	return d.certify(ctx, who, r, false)
}

func (d *Desk) certify(ctx context.Context, who state.Actor, r CertifyRequest, agreed bool) (*Certified, error) {
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	csr, err := readCSR(r.CSR)
	if err != nil {
		return nil, err
	}
	waits := profile.NeedsApproval() && !agreed
	w := wanted{profile: profile, key: csr.PublicKey, names: append(slices.Clone(r.Domains), r.Emails...), requester: who.Who, agreed: true, dry: r.DryRun || waits}
	if len(w.names) == 0 {
		w.names = append(append(append(w.names, csr.DNSNames...), ipTexts(csr)...), csr.EmailAddresses...)
	}
	if profile.Options().Subject {
		w.subject = csr.Subject
	}
	if !w.dry {
		if left, err := d.finishLeft(ctx, who, w, csr); err != nil || left != nil {
			return left, err
		}
	}
	out, err := d.issueOne(ctx, who, w)
	switch {
	case err != nil || r.DryRun:
		return &Certified{Names: w.names}, err
	case waits:
		id, err := d.hold(ctx, who, r.Profile, w.names, heldRequest{Certify: &r})
		return &Certified{Names: w.names, Waiting: id}, err
	}
	return newCertified(out), nil
}

// finishLeft finishes what a command without a server had planned for the same request when it was killed: whoever asks
// again wants that one and no second. With a server its start has done it, and what is planned there is under way.
func (d *Desk) finishLeft(ctx context.Context, who state.Actor, w wanted, csr *x509.CertificateRequest) (*Certified, error) {
	if d.runtime.Running() {
		return nil, nil
	}
	var all []state.Issuance
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		all, err = tx.PickIssuances(state.Picked{KeyID: keyIDOf(csr.RawSubjectPublicKeyInfo)}, 100)
		return err
	})
	for _, i := range all {
		if i.Certificate != nil || i.Profile != w.profile.Name() || i.Requester != w.requester {
			continue
		}
		if err := d.FinishIssuances(ctx); err != nil {
			return nil, err
		}
		out, err := d.IssuedCertificate(ctx, i.Serial)
		if err != nil {
			return nil, err
		}
		if sameNames(out.Names, w.names) {
			return out, nil
		}
	}
	return nil, err
}

// sameNames says whether names that somebody wrote are those in a certificate, where they are in lower case, and each once.
func sameNames(in, written []string) bool {
	return len(x509cert.Missing(in, written))+len(x509cert.Missing(written, in)) == 0
}

// readCSR reads a file with one request. That its signature is that of its key, certfile has verified (RFC 2986 section 3).
func readCSR(file ImportFile) (*x509.CertificateRequest, error) {
	read, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if len(read.Requests) != 1 {
		return nil, &ValueError{"--csr", file.Name, fmt.Sprintf("want a file with one request, it has %d", len(read.Requests))}
	}
	return read.Requests[0].CertificateRequest, nil
}
