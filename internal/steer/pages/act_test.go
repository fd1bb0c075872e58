package pages

import (
	"bytes"
	"encoding/json"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	nethtml "golang.org/x/net/html"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// seq is where the state of o stands: what changes nothing leaves it there.
func (o organisation) seq(t *testing.T) (seq int64) {
	t.Helper()
	if err := o.State().View(t.Context(), func(tx *state.Tx) (err error) {
		seq, err = tx.Seq()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return seq
}

// post sends a form and returns the answer and its body.
func post(t *testing.T, h http.Handler, session, target string, form url.Values) (*http.Response, string) {
	t.Helper()
	answer := ask(t, h, request{method: http.MethodPost, target: target, session: session, body: form.Encode()})
	return answer, html.UnescapeString(read(t, answer))
}

// draftIn is the draft that a preview lets its reader confirm.
func draftIn(t *testing.T, body string) string {
	t.Helper()
	m := regexp.MustCompile(`name="draft" value="([A-Z2-7]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no preview: %s", body)
	}
	return m[1]
}

// confirmed confirms a preview and returns the page that follows.
func confirmed(t *testing.T, h http.Handler, session, preview string) string {
	t.Helper()
	answer, body := post(t, h, session, "/confirm", url.Values{"draft": {draftIn(t, preview)}})
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("confirming: got %s: %s", answer.Status, body)
	}
	next := ask(t, h, request{target: answer.Header.Get("Location"), session: session})
	if next.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s", answer.Header.Get("Location"), next.Status)
	}
	return html.UnescapeString(read(t, next))
}

// upload sends a form with files.
func upload(t *testing.T, h http.Handler, session, target string, fields map[string]string, files map[string][]byte) (*http.Response, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answer := ask(t, h, request{method: http.MethodPost, target: target, session: session, body: body.String(), header: map[string]string{"Content-Type": w.FormDataContentType()}})
	return answer, html.UnescapeString(read(t, answer))
}

// TestNothingChangesWithoutASessionOrFromAnotherSite asks every route there is, so that a new one is in it.
func TestNothingChangesWithoutASessionOrFromAnotherSite(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	before := o.seq(t)
	n := 0
	for path, methods := range (&center{printer: newPrinter(nil)}).routes() {
		for method := range methods {
			switch path {
			case "/sign-in", "/healthz":
				continue
			}
			target := path + "?id=management-mail1-example-com&listener=imaps&format=pem"
			if path != "/sign-out" {
				answer := ask(t, h, request{method: method, target: target, body: "id=management-mail1-example-com&listener=imaps"})
				body := read(t, answer)
				if answer.StatusCode != http.StatusForbidden {
					t.Errorf("%s %s without a session: got %s", method, path, answer.Status)
				}
				wantNoSecrets(t, body)
			}
			if method != http.MethodPost {
				continue
			}
			n++
			for _, header := range []map[string]string{
				{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
				{"Sec-Fetch-Site": "same-site", "Origin": "https://mail1.example.com"},
				{"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			} {
				answer := ask(t, h, request{method: method, target: path, session: session, body: "id=management-mail1-example-com&listener=imaps", header: header})
				if body := read(t, answer); answer.StatusCode != http.StatusForbidden || !strings.Contains(body, "another site") {
					t.Errorf("%s from another site, %v: got %s", path, header, answer.Status)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("%d routes take forms, want all of them", n)
	}
	if got := o.seq(t); got != before {
		t.Errorf("the state went from %d to %d", before, got)
	}
}

// TestAPreviewIsWhatIsDone: the preview changes nothing, works once and for its own session only, and is shown anew when
// something else would happen than was shown.
func TestAPreviewIsWhatIsDone(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 90, "IMAP")
	h := Admin(o.Desk, testLog(t))
	session, other := signIn(t, o, h), signIn(t, o, h)
	before := o.seq(t)
	enable := url.Values{"id": {"mail-example-com"}, "services": {"HTTP"}}
	_, preview := post(t, h, session, "/certificate/enable", enable)
	if got := o.seq(t); got != before {
		t.Errorf("a preview changed the state: %d, then %d", before, got)
	}
	for _, want := range []string{"https", "443", "Postseal Internal", "Mail", "Nothing has been changed yet"} {
		if !strings.Contains(preview, want) {
			t.Errorf("the preview does not say %q", want)
		}
	}
	draft := url.Values{"draft": {draftIn(t, preview)}}
	if answer, _ := post(t, h, other, "/confirm", draft); answer.StatusCode != http.StatusGone {
		t.Errorf("another session confirms: got %s", answer.Status)
	}

	// Somebody else takes https over meanwhile: what would be replaced is not what was shown.
	if _, err := o.New(t.Context(), tester(), desk.NewRequest{Name: "Other", Domains: []string{"other.example.com"}, Kinds: []string{"ecdsa-p256"}, Services: "HTTP"}); err != nil {
		t.Fatal(err)
	}
	answer, anew := post(t, h, session, "/confirm", draft)
	if answer.StatusCode != http.StatusOK || !strings.Contains(anew, "has changed since you looked") || !strings.Contains(anew, "Other") {
		t.Fatalf("got %s: %s", answer.Status, anew)
	}
	if answer, _ := post(t, h, session, "/confirm", draft); answer.StatusCode != http.StatusGone {
		t.Errorf("the draft works twice: got %s", answer.Status)
	}

	// A sign-in between changes the state and nothing of the preview: it is done.
	signIn(t, o, h)
	page := confirmed(t, h, session, anew)
	for _, want := range []string{"Enabled: mail-example-com", "postseal cert enable other-example-com --services HTTP", `action="/undo"`} {
		if !strings.Contains(page, want) && !strings.Contains(withoutTags(page), want) {
			t.Errorf("the page after it does not say %q", want)
		}
	}
	undoing := regexp.MustCompile(`name="done" value="([A-Z2-7]+)"`).FindStringSubmatch(page)
	if undoing == nil {
		t.Fatal("no way to undo")
	}
	if answer, _ := post(t, h, other, "/undo", url.Values{"done": {undoing[1]}}); answer.StatusCode != http.StatusGone {
		t.Errorf("another session undoes: got %s", answer.Status)
	}
	_, back := post(t, h, session, "/undo", url.Values{"done": {undoing[1]}})
	confirmed(t, h, session, back)
	listeners, err := o.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		if l.Listener == "https" && l.Lineage != "other-example-com" {
			t.Errorf("after the undo https serves %s", l.Lineage)
		}
	}
	if audit := o.lastActor(t); audit.Who != tester().Who || !strings.HasPrefix(audit.From, "pages ") {
		t.Errorf("the audit row says %+v", audit)
	}
}

// lastActor is who changed the state last.
func (o organisation) lastActor(t *testing.T) state.Actor {
	t.Helper()
	var last state.Actor
	if err := o.State().View(t.Context(), func(tx *state.Tx) error {
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		rows, err := tx.AuditRows(servers[0].ID, 1)
		for _, row := range rows {
			last = state.Actor{Who: row.Who, From: row.From}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return last
}

// TestImportAndExport: a PFX comes in, a file goes out, and no password stands on any page.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	dir := t.TempDir()
	makePFX(t, dir, filepath.Join(dir, "shop.pfx"))
	pfx, err := os.ReadFile(filepath.Join(dir, "shop.pfx"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"shop\u202efdp.pfx": pfx}
	for password, status := range map[string]int{"": 422, "wr0ng secret": 422, "s3cret pass": 200} {
		answer, body := upload(t, h, session, "/certificate/import", map[string]string{"password": password, "exportable": "1", "name": `<script>alert(1)</script>`}, files)
		if answer.StatusCode != status {
			t.Errorf("password %q: got %s", password, answer.Status)
		}
		if password != "" && strings.Contains(body, password) {
			t.Errorf("the page repeats the password %q", password)
		}
		if strings.Contains(body, "\u202e") {
			t.Error("the page repeats a character that turns the line around")
		}
		if status == 200 {
			page := confirmed(t, h, session, body)
			if !strings.Contains(page, "Imported: shop?fdp.pfx") {
				t.Errorf("after it: %s", page)
			}
		}
	}
	raw := read(t, ask(t, h, request{target: "/certificate?id=shop-example-com", session: session}))
	if strings.Contains(raw, "<script") || !strings.Contains(raw, "&lt;script&gt;") {
		t.Error("a friendly name is not escaped")
	}
	if answer, body := upload(t, h, session, "/certificate/import", nil, map[string][]byte{"shop.pem": []byte(firstPEM(t, dir))}); answer.StatusCode != 200 || !strings.Contains(body, "There is nothing to do") || strings.Contains(body, "Do it") {
		t.Errorf("the same again: got %s: %s", answer.Status, body)
	}

	for name, c := range map[string]struct {
		form   url.Values
		status int
		file   string
		begins string
	}{
		"pfx":            {url.Values{"format": {"modern"}, "password": {"p w"}, "repeated": {"p w"}}, 200, "shop-example-com.pfx", "\x30"},
		"pfx for 2016":   {url.Values{"format": {"windows2016"}, "password": {"p w"}, "repeated": {"p w"}}, 200, "shop-example-com.pfx", "\x30"},
		"pem":            {url.Values{"format": {"pem"}, "password": {"p w"}, "repeated": {"p w"}}, 200, "shop-example-com.pem", "-----BEGIN "},
		"p7b":            {url.Values{"format": {"p7b"}}, 200, "shop-example-com.p7b", "-----BEGIN PKCS7"},
		"der":            {url.Values{"format": {"der"}}, 200, "shop-example-com.cer", "\x30"},
		"public":         {url.Values{"format": {"public"}}, 200, "shop-example-com.pem", "-----BEGIN CERTIFICATE"},
		"no password":    {url.Values{"format": {"modern"}}, 409, "", "<"},
		"bare key":       {url.Values{"format": {"pem"}}, 422, "", "<"},
		"they differ":    {url.Values{"format": {"modern"}, "password": {"p w"}, "repeated": {"q w"}}, 422, "", "<"},
		"nothing at all": {url.Values{}, 409, "", "<"},
	} {
		c.form.Set("id", "shop-example-com")
		answer, body := post(t, h, session, "/certificate/export", c.form)
		disposition := answer.Header.Get("Content-Disposition")
		if answer.StatusCode != c.status || !strings.HasPrefix(body, c.begins) || (disposition == "") != (c.file == "") || c.file != "" && disposition != `attachment; filename="`+c.file+`"` {
			t.Errorf("%s: got %s, %q, %.40q", name, answer.Status, disposition, body)
		}
		if answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a browser may keep it: %q", name, answer.Header.Get("Cache-Control"))
		}
	}
	for _, format := range []string{"modern", "windows2016", "pem"} {
		answer, body := post(t, h, session, "/certificate/export", url.Values{"id": {"internal-mail1-example-com"}, "format": {format}, "password": {"p w"}, "repeated": {"p w"}})
		if answer.StatusCode != http.StatusConflict || strings.Contains(body, "PRIVATE KEY") || !strings.Contains(body, "not exportable") {
			t.Errorf("a key that may not leave, as %s: got %s", format, answer.Status)
		}
	}
	for _, format := range []string{"pem", "der", "p7b", "pfx"} {
		answer := ask(t, h, request{target: "/certificate/download?id=shop-example-com&format=" + format, session: session})
		if body := read(t, answer); answer.StatusCode != 200 || strings.Contains(body, "PRIVATE") || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("download as %s: got %s, %v", format, answer.Status, answer.Header)
		}
	}
}

// firstPEM is the certificate that makePFX has left beside the PFX, with its key.
func firstPEM(t *testing.T, dir string) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	many := make(map[string][]byte)
	for i := range maxUploads + 5 {
		many["f"+grouped(i)] = []byte("x")
	}
	for name, files := range map[string]map[string][]byte{"one large": {"a": make([]byte, certfile.MaxBytes+1)}, "large together": {"a": make([]byte, certfile.MaxBytes), "b": make([]byte, certfile.MaxBytes), "c": make([]byte, certfile.MaxBytes)}, "many": many} {
		if answer, _ := upload(t, h, session, "/certificate/import", nil, files); answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %s, want 413", name, answer.Status)
		}
	}
	if answer, _ := upload(t, h, session, "/certificate/import", map[string]string{"pem": strings.Repeat("x", maxActBytes+1)}, nil); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a long text: got %s, want 413", answer.Status)
	}
	for _, body := range []string{"--x\r\nrubbish", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf"} { // cut off, or no form at all
		answer := ask(t, h, request{method: http.MethodPost, target: "/certificate/import", session: session, body: body, header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}})
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20q: got %s, want 400", body, answer.Status)
		}
	}
}

// TestNoEnglishOnKoreanPages: what stands on a Korean page is Korean, or marked as English for programs that read aloud.
func TestNoEnglishOnKoreanPages(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true, closed: map[string]bool{"imaps": true}})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	for name, q := range visits(session, o.link(t)) {
		q.language = "ko"
		wantKorean(t, name, read(t, ask(t, h, q)))
	}
}

// wantKorean wants that a page in Korean marks what is English.
func wantKorean(t *testing.T, name, body string) {
	t.Helper()
	sentence := regexp.MustCompile(`(?:\b[a-z][a-z']+\b[ ,]+){3,}[a-z]`)
	root, err := nethtml.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var look func(*nethtml.Node)
	look = func(n *nethtml.Node) {
		for _, a := range n.Attr {
			if a.Key == "lang" && a.Val == "en" || a.Key == "class" && strings.Contains(a.Val, "command") {
				return
			}
			if (a.Key == "aria-label" || a.Key == "data-label") && sentence.MatchString(a.Val) {
				t.Errorf("%s: %s=%q is English", name, a.Key, a.Val)
			}
		}
		if n.Type == nethtml.TextNode && sentence.MatchString(n.Data) {
			t.Errorf("%s: %q is English", name, strings.TrimSpace(n.Data))
		}
		for c := range n.ChildNodes() {
			look(c)
		}
	}
	look(root)
}

// TestChangesAreTranslated runs acts that warn and remove, and wants each sentence in Korean.
func TestChangesAreTranslated(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 90, "IMAP")
	o.makeCertificate(t, "Spare", 90, "")
	ko := languages()[1]
	p := &center{printer: newPrinter(nil), desk: o.Desk}
	v := visitor{actor: tester(), words: ko}
	dry := desk.Doing{DryRun: true}
	for act, r := range map[string]any{
		"cert/enable":       desk.EnableRequest{ID: "mail-example-com", Services: "IMAP,SMTP,HTTP"},
		"cert/set-internal": desk.InternalRequest{ID: "mail-example-com"},
		"cert/renew":        desk.RenewRequest{ID: "mail-example-com"},
		"cert/remove":       desk.RemoveRequest{ID: "management-mail1-example-com"},
		"listener/set":      desk.ListenerRequest{Listener: "imaps"},
		"lineage/set":       desk.LineageRequest{Lineage: "mail-example-com", Activation: "auto"},
		"trust/distrust":    desk.DistrustRequest{Issuer: "CN=Old,O=Example"},
		"cert/new":          desk.NewRequest{Name: "New", Domains: []string{"*.example.com"}, Kinds: []string{"ecdsa-p256"}, Services: "IMAP"},
	} {
		s, err := newStep(act, "act.renew", "x", r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.call(t.Context(), v, s, dry)
		if err != nil {
			t.Errorf("%s: %v", act, err)
			continue
		}
		for _, text := range append(append(c.Warnings, c.Removed...), c.Notes...) {
			if got := ko.sentence(text); got.Lang != "" || !isKorean(got.Text) {
				t.Errorf("%s: %q has no translation", act, text)
			}
		}
	}
	for _, id := range []string{"mail-example-com", "internal-mail1-example-com", "auth"} {
		d, err := o.Certificate(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append(append(d.Thief, d.Objections...), d.Notes...) {
			if got := ko.sentence(text); got.Lang != "" || !isKorean(got.Text) {
				t.Errorf("%s: %q has no translation", id, text)
			}
		}
	}
}

func TestUndoSteps(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"postseal cert rollback mail":                                                    `cert/rollback {"lineage":"mail"}`,
		"postseal cert activate mail":                                                    `cert/activate {"id":"mail"}`,
		"postseal cert remove 0123456789ABCDEF":                                          `cert/remove {"id":"0123456789ABCDEF"}`,
		"postseal cert set-internal internal":                                            `cert/set-internal {"id":"internal"}`,
		"postseal cert enable mail --services IMAP,POP --listener imaps --listener imap": `cert/enable {"id":"mail","listeners":["imaps","imap"],"services":"IMAP,POP"}`,
		"postseal cert enable mail --services IMAP --sni-only":                           `cert/enable {"byName":true,"id":"mail","services":"IMAP"}`,
		"postseal cert disable mail --listener imaps":                                    `cert/disable {"id":"mail","listener":"imaps"}`,
		"postseal lineage set mail --activation auto --key-at-renewal new":               `lineage/set {"activation":"auto","keyAtRenewal":"new","lineage":"mail"}`,
		"postseal listener enable imaps":                                                 `listener/set {"enabled":true,"listener":"imaps"}`,
		"postseal listener disable imaps":                                                `listener/set {"enabled":false,"listener":"imaps"}`,
		`postseal trust remove 'issuer CN=O'\''Brien,C=IE'`:                              `trust/remove {"id":"issuer CN=O'Brien,C=IE"}`,
		"postseal cert enable a --services IMAP && postseal cert remove b":               `cert/enable {"id":"a","services":"IMAP"} cert/remove {"id":"b"}`,
		"":                                   "",
		"rm -rf x":                           "",
		"postseal cert remove":               "",
		"postseal cert remove a b":           "",
		"postseal backup restore FILE":       "",
		"postseal cert remove 'a":            "",
		"postseal cert enable a --services":  "",
		"postseal cert remove a --services":  "",
		"postseal cert remove a && rm -rf x": "",
	} {
		steps, err := undoSteps(command)
		var got []string
		for _, s := range steps {
			text, err := json.Marshal(s.request)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.act+" "+string(text))
		}
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", command, got, err, want)
		}
	}
}

// FuzzUndoSteps: whatever a name holds, it stays one word of one act.
func FuzzUndoSteps(f *testing.F) {
	for _, seed := range []string{"issuer CN=O'Brien", "a && postseal cert remove b", `\`, "' && postseal cert remove x && '", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		steps, err := undoSteps("postseal trust remove '" + strings.ReplaceAll(id, "'", `'\''`) + "'")
		if err != nil {
			return // no button, only the command
		}
		if len(steps) != 1 || steps[0].act != "trust/remove" || steps[0].object != id {
			t.Errorf("%q became %+v", id, steps)
		}
	})
}

func TestShelf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf[string](100, nil)
		a := s.put("me", "a", 60)
		if _, ok := s.look("you", a); ok {
			t.Error("another session sees it")
		}
		if got, ok := s.look("me", a); !ok || got != "a" {
			t.Errorf("got %q, %v", got, ok)
		}
		b := s.put("me", "b", 60)
		if _, ok := s.look("me", a); ok {
			t.Error("there is room for one, and two are there")
		}
		if got, ok := s.take("me", b); !ok || got != "b" {
			t.Errorf("got %q, %v", got, ok)
		}
		if _, ok := s.take("me", b); ok {
			t.Error("it can be taken twice")
		}
		c := s.put("me", "c", 1)
		time.Sleep(shelfLife)
		if _, ok := s.look("me", c); ok {
			t.Error("it lies there for ever")
		}
		d := s.put("me", "d", 1)
		s.forget("me")
		if _, ok := s.look("me", d); ok || s.weight != 0 {
			t.Errorf("a session is forgotten, and its things weigh %d", s.weight)
		}
		var last string
		for range maxShelved + 10 {
			last = s.put("me", "x", 0)
		}
		if len(s.things) > maxShelved {
			t.Errorf("%d things on it, want at most %d", len(s.things), maxShelved)
		}
		if _, ok := s.look("me", last); !ok {
			t.Error("the newest is gone")
		}
	})
}

// TestTheListIsPaged: 60 generations are two pages, and what ends first stands first.
func TestTheListIsPaged(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	for i := range rowsPerPage {
		o.makeCertificate(t, "Cert "+grouped(i), 10+i, "")
	}
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	rows := func(target string) (int, string) {
		body := html.UnescapeString(read(t, ask(t, h, request{target: target, session: session})))
		return strings.Count(body, `<td role="cell" class="life"`), body
	}
	n, body := rows("/certificates")
	if n != rowsPerPage || !strings.Contains(body, "Page 1 of 2") || !strings.Contains(body, `href="/certificates?page=2"`) || strings.Index(body, "Cert 0<") > strings.Index(body, "Cert 1<") {
		t.Errorf("the first page has %d rows", n)
	}
	if n, body := rows("/certificates?page=2"); n != 3 || !strings.Contains(body, "Postseal Management") || strings.Contains(body, `rel="next"`) {
		t.Errorf("the second page has %d rows", n)
	}
	if n, _ := rows("/certificates?page=99"); n != 3 {
		t.Errorf("a page beyond the last has %d rows, want those of the last", n)
	}
	if n, _ := rows("/certificates?within=14"); n != 5 { // a life begins an hour early
		t.Errorf("within 14 days: got %d rows, want 5", n)
	}
	if n, _ := rows("/certificates?domain=www.example.com&within=30"); n != 21 {
		t.Errorf("www.example.com within 30 days: got %d rows, want 21", n)
	}
	if n, body := rows("/certificates?status=Revoked"); n != 0 || !strings.Contains(body, "No certificate fits") {
		t.Errorf("revoked: got %d rows", n)
	}
}
