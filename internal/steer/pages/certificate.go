package pages

import (
	"encoding/pem"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/desk"
)

// certificatePage is everything about one certificate.
type certificatePage struct {
	generationRow
	Reason      sentence
	Facts       []fact
	Prints      []fact
	Path        chainView
	Faults      []sentence
	Lints       []fact
	Thief       []sentence
	Objections  []sentence
	Notes       []sentence
	Bindings    []bindingRow
	Roles       []string
	Members     []memberLink
	Line        []lineView
	Now         int // where now is on the axis of Line, of lifeUnits; -1 outside
	AxisFrom    stamp
	AxisUntil   stamp
	Name        string
	PEM         string
	Thumbprint  string
	Lineage     string
	HasKey      bool
	Exportable  bool
	SelfSigned  bool
	Renews      bool // the next one is made here, at once
	IsCurrent   bool
	IsNext      bool
	CanRollback bool
	CanInternal bool
	Auth        bool
	Activation  []option
	Keys        []option
	Command     string
	History     []deedRow
	HistoryPage string
}

// fact is a word and what it stands for.
type fact struct {
	Name, Value string
	Code        bool
	Values      []string
}

// pathView is a certificate of the chain, drawn as a box.
type pathView struct {
	Name, Detail string
	KeyType      string
	Until        stamp
	Level        string
	Word         string
	Anchor       bool
	Last         bool
}

// bindingRow is where the lineage serves.
type bindingRow struct {
	Listener, Port string
	ByName         bool
	Off            bool
}

// memberLink is a certificate of the same generation.
type memberLink struct {
	ID, KeyType string
	Here        bool
}

// lineView is a generation on the line of its lineage, drawn on a common axis.
type lineView struct {
	ID, Word, State string
	Generation      string
	X, Width        int
	From, Until     stamp
	Here            bool
	Pending         bool
}

// certificate shows one certificate.
func (p *center) certificate(w http.ResponseWriter, r *http.Request, v visitor) {
	id := r.URL.Query().Get("id")
	d, err := p.desk.Certificate(r.Context(), id)
	if err != nil {
		p.refuse(w, r, v, "/certificates", problemOf(err))
		return
	}
	path, err := p.desk.Path(r.Context(), d.Thumbprint)
	if err != nil {
		p.broken(w, r, "reading a chain", err)
		return
	}
	l, err := p.desk.Lineage(r.Context(), d.Lineage)
	if err != nil {
		p.broken(w, r, "reading a lineage", err)
		return
	}
	page := v.words.detail(d, path, l, time.Now())
	page.History, page.HistoryPage = v.words.deeds(d.History), address("/audit", "object", d.Lineage, "all", "1")
	p.show(w, r, v, sheet{template: "certificate", title: d.Name, path: "/certificate", keep: []string{"id", d.Thumbprint}, here: "certificates", body: page})
}

// detail words a certificate.
func (w *words) detail(d *desk.CertificateDetail, path *desk.Path, l *desk.LineageView, now time.Time) *certificatePage {
	page := &certificatePage{Name: d.Name, Lineage: d.Lineage, Thumbprint: d.Thumbprint, PEM: d.PEM, HasKey: d.HasPrivateKey, Exportable: d.Exportable, SelfSigned: d.SelfSigned, Renews: l.RenewsHere,
		IsCurrent: d.State == state.StateCurrent, IsNext: d.State == state.StateNext, Now: -1, Command: "postseal cert show " + d.Thumbprint[:8]}
	for _, g := range l.Generations {
		if slices.ContainsFunc(g.Certificates, func(c desk.Certificate) bool { return c.Thumbprint == d.Thumbprint }) {
			page.generationRow = w.generation([]desk.Certificate{d.Certificate}, []desk.LineageView{*l}, now)
			for _, c := range g.Certificates {
				page.Members = append(page.Members, memberLink{c.Thumbprint, c.KeyType, c.Thumbprint == d.Thumbprint})
			}
		}
		page.CanRollback = page.CanRollback || g.State == state.StatePrevious && page.IsCurrent
	}
	page.Reason = w.sentence(d.StatusReason)
	page.Facts, page.Prints = w.facts(d)
	w.drawPath(page, d, path)
	w.drawLine(page, l, now)
	for _, text := range d.Thief {
		page.Thief = append(page.Thief, w.sentence(text))
	}
	for _, text := range d.Objections {
		page.Objections = append(page.Objections, w.sentence(text))
	}
	for _, text := range d.Notes {
		page.Notes = append(page.Notes, w.sentence(text))
	}
	for _, b := range d.Bindings {
		page.Bindings = append(page.Bindings, bindingRow{b.Listener, plainNumber(b.Port), b.Role == state.RoleName, !b.Enabled})
	}
	for _, role := range d.Roles {
		page.Roles = append(page.Roles, upper(w.say("use."+role)))
	}
	page.Auth = slices.Contains(d.Roles, desk.RoleAuth)
	page.CanInternal = page.IsCurrent && d.HasPrivateKey && len(d.Roles) == 0
	page.Activation = chosen([]option{{Value: desk.ActivationAuto, Label: w.say("lineage.auto")}, {Value: desk.ActivationApprove, Label: w.say("lineage.approve")}}, l.Activation)
	page.Keys = chosen([]option{{Value: desk.KeyNew, Label: w.say("lineage.new-key")}, {Value: desk.KeyKeep, Label: w.say("lineage.keep-key")}}, l.KeyAtRenewal)
	return page
}

// facts are the details that stand in a certificate.
func (w *words) facts(d *desk.CertificateDetail) (facts, prints []fact) {
	add := func(key string, f fact) {
		f.Name = w.say(key)
		if f.Value != "" || len(f.Values) > 0 {
			facts = append(facts, f)
		}
	}
	yes := map[bool]string{true: w.say("yes"), false: w.say("no")}
	add("detail.names", fact{Values: d.Names})
	add("detail.subject", fact{Value: d.Subject})
	add("detail.issuer", fact{Value: d.Issuer})
	add("detail.serial", fact{Value: d.Serial, Code: true})
	add("detail.key", fact{Value: d.KeyType})
	add("detail.usages", fact{Values: d.Usages})
	if block, _ := pem.Decode([]byte(d.PEM)); block != nil && block.Type == "CERTIFICATE" {
		if cert, err := x509cert.ParseCertificate(block.Bytes); err == nil {
			add("detail.signature", fact{Value: cert.SignatureAlgorithm.String()})
			add("detail.crl", fact{Values: cert.CRLDistributionPoints})
			add("detail.ocsp", fact{Values: cert.OCSPServer})
			if cert.IsCA {
				add("detail.authority", fact{Value: yes[true]})
			}
		}
	}
	add("detail.root", fact{Value: w.say("root." + string(d.RootType))})
	add("detail.has-key", fact{Value: yes[d.HasPrivateKey]})
	add("detail.exportable", fact{Value: yes[d.Exportable]})
	add("detail.server", fact{Value: d.Server})
	if d.SHA256 != "" {
		prints = append(prints, fact{Name: "SHA-256", Value: desk.Fingerprint(d.SHA256)})
	}
	return facts, append(prints, fact{Name: "SHA-1", Value: d.Thumbprint})
}

// chainView is a chain, drawn.
type chainView struct {
	Links   []pathView
	Missing bool // it stops before anything that is trusted
}

// chain words the chain of a certificate.
func (w *words) chain(d desk.Certificate, path *desk.Path) chainView {
	view := chainView{Missing: len(path.Links) > 0 && !path.Complete && !d.SelfSigned}
	for i, link := range path.Links {
		one := pathView{Name: commonName(link.Subject), Detail: link.Subject, KeyType: link.KeyType, Until: day(link.NotAfter), Level: levelGood, Word: w.say("path.valid"),
			Anchor: link.Anchor, Last: i == len(path.Links)-1}
		switch {
		case i == 0:
			one.Level, one.Word = levelOf(d.Status), w.say("status."+string(d.Status))
			if one.Name == "" {
				one.Name = d.Name
			}
		case link.Ended:
			one.Level, one.Word = levelBad, w.say("status."+string(x509cert.StatusDateInvalid))
		case link.Anchor:
			one.Word = w.say("path.anchor")
		}
		view.Links = append(view.Links, one)
	}
	return view
}

// drawPath words the chain, and what is wrong with it.
func (w *words) drawPath(page *certificatePage, d *desk.CertificateDetail, path *desk.Path) {
	page.Path = w.chain(d.Certificate, path)
	for _, text := range path.Faults {
		if text != d.StatusReason {
			page.Faults = append(page.Faults, w.sentence(text))
		}
	}
	for _, lint := range path.Lints {
		page.Lints = append(page.Lints, fact{Name: lint.Rule, Value: lint.Text})
	}
}

// commonName is the CN of a subject as it is printed, or all of it.
func commonName(subject string) string {
	for part := range strings.SplitSeq(subject, ",") {
		if cn, ok := strings.CutPrefix(part, "CN="); ok {
			return cn
		}
	}
	return subject
}

// drawLine puts the generations of a lineage on one axis of time.
func (w *words) drawLine(page *certificatePage, l *desk.LineageView, now time.Time) {
	from, until := now, now
	for _, g := range l.Generations {
		for _, c := range g.Certificates {
			if !c.NotAfter.IsZero() {
				from, until = earlier(from, c.NotBefore), later(until, c.NotAfter)
			}
		}
	}
	place := func(t time.Time) int {
		if !until.After(from) {
			return 0
		}
		return int(math.Round(float64(t.Sub(from)) / float64(until.Sub(from)) * lifeUnits))
	}
	page.Now, page.AxisFrom, page.AxisUntil = place(now), day(from), day(until)
	for _, g := range l.Generations {
		c := g.Certificates[0]
		one := lineView{ID: c.Thumbprint, Word: w.say("generation." + g.State), State: g.State, Generation: w.say("generation.number", plainNumber(g.Generation)),
			From: day(c.NotBefore), Until: day(c.NotAfter), Pending: c.NotAfter.IsZero(),
			Here: slices.ContainsFunc(g.Certificates, func(c desk.Certificate) bool { return c.Thumbprint == page.Thumbprint })}
		if !one.Pending {
			one.X = place(c.NotBefore)
			one.Width = max(place(c.NotAfter)-one.X, 4)
		}
		page.Line = append(page.Line, one)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
