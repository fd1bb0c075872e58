package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Impact says what the rules mean for one subject, from a moment on. Rules of the past are among them if their time
// comes only at the next renewal, or if they are broken now.
func Impact(from time.Time, s Subject) []Effect {
	i := &impact{from: from, today: from.UTC().Format(time.DateOnly), Subject: s}
	if s.SHA1 {
		i.add("sha1", EffectBreaks, Text{"it is signed with SHA-1, which clients refuse", "SHA-1로 서명되어 클라이언트가 거부합니다"}, nil)
	}
	switch {
	case s.Origin == OriginSelf:
		i.none(Text{"it signs itself; the rules of public authorities do not bind it", "자체 서명이므로 공인 인증 기관의 규칙과 무관합니다"})
	case s.Origin == OriginPrivate:
		i.none(Text{"its authority is not a public one; the rules of public authorities do not bind it", "공인 인증 기관이 발급하지 않았으므로 공인 규칙과 무관합니다"})
	default:
		i.public()
	}
	i.end()
	return i.effects
}

type impact struct {
	Subject
	from    time.Time
	today   string
	effects []Effect
}

// add adds the effect of a rule; do is what the rule says unless given.
func (i *impact) add(rule, effect string, what Text, do *Text) {
	r := rules()[slices.IndexFunc(rules(), func(r Rule) bool { return r.ID == rule })]
	if do == nil {
		do = &r.Do
	}
	date := max(r.Date, i.today)
	i.effects = append(i.effects, Effect{Date: date, Rule: rule, Subject: i.Lineage, Listeners: listed(i.Listeners), Partner: i.Partner, Effect: effect, What: what, Do: *do})
}

func (i *impact) none(what Text) {
	i.effects = append(i.effects, Effect{Date: i.today, Subject: i.Lineage, Listeners: listed(i.Listeners), Partner: i.Partner, Effect: EffectNone, What: what,
		Do: Text{"nothing", "할 일이 없습니다"}})
}

// public is what holds for certificates of public authorities, and for requests whose authority nobody knows yet.
func (i *impact) public() {
	if i.Mail {
		i.mail()
		return
	}
	authority := authorityOf(i.Issuer)
	for _, r := range rules() {
		coming := r.Date >= i.today
		mine := r.Authority == "" || r.Authority == authority
		switch {
		case !mine:
		case r.Kind == KindLife && coming:
			i.life(r, authority)
		case r.Kind == KindValidation && coming && r.Days > 0 && !i.Automated:
			i.add(r.ID, EffectWork, Text{fmt.Sprintf("whoever orders must prove the domains again every %d days", r.Days), fmt.Sprintf("신청하는 사람이 %d일마다 도메인을 다시 검증해야 합니다", r.Days)}, nil)
		case r.Kind == KindValidation && coming && r.Days == 0:
			i.add(r.ID, EffectWatch, r.What, nil)
		case r.Kind == KindClientAuth && coming:
			i.client(r)
		}
	}
	if i.CommonName || i.NotAfter.IsZero() {
		return
	}
	i.add("le-tlsserver", EffectWatch, Text{"it has no common name; very old devices do not accept that", "일반 이름(CN)이 없어 아주 오래된 장치가 받아들이지 않을 수 있습니다"}, nil)
}

// life is what a shorter life means.
func (i *impact) life(r Rule, authority string) {
	before := i.lifeAt(r.Day().Add(-time.Second), authority)
	after := i.lifeAt(r.Day(), authority)
	if before == after {
		return
	}
	what := Text{
		fmt.Sprintf("renewals in a year: %.1f instead of %.1f", RenewalsPerYear(after), RenewalsPerYear(before)),
		fmt.Sprintf("한 해 갱신 횟수 %.1f번(지금까지 %.1f번)", RenewalsPerYear(after), RenewalsPerYear(before))}
	if i.Automated {
		i.add(r.ID, EffectNone, what, &Text{"nothing: it renews by itself", "자동으로 갱신되므로 할 일이 없습니다"})
		return
	}
	what.English += ", each by hand"
	what.Korean += ", 모두 수작업"
	if held := int(i.NotAfter.Sub(i.NotBefore).Hours() / 24); i.NotAfter.After(r.Day()) && held > after {
		what.English += fmt.Sprintf("; the one in force stays good to its end on %s, the next one is shorter", i.NotAfter.Format(time.DateOnly))
		what.Korean += fmt.Sprintf(". 지금 쓰는 것은 %s까지 유효하고, 다음 것부터 짧아집니다", i.NotAfter.Format(time.DateOnly))
	}
	i.add(r.ID, EffectWork, what, nil)
}

func (i *impact) lifeAt(day time.Time, authority string) int {
	for _, a := range authorities() {
		if a.ID == authority {
			return a.LifeAt(day)
		}
	}
	return PublicLife(day)
}

// client is what the end of clientAuth means.
func (i *impact) client(r Rule) {
	switch {
	case i.ClientAuth && i.Partner != "":
		i.add(r.ID, EffectBreaks, Text{
			fmt.Sprintf("the partner %s checks it as a client; what is issued after this day it will refuse", i.Partner),
			fmt.Sprintf("상대 조직 %s이(가) 클라이언트 인증서로 확인합니다. 이날 이후 발급된 것은 거부합니다", i.Partner)}, nil)
	case i.ClientAuth:
		i.add(r.ID, EffectBreaks, Text{
			"it says that it is for clients too; its successor will not, and whoever checks that refuses it",
			"클라이언트 인증 용도가 있지만 다음 것에는 없습니다. 이를 확인하는 곳은 거부합니다"}, nil)
	case i.Partner != "":
		i.add(r.ID, EffectWatch, Text{
			fmt.Sprintf("if the partner %s checks it as a client, it must accept one for servers", i.Partner),
			fmt.Sprintf("상대 조직 %s이(가) 클라이언트 인증서로 확인한다면 서버용 인증서를 받아들여야 합니다", i.Partner)}, nil)
	}
}

// mail is what holds for S/MIME.
func (i *impact) mail() {
	for _, r := range rules() {
		if r.Kind == KindSMIME && r.Date >= i.today {
			i.add(r.ID, EffectWatch, r.What, nil)
		}
	}
}

// end is the certificate's own end.
func (i *impact) end() {
	if i.NotAfter.IsZero() || i.Automated {
		return
	}
	day := i.NotAfter.UTC().Format(time.DateOnly)
	e := Effect{Date: max(day, i.today), Subject: i.Lineage, Listeners: listed(i.Listeners), Partner: i.Partner, Effect: EffectWork,
		What: Text{"it ends on " + day + " and does not renew by itself", day + "에 만료되며 자동으로 갱신되지 않습니다"},
		Do:   Text{"renew it before: postseal cert renew " + i.Lineage, "그 전에 갱신하십시오: postseal cert renew " + i.Lineage}}
	if i.Origin != OriginSelf {
		command := "postseal cert request --lineage " + i.Lineage + " --name " + i.Lineage
		for _, name := range i.Names {
			command += " --domain " + name
		}
		e.Do = Text{"ask its authority for the next one before: " + command, "그 전에 인증 기관에 다음 것을 요청하십시오: " + command}
	}
	if day < i.today {
		e.Effect, e.What = EffectBreaks, Text{"it ended on " + day, day + "에 만료되었습니다"}
	}
	i.effects = append(i.effects, e)
}

// authorityOf recognises an authority by the name of the issuer.
func authorityOf(issuer string) string {
	lower := strings.ToLower(issuer)
	for _, known := range []struct{ part, id string }{
		{"o=let's encrypt", "letsencrypt"}, {"o=internet security research group", "letsencrypt"}, {"o=google trust services", "google"}, {"o=zerossl", "zerossl"},
		{"o=ssl corp", "sslcom"}, {"o=digicert", "digicert"}, {"o=sectigo", "sectigo"}, {"o=actalis", "actalis"},
	} {
		if strings.Contains(lower, known.part) {
			return known.id
		}
	}
	return ""
}

// listed makes a list that JSON shows as one.
func listed(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// Subjects are the certificates of a plan as the calendar sees them: not made yet, and renewed by hand.
func (i *Inventory) Subjects() []Subject {
	var all []Subject
	for _, z := range i.zones {
		s := Subject{Lineage: string(z), Origin: OriginPublic, CommonName: true, Listeners: []string{}}
		if z.private() {
			s.Origin = OriginSelf
		}
		s.Partner, _ = z.Partner()
		for _, n := range i.needs {
			if n.Zone == z {
				s.Names = append(s.Names, n.Name)
			}
		}
		all = append(all, s)
	}
	return all
}
