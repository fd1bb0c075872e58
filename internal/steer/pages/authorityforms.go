package pages

import (
	"maps"
	"net/http"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/issue/crl"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// authorityRoutes are the pages about our own authority.
func (p *center) authorityRoutes() routes {
	table := routes{
		"/authority":                      {http.MethodGet: p.signedIn(p.authority)},
		"/authority/book":                 {http.MethodGet: p.signedIn(p.book)},
		"/authority/book/download":        {http.MethodGet: p.signedIn(p.bookFile)},
		"/authority/certificate":          {http.MethodGet: p.signedIn(p.issued)},
		"/authority/certificate/download": {http.MethodGet: p.signedIn(p.issuedFile)},
		"/authority/pending":              {http.MethodGet: p.signedIn(p.pending)},
		"/authority/pending/approve":      {http.MethodPost: p.signedIn(p.decide("ca/approve"))},
		"/authority/pending/reject":       {http.MethodPost: p.signedIn(p.decide("ca/reject"))},
		"/authority/certify":              {http.MethodGet: p.signedIn(p.ask(p.certifyForm())), http.MethodPost: p.signedIn(p.certify)},
	}
	for path, f := range map[string]form{"/authority/init": p.initForm(), "/authority/issue": p.issueForm(), "/authority/revoke": p.revokeForm(), "/authority/keep": p.keepForm()} {
		table[path] = map[string]http.HandlerFunc{http.MethodGet: p.signedIn(p.ask(f)), http.MethodPost: p.signedIn(p.take(f))}
	}
	for path, f := range p.shapeForms() {
		table[path] = map[string]http.HandlerFunc{http.MethodGet: p.signedIn(p.ask(f)), http.MethodPost: p.signedIn(p.take(f))}
	}
	table["/authority/profiles"] = map[string]http.HandlerFunc{http.MethodGet: p.signedIn(p.profiles)}
	maps.Copy(table, p.enrolmentRoutes())
	maps.Copy(table, p.peopleRoutes())
	maps.Copy(table, p.rootRoutes())
	return table
}

// initForm asks for what makes an authority.
func (p *center) initForm() form {
	return form{title: "ca-init.title", intro: "ca-init.intro", send: "form.preview", here: "authority",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			area := w.ask("area", "domains", g, false)
			area.Help = w.say("ca-init.domains.help")
			return []field{w.superiors(g), w.ask("text", "ca-name", g, false), w.ask("text", "pki-host", g, false), area}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			s, err := newStep("ca/init", "act.ca-init", "", desk.AuthorityRequest{Name: strings.TrimSpace(g.Get("ca-name")), PKIHost: strings.TrimSpace(g.Get("pki-host")), Domains: g.lines("domains"), Superior: superiorIn(g)})
			return draft{steps: []step{s}, back: "/authority/init", then: "/authority"}, err
		}}
}

// profilesOf are the profiles to choose from.
func (p *center) profilesOf(r *http.Request, v visitor, g values) (field, error) {
	var all desk.AuthoritiesView
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/show", admin.Nothing{}, &all); err != nil {
		return field{}, err
	}
	var options []option
	for _, name := range all.Profiles {
		o := option{Value: name, Label: name}
		if text, ok := v.words.texts["profile."+name]; ok {
			o.Label = name + " – " + text
		}
		options = append(options, o)
	}
	wanted := g.Get("profile")
	if wanted == "" {
		wanted = "server"
	}
	return v.words.choose("profile", chosen(options, wanted)), nil
}

// issueForm asks for a certificate whose key is made here.
func (p *center) issueForm() form {
	return form{title: "issue.title", intro: "issue.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			profile, err := p.profilesOf(r, v, g)
			if err != nil {
				return nil, err
			}
			services, err := p.desk.Services(r.Context())
			if err != nil {
				return nil, err
			}
			names := w.ask("area", "domains", g, false)
			names.Help = w.say("issue.domains.help")
			var kinds []option
			for _, k := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048, keys.RSA3072} {
				kinds = append(kinds, option{Value: string(k), Label: strings.ToUpper(string(k))})
			}
			return []field{profile, names, w.choose("kind", chosen(kinds, g.Get("kind"))),
				{Name: "services", Label: w.say("field.services"), Help: w.say("field.services.help"), Kind: "checks", Choices: chosen(w.servicesOf(services, ""), g.Values["services"]...)},
				{Name: "lineage", Kind: "text", Label: w.say("field.lineage"), Help: w.say("new.lineage.help"), Value: g.Get("lineage")}}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			r := desk.IssueRequest{Profile: g.Get("profile"), Domains: g.lines("domains"), Kind: g.Get("kind"), Enable: strings.Join(g.Values["services"], ","), Lineage: strings.TrimSpace(g.Get("lineage"))}
			s, err := newStep("ca/issue", "act.ca-issue", listed(r.Domains), r)
			return draft{steps: []step{s}, back: "/authority/issue"}, err
		}}
}

// revokeForm asks why a certificate is taken back.
func (p *center) revokeForm() form {
	return form{title: "revoke.title", intro: "revoke.intro", send: "form.preview", here: "authority",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			reasons := []option{{Value: "", Label: w.say("reason.unspecified")}}
			for _, reason := range reasonsToChoose() {
				reasons = append(reasons, option{Value: reason.String(), Label: w.say("reason."+reason.String()) + " (" + reason.String() + ")"})
			}
			return []field{w.ask("text", "serial", g, true), w.choose("reason", chosen(reasons, g.Get("reason")))}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			serial := strings.TrimSpace(g.Get("serial"))
			s, err := newStep("ca/revoke", "act.ca-revoke", serial, desk.RevokeRequest{ID: serial, Reason: g.Get("reason")})
			return draft{steps: []step{s}, back: address("/authority/revoke", "serial", serial), then: address("/authority/certificate", "serial", serial)}, err
		}}
}

// reasonsToChoose are those that a person gives.
func reasonsToChoose() []crl.Reason {
	return []crl.Reason{crl.KeyCompromise, crl.Superseded, crl.CessationOfOperation, crl.AffiliationChanged, crl.PrivilegeWithdrawn}
}

// keepForm asks how long lines of the book stay.
func (p *center) keepForm() form {
	return form{title: "keep.title", intro: "keep.intro", send: "form.preview", here: "authority",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			return []field{v.words.ask("text", "keep-days", g, false)}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			given := strings.TrimSpace(g.Get("keep-days"))
			r := desk.KeepRequest{}
			if given != "" {
				days, err := daysIn(values{Values: map[string][]string{"days": {given}}})
				if err != nil {
					return draft{}, err
				}
				r.Days = days
			}
			s, err := newStep("ca/keep", "act.ca-keep", "", r)
			return draft{steps: []step{s}, back: "/authority/keep", then: "/authority"}, err
		}}
}

// certifyForm asks for a request in a file.
func (p *center) certifyForm() form {
	return form{title: "certify.title", intro: "certify.intro", send: "certify.send", here: "authority", files: true,
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			profile, err := p.profilesOf(r, v, g)
			if err != nil {
				return nil, err
			}
			file, area, names := w.ask("file", "file", values{}, false), w.ask("area", "pem", g, false), w.ask("area", "domains", g, false)
			area.Wide = true
			file.Help, area.Help, names.Help = w.say("certify.file.help"), w.say("certify.pem.help"), w.say("certify.domains.help")
			return []field{profile, file, area, names, w.ask("text", "emails", g, false)}, nil
		}}
}

// certify issues for a request in a file, and shows what came of it. It is one act that makes something new and changes
// nothing that is there, so nobody is asked twice.
func (p *center) certify(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	files := append(g.files, g.pasted("pem")...)
	if len(files) != 1 {
		p.askAgain(w, r, v, p.certifyForm(), g, errEntry("error.one-file"))
		return
	}
	var made desk.Certified
	request := desk.CertifyRequest{Profile: g.Get("profile"), CSR: files[0], Domains: g.lines("domains"), Emails: g.lines("emails")}
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/certify", request, &made); err != nil {
		p.askAgain(w, r, v, p.certifyForm(), g, err)
		return
	}
	if made.Waiting != "" {
		http.Redirect(w, r, "/authority/pending", http.StatusSeeOther)
		return
	}
	// The target is a page of ours with a serial that we made.
	http.Redirect(w, r, address("/authority/certificate", "serial", made.Serial, "new", "1"), http.StatusSeeOther)
}
