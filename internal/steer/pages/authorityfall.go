package pages

import (
	"net/http"
	"regexp"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// fallForm asks which issuing authority is taken back, and why.
func (p *center) fallForm() form {
	return form{title: "fall.title", intro: "fall.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			var h desk.PKIHealth
			if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/health", admin.Nothing{}, &h); err != nil {
				return nil, err
			}
			var options, reasons []option
			for _, a := range h.Tree {
				if a.Purpose != string(ca.PurposeRoot) && (a.State == state.AuthorityActive || a.State == state.AuthorityRetired) {
					options = append(options, option{Value: a.Name, Label: a.Name, Help: a.Subject})
				}
			}
			for _, reason := range desk.AuthorityReasons() {
				reasons = append(reasons, option{Value: reason, Label: v.words.say("fall.reason."+reason) + " (" + reason + ")"})
			}
			return []field{v.words.choose("authority", chosen(options, g.Get("authority"))), v.words.choose("reason", chosen(reasons, g.Get("reason")))}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			name := g.Get("authority")
			s, err := newStep("ca/revoke-authority", "act.ca-revoke-authority", name, desk.RevokeAuthorityRequest{Name: name, Reason: g.Get("reason")})
			return draft{steps: []step{s}, back: address("/authority/revoke-authority", "authority", name), then: "/authority"}, err
		}}
}

func fallWords() vocabulary {
	return vocabulary{
		"fall.title":                       {"Take an issuing authority back", "발급 인증 기관 폐기"},
		"fall.intro":                       {"For good, with everything that it has issued: the list of its root names it, and nothing below its key is believed here. Replace it first, so that its successor can issue.", "되돌릴 수 없습니다. 발급한 것도 모두 함께 폐기됩니다. 루트의 목록이 알리고, 그 키로 발급한 것은 여기서 아무것도 신뢰하지 않습니다. 후임이 발급할 수 있게 먼저 교체하십시오."},
		"fall.reason.cACompromise":         {"its key was stolen, or may be", "키를 도난당했거나 그럴 수 있음"},
		"fall.reason.superseded":           {"another issues in its place", "다른 인증 기관이 대신 발급"},
		"fall.reason.cessationOfOperation": {"it is not needed any more", "더는 필요 없음"},
		"act.ca-revoke-authority":          {"Take the authority %s back", "인증 기관 폐기: %s"},
		"act.ca-revoke-authority.done":     {"Taken back: the authority %s", "폐기했습니다: 인증 기관 %s"},
		"zlint.title":                      {"The second reader (zlint)", "두 번째 검사(zlint)"},
		"zlint.teach":                      {"A program of others reads every certificate, authority and list that was signed. It holds nothing up; what it finds is an alarm.", "다른 곳에서 만든 프로그램이 서명한 TLS 인증서와 인증 기관, 목록을 모두 읽습니다. 발급을 늦추지 않으며, 찾은 것은 알립니다."},
		"zlint.good":                       {"found nothing", "찾은 것 없음"},
		"zlint.reads":                      {"reads", "읽는 중"},
		"zlint.finds":                      {"finds %s", "%s가지 찾음"},
		"zlint.missing":                    {"%s is not there", "%s 없음"},
		"zlint.waits":                      {"%s wait to be read", "읽을 것 %s건"},
		"zlint.in":                         {"%s, %s in all", "%s, 모두 %s건"},
		"zlint.accepted":                   {"Taken as it is", "그대로 두기로 한 것"},
	}
}

// fallPatterns translate what the preview of taking an authority back says.
func fallPatterns() (all []pattern) {
	for _, p := range [][2]string{
		{`^the trust in the authority (\S+) \((.+)\), and in (\d+) certificates that are valid below it$`, "인증 기관 $1($2)에 대한 신뢰, 그리고 그것이 발급한 유효한 TLS 인증서 ${3}건"},
		{`^the key of (\S+) is not here, so its revocation list says so only when it has signed another: .*$`, "루트 $1의 키가 여기에 없습니다. 루트가 새 목록에 서명해야 목록이 알립니다. 요청은 상위 인증 기관 페이지에서 내려받습니다."},
		{`^the authority above is another's: have it revoke (.+)$`, "상위 인증 기관은 다른 조직의 것입니다. 그곳에서 폐기하게 하십시오: $1"},
		{`^nothing takes its place; .*$`, "대신 발급할 것이 없습니다. 먼저 인증 기관을 교체하십시오."},
		{`^nothing has taken its place; make another: (postseal .+)$`, "대신 발급하는 것이 없습니다. 새로 만드십시오: $1"},
		{`^(\S+) serves a certificate of it; .*$`, "갱신 계열 $1: 이 인증 기관의 TLS 인증서를 제공합니다. 갱신하십시오."},
		{`^(\d+) more serve certificates of it$`, "그 밖에 ${1}곳에서 이 인증 기관의 TLS 인증서를 제공합니다."},
	} {
		all = append(all, pattern{regexp.MustCompile(p[0]), p[1]})
	}
	return all
}
