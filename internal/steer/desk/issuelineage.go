package desk

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

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
