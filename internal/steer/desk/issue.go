package desk

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// shardSize is how many certificates share a revocation list.
const shardSize = 10_000

// ownLineage begins the requester of what our own authority issues for our own lineages, before their name.
const ownLineage = "lineage "

// ledger writes down what one authority does. docs/issuance.md has the steps.
type ledger struct {
	desk      *Desk
	who       state.Actor
	requester string
	authority string // its id
	shard     int64
}

// Plan is step 3: the draft, its shard and the audit row in one commit.
func (l *ledger) Plan(ctx context.Context, d *ca.Draft) error {
	return asLedger(l.desk.db.Append(ctx, l.who, func(tx *state.Tx) error {
		tx.ActFor(l.desk.server)
		if err := tx.UseShard(l.authority, l.shard); err != nil {
			return err
		}
		if err := tx.PlanIssuance(state.Issuance{Serial: d.Serial, AuthorityID: l.authority, Shard: l.shard, Profile: d.Profile, Requester: l.requester, Subject: d.Subject,
			KeyID: d.KeyID, Names: d.Names, NotBefore: d.NotBefore, NotAfter: d.NotAfter, TBS: d.TBS}); err != nil {
			return err
		}
		return tx.Audit("ca plan", d.Serial, nil, map[string]any{"profile": d.Profile, "names": d.Names, "requester": l.requester, "keyId": d.KeyID, "notAfter": d.NotAfter})
	}))
}

// Record is step 6.
func (l *ledger) Record(ctx context.Context, d *ca.Draft, raw []byte) error {
	return asLedger(l.desk.db.Append(ctx, l.who, func(tx *state.Tx) error {
		tx.ActFor(l.desk.server)
		if err := tx.RecordIssuance(d.Serial, raw); err != nil {
			return err
		}
		return tx.Audit("ca issue", d.Serial, nil, map[string]any{"thumbprint": x509cert.Thumbprint(raw)})
	}))
}

// Planned reads the book.
func (l *ledger) Planned(ctx context.Context, serial string) (d *ca.Draft, raw []byte, err error) {
	err = l.desk.db.View(ctx, func(tx *state.Tx) error {
		i, err := tx.Issuance(serial)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		d, raw = &ca.Draft{Serial: i.Serial, Profile: i.Profile, Subject: i.Subject, NotBefore: i.NotBefore, NotAfter: i.NotAfter, KeyID: i.KeyID, TBS: i.TBS}, i.Certificate
		return nil
	})
	if err == nil && raw != nil { // the octets that were signed stand in the certificate
		cert, err := x509cert.ParseCertificate(raw)
		if err != nil {
			return nil, nil, err
		}
		d.TBS = cert.RawTBSCertificate
	}
	return d, raw, err
}

// asLedger words errors of the state as a ledger does.
func asLedger(err error) error {
	switch {
	case errors.Is(err, state.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w", ca.ErrOutcomeUnknown, err)
	case errors.Is(err, state.ErrExists):
		return fmt.Errorf("%w: %w", ca.ErrSerialTaken, err)
	}
	return err
}

// wanted is one certificate to be issued. The requester has the private half of Key.
type wanted struct {
	profile   *ca.Profile
	key       crypto.PublicKey
	names     []string
	subject   pkix.Name
	requester string
	dry       bool // decide, and draft, and leave it at that
}

// issued is what came of it.
type issued struct {
	certificate *x509.Certificate
	issuer      []byte // DER of the issuing authority
}

// issueOne takes one request through the steps of docs/issuance.md.
func (d *Desk) issueOne(ctx context.Context, who state.Actor, w wanted) (*issued, error) {
	if w.profile.NeedsApproval() {
		return nil, fmt.Errorf("issuing for profile %s: %w", w.profile.Name(), ErrApproval)
	}
	all, host, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(a state.Authority) bool {
		return a.Purpose == string(w.profile.Purpose()) && a.State == state.AuthorityActive
	})
	if i < 0 {
		return nil, fmt.Errorf("issuing for %s: %w", w.profile.Purpose(), ErrNoAuthority)
	}
	a := all[i]
	issuer, err := d.issuer(ctx, a, host)
	if err != nil {
		return nil, err
	}
	l := &ledger{desk: d, who: who, requester: w.requester, authority: a.ID}
	err = d.db.View(ctx, func(tx *state.Tx) error {
		l.shard, err = tx.CurrentShard(a.ID, shardSize)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := ca.Request{PublicKey: w.key, Names: w.names, Subject: w.subject, CRL: listAddress(host, a.Name, l.shard)}
	if w.dry {
		_, err := issuer.Draft(w.profile, r, time.Now())
		return nil, err
	}
	authority := ca.New(issuer, l)
	out, err := authority.Issue(ctx, w.profile, r)
	if step, ok := errors.AsType[*ca.StepError](err); ok && errors.Is(err, ca.ErrOutcomeUnknown) {
		// It may be there: whoever asks again without looking would get another.
		read, again := authority.Resume(context.WithoutCancel(ctx), step.Serial)
		if again == nil && read != nil {
			out, err = read, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &issued{out.Certificate, a.Certificate}, nil
}

// FinishIssuances finishes what was planned and not recorded when an earlier server ended.
func (d *Desk) FinishIssuances(ctx context.Context) error {
	all, host, err := d.authorities(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	var open []state.Issuance
	const most = 10_000 // in one start; the next finds the rest
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		open, err = tx.UnfinishedIssuances(time.Now(), most)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, i := range open {
		n := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == i.AuthorityID })
		if n < 0 {
			continue // the table refers to it, so it is there
		}
		issuer, err := d.issuer(ctx, all[n], host)
		if err == nil {
			_, err = ca.New(issuer, &ledger{desk: d, who: state.Actor{Who: "postseal", From: "start"}, authority: i.AuthorityID}).Resume(ctx, i.Serial)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
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
	friendly := "issued by our own authority"
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
	p, err := r.plan(d.server)
	if err != nil {
		return nil, err
	}
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	var l state.Lineage
	s := &sealer{}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		if err := p.complete(v); err != nil {
			return nil, nil, err
		}
		change := newChange(v)
		if r.DryRun || len(s.made) == 0 { // one act issues once
			s.recipients = v.sealer().recipients
			if l, err = d.issueLineage(ctx, who, s, issuing{plan: p, profile: profile, dry: r.DryRun}); err != nil {
				return nil, nil, err
			}
		}
		if r.DryRun {
			change.preview(v, p)
			return change, nil, nil
		}
		l.Name = p.spec.name // another one may have taken the name meanwhile
		if err := change.list(v, l, l.Generations[0]); err != nil {
			return nil, nil, err
		}
		bindings, undo, err := change.bind(v, l, bindRequest{listeners: p.listeners})
		if err != nil {
			return nil, nil, err
		}
		change.Undo = joinCommands("postseal cert remove "+l.Name, undo)
		if undo == "" {
			change.Undo = "postseal cert remove " + l.Name
		}
		return change, func(tx *state.Tx) error {
			for _, secret := range s.made {
				if err := tx.AddSecret(secret); err != nil {
					return err
				}
			}
			if err := tx.AddLineage(l); err != nil {
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
}

func (d *Desk) issueLineage(ctx context.Context, who state.Actor, s *sealer, w issuing) (state.Lineage, error) {
	spec := w.plan.spec
	key, err := keys.Generate(spec.kinds[0])
	if err != nil {
		return state.Lineage{}, err
	}
	out, err := d.issueOne(ctx, who, wanted{profile: w.profile, key: key.Public(), names: spec.options.Names, requester: ownLineage + spec.name, dry: w.dry})
	if err != nil || w.dry {
		return state.Lineage{}, err
	}
	m := state.Member{Algorithm: spec.kinds[0].Algorithm(), Thumbprint: x509cert.Thumbprint(out.certificate.Raw), Certificate: out.certificate.Raw, Chain: out.issuer}
	if m.SecretID, err = s.seal(state.SecretMemberKey, key); err != nil {
		return state.Lineage{}, err
	}
	return state.Lineage{ID: newID(), Name: spec.name, ServerID: spec.server, FriendlyName: spec.friendly, Origin: state.OriginAuthority, Activation: ActivationAuto, KeyAtRenewal: KeyNew,
		Generations: []state.Generation{{ID: newID(), Number: 1, State: state.StateCurrent, Members: []state.Member{m}}}}, nil
}

// renewing is a member whose successor our own authority issues.
type renewing struct {
	lineage state.Lineage
	leaf    *x509.Certificate
	old     oldMember
}

// reissue asks for the successor with the same names and the profile that the book has.
func (d *Desk) reissue(ctx context.Context, who state.Actor, s *sealer, r renewing) (state.Member, error) {
	var before state.Issuance
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		before, err = tx.Issuance(x509cert.Inspect(r.leaf).Serial)
		return err
	})
	if err != nil {
		return state.Member{}, err
	}
	profile, err := d.profile(ctx, before.Profile)
	if err != nil {
		return state.Member{}, err
	}
	key, err := d.keyFor(ctx, r.leaf, r.old)
	if err != nil {
		return state.Member{}, err
	}
	out, err := d.issueOne(ctx, who, wanted{profile: profile, key: key.Public(), names: x509cert.Inspect(r.leaf).Names, requester: ownLineage + r.lineage.Name})
	if err != nil {
		return state.Member{}, err
	}
	m := state.Member{Algorithm: r.old.Algorithm, SecretID: r.old.SecretID, Thumbprint: x509cert.Thumbprint(out.certificate.Raw), Certificate: out.certificate.Raw, Chain: out.issuer}
	if !r.old.keep {
		m.SecretID, err = s.seal(state.SecretMemberKey, key)
	}
	return m, err
}

// CertifyRequest asks our own authority to certify the key of a request in a file.
type CertifyRequest struct {
	Profile string     `json:"profile,omitempty"` // empty means server
	CSR     ImportFile `json:"csr"`
	Domains []string   `json:"domains,omitempty"` // with Emails: in the place of the names in the request
	Emails  []string   `json:"emails,omitempty"`
	DryRun  bool       `json:"dryRun,omitempty"` // only say whether it would be issued
}

// Certified is a certificate that was issued for a request in a file.
type Certified struct {
	Serial     string    `json:"serial"`
	Thumbprint string    `json:"thumbprint"`
	Names      []string  `json:"names"`
	NotAfter   time.Time `json:"notAfter"`
	PEM        string    `json:"pem"` // with its issuer
}

// Certify issues for a request in a file. Its signature proves that whoever made it holds the key (RFC 2986 section 4.2);
// who asks is whoever calls.
func (d *Desk) Certify(ctx context.Context, who state.Actor, r CertifyRequest) (*Certified, error) {
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	read, err := certfile.Read(r.CSR.Name, r.CSR.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if len(read.Requests) != 1 {
		return nil, &ValueError{"--csr", r.CSR.Name, fmt.Sprintf("want a file with one request, it has %d", len(read.Requests))}
	}
	csr := read.Requests[0].CertificateRequest
	if err := csr.CheckSignature(); err != nil {
		return nil, &ValueError{"--csr", r.CSR.Name, "its signature is not that of its key"}
	}
	w := wanted{profile: profile, key: csr.PublicKey, names: append(slices.Clone(r.Domains), r.Emails...), requester: who.Who, dry: r.DryRun}
	if len(w.names) == 0 {
		w.names = append(append(append(w.names, csr.DNSNames...), ipTexts(csr)...), csr.EmailAddresses...)
	}
	if profile.Options().Subject {
		w.subject = csr.Subject
	}
	out, err := d.issueOne(ctx, who, w)
	if err != nil || r.DryRun {
		return &Certified{Names: w.names}, err
	}
	facts := x509cert.Inspect(out.certificate)
	var text strings.Builder
	for _, der := range [][]byte{out.certificate.Raw, out.issuer} {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return &Certified{Serial: facts.Serial, Thumbprint: facts.Thumbprint, Names: w.names, NotAfter: facts.NotAfter.UTC(), PEM: text.String()}, nil
}
