package pages

import (
	"encoding/pem"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// certificatePage is everything about one certificate.
type certificatePage struct {
	generationRow
	Reason      sentence
	Facts       []fact
	Prints      []fact
	Path        []pathView
	Missing     bool // the chain stops before anything that is trusted
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
	page := &certificatePage{Name: d.Name, Lineage: d.Lineage, Thumbprint: d.Thumbprint, PEM: d.PEM, HasKey: d.HasPrivateKey, Exportable: d.Exportable, SelfSigned: d.SelfSigned,
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

// drawPath words the chain.
func (w *words) drawPath(page *certificatePage, d *desk.CertificateDetail, path *desk.Path) {
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
		page.Path = append(page.Path, one)
	}
	page.Missing = len(path.Links) > 0 && !path.Complete && !d.SelfSigned
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

// buttons are the acts that ask nothing but a confirmation.
func (p *center) buttons() map[string]func(*http.Request, visitor, values) (draft, error) {
	one := func(make func(given values) (step, error), then func(given values) string) func(*http.Request, visitor, values) (draft, error) {
		return func(_ *http.Request, _ visitor, given values) (draft, error) {
			s, err := make(given)
			d := draft{steps: []step{s}, back: address("/certificate", "id", given.Get("id"))}
			if then != nil {
				d.then = then(given)
			}
			return d, err
		}
	}
	lineage := func(given values) string { return address("/certificate", "id", given.Get("lineage")) }
	list := func(values) string { return "/certificates" }
	same := func(given values) string { return address("/certificate", "id", given.Get("id")) }
	listeners := func(make func(given values) (step, error)) func(*http.Request, visitor, values) (draft, error) {
		return func(_ *http.Request, _ visitor, given values) (draft, error) {
			s, err := make(given)
			return draft{steps: []step{s}, back: "/listeners", then: "/listeners"}, err
		}
	}
	return map[string]func(*http.Request, visitor, values) (draft, error){
		"/certificate/renew": one(func(g values) (step, error) {
			return newStep("cert/renew", "act.renew", g.Get("lineage"), desk.RenewRequest{ID: g.Get("id"), KeepKey: g.on("keep"), NoActivate: g.on("wait")})
		}, nil),
		"/certificate/renew-request": one(func(g values) (step, error) {
			return newStep("cert/renew-request", "act.renew-request", g.Get("lineage"), desk.RenewRequest{ID: g.Get("id"), KeepKey: g.on("keep")})
		}, nil),
		"/certificate/activate": one(func(g values) (step, error) {
			return newStep("cert/activate", "act.activate", g.Get("lineage"), desk.ActivateRequest{ID: g.Get("id")})
		}, lineage),
		"/certificate/rollback": one(func(g values) (step, error) {
			return newStep("cert/rollback", "act.rollback", g.Get("lineage"), desk.RollbackRequest{Lineage: g.Get("lineage")})
		}, lineage),
		"/certificate/set-internal": one(func(g values) (step, error) {
			return newStep("cert/set-internal", "act.internal", g.Get("lineage"), desk.InternalRequest{ID: g.Get("id")})
		}, same),
		"/certificate/remove": one(func(g values) (step, error) {
			return newStep("cert/remove", "act.remove", g.Get("name"), desk.RemoveRequest{ID: g.Get("id"), All: g.on("all")})
		}, list),
		"/certificate/disable": one(func(g values) (step, error) {
			return newStep("cert/disable", "act.disable", g.Get("lineage"), desk.DisableRequest{ID: g.Get("id"), Listener: g.Get("listener")})
		}, same),
		"/certificate/lineage": one(func(g values) (step, error) {
			return newStep("lineage/set", "act.lineage", g.Get("lineage"), desk.LineageRequest{Lineage: g.Get("lineage"), Activation: g.Get("activation"), KeyAtRenewal: g.Get("key")})
		}, same),
		"/listeners/enable": listeners(func(g values) (step, error) {
			return newStep("listener/set", "act.listener-enable", g.Get("listener"), desk.ListenerRequest{Listener: g.Get("listener"), Enabled: true})
		}),
		"/listeners/disable": listeners(func(g values) (step, error) {
			return newStep("listener/set", "act.listener-disable", g.Get("listener"), desk.ListenerRequest{Listener: g.Get("listener")})
		}),
		"/plan/apply": p.applyPlan,
		"/trust/remove": func(_ *http.Request, _ visitor, g values) (draft, error) {
			s, err := newStep("trust/remove", "act.untrust", g.Get("name"), desk.ForgetRequest{ID: g.Get("id")})
			return draft{steps: []step{s}, back: "/trust", then: "/trust"}, err
		},
	}
}

// forms are the pages that ask something.
func (p *center) forms() map[string]form {
	return map[string]form{
		"/certificate/new":     p.newForm(),
		"/certificate/request": p.requestForm(),
		"/certificate/import":  p.importForm(),
		"/certificate/enable":  p.enableForm(),
		"/trust/add":           p.anchorForm(),
		"/trust/distrust":      p.distrustForm(),
	}
}

// download answers with a certificate, or the request for one, as a file. No private key leaves this way.
func (p *center) download(w http.ResponseWriter, r *http.Request, v visitor) {
	q := r.URL.Query()
	format := q.Get("format")
	if !slices.Contains([]string{desk.FormatPEM, desk.FormatDER, desk.FormatP7B}, format) {
		format = desk.FormatPEM
	}
	p.send(w, r, v, desk.ExportRequest{ID: q.Get("id"), Format: format, NoKey: true})
}

// send asks the API for a file and answers with it.
func (p *center) send(w http.ResponseWriter, r *http.Request, v visitor, request desk.ExportRequest) {
	back := address("/certificate", "id", request.ID)
	d, err := p.desk.Certificate(r.Context(), request.ID)
	if err != nil {
		p.refuse(w, r, v, "/certificates", problemOf(err))
		return
	}
	var file desk.Exported
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "cert/export", request, &file); err != nil {
		p.refuse(w, r, v, back, err)
		return
	}
	// The name is that of the lineage, which is letters, digits and hyphens; RFC 6266 section 4.3 warns of others.
	name, kind := d.Lineage, "application/octet-stream"
	switch pending := d.Status == x509cert.StatusPendingRequest; {
	case pending && request.Format == desk.FormatDER:
		name, kind = name+".csr.der", "application/pkcs10"
	case pending:
		name, kind = name+".csr.pem", "application/x-pem-file"
	case request.Format == desk.FormatPFX:
		name, kind = name+".pfx", "application/x-pkcs12"
	case request.Format == desk.FormatP7B:
		name, kind = name+".p7b", "application/x-pkcs7-certificates"
	case request.Format == desk.FormatDER:
		name, kind = name+".cer", "application/pkix-cert"
	default:
		name, kind = name+".pem", "application/x-pem-file"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", plainNumber(len(file.Data)))
	w.Write(file.Data) // the reader is gone when this fails
}

// servicesOf are the services to choose from, with what each would replace.
func (w *words) servicesOf(views []desk.ServiceView, lineage string) []option {
	var all []option
	for _, s := range views {
		var now []string
		on := false
		for _, l := range s.Listeners {
			on = on || l.Lineage == lineage && lineage != ""
			if l.Certificate != "" && !slices.Contains(now, l.Certificate) {
				now = append(now, l.Certificate)
			}
		}
		o := option{Value: string(s.Service), Label: string(s.Service), Help: w.say("enable.nothing-now"), On: on}
		var names []string
		for _, l := range s.Listeners {
			names = append(names, l.Listener)
		}
		o.Label += " (" + listed(names) + ")"
		if len(now) > 0 {
			o.Help = w.say("enable.now", listed(now))
		}
		all = append(all, o)
	}
	return all
}

// kindsOf are the kinds of keys to choose from.
func (w *words) kindsOf(given values, pairs bool) []option {
	all := []option{{Value: "", Label: w.say("key.default-one")}}
	if pairs {
		all[0].Label = w.say("key.default-two")
	}
	for _, kind := range []string{"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519"} {
		all = append(all, option{Value: kind, Label: strings.ToUpper(kind)})
	}
	return chosen(all, given.Get("kind"))
}

// certificateIn reads the certificate that a form is about.
func (p *center) certificateIn(r *http.Request, query url.Values) (*desk.CertificateDetail, error) {
	return p.desk.Certificate(r.Context(), query.Get("id"))
}

// listenersIn are the names of listeners of services that serve certificates.
func listenersIn(services []string) []string {
	var names []string
	for _, s := range services {
		names = append(names, listener.Service(s).Listeners()...)
	}
	return names
}
