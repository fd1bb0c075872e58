package wizard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/request"
	"postseal/internal/keep/plan"
)

// Proposal is what the certificate would hold.
type Proposal struct {
	Names      []string           // of the certificate, the common name first
	CommonName string             // empty for none
	Computed   []string           // what the planner proposes
	Edited     bool               // Names were given by hand and differ
	Missing    []string           // names that clients use and Names do not cover
	Services   []listener.Service // that it will be for
	Rest       []Rest             // what needs a certificate of its own
	Reasons    []plan.Text
	Notes      []plan.Text
}

// services is the list of those that it will be for.
func (p *Proposal) services() string {
	var words []string
	for _, s := range p.Services {
		words = append(words, string(s))
	}
	return strings.Join(words, ",")
}

// Rest is what one certificate cannot do beside the proposed one.
type Rest struct {
	Names    []string
	Services []listener.Service
	Why      plan.Text
}

// issuer is the word by which package plan knows who is asked.
func (a Answers) issuer() string {
	switch {
	case a.Kind != KindPublic: // to the planner our own authority is like that: it signs names that no public one does
		return plan.IssuerSelf
	case a.Authority == "" || a.Authority == OtherAuthority:
		return plan.IssuerPublic
	}
	return a.Authority
}

// Propose computes the names of the certificate from what clients do, as of a moment. The errors are those of an answer
// that is missing or cannot be.
func (a Answers) Propose(now time.Time) (*Proposal, error) {
	needs, err := a.needs()
	if err != nil {
		return nil, err
	}
	p := &Proposal{}
	if err := p.compute(a, needs, now); err != nil {
		return nil, err
	}
	p.Names = slices.Clone(p.Computed)
	if len(a.Names) > 0 {
		if err := p.edit(a, needs); err != nil {
			return nil, err
		}
	}
	if err := p.commonName(a); err != nil {
		return nil, err
	}
	return p, nil
}

// compute lets the planner choose, and takes that certificate of its answer which does the most.
func (p *Proposal) compute(a Answers, needs []plan.Need, now time.Time) error {
	if len(needs) == 0 { // only names by hand: there is nothing to plan
		services, err := listener.ParseServices(a.Services)
		p.Services = services
		return err
	}
	inventory, err := plan.NewInventory(needs, nil)
	if err != nil {
		return err
	}
	all, err := plan.Compute(inventory, a.issuer(), now)
	if err != nil {
		return err
	}
	p.Notes = append(p.Notes, all.Warnings...)
	choice := all.Recommended()
	at, most := -1, -1
	for i, c := range choice.Certificates {
		mine := (c.Issuer == plan.IssuerSelf) == (a.Kind != KindPublic) && !(a.Kind == KindPublic && c.Address)
		if n := len(c.Services)*request.MaxNames + len(c.Covers); mine && n > most {
			at, most = i, n
		}
	}
	if at < 0 {
		return &AnswerError{"outside", needs[0].Name, "a public authority signs only names below the public DNS, for services other than MANAGEMENT; none of these names is one"}
	}
	taken := choice.Certificates[at]
	p.Computed, p.Services = slices.Clone(taken.Entries), taken.Services
	p.Reasons = choice.Reasons
	for i, c := range choice.Certificates {
		if i != at {
			p.Rest = append(p.Rest, Rest{Names: c.Entries, Services: c.Services, Why: apart(taken, c)})
		}
	}
	return nil
}

// apart says why two certificates are not one.
func apart(taken, other plan.Certificate) plan.Text {
	switch {
	case other.Zone == plan.ZoneManagement:
		return plan.Text{English: "whoever steals the key of the mail services must not be able to pose as management: it keeps a key of its own",
			Korean: "메일 서비스의 키를 훔친 사람이 관리 서비스 행세를 하지 못하도록, 관리 서비스는 키를 따로 씁니다"}
	case other.Issuer == plan.IssuerSelf && taken.Issuer != plan.IssuerSelf:
		return plan.Text{English: "no public authority signs them; let clients use a public name inside too, or make a self-signed certificate for them",
			Korean: "공인 인증 기관은 이런 이름에 서명하지 않습니다. 안에서도 공개된 이름을 쓰게 하거나, 이 이름에는 자체 서명 TLS 인증서를 만드십시오"}
	case other.Address:
		return plan.Text{English: "addresses have a profile of their own, with a short life", Korean: "IP 주소에는 수명이 짧은 별도의 종류를 씁니다"}
	}
	return plan.Text{English: "one certificate cannot hold them all", Korean: "TLS 인증서 하나에 모두 담을 수 없습니다"}
}

// edit takes the names that were given by hand.
func (p *Proposal) edit(a Answers, needs []plan.Need) error {
	p.Names = nil
	for _, text := range a.Names {
		name, err := x509cert.ParseSAN(text)
		if err != nil {
			return fmt.Errorf("--domain: %w", err)
		}
		if a.Kind == KindPublic && !x509cert.Public(name) {
			return &AnswerError{"domain", name, "no public authority signs it: it is not below the public DNS"}
		}
		if !slices.Contains(p.Names, name) {
			p.Names = append(p.Names, name)
		}
	}
	if len(p.Names) > request.MaxNames {
		return &AnswerError{"domain", fmt.Sprint(len(p.Names), " names"), fmt.Sprintf("at most %d", request.MaxNames)}
	}
	var wanted []string
	for _, n := range needs {
		name, err := x509cert.ParseSAN(n.Name)
		elsewhere := slices.ContainsFunc(p.Rest, func(r Rest) bool { return slices.Contains(r.Names, name) })
		if err == nil && !elsewhere && !slices.Contains(wanted, name) {
			wanted = append(wanted, name)
		}
	}
	p.Missing = x509cert.Missing(p.Names, wanted)
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) }
	p.Edited = !slices.Equal(sorted(p.Names), sorted(p.Computed))
	return nil
}

// maxCommonName is ub-common-name, RFC 5280 appendix A.1.
const maxCommonName = 64

// commonName puts the common name first. Clients look at the names and not at it (RFC 9525 section 6.3), but old devices
// do, and people who read lists.
func (p *Proposal) commonName(a Answers) error {
	asked := a.CommonName
	switch {
	case asked == NoCommonName && a.Kind == KindSelf:
		return &AnswerError{"common-name", asked, "what signs itself needs one: it is its issuer too"}
	case asked == NoCommonName && a.Kind == KindOwn:
		return &AnswerError{"common-name", asked, "our own authority makes the subject of the first name"}
	case asked == NoCommonName:
		return nil
	case asked != "":
		name, err := x509cert.ParseSAN(asked)
		if err != nil {
			return fmt.Errorf("--common-name: %w", err)
		}
		if !slices.Contains(p.Names, name) {
			return &AnswerError{"common-name", asked, "it is not among the names of the certificate"}
		}
		if len(name) > maxCommonName {
			return &AnswerError{"common-name", asked, "a common name has at most 64 characters"}
		}
		p.CommonName = name
	default:
		// The name that clients outside use first is the one by which people know the server.
		for _, one := range append(a.firstNames(), p.Names...) {
			if slices.Contains(p.Names, one) && len(one) <= maxCommonName && !x509cert.IsWildcard(one) {
				p.CommonName = one
				break
			}
		}
		if p.CommonName == "" && len(p.Names) > 0 && len(p.Names[0]) <= maxCommonName {
			p.CommonName = p.Names[0]
		}
	}
	if i := slices.Index(p.Names, p.CommonName); i > 0 {
		p.Names = append([]string{p.CommonName}, slices.Delete(slices.Clone(p.Names), i, i+1)...)
	}
	return nil
}

// firstNames are the names of outside in the order in which they were given.
func (a Answers) firstNames() []string {
	var names []string
	for _, s := range []listener.Service{listener.ServiceIMAP, listener.ServiceHTTP, listener.ServiceSMTP, listener.ServicePOP, listener.ServiceManagement} {
		for _, text := range NamesFor(a.Outside, s) {
			if name, err := x509cert.ParseSAN(text); err == nil {
				names = append(names, name)
			}
		}
	}
	return names
}

// Fits says which public authorities do what the answers need, those that fit first, with reasons.
func (a Answers) Fits(p *Proposal) ([]plan.Fit, error) {
	wants := plan.Wants{Features: slices.Clone(a.Wants), Names: len(p.Names)}
	add := func(word string, needed bool) {
		if needed && !slices.Contains(wants.Features, word) {
			wants.Features = append(wants.Features, word)
		}
	}
	add("wildcard", slices.ContainsFunc(p.Names, x509cert.IsWildcard))
	add("ip", slices.ContainsFunc(p.Names, func(name string) bool { _, err := netip.ParseAddr(name); return err == nil }))
	add("common-name", p.CommonName != "")
	return plan.Fits(wants)
}
