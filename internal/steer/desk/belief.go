package desk

import (
	"context"
	"fmt"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// Beliefs are what this organisation judges certificates by, so that a command can judge some that are not ours in the
// same way: see [Beliefs.Verifier].
type Beliefs struct {
	Anchors  []BelievedAnchor `json:"anchors"`
	Known    [][]byte         `json:"known"`    // DER of issuers that complete chains
	Distrust []DistrustView   `json:"distrust"` // what was added here
}

// BelievedAnchor is an anchor beyond the system's store.
type BelievedAnchor struct {
	Certificate []byte            `json:"certificate"` // DER
	From        x509cert.RootType `json:"from"`
	Direct      bool              `json:"direct,omitempty"` // for itself alone
}

// Beliefs tells what the organisation trusts and distrusts. The system's store is not in it: every machine has its own.
func (d *Desk) Beliefs(ctx context.Context) (*Beliefs, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	b := v.judge.beliefs()
	for _, l := range v.lineages {
		if l.Origin != state.OriginSetup {
			continue
		}
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if m.Certificate != nil {
					b.Anchors = append(b.Anchors, BelievedAnchor{Certificate: m.Certificate, From: x509cert.RootRegistry, Direct: true})
				}
			}
		}
	}
	return b, nil
}

// beliefs are those that a judge judges by.
func (j *judge) beliefs() *Beliefs {
	b := &Beliefs{Anchors: []BelievedAnchor{}, Known: j.known, Distrust: []DistrustView{}}
	for _, a := range j.anchors {
		b.Anchors = append(b.Anchors, BelievedAnchor{Certificate: a.Certificate, From: rootTypeOf(a)})
	}
	for _, t := range j.distrusts {
		b.Distrust = append(b.Distrust, DistrustView{ID: t.ID, Kind: t.Kind, Value: t.Value, After: t.After, AddedAt: t.AddedAt})
	}
	return b
}

// rootTypeOf is where an anchor came from, in the word that certificates under it show.
func rootTypeOf(a state.Anchor) x509cert.RootType {
	switch a.Origin {
	case state.AnchorPushed:
		return x509cert.RootGroupPolicy
	case state.AnchorAuthority:
		return x509cert.RootEnterprise
	}
	return x509cert.RootRegistry
}

// Verifier judges by these beliefs and by the roots of this machine's system; r is asked about revocation.
func (b *Beliefs) Verifier(system []trust.Anchor, r trust.Revocation) (*trust.Verifier, error) {
	o := trust.Options{Anchors: system, Revocation: r}
	for _, a := range b.Anchors {
		cert, err := x509cert.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading an anchor: %w", err)
		}
		o.Anchors = append(o.Anchors, trust.Anchor{Cert: cert, From: a.From, Direct: a.Direct})
	}
	for _, der := range b.Known {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading a known issuer: %w", err)
		}
		o.Known = append(o.Known, cert)
	}
	var err error
	rows := make([]state.Distrust, 0, len(b.Distrust))
	for _, t := range b.Distrust {
		rows = append(rows, state.Distrust{ID: t.ID, Kind: t.Kind, Value: t.Value, After: t.After})
	}
	if o.Distrust, err = distrustOf(rows); err != nil {
		return nil, err
	}
	return trust.New(o)
}
