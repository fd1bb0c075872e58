package pages

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// rootPage is the authority above ours: where its key is, what waits for it, and how the answer comes back.
type rootPage struct {
	Root     *rootView // nil: there is none, or it is another's
	Old      []string  // roots that were replaced, and whose keys are here all the same
	Requests []requestView
	Foreign  bool // something waits for another organisation's authority
	Ceremony bool // our root is on another machine: there is always a request to carry there
}

// rootView is the root of ours that is in force. The key of one that was replaced is for the command line.
type rootView struct {
	Name, Subject         string
	Level, Word           string
	Export, Forget, Bring string // addresses; empty where it makes no sense
	Until                 stamp
}

// requestView is a request that waits.
type requestView struct {
	Name, Subject, Way, PEM, Href string
	Domains, Networks             []string
	Made                          stamp
	Replaces                      string
}

// rootRoutes are the pages about the authority above.
func (p *center) rootRoutes() routes {
	table := routes{
		"/authority/root":          {http.MethodGet: p.signedIn(p.root)},
		"/authority/root/download": {http.MethodGet: p.signedIn(p.rootFile)},
		"/authority/root/export":   {http.MethodGet: p.signedIn(p.ask(p.rootExportForm())), http.MethodPost: p.signedIn(p.exportRoot)},
	}
	for path, f := range map[string]form{"/authority/root/answer": p.answerForm(), "/authority/root/withdraw": p.withdrawForm(), "/authority/root/remove": p.rootKeyForm("remove"), "/authority/root/import": p.rootKeyForm("import")} {
		table[path] = map[string]http.HandlerFunc{http.MethodGet: p.signedIn(p.ask(f)), http.MethodPost: p.signedIn(p.take(f))}
	}
	return table
}

// waiting are the requests that wait; none is no error.
func (p *center) waiting(r *http.Request, v visitor) (desk.WaitingRequests, error) {
	var all desk.WaitingRequests
	err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/requests", admin.Nothing{}, &all)
	if problem, ok := errors.AsType[*admin.Problem](err); ok && problem.Name == "desk.ErrNothingWaits" {
		err = nil
	}
	return all, err
}

// root shows where the root is and what waits for it.
func (p *center) root(w http.ResponseWriter, r *http.Request, v visitor) {
	all, err := p.waiting(r, v)
	var health desk.PKIHealth
	if err == nil {
		err = admin.Local(p.desk, v.actor).Call(r.Context(), "ca/health", admin.Nothing{}, &health)
	}
	if err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	page := rootPage{Ceremony: len(all.Ceremony) > 0, Foreign: all.PEM != ""}
	for _, n := range health.Tree {
		if n.Depth == 0 && n.Purpose == "root" && n.State == state.AuthorityActive {
			page.Root = v.words.rootOf(n)
		}
		if n.Depth == 0 && n.Purpose == "root" && n.State == state.AuthorityRetired && n.KeyHere && !n.InModule {
			page.Old = append(page.Old, n.Name)
		}
	}
	for _, q := range all.Requests {
		page.Requests = append(page.Requests, requestView{Name: q.Name, Subject: q.Subject, Way: v.words.say("root.way." + q.Way), PEM: q.PEM, Href: address("/authority/root/download", "authority", q.Name),
			Domains: q.Domains, Networks: q.Networks, Made: minute(q.Made), Replaces: q.Replaces})
	}
	p.show(w, r, v, sheet{template: "root", title: "root.title", path: "/authority/root", here: "authority", body: page})
}

// rootOf words a root of ours, with what makes sense where its key is.
func (w *words) rootOf(n desk.AuthorityNode) *rootView {
	one := &rootView{Name: n.Name, Subject: n.Subject, Level: levelGood, Word: w.say("root.elsewhere"), Until: day(n.NotAfter)}
	switch {
	case n.InModule:
		one.Word = w.say("authority.key.module")
	case n.KeyHere:
		one.Level, one.Word = levelWarn, w.say("root.here")
		one.Export, one.Forget = "/authority/root/export", "/authority/root/remove"
	default:
		one.Bring = "/authority/root/import"
	}
	return one
}

// rootFile answers with what is carried to the authority above: the file for a ceremony, or requests as PKCS #10 (RFC 2986).
func (p *center) rootFile(w http.ResponseWriter, r *http.Request, v visitor) {
	all, err := p.waiting(r, v)
	if err != nil {
		p.refuse(w, r, v, "/authority/root", err)
		return
	}
	name, kind, data := "requests.csr", "application/x-pem-file", []byte(all.PEM)
	switch wanted := r.URL.Query().Get("authority"); {
	case wanted != "":
		i := slices.IndexFunc(all.Requests, func(q desk.WaitingRequest) bool { return q.Name == wanted })
		data = nil
		if i >= 0 {
			name, data = fileNamed(wanted)+".csr", []byte(all.Requests[i].PEM)
		}
	case len(all.Ceremony) > 0:
		name, kind, data = "request.json", "application/json", all.Ceremony
	}
	if len(data) == 0 {
		p.fail(w, r, http.StatusNotFound, "not-found")
		return
	}
	sendFile(w, name, kind, data)
}

// sendFile answers with a file to be kept. Its name is of our making.
func sendFile(w http.ResponseWriter, name, kind string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", plainNumber(len(data)))
	w.Write(data) // the reader is gone when this fails
}

// answerForm takes in what the authority above has signed.
func (p *center) answerForm() form {
	return form{title: "answer.title", intro: "answer.intro", send: "form.preview", here: "authority", files: true, back: "/authority/root",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			area := v.words.ask("area", "pem", g, false)
			area.Wide = true
			root := v.words.ask("text", "root", g, false)
			root.Help = v.words.say("answer.root.help")
			return []field{v.words.ask("file", "file", values{}, false), area, root}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			files := append(g.files, g.pasted("pem")...)
			if len(files) == 0 {
				return draft{}, errEntry("error.no-file")
			}
			var names []string
			for _, f := range files {
				names = append(names, f.Name)
			}
			s, err := newStep("ca/import", "act.ca-import", listed(names), desk.AuthorityAnswer{Files: files, Root: strings.TrimSpace(g.Get("root"))})
			return draft{steps: []step{s}, back: "/authority/root/answer", then: "/authority"}, err
		}}
}

// withdrawForm takes a request back that waits.
func (p *center) withdrawForm() form {
	return form{title: "withdraw.title", intro: "withdraw.intro", send: "form.preview", here: "authority", back: "/authority/root",
		fields: func(r *http.Request, v visitor, g values) ([]field, error) {
			all, err := p.waiting(r, v)
			options := []option{{Label: v.words.say("withdraw.all")}}
			for _, q := range all.Requests {
				options = append(options, option{Value: q.Name, Label: q.Name})
			}
			return []field{v.words.choose("authority", chosen(options, g.Get("authority")))}, err
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			s, err := newStep("ca/withdraw", "act.ca-withdraw", g.Get("authority"), desk.WithdrawRequest{Name: g.Get("authority")})
			return draft{steps: []step{s}, back: "/authority/root/withdraw", then: "/authority"}, err
		}}
}

// rootKeyForm takes the file of a root: as the proof that its key may leave this server, or to bring the key back.
func (p *center) rootKeyForm(act string) form {
	return form{title: "root-" + act + ".title", intro: "root-" + act + ".intro", send: "form.preview", here: "authority", files: true, back: "/authority/root",
		fields: func(_ *http.Request, v visitor, _ values) ([]field, error) {
			file, password := v.words.ask("file", "file", values{}, true), v.words.ask("password", "password", values{}, true)
			file.Help, password.Help = v.words.say("root-key.file.help"), ""
			return []field{file, password}, nil
		},
		draft: func(_ *http.Request, _ visitor, g values) (draft, error) {
			if len(g.files) != 1 {
				return draft{}, errEntry("error.no-file")
			}
			s, err := newStep("ca/root-"+act, "act.ca-root-"+act, g.files[0].Name, desk.RootKeyRequest{File: g.files[0], Password: g.password})
			return draft{steps: []step{s}, back: "/authority/root/" + act, then: "/authority/root"}, err
		}}
}

// rootExportForm asks for the password of the file that the root leaves in.
func (p *center) rootExportForm() form {
	return form{title: "root-export.title", intro: "root-export.intro", send: "root-export.send", here: "authority", back: "/authority/root",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			return v.words.passwordFields(g)[1:], nil
		}}
}

// exportRoot answers with the root and its key. The reader has chosen a password and pressed the button that says so.
func (p *center) exportRoot(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	wrong := g.wrongPassword()
	var file desk.Exported
	if wrong == nil {
		wrong = admin.Local(p.desk, v.actor).Call(r.Context(), "ca/root-export", desk.RootKeyRequest{Password: g.password, Confirm: true}, &file)
	}
	if wrong != nil {
		p.askAgain(w, r, v, p.rootExportForm(), g, wrong)
		return
	}
	sendFile(w, "root.pfx", "application/x-pkcs12", file.Data)
	clear(file.Data)
}

// superiors are the places where the root of a new authority may be.
func (w *words) superiors(g values) field {
	f := field{Name: "superior", Kind: "radio", Label: w.say("field.superior")}
	for _, one := range []string{"here", state.WayCeremony, state.WayForeign} {
		f.Choices = append(f.Choices, option{Value: one, Label: w.say("superior." + one), Help: w.say("superior." + one + ".help")})
	}
	wanted := g.Get("superior")
	if wanted == "" {
		wanted = "here"
	}
	f.Choices = chosen(f.Choices, wanted)
	return f
}

// superiorIn is what was chosen, in the words of the API.
func superiorIn(g values) string { return strings.TrimSuffix(g.Get("superior"), "here") }
