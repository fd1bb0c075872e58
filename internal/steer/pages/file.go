package pages

import (
	"net/http"
	"strings"

	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/desk"
)

// importForm takes certificates in: from files, or pasted. With an id it completes the request that waits there.
func (p *center) importForm() form {
	return form{title: "import.title", intro: "import.intro", send: "import.send", here: "certificates", files: true,
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			area := w.ask("area", "pem", values{}, false) // what was pasted may be a key: it is not shown again
			area.Wide = true
			fields := []field{w.ask("file", "file", values{}, false), area, w.ask("password", "password", values{}, false)}
			if id := g.Get("id"); id != "" {
				d, err := p.certificateIn(r, g.Values)
				if err != nil {
					return nil, err
				}
				if d.Status == x509cert.StatusPendingRequest {
					fields[0].Help = w.say("import.complete", d.Name)
					return fields, nil
				}
				g.Values.Set("lineage", d.Lineage)
			}
			return append(fields, w.ask("text", "name", g, false), w.check("exportable", g), w.ask("text", "lineage", g, false)), nil
		},
		draft: func(r *http.Request, v visitor, g values) (draft, error) {
			request := desk.ImportRequest{Files: append(g.files, g.pasted("pem")...), Name: strings.TrimSpace(g.Get("name")), Lineage: strings.TrimSpace(g.Get("lineage")),
				Exportable: g.on("exportable"), Password: g.password}
			if len(request.Files) == 0 {
				return draft{}, errEntry("error.no-file")
			}
			var names []string
			for _, f := range request.Files {
				names = append(names, f.Name)
			}
			s, err := newStep("cert/import", "act.import", listed(names), request)
			return draft{steps: []step{s}, back: "/certificate/import"}, err
		}}
}

// exportForm asks how a certificate leaves.
func (p *center) exportForm() form {
	return form{title: "export.title", intro: "export.intro", send: "export.send", here: "certificates",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			d, err := p.certificateIn(r, g.Values)
			if err != nil {
				return nil, err
			}
			w := v.words
			if !d.Exportable || !d.HasPrivateKey {
				format := w.choose("format", chosen([]option{
					{Value: "public", Label: w.say("export.pem-public")}, {Value: desk.FormatP7B, Label: w.say("export.p7b")}, {Value: desk.FormatDER, Label: w.say("export.der")}}, g.Get("format")))
				format.Help = w.say("export.not-exportable")
				if !d.HasPrivateKey {
					format.Help = w.say("export.no-key")
				}
				return []field{format}, nil
			}
			return []field{
				w.choose("format", chosen([]option{
					{Value: "modern", Label: w.say("export.pfx")}, {Value: "windows2016", Label: w.say("export.pfx-windows2016")}, {Value: desk.FormatPEM, Label: w.say("export.pem")},
					{Value: "public", Label: w.say("export.pem-public")}, {Value: desk.FormatP7B, Label: w.say("export.p7b")}, {Value: desk.FormatDER, Label: w.say("export.der")}}, g.Get("format"))),
				{Name: "password", Kind: "new-password", Label: w.say("field.new-password"), Help: w.say("field.new-password.help")},
				{Name: "repeated", Kind: "new-password", Label: w.say("field.repeated")},
				w.check("no-chain", g),
			}, nil
		}}
}

func (p *center) askExport(w http.ResponseWriter, r *http.Request, v visitor) {
	p.askAgain(w, r, v, p.exportForm(), values{Values: r.URL.Query()}, nil)
}

// export answers with a certificate as a file, with its private key if the format holds one.
func (p *center) export(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	request := desk.ExportRequest{ID: g.Get("id"), Format: desk.FormatPFX, NoChain: g.on("no-chain"), Password: g.password, Confirm: true}
	switch format := g.Get("format"); format {
	case "windows2016":
		request.Profile = format
	case desk.FormatPEM, desk.FormatP7B, desk.FormatDER:
		request.Format = format
	case "public":
		request.Format, request.NoKey = desk.FormatPEM, true
	}
	if request.Format == desk.FormatPFX || request.Format == desk.FormatPEM && !request.NoKey {
		var wrong error
		switch {
		case g.passwordsDiffer():
			wrong = errEntry("error.passwords")
		case len(request.Password.Secret().Bytes()) == 0 && request.Format == desk.FormatPEM:
			// The command line writes a bare key when it is told to; a browser's download folder is no place for one.
			wrong = errEntry("error.no-password")
		}
		if wrong != nil {
			p.askAgain(w, r, v, p.exportForm(), g, wrong)
			return
		}
	} else {
		request.Password = desk.Password{}
	}
	p.send(w, r, v, request)
}
