package plan

import (
	"fmt"
	"math"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
)

// cost adds up what certificates cost.
func (p *planner) cost(certificates []Certificate) Cost {
	c := Cost{Certificates: len(certificates), Renewals: []Work{}, Breaks: []Text{}}
	for _, cert := range certificates {
		c.Names += len(cert.Entries)
		if cert.Issuer != IssuerSelf {
			c.ByHand++
		}
		for _, entry := range cert.Entries {
			if strings.HasPrefix(entry, "*.") {
				c.Wildcards++
			}
		}
		c.Stolen, c.Together = max(c.Stolen, len(cert.Covers)), max(c.Together, len(cert.Covers))
	}
	c.Unbounded = c.Wildcards > 0
	for _, day := range lifeDays(p.now, p.authority.id) {
		sum := 0.0
		for _, cert := range certificates {
			sum += RenewalsPerYear(p.daysAt(cert, day))
		}
		c.Renewals = append(c.Renewals, Work{From: day.UTC().Format(time.DateOnly), Renewals: math.Round(sum*10) / 10})
	}
	c.Breaks = p.breaks(certificates)
	return c
}

// daysAt is how long a planned certificate would last, issued on a day.
func (p *planner) daysAt(cert Certificate, day time.Time) int {
	switch {
	case cert.Issuer == IssuerSelf:
		return selfDays
	case cert.Address && p.authority.ip == "short-lived":
		return shortLivedDays
	}
	return p.authority.life(day)
}

// breaks says which clients the certificates do not suit.
func (p *planner) breaks(certificates []Certificate) []Text {
	texts := []Text{}
	own, wild := 0, 0
	for _, cert := range certificates {
		if cert.Issuer == IssuerSelf && !cert.Zone.private() {
			own++
		}
		for _, entry := range cert.Entries {
			if strings.HasPrefix(entry, "*.") {
				wild++
			}
		}
	}
	if own > 0 {
		texts = append(texts, Text{
			fmt.Sprintf("%d certificates sign themselves: clients must be told to trust them", own),
			fmt.Sprintf("자체 서명 %d개: 클라이언트가 신뢰하도록 따로 알려 주어야 합니다", own)})
	}
	if wild > 0 {
		texts = append(texts, Text{
			"a wildcard is proved by a DNS record only, and stands for one label: neither for the domain itself nor for a.b under it",
			"와일드카드는 DNS 레코드로만 검증할 수 있고 한 단계만 대신합니다. 도메인 자신이나 두 단계 아래 이름은 해당하지 않습니다"})
	}
	for _, a := range authorities() {
		if a.ID != p.authority.id {
			continue
		}
		if a.OldAndroid.Value == "no" {
			texts = append(texts, Text{a.Name + ": " + a.OldAndroid.Note, a.Name + ": 오래된 Android가 신뢰하지 않습니다"})
		}
		if a.CommonName.Value == "no" {
			texts = append(texts, Text{a.Name + " writes no common name, which very old devices want", a.Name + ": 일반 이름(CN)이 없어 아주 오래된 장치에서 쓸 수 없습니다"})
		}
	}
	return texts
}

// warnings say what is odd about the inventory whatever is chosen.
func (p *planner) warnings() []Text {
	var texts []Text
	zones := make(map[string][]string)
	under := make(map[string][]Need)
	for _, n := range p.inventory.needs {
		zones[n.Name] = append(zones[n.Name], string(n.Zone))
		under[parentOf(n.Name)] = append(under[parentOf(n.Name)], n)
	}
	internal, addresses := 0, 0
	for _, n := range p.inventory.needs {
		if all := zones[n.Name]; len(all) > 1 && all[0] == string(n.Zone) {
			texts = append(texts, Text{
				fmt.Sprintf("%s is in the zones %s: whoever steals a key of one can pose as it in the other", n.Name, strings.Join(all, " and ")),
				fmt.Sprintf("%s이(가) 여러 영역(%s)에 있습니다. 한쪽 키를 훔치면 다른 쪽으로도 위장할 수 있습니다", n.Name, strings.Join(all, ", "))})
		}
		if parent, ok := strings.CutPrefix(n.Name, "*."); ok {
			for _, other := range under[parent] {
				if other.Zone != n.Zone {
					texts = append(texts, Text{
						fmt.Sprintf("the wildcard *.%s of zone %s speaks for %s of zone %s too", parent, n.Zone, other.Name, other.Zone),
						fmt.Sprintf("%s 영역의 와일드카드 *.%s이(가) %s 영역의 %s까지 대신합니다", n.Zone, parent, other.Zone, other.Name)})
				}
			}
		}
		if !p.authority.public || n.Zone.private() || x509cert.Public(n.Name) {
			continue
		}
		if strings.ContainsAny(n.Name, "abcdefghijklmnopqrstuvwxyz") && !strings.Contains(n.Name, ":") {
			internal++
		} else {
			addresses++
		}
	}
	if internal > 0 {
		texts = append(texts, Text{
			fmt.Sprintf("%d names end in no public domain, so no public authority signs them; use the outside name inside too (split DNS), see the choice one-name", internal),
			fmt.Sprintf("공개 도메인이 아닌 이름 %d개는 공인 인증 기관이 발급하지 않습니다. 내부에서도 외부 이름을 쓰십시오(분할 DNS, one-name 선택 참고)", internal)})
	}
	if addresses > 0 {
		texts = append(texts, Text{
			fmt.Sprintf("%d addresses are private or reserved, so no public authority signs them", addresses),
			fmt.Sprintf("사설·예약 IP 주소 %d개는 공인 인증 기관이 발급하지 않습니다", addresses)})
	}
	return texts
}

// explain says why one would take the choice, beside the plain one and the one with the fewest certificates.
func (c *Choice) explain(san, fewest Choice) {
	say := func(english, korean string) { c.Reasons = append(c.Reasons, Text{english, korean}) }
	saved := san.Cost.Certificates - fewest.Cost.Certificates
	switch c.Name {
	case ChoiceSAN:
		if saved <= 0 {
			say("every name is spelled out, and wildcards would not save a certificate: a stolen key can pose as the names that are needed and as no other",
				"이름을 모두 적어도 와일드카드보다 TLS 인증서가 늘지 않습니다. 키를 훔쳐도 적힌 이름으로만 위장할 수 있습니다")
		} else {
			say(fmt.Sprintf("every name is spelled out; that takes %d certificates more than with wildcards", saved),
				fmt.Sprintf("이름을 모두 적습니다. 와일드카드를 쓸 때보다 TLS 인증서가 %d개 많습니다", saved))
		}
	case ChoiceMixed:
		say(fmt.Sprintf("with %d wildcards it takes %d certificates less than without; no wildcard is made that saves none", c.Cost.Wildcards, saved),
			fmt.Sprintf("와일드카드 %d개로 TLS 인증서를 %d개 줄입니다. 인증서 수를 줄이지 않는 와일드카드는 만들지 않습니다", c.Cost.Wildcards, saved))
	case ChoiceWildcard:
		say(fmt.Sprintf("%d names instead of %d, and new hosts need no new certificate; a stolen key can pose as hosts that nobody has thought of", c.Cost.Names, san.Cost.Names),
			fmt.Sprintf("이름이 %d개에서 %d개로 줄고 새 호스트에 새 TLS 인증서가 필요 없습니다. 대신 키를 훔치면 아직 없는 호스트로도 위장할 수 있습니다", san.Cost.Names, c.Cost.Names))
	case ChoicePerHost:
		say("a stolen key can pose as one name only, and one can be revoked without the others; each is renewed on its own",
			"키를 훔쳐도 한 이름으로만 위장할 수 있고 하나만 따로 폐기할 수 있습니다. 대신 하나씩 갱신해야 합니다")
	case ChoiceOneName:
		less := "1 host name"
		if n := len(c.Redirects); n != 1 {
			less = fmt.Sprintf("%d host names", n)
		}
		say(fmt.Sprintf("%s less: one name for all services of a domain, the same inside and outside (split DNS); clients and DNS must be moved first", less),
			fmt.Sprintf("호스트 이름이 %d개 줄어듭니다. 한 도메인의 모든 서비스에 이름 하나를 내부와 외부에서 똑같이 씁니다(분할 DNS). 먼저 클라이언트와 DNS를 옮겨야 합니다", len(c.Redirects)))
	}
	if c.Cost.ByHand > 0 {
		last := c.Cost.Renewals[len(c.Cost.Renewals)-1]
		say(fmt.Sprintf("renewals in a year: %.1f now, %.1f from %s", c.Cost.Renewals[0].Renewals, last.Renewals, last.From),
			fmt.Sprintf("한 해 갱신 횟수: 지금 %.1f번, %s부터 %.1f번", c.Cost.Renewals[0].Renewals, last.From, last.Renewals))
	}
	if !c.Proven {
		say(fmt.Sprintf("the search was too large to prove it: there may be an answer with fewer, though not with less than %d certificates", c.Least),
			fmt.Sprintf("탐색이 너무 커서 최적임을 증명하지 못했습니다. 더 나은 답이 있을 수 있지만 TLS 인증서 %d개보다 적을 수는 없습니다", c.Least))
	}
}
