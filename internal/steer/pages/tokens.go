package pages

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// tokensPage are the tokens with which programs use the API.
type tokensPage struct {
	Tokens  []tokenRow
	New     *newToken // just made; shown this once
	Problem *notice
	Name    string
	Scopes  []option
	Lives   []option
}

type tokenRow struct {
	Name, Scope, MadeBy string
	Level, Word         string
	Ends                stamp
	Used                *stamp
}

type newToken struct {
	Name, Token, Scope string
	Ends               stamp
	Prints             []string
}

// tokens lists the tokens, and asks for a new one.
func (p *center) tokens(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showTokens(w, r, v, tokensPage{}, values{})
}

// showTokens shows the page with what was just made, or why not.
func (p *center) showTokens(w http.ResponseWriter, r *http.Request, v visitor, page tokensPage, given values) {
	var all []desk.TokenView
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "admin/token-list", admin.Nothing{}, &all); err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	for _, t := range all {
		row := tokenRow{Name: t.Name, Scope: v.words.say("scope." + string(t.Scope)), MadeBy: t.MadeBy, Ends: minute(t.ExpiresAt), Used: moment(t.UsedAt), Level: levelGood, Word: v.words.say("tokens.good")}
		if t.Expired {
			row.Level, row.Word = levelBad, v.words.say("tokens.expired")
		}
		page.Tokens = append(page.Tokens, row)
	}
	scope, life := given.Get("scope"), given.Get("life")
	if scope == "" {
		scope, life = string(desk.ScopeRead), "90"
	}
	for _, s := range desk.Scopes() {
		page.Scopes = append(page.Scopes, option{Value: string(s), Label: v.words.say("scope." + string(s)), Help: v.words.say("scope." + string(s) + ".help")})
	}
	for _, n := range tokenLives() {
		page.Lives = append(page.Lives, option{Value: strconv.Itoa(n), Label: v.words.days(n)})
	}
	page.Scopes, page.Lives = chosen(page.Scopes, scope), chosen(page.Lives, life)
	s := sheet{template: "tokens", title: "tokens.title", path: "/tokens", here: "tokens", body: page}
	if page.Problem != nil {
		s.status = http.StatusUnprocessableEntity
	}
	p.show(w, r, v, s)
}

// tokenLives are the lives to choose from, in days.
func tokenLives() []int { return []int{1, 7, 30, 90, 180, 365} }

// makeToken makes a token and shows it, this once.
func (p *center) makeToken(w http.ResponseWriter, r *http.Request, v visitor) {
	given, ok := p.read(w, r)
	if !ok {
		return
	}
	name := strings.TrimSpace(given.Get("name"))
	days, err := strconv.Atoi(given.Get("life"))
	if err != nil || days < 1 || days > 398 {
		days = 90
	}
	var made desk.Token
	err = admin.Local(p.desk, v.actor).Call(r.Context(), "admin/token-new", desk.TokenRequest{Name: name, Scope: desk.Scope(given.Get("scope")), ExpiresIn: int64(days) * 24 * 60 * 60}, &made)
	p.tokenDone(w, r, v, given, tokensPage{Name: name}, err, func(page *tokensPage) {
		page.Name = ""
		page.New = &newToken{Name: made.Name, Token: made.Token, Scope: v.words.say("scope." + string(made.Scope)), Ends: minute(made.ExpiresAt), Prints: made.Fingerprints}
	})
}

// revokeToken makes a token worthless.
func (p *center) revokeToken(w http.ResponseWriter, r *http.Request, v visitor) {
	given, ok := p.read(w, r)
	if !ok {
		return
	}
	err := admin.Local(p.desk, v.actor).Call(r.Context(), "admin/token-revoke", desk.TokenNameRequest{Name: given.Get("name")}, new(desk.TokenView))
	if err != nil {
		p.tokenDone(w, r, v, values{}, tokensPage{}, err, nil)
		return
	}
	http.Redirect(w, r, "/tokens", http.StatusSeeOther)
}

// tokenDone shows the page after an act, or why it was refused.
func (p *center) tokenDone(w http.ResponseWriter, r *http.Request, v visitor, given values, page tokensPage, err error, good func(*tokensPage)) {
	problem, refused := errors.AsType[*admin.Problem](err)
	switch {
	case err == nil:
		good(&page)
	case refused:
		n := v.words.problem(problem)
		page.Problem = &n
	default:
		p.broken(w, r, "acting for a page", err)
		return
	}
	p.showTokens(w, r, v, page, given)
}

func tokensWords() vocabulary {
	return vocabulary{
		"nav.tokens":         {"Tokens", "토큰"},
		"tokens.title":       {"Tokens of the API", "API 토큰"},
		"tokens.teach":       {"Programs and the command line of another machine (--remote) show a token. Each reaches as far as its scope, and ends.", "프로그램과 다른 컴퓨터의 명령줄(--remote)은 토큰을 제시합니다. 토큰마다 권한 범위와 만료일이 있습니다."},
		"tokens.caption":     {"The one that ends first stands first.", "먼저 만료되는 것이 위에 있습니다."},
		"tokens.none":        {"There are no tokens. Nobody uses the API from outside; the command line on this machine needs none.", "토큰이 없습니다. 외부에서 API를 쓰는 프로그램이 없습니다. 이 서버의 명령줄에는 필요하지 않습니다."},
		"tokens.name":        {"Name", "이름"},
		"tokens.name.help":   {"Who uses it: a-z, digits, dots and hyphens. The audit trail names it.", "누가 쓰는지: 영문 소문자, 숫자, 점, 하이픈. 감사 기록에 이 이름이 남습니다."},
		"tokens.scope":       {"Scope", "권한 범위"},
		"tokens.life":        {"Ends after", "유효 기간"},
		"tokens.ends":        {"Ends", "만료"},
		"tokens.used":        {"Last used", "마지막 사용"},
		"tokens.never":       {"never", "없음"},
		"tokens.by":          {"made by", "만든 사람:"},
		"tokens.good":        {"in force", "유효"},
		"tokens.expired":     {"ended", "만료됨"},
		"tokens.new":         {"A new token", "새 토큰"},
		"tokens.make":        {"Make the token", "토큰 만들기"},
		"tokens.revoke":      {"Revoke", "취소"},
		"tokens.revoke.of":   {"Revoke the token %s", "토큰 취소: %s"},
		"tokens.revoke.sure": {"Whatever uses it is refused from then on.", "이 토큰을 쓰는 프로그램은 그때부터 거부됩니다."},
		"tokens.once":        {"This is the token %s. It is shown this once: copy it now.", "토큰 %s입니다. 지금 한 번만 보이므로 바로 복사하십시오."},
		"tokens.prints":      {"Fingerprint of this server, for --fingerprint", "--fingerprint에 쓸 이 서버의 지문"},
		"scope.read":         {"read", "조회"},
		"scope.read.help":    {"looks, changes nothing", "보기만 하고 바꾸지 않습니다"},
		"scope.operate":      {"operate", "운영"},
		"scope.operate.help": {"makes, renews and enables certificates too", "TLS 인증서를 만들고 갱신하고 서비스에 쓸 수도 있습니다"},
		"scope.admin":        {"admin", "관리"},
		"scope.admin.help":   {"everything: private keys, trust, listeners, tokens", "개인 키, 신뢰, 리스너, 토큰까지 모두"},
	}
}
