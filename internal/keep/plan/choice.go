package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

// Names of choices.
const (
	ChoiceSAN      = "san"      // names spelled out, as few certificates as that allows
	ChoiceMixed    = "mixed"    // only the wildcards that save a certificate
	ChoiceWildcard = "wildcard" // every wildcard that saves a name
	ChoicePerHost  = "per-host" // a certificate for each name
	ChoiceOneName  = "one-name" // one host name for several services, and certificates for what is left
)

// ChoiceWords returns the names of all choices.
func ChoiceWords() []string {
	return []string{ChoiceSAN, ChoiceMixed, ChoiceWildcard, ChoicePerHost, ChoiceOneName}
}

// UnknownChoiceError reports a choice that a plan does not have.
type UnknownChoiceError struct {
	Word  string
	There []string // choices that it has
}

func (e *UnknownChoiceError) Error() string {
	return fmt.Sprintf("choice %.80q: the plan has %s", e.Word, strings.Join(e.There, ", "))
}

// Certificate is one that a choice asks for.
type Certificate struct {
	Zone     Zone               `json:"zone"`
	Issuer   string             `json:"issuer"`  // IssuerSelf, IssuerPublic or the id of an authority
	Address  bool               `json:"address"` // it is for IP addresses, which have a profile of their own
	Entries  []string           `json:"entries"` // names as they stand in the certificate
	Covers   []string           `json:"covers"`  // needed names that it is good for
	Services []listener.Service `json:"services"`
	Days     int                `json:"days"` // of its life, if it were issued now
}

// Work is what a choice costs from a day on.
type Work struct {
	From     string  `json:"from"`
	Renewals float64 `json:"renewals"` // in a year, all certificates together
}

// Cost is what a choice costs in safety and work.
type Cost struct {
	Certificates int    `json:"certificates"`
	Names        int    `json:"names"`     // entries in all certificates
	Wildcards    int    `json:"wildcards"` // those that were asked for included
	Renewals     []Work `json:"renewals"`
	ByHand       int    `json:"byHand"`    // certificates of authorities: we cannot renew them alone
	Stolen       int    `json:"stolen"`    // most needed names that one stolen key can pose as
	Unbounded    bool   `json:"unbounded"` // and hosts that nobody has thought of yet: there is a wildcard
	Together     int    `json:"together"`  // most services and names that need a new certificate at once when one is revoked
	Breaks       []Text `json:"breaks"`    // clients that it does not suit
}

// Redirect is a host name that could go, and the one that does its work.
type Redirect struct {
	From string `json:"from"`
	To   string `json:"to"`
	Zone Zone   `json:"zone"`
}

// Choice is one answer.
type Choice struct {
	Name         string        `json:"name"`
	Recommended  bool          `json:"recommended"`
	Certificates []Certificate `json:"certificates"`
	Cost         Cost          `json:"cost"`
	Least        int           `json:"least"`  // certificates: no answer of this kind has fewer
	Proven       bool          `json:"proven"` // that it is the best of its kind; false when the search was too large
	Redirects    []Redirect    `json:"redirects"`
	Reasons      []Text        `json:"reasons"`
}

// Plan is the answer to an inventory.
type Plan struct {
	Authority string   `json:"authority"` // by whose limits
	Names     int      `json:"names"`     // needed
	Choices   []Choice `json:"choices"`   // the recommended one first
	Warnings  []Text   `json:"warnings"`
}

// Choice returns the choice of that name. The error is an [*UnknownChoiceError].
func (p *Plan) Choice(name string) (*Choice, error) {
	unknown := &UnknownChoiceError{Word: name}
	for i := range p.Choices {
		if p.Choices[i].Name == name {
			return &p.Choices[i], nil
		}
		unknown.There = append(unknown.There, p.Choices[i].Name)
	}
	return nil, unknown
}

// Recommended returns the recommended choice.
func (p *Plan) Recommended() *Choice { return &p.Choices[0] }

// planner makes the choices of one plan.
type planner struct {
	inventory *Inventory
	authority *terms
	now       time.Time
	budget    int
}

// Compute plans for an inventory by the limits of an authority (a word of [AuthorityWords]; empty for the rules that
// all public ones keep), as of a moment. The error is an [*UnknownAuthorityError].
func Compute(inventory *Inventory, authority string, now time.Time) (*Plan, error) {
	t, err := termsOf(authority)
	if err != nil {
		return nil, err
	}
	p := &planner{inventory: inventory, authority: t, now: now, budget: maxSteps}
	plan := &Plan{Authority: t.id, Names: len(inventory.needs), Choices: []Choice{}, Warnings: append([]Text{}, t.assumed...)}
	plan.Warnings = append(plan.Warnings, p.warnings()...)
	if len(inventory.needs) == 0 {
		plan.Choices = append(plan.Choices, Choice{Name: ChoiceSAN, Recommended: true, Proven: true, Certificates: []Certificate{}, Redirects: []Redirect{},
			Cost: Cost{Renewals: []Work{}, Breaks: []Text{}}, Reasons: []Text{{"no name needs a certificate", "TLS 인증서가 필요한 이름이 없습니다"}}})
		return plan, nil
	}
	san := p.choose(ChoiceSAN, noWildcards)
	mixed, wild := p.choose(ChoiceMixed, someWildcards), p.choose(ChoiceWildcard, allWildcards)
	host := p.choose(ChoicePerHost, eachItsOwn)
	all := []Choice{san, mixed, wild, host}
	if one, ok := p.oneName(); ok {
		all = append(all, one)
	}
	recommended := ChoiceSAN
	if mixed.Cost.Certificates < san.Cost.Certificates {
		recommended = ChoiceMixed
	}
	for _, c := range all {
		if c.Name == ChoiceMixed && (same(c, san) || same(c, wild)) && recommended != ChoiceMixed || c.Name == ChoiceWildcard && (same(c, san) || recommended == ChoiceMixed && same(c, mixed)) || c.Name == ChoicePerHost && same(c, san) {
			continue // it is no choice
		}
		c.Recommended = c.Name == recommended
		c.explain(san, mixed)
		plan.Choices = append(plan.Choices, c)
	}
	slices.SortStableFunc(plan.Choices, func(a, b Choice) int {
		if a.Recommended {
			return -1
		}
		if b.Recommended {
			return 1
		}
		return 0
	})
	return plan, nil
}

// same says whether two choices ask for the same certificates.
func same(a, b Choice) bool {
	return slices.EqualFunc(a.Certificates, b.Certificates, func(x, y Certificate) bool { return slices.Equal(x.Entries, y.Entries) })
}

// parts divides what is needed by who signs it: the zone, and in it the issuer.
func (p *planner) parts() []*part {
	self := selfTerms()
	self.wildcard = p.authority.wildcard
	type key struct {
		zone    Zone
		self    bool
		address bool
	}
	at := make(map[key]*part)
	var all []*part
	users := make(map[string]map[key]bool) // of each parent domain
	for _, n := range p.inventory.needs {
		k := key{zone: n.Zone}
		_, err := netip.ParseAddr(n.Name)
		address := err == nil
		wildcard := strings.HasPrefix(n.Name, "*.")
		switch {
		case !p.authority.public:
		case n.Zone.private() || !x509cert.Public(n.Name), wildcard && !p.authority.wildcard, address && !p.authority.takesAddress():
			k.self = true
		case address:
			k.address = true // a profile of its own, with a short life
		}
		one, ok := at[k]
		if !ok {
			one = &part{zone: n.Zone, issuer: p.authority, capacity: p.authority.maxNames, parents: make(map[string]bool)}
			if k.self {
				one.issuer, one.capacity = self, self.maxNames
			}
			if k.address {
				one.capacity = min(one.capacity, 25) // of Let's Encrypt's short-lived profile; nobody needs more
			}
			at[k] = one
			all = append(all, one)
		}
		one.names = append(one.names, n.Name)
		parent := parentOf(n.Name)
		if wildcard {
			parent = strings.TrimPrefix(n.Name, "*.")
		}
		if parent != "" {
			if users[parent] == nil {
				users[parent] = make(map[key]bool)
			}
			users[parent][k] = true
		}
	}
	// A wildcard may be made if its key speaks for hosts of one part only, and for no strangers.
	for parent, keys := range users {
		if len(keys) > 1 {
			continue
		}
		if _, err := x509cert.ParsePattern("*." + parent); err != nil {
			continue
		}
		for k := range keys {
			one := at[k]
			one.parents[parent] = one.issuer.wildcard && !one.zone.private()
		}
	}
	p.keepApart(all)
	return all
}

// keepApart tells each part which of its names must be apart.
func (p *planner) keepApart(parts []*part) {
	where := make(map[string][]*part)
	for _, one := range parts {
		for _, name := range one.names {
			where[name] = append(where[name], one)
		}
	}
	// A wildcard that is needed speaks for what is under it, even where another issuer signs that, so it takes over what
	// that must be apart from.
	speakers := func(name string) []string {
		if parent := parentOf(name); parent != "" && len(where["*."+parent]) > 0 {
			return []string{name, "*." + parent}
		}
		return []string{name}
	}
	for _, pair := range p.inventory.apart {
		for _, a := range speakers(pair[0]) {
			for _, b := range speakers(pair[1]) {
				for _, one := range where[a] {
					if a != b && slices.Contains(where[b], one) {
						one.apart = append(one.apart, Pair{a, b})
					}
				}
			}
		}
	}
}

// choose makes one choice.
func (p *planner) choose(name string, how policy) Choice {
	c := Choice{Name: name, Proven: true, Certificates: []Certificate{}, Redirects: []Redirect{}, Reasons: []Text{}}
	services := make(map[place][]listener.Service)
	for _, n := range p.inventory.needs {
		services[place{n.Name, n.Zone}] = n.Services
	}
	for _, one := range p.parts() {
		s := one.solve(how, &p.budget)
		c.Least += s.least
		c.Proven = c.Proven && s.proven
		for _, bin := range s.bins {
			c.Certificates = append(c.Certificates, p.certificate(one, bin, services))
		}
	}
	c.Cost = p.cost(c.Certificates)
	return c
}

// certificate describes one certificate of a solved part.
func (p *planner) certificate(one *part, bin []unit, services map[place][]listener.Service) Certificate {
	cert := Certificate{Zone: one.zone, Issuer: one.issuer.id, Services: []listener.Service{}, Days: one.issuer.life(p.now)}
	for _, u := range bin {
		cert.Entries = append(cert.Entries, u.entry)
		cert.Covers = append(cert.Covers, u.covers...)
	}
	if _, err := netip.ParseAddr(cert.Entries[0]); err == nil && one.issuer.public {
		cert.Address = true
		if one.issuer.ip == "short-lived" {
			cert.Days = min(cert.Days, shortLivedDays)
		}
	}
	for _, s := range listener.Services() {
		if slices.ContainsFunc(cert.Covers, func(name string) bool { return slices.Contains(services[place{name, one.zone}], s) }) {
			cert.Services = append(cert.Services, s)
		}
	}
	return cert
}

// shortLivedDays is the whole days of Let's Encrypt's short-lived profile, 160 hours.
const shortLivedDays = 6
