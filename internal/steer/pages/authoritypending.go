package pages

import (
	"errors"
	"net/http"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// pendingPage are requests that need a second person.
type pendingPage struct {
	Rows    []pendingRow
	All     bool
	Problem *notice
}

type pendingRow struct {
	ID, Profile, Requester string
	Names                  []string
	Enable                 string // services that it takes over when it is agreed to
	Asked                  stamp
	Level, Status          string
	Waiting                bool
	Own                    bool // the reader has asked for it himself
	By, Reason, Href       string
}

// pending lists the requests that need a second person.
func (p *center) pending(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showPending(w, r, v, pendingPage{All: r.URL.Query().Get("all") != ""})
}

func (p *center) showPending(w http.ResponseWriter, r *http.Request, v visitor, page pendingPage) {
	var all []desk.ApprovalView
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/pending", desk.PendingQuery{All: page.All}, &all); err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	for _, a := range all {
		row := pendingRow{ID: a.ID, Enable: a.Enable, Profile: a.Profile, Requester: a.Requester, Names: a.Names, Asked: minute(a.AskedAt), Level: levelWarn, Status: v.words.say("waiting.status." + a.Status),
			Waiting: a.Status == state.ApprovalWaiting, Own: a.Requester == v.actor.Who, By: a.DecidedBy, Reason: a.Reason}
		switch a.Status {
		case state.ApprovalApproved:
			row.Level = levelGood
		case state.ApprovalRejected:
			row.Level = "off"
		}
		if a.Serial != "" {
			row.Href = address("/authority/certificate", "serial", a.Serial)
		}
		page.Rows = append(page.Rows, row)
	}
	s := sheet{template: "waiting", title: "waiting.title", path: "/authority/pending", here: "authority", body: page}
	if page.All {
		s.keep = []string{"all", "1"}
	}
	if page.Problem != nil {
		s.status = http.StatusUnprocessableEntity
	}
	p.show(w, r, v, s)
}

// decide agrees to a request, or refuses it. The reader has seen it, and presses a button that says which.
func (p *center) decide(act string) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		g, ok := p.read(w, r)
		if !ok {
			return
		}
		var made desk.Certified
		var into any = &made
		if act == "ca/reject" {
			into = new(desk.ApprovalView)
		}
		err := admin.Local(p.desk, v.actor).Call(r.Context(), act, desk.Decision{ID: g.Get("request"), Reason: strings.TrimSpace(g.Get("why"))}, into)
		problem, refused := errors.AsType[*admin.Problem](err)
		switch {
		case refused:
			n := v.words.problem(problem)
			p.showPending(w, r, v, pendingPage{Problem: &n})
		case err != nil:
			p.broken(w, r, "acting for a page", err)
		case made.Serial != "":
			http.Redirect(w, r, address("/authority/certificate", "serial", made.Serial, "new", "1"), http.StatusSeeOther)
		default:
			http.Redirect(w, r, "/authority/pending?all=1", http.StatusSeeOther)
		}
	}
}

func pendingWords() vocabulary {
	return vocabulary{
		"waiting.title":           {"Requests that need a second person", "두 번째 사람이 필요한 요청"},
		"waiting.teach":           {"Some profiles are issued only when somebody else than who asked agrees.", "어떤 프로필은 요청한 사람이 아닌 다른 사람이 동의해야 발급합니다."},
		"waiting.none":            {"Nothing waits.", "기다리는 요청이 없습니다."},
		"waiting.caption":         {"Those that wait first, then the newest", "기다리는 것, 그다음 최근 것부터"},
		"waiting.enable":          {"takes over: %s", "넘겨받는 서비스: %s"},
		"waiting.approve":         {"Approve and issue", "동의하고 발급"},
		"waiting.approve.of":      {"Approve and issue: %s", "동의하고 발급: %s"},
		"waiting.reject":          {"Reject", "거절"},
		"waiting.reject.of":       {"Reject: %s", "거절: %s"},
		"waiting.why":             {"Why", "사유"},
		"waiting.own":             {"You have asked for it, so somebody else must agree; you may withdraw it.", "직접 요청한 것이므로 다른 사람이 동의해야 합니다. 철회할 수는 있습니다."},
		"waiting.decided":         {"Show those that were decided too", "결정된 것도 보기"},
		"waiting.status.waiting":  {"waits", "대기"},
		"waiting.status.approved": {"approved", "동의함"},
		"waiting.status.rejected": {"rejected", "거절함"},
	}
}
