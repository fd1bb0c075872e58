package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

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
