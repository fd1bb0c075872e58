package pages

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/desk"
)

// rowsPerPage is how many generations the list shows at once.
const rowsPerPage = 50

// certificatesPage is the list of certificates, one row per generation.
type certificatesPage struct {
	Rows     []generationRow
	Count    string
	Empty    bool // the organisation has none of these at all
	Domain   string
	Within   []option
	Statuses []option
	All      bool
	Filtered bool
	Page     string
	Previous string // addresses; empty for none
	Next     string
}

// generationRow is a generation in the list.
type generationRow struct {
	certificateRow
	State, StateWord string
	Generation       string
	Pending          bool
}

// listFilter is what the visitor wants to see.
type listFilter struct {
	desk.Filter
	all    bool // retired generations too
	days   int
	number int // of the page, from 1
}

func filterOf(r *http.Request) listFilter {
	q := r.URL.Query()
	f := listFilter{all: q.Get("all") != "", number: 1}
	if slices.Contains(x509cert.Statuses(), x509cert.Status(q.Get("status"))) {
		f.Status = x509cert.Status(q.Get("status"))
	}
	if name, err := x509cert.ParseSAN(q.Get("domain")); err == nil {
		f.Domain = name
	}
	if n, err := strconv.Atoi(q.Get("within")); err == nil && n > 0 && n <= 36500 {
		f.days, f.ExpiringWithin = n, int64(n)*24*60*60
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 && n < 1_000_000 {
		f.number = n
	}
	return f
}

// query are the parameters of the filter, for page n.
func (f listFilter) query(n int) []string {
	q := []string{"status", string(f.Status), "domain", f.Domain}
	if f.days > 0 {
		q = append(q, "within", strconv.Itoa(f.days))
	}
	if f.all {
		q = append(q, "all", "1")
	}
	if n > 1 {
		q = append(q, "page", strconv.Itoa(n))
	}
	return q
}

// certificates lists certificates; what ends first stands first.
func (p *center) certificates(w http.ResponseWriter, r *http.Request, v visitor) {
	f := filterOf(r)
	found, err := p.desk.Ending(r.Context(), desk.EndingRequest{Filter: f.Filter, All: f.all, Size: rowsPerPage, Number: f.number})
	if err != nil {
		p.broken(w, r, "listing certificates", err)
		return
	}
	f.number = found.Number

	page := certificatesPage{Count: grouped(found.Count), Domain: r.URL.Query().Get("domain"), All: f.all,
		Filtered: f.Status != "" || f.Domain != "" || f.days > 0}
	last := max((found.Count+rowsPerPage-1)/rowsPerPage, 1)
	if last > 1 {
		page.Page = v.words.say("list.page", grouped(f.number), grouped(last))
	}
	if f.number > 1 {
		page.Previous = address("/certificates", f.query(f.number-1)...)
	}
	if f.number < last {
		page.Next = address("/certificates", f.query(f.number+1)...)
	}
	page.Statuses = []option{{Value: "", Label: v.words.say("list.any")}}
	for _, s := range x509cert.Statuses() {
		page.Statuses = append(page.Statuses, option{Value: string(s), Label: v.words.say("status." + string(s))})
	}
	page.Statuses = chosen(page.Statuses, string(f.Status))
	page.Within = []option{{Value: "", Label: v.words.say("list.any")}}
	for _, n := range []int{7, 14, 30, 60, 90, 365} {
		page.Within = append(page.Within, option{Value: strconv.Itoa(n), Label: v.words.say("list.within", v.words.days(n))})
	}
	page.Within = chosen(page.Within, strconv.Itoa(f.days))

	lineages, err := p.desk.LineagesInUse(r.Context()) // the others have no use to tell
	if err != nil {
		p.broken(w, r, "reading the lineages", err)
		return
	}
	now := time.Now()
	for _, g := range found.Generations {
		page.Rows = append(page.Rows, v.words.generation(g, lineages, now))
	}
	p.show(w, r, v, sheet{template: "certificates", title: "certificates.title", path: "/certificates", keep: f.query(f.number), here: "certificates", body: page})
}

// generation words a generation, a request that waits included.
func (w *words) generation(members []desk.Certificate, lineages []desk.LineageView, now time.Time) generationRow {
	row := generationRow{certificateRow: w.certificate(members, lineages, now), State: members[0].State,
		StateWord: w.say("generation." + members[0].State), Generation: w.say("generation.number", plainNumber(members[0].Generation)),
		Pending: members[0].NotAfter.IsZero()}
	if members[0].State != state.StateCurrent {
		row.Uses = nil
	}
	return row
}
