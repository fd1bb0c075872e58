package pages

import (
	"encoding/pem"
	"mime"
	"net/http"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trustfile"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// trustPage is what the organisation trusts beyond the system, and what it trusts no more.
type trustPage struct {
	Anchors  []anchorRow
	Files    []option // in which they can be given to others
	Distrust []distrustRow
}

type anchorRow struct {
	ID, Name, Subject, Print, Origin string
	life
	Added stamp
}

type distrustRow struct {
	ID, Kind, Value string
	Subject         string // whose key it is, if an authority of ours had it
	After           *stamp
	Added           stamp
}

// trust shows anchors and distrust.
func (p *center) trust(w http.ResponseWriter, r *http.Request, v visitor) {
	t, err := p.desk.Trust(r.Context())
	if err != nil {
		p.broken(w, r, "reading what is trusted", err)
		return
	}
	page := trustPage{}
	now := time.Now()
	for _, a := range t.Anchors {
		row := anchorRow{ID: a.ID, Name: commonName(a.Subject), Subject: a.Subject, Print: desk.Fingerprint(a.ID), Origin: v.words.say("trust." + a.Origin), Added: day(a.AddedAt)}
		row.Left, row.Level = v.words.left(a.NotAfter.Sub(now)), levelGood
		row.Until = day(a.NotAfter)
		if !now.Before(a.NotAfter) {
			row.life = v.words.life(a.NotAfter, a.NotAfter, now)
			row.Until = day(a.NotAfter)
		}
		page.Anchors = append(page.Anchors, row)
	}
	if len(page.Anchors) > 0 {
		for _, one := range trustfile.Platforms() {
			page.Files = append(page.Files, option{Value: address("/trust/download", "for", string(one)), Label: string(one)})
		}
	}
	for _, x := range t.Distrust {
		row := distrustRow{ID: x.ID, Subject: x.Subject, Kind: v.words.say("distrust." + x.Kind), Value: x.Value, Added: day(x.AddedAt)}
		if !x.After.IsZero() {
			after := day(x.After)
			row.After = &after
		}
		page.Distrust = append(page.Distrust, row)
	}
	p.show(w, r, v, sheet{template: "trust", title: "trust.title", path: "/trust", here: "trust", body: page})
}

// anchorForm takes the certificate of an authority to trust.
func (p *center) anchorForm() form {
	return form{title: "trust.add.title", intro: "trust.add.intro", send: "form.preview", here: "trust", files: true,
		fields: func(_ *http.Request, v visitor, _ values) ([]field, error) {
			area := v.words.ask("area", "pem", values{}, false)
			area.Wide = true
			return []field{v.words.ask("file", "file", values{}, false), area}, nil
		},
		draft: func(_ *http.Request, v visitor, g values) (draft, error) {
			d := draft{back: "/trust", then: "/trust"}
			for _, f := range append(g.files, g.pasted("pem")...) {
				s, err := newStep("trust/add", "act.trust", f.Name, desk.AnchorRequest{File: f})
				if err != nil {
					return d, err
				}
				s.will = v.words.printsOf(f.Data)
				d.steps = append(d.steps, s)
			}
			if len(d.steps) == 0 {
				return d, errEntry("error.no-file")
			}
			return d, nil
		}}
}

// printsOf are the fingerprints of the certificates in a file, to be compared with what the authority says of itself. In
// a form of file that is not PEM or DER there are none; the act looks deeper.
func (w *words) printsOf(file []byte) []string {
	var all []string
	add := func(der []byte) {
		if cert, err := x509cert.ParseCertificate(der); err == nil && len(all) < maxUploads {
			all = append(all, w.say("trust.print", commonName(x509cert.SubjectText(cert.Subject)), desk.Fingerprint(x509cert.Inspect(cert).SHA256)))
		}
	}
	rest := file
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		add(block.Bytes)
	}
	if len(all) == 0 {
		add(file)
	}
	return all
}

// trustFile answers with what is trusted here, as another system takes it.
func (p *center) trustFile(w http.ResponseWriter, r *http.Request, v visitor) {
	var file desk.TrustFile
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "trust/export", desk.TrustFileRequest{For: trustfile.Platform(r.URL.Query().Get("for"))}, &file); err != nil {
		p.refuse(w, r, v, "/trust", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name}))
	h.Set("Content-Length", plainNumber(len(file.Data)))
	w.Write(file.Data) // the reader is gone when this fails
}

// distrustForm asks what is trusted no more.
func (p *center) distrustForm() form {
	return form{title: "distrust.title", intro: "distrust.intro", send: "form.preview", here: "trust", files: true,
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			area := w.ask("area", "pem", values{}, false)
			area.Wide = true
			file := w.ask("file", "file", values{}, false)
			file.Help = w.say("distrust.file.help")
			return []field{file, area, w.ask("text", "spki", g, false), w.ask("text", "issuer", g, false), w.ask("date", "after", g, false)}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			d := draft{back: "/trust", then: "/trust"}
			var requests []desk.DistrustRequest
			var names []string
			for _, f := range append(g.files, g.pasted("pem")...) {
				requests, names = append(requests, desk.DistrustRequest{File: &f}), append(names, f.Name)
			}
			if spki := strings.TrimSpace(g.Get("spki")); spki != "" {
				requests, names = append(requests, desk.DistrustRequest{SPKI: spki}), append(names, spki)
			}
			if issuer := strings.TrimSpace(g.Get("issuer")); issuer != "" {
				request := desk.DistrustRequest{Issuer: issuer}
				if after := g.Get("after"); after != "" {
					var err error
					if request.After, err = time.ParseInLocation(time.DateOnly, after, time.Local); err != nil {
						return d, errEntry("error.date")
					}
				}
				requests, names = append(requests, request), append(names, issuer)
			}
			for i, request := range requests {
				s, err := newStep("trust/distrust", "act.distrust", names[i], request)
				if err != nil {
					return d, err
				}
				d.steps = append(d.steps, s)
			}
			if len(d.steps) == 0 {
				return d, errEntry("error.nothing-given")
			}
			return d, nil
		}}
}
