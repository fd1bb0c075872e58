package desk

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// thief says in sentences what somebody with a copy of this private key could do. It is the key that counts:
// a retired certificate whose key was kept at the renewal opens what the current one does, one that has not
// ended is good for its names to whoever meets it, and the same key may have come in twice, in two lineages.
func (v *view) thief(f found, c Certificate, d *CertificateDetail) []string {
	said := []string{}
	if !c.HasPrivateKey || f.member.Certificate == nil {
		return said
	}
	leaf, err := x509cert.ParseCertificate(f.member.Certificate)
	if err != nil {
		return said // it was parsed for c
	}
	if time.Now().Before(c.NotAfter) {
		said = append(said, thiefOfNames(leaf, c)...)
	}
	if current, _ := f.lineage.Current(); slices.ContainsFunc(current.Members, func(m state.Member) bool { return m.SecretID == f.member.SecretID }) {
		said = append(said, v.thiefOfPlaces(d.Bindings, d.Roles, c)...)
	}
	for _, other := range v.sharing(f, leaf) {
		said = append(said, fmt.Sprintf("do the same with %s: it has this key too", other.Name))
		if _, inForce := other.Current(); inForce {
			said = append(said, v.thiefOfPlaces(v.bindingViews(other.ID), v.roles(other.ID), c)...)
		}
	}
	if c.Exportable && len(said) > 0 {
		said = append(said, "have it from a file: this key may leave the server (exportable), so each export is one more place to steal it from")
	}
	return unique(said)
}

// thiefOfNames is what the names and purposes of a certificate are good for.
func thiefOfNames(leaf *x509.Certificate, c Certificate) []string {
	var said []string
	names := x509cert.NamesOf(leaf)
	if hosts := append(slices.Clone(names.DNS), addressTexts(names)...); len(hosts) > 0 {
		said = append(said, "pose as "+strings.Join(hosts, ", ")+" to clients that trust this certificate")
	}
	if names.CommonName != "" {
		said = append(said, "pose as "+names.CommonName+" to old clients that still look at the common name")
	}
	for _, name := range names.DNS {
		if x509cert.IsWildcard(name) {
			said = append(said, "pose as any host directly under "+strings.TrimPrefix(name, "*.")+", also those that have nothing to do with mail")
		}
	}
	if slices.Contains(c.Usages, string(x509cert.UsageClientAuth)) {
		said = append(said, "log in as "+c.Subject+" wherever client certificates of its issuer are taken")
	}
	if slices.Contains(c.Usages, string(x509cert.UsageEmailProtection)) && len(names.Emails) > 0 {
		said = append(said, "sign and read mail as "+strings.Join(names.Emails, ", "))
	}
	return said
}

func addressTexts(n x509cert.Names) []string {
	var texts []string
	for _, ip := range n.IP {
		texts = append(texts, ip.String())
	}
	return texts
}

// thiefOfPlaces is what the places where a key is in force are good for.
func (v *view) thiefOfPlaces(bindings []BindingView, roles []string, c Certificate) []string {
	var said []string
	smtp := false
	for _, b := range bindings {
		said = append(said, fmt.Sprintf("stand between clients and %s (port %d) of %s", b.Listener, b.Port, v.server.Name))
		smtp = smtp || b.Listener == listener.SMTP
	}
	if smtp && len(c.Names) > 0 {
		said = append(said, "receive in our place the mail of partners that deliver only to a certificate with these names, or that have pinned it")
	}
	for _, role := range roles {
		switch role {
		case RoleInternal:
			said = append(said, "pose as "+v.server.Name+" to the other servers of the organisation (direct trust)")
		case RoleAuth:
			said = append(said, "sign tokens that every server of the organisation accepts")
		}
	}
	return said
}

// sharing returns the other lineages in which a certificate, or a request, has the key of leaf.
func (v *view) sharing(f found, leaf *x509.Certificate) []state.Lineage {
	var all []state.Lineage
	for _, l := range v.lineages {
		has := func(m state.Member) bool {
			// The key stands in a certificate as it is, so there is no need to parse ten thousand of them.
			return bytes.Contains(m.Certificate, leaf.RawSubjectPublicKeyInfo) || bytes.Contains(m.Request, leaf.RawSubjectPublicKeyInfo)
		}
		if l.ID != f.lineage.ID && slices.ContainsFunc(l.Generations, func(g state.Generation) bool { return slices.ContainsFunc(g.Members, has) }) {
			all = append(all, l)
		}
	}
	return all
}

// unique drops what was said before.
func unique(all []string) []string {
	out := []string{}
	for _, s := range all {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
