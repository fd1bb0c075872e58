package desk

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// take takes in certificates that came with their keys. Two of the same names and issuer, of different kinds
// of key, are one generation.
func (i *importing) take(bundles []certfile.Bundle) error {
	for len(bundles) > 0 {
		group := bundles[:1]
		if len(bundles) > 1 && paired(bundles[0], bundles[1]) {
			group = bundles[:2]
		}
		if err := i.takeGroup(group); err != nil {
			return err
		}
		bundles = bundles[len(group):]
	}
	return nil
}

// paired says whether two certificates are members of one generation.
func paired(a, b certfile.Bundle) bool {
	one, two := x509cert.Inspect(a.Leaf), x509cert.Inspect(b.Leaf)
	slices.Sort(one.Names)
	slices.Sort(two.Names)
	return a.Key.Kind().Algorithm() != b.Key.Kind().Algorithm() && slices.Equal(one.Names, two.Names) && bytes.Equal(a.Leaf.RawIssuer, b.Leaf.RawIssuer)
}

// takeGroup takes in the members of one generation.
func (i *importing) takeGroup(group []certfile.Bundle) error {
	l, existing := i.view.named(i.request.Lineage)
	if !existing {
		l = i.newLineage(group[0])
	}
	if l.ID == i.view.org.AuthLineage {
		return fmt.Errorf("importing %s into %s: %w", group[0].LeafFrom, l.Name, ErrAuthCertificate)
	}
	if l.Origin == state.OriginSetup { // what signs itself in there is trusted directly, because we made its key
		return fmt.Errorf("importing %s into %s: %w", group[0].LeafFrom, l.Name, ErrKeyFromOutside)
	}
	if existing && i.belowAdmin && i.view.role(listener.Management, l.ID) != "" {
		return fmt.Errorf("importing %s into %s: %w", group[0].LeafFrom, l.Name, ErrOwnIdentity)
	}
	g := state.Generation{ID: newID(), Number: l.NextNumber(), State: state.StateNext}
	for _, b := range group {
		m := state.Member{Algorithm: b.Key.Kind().Algorithm(), Thumbprint: x509cert.Thumbprint(b.Leaf.Raw), Certificate: b.Leaf.Raw, Chain: chainDER(b)}
		if !i.request.DryRun {
			var err error
			if m.SecretID, err = i.sealer.seal(state.SecretMemberKey, b.Key); err != nil {
				return err
			}
		}
		g.Members = append(g.Members, m)
	}
	slices.SortFunc(g.Members, func(a, b state.Member) int { return strings.Compare(a.Algorithm, b.Algorithm) })
	if !existing {
		l.Generations = []state.Generation{g}
		l.Generations[0].State = state.StateCurrent
		i.change.Undo = joinCommands(i.change.Undo, "postseal cert remove "+l.Name)
		i.steps = append(i.steps, func(tx *state.Tx) error {
			if err := tx.AddLineage(l); err != nil {
				return err
			}
			return tx.Audit("import", l.Name, nil, generationFacts(g))
		})
		// One more in the indexes: to make them anew for each of thousands would take longer than all the rest.
		i.view.byID[l.ID], i.view.byName[l.Name] = len(i.view.lineages), len(i.view.lineages)
		i.view.lineages = append(i.view.lineages, l)
		i.change.note(i.view, l, g, nil)
		return i.list(l, l.Generations[0])
	}
	i.steps = append(i.steps, func(tx *state.Tx) error {
		if err := tx.AddGeneration(l, g); err != nil {
			return err
		}
		return tx.Audit("import", l.Name, nil, generationFacts(g))
	})
	return i.inForce(l, g)
}

// newLineage is the lineage that an imported certificate begins.
func (i *importing) newLineage(b certfile.Bundle) state.Lineage {
	names := x509cert.Inspect(b.Leaf).Names
	friendly := i.request.Name
	for _, candidate := range append([]string{b.FriendlyName}, names...) {
		if friendly == "" && checkText("--name", candidate, 63) == nil {
			friendly = candidate
		}
	}
	if friendly == "" {
		friendly = "Imported"
	}
	stem := friendly
	if len(names) > 0 {
		stem = names[0]
	}
	name := i.request.Lineage
	if name == "" {
		name = i.view.freeName(stem)
	}
	return state.Lineage{ID: newID(), Name: name, ServerID: i.view.server.ID, FriendlyName: friendly, Origin: state.OriginImport,
		Activation: ActivationAuto, KeyAtRenewal: KeyNew, Exportable: i.request.Exportable}
}

// maxPaths bounds the chains that the preview of an import draws.
const maxPaths = 20

// list says what was taken in, and while it is only looked at, by which chain clients will trust it.
func (i *importing) list(l state.Lineage, g state.Generation) error {
	if err := i.change.list(i.view, l, g); err != nil || !i.request.DryRun {
		return err
	}
	for _, m := range g.Members {
		if len(i.change.Paths) == maxPaths {
			break
		}
		p, err := i.view.path(l, m)
		if err != nil {
			return err
		}
		i.change.Paths = append(i.change.Paths, ChangePath{Thumbprint: m.Thumbprint, Path: *p})
	}
	return nil
}

// chainDER is the chain of a bundle as it is stored.
func chainDER(b certfile.Bundle) []byte {
	var der []byte
	for _, cert := range b.Chain {
		der = append(der, cert.Raw...)
	}
	return der
}
