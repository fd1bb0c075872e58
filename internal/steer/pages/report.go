package pages

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// reportPage is the report of Monday, at any time: on the screen, and printed for an auditor.
type reportPage struct {
	Organisation, Server string
	Made, Since          stamp
	Back                 string // how many days it looks back
	Days                 []option
	Needs                []notice
	Changed              []deedRow
	More                 bool // more has changed than is shown
	Ends                 []endRow
	First                string // what ends first, when nothing ends soon
}

// endRow is a certificate that ends soon.
type endRow struct {
	life
	Name, Page, Lineage, KeyType, Names string
	Status, StatusLevel                 string
}

// reportBacks are how many days a report may look back, the first by itself.
func reportBacks() []int { return []int{7, 1, 30, 90, 365} }

// report shows what needs somebody, what has changed and by whom, and what ends.
func (p *center) report(w http.ResponseWriter, r *http.Request, v visitor) {
	back := reportBacks()[0]
	for _, n := range reportBacks() {
		if r.URL.Query().Get("days") == strconv.Itoa(n) {
			back = n
		}
	}
	var got desk.Report
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "report/show", desk.ReportRequest{Days: back}, &got); err != nil {
		p.refuse(w, r, v, "/notices", err)
		return
	}
	page := v.words.monday(got)
	page.Back = strconv.Itoa(back)
	for _, n := range reportBacks() {
		page.Days = append(page.Days, option{Value: strconv.Itoa(n), Label: v.words.days(n), On: n == back})
	}
	p.show(w, r, v, sheet{template: "report", title: "report.page", path: "/report", keep: []string{"days", r.URL.Query().Get("days")}, here: "notices", body: page})
}

// monday words the report of Monday.
func (w *words) monday(r desk.Report) reportPage {
	page := reportPage{Organisation: r.Organisation, Server: r.Server, Made: minute(r.MadeAt), Since: minute(r.Since), More: r.ChangedMore}
	ends := make(map[string]time.Time)
	for _, c := range r.Ends {
		if end, ok := ends[c.Lineage]; !ok || c.NotAfter.Before(end) {
			ends[c.Lineage] = c.NotAfter
		}
		page.Ends = append(page.Ends, endRow{life: w.life(c.NotBefore, c.NotAfter, r.MadeAt), Name: c.Name, Page: address("/certificate", "id", c.Thumbprint), Lineage: c.Lineage,
			KeyType: c.KeyType, Names: strings.Join(c.Names, ", "), Status: w.say("status." + string(c.Status)), StatusLevel: levelOf(c.Status)})
	}
	page.Needs = w.notices(r.NeedsYou, ends, nil)
	for _, c := range r.Changed {
		if !looks(c.Act) {
			page.Changed = append(page.Changed, w.deed(desk.Entry{Number: c.Number, At: c.At, Who: c.Who, From: c.From, Act: c.Act, Object: c.Object}))
		}
	}
	if r.First != nil {
		page.First = w.say("report.first", r.First.Name, day(r.First.NotAfter).Human)
	}
	return page
}

// reportFile answers with every certificate there is, of old generations too, as CSV.
func (p *center) reportFile(w http.ResponseWriter, r *http.Request, v visitor) {
	var got desk.Report
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "report/show", desk.ReportRequest{All: true}, &got); err != nil {
		p.refuse(w, r, v, "/report", err)
		return
	}
	attach(w, "postseal-certificates.csv")
	if err := desk.WriteCertificates(w, got.Certificates); err != nil {
		p.log.DebugContext(r.Context(), "sending a table", "peer", r.RemoteAddr, "err", err) // the reader is gone
	}
}

func reportWords() vocabulary {
	return vocabulary{
		"report.page":         {"Report", "보고서"},
		"report.title":        {"Report of %s", "%s 보고서"},
		"report.made":         {"made", "작성"},
		"report.since":        {"looks back to", "대상 기간 시작"},
		"report.back":         {"Looks back", "되돌아보는 기간"},
		"report.print":        {"The same goes out by mail on Mondays at seven. Printed, it is for an auditor: the print command of your browser leaves out what is for the screen.", "월요일 7시에 같은 내용을 메일로 보냅니다. 감사용으로 인쇄하려면 브라우저의 인쇄 명령을 쓰십시오. 화면에만 필요한 것은 인쇄되지 않습니다."},
		"report.download":     {"All certificates as CSV", "모든 TLS 인증서를 CSV로"},
		"report.ends":         {"What ends within 90 days", "90일 안에 만료되는 것"},
		"report.ends.none":    {"Nothing in force ends within 90 days.", "쓰고 있는 것 가운데 90일 안에 만료되는 것이 없습니다."},
		"report.first":        {"First to end: %s, on %s.", "가장 먼저 만료: %s(%s)."},
		"report.changed":      {"What changed, and by whom", "바뀐 것과 바꾼 사람"},
		"report.changed.none": {"Nothing has changed.", "바뀐 것이 없습니다."},
	}
}
