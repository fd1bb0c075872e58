package desk

import (
	"slices"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// cautions say what to know about the names of a certificate that is here.
func (v *view) cautions(f found, d *CertificateDetail) []string {
	old := slices.ContainsFunc(d.Bindings, func(b BindingView) bool { return oldMail([]string{b.Listener}) })
	if f.member.Certificate == nil {
		return list(v.nameSet(f.lineage.ID, d.Names, hasCommonName(d.Subject), old).Cautions())
	}
	return list(v.cautionsOf(f.lineage, f.generation, old))
}

// cautionsOf are those of a generation.
func (v *view) cautionsOf(l state.Lineage, g state.Generation, old bool) []string {
	if l.Origin == state.OriginSetup || len(g.Members) == 0 || g.Members[0].Certificate == nil {
		return nil // nobody chose the names of the defaults
	}
	leaf, err := x509cert.ParseCertificate(g.Members[0].Certificate)
	if err != nil {
		return nil // whoever shows the certificate says so
	}
	set := v.nameSet(l.ID, x509cert.Inspect(leaf).Names, leaf.Subject.CommonName != "", old)
	set.Extended = x509cert.ExtendedValidation(leaf)
	return set.Cautions()
}

// nameSet counts the other certificates in use that hold one name.
func (v *view) nameSet(lineageID string, names []string, commonName, old bool) x509cert.NameSet {
	set := x509cert.NameSet{Names: names, CommonName: commonName, OldMail: old}
	if len(names) != 1 {
		return set
	}
	seen := map[string]bool{lineageID: true}
	for _, b := range v.bindings {
		l, _ := v.lineage(b.LineageID)
		g, ok := l.Current()
		if !ok || seen[l.ID] || l.Origin == state.OriginSetup {
			continue
		}
		seen[l.ID] = true
		if leaf, err := x509cert.ParseCertificate(g.Members[0].Certificate); err == nil && len(x509cert.Inspect(leaf).Names) == 1 {
			set.Singles++
		}
	}
	return set
}

// oldMail says whether one of the listeners serves POP or IMAP, whose clients live longest.
func oldMail(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		k, _ := listener.ByName(name)
		return k.Service == listener.ServiceIMAP || k.Service == listener.ServicePOP
	})
}

// hasCommonName says whether the text of a subject has a common name.
func hasCommonName(subject string) bool {
	name, err := x509cert.ParseSubject(subject)
	return err == nil && name.CommonName != ""
}

// note adds what to know about the names of a generation. listeners are those that it serves, or shall.
func (c *Change) note(v *view, l state.Lineage, g state.Generation, listeners []string) {
	c.Notes = append(c.Notes, v.cautionsOf(l, g, oldMail(listeners))...)
}

// listenersOfMoves are the listeners of a table of moves.
func listenersOfMoves(moves []Move) []string {
	var names []string
	for _, m := range moves {
		names = append(names, m.Listener)
	}
	return names
}

// listenersOfBindings are the listeners of a table of bindings.
func listenersOfBindings(bindings []BindingView) []string {
	var names []string
	for _, b := range bindings {
		names = append(names, b.Listener)
	}
	return names
}

// objectInDetail fills in what clients of each listener object to.
func (v *view) objectInDetail(l state.Lineage, d *CertificateDetail) error {
	if d.State != state.StateCurrent {
		return nil
	}
	for n, b := range d.Bindings {
		i := slices.IndexFunc(v.listeners, func(l state.Listener) bool { return l.Name == b.Listener })
		said, err := v.objectionsAt(v.listeners[i], b.Role, l)
		if err != nil {
			return err
		}
		for _, o := range said {
			d.Bindings[n].Objections = append(d.Bindings[n].Objections, o.text)
		}
	}
	return nil
}
