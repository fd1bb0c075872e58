package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

// TestEveryPlanHolds checks what must be true of each choice of any plan.
func TestEveryPlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := small(t, 9)
		authority := rapid.SampledFrom(AuthorityWords()).Draw(t, "authority")
		p, err := Compute(i, authority, today)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Choices) == 0 || !p.Recommended().Recommended {
			t.Fatalf("nothing is recommended: %+v", p)
		}
		san, err := p.Choice(ChoiceSAN)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Choices {
			holds(t, i, authority, c)
			if c.Name != ChoicePerHost && c.Name != ChoiceOneName && c.Cost.Certificates > san.Cost.Certificates {
				t.Fatalf("%s has %d certificates, san %d", c.Name, c.Cost.Certificates, san.Cost.Certificates)
			}
		}
		if n := firstFit(i, authority); san.Cost.Certificates > n {
			t.Fatalf("san has %d certificates, first fit %d", san.Cost.Certificates, n)
		}
	})
}

func holds(t *rapid.T, i *Inventory, authority string, c Choice) {
	limit, err := termsOf(authority)
	if err != nil {
		t.Fatal(err)
	}
	needed := make(map[place]bool)
	moved := make(map[place]bool)
	for _, r := range c.Redirects {
		moved[place{r.From, r.Zone}] = true
	}
	for _, n := range i.needs {
		needed[place{n.Name, n.Zone}] = !moved[place{n.Name, n.Zone}]
	}
	covered := make(map[place]bool)
	for _, cert := range c.Certificates {
		most := limit.maxNames
		if cert.Issuer == IssuerSelf {
			most = selfTerms().maxNames
		}
		if len(cert.Entries) > most || len(cert.Entries) == 0 || len(cert.Services) == 0 || cert.Days < 1 {
			t.Fatalf("%s: a certificate with %d names, at most %d: %+v", c.Name, len(cert.Entries), most, cert)
		}
		speaks := func(name string) bool {
			return slices.ContainsFunc(cert.Entries, func(e string) bool { return e == name || x509cert.Match(e, name) })
		}
		for _, e := range cert.Entries {
			if _, err := x509cert.ParseSAN(e); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if cert.Issuer != IssuerSelf && limit.public && !x509cert.Public(e) {
				t.Fatalf("%s: %s asks a public authority for %s", c.Name, authority, e)
			}
			if asked := needed[place{e, cert.Zone}]; strings.HasPrefix(e, "*.") && !asked {
				if !limit.wildcard {
					t.Fatalf("%s: %s makes the wildcard %s", c.Name, authority, e)
				}
				for _, n := range i.needs { // a made wildcard speaks for nobody of another zone
					if n.Zone != cert.Zone && x509cert.Match(e, n.Name) {
						t.Fatalf("%s: %s of zone %s speaks for %s of zone %s", c.Name, e, cert.Zone, n.Name, n.Zone)
					}
				}
			}
		}
		for _, name := range cert.Covers {
			if !speaks(name) {
				t.Fatalf("%s: %v does not speak for %s", c.Name, cert.Entries, name)
			}
			covered[place{name, cert.Zone}] = true
		}
		for _, pair := range i.apart {
			if speaks(pair[0]) && speaks(pair[1]) && needed[place{pair[0], cert.Zone}] && needed[place{pair[1], cert.Zone}] {
				t.Fatalf("%s: %v has %v, which must be apart", c.Name, cert.Entries, pair)
			}
		}
	}
	for where, is := range needed {
		if is && !covered[where] {
			t.Fatalf("%s: %v is not covered", c.Name, where)
		}
	}
	for _, r := range c.Redirects {
		if !covered[place{r.To, r.Zone}] {
			t.Fatalf("%s: %v leads to a name without a certificate", c.Name, r)
		}
	}
}

func speaks(entry, name string) bool { return entry == name || x509cert.Match(entry, name) }

// firstFit is what somebody does who goes through the names and takes the first certificate with room.
func firstFit(i *Inventory, authority string) int {
	limit, err := termsOf(authority)
	if err != nil {
		return 0
	}
	type bin struct {
		zone    Zone
		self    bool
		address bool
		names   []string
	}
	var bins []bin
	for _, n := range i.needs {
		self := limit.public && (n.Zone.private() || !x509cert.Public(n.Name) || strings.HasPrefix(n.Name, "*.") && !limit.wildcard)
		_, err := netip.ParseAddr(n.Name)
		most := limit.maxNames
		if self {
			most = selfTerms().maxNames
		}
		k := slices.IndexFunc(bins, func(b bin) bool {
			clash := slices.ContainsFunc(b.names, func(other string) bool {
				return slices.ContainsFunc(i.apart, func(p Pair) bool {
					return speaks(other, p[0]) && speaks(n.Name, p[1]) || speaks(other, p[1]) && speaks(n.Name, p[0])
				})
			})
			return b.zone == n.Zone && b.self == self && b.address == (err == nil) && len(b.names) < most && !clash
		})
		if k < 0 {
			k = len(bins)
			bins = append(bins, bin{zone: n.Zone, self: self, address: err == nil})
		}
		bins[k].names = append(bins[k].names, n.Name)
	}
	return len(bins)
}

func TestZonesAndAuthoritiesDivide(t *testing.T) {
	t.Parallel()
	p := compute(t, inventory(t, []Need{
		need("mail.example.com", ZoneInside), need("autodiscover.example.com", ZoneInside, listener.ServiceHTTP), need("exch1.corp.local", ZoneInside),
		need("mx.example.com", ZoneEdge, listener.ServiceSMTP), need("mx.example.com", PartnerZone("bank"), listener.ServiceSMTP),
		need("admin.example.com", ZoneManagement, listener.ServiceManagement), need("8.8.8.8", ZoneInside),
	}), "letsencrypt")
	c := p.Recommended()
	if c.Name != ChoiceSAN || c.Cost.Certificates != 6 || !c.Proven {
		t.Fatalf("got %+v, want san with six certificates", c)
	}
	var got []string
	for _, cert := range c.Certificates {
		got = append(got, fmt.Sprintf("%s %s %s %dd", cert.Zone, cert.Issuer, strings.Join(cert.Entries, "+"), cert.Days))
	}
	want := []string{
		"edge letsencrypt mx.example.com 90d", "inside letsencrypt 8.8.8.8 6d", "inside letsencrypt autodiscover.example.com+mail.example.com 90d",
		"inside self exch1.corp.local 825d", "management self admin.example.com 825d", "partner:bank letsencrypt mx.example.com 90d",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c, err := p.Choice(ChoiceWildcard); err == nil {
		t.Errorf("*.example.com would speak for mx.example.com at the edge: got %+v", c.Certificates)
	}
}

func TestWildcardsOnlyWhereTheySaveACertificate(t *testing.T) {
	t.Parallel()
	var needs []Need
	for k := range 60 {
		needs = append(needs, need(fmt.Sprintf("h%02d.example.com", k), ZoneInside), need(fmt.Sprintf("h%02d.example.org", k), ZoneInside))
	}
	p := compute(t, inventory(t, needs), "letsencrypt")
	mixed := p.Recommended()
	wild, err := p.Choice(ChoiceWildcard)
	san, err2 := p.Choice(ChoiceSAN)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if mixed.Name != ChoiceMixed || mixed.Cost.Certificates != 1 || mixed.Cost.Wildcards != 1 || mixed.Cost.Names != 61 {
		t.Errorf("mixed: got %+v, want one certificate with one wildcard and 60 names", mixed.Cost)
	}
	if wild.Cost.Names != 2 || san.Cost.Certificates != 2 || san.Cost.Stolen != 60 || san.Cost.Unbounded {
		t.Errorf("got %+v and %+v", wild.Cost, san.Cost)
	}
	if host, err := p.Choice(ChoicePerHost); err != nil || host.Cost.Certificates != 120 || host.Cost.Stolen != 1 || host.Cost.Together != 1 {
		t.Errorf("per-host: got %+v, %v", host, err)
	}
	if got := wild.Cost.Renewals; got[0].Renewals != 6.1 || got[len(got)-1].From != "2029-03-15" || got[len(got)-1].Renewals != 12.2 {
		t.Errorf("renewals of one certificate of Let's Encrypt: got %v, want 6.1 now and 12.2 in the end", got)
	}
}

func TestNoWildcardOverAPublicSuffix(t *testing.T) {
	t.Parallel()
	p := compute(t, inventory(t, []Need{need("a.co.kr", ZoneInside), need("b.co.kr", ZoneInside), need("c.com", ZoneInside), need("d.com", ZoneInside)}), "")
	for _, c := range p.Choices {
		if c.Cost.Wildcards > 0 {
			t.Errorf("%s: got %+v", c.Name, c.Certificates)
		}
	}
}

func TestOneName(t *testing.T) {
	t.Parallel()
	h, m, p, s := listener.ServiceHTTP, listener.ServiceIMAP, listener.ServicePOP, listener.ServiceSMTP
	kept := need("mx.example.com", ZoneInside, s)
	kept.Keep = true
	plan := compute(t, inventory(t, []Need{
		need("mail.example.com", ZoneInside, h, m), need("imap.example.com", ZoneInside, m), need("pop.example.com", ZoneInside, p), kept,
		need("autodiscover.example.com", ZoneInside, h), need("exch1.corp.local", ZoneInside, m, p), need("mail.other.org", ZoneInside, m), need("gw.example.com", ZoneEdge, s),
	}), "")
	c, err := plan.Choice(ChoiceOneName)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range c.Redirects {
		got = append(got, r.From+">"+r.To)
	}
	slices.Sort(got)
	want := []string{"exch1.corp.local>mx.example.com", "imap.example.com>mx.example.com", "mail.example.com>mx.example.com", "pop.example.com>mx.example.com"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.Cost.Names != 4 {
		t.Errorf("got %d names, want mx, autodiscover, mail.other.org and gw: %+v", c.Cost.Names, c.Certificates)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	p := compute(t, inventory(t, []Need{
		need("mail.example.com", ZoneInside), need("mail.example.com", ZoneEdge), need("*.example.com", PartnerZone("bank")), need("x.corp.local", ZoneInside), need("10.0.0.1", ZoneInside),
	}), "sectigo")
	var all []string
	for _, w := range p.Warnings {
		if w.Korean == "" {
			t.Errorf("no Korean for %q", w.English)
		}
		all = append(all, w.English)
	}
	for _, want := range []string{"how many names Sectigo takes is not known", "mail.example.com is in the zones edge and inside", "the wildcard *.example.com of zone partner:bank speaks for mail.example.com", "1 names end in no public domain", "1 addresses are private"} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("%q is missing in %q", want, all)
		}
	}
}

func TestNothingIsNeeded(t *testing.T) {
	t.Parallel()
	if c := compute(t, inventory(t, nil), "").Recommended(); c.Cost.Certificates != 0 || !c.Recommended {
		t.Errorf("got %+v", c)
	}
	if _, err := Compute(inventory(t, nil), "verisign", today); err == nil {
		t.Error("verisign: want an error")
	}
	if _, err := compute(t, inventory(t, nil), "").Choice("best"); err == nil {
		t.Error("choice best: want an error")
	}
}

// TestReasonsAreInBothLanguages of every choice of a plan with all of them.
func TestReasonsAreInBothLanguages(t *testing.T) {
	t.Parallel()
	var needs []Need
	for k := range 250 {
		needs = append(needs, need(fmt.Sprintf("h%03d.example.com", k), ZoneInside), need(fmt.Sprintf("k%03d.example.org", k/2), ZoneInside))
	}
	p := compute(t, inventory(t, needs), "letsencrypt")
	if len(p.Choices) < 4 {
		t.Errorf("got %d choices, want four or five", len(p.Choices))
	}
	for _, c := range p.Choices {
		for _, text := range append(slices.Clone(c.Reasons), c.Cost.Breaks...) {
			if text.English == "" || text.Korean == "" || strings.HasSuffix(text.English, ".") {
				t.Errorf("%s: %+v", c.Name, text)
			}
		}
		if len(c.Reasons) < 2 {
			t.Errorf("%s: got %d reasons, want why, and the work", c.Name, len(c.Reasons))
		}
	}
}
