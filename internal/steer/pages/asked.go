package pages

import (
	"encoding/json"
	"strings"

	"postseal/internal/steer/desk"
)

// asked says what was asked for, a line each, where the change of an act says only which listeners it moves: whoever is to
// confirm reads once more what he has filled in. title is what stands above the lines.
func (w *words) asked(s step) (title string, lines []string) {
	title = w.say("preview.will")
	line := func(key, value string) {
		if value != "" {
			lines = append(lines, w.say(key)+": "+value)
		}
	}
	switch s.act {
	case "cert/new":
		var r desk.NewRequest
		s.given(&r)
		line("field.domains", oneOr(listed(r.Domains), w.say("asked.own-names")))
		line("field.subject", r.Subject)
		line("field.kind", oneOr(kindsAsked(r.Kinds), w.say("key.default-two")))
		if r.Days == 0 {
			r.Days = desk.DefaultDays
		}
		line("field.days", plainNumber(r.Days))
		line("field.services", services(r.Services))
		if r.Exportable {
			lines = append(lines, w.say("field.exportable"))
		}
	case "cert/request":
		var r desk.AskRequest
		s.given(&r)
		line("field.domains", listed(r.Domains))
		line("field.subject", r.Subject)
		line("field.kind", oneOr(kindsAsked(r.Kinds), w.say("key.default-one")))
		line("field.lineage", r.Lineage)
		if r.Exportable {
			lines = append(lines, w.say("field.exportable"))
		}
	case "ca/issue":
		var r desk.IssueRequest
		s.given(&r)
		line("field.profile", oneOr(r.Profile, "server"))
		line("field.domains", oneOr(listed(r.Domains), w.say("asked.own-names")))
		line("field.kind", strings.ToUpper(oneOr(r.Kind, "ecdsa-p256")))
		line("field.services", services(r.Enable))
	case "cert/renew", "cert/renew-request":
		var r desk.RenewRequest
		s.given(&r)
		what := w.say("asked.next")
		if s.act == "cert/renew-request" {
			what = w.say("asked.next-request")
		}
		lines = append(lines, what)
		if r.KeepKey {
			lines = append(lines, w.say("renew.keep"))
		}
		if r.NoActivate {
			lines = append(lines, w.say("renew.wait"))
		}
	case "lineage/set":
		var r desk.LineageRequest
		s.given(&r)
		title = w.say("asked.set")
		same := w.say("asked.as-it-is")
		line("lineage.activation", map[string]string{desk.ActivationAuto: w.say("lineage.auto"), desk.ActivationApprove: w.say("lineage.approve"), "": same}[r.Activation])
		line("lineage.key", map[string]string{desk.KeyNew: w.say("lineage.new-key"), desk.KeyKeep: w.say("lineage.keep-key"), "": same}[r.KeyAtRenewal])
	}
	return title, lines
}

// given reads what is asked for into a request of package desk.
func (s step) given(request any) {
	raw, err := json.Marshal(s.request)
	if err != nil || json.Unmarshal(raw, request) != nil {
		return // it was written by newStep of just this type
	}
}

// kindsAsked are kinds of keys as they are written for people; empty for none.
func kindsAsked(kinds []string) string { return strings.ToUpper(listed(kinds)) }

// services are those of a list without spaces.
func services(list string) string { return strings.ReplaceAll(list, ",", ", ") }

func askedWords() vocabulary {
	return vocabulary{
		"asked.own-names":    {"the names of this server", "이 서버의 이름"},
		"asked.next":         {"The next generation: the same names, kinds of keys and life", "다음 세대: 이름, 키 종류, 유효 기간은 그대로"},
		"asked.next-request": {"A request for the next generation, to be sent to the authority", "인증 기관에 보낼 다음 세대 요청"},
		"asked.set":          {"This would be set:", "정할 내용:"},
		"asked.as-it-is":     {"as it is", "지금대로"},
	}
}
