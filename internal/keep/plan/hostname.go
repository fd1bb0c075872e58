package plan

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"postseal/internal/ground/x509cert"
)

// Host names, reduced as Exchange's administrators are taught: one name for all services of a domain, the same name
// inside and outside. What stays: autodiscover, because clients make it up from the mail domain; wildcards; the names
// marked "keep"; whatever is of another zone; whatever must be apart. One name for each domain of a zone is the least
// there can be, since a client of a domain is not told of another's.

// oneName is the choice with fewer host names, if there are any to save.
func (p *planner) oneName() (Choice, bool) {
	redirects := p.redirects()
	if len(redirects) == 0 {
		return Choice{}, false
	}
	to := make(map[place]string)
	for _, r := range redirects {
		to[place{r.From, r.Zone}] = r.To
	}
	var needs []Need
	for _, n := range p.inventory.needs {
		if other, ok := to[place{n.Name, n.Zone}]; ok {
			n.Name = other
		}
		needs = append(needs, n)
	}
	reduced, err := NewInventory(needs, p.inventory.apart)
	if err != nil {
		return Choice{}, false // names that must be apart stay, so this cannot be; and if it were, it is no choice
	}
	q := &planner{inventory: reduced, authority: p.authority, now: p.now, budget: p.budget}
	c := q.choose(ChoiceOneName, noWildcards)
	c.Redirects = redirects
	return c, true
}

// redirects finds the host names that could go.
func (p *planner) redirects() []Redirect {
	tied := make(map[string]bool)
	for _, pair := range p.inventory.apart {
		tied[pair[0]], tied[pair[1]] = true, true
	}
	type home struct {
		zone   Zone
		domain string
	}
	keeper := make(map[home]Need)
	biggest := make(map[Zone]home) // for names that no public authority signs
	count := make(map[home]int)
	for _, n := range p.inventory.needs {
		domain := registrable(n.Name)
		if domain == "" || !movable(n, tied) {
			continue
		}
		h := home{n.Zone, domain}
		count[h]++
		if old, ok := keeper[h]; !ok || leads(n, old) {
			keeper[h] = n
		}
		if big, ok := biggest[n.Zone]; !ok || count[h] > count[big] {
			biggest[n.Zone] = h
		}
	}
	redirects := []Redirect{}
	for _, n := range p.inventory.needs {
		if n.Keep || !movable(n, tied) {
			continue
		}
		h := home{n.Zone, registrable(n.Name)}
		if h.domain == "" {
			h = biggest[n.Zone] // split DNS: the outside name inside too
		}
		if to, ok := keeper[h]; ok && to.Name != n.Name {
			redirects = append(redirects, Redirect{From: n.Name, To: to.Name, Zone: n.Zone})
		}
	}
	return redirects
}

// movable says whether a name could give way to another of its zone.
func movable(n Need, tied map[string]bool) bool {
	first, _, _ := strings.Cut(n.Name, ".")
	return !n.Zone.private() && !tied[n.Name] && first != "autodiscover" && first != "autoconfig" && first != "mta-sts" && !strings.HasPrefix(n.Name, "*.")
}

// registrable is the domain that was registered for a public host name; empty if there is none below it.
func registrable(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || !x509cert.Public(name) || strings.HasPrefix(name, "*.") {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return domain
}

// leads says whether a would rather be the one name than b: it must stay anyway, or serves more, or is called mail.
func leads(a, b Need) bool {
	if a.Keep != b.Keep {
		return a.Keep
	}
	if len(a.Services) != len(b.Services) {
		return len(a.Services) > len(b.Services)
	}
	if mailA, mailB := strings.HasPrefix(a.Name, "mail."), strings.HasPrefix(b.Name, "mail."); mailA != mailB {
		return mailA
	}
	return slices.Compare([]int{len(a.Name)}, []int{len(b.Name)}) < 0 || len(a.Name) == len(b.Name) && a.Name < b.Name
}
