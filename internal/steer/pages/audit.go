package pages

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"postseal/internal/steer/desk"
)

const (
	// auditPerPage is how many rows the audit trail shows at once.
	auditPerPage = 100
	// maxAuditFile bounds a download of it.
	maxAuditFile = 100_000
)

// auditPage is the audit trail.
type auditPage struct {
	Rows             []deedRow
	More             bool
	Who, Act, Object string
	Acts             []option
	Filtered         bool
	Download         string
	LooksOn          bool
}

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

func (f auditFilter) lets(d desk.Deed) bool {
	return (f.who == "" || strings.Contains(d.Who, f.who)) && (f.act == "" || d.Act == f.act) && (f.object == "" || d.Object == f.object) &&
		(f.all || f.act != "" || !looks(d.Act))
}

// audit lists who did what.
func (p *center) audit(w http.ResponseWriter, r *http.Request, v visitor) {
	f := auditFilterOf(r)
	trail, err := p.desk.Trail(r.Context(), trailDepth)
	if err != nil {
		p.broken(w, r, "reading the audit trail", err)
		return
	}
	page := auditPage{Who: f.who, Object: f.object, Filtered: f.who != "" || f.act != "" || f.object != "", LooksOn: f.all, Download: address("/audit/download", f.query()...)}
	said := make(map[string]bool)
	page.Acts = []option{{Label: v.words.say("list.any")}}
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
	page.Acts = chosen(page.Acts, f.act)
	p.show(w, r, v, sheet{template: "audit", title: "audit.title", path: "/audit", keep: f.query(), here: "audit", body: page})
}

// auditFile answers with the trail as CSV (RFC 4180), for an auditor.
func (p *center) auditFile(w http.ResponseWriter, r *http.Request, v visitor) {
	f := auditFilterOf(r)
	trail, err := p.desk.Trail(r.Context(), maxAuditFile)
	if err != nil {
		p.broken(w, r, "reading the audit trail", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="postseal-audit.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true                                                                     // RFC 4180 section 2
	out.Write([]string{"number", "at", "who", "from", "act", "object", "before", "after"}) // Flush tells; the reader is gone then
	for _, d := range trail {
		if f.lets(d) {
			out.Write([]string{plainNumber(int(d.Number)), d.At.UTC().Format(time.RFC3339), inert(d.Who), inert(d.From), inert(d.Act), inert(d.Object), inert(d.Before), inert(d.After)})
		}
	}
	out.Flush()
}

// inert keeps a cell from being a formula in a spreadsheet: names are what somebody has chosen.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func auditWords() vocabulary {
	return vocabulary{
		"nav.audit":      {"Audit", "감사"},
		"audit.title":    {"Audit trail", "감사 기록"},
		"audit.teach":    {"Who did what, when and from where. Nothing here can be changed.", "누가 언제 어디서 무엇을 했는지입니다. 여기서는 아무것도 고칠 수 없습니다."},
		"audit.act":      {"Act", "한 일"},
		"audit.object":   {"Of what, exactly", "대상(정확히)"},
		"audit.looks":    {"Sign-ins too", "로그인도 보기"},
		"audit.show":     {"Show", "보기"},
		"audit.download": {"Download as CSV", "CSV로 내려받기"},
		"audit.none":     {"Nothing of the kind has been done.", "그런 일은 없었습니다."},
		"audit.older":    {"Older rows are in the download.", "더 오래된 것은 내려받은 파일에 있습니다."},
	}
}
