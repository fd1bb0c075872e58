package desk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// An objection is a reason for which clients of a listener will refuse what is bound to it. It does not stop an act:
// the administrator may know better, or have nothing better. But the act says so before, and asks; and as long as it is
// so, every table and page says it again.
type objection struct {
	kind objectionKind
	text string
	ask  bool // say it, and ask before it is put in force
}

// objectionKind says what an objection is about.
type objectionKind int

const (
	objectDate objectionKind = iota
	objectEarly
	objectStatus // invalid or revoked
	objectTrust
	objectPurpose
	objectName
)

// offered is a certificate that is, or is to be, bound: as much of it as clients judge.
type offered struct {
	lineage   string // id; empty for one that is not stored yet
	names     x509cert.Names
	usages    []string // see [x509cert.Usages]; empty is any
	signs     bool     // its key usage lets it sign handshakes
	status    x509cert.Status
	reason    string // of the status
	notBefore time.Time
	notAfter  time.Time // zero if that is still to come
}

// offer reads the members of a generation.
func (v *view) offer(l state.Lineage, g state.Generation) ([]offered, error) {
	var all []offered
	for _, m := range g.Members {
		if m.Certificate == nil {
			continue // a request: refused elsewhere
		}
		c, err := v.plainCertificate(l, g, m)
		if err != nil {
			return nil, err
		}
		leaf, err := x509cert.ParseCertificate(m.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %s of %s: %w", m.Thumbprint, l.Name, err)
		}
		all = append(all, offered{lineage: l.ID, names: x509cert.NamesOf(leaf), usages: c.Usages, signs: x509cert.SignsHandshakes(leaf),
			status: c.Status, reason: c.StatusReason, notBefore: c.NotBefore, notAfter: c.NotAfter})
	}
	return all, nil
}

// objections say why clients of a listener will refuse a certificate that is bound there in a role.
func (v *view) objections(at state.Listener, role string, all []offered) []objection {
	var said []objection
	say := func(kind objectionKind, format string, args ...any) {
		// A listener that is closed shows its certificate to nobody; opening it asks whether outsiders shall see it.
		o := objection{kind: kind, text: fmt.Sprintf(format, args...), ask: kind != objectTrust || at.Enabled}
		if !slices.ContainsFunc(said, func(other objection) bool { return other.text == o.text }) {
			said = append(said, o)
		}
	}
	for _, c := range all {
		now := time.Now()
		switch {
		case !c.notAfter.IsZero() && now.After(c.notAfter):
			say(objectDate, "clients will refuse it: it ended at %s", c.notAfter.UTC().Format(time.RFC3339))
		case now.Before(c.notBefore):
			say(objectEarly, "clients will refuse it: it is not valid before %s", c.notBefore.UTC().Format(time.RFC3339))
		}
		switch c.status {
		case x509cert.StatusInvalid, x509cert.StatusRevoked:
			say(objectStatus, "clients will refuse it: %s", c.reason)
		case x509cert.StatusUntrusted:
			if v.facesOutsiders(at) {
				say(objectTrust, "clients from outside will not trust it: %s", c.reason)
			}
		}
		if !forServers(c) {
			say(objectPurpose, "wrong purpose: it is not for servers (serverAuth), only for %s", purposes(c))
		}
	}
	if len(all) > 0 {
		if text := v.namesObjection(at, role, all[0]); text != "" {
			say(objectName, "%s", text)
		}
	}
	return said
}

// forServers: RFC 5280 section 4.2.1.12, no extended key usage means any purpose; and the key must be allowed to sign,
// which every cipher suite that we offer needs.
func forServers(c offered) bool {
	any := len(c.usages) == 0 || slices.Contains(c.usages, string(x509cert.UsageServerAuth)) || slices.Contains(c.usages, string(x509cert.UsageAny))
	return any && c.signs
}

func purposes(c offered) string {
	if len(c.usages) == 0 || !c.signs {
		return "what its key usage says, and signing handshakes is not among it"
	}
	return strings.Join(c.usages, ", ")
}

// namesObjection says that no client of the listener uses a name of the certificate. What is bound by name answers its
// own names to those who ask for them, so there it is enough to have one.
func (v *view) namesObjection(at state.Listener, role string, c offered) string {
	if role == state.RoleName {
		if len(c.names.Hosts()) == 0 {
			return "it holds no name of a host, so no client can ask for it"
		}
		return ""
	}
	used := append(v.usualNames(at.Name), v.boundNames(at.Name)...)
	if slices.ContainsFunc(used, func(name string) bool { return c.names.Verify(name) }) {
		return ""
	}
	if c.names.CommonName != "" && slices.ContainsFunc(used, c.names.Answer) {
		return fmt.Sprintf("it has %s as common name only, and clients look at subjectAltName alone", c.names.CommonName)
	}
	return "it holds no name that clients use here, such as " + strings.Join(few(v.usualNames(at.Name)), ", ")
}

func few(names []string) []string {
	const most = 3
	if len(names) > most {
		return append(slices.Clone(names[:most]), "…")
	}
	return names
}

// usualNames are the names by which clients are usually told to reach a listener: that of the server, and in each
// accepted domain those that people, autodiscovery and the guessing of mail programs use.
func (v *view) usualNames(name string) []string {
	names := []string{v.server.Name}
	k, _ := listener.ByName(name)
	var labels []string
	switch k.Service {
	case listener.ServiceIMAP:
		labels = []string{"mail", "imap", "imap4", "mx"}
	case listener.ServicePOP:
		labels = []string{"mail", "pop", "pop3", "mx"}
	case listener.ServiceSMTP:
		labels = []string{"mail", "smtp", "mx", "mx1", "mx2", "submission", "relay"}
	case listener.ServiceHTTP:
		labels = []string{"mail", "autodiscover", "autoconfig", "webmail", "owa", "www", "mta-sts"}
	}
	for _, label := range labels {
		for _, domain := range v.org.Domains {
			if name := label + "." + domain; name != v.server.Name {
				names = append(names, name)
			}
		}
	}
	if len(labels) > 0 {
		names = append(names, v.org.Domains...)
	}
	return names
}

// boundNames are the names that clients of a listener have been shown until now: those of its default.
func (v *view) boundNames(name string) []string {
	bound, ok := v.defaultOf(name)
	if !ok {
		return nil
	}
	g, _ := bound.Current()
	if len(g.Members) == 0 {
		return nil
	}
	leaf, err := x509cert.ParseCertificate(g.Members[0].Certificate)
	if err != nil {
		return nil // it is reported where it is read to be served
	}
	return slices.DeleteFunc(x509cert.NamesOf(leaf).Hosts(), x509cert.IsWildcard)
}

// facesOutsiders says whether people from outside the organisation connect to a listener. Management is for
// administrators, who compare fingerprints; and behind a loopback address there is nobody from outside.
func (v *view) facesOutsiders(at state.Listener) bool {
	k, ok := listener.ByName(at.Name)
	return ok && k.Service != "" && k.Service != listener.ServiceManagement && !v.address(at.Name, at.Address).Addr().Unmap().IsLoopback()
}

// address returns where a listener is in this run.
func (v *view) address(name string, stored netip.AddrPort) netip.AddrPort {
	if v.resolve == nil {
		return stored
	}
	return v.resolve(name, stored)
}

// object adds to a change what clients will object to, for each reason the listeners that it is about.
func (c *Change) object(v *view, all []offered, places []Move) {
	var order []string
	at := make(map[string][]string)
	for _, p := range places {
		i := slices.IndexFunc(v.listeners, func(l state.Listener) bool { return l.Name == p.Listener })
		if i < 0 {
			continue // a role, which no client from outside meets
		}
		for _, o := range v.objections(v.listeners[i], p.Role, all) {
			if at[o.text] == nil {
				order = append(order, o.text)
			}
			at[o.text] = append(at[o.text], p.Listener)
			c.Replaces = c.Replaces || o.ask
		}
	}
	for _, text := range order {
		c.Warnings = append(c.Warnings, strings.Join(at[text], ", ")+": "+text)
	}
}

// objectTo is object for a generation.
func (c *Change) objectTo(v *view, l state.Lineage, g state.Generation) error {
	all, err := v.offer(l, g)
	if err != nil {
		return err
	}
	c.object(v, all, c.Moves)
	return nil
}

// objectionsAt are those to what a lineage serves at a listener now.
func (v *view) objectionsAt(at state.Listener, role string, l state.Lineage) ([]objection, error) {
	g, ok := l.Current()
	if !ok {
		return nil, nil
	}
	all, err := v.offer(l, g)
	if err != nil {
		return nil, err
	}
	// What it has shown until now are its own names, which would excuse everything.
	bare := *v
	bare.bindings = nil
	return bare.objections(at, role, all), nil
}

// objectionTexts lists, for a lineage, each reason with the listeners that it is about.
func (v *view) objectionTexts(l state.Lineage) ([]string, error) {
	var order []string
	at := make(map[string][]string)
	for _, place := range v.listeners {
		role := v.role(place.Name, l.ID)
		if role == "" {
			continue
		}
		said, err := v.objectionsAt(place, role, l)
		if err != nil {
			return nil, err
		}
		for _, o := range said {
			if at[o.text] == nil {
				order = append(order, o.text)
			}
			at[o.text] = append(at[o.text], place.Name)
		}
	}
	texts := []string{}
	for _, text := range order {
		texts = append(texts, strings.Join(at[text], ", ")+": "+text)
	}
	return texts, nil
}
