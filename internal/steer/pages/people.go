package pages

import (
	"cmp"
	"net/http"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// personProfiles are those of people, in the order in which a person needs them.
func personProfiles() []string { return []string{"smime-sign", "smime-encrypt", "user"} }

// peoplePage is whom our own authority has certified.
type peoplePage struct {
	Rows        []personRow
	Search      string
	First, Next string // addresses; empty for none
}

type personRow struct {
	bookRow
	For    string // what it is for, in words
	Key    string // address at which the kept key is exported; empty for none
	Revoke string
	Name   string
}

// peopleRoutes are the pages about the certificates of people.
func (p *center) peopleRoutes() routes {
	return routes{
		"/authority/people":     {http.MethodGet: p.signedIn(p.people)},
		"/authority/people/new": {http.MethodGet: p.signedIn(p.ask(p.personForm())), http.MethodPost: p.signedIn(p.issuePerson)},
		"/authority/people/key": {http.MethodGet: p.signedIn(p.ask(p.personKeyForm())), http.MethodPost: p.signedIn(p.exportPersonKey)},
	}
}

// people lists the certificates of people, the newest first, page by page.
func (p *center) people(w http.ResponseWriter, r *http.Request, v visitor) {
	search, after := strings.TrimSpace(r.URL.Query().Get("search")), r.URL.Query().Get("after")
	q := desk.IssuedQuery{Profile: strings.Join(personProfiles(), ","), Search: search, After: after, Limit: bookPerPage}
	var found desk.IssuedPage
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "ca/list", q, &found); err != nil {
		p.refuse(w, r, v, "/authority", err)
		return
	}
	page := peoplePage{Search: search}
	for _, l := range found.Lines {
		page.Rows = append(page.Rows, v.words.person(l))
	}
	if found.Next != "" {
		page.Next = address("/authority/people", "search", search, "after", found.Next)
	}
	if after != "" {
		page.First = address("/authority/people", "search", search)
	}
	p.show(w, r, v, sheet{template: "people", title: "people.title", path: "/authority/people", keep: []string{"search", search, "after", after}, here: "authority", body: page})
}

// person words a certificate of a person.
func (w *words) person(l desk.IssuedView) personRow {
	row := personRow{bookRow: w.line(l), For: w.say("profile." + l.Profile), Name: strings.TrimPrefix(l.Subject, "CN=")}
	if len(l.Names) > 0 && row.Name == l.Names[0] {
		row.Name = ""
	}
	if l.KeyKept {
		row.Key = address("/authority/people/key", "serial", l.Serial)
	}
	if l.Status == state.BookIssued {
		row.Revoke = address("/authority/revoke", "serial", l.Serial)
	}
	return row
}

// passwordFields ask for the password of a file that is made.
func (w *words) passwordFields(g values) []field {
	return []field{
		w.choose("pfx", chosen([]option{{Value: "modern", Label: w.say("export.pfx")}, {Value: "windows2016", Label: w.say("export.pfx-windows2016")}}, g.Get("pfx"))),
		{Name: "password", Kind: "new-password", Label: w.say("field.new-password"), Help: w.say("field.new-password.help"), Required: true},
		{Name: "repeated", Kind: "new-password", Label: w.say("field.repeated"), Required: true},
	}
}

// personForm asks for whom a certificate is.
func (p *center) personForm() form {
	return form{title: "person.title", intro: "person.intro", send: "person.send", here: "authority", back: "/authority/people",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			w := v.words
			wanted := cmp.Or(g.Get("profile"), "smime-sign")
			profile := field{Name: "profile", Kind: "radio", Label: w.say("person.for")}
			for _, name := range personProfiles() {
				profile.Choices = append(profile.Choices, option{Value: name, Label: w.say("profile." + name), Help: w.say("person.for." + name)})
			}
			profile.Choices = chosen(profile.Choices, wanted)
			return append([]field{profile, w.ask("text", "person-name", g, false), w.ask("text", "person-email", g, true)}, w.passwordFields(g)...), nil
		}}
}

// wrongPassword says what is wrong with the password for a file; nil for nothing. A browser's folder of downloads is no
// place for a bare key.
func (g values) wrongPassword() error {
	switch {
	case g.passwordsDiffer():
		return errEntry("error.passwords")
	case len(g.password.Secret().Bytes()) == 0:
		return errEntry("error.no-password")
	}
	return nil
}

// issuePerson issues for a person, and answers with the file. It makes something new and changes nothing that is there, so
// nobody is asked twice.
func (p *center) issuePerson(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	request := desk.PersonRequest{Profile: g.Get("profile"), Email: strings.TrimSpace(g.Get("person-email")), Name: strings.TrimSpace(g.Get("person-name")), Format: g.Get("pfx"), Password: g.password}
	p.personFile(w, r, v, g, personAct{p.personForm(), "ca/person", request, request.Email})
}

// personKeyForm asks for the password of a file that a kept key goes into.
func (p *center) personKeyForm() form {
	return form{title: "person-key.title", intro: "person-key.intro", send: "person-key.send", here: "authority", back: "/authority/people",
		fields: func(_ *http.Request, v visitor, g values) ([]field, error) {
			return append([]field{v.words.ask("text", "serial", g, true)}, v.words.passwordFields(g)...), nil
		}}
}

// exportPersonKey answers with a kept key once more.
func (p *center) exportPersonKey(w http.ResponseWriter, r *http.Request, v visitor) {
	g, ok := p.read(w, r)
	if !ok {
		return
	}
	serial := strings.TrimSpace(g.Get("serial"))
	p.personFile(w, r, v, g, personAct{p.personKeyForm(), "ca/person-key", desk.PersonKeyRequest{ID: serial, Format: g.Get("pfx"), Password: g.password}, serial})
}

// personAct is an act that answers with a file for a person.
type personAct struct {
	form    form // what is shown again when it is refused
	act     string
	request any
	of      string // whom the file is named after
}

func (p *center) personFile(w http.ResponseWriter, r *http.Request, v visitor, g values, a personAct) {
	if wrong := g.wrongPassword(); wrong != nil {
		p.askAgain(w, r, v, a.form, g, wrong)
		return
	}
	var file desk.PersonFile
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), a.act, a.request, &file); err != nil {
		p.askAgain(w, r, v, a.form, g, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-pkcs12")
	h.Set("Content-Disposition", `attachment; filename="`+fileNamed(a.of)+`.pfx"`)
	h.Set("Content-Length", plainNumber(len(file.Data)))
	w.Write(file.Data) // the reader is gone when this fails
}

// fileNamed makes the name of a file of an address: what a browser or a header could take for something else is replaced.
func fileNamed(text string) string {
	return strings.TrimLeft(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._+-", r) {
			return r
		}
		return '_'
	}, text), ".-")
}

func peopleWords() vocabulary {
	return vocabulary{
		"people.title":             {"People", "사람"},
		"people.teach":             {"Certificates for people, to sign and read mail and to sign in. Signing and decrypting are two keys: the one that decrypts is kept here, sealed, so that letters can still be read when a file was lost; the one that signs never is.", "메일 서명과 복호, 로그인에 쓰는 사람의 TLS 인증서입니다. 서명 키와 복호 키는 따로입니다. 복호 키는 파일을 잃어도 메일을 읽을 수 있도록 여기에 봉인해 보관하고, 서명 키는 결코 보관하지 않습니다."},
		"people.new":               {"Issue for a person", "사람에게 발급"},
		"people.search":            {"E-mail address, domain or serial", "전자 우편 주소, 도메인 또는 일련 번호"},
		"people.caption":           {"The newest first", "최근 것부터"},
		"people.none":              {"Nothing has been issued for people.", "사람에게 발급한 것이 없습니다."},
		"people.who":               {"Person", "사람"},
		"people.key":               {"Export key again", "키 다시 내보내기"},
		"people.key.of":            {"Export key again: %s", "키 다시 내보내기: %s"},
		"people.revoke.of":         {"Revoke: %s", "폐기: %s"},
		"person.title":             {"Issue for a person", "사람에게 발급"},
		"person.intro":             {"The key is made here, and leaves with the certificate in a file under your password (PFX), which Windows, macOS, telephones and mail programs take.", "키는 여기서 만들고, 암호를 건 파일(PFX)에 TLS 인증서와 함께 담아 내보냅니다. Windows, macOS, 휴대 전화, 메일 프로그램이 이 파일을 받습니다."},
		"person.send":              {"Issue and download", "발급하고 내려받기"},
		"person.for":               {"What for", "용도"},
		"person.for.smime-sign":    {"Its key is kept nowhere.", "키를 어디에도 보관하지 않습니다."},
		"person.for.smime-encrypt": {"Its key is kept here, sealed, and can be exported again.", "키를 여기에 봉인해 보관하며 다시 내보낼 수 있습니다."},
		"person.for.user":          {"To sign in; its key is kept nowhere.", "로그인용. 키를 어디에도 보관하지 않습니다."},
		"field.person-name":        {"Name", "이름"},
		"field.person-name.help":   {"Stands in the certificate. Empty means the address.", "TLS 인증서에 적습니다. 비워 두면 주소를 적습니다."},
		"field.person-email":       {"E-mail address", "전자 우편 주소"},
		"field.person-email.help":  {"In one of the accepted domains.", "허용 도메인의 주소."},
		"field.pfx":                {"Who reads the file", "파일을 읽을 곳"},
		"person-key.title":         {"Export a key again", "키 다시 내보내기"},
		"person-key.intro":         {"The key of a certificate for encrypted mail, once more, for the person whom it names. The audit trail says who took it.", "암호화 메일용 TLS 인증서의 키를 그 사람에게 다시 내보냅니다. 누가 내보냈는지 감사 기록에 남습니다."},
		"person-key.send":          {"Download", "내려받기"},
	}
}
