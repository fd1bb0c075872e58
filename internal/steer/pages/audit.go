package pages

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

const (
	// auditPerPage is how many rows the audit trail shows at once.
	auditPerPage = 100
	// auditRead is how many are read at once.
	auditRead = 1000
)

// auditPage is the audit trail.
type auditPage struct {
	Rows             []deedRow
	More             bool
	Level, Word      string // of the chain of hashes
	Checked          string // how much of it was looked at, and when
	Faults           []faultRow
	Who, Act, Object string
	Acts             []option
	Filtered         bool
	Download         string
	LooksOn          bool
}

// faultRow is something wrong in the trail, in English.
type faultRow struct{ Row, Text string }

// auditFilter is what the visitor wants to see of the trail.
type auditFilter struct {
	who, act, object string
	all              bool // also who came and looked
}

func auditFilterOf(r *http.Request) auditFilter {
	q := r.URL.Query()
	return auditFilter{who: strings.TrimSpace(q.Get("who")), act: q.Get("act"), object: strings.TrimSpace(q.Get("object")), all: q.Get("all") != ""}
}

func (f auditFilter) query() []string {
	q := []string{"who", f.who, "act", f.act, "object", f.object}
	if f.all {
		q = append(q, "all", "1")
	}
	return q
}

func (f auditFilter) lets(d desk.Entry) bool {
	return (f.act == "" || d.Act == f.act) && (f.all || f.act != "" || !looks(d.Act))
}

// request asks for the rows of a filter that lie before one, 0 for the newest.
func (f auditFilter) request(before int64) desk.AuditRequest {
	return desk.AuditRequest{Object: f.object, Who: f.who, Before: before, Limit: auditRead}
}

// audit lists who did what. However long the trail is, a view checks the rows since the signed head only.
func (p *center) audit(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showAudit(w, r, v, desk.VerifyRequest{Quick: true})
}

// verifyAudit checks every row, which takes as long as the trail is.
func (p *center) verifyAudit(w http.ResponseWriter, r *http.Request, v visitor) {
	if p.readForm(w, r) {
		p.showAudit(w, r, v, desk.VerifyRequest{})
	}
}

func (p *center) showAudit(w http.ResponseWriter, r *http.Request, v visitor, check desk.VerifyRequest) {
	f := auditFilterOf(r)
	page := auditPage{Who: f.who, Object: f.object, Filtered: f.who != "" || f.act != "" || f.object != "", LooksOn: f.all, Download: address("/audit/download", f.query()...)}
	var trail []desk.Entry
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "audit/list", f.request(0), &trail); err != nil {
		p.refuse(w, r, v, "/audit", err)
		return
	}
	var verdict desk.AuditVerdict
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "audit/verify", check, &verdict); err != nil {
		p.refuse(w, r, v, "/audit", err)
		return
	}
	page.Level, page.Word, page.Checked = v.words.trail(verdict, check.Quick)
	for _, fault := range verdict.Faults {
		page.Faults = append(page.Faults, faultRow{plainNumber(int(fault.Row)), fault.Text})
	}
	page.Acts = []option{{Label: v.words.say("list.any")}}
	said := make(map[string]bool)
	for _, d := range trail {
		if !said[d.Act] {
			said[d.Act] = true
			page.Acts = append(page.Acts, option{Value: d.Act, Label: v.words.did(d.Act)})
		}
		switch {
		case !f.lets(d):
		case len(page.Rows) == auditPerPage:
			page.More = true
		default:
			page.Rows = append(page.Rows, v.words.deed(d))
		}
	}
	page.More = page.More || len(trail) == auditRead
	page.Acts = chosen(page.Acts, f.act)
	p.show(w, r, v, sheet{template: "audit", title: "audit.title", path: "/audit", keep: f.query(), here: "audit", body: page})
}

// trail words what is known of the chain. A quick verdict without a signed head has walked every row too.
func (w *words) trail(v desk.AuditVerdict, quick bool) (level, word, checked string) {
	switch {
	case !quick || v.Signed == 0:
		checked = w.say("audit.checked.now")
	case v.CheckedAt.IsZero():
		checked = w.say("audit.checked.end", grouped(int(v.Unsigned)))
	default:
		checked = w.say("audit.checked.at", minute(v.CheckedAt).Human, grouped(int(v.Unsigned)))
	}
	switch {
	case !v.Whole:
		return levelBad, w.say("audit.broken"), checked
	case quick && v.Signed != 0 && v.CheckedAt.IsZero():
		return levelGood, w.say("audit.ends-well"), checked
	}
	return levelGood, w.say("audit.whole", grouped(int(v.Rows))), checked
}

// auditFile answers with the trail as CSV (RFC 4180), for an auditor. It is read in pieces, so however long it is, little
// of it is held.
func (p *center) auditFile(w http.ResponseWriter, r *http.Request, v visitor) {
	f := auditFilterOf(r)
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 section 2
	for before := int64(0); ; {
		var trail []desk.Entry
		err := admin.Local(p.desk, v.actor).Call(r.Context(), "audit/list", f.request(before), &trail)
		switch {
		case err != nil && before == 0:
			p.refuse(w, r, v, "/audit", err)
			return
		case err != nil:
			p.log.ErrorContext(r.Context(), "management page failed", "doing", "sending the audit trail", "peer", r.RemoteAddr, "err", err)
			panic(http.ErrAbortHandler) // the browser must see that the rest is missing
		case before == 0:
			attach(w, "postseal-audit.csv")
			out.Write([]string{"number", "at", "who", "from", "act", "object", "before", "after"}) // the reader is gone when this fails
		}
		for _, d := range trail {
			if f.lets(d) {
				out.Write([]string{plainNumber(int(d.Number)), d.At.UTC().Format(time.RFC3339), desk.InertCell(d.Who), desk.InertCell(d.From), desk.InertCell(d.Act), desk.InertCell(d.Object), desk.InertCell(string(d.Before)), desk.InertCell(string(d.After))})
			}
		}
		out.Flush()
		if len(trail) < auditRead {
			return
		}
		before = trail[len(trail)-1].Number
	}
}

func auditWords() vocabulary {
	return vocabulary{
		"nav.audit":         {"Audit", "감사"},
		"audit.title":       {"Audit trail", "감사 기록"},
		"audit.teach":       {"Who did what, when and from where. Nothing here can be changed.", "누가 언제 어디서 무엇을 했는지입니다. 여기서는 아무것도 고칠 수 없습니다."},
		"audit.act":         {"Act", "한 일"},
		"audit.object":      {"Of what, exactly", "대상(정확히)"},
		"audit.looks":       {"Sign-ins too", "로그인도 보기"},
		"audit.show":        {"Show", "보기"},
		"audit.download":    {"Download as CSV", "CSV로 내려받기"},
		"audit.whole":       {"Whole: all %s rows are as they were written", "온전함: %s행 모두 기록된 그대로입니다"},
		"audit.broken":      {"Broken: rows were changed, removed or reordered", "훼손됨: 행이 바뀌거나 없어지거나 순서가 달라졌습니다"},
		"audit.ends-well":   {"The end of the trail is as it was signed", "기록의 끝이 서명된 그대로입니다"},
		"audit.checked.now": {"Every row was checked just now.", "방금 모든 행을 검사했습니다."},
		"audit.checked.end": {"Just now the rows since the signed head were checked, %s of them; the whole trail is checked when the server starts, every day, and when you say so.", "방금 서명된 끝 뒤의 행 %s개를 검사했습니다. 전체는 서버가 시작할 때와 매일, 그리고 직접 시킬 때 검사합니다."},
		"audit.checked.at":  {"Every row was checked on %s; just now those since the signed head, %s of them.", "%s에 모든 행을 검사했고, 방금 서명된 끝 뒤의 행 %s개를 검사했습니다."},
		"audit.verify":      {"Check every row now", "지금 모든 행 검사"},
		"audit.row":         {"row %s", "%s행"},
		"audit.none":        {"Nothing of the kind has been done.", "그런 일은 없었습니다."},
		"audit.older":       {"Older rows are in the download.", "더 오래된 것은 내려받은 파일에 있습니다."},
	}
}
