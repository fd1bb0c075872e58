package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"postseal/internal/ground/x509cert"
)

// Options are what a [Verifier] believes. The zero value trusts nothing.
type Options struct {
	Anchors  []Anchor
	Known    []*x509.Certificate // intermediates that complete chains whoever asks; they are not trusted by themselves
	Distrust *Distrust           // nil means [DefaultDistrust]
	// Revocation is asked about every certificate below the anchor; nil means that there is nobody to ask.
	Revocation Revocation
}

// A Verifier answers questions about certificates. It never changes: who has new anchors or a new list of distrust makes
// another. Several goroutines may use it.
type Verifier struct {
	anchors    *anchorage
	known      []*x509.Certificate
	distrust   *Distrust
	revocation Revocation
}

// ErrNotParsed says that a certificate was made by hand and not by parsing.
var ErrNotParsed = errors.New("certificate without its DER")

// New prepares a verifier. The error is [ErrNotParsed], or that of the list of distrust that is built in.
func New(o Options) (*Verifier, error) {
	for i, a := range o.Anchors {
		if a.Cert == nil || len(a.Cert.Raw) == 0 {
			return nil, fmt.Errorf("taking anchor %d: %w", i, ErrNotParsed)
		}
	}
	if slices.ContainsFunc(o.Known, func(c *x509.Certificate) bool { return c == nil || len(c.Raw) == 0 }) {
		return nil, fmt.Errorf("taking the known intermediates: %w", ErrNotParsed)
	}
	v := &Verifier{anchors: newAnchorage(o.Anchors), known: slices.Clone(o.Known), distrust: o.Distrust, revocation: o.Revocation}
	if v.distrust == nil {
		var err error
		if v.distrust, err = DefaultDistrust(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Verify judges one certificate. It always answers; when ctx ends first, the answer is StatusUnknown.
//
// All chains that crypto/x509 finds are judged and the best is the answer. It looks for chains twice: first as it is
// used to, leaving out issuers that are expired or no authorities, then, only if nothing good was found, over all that
// are connected by names and signatures, so that a chain with faults can be told from no chain.
func (v *Verifier) Verify(ctx context.Context, question Question) Verdict {
	q := question.complete()
	if q.Leaf == nil || len(q.Leaf.Raw) == 0 {
		return Verdict{Status: x509cert.StatusInvalid, Reason: "there is no certificate", RootType: x509cert.RootUnknown}
	}
	anchors := v.anchors
	if q.Roots != nil {
		replaced := make([]Anchor, 0, len(q.Roots))
		for _, root := range q.Roots {
			replaced = append(replaced, Anchor{Cert: root, From: x509cert.RootRegistry})
		}
		anchors = newAnchorage(replaced)
	}
	if _, ok := anchors.direct[string(q.Leaf.Raw)]; ok {
		return v.weigh(ctx, &path{verifier: v, question: q, anchors: anchors, chain: []*x509.Certificate{q.Leaf}, whole: true, budget: new(int)})
	}
	others := slices.Concat(q.Intermediates, v.known)
	budget := maxComparisons
	var best *Verdict
	for _, h := range []hearing{strict, lenient} {
		for _, chain := range anchors.chains(q.Leaf, others, q.At, h) {
			verdict := v.weigh(ctx, &path{verifier: v, question: q, anchors: anchors, chain: chain, whole: true, budget: &budget})
			if best == nil || verdict.better(best) {
				best = &verdict
			}
			if best.Status == x509cert.StatusValid && best.Unchecked == "" {
				return *best
			}
		}
		if best != nil && best.Status == x509cert.StatusValid {
			return *best
		}
	}
	if best != nil {
		return *best
	}
	chain, fault := anchors.diagnose(q.Leaf, others)
	return v.weigh(ctx, &path{verifier: v, question: q, anchors: anchors, chain: chain, faults: []Fault{fault}, budget: &budget})
}

// weigh judges one chain and makes its verdict.
func (v *Verifier) weigh(ctx context.Context, p *path) Verdict {
	verdict := Verdict{RootType: x509cert.RootNone, Chain: p.chain}
	if ctx.Err() != nil {
		verdict.Status, verdict.Reason = x509cert.StatusUnknown, "the check was interrupted"
		return verdict
	}
	p.judge()
	if p.whole {
		p.revocation(ctx)
	}
	if ctx.Err() != nil {
		verdict.Status, verdict.Reason = x509cert.StatusUnknown, "the check was interrupted"
		return verdict
	}
	anchor, ok := p.anchorAt(len(p.chain) - 1)
	if ok {
		verdict.RootType = anchor.From
	}
	verdict.Lints, verdict.Unchecked = p.lints, p.checked
	verdict.settle(p.faults, p.praise(anchor))
	if verdict.Status != x509cert.StatusValid {
		verdict.Unchecked = ""
	}
	return verdict
}

// praise is the reason of a certificate without faults.
func (p *path) praise(anchor Anchor) string {
	if anchor.Cert == nil {
		return ""
	}
	good := "trusted through " + nameOf(anchor.Cert) + " " + origin(anchor.From)
	switch {
	case anchor.Direct:
		good = "trusted inside the organisation only"
	case len(p.chain) == 1:
		good = "one of the certificates that are trusted here"
	}
	if p.checked != "" {
		good += "; whether it is revoked is not known: " + p.checked
	}
	return good
}

func origin(t x509cert.RootType) string {
	switch t {
	case x509cert.RootThirdParty:
		return "of the system's root store"
	case x509cert.RootEnterprise:
		return "of the organisation's own authority"
	case x509cert.RootGroupPolicy:
		return "pushed by an administrator's tool"
	default:
		return "added by hand"
	}
}
