package pages

import (
	"net/http"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// shapeForms change what our own authority is and what may be asked of it.
func (p *center) shapeForms() map[string]form {
	return map[string]form{"/authority/extend": p.extendForm(), "/authority/rollover": p.rolloverForm(), "/authority/revoke-authority": p.fallForm(), "/authority/profile": p.profileForm(), "/authority/profile/remove": p.unprofileForm()}
}

// extendForm asks for what the authorities may certify besides what they may already.
func (p *center) extendForm() form {
	return form{title: "extend.title", intro: "extend.intro", send: "form.preview", here: "authority",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			domains, networks := v.words.ask("area", "domains", g, false), v.words.ask("area", "networks", g, false)
			domains.Help = v.words.say("extend.domains.help")
			return []field{domains, networks}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			r := desk.ExtendRequest{Domains: g.lines("domains"), Networks: g.lines("networks")}
			s, err := newStep("ca/extend", "act.ca-extend", listed(append(r.Domains, r.Networks...)), r)
			return draft{steps: []step{s}, back: "/authority/extend", then: "/authority"}, err
		}}
}

// rolloverForm asks which authority gets a successor.
func (p *center) rolloverForm() form {
	return form{title: "rollover.title", intro: "rollover.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			var all desk.AuthoritiesView
			if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/show", admin.Nothing{}, &all); err != nil {
				return nil, err
			}
			var options []option
			for _, a := range all.Authorities {
				if a.State == state.AuthorityActive {
					options = append(options, option{Value: a.Name, Label: a.Name, Help: a.Subject})
				}
			}
			return []field{v.words.choose("authority", chosen(options, g.Get("authority")))}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			s, err := newStep("ca/rollover", "act.ca-rollover", g.Get("authority"), desk.RolloverRequest{Name: g.Get("authority")})
			return draft{steps: []step{s}, back: address("/authority/rollover", "authority", g.Get("authority")), then: "/authority"}, err
		}}
}

// profilesPage is what may be asked of our own authority.
type profilesPage struct{ Rows []profileLine }

type profileLine struct {
	Name, What, Purpose, Life, Keys, Change, Remove string
	Domains, Names                                  []string
	Origin                                          string
	Second                                          bool
}

// profiles lists them.
func (p *center) profiles(w http.ResponseWriter, r *http.Request, v visitor) {
	var all []desk.ProfileView
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/profile-list", admin.Nothing{}, &all); err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	var page profilesPage
	for _, one := range all {
		o := one.Profile
		row := profileLine{Name: o.Name, What: v.words.texts["profile."+o.Name], Purpose: v.words.say("purpose." + string(o.Purpose)), Life: o.Life, Domains: o.Domains, Second: o.Approval,
			Origin: v.words.say("profiles.origin." + strings.ReplaceAll(one.Origin, " ", "-")), Change: address("/authority/profile", "profile", o.Name)}
		for _, n := range o.Names {
			row.Names = append(row.Names, v.words.say("profiles.names."+string(n)))
		}
		if one.Origin != desk.ProfileBuiltIn {
			row.Remove = address("/authority/profile/remove", "profile", o.Name)
		}
		page.Rows = append(page.Rows, row)
	}
	p.show(w, r, v, sheet{template: "profiles", title: "profiles.title", path: "/authority/profiles", here: "authority", body: page})
}

// profileForm asks how a profile differs from one that there is. What it does not ask for, such as usages and kinds of
// keys, stays as it is there; a file that says everything is for the command line.
func (p *center) profileForm() form {
	return form{title: "profile-set.title", intro: "profile-set.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			like, err := p.profilesOf(r, v, g)
			if err != nil {
				return nil, err
			}
			if r.Method == http.MethodGet {
				var base desk.ProfileView
				if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/profile-show", admin.Named{ID: oneOr(g.Get("profile"), "server")}, &base); err != nil {
					return nil, err
				}
				g = profileValues(base.Profile)
			}
			like.Label, like.Help = w.say("profile-set.like"), w.say("profile-set.like.help")
			domains, networks := w.ask("area", "domains", g, false), w.ask("area", "networks", g, false)
			domains.Help = w.say("profile-set.domains.help")
			return []field{like, w.ask("text", "profile-name", g, false), domains, networks, w.ask("area", "patterns", g, false), w.ask("text", "life", g, false), w.check("wildcards", g), w.check("approval", g)}, nil
		},
		draft: func(r *http.Request, v visitor, g values) (draft, error) {
			var base desk.ProfileView
			if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/profile-show", admin.Named{ID: g.Get("profile")}, &base); err != nil {
				return draft{}, err
			}
			o := base.Profile
			o.Name = oneOr(strings.TrimSpace(g.Get("profile-name")), o.Name)
			o.Domains, o.Networks, o.Patterns, o.Life = g.lines("domains"), g.lines("networks"), g.lines("patterns"), strings.TrimSpace(g.Get("life"))
			o.Wildcards, o.Approval = g.on("wildcards"), g.on("approval")
			if _, err := ca.ParsePurpose(string(o.Purpose)); err != nil {
				return draft{}, err
			}
			s, err := newStep("ca/profile-set", "act.ca-profile-set", o.Name, desk.ProfileRequest{Profile: o})
			return draft{steps: []step{s}, back: address("/authority/profile", "profile", g.Get("profile")), then: "/authority/profiles"}, err
		}}
}

// oneOr is text, or what stands for nothing.
func oneOr(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// profileValues fill the form with a profile.
func profileValues(o desk.ProfileFile) values {
	g := map[string][]string{"domains": {strings.Join(o.Domains, "\n")}, "networks": {strings.Join(o.Networks, "\n")}, "patterns": {strings.Join(o.Patterns, "\n")}, "life": {o.Life}}
	if o.Wildcards {
		g["wildcards"] = []string{"1"}
	}
	if o.Approval {
		g["approval"] = []string{"1"}
	}
	return values{Values: g}
}

// unprofileForm asks which profile is forgotten.
func (p *center) unprofileForm() form {
	return form{title: "profile-remove.title", intro: "profile-remove.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			like, err := p.profilesOf(r, v, g)
			return []field{like}, err
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			name := g.Get("profile")
			s, err := newStep("ca/profile-remove", "act.ca-profile-remove", name, desk.ProfileRemoval{Name: name})
			return draft{steps: []step{s}, back: address("/authority/profile/remove", "profile", name), then: "/authority/profiles"}, err
		}}
}

func shapeWords() vocabulary {
	return vocabulary{
		"extend.title":               {"Let the authorities certify more", "발급 범위 넓히기"},
		"extend.intro":               {"Each issuing authority is certified anew with the same key, so nothing that was issued has to change.", "발급하는 인증 기관마다 같은 키로 다시 발급합니다. 이미 발급한 것은 바꿀 필요가 없습니다."},
		"extend.domains.help":        {"One per line, besides those they have. Empty means the accepted domains.", "한 줄에 하나씩, 지금 있는 것에 더합니다. 비워 두면 허용 도메인입니다."},
		"field.networks":             {"Networks", "네트워크"},
		"field.networks.help":        {"Whose addresses may be certified, one per line, like 192.0.2.0/24.", "주소를 넣을 수 있는 범위를 한 줄에 하나씩, 예: 192.0.2.0/24."},
		"act.ca-extend":              {"Let the authorities certify more: %s", "발급 범위 넓히기: %s"},
		"act.ca-extend.done":         {"They may certify more: %s", "발급 범위를 넓혔습니다: %s"},
		"rollover.title":             {"Replace an authority", "인증 기관 교체"},
		"rollover.intro":             {"A successor with a new key issues from now on. The old one goes on answering for what it issued. A new root is certified by the old one too; give it to all machines before the old one ends.", "새 키를 가진 후임이 지금부터 발급합니다. 이전 것은 발급한 것에 대해 계속 답합니다. 새 루트는 이전 루트도 보증하지만, 이전 것이 끝나기 전에 모든 기기에 배포하십시오."},
		"field.authority":            {"Authority", "인증 기관"},
		"act.ca-rollover":            {"Replace the authority %s", "인증 기관 교체: %s"},
		"act.ca-rollover.done":       {"Replaced: the authority %s", "교체했습니다: 인증 기관 %s"},
		"profiles.title":             {"Profiles", "프로필"},
		"profiles.teach":             {"What may be asked of the authority: for which names, for how long, and who agrees.", "인증 기관에 무엇을 요청할 수 있는지 정합니다. 이름과 유효 기간, 승인이 들어 있습니다."},
		"profiles.caption":           {"By name", "이름순"},
		"profiles.life":              {"Lives", "유효 기간"},
		"profiles.names":             {"Names", "이름"},
		"profiles.any":               {"none", "없음"},
		"profiles.second":            {"a second person agrees", "두 번째 사람이 승인"},
		"profiles.names.host":        {"hosts", "호스트"},
		"profiles.names.address":     {"addresses", "IP 주소"},
		"profiles.names.email":       {"e-mail addresses", "전자 우편 주소"},
		"profiles.origin":            {"From", "출처"},
		"profiles.origin.built-in":   {"built in", "기본 제공"},
		"profiles.origin.changed":    {"changed", "바꿈"},
		"profiles.origin.own":        {"own", "직접 만듦"},
		"profiles.change":            {"Change", "바꾸기"},
		"profiles.change.of":         {"Change the profile %s", "프로필 바꾸기: %s"},
		"profiles.remove":            {"Remove", "제거"},
		"profiles.remove.of":         {"Remove the profile %s", "프로필 제거: %s"},
		"profiles.new":               {"A new profile", "새 프로필"},
		"profile-set.title":          {"Set a profile", "프로필 설정"},
		"profile-set.intro":          {"What was issued stays as it is; the next ones follow this. Usages and kinds of keys are those of the profile it is like.", "이미 발급한 것은 그대로이고 다음부터 따릅니다. 용도와 키 종류는 바탕 프로필을 따릅니다."},
		"profile-set.like":           {"Like", "바탕 프로필"},
		"profile-set.like.help":      {"It is this one that changes, unless you give another name.", "다른 이름을 적지 않으면 이 프로필이 바뀝니다."},
		"profile-set.domains.help":   {"Names below these may be certified, one per line.", "이 도메인의 이름을 넣을 수 있습니다. 한 줄에 하나씩 적습니다."},
		"field.profile-name":         {"Name of a new one", "새 프로필 이름"},
		"field.profile-name.help":    {"a-z, digits and hyphens. Empty changes the one above.", "영문 소문자, 숫자, 하이픈. 비워 두면 위의 것을 바꿉니다."},
		"field.patterns":             {"Patterns", "패턴"},
		"field.patterns.help":        {"Regular expressions, one per line; each name must match one, whole. Empty means every name below the domains.", "정규 표현식을 한 줄에 하나씩. 이름 전체가 하나와 맞아야 합니다. 비워 두면 도메인의 모든 이름입니다."},
		"field.life":                 {"Lives", "유효 기간"},
		"field.life.help":            {"Days or hours: 47d for what renews by itself, 398d for what leaves by file, at most 825d.", "날이나 시간: 스스로 갱신하는 것은 47d, 파일로 나가는 것은 398d, 최대 825d."},
		"field.wildcards":            {"Wildcards", "와일드카드"},
		"field.wildcards.help":       {"*.example.com may be certified.", "*.example.com을 넣을 수 있습니다."},
		"field.approval":             {"A second person agrees", "두 번째 사람의 승인"},
		"field.approval.help":        {"Each request waits until somebody else than who asked agrees.", "요청한 사람이 아닌 다른 사람이 동의할 때까지 요청이 기다립니다."},
		"act.ca-profile-set":         {"Set the profile %s", "프로필 설정: %s"},
		"act.ca-profile-set.done":    {"Set: the profile %s", "설정했습니다: 프로필 %s"},
		"profile-remove.title":       {"Remove a profile", "프로필 제거"},
		"profile-remove.intro":       {"A built-in profile of that name is in force again.", "같은 이름의 기본 제공 프로필이 있으면 그것이 다시 적용됩니다."},
		"act.ca-profile-remove":      {"Remove the profile %s", "프로필 제거: %s"},
		"act.ca-profile-remove.done": {"Removed: the profile %s", "제거했습니다: 프로필 %s"},
	}
}
