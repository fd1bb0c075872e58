package desk

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// DefaultDays is the life of a self-signed certificate when nobody says otherwise: the longest that
// Apple's devices accept even from an authority that was added by hand.
const DefaultDays = 825

// maxNames bounds the names of one certificate.
const maxNames = 100

// NewRequest asks for a self-signed certificate.
type NewRequest struct {
	Doing
	Name       string   `json:"name"`                 // friendly name, at most 63 characters
	Domains    []string `json:"domains,omitempty"`    // empty means this server's short name and FQDN
	Subject    string   `json:"subject,omitempty"`    // RFC 4514; empty means CN= the first name
	Kinds      []string `json:"kinds,omitempty"`      // one per algorithm; empty means P-256 and RSA-2048
	Days       int      `json:"days,omitempty"`       // 0 means 825
	Exportable bool     `json:"exportable,omitempty"` // whether the key may leave in a file
	Services   string   `json:"services,omitempty"`   // enable it for these at once; empty for none
	Lineage    string   `json:"lineage,omitempty"`    // name of the new lineage; empty makes one of the first name
}

// certPlan is a checked NewRequest.
type certPlan struct {
	spec      lineageSpec
	listeners []string
	wanted    string // the lineage name asked for, or the stem of one to make
	explicit  bool
	issued    bool // by our own authority
}

// plan checks a request; server is the id of the server that it is for.
func (r NewRequest) plan(server string) (*certPlan, error) {
	p := &certPlan{}
	if err := checkText("--name", r.Name, 63); err != nil {
		return nil, err
	}
	p.spec = lineageSpec{friendly: r.Name, server: server, origin: state.OriginNew, exportable: r.Exportable}
	kinds := r.Kinds
	if len(kinds) == 0 {
		kinds = []string{string(keys.ECDSAP256), string(keys.RSA2048)}
	}
	algorithms := make(map[string]bool)
	for _, word := range kinds {
		kind, err := keys.ParseKind(word)
		if err != nil {
			return nil, err
		}
		if algorithms[kind.Algorithm()] {
			return nil, &ValueError{"--key", word, "a generation has at most one member per algorithm"}
		}
		algorithms[kind.Algorithm()] = true
		p.spec.kinds = append(p.spec.kinds, kind)
	}
	if len(p.spec.kinds) > 2 {
		return nil, &ValueError{"--key", strings.Join(kinds, ","), "a generation has one or two members"}
	}
	if r.Days < 0 || r.Days > selfsigned.MaxDays {
		return nil, &ValueError{"--days", fmt.Sprint(r.Days), fmt.Sprintf("want 1 to %d", selfsigned.MaxDays)}
	}
	p.spec.options.Days = DefaultDays
	if r.Days > 0 {
		p.spec.options.Days = r.Days
	}
	if len(r.Domains) > maxNames {
		return nil, &ValueError{"--domain", fmt.Sprint(len(r.Domains), " names"), fmt.Sprintf("at most %d names", maxNames)}
	}
	for _, text := range r.Domains {
		name, err := x509cert.ParseSAN(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(p.spec.options.Names, name) {
			p.spec.options.Names = append(p.spec.options.Names, name)
		}
	}
	if r.Subject != "" {
		subject, err := x509cert.ParseSubject(r.Subject)
		if err != nil {
			return nil, err
		}
		p.spec.options.Subject = subject
	}
	if r.Services != "" {
		var err error
		if p.listeners, err = listenersOf(r.Services, nil); err != nil {
			return nil, err
		}
	}
	if r.Lineage != "" {
		if err := checkLineageName(r.Lineage); err != nil {
			return nil, err
		}
		p.wanted, p.explicit = r.Lineage, true
	}
	return p, nil
}

// complete fills in what depends on the state: the names of this server, the lineage's name.
func (p *certPlan) complete(v *view) error {
	if len(p.spec.options.Names) == 0 {
		short, _, _ := strings.Cut(v.server.Name, ".")
		p.spec.options.Names = []string{short, v.server.Name}
		if p.issued { // our own authority certifies what lies below a domain, and a name without one is below none
			p.spec.options.Names = []string{v.server.Name}
		}
	}
	if p.issued && p.spec.friendly == yetUnnamed {
		p.spec.friendly = nameOf(p.spec.options.Names[0])
	}
	if p.spec.options.Subject.String() == "" {
		p.spec.options.CommonName = commonName(p.spec.options.Names, p.spec.friendly)
	}
	if p.explicit {
		if _, taken := v.named(p.wanted); taken {
			return fmt.Errorf("making a certificate in lineage %s: %w", p.wanted, ErrLineageExists)
		}
		p.spec.name = p.wanted
		return nil
	}
	p.spec.name = v.freeName(p.spec.options.Names[0])
	return nil
}

// freeName makes the name of a new lineage of the first name of its certificate.
func (v *view) freeName(first string) string {
	stem := slug(strings.Replace(first, "*", "wildcard", 1))
	if looksLikeThumbprint(stem) {
		stem = "cert-" + stem
	}
	name := stem
	for n := 2; ; n++ {
		if _, taken := v.named(name); !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", stem, n)
	}
}

// checkLineageName accepts what can name a lineage.
func checkLineageName(name string) error {
	switch {
	case slug(name) != name:
		return &ValueError{"--lineage", name, "want lower-case letters, digits and hyphens, at most 100"}
	case looksLikeThumbprint(name):
		return &ValueError{"--lineage", name, "it could be taken for a thumbprint"}
	}
	return nil
}

// commonName is the first name that fits into a common name (64 characters, RFC 5280 appendix A.1).
func commonName(names []string, friendly string) string {
	for _, name := range names {
		if len(name) <= 64 {
			return name
		}
	}
	return friendly
}

// slug makes a lineage name of a text.
func slug(text string) string {
	mapped := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	for strings.Contains(mapped, "--") {
		mapped = strings.ReplaceAll(mapped, "--", "-")
	}
	if len(mapped) > 100 {
		mapped = mapped[:100]
	}
	if mapped = strings.Trim(mapped, "-"); mapped == "" {
		return "certificate"
	}
	return mapped
}

// looksLikeThumbprint says whether a lineage name could be taken for a thumbprint.
func looksLikeThumbprint(name string) bool {
	_, err := x509cert.ParseThumbprint(name)
	return err == nil
}

// preview fills in what a new certificate would move, without making it.
func (c *Change) preview(v *view, p *certPlan) {
	to := &Held{Lineage: p.spec.name, Generation: 1, Name: p.spec.friendly, NotAfter: time.Now().AddDate(0, 0, p.spec.options.Days).UTC().Truncate(time.Second)}
	for _, stored := range v.listeners {
		if !slices.Contains(p.listeners, stored.Name) {
			continue
		}
		move := Move{Listener: stored.Name, Port: stored.Address.Port(), Role: state.RoleDefault, To: to}
		if old, ok := v.defaultOf(stored.Name); ok {
			move.From = held(old)
			c.Replaces = true
		}
		c.Moves = append(c.Moves, move)
	}
	o := p.spec.options
	c.Notes = append(c.Notes, v.nameSet("", o.Names, o.CommonName != "" || o.Subject.CommonName != "", oldMail(p.listeners)).Cautions()...)
	if len(c.Moves) == 0 {
		return
	}
	c.object(v, []offered{p.offer()}, c.Moves)
	c.warnOf(v, x509cert.Covers(o.Names, v.server.Name), slices.ContainsFunc(p.spec.kinds, func(k keys.Kind) bool { return k.Algorithm() == "RSA" }))
}

// offer is what clients will see of a certificate that is not made yet.
func (p *certPlan) offer() offered {
	o := offered{signs: true, usages: []string{string(x509cert.UsageServerAuth)}, status: x509cert.StatusUntrusted, reason: selfSignedReason}
	if p.issued {
		o.status, o.reason = x509cert.StatusValid, ""
	}
	for _, name := range p.spec.options.Names {
		if ip, err := netip.ParseAddr(name); err == nil {
			o.names.IP = append(o.names.IP, ip)
		} else {
			o.names.DNS = append(o.names.DNS, name)
		}
	}
	return o
}

// New makes a self-signed certificate in a lineage of its own and, if asked, enables it for services, in
// one transaction.
func (d *Desk) New(ctx context.Context, who state.Actor, r NewRequest) (*Change, error) {
	p, err := r.plan(d.server)
	if err != nil {
		return nil, err
	}
	if belowAdmin(ctx) && slices.Contains(p.listeners, listener.Management) {
		return nil, fmt.Errorf("making a certificate for %s: %w", listener.Management, ErrOwnIdentity)
	}
	s := &sealer{}
	l := state.Lineage{FriendlyName: p.spec.friendly}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		if err := p.complete(v); err != nil {
			return nil, nil, err
		}
		if !r.DryRun && len(s.made) == 0 { // a dry run makes no keys, and one act makes them once
			s.recipients = v.sealer().recipients
			if l, err = s.lineage(p.spec); err != nil {
				return nil, nil, err
			}
		}
		l.Name = p.spec.name // another one may have taken the name meanwhile
		change := newChange(v)
		if r.DryRun {
			change.preview(v, p)
			return change, nil, nil
		}
		bindings, undo, err := change.bind(v, l, bindRequest{listeners: p.listeners})
		if err != nil {
			return nil, nil, err
		}
		if undo != "" {
			undo += " && "
		}
		change.Undo = undo + "postseal cert remove " + l.Name
		for i, c := range change.Certificates { // they serve as soon as this is stored
			c.Services, c.ServicesText = servicesAfter(p.listeners)
			change.Certificates[i] = c
		}
		return change, func(tx *state.Tx) error {
			for _, secret := range s.made {
				if err := tx.AddSecret(secret); err != nil {
					return err
				}
			}
			if err := tx.AddLineage(l); err != nil {
				return err
			}
			if err := tx.Audit("new", l.Name, nil, map[string]any{"name": l.FriendlyName, "thumbprints": thumbprints(l)}); err != nil {
				return err
			}
			if len(bindings) == 0 {
				return nil
			}
			return storeBindings(d.server, l, change.Moves, bindings)(tx)
		}, nil
	})
}

// servicesAfter returns the services that bind to these listeners.
func servicesAfter(names []string) ([]listener.Service, string) {
	services := []listener.Service{}
	for _, s := range listener.Services() {
		if slices.ContainsFunc(s.Listeners(), func(name string) bool { return slices.Contains(names, name) }) {
			services = append(services, s)
		}
	}
	return services, listener.Cells(services)
}
