package desk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// ErrNotSelfSigned: only what we signed ourselves can be renewed without asking anybody.
var ErrNotSelfSigned = errors.New("it was not signed by us, so we cannot renew it alone")

// RenewRequest asks for the next generation of a lineage.
type RenewRequest struct {
	Doing
	ID         string `json:"id"`
	KeepKey    bool   `json:"keepKey,omitempty"`    // certify the same keys again, whatever the lineage says
	NoActivate bool   `json:"noActivate,omitempty"` // let it wait as next, whatever the lineage says
}

// Renew makes the next generation of a lineage that is self-signed, or issued by our own authority: the same names, subject, kinds of keys and life.
// It is put in force at once, unless the lineage wants approval or NoActivate is set; bindings name the
// lineage and stay as they are.
func (d *Desk) Renew(ctx context.Context, who state.Actor, r RenewRequest) (*Change, error) {
	var again *reissued // what our own authority issued for it
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		l := f.lineage
		current, ok := l.Current()
		if !ok {
			return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, notInForce(f.generation))
		}
		next := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StateNext}
		s := v.sealer()
		for _, m := range current.Members {
			leaf, err := x509cert.ParseCertificate(m.Certificate)
			if err != nil {
				return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, err)
			}
			if !x509cert.Inspect(leaf).SelfSigned && l.Origin != state.OriginAuthority {
				return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, ErrNotSelfSigned)
			}
			if r.DryRun { // makes no keys
				next.Members = append(next.Members, m)
				continue
			}
			if l.Origin == state.OriginAuthority {
				if again == nil { // an act that is computed again issues once
					made, err := d.reissue(ctx, who, v.sealer(), renewing{lineage: l, leaf: leaf, old: oldMember{Member: m, keep: r.KeepKey || l.KeyAtRenewal == KeyKeep}})
					if err != nil {
						return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, err)
					}
					again = made
				}
				next.Members = append(next.Members, again.member)
				continue
			}
			renewed, err := d.renewMember(ctx, s, leaf, oldMember{Member: m, keep: r.KeepKey || l.KeyAtRenewal == KeyKeep})
			if err != nil {
				return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, err)
			}
			next.Members = append(next.Members, renewed)
		}
		activate := !r.NoActivate && l.Activation == ActivationAuto
		change := newChange(v)
		if activate {
			to := heldGeneration(l, next)
			if r.DryRun { // the members are still the old ones
				to.NotAfter = renewedUntil(current)
			}
			change.moveGenerations(v, l, to)
			change.Replaces = len(change.Moves) > 0
			change.Undo = "postseal cert rollback " + l.Name
		} else if !r.DryRun {
			change.Undo = "postseal cert remove " + next.Members[0].Thumbprint
		}
		if old, ok := l.InState(state.StateNext); ok {
			change.Warnings = append(change.Warnings, fmt.Sprintf("generation %d, which waited, is retired", old.Number))
		}
		if !r.DryRun {
			if err := change.list(v, l, next); err != nil {
				return nil, nil, err
			}
		}
		return change, func(tx *state.Tx) error {
			for _, secret := range s.made {
				if err := tx.AddSecret(secret); err != nil {
					return err
				}
			}
			if again != nil && again.serial != "" {
				if err := tx.HoldKey(again.serial); err != nil {
					return err
				}
			}
			if err := tx.AddGeneration(l, next); err != nil {
				return err
			}
			if activate {
				if err := tx.Activate(l, next); err != nil {
					return err
				}
			}
			return tx.Audit("renew", l.Name, generationFacts(current), generationFacts(next))
		}, nil
	})
}

// sealer seals for every server that uses what is made (in this release, this one) and for the recovery key.
func (v *view) sealer() *sealer {
	s := &sealer{recipients: map[string][]byte{v.server.ID: v.server.SealingPublicKey}}
	if v.recovery != nil {
		s.recipients[state.RecipientRecovery] = v.recovery.Sealing
	}
	return s
}

// oldMember is a member that is renewed.
type oldMember struct {
	state.Member
	keep bool // certify its key again
}

// renewMember certifies a member anew.
func (d *Desk) renewMember(ctx context.Context, s *sealer, leaf *x509.Certificate, r oldMember) (state.Member, error) {
	out := state.Member{Algorithm: r.Algorithm, SecretID: r.SecretID}
	key, err := d.keyFor(ctx, leaf, r)
	if err != nil {
		return out, err
	}
	der, err := selfsigned.Create(sameAgain(leaf), key)
	if err != nil {
		return out, err
	}
	out.Certificate, out.Thumbprint = der, x509cert.Thumbprint(der)
	if !r.keep {
		if out.SecretID, err = s.seal(state.SecretMemberKey, key); err != nil {
			return out, err
		}
	}
	return out, nil
}

// keyFor makes a key of the leaf's kind, or opens the one that is kept.
func (d *Desk) keyFor(ctx context.Context, leaf *x509.Certificate, r oldMember) (*keys.Private, error) {
	if !r.keep {
		kind, err := keys.KindOf(leaf.PublicKey)
		if err != nil {
			return nil, err
		}
		return keys.Generate(kind)
	}
	return d.key(ctx, r.SecretID)
}

// sameAgain is what a certificate of the same content needs, beginning now.
func sameAgain(leaf *x509.Certificate) selfsigned.Options {
	o := selfsigned.Options{Subject: leaf.Subject}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 { // without subjectAltName, Inspect would name the common name
		o.Names = x509cert.Inspect(leaf).Names
	}
	for years := 1; years <= selfsigned.MaxYears; years++ {
		if leaf.NotBefore.AddDate(years, 0, 0).Equal(leaf.NotAfter) {
			o.Years = years
			return o
		}
	}
	o.Days = int(math.Round(leaf.NotAfter.Sub(leaf.NotBefore).Hours() / 24))
	o.Days = min(max(o.Days, 1), selfsigned.MaxDays)
	return o
}

// heldGeneration describes a generation of l that is not the current one.
func heldGeneration(l state.Lineage, g state.Generation) *Held {
	g.State = state.StateCurrent
	l.Generations = []state.Generation{g}
	return held(l)
}

// moveGenerations fills in which listeners would change from the current generation of l to another.
func (c *Change) moveGenerations(v *view, l state.Lineage, to *Held) {
	from := held(l)
	for _, b := range v.bindingViews(l.ID) {
		c.Moves = append(c.Moves, Move{Listener: b.Listener, Port: b.Port, Role: b.Role, From: from, To: to})
	}
	for _, role := range v.roles(l.ID) {
		c.Moves = append(c.Moves, Move{Listener: role, Role: role, From: from, To: to})
	}
}

// list adds the certificates of a generation to the change.
func (c *Change) list(v *view, l state.Lineage, g state.Generation) error {
	for _, m := range g.Members {
		view, err := v.certificate(l, g, m)
		if err != nil {
			return err
		}
		c.Certificates = append(c.Certificates, view)
	}
	return nil
}

// renewedUntil is when a generation would end that was made now with the life of g.
func renewedUntil(g state.Generation) time.Time {
	var until time.Time
	for _, m := range g.Members {
		if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil {
			if end := time.Now().Add(cert.NotAfter.Sub(cert.NotBefore)).UTC().Truncate(time.Second); until.IsZero() || end.Before(until) {
				until = end
			}
		}
	}
	return until
}

// generationFacts is what the audit trail keeps of a generation.
func generationFacts(g state.Generation) map[string]any {
	var prints []string
	for _, m := range g.Members {
		prints = append(prints, m.Thumbprint)
	}
	return map[string]any{"generation": g.Number, "thumbprints": prints}
}

// ended says whether a member of g is past its end.
func ended(g state.Generation, now time.Time) bool {
	for _, m := range g.Members {
		if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil && now.After(cert.NotAfter) {
			return true
		}
	}
	return false
}
