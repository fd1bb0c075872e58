package pages

import (
	"net/http"
	"slices"
	"strings"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// planPage is which certificates would do for this organisation, in several choices.
type planPage struct {
	Authorities []option
	Authority   string
	Names       string
	Warnings    []string
	Choices     []choiceView
}

// choiceView is one choice, with what it costs.
type choiceView struct {
	Name, Title, Teach string
	Recommended        bool
	Certificates       string
	Entries            string
	Wildcards          string
	Renewals           []string
	Stolen, Together   string
	Reasons, Breaks    []string
	Redirects          []string
	Made               []plannedRow
}

// plannedRow is a certificate of a choice.
type plannedRow struct {
	Names  []string
	Zone   string
	Issuer string
	Days   string
}

// plan shows the plan of this organisation.
func (p *center) plan(w http.ResponseWriter, r *http.Request, v visitor) {
	authority := r.URL.Query().Get("authority")
	if !slices.Contains(plan.AuthorityWords(), authority) {
		authority = plan.IssuerPublic
	}
	var got plan.Plan
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "plan/show", desk.PlanRequest{Authority: authority}, &got); err != nil {
		p.refuse(w, r, v, "/plan", err)
		return
	}
	page := planPage{Authority: authority, Names: grouped(got.Names), Warnings: v.words.sentences(got.Warnings)}
	for _, word := range plan.AuthorityWords() {
		page.Authorities = append(page.Authorities, option{Value: word, Label: v.words.issuer(word)})
	}
	page.Authorities = chosen(page.Authorities, authority)
	for _, c := range got.Choices {
		page.Choices = append(page.Choices, v.words.choice(c))
	}
	p.show(w, r, v, sheet{template: "plan", title: "plan.title", path: "/plan", keep: []string{"authority", r.URL.Query().Get("authority")}, here: "plan", body: page})
}

// issuer is the name of an authority, by its word.
func (w *words) issuer(word string) string {
	for _, a := range plan.Authorities() {
		if a.ID == word {
			return a.Name
		}
	}
	return w.say("issuer." + word)
}

// zone is where a certificate is used.
func (w *words) zone(z plan.Zone) string {
	if partner, ok := z.Partner(); ok {
		return w.say("zone.partner", partner)
	}
	return w.say("zone." + string(z))
}

// choice words a choice.
func (w *words) choice(c plan.Choice) choiceView {
	view := choiceView{Name: c.Name, Title: w.say("choice." + c.Name), Teach: w.say("choice." + c.Name + ".teach"), Recommended: c.Recommended,
		Certificates: grouped(c.Cost.Certificates), Entries: grouped(c.Cost.Names), Wildcards: grouped(c.Cost.Wildcards), Together: grouped(c.Cost.Together),
		Stolen: w.say("plan.stolen", grouped(c.Cost.Stolen)), Reasons: w.sentences(c.Reasons), Breaks: w.sentences(c.Cost.Breaks)}
	if c.Cost.Unbounded {
		view.Stolen = w.say("plan.stolen-any", grouped(c.Cost.Stolen))
	}
	for _, one := range c.Cost.Renewals {
		view.Renewals = append(view.Renewals, w.say("plan.renewals", tenths(one.Renewals), one.From[:len("2006-01")]))
	}
	for _, one := range c.Redirects {
		view.Redirects = append(view.Redirects, one.From+" → "+one.To)
	}
	for _, one := range c.Certificates {
		view.Made = append(view.Made, plannedRow{Names: one.Entries, Zone: w.zone(one.Zone), Issuer: w.issuer(one.Issuer), Days: w.days(one.Days)})
	}
	return view
}

// applyPlan makes the step of carrying out a choice, with what it makes.
func (p *center) applyPlan(r *http.Request, v visitor, g values) (draft, error) {
	request := desk.ApplyRequest{PlanRequest: desk.PlanRequest{Authority: g.Get("authority")}, Choice: g.Get("choice")}
	d := draft{back: address("/plan", "authority", request.Authority), then: "/certificates"}
	s, err := newStep("plan/apply", "act.plan", g.Get("choice"), request)
	if err != nil {
		return d, err
	}
	if _, ok := v.words.texts["choice."+g.Get("choice")]; ok {
		s.object = v.words.say("choice." + g.Get("choice"))
	}
	request.DryRun = true
	var answer desk.ApplyAnswer
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "plan/apply", request, &answer); err == nil { // the preview says why not
		for _, one := range answer.Planned {
			what := "plan.makes"
			switch {
			case one.There:
				what = "plan.there"
			case one.Issuer != plan.IssuerSelf:
				what = "plan.asks"
			}
			s.will = append(s.will, v.words.say(what, strings.Join(one.Names, ", ")))
		}
	}
	d.steps = []step{s}
	return d, nil
}

func planWords() vocabulary {
	return vocabulary{
		"nav.plan":          {"Plan", "계획"},
		"plan.title":        {"Plan", "계획"},
		"plan.teach":        {"Which certificates would do for the names and services here: several choices, each the fewest of its kind, with what they cost in safety and work.", "이곳의 이름과 서비스에 필요한 TLS 인증서를 여러 방안으로 계산합니다. 방안마다 그 종류에서 가장 적은 수이며, 안전과 일의 비용이 함께 적혀 있습니다."},
		"plan.authority":    {"By the limits of", "기준으로 삼을 발급자"},
		"plan.compute":      {"Compute", "계산"},
		"plan.calendar":     {"Calendar of rules", "규정 일정"},
		"plan.fits":         {"Which authority fits", "맞는 인증 기관"},
		"plan.caption":      {"Choices for %s needed names; the recommended one stands first.", "필요한 이름 %s개에 대한 방안입니다. 권장하는 것이 맨 위에 있습니다."},
		"plan.choice":       {"Choice", "방안"},
		"plan.certificates": {"Certificates", "TLS 인증서 수"},
		"plan.entries":      {"Names", "이름 수"},
		"plan.wildcards":    {"Wildcards", "와일드카드"},
		"plan.work":         {"Renewals a year", "연간 갱신"},
		"plan.stolen-title": {"A stolen key poses as", "키 하나를 도난당하면"},
		"plan.together":     {"Replaced together", "함께 바꿀 것"},
		"plan.stolen":       {"%s of the names", "이름 %s개 행세"},
		"plan.stolen-any":   {"%s of the names, and any other host", "이름 %s개와 그 밖의 모든 호스트 행세"},
		"plan.renewals":     {"%s from %s", "%s회(%s부터)"},
		"plan.recommended":  {"recommended", "권장"},
		"plan.reasons":      {"Why", "이유"},
		"plan.breaks":       {"Clients that it does not suit", "맞지 않는 클라이언트"},
		"plan.redirects":    {"Host names that could go", "없앨 수 있는 호스트 이름"},
		"plan.makes-title":  {"What it makes", "만드는 것"},
		"plan.zone":         {"Where", "쓰는 곳"},
		"plan.issuer":       {"Issuer", "발급자"},
		"plan.days":         {"Life", "유효 기간"},
		"plan.apply":        {"Carry it out", "실행"},
		"plan.apply.of":     {"Carry it out: %s", "실행: %s"},
		"plan.makes":        {"Make a self-signed certificate: %s", "자체 서명 TLS 인증서 생성: %s"},
		"plan.asks":         {"Make a key and a request for the authority: %s", "키와 인증 기관에 보낼 요청 생성: %s"},
		"plan.there":        {"There already: %s", "이미 있음: %s"},
		"preview.will":      {"This would be made:", "만들 것:"},
		"preview.compare":   {"Compare with what the authority says of itself, by another way:", "인증 기관이 다른 경로로 알린 것과 비교하십시오:"},
		"trust.print":       {"%s: SHA-256 %s", "%s: SHA-256 %s"},
		"trust.give":        {"Give what is trusted here to other systems:", "여기서 신뢰하는 것을 다른 시스템에 주려면:"},
		"plan.file":         {"For names that are not served here, give a file:", "여기서 제공하지 않는 이름은 파일로 지정하십시오:"},

		"act.plan":      {"Carry out the plan: %s", "계획 실행: %s"},
		"act.plan.done": {"Carried out: %s", "실행했습니다: %s"},

		"issuer.public":   {"any public authority", "모든 공인 인증 기관"},
		"issuer.self":     {"self-signed", "자체 서명"},
		"zone.inside":     {"mail servers", "메일 서버"},
		"zone.edge":       {"edge", "경계 서버"},
		"zone.management": {"management", "관리"},
		"zone.internal":   {"between servers", "서버 사이"},
		"zone.partner":    {"partner %s", "협력사 %s"},

		"choice.san":            {"Names spelled out", "이름을 모두 적기"},
		"choice.san.teach":      {"as few certificates as that allows", "그 안에서 가장 적은 수"},
		"choice.mixed":          {"A few wildcards", "와일드카드 약간"},
		"choice.mixed.teach":    {"only those that save a certificate", "TLS 인증서 수를 줄이는 것만"},
		"choice.wildcard":       {"Wildcards", "와일드카드"},
		"choice.wildcard.teach": {"every one that saves a name", "이름 수를 줄이는 것 모두"},
		"choice.per-host":       {"One for each name", "이름마다 하나"},
		"choice.per-host.teach": {"a stolen key poses as one host", "키를 도난당해도 호스트 하나에 그칩니다"},
		"choice.one-name":       {"One host name", "호스트 이름 하나"},
		"choice.one-name.teach": {"one name for several services", "여러 서비스가 한 이름을 함께 씁니다"},
	}
}
