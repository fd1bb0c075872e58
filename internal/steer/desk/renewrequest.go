package desk

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/request"
)

// RenewByRequest asks an authority for the next generation of a lineage: a request for each member, with the names,
// the subject and the kind of key that it has now. The key is a new one unless KeepKey is set or the lineage keeps it.
// Nothing changes in force; when the answer is imported it becomes the next generation, and comes into force as the
// lineage says.
func (d *Desk) RenewByRequest(ctx context.Context, who state.Actor, r RenewRequest) (*AskAnswer, error) {
	answer := &AskAnswer{Requests: []RequestView{}}
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		answer.Requests = []RequestView{}
		f, err := v.find(r.ID)
		if err != nil {
			return nil, nil, err
		}
		l := f.lineage
		current, ok := l.Current()
		switch {
		case !ok:
			return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, notInForce(f.generation))
		case l.ID == v.org.AuthLineage:
			return nil, nil, fmt.Errorf("renewing %s by a request: %w", l.Name, ErrAuthCertificate)
		}
		change := newChange(v)
		s := v.sealer()
		g := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StatePending}
		for _, m := range current.Members {
			leaf, err := x509cert.ParseCertificate(m.Certificate)
			if err != nil {
				return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, err)
			}
			o := change.askAgain(leaf)
			if r.DryRun { // makes no keys
				continue
			}
			asked, err := d.requestMember(ctx, s, requesting{leaf, o, oldMember{Member: m, keep: r.KeepKey || l.KeyAtRenewal == KeyKeep}})
			if err != nil {
				return nil, nil, fmt.Errorf("renewing %s: %w", l.Name, err)
			}
			g.Members = append(g.Members, asked)
		}
		change.warnReplaced(l)
		change.Warnings = unique(change.Warnings) // both members say the same
		change.note(v, l, current, listenersOfBindings(v.bindingViews(l.ID)))
		if r.DryRun {
			return change, nil, nil
		}
		store, err := answer.keep(v, change, asking{lineage: l, generation: g, existing: true, made: s.made})
		return change, store, err
	})
	if err != nil {
		return nil, err
	}
	answer.Change = *change
	return answer, nil
}

// askAgain is what a request for the same content needs. It warns of names that no authority is asked for: mail
// addresses, and those that are none by today's rules.
func (c *Change) askAgain(leaf *x509.Certificate) request.Options {
	o := request.Options{Subject: leaf.Subject, NoCommonName: leaf.Subject.CommonName == ""}
	for _, name := range x509cert.Inspect(leaf).Names {
		if asked, err := x509cert.ParseSAN(name); err == nil {
			o.Names = append(o.Names, asked)
		} else {
			c.Warnings = append(c.Warnings, fmt.Sprintf("the request leaves out %s, which the certificate has: %v", name, err))
		}
	}
	if x509cert.CheckSubject(leaf.Subject) != nil {
		c.Warnings = append(c.Warnings, "the request leaves out the subject, but for the common name: it is longer or odder than authorities take")
		o.Subject = pkix.Name{}
	}
	return o
}

// warnReplaced says that a request which waits can be answered no more: only the newest can be meant.
func (c *Change) warnReplaced(l state.Lineage) {
	if old, ok := l.InState(state.StatePending); ok {
		c.Warnings = append(c.Warnings, fmt.Sprintf("generation %d, a request that waited for its answer, is retired: an answer to it will not be taken", old.Number))
	}
}

// requesting is a member for which a request is made.
type requesting struct {
	leaf *x509.Certificate
	o    request.Options
	old  oldMember
}

// requestMember makes the request of a member, with a new key or the one that it has.
func (d *Desk) requestMember(ctx context.Context, s *sealer, r requesting) (state.Member, error) {
	if !r.old.keep {
		kind, err := keys.KindOf(r.leaf.PublicKey)
		if err != nil {
			return state.Member{}, err
		}
		if !slices.Contains(keys.Kinds(), kind) { // it came from elsewhere, such as RSA of 2560 bits
			kind = map[string]keys.Kind{"RSA": keys.RSA2048, "ECDSA": keys.ECDSAP256}[kind.Algorithm()]
		}
		return s.request(kind, r.o)
	}
	key, err := d.key(ctx, r.old.SecretID)
	if err != nil {
		return state.Member{}, err
	}
	m := state.Member{Algorithm: r.old.Algorithm, SecretID: r.old.SecretID}
	if m.Request, err = request.Create(r.o, key); err != nil {
		return m, fmt.Errorf("making a request: %w", err)
	}
	m.Thumbprint = requestThumbprint(m.Request)
	return m, nil
}
