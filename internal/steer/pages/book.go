package pages

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

const (
	// bookPerPage is how many lines of the book are shown at once.
	bookPerPage = 50
	// bookRead is how many are read at once for a download.
	bookRead = 1000
)

// bookPage is the book of what our own authority has issued.
type bookPage struct {
	Rows              []bookRow
	Search, Requester string
	Profiles          []option
	Statuses          []option
	Filtered          bool
	First, Next       string // addresses; empty for none
	Download          string
}

type bookRow struct {
	Serial, Href, Subject, Profile, Requester string
	Names                                     []string
	Level, Status                             string
	Asked, Until                              stamp
}

// bookQuery is what the visitor wants to see.
func bookQuery(r *http.Request) desk.IssuedQuery {
	q := r.URL.Query()
	all := desk.IssuedQuery{Search: strings.TrimSpace(q.Get("search")), Profile: q.Get("profile"), Requester: strings.TrimSpace(q.Get("requester")), After: q.Get("after"), Limit: bookPerPage}
	if slices.Contains(desk.BookStatuses(), q.Get("status")) {
		all.Status = q.Get("status")
	}
	return all
}

// bookPlace are the parameters of a query, behind a place.
func bookPlace(q desk.IssuedQuery, after string) []string {
	return []string{"search", q.Search, "profile", q.Profile, "status", q.Status, "requester", q.Requester, "after", after}
}

// book lists what our own authority has issued.
func (p *center) book(w http.ResponseWriter, r *http.Request, v visitor) {
	q := bookQuery(r)
	var found desk.IssuedPage
	api := admin.Local(p.desk, v.actor)
	if err := api.Call(r.Context(), "ca/list", q, &found); err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	var numbers desk.BookNumbers
	if err := api.Call(r.Context(), "ca/counts", admin.Nothing{}, &numbers); err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	page := bookPage{Search: q.Search, Requester: q.Requester, Filtered: q.Search+q.Profile+q.Status+q.Requester != "", Download: address("/authority/book/download", bookPlace(q, "")...)}
	for _, line := range found.Lines {
		page.Rows = append(page.Rows, v.words.line(line))
	}
	if found.Next != "" {
		page.Next = address("/authority/book", bookPlace(q, found.Next)...)
	}
	if q.After != "" {
		page.First = address("/authority/book", bookPlace(q, "")...)
	}
	any := option{Label: v.words.say("list.any")}
	page.Profiles, page.Statuses = []option{any}, []option{any}
	for _, one := range numbers.Profiles {
		page.Profiles = append(page.Profiles, option{Value: one.Profile, Label: one.Profile})
	}
	for _, one := range desk.BookStatuses() {
		page.Statuses = append(page.Statuses, option{Value: one, Label: v.words.say("book.status." + one)})
	}
	page.Profiles, page.Statuses = chosen(page.Profiles, q.Profile), chosen(page.Statuses, q.Status)
	p.show(w, r, v, sheet{template: "book", title: "book.title", path: "/authority/book", keep: bookPlace(q, q.After), here: "authority", body: page})
}

// line words a line of the book.
func (w *words) line(l desk.IssuedView) bookRow {
	row := bookRow{Serial: l.Serial, Href: address("/authority/certificate", "serial", l.Serial), Subject: l.Subject, Profile: l.Profile, Requester: l.Requester, Names: l.Names,
		Level: levelGood, Status: w.say("book.status." + l.Status), Asked: minute(l.PlannedAt), Until: day(l.NotAfter)}
	switch l.Status {
	case state.BookRevoked:
		row.Level = levelBad
	case state.BookPlanned:
		row.Level = levelWarn
	case state.BookEnded:
		row.Level = "off"
	}
	return row
}

// bookFile answers with the book as CSV (RFC 4180), narrowed as the page is.
func (p *center) bookFile(w http.ResponseWriter, r *http.Request, v visitor) {
	q := bookQuery(r)
	q.After, q.Limit = "", bookRead
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 section 2
	for begun := false; ; begun = true {
		var found desk.IssuedPage
		err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/list", q, &found)
		switch {
		case err != nil && !begun:
			p.refuse(w, r, v, "/authority/book", err)
			return
		case err != nil:
			p.log.ErrorContext(r.Context(), "management page failed", "doing", "sending the book", "peer", r.RemoteAddr, "err", err)
			panic(http.ErrAbortHandler) // the browser must see that the rest is missing
		case !begun:
			h := w.Header()
			h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
			h.Set("Content-Disposition", `attachment; filename="postseal-book.csv"`)
			out.Write([]string{"serial", "authority", "profile", "requester", "subject", "names", "key id", "status", "planned at", "not after", "revoked at", "reason"}) // the reader is gone when this fails
		}
		for _, l := range found.Lines {
			revoked := ""
			if !l.RevokedAt.IsZero() {
				revoked = l.RevokedAt.Format(time.RFC3339)
			}
			out.Write([]string{l.Serial, desk.InertCell(l.Authority), desk.InertCell(l.Profile), desk.InertCell(l.Requester), desk.InertCell(l.Subject), desk.InertCell(strings.Join(l.Names, " ")), l.KeyID, l.Status, l.PlannedAt.Format(time.RFC3339), l.NotAfter.Format(time.RFC3339), revoked, desk.InertCell(l.Reason)})
		}
		out.Flush()
		if q.After = found.Next; q.After == "" {
			return
		}
	}
}

// issuedPage is one certificate of the book.
type issuedPage struct {
	bookRow
	Authority, KeyID, SHA256, PEM, Reason string
	Revoked                               *stamp
	Revocable                             bool
	PEMHref, DERHref, RevokeHref          string
	New                                   bool   // it has just been issued
	Lineage                               string // that has it, empty if its key is elsewhere
}

// issued shows one certificate of the book.
func (p *center) issued(w http.ResponseWriter, r *http.Request, v visitor) {
	serial := r.URL.Query().Get("serial")
	var d desk.IssuedDetail
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/line", desk.IssuedRequest{Serial: serial}, &d); err != nil {
		p.refuse(w, r, v, "/authority/book", err)
		return
	}
	page := issuedPage{bookRow: v.words.line(d.IssuedView), Authority: d.Authority, KeyID: d.KeyID, PEM: d.PEM, Reason: d.Reason, Revocable: d.Status == state.BookIssued || d.Status == state.BookPlanned,
		PEMHref: address("/authority/certificate/download", "serial", d.Serial, "format", "pem"), DERHref: address("/authority/certificate/download", "serial", d.Serial, "format", "der"),
		RevokeHref: address("/authority/revoke", "serial", d.Serial), New: r.URL.Query().Get("new") != ""}
	page.Lineage = desk.LineageOf(d.Requester)
	if d.SHA256 != "" {
		page.SHA256 = desk.Fingerprint(d.SHA256)
	}
	if !d.RevokedAt.IsZero() {
		at := minute(d.RevokedAt)
		page.Revoked = &at
	}
	p.show(w, r, v, sheet{template: "issued", title: "issued.title", path: "/authority/certificate", keep: []string{"serial", d.Serial}, here: "authority", body: page})
}

// issuedFile answers with a certificate of the book as a file.
func (p *center) issuedFile(w http.ResponseWriter, r *http.Request, v visitor) {
	var d desk.IssuedDetail
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/line", desk.IssuedRequest{Serial: r.URL.Query().Get("serial")}, &d); err != nil {
		p.refuse(w, r, v, "/authority/book", err)
		return
	}
	if d.PEM == "" {
		p.fail(w, r, http.StatusNotFound, "not-found")
		return
	}
	// A serial is hex, so it can be a name.
	name, kind, data := d.Serial+".pem", "application/x-pem-file", []byte(d.PEM)
	if r.URL.Query().Get("format") == "der" {
		name, kind, data = d.Serial+".cer", "application/pkix-cert", d.DER
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", plainNumber(len(data)))
	w.Write(data) // the reader is gone when this fails
}
