package pages

import (
	"net/http"
	"slices"
	"strconv"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// tenths prints a number with one place behind the point, none where that says nothing.
func tenths(n float64) string {
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// maxEffects bounds what the calendar tells of our own certificates.
const maxEffects = 200

// calendarPage is which rules change, and what that means here.
type calendarPage struct {
	Effects []effectRow
	More    string
	Rules   []ruleRow
}

type effectRow struct {
	Day                 stamp
	Level, Word         string
	Subject, Page, What string
	Do                  []piece
	Listeners           []string
}

type ruleRow struct {
	Day                stamp
	What, Source, AsOf string
	Do                 []piece
}

// calendar shows the rules that come, and what of ours they concern.
func (p *center) calendar(w http.ResponseWriter, r *http.Request, v visitor) {
	var got plan.Calendar
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "plan/calendar", desk.CalendarRequest{}, &got); err != nil {
		p.refuse(w, r, v, "/plan", err)
		return
	}
	page := calendarPage{}
	levels := map[string]string{plan.EffectBreaks: levelBad, plan.EffectWork: levelWarn, plan.EffectWatch: levelGood}
	more := 0
	for _, e := range got.Effects {
		switch {
		case e.Effect == plan.EffectNone:
		case len(page.Effects) == maxEffects:
			more++
		default:
			page.Effects = append(page.Effects, effectRow{Day: dated(e.Date), Level: levels[e.Effect], Word: v.words.say("effect." + e.Effect), Subject: e.Subject,
				Page: address("/certificate", "id", e.Subject), What: v.words.text(e.What), Do: pieces(v.words.text(e.Do)), Listeners: e.Listeners})
		}
	}
	if more > 0 {
		page.More = v.words.say("calendar.more", grouped(more))
	}
	for _, rule := range got.Rules {
		page.Rules = append(page.Rules, ruleRow{Day: dated(rule.Date), What: v.words.text(rule.What), Do: pieces(v.words.text(rule.Do)), Source: rule.Source, AsOf: rule.AsOf})
	}
	p.show(w, r, v, sheet{template: "calendar", title: "calendar.title", path: "/plan/calendar", here: "plan", body: page})
}

// fitsPage is which public authority does what is wanted.
type fitsPage struct {
	Wants []option
	Fits  []fitRow
}

type fitRow struct {
	Name, Level, Word string
	Reasons           []string
	Life              []string
	Cost              string
	Trusted           []fact
	Can               []fact
}

// authorities shows which public authority fits.
func (p *center) authorities(w http.ResponseWriter, r *http.Request, v visitor) {
	var wants []string
	for _, want := range r.URL.Query()["want"] {
		if slices.Contains(plan.WantWords(), want) && !slices.Contains(wants, want) {
			wants = append(wants, want)
		}
	}
	var got []plan.Fit
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "plan/authorities", plan.Wants{Features: wants}, &got); err != nil {
		p.refuse(w, r, v, "/plan", err)
		return
	}
	var keep []string
	for _, want := range wants {
		keep = append(keep, "want", want)
	}
	page := fitsPage{}
	for _, word := range plan.WantWords() {
		page.Wants = append(page.Wants, option{Value: word, Label: v.words.say("want." + word)})
	}
	page.Wants = chosen(page.Wants, wants...)
	levels := map[string]string{plan.FitYes: levelGood, plan.FitUnknown: levelWarn, plan.FitNo: levelBad}
	for _, f := range got {
		a := f.Authority
		row := fitRow{Name: a.Name, Level: levels[f.Fits], Word: v.words.say("fits." + f.Fits), Reasons: v.words.sentences(f.Reasons), Cost: v.words.factOf(a.Cost)}
		for _, l := range a.Life {
			row.Life = append(row.Life, v.words.say("fits.life", v.words.days(l.Days), l.From))
		}
		for _, one := range []struct {
			word string
			fact plan.Fact
		}{{"acme", a.ACME}, {"eab", a.EAB}, {"ari", a.ARI}, {"wildcard", a.Wildcard}, {"common-name", a.CommonName}, {"ip", a.IP}, {"client-auth", a.ClientAuth}} {
			row.Can = append(row.Can, fact{Name: v.words.say("fact." + one.word), Value: v.words.factOf(one.fact)})
		}
		for _, one := range []struct {
			word string
			fact plan.Fact
		}{{"Windows", a.Windows}, {"iOS", a.IOS}, {"Java", a.Java}} {
			row.Trusted = append(row.Trusted, fact{Name: one.word, Value: v.words.factOf(one.fact)})
		}
		row.Trusted = append(row.Trusted, fact{Name: v.words.say("fact.old-android"), Value: v.words.factOf(a.OldAndroid)})
		page.Fits = append(page.Fits, row)
	}
	p.show(w, r, v, sheet{template: "authorities", title: "fits.title", path: "/plan/authorities", keep: keep, here: "plan", body: page})
}

// factOf words the value of a fact; numbers stand for themselves.
func (w *words) factOf(f plan.Fact) string {
	if text, ok := w.texts["value."+f.Value]; ok {
		return text
	}
	if f.Value == "" {
		return w.say("value.unknown")
	}
	return f.Value
}

func calendarWords() vocabulary {
	return vocabulary{
		"calendar.title":   {"Calendar of rules", "규정 일정"},
		"calendar.teach":   {"What changes when, for certificates everywhere, and what of yours is concerned.", "TLS 인증서에 관한 규정이 언제 어떻게 바뀌는지, 그리고 이 조직의 무엇이 영향을 받는지입니다."},
		"calendar.ours":    {"What of yours is concerned", "이 조직이 받는 영향"},
		"calendar.caption": {"By day. Do what stands there before it.", "날짜순입니다. 그날이 되기 전에 적힌 일을 하십시오."},
		"calendar.none":    {"None of the rules concerns a certificate here.", "이곳의 TLS 인증서에 영향을 주는 규정은 없습니다."},
		"calendar.more":    {"%s more; see them with the command below.", "%s건 더 있습니다. 아래 명령으로 볼 수 있습니다."},
		"calendar.rules":   {"The rules", "규정"},
		"calendar.sources": {"What comes, with who says so.", "앞으로 바뀌는 것과 그 출처입니다."},
		"calendar.day":     {"Day", "날짜"},
		"calendar.what":    {"What", "내용"},
		"calendar.do":      {"What to do", "할 일"},
		"calendar.source":  {"Source", "출처"},
		"effect.breaks":    {"breaks", "중단됨"},
		"effect.work":      {"more work", "일이 늘어남"},
		"effect.watch":     {"look at it", "살펴볼 것"},

		"fits.title":       {"Which authority fits", "맞는 인증 기관"},
		"fits.teach":       {"Tick what you need. Where nobody has published a fact it says so; nothing is guessed.", "필요한 것에 표시하십시오. 공개된 사실이 없으면 그렇다고 적습니다. 추측하지 않습니다."},
		"fits.wants":       {"What you need", "필요한 것"},
		"fits.show":        {"Show", "보기"},
		"fits.caption":     {"Those that fit stand first.", "맞는 것이 위에 있습니다."},
		"fits.authority":   {"Authority", "인증 기관"},
		"fits.yes":         {"fits", "맞음"},
		"fits.no":          {"does not fit", "맞지 않음"},
		"fits.unknown":     {"not known", "알 수 없음"},
		"fits.can":         {"What it does", "할 수 있는 것"},
		"fits.trusted":     {"Trusted by", "신뢰하는 쪽"},
		"fits.life":        {"%s from %s", "%s(%s부터)"},
		"fits.cost":        {"Cost", "비용"},
		"want.acme":        {"ACME", "ACME"},
		"want.no-eab":      {"an account without EAB", "EAB 없는 계정"},
		"want.ari":         {"ARI", "ARI"},
		"want.wildcard":    {"wildcards", "와일드카드"},
		"want.common-name": {"a common name", "일반 이름(CN)"},
		"want.ip":          {"IP addresses", "IP 주소"},
		"want.client-auth": {"for clients too", "클라이언트 인증"},
		"want.free":        {"no cost", "무료"},
		"want.windows":     {"trusted by Windows", "Windows가 신뢰"},
		"want.ios":         {"trusted by iOS", "iOS가 신뢰"},
		"want.old-android": {"trusted by old Android", "오래된 Android가 신뢰"},
		"want.java":        {"trusted by Java", "Java가 신뢰"},
		"fact.acme":        {"ACME", "ACME"},
		"fact.eab":         {"EAB needed", "EAB 필요"},
		"fact.ari":         {"ARI", "ARI"},
		"fact.wildcard":    {"wildcard", "와일드카드"},
		"fact.common-name": {"common name", "일반 이름(CN)"},
		"fact.ip":          {"IP addresses", "IP 주소"},
		"fact.client-auth": {"for clients", "클라이언트 인증"},
		"fact.old-android": {"old Android", "오래된 Android"},

		"value.unknown":      {"not known", "알 수 없음"},
		"value.yes":          {"yes", "예"},
		"value.no":           {"no", "아니요"},
		"value.paid":         {"paid", "유료"},
		"value.free":         {"free", "무료"},
		"value.short-lived":  {"short-lived only", "단기만"},
		"value.on request":   {"on request", "요청 시"},
		"value.free or paid": {"free or paid", "무료 또는 유료"},
	}
}
