package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// The pages and what they need are part of the binary: there is no directory to lose or to write to.
//
//go:embed templates/*.html static/*
var files embed.FS

// maxFormBytes bounds what a form of a stranger may send: a token and little else.
const maxFormBytes = 4 << 10

// staticLife is how long a browser may keep a static file. Its address carries a hash of what is in it,
// so a new release is a new address.
const staticLife = 365 * 24 * time.Hour

// printer makes answers of templates. It is the same for the management pages and for the site.
type printer struct {
	log       *slog.Logger
	languages []*words
	templates *template.Template
	static    map[string]file   // by address
	addresses map[string]string // of a static file, by its name
}

// file is a static file.
type file struct {
	contentType string
	content     []byte
}

// newPrinter reads what is embedded. It panics when that cannot be read: then the binary is broken, and
// so is every test.
func newPrinter(log *slog.Logger) *printer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &printer{log: log, languages: languages(), static: make(map[string]file), addresses: make(map[string]string)}
	p.templates = template.Must(template.New("").Funcs(template.FuncMap{"pair": func(a, b any) []any { return []any{a, b} }, "words": commandWords}).ParseFS(files, "templates/*.html"))
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic("pages: internal error: " + err.Error())
	}
	for _, e := range entries {
		content, err := fs.ReadFile(files, "static/"+e.Name())
		if err != nil {
			panic("pages: internal error: " + err.Error())
		}
		contentType := map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(e.Name())]
		sum := sha256.Sum256(content)
		stem := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		address := "/static/" + stem + "." + hex.EncodeToString(sum[:8]) + path.Ext(e.Name())
		p.static[address] = file{contentType, content}
		p.addresses[e.Name()] = address
	}
	return p
}

// page is what every template gets; Body is what its own part of it needs.
type page struct {
	words    *words
	printer  *printer
	Title    string
	Switches []choice
	Who      string // who is signed in; empty for a stranger
	Here     string // the place in the navigation
	Done     *done  // what the reader has just done, nil for nothing
	DoneID   string // by which it can be undone
	Body     any
}

// T says a text in the reader's language.
func (p page) T(key string, args ...any) string { return p.words.say(key, args...) }

// Language is the reader's language.
func (p page) Language() string { return p.words.code }

// place is one page of the navigation.
type place struct {
	Href, Label string
	Current     bool
}

// Places is the navigation. A page that belongs into it has a line here, and its name among the texts: nav.NAME.
func (p page) Places() []place {
	var all []place
	for _, one := range [][2]string{{"overview", "/"}, {"certificates", "/certificates"}, {"listeners", "/listeners"}, {"trust", "/trust"}, {"authority", "/authority"},
		{"check", "/check"}, {"plan", "/plan"}, {"notices", "/notices"}, {"audit", "/audit"}, {"backup", "/backup"}, {"tokens", "/tokens"}} {
		all = append(all, place{one[1], p.words.say("nav." + one[0]), one[0] == p.Here})
	}
	return all
}

// Static is the address of a static file. A name that is not there fails the page, and with it its test.
func (p page) Static(name string) (string, error) {
	if address, ok := p.printer.addresses[name]; ok {
		return address, nil
	}
	return "", fmt.Errorf("finding the static file %s: %w", name, fs.ErrNotExist)
}

// sheet is a page to be printed.
type sheet struct {
	template string
	status   int
	title    string   // key of a text, or a name
	path     string   // where the language switch leads to
	keep     []string // parameters that the switch must not lose, in pairs: the token of a sign-in link
	who      string
	here     string
	done     *done
	doneID   string
	body     any
}

// print answers with a page. Nothing is sent before the page is whole.
func (p *printer) print(w http.ResponseWriter, r *http.Request, s sheet) {
	data := p.page(r, s)
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, s.template, data); err != nil {
		p.log.ErrorContext(r.Context(), "printing a page", "page", s.template, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	head(w, data)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(s.status)
	w.Write(body.Bytes()) // the reader is gone when this fails
}

// page is what the template of a sheet gets.
func (p *printer) page(r *http.Request, s sheet) page {
	words := languageOf(r, p.languages)
	title := s.title
	if text, ok := words.texts[title]; ok {
		title = text
	}
	return page{words: words, printer: p, Title: title + " – Postseal", Who: s.who, Here: s.here, Done: s.done, DoneID: s.doneID, Body: s.body,
		Switches: choices(p.languages, words, s.path, s.keep)}
}

// head says what kind of answer follows.
func head(w http.ResponseWriter, data page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", data.words.code)
}

// problemPage says that something was not done. What it says is constant: details are in the
// log, where strangers do not read.
type problemPage struct {
	Title string
	Text  []piece
	Home  bool // whether a way to the overview helps
}

// fail answers with the problem of that name: problem.NAME and problem.NAME.title among the texts.
func (p *printer) fail(w http.ResponseWriter, r *http.Request, status int, name string) {
	words := languageOf(r, p.languages)
	p.print(w, r, sheet{template: "problem", status: status, title: "problem." + name + ".title", path: "/",
		body: problemPage{Title: words.say("problem." + name + ".title"), Text: pieces(words.say("problem." + name)), Home: name != "internal"}})
}

// serveStatic answers with a static file, if path is the address of one.
func (p *printer) serveStatic(w http.ResponseWriter, path string) bool {
	f, ok := p.static[path]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d, immutable", int(staticLife/time.Second)))
	w.Write(f.content)
	return true
}
