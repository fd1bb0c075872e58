package pages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

const (
	// maxActBytes bounds a form of a visitor, with a certificate or two pasted into it.
	maxActBytes = 512 << 10
	// maxUploadBytes bounds one with files. The API takes 64 MiB in base64.
	maxUploadBytes = 47 << 20
	// maxUploads bounds the files of a form.
	maxUploads = 20
)

// form is a page that asks for something and makes an act of it. It works without a script: what is filled in is sent,
// what it would change is shown, and the visitor confirms it.
type form struct {
	title string // key of a text
	intro string // key of a text; empty for none
	send  string // key of what the button says
	here  string // place in the navigation
	files bool   // it takes files
	back  string // where to go instead; empty for the place
	// fields are what is asked, with what is filled in already.
	fields func(r *http.Request, v visitor, given values) ([]field, error)
	// draft makes what is confirmed of what was filled in.
	draft func(r *http.Request, v visitor, given values) (draft, error)
}

// field is one question of a form.
type field struct {
	Name, Label, Help string
	Kind              string // "text", "area", "choice", "checks", "check", "file", "password"
	Value             string
	Choices           []option
	Required          bool
	Wide              bool // an area for certificates, in the letters of code; choices that are short, beside each other
}

// option is one answer to choose.
type option struct {
	Value, Label, Help string
	On                 bool
}

// values are what was filled in.
type values struct {
	url.Values
	files    []desk.ImportFile
	password desk.Password
	repeated desk.Password
}

// lines are the non-empty lines of a field, for lists of names; commas and spaces separate too.
func (g values) lines(name string) []string {
	return strings.FieldsFunc(g.Get(name), func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' || r == '\t' })
}

// on says whether a box is checked.
func (g values) on(name string) bool { return g.Get(name) != "" }

// errEntry is something that the form itself finds wrong; its text is a key.
type errEntry string

func (e errEntry) Error() string { return string(e) }

// formPage is a form worded.
type formPage struct {
	Title, Intro, Send string
	Action             string
	ID                 string // what it is about
	Files              bool
	Fields             []field
	Problem            *notice
	Back               string
}

// ask shows a form.
func (p *center) ask(f form) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		p.askAgain(w, r, v, f, values{Values: r.URL.Query()}, nil)
	}
}

// askAgain shows a form with what was filled in, and what was wrong with it.
func (p *center) askAgain(w http.ResponseWriter, r *http.Request, v visitor, f form, given values, wrong error) {
	fields, err := f.fields(r, v, given)
	if err != nil {
		p.refuse(w, r, v, "/certificates", problemOf(err))
		return
	}
	id := given.Get("id")
	page := formPage{Title: v.words.say(f.title), Send: v.words.say(f.send), Action: r.URL.Path, ID: id, Files: f.files, Fields: fields, Back: "/" + f.here}
	if f.intro != "" {
		page.Intro = v.words.say(f.intro)
	}
	if id != "" {
		page.Back = address("/certificate", "id", id)
	}
	if f.back != "" {
		page.Back = f.back
	}
	if serial := given.Get("serial"); serial != "" && r.URL.Path == "/authority/revoke" {
		page.Back = address("/authority/certificate", "serial", serial)
	}
	s := sheet{template: "form", title: f.title, path: r.URL.Path, keep: []string{"id", id, "serial", given.Get("serial")}, here: f.here}
	if wrong != nil {
		entry, mine := errors.AsType[errEntry](wrong)
		problem, refused := errors.AsType[*admin.Problem](problemOf(wrong))
		switch {
		case mine:
			page.Problem = &notice{Text: v.words.texts[string(entry)]}
		case refused:
			n := v.words.problem(problem)
			page.Problem = &n
		default:
			p.broken(w, r, "reading a form", wrong)
			return
		}
		s.status = http.StatusUnprocessableEntity
	}
	s.body = page
	p.show(w, r, v, s)
}

// problemOf makes a refusal of an error of a package that the API would have refused for.
func problemOf(err error) error {
	if _, ok := errors.AsType[*admin.Problem](err); ok {
		return err
	}
	if p := admin.ProblemOf(err); p.Name != "" {
		return p
	}
	return err
}

// take reads a form and shows what it would change.
func (p *center) take(f form) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		given, ok := p.read(w, r)
		if !ok {
			return
		}
		d, err := f.draft(r, v, given)
		if err == nil {
			err = p.foresee(r.Context(), v, &d)
		}
		if err != nil {
			p.askAgain(w, r, v, f, given, err)
			return
		}
		p.preview(w, r, v, d, false)
	}
}

// press reads a button: a form without questions.
func (p *center) press(make func(r *http.Request, v visitor, given values) (draft, error)) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		given, ok := p.read(w, r)
		if !ok {
			return
		}
		d, err := make(r, v, given)
		if err != nil {
			p.broken(w, r, "reading a button", err)
			return
		}
		p.begin(w, r, v, d)
	}
}

// read reads the body of a form, with its files, into memory: private keys must not come to lie in temporary files. ok
// is false when it could not, and the request is answered then.
func (p *center) read(w http.ResponseWriter, r *http.Request) (given values, ok bool) {
	given = values{Values: make(url.Values)}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		ok = p.readForm(w, r)
		for name, value := range r.PostForm {
			given.set(name, value)
		}
		return given, ok
	}
	err = given.readParts(r)
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large || errors.Is(err, errTooLarge):
		p.fail(w, r, http.StatusRequestEntityTooLarge, "large")
		return given, false
	case err != nil:
		p.fail(w, r, http.StatusBadRequest, "bad-request")
		return given, false
	}
	return given, true
}

// errTooLarge: a file is larger than any that certificates travel in, or there are too many.
var errTooLarge = errors.New("the files are too large")

func (g *values) readParts(r *http.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return fmt.Errorf("reading a form: %w", err)
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a form: %w", err)
		}
		limit := int64(maxActBytes)
		if part.FileName() != "" {
			limit = certfile.MaxBytes
		}
		content, err := io.ReadAll(io.LimitReader(part, limit+1))
		switch {
		case err != nil:
			return fmt.Errorf("reading a form: %w", err)
		case int64(len(content)) > limit, n > maxUploads+30, len(g.files) > maxUploads:
			return errTooLarge
		case part.FileName() != "":
			g.files = append(g.files, desk.ImportFile{Name: visible(part.FileName()), Data: content})
		case part.FormName() == "file": // no file was chosen
		default:
			g.set(part.FormName(), append(g.Values[part.FormName()], string(content)))
		}
	}
}

// visible is the name of a file as it can be shown: what cannot be seen, or turns the line around, is replaced.
func visible(name string) string {
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if runes := []rune(shown); len(runes) > 80 {
		shown = string(runes[:79]) + "…"
	}
	return shown
}

// set keeps a value; a password is kept apart, so that no page can show it again.
func (g *values) set(name string, value []string) {
	switch name {
	case "password":
		g.password = passwordOf(value)
	case "repeated":
		g.repeated = passwordOf(value)
	default:
		g.Values[name] = value
	}
}

func passwordOf(value []string) desk.Password {
	if first(value) == "" {
		return desk.Password{}
	}
	return desk.NewPassword(keys.Secret(first(value)))
}

// passwordsDiffer says whether a password was not repeated as it was.
func (g values) passwordsDiffer() bool {
	return !bytes.Equal(g.password.Secret().Bytes(), g.repeated.Secret().Bytes())
}

// pasted is a text that was pasted in place of a file.
func (g values) pasted(name string) []desk.ImportFile {
	if strings.TrimSpace(g.Get(name)) == "" {
		return nil
	}
	return []desk.ImportFile{{Name: "pasted.pem", Data: []byte(g.Get(name))}}
}

// chosen marks the options that were chosen.
func chosen(options []option, values ...string) []option {
	for i := range options {
		options[i].On = slices.Contains(values, options[i].Value)
	}
	return options
}
