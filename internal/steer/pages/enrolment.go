package pages

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// enrolmentPage is how machines enrol by themselves with ACME (RFC 8555): the keys that let them make accounts, the
// accounts, and when they renew.
type enrolmentPage struct {
	Keys     []enrolmentKey
	New      *newKey // just made; shown this once
	Accounts []enrolmentAccount
	Windows  []windowRow
	Problem  *notice

	// What the forms show: again what was given, if it was refused.
	Profile field
	Lives   []option
	Domains string
	Count   string
	Whom    []option
	Hours   []option
	Web     string
}

type enrolmentKey struct {
	ID, Profile, By, Used string
	Domains               []string
	Level, Word           string
	Ends                  stamp
	Gone                  bool
}

type newKey struct {
	ID, Key, Directory, Name string
	Ends                     stamp
}

type enrolmentAccount struct {
	ID, Authority, Key, Profile string
	Href                        string // what it was issued
	Contact, Domains            []string
	Level, Word                 string
	Since                       stamp
	Gone                        bool
}

type windowRow struct {
	ID, Whom, Web       string
	Issued, Begin, Over stamp
}

// enrolmentRoutes are the page about enrolling and what its buttons do.
func (p *center) enrolmentRoutes() routes {
	return routes{
		"/authority/acme":     {http.MethodGet: p.signedIn(p.enrolment)},
		"/authority/acme/key": {http.MethodPost: p.signedIn(p.makeKey)},
		"/authority/acme/key/revoke": {http.MethodPost: p.signedIn(p.enrolmentAct(func(g values) (string, any, any) {
			return "ca/eab-revoke", desk.EABRevocation{ID: g.Get("id")}, new(desk.EABView)
		}))},
		"/authority/acme/account/revoke": {http.MethodPost: p.signedIn(p.enrolmentAct(func(g values) (string, any, any) {
			return "ca/account-revoke", desk.EABRevocation{ID: g.Get("id")}, new(desk.AccountView)
		}))},
		"/authority/acme/renew": {http.MethodPost: p.signedIn(p.enrolmentAct(moving))},
		"/authority/acme/renew/usual": {http.MethodPost: p.signedIn(p.enrolmentAct(func(g values) (string, any, any) {
			return "ca/ari-restore", desk.WindowName{ID: g.Get("id")}, new(desk.WindowView)
		}))},
	}
}

// moving is the request to let clients renew soon.
func moving(g values) (act string, request, answer any) {
	hours, err := strconv.Atoi(g.Get("within"))
	if err != nil || hours < 1 || hours > 30*24 {
		hours = 24
	}
	return "ca/ari-move", desk.WindowRequest{Authority: g.Get("whom"), End: time.Now().Add(time.Duration(hours) * time.Hour).UTC().Truncate(time.Second), Explanation: strings.TrimSpace(g.Get("web"))}, new(desk.WindowView)
}

// enrolment shows the page.
func (p *center) enrolment(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showEnrolment(w, r, v, enrolmentPage{}, values{})
}

// showEnrolment shows the page with what was just made, or why not.
func (p *center) showEnrolment(w http.ResponseWriter, r *http.Request, v visitor, page enrolmentPage, g values) {
	api := admin.Local(p.desk, v.actor)
	var keys []desk.EABView
	var accounts []desk.AccountView
	var windows []desk.WindowView
	err := errors.Join(api.Call(r.Context(), "ca/eab-list", admin.Nothing{}, &keys), api.Call(r.Context(), "ca/account-list", admin.Nothing{}, &accounts), api.Call(r.Context(), "ca/ari-list", admin.Nothing{}, &windows))
	if err == nil {
		page.Profile, err = p.profilesOf(r, v, g)
	}
	if err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	for _, k := range keys {
		row := enrolmentKey{ID: k.ID, Profile: k.Profile, By: k.MadeBy, Domains: k.Domains, Used: v.words.say("acme.used", grouped(k.Made), grouped(k.Accounts)), Ends: minute(k.ExpiresAt), Word: v.words.say("acme.state." + k.State), Level: "off", Gone: k.State == "revoked"}
		if k.State == "open" {
			row.Level = levelGood
		}
		page.Keys = append(page.Keys, row)
	}
	for _, a := range accounts {
		row := enrolmentAccount{ID: a.ID, Href: address("/authority/book", "requester", "acme "+a.ID), Authority: a.Authority, Key: a.Key, Profile: a.Profile, Contact: a.Contact, Domains: a.Domains, Word: v.words.say("acme.account." + a.State), Level: "off", Since: minute(a.CreatedAt), Gone: a.State != "valid"}
		if !row.Gone {
			row.Level = levelGood
		}
		page.Accounts = append(page.Accounts, row)
	}
	for _, m := range windows {
		whom := v.words.say("purpose." + m.Authority)
		if m.Profile != "" {
			whom = m.Profile
		}
		page.Windows = append(page.Windows, windowRow{ID: m.ID, Whom: whom, Web: m.Explanation, Issued: minute(m.IssuedBefore), Begin: minute(m.Begin), Over: minute(m.End)})
	}
	page.offer(v.words, g)
	s := sheet{template: "enrolment", title: "acme.title", path: "/authority/acme", here: "authority", body: page}
	if page.Problem != nil {
		s.status = http.StatusUnprocessableEntity
	}
	p.show(w, r, v, s)
}

// offer fills in what the forms have to choose from.
func (page *enrolmentPage) offer(w *words, g values) {
	for _, n := range []int{1, 7, 30, 90, 365} {
		page.Lives = append(page.Lives, option{Value: strconv.Itoa(n), Label: w.days(n)})
	}
	for _, n := range []int{1, 6, 24, 3 * 24, 7 * 24} {
		page.Hours = append(page.Hours, option{Value: strconv.Itoa(n), Label: w.say("acme.within." + strconv.Itoa(n))})
	}
	for _, purpose := range []string{"servers", "clients"} {
		page.Whom = append(page.Whom, option{Value: purpose, Label: w.say("purpose." + purpose)})
	}
	given := func(name, usual string) string {
		if value := g.Get(name); value != "" {
			return value
		}
		return usual
	}
	page.Lives, page.Hours, page.Whom = chosen(page.Lives, given("life", "30")), chosen(page.Hours, given("within", "24")), chosen(page.Whom, given("whom", "servers"))
	page.Domains, page.Count, page.Web = g.Get("domains"), given("accounts", "1"), g.Get("web")
}

// makeKey makes a key for accounts and shows it, this once.
func (p *center) makeKey(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	days, err := strconv.Atoi(g.Get("life"))
	if err != nil || days < 1 || days > 398 {
		days = 30
	}
	accounts, err := strconv.Atoi(strings.TrimSpace(g.Get("accounts")))
	if err != nil {
		accounts = -1 // which is refused, in words
	}
	var made desk.EAB
	request := desk.EABRequest{Profile: g.Get("profile"), Domains: g.lines("domains"), Accounts: accounts, ExpiresIn: int64(days) * 24 * 60 * 60}
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/eab-new", request, &made); err != nil {
		p.enrolmentRefused(w, r, v, g, err)
		return
	}
	key := &newKey{ID: made.ID, Key: made.Key, Directory: made.Directory, Ends: minute(made.ExpiresAt), Name: "NAME"}
	if len(made.Domains) > 0 {
		key.Name = "host." + made.Domains[0]
	}
	p.showEnrolment(w, r, v, enrolmentPage{New: key}, values{})
}

// enrolmentAct answers a button: the act that its form means is done, and the page shows what came of it.
func (p *center) enrolmentAct(mean func(values) (act string, request, answer any)) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		g, ok := p.read(w, r)
		if !ok {
			return
		}
		act, request, answer := mean(g)
		if err := admin.Local(p.desk, v.actor).Call(r.Context(), act, request, answer); err != nil {
			p.enrolmentRefused(w, r, v, g, err)
			return
		}
		http.Redirect(w, r, "/authority/acme", http.StatusSeeOther)
	}
}

// enrolmentRefused shows the page with why an act was not done, and what was given.
func (p *center) enrolmentRefused(w http.ResponseWriter, r *http.Request, v visitor, g values, err error) {
	problem, refused := errors.AsType[*admin.Problem](err)
	if !refused {
		p.broken(w, r, "acting for a page", err)
		return
	}
	n := v.words.problem(problem)
	p.showEnrolment(w, r, v, enrolmentPage{Problem: &n}, g)
}

func enrolmentWords() vocabulary {
	return vocabulary{
		"acme.title":               {"Machines that enrol by themselves", "스스로 발급받는 기기"},
		"acme.teach":               {"Certbot, Caddy and others get certificates over ACME and renew them. A machine needs a key for its first account; the key says for which profile and below which domains.", "Certbot, Caddy 같은 프로그램은 ACME로 TLS 인증서를 받고 스스로 갱신합니다. 처음 계정을 만들 때 등록 키가 필요하며, 키마다 프로필과 도메인이 정해져 있습니다."},
		"acme.link":                {"ACME", "ACME"},
		"acme.keys":                {"Keys for accounts", "등록 키(EAB)"},
		"acme.keys.caption":        {"The newest first", "최근 것부터"},
		"acme.keys.none":           {"There is no key, so no machine can make an account.", "등록 키가 없어 어떤 기기도 계정을 만들 수 없습니다."},
		"acme.key":                 {"Key", "등록 키"},
		"acme.for":                 {"For", "용도"},
		"acme.below":               {"Names below", "도메인"},
		"acme.uses":                {"Accounts", "계정"},
		"acme.used":                {"%s of %s", "%s/%s"},
		"acme.by":                  {"made by", "만든 사람:"},
		"acme.state.open":          {"open", "쓸 수 있음"},
		"acme.state.used":          {"used up", "다 씀"},
		"acme.state.expired":       {"ended", "만료됨"},
		"acme.state.revoked":       {"revoked", "취소됨"},
		"acme.revoke":              {"Revoke", "취소"},
		"acme.revoke.key":          {"Revoke the key %s", "등록 키 취소: %s"},
		"acme.revoke.key.sure":     {"Its accounts are shut out too. What they were issued stays good.", "이 키로 만든 계정도 막힙니다. 이미 발급한 것은 그대로 유효합니다."},
		"acme.revoke.account":      {"Shut out the account %s", "계정 막기: %s"},
		"acme.revoke.account.sure": {"It gets nothing more. What it was issued stays good.", "더는 발급받지 못합니다. 이미 발급한 것은 그대로 유효합니다."},
		"acme.shut":                {"Shut out", "막기"},
		"acme.new":                 {"A new key", "새 등록 키"},
		"acme.make":                {"Make the key", "등록 키 만들기"},
		"acme.domains.help":        {"One in a line. Empty: those of the profile.", "한 줄에 하나씩 적습니다. 비우면 프로필의 도메인을 씁니다."},
		"acme.accounts":            {"Accounts that it makes", "만들 수 있는 계정 수"},
		"acme.life":                {"Makes them within", "계정을 만들 수 있는 기간"},
		"acme.once":                {"The key %s. It is shown this once: copy it now.", "등록 키 %s입니다. 지금 한 번만 보이므로 바로 복사하십시오."},
		"acme.directory":           {"Address of the directory", "디렉터리 주소"},
		"acme.example":             {"On the machine, for example", "기기에서 실행할 명령의 예"},
		"acme.list":                {"Accounts", "계정"},
		"acme.list.none":           {"There are no accounts yet.", "아직 계정이 없습니다."},
		"acme.account":             {"Account", "계정"},
		"acme.since":               {"Since", "만든 때"},
		"acme.account.valid":       {"good", "유효"},
		"acme.account.deactivated": {"given up by itself", "스스로 그만둠"},
		"acme.account.revoked":     {"shut out", "막힘"},
		"acme.renew":               {"When they renew", "갱신하는 때"},
		"acme.renew.teach":         {"Clients that ask for renewal information (ARI, RFC 9773) renew when they are told: usually in the last third of a life. Tell them another time before many certificates are revoked, or as a drill.", "갱신 정보(ARI, RFC 9773)를 묻는 클라이언트는 알려 준 때에 갱신합니다. 보통은 유효 기간의 마지막 3분의 1입니다. 많은 TLS 인증서를 폐기하기 전이나 훈련할 때 다른 때를 알려 주십시오."},
		"acme.renew.none":          {"They renew at the usual time.", "평소의 때에 갱신합니다."},
		"acme.renew.issued":        {"Issued before", "이때 전에 발급한 것"},
		"acme.renew.window":        {"Renews between", "갱신 기간"},
		"acme.renew.usual":         {"The usual time again", "평소대로 되돌리기"},
		"acme.renew.usual.of":      {"The usual time again for %s", "평소대로 되돌리기: %s"},
		"acme.renew.whom":          {"Certificates for", "대상"},
		"acme.renew.within":        {"All of them renew within", "모두 갱신할 기간"},
		"acme.renew.web":           {"Page that says why", "이유를 알리는 페이지"},
		"acme.renew.web.help":      {"An https address, for people who read the client's log.", "https 주소. 클라이언트의 기록을 읽는 사람을 위한 것입니다."},
		"acme.renew.do":            {"Let them renew", "갱신시키기"},
		"acme.within.1":            {"an hour", "1시간"},
		"acme.within.6":            {"6 hours", "6시간"},
		"acme.within.24":           {"a day", "하루"},
		"acme.within.72":           {"3 days", "3일"},
		"acme.within.168":          {"a week", "일주일"},
		"acme.renew.move":          {"Let all of them renew soon", "곧 모두 갱신시키기"},
	}
}
