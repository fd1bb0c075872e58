package pages

import (
	"net/http"
	"strconv"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/desk"
)

// newForm asks for what a self-signed certificate needs.
func (p *center) newForm() form {
	return form{title: "new.title", intro: "new.intro", send: "form.preview", here: "certificates",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			services, err := p.desk.Services(r.Context())
			if err != nil {
				return nil, err
			}
			w := v.words
			return []field{
				w.ask("text", "name", g, true),
				w.ask("area", "domains", g, false),
				w.choose("kind", w.kindsOf(g, true)),
				w.ask("text", "days", g, false),
				w.check("exportable", g),
				{Name: "services", Label: w.say("field.services"), Help: w.say("field.services.help"), Kind: "checks", Choices: chosen(w.servicesOf(services, ""), g.Values["services"]...)},
				w.ask("text", "subject", g, false),
				{Name: "lineage", Kind: "text", Label: w.say("field.lineage"), Help: w.say("new.lineage.help"), Value: g.Get("lineage")},
			}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			days, err := daysIn(g)
			if err != nil {
				return draft{}, err
			}
			request := desk.NewRequest{Name: strings.TrimSpace(g.Get("name")), Domains: g.lines("domains"), Subject: strings.TrimSpace(g.Get("subject")), Kinds: kindsIn(g),
				Days: days, Exportable: g.on("exportable"), Services: strings.Join(g.Values["services"], ","), Lineage: strings.TrimSpace(g.Get("lineage"))}
			s, err := newStep("cert/new", "act.new", request.Name, request)
			return draft{steps: []step{s}, back: "/certificate/new"}, err
		}}
}

// requestForm asks for what a request to an authority needs.
func (p *center) requestForm() form {
	return form{title: "request.title", intro: "request.intro", send: "form.preview", here: "certificates",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			if id := g.Get("id"); id != "" && g.Get("domains") == "" { // the next generation of one that is there
				d, err := p.certificateIn(r, g.Values)
				if err != nil {
					return nil, err
				}
				g.Values.Set("name", d.Name)
				g.Values.Set("domains", strings.Join(d.Names, "\n"))
				g.Values.Set("lineage", d.Lineage)
			}
			return []field{
				w.ask("text", "name", g, true),
				func() field {
					f := w.ask("area", "domains", g, true)
					f.Help = w.say("field.domains.request")
					return f
				}(),
				w.choose("kind", w.kindsOf(g, false)),
				w.check("exportable", g),
				w.ask("text", "subject", g, false),
				w.check("no-cn", g),
				w.ask("text", "lineage", g, false),
			}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			request := desk.AskRequest{Name: strings.TrimSpace(g.Get("name")), Domains: g.lines("domains"), Subject: strings.TrimSpace(g.Get("subject")), NoCommonName: g.on("no-cn"),
				Kinds: kindsIn(g), Exportable: g.on("exportable"), Lineage: strings.TrimSpace(g.Get("lineage"))}
			s, err := newStep("cert/request", "act.request", request.Name, request)
			return draft{steps: []step{s}, back: "/certificate/request"}, err
		}}
}

// ask is a field whose label and help are texts named after it.
func (w *words) ask(kind, name string, g values, required bool) field {
	return field{Name: name, Kind: kind, Label: w.say("field." + name), Help: w.texts["field."+name+".help"], Value: g.Get(name), Required: required}
}

// check is a box to check.
func (w *words) check(name string, g values) field {
	f := w.ask("check", name, g, false)
	f.Value = ""
	if g.on(name) {
		f.Value = "1"
	}
	return f
}

// choose is a choice of one.
func (w *words) choose(name string, options []option) field {
	return field{Name: name, Kind: "choice", Label: w.say("field." + name), Help: w.texts["field."+name+".help"], Choices: options}
}

func kindsIn(g values) []string {
	if g.Get("kind") == "" {
		return nil
	}
	return []string{g.Get("kind")}
}

func daysIn(g values) (int, error) {
	text := strings.TrimSpace(g.Get("days"))
	if text == "" {
		return 0, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 {
		return 0, errEntry("error.days")
	}
	return days, nil
}

// enableForm asks which services a certificate takes over.
func (p *center) enableForm() form {
	return form{title: "enable.title", intro: "enable.intro", send: "form.preview", here: "certificates",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			d, err := p.certificateIn(r, g.Values)
			if err != nil {
				return nil, err
			}
			services, err := p.desk.Services(r.Context())
			if err != nil {
				return nil, err
			}
			w := v.words
			choices := w.servicesOf(services, d.Lineage)
			if len(g.Values["services"]) > 0 {
				choices = chosen(choices, g.Values["services"]...)
			}
			var only []option
			for _, name := range listenersIn(serviceNames()) {
				only = append(only, option{Value: name, Label: name})
			}
			return []field{
				{Name: "services", Label: w.say("enable.services", d.Name), Help: w.say("enable.services.help"), Kind: "checks", Choices: choices},
				{Name: "role", Label: w.say("field.role"), Kind: "radio", Choices: chosen([]option{
					{Value: "default", Label: w.say("enable.default"), Help: w.say("enable.default.help")},
					{Value: "name", Label: w.say("enable.by-name"), Help: w.say("enable.by-name.help")}}, roleIn(g))},
				{Name: "listeners", Label: w.say("enable.only"), Help: w.say("enable.only.help"), Kind: "checks", Wide: true, Choices: chosen(only, g.Values["listeners"]...)},
			}, nil
		},
		draft: func(r *http.Request, _ visitor, g values) (draft, error) {
			d, err := p.certificateIn(r, g.Values)
			if err != nil {
				return draft{}, problemOf(err)
			}
			if len(g.Values["services"]) == 0 {
				return draft{}, errEntry("error.services")
			}
			s, err := newStep("cert/enable", "act.enable", d.Lineage, desk.EnableRequest{ID: d.Thumbprint, Services: strings.Join(g.Values["services"], ","),
				Listeners: g.Values["listeners"], ByName: roleIn(g) == "name"})
			return draft{steps: []step{s}, back: address("/certificate", "id", d.Thumbprint), then: address("/certificate", "id", d.Thumbprint)}, err
		}}
}

func roleIn(g values) string {
	if g.Get("role") == "name" {
		return "name"
	}
	return "default"
}

func serviceNames() []string {
	var names []string
	for _, s := range listener.Services() {
		names = append(names, string(s))
	}
	return names
}
