package desk

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// waiting is a request that an authority has answered.
type waiting struct {
	lineage    state.Lineage
	generation state.Generation
	member     state.Member
	csr        *x509.CertificateRequest
}

// waitingFor finds the pending request whose key a certificate holds.
func (v *view) waitingFor(leaf *x509.Certificate) (waiting, bool) {
	return v.asked(leaf, state.StatePending)
}

// asked finds the request in a state whose key a certificate holds.
func (v *view) asked(leaf *x509.Certificate, in string) (waiting, bool) {
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if m.Certificate != nil || m.Request == nil || g.State != in {
					continue
				}
				csr, err := x509.ParseCertificateRequest(m.Request)
				if err == nil && samePublic(csr.PublicKey, leaf.PublicKey) {
					return waiting{l, g, m, csr}, true
				}
			}
		}
	}
	return waiting{}, false
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// complete takes a certificate as the answer to a request. When the last request of a generation is
// answered, the generation is ready: it comes into force if nothing was before it, or if the lineage activates
// by itself; else it waits as next.
func (i *importing) complete(w waiting, b certfile.Bundle) error {
	names := x509cert.Inspect(b.Leaf).Names
	for _, asked := range append(slices.Clone(w.csr.DNSNames), ipTexts(w.csr)...) {
		if !slices.Contains(names, asked) {
			i.change.Warnings = append(i.change.Warnings, fmt.Sprintf("the authority left out %s, which was asked for", asked))
		}
	}
	done := state.Member{Algorithm: w.member.Algorithm, Thumbprint: x509cert.Thumbprint(b.Leaf.Raw), Certificate: b.Leaf.Raw, Chain: chainDER(b), SecretID: w.member.SecretID}
	ready := w.generation
	ready.Members = slices.Clone(w.generation.Members)
	for n, m := range ready.Members {
		if m.Algorithm == done.Algorithm {
			ready.Members[n] = done
		}
	}
	i.replace(w.lineage, ready)
	i.steps = append(i.steps, func(tx *state.Tx) error {
		if err := tx.Complete(w.generation, done); err != nil {
			return err
		}
		return tx.Audit("complete", w.lineage.Name, w.member.Thumbprint, done.Thumbprint)
	})
	if slices.ContainsFunc(ready.Members, func(m state.Member) bool { return m.Certificate == nil }) {
		i.change.Warnings = append(i.change.Warnings, "another request of "+w.lineage.Name+" still waits for its answer")
		return nil
	}
	return i.inForce(w.lineage, ready)
}

// replace puts a generation in the place of its older self, so that the next answer sees it.
func (i *importing) replace(l state.Lineage, g state.Generation) {
	for n, other := range i.view.lineages {
		if other.ID != l.ID {
			continue
		}
		other.Generations = slices.Clone(other.Generations)
		for m := range other.Generations {
			if other.Generations[m].ID == g.ID {
				other.Generations[m] = g
			}
		}
		i.view.lineages[n] = other
	}
}

// inForce activates a generation that is ready, or lets it wait.
func (i *importing) inForce(l state.Lineage, g state.Generation) error {
	_, had := l.Current()
	i.change.note(i.view, l, g, listenersOfBindings(i.view.bindingViews(l.ID)))
	if had && l.Activation != ActivationAuto {
		i.steps = append(i.steps, func(tx *state.Tx) error { return tx.SetGenerationState(g, state.StateNext) })
		i.change.Warnings = append(i.change.Warnings, "it waits as the next generation of "+l.Name+"; put it in force with: postseal cert activate "+l.Name)
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert remove "+g.Members[0].Thumbprint)
		g.State = state.StateNext
		return i.list(l, g)
	}
	if had {
		i.change.moveGenerations(i.view, l, heldGeneration(l, g))
		i.change.Replaces = i.change.Replaces || len(i.change.Moves) > 0
		if err := i.change.objectTo(i.view, l, g); err != nil {
			return err
		}
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert rollback "+l.Name)
	}
	i.steps = append(i.steps, func(tx *state.Tx) error { return tx.Activate(l, g) })
	g.State = state.StateCurrent
	return i.list(l, g)
}

// ipTexts are the addresses that a request asks for.
func ipTexts(csr *x509.CertificateRequest) []string {
	var texts []string
	for _, ip := range csr.IPAddresses {
		texts = append(texts, ip.String())
	}
	return texts
}
