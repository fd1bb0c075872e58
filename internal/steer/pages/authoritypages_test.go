package pages

import (
	"encoding/csv"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// makeCSR lets openssl make a request for a name, with a subject that a spreadsheet would take for a formula.
func makeCSR(t *testing.T, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "request.pem")
	r := peers.OpenSSL(t, "", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", filepath.Join(t.TempDir(), "key.pem"), "-out", out, "-subj", "/CN==cmd", "-addext", "subjectAltName=DNS:"+name)
	text, err := os.ReadFile(out)
	if r.Exit != 0 || err != nil {
		t.Fatalf("openssl: %v, %v", r, err)
	}
	return string(text)
}

// newAuthority is an organisation with an authority of its own that has issued one certificate.
func newAuthority(t *testing.T) (o organisation, serial string) {
	t.Helper()
	o = newOrganisation(t, running{trial: true})
	if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	made, err := o.Certify(t.Context(), tester(), desk.CertifyRequest{Profile: "device", CSR: desk.ImportFile{Name: "x.csr", Data: []byte(makeCSR(t, "printer.example.com"))}})
	if err != nil {
		t.Fatal(err)
	}
	return o, made.Serial
}

// authorityVisits show every page about our own authority.
func authorityVisits(session, serial string) map[string]request {
	all := map[string]request{}
	for name, target := range map[string]string{
		"authority": "/authority", "book": "/authority/book", "book, searched": "/authority/book?search=printer.example.com&status=issued&profile=device", "book, none": "/authority/book?search=nobody",
		"issued": "/authority/certificate?serial=" + serial, "issued now": "/authority/certificate?new=1&serial=" + serial, "issued, none": "/authority/certificate?serial=00", "issue": "/authority/issue", "certify": "/authority/certify",
		"revoke": "/authority/revoke?serial=" + serial, "init": "/authority/init", "keep": "/authority/keep", "acme": "/authority/acme", "people": "/authority/people", "root": "/authority/root", "root, answer": "/authority/root/answer", "root, withdraw": "/authority/root/withdraw", "root, export": "/authority/root/export", "root, remove": "/authority/root/remove", "root, import": "/authority/root/import", "people, searched": "/authority/people?search=kim@example.com", "person": "/authority/people/new", "person key": "/authority/people/key?serial=" + serial, "extend": "/authority/extend", "rollover": "/authority/rollover", "fall": "/authority/revoke-authority", "profiles": "/authority/profiles", "profile": "/authority/profile", "profile, changed": "/authority/profile?profile=device", "profile, none": "/authority/profile?profile=nobody", "profile, removed": "/authority/profile/remove?profile=device", "waiting": "/authority/pending", "waiting, all": "/authority/pending?all=1", "bad place": "/authority/book?after=x",
	} {
		all[name] = request{target: target, session: session}
	}
	for name, form := range map[string][2]string{
		"init again": {"/authority/init", ""}, "issued, shown": {"/authority/issue", "profile=server&domains=www.example.com&services=IMAP"}, "issued elsewhere": {"/authority/issue", "profile=server&domains=www.example.org"},
		"certify nothing": {"/authority/certify", "profile=server"}, "certify rubbish": {"/authority/certify", "profile=server&pem=rubbish"}, "revocation": {"/authority/revoke", "serial=" + serial + "&reason=superseded"},
		"no revocation": {"/authority/revoke", "serial=00"}, "extended": {"/authority/extend", "domains=example.org&networks=192.0.2.0/24"}, "nothing new": {"/authority/extend", ""}, "no network": {"/authority/extend", "networks=here"}, "rolled over": {"/authority/rollover", "authority=servers"}, "root rolled over": {"/authority/rollover", "authority=root"}, "no authority": {"/authority/rollover", "authority=nobody"}, "fallen": {"/authority/revoke-authority", "authority=servers&reason=cACompromise"}, "nobody falls": {"/authority/revoke-authority", "authority=nobody&reason=superseded"},
		"profile set": {"/authority/profile", "profile=device&domains=print.example.com&life=398d&approval=1"}, "profile new": {"/authority/profile", "profile=device&profile-name=printers&domains=print.example.com&life=30d"}, "profile too long": {"/authority/profile", "profile=device&life=900d"}, "profile removed": {"/authority/profile/remove", "profile=device"},
		"acme key": {"/authority/acme/key", "profile=server&accounts=2&life=7"}, "acme key, elsewhere": {"/authority/acme/key", "profile=server&accounts=2&domains=example.org"}, "acme key, no number": {"/authority/acme/key", "profile=server&accounts=many"}, "no acme key": {"/authority/acme/key/revoke", "id=00"}, "no account": {"/authority/acme/account/revoke", "id=00"}, "no window": {"/authority/acme/renew/usual", "id=00"}, "window by http": {"/authority/acme/renew", "whom=servers&within=24&web=http://example.com"},
		"person without password": {"/authority/people/new", "profile=user&person-email=kim@example.com"}, "person elsewhere": {"/authority/people/new", "profile=user&person-email=kim@example.org&password=x&repeated=x"}, "no answer": {"/authority/root/answer", "pem=rubbish"}, "nothing to withdraw": {"/authority/root/withdraw", "authority="}, "root without password": {"/authority/root/export", "password=x&repeated=y"}, "root without file": {"/authority/root/remove", "password=x"}, "no kept key": {"/authority/people/key", "serial=" + serial + "&password=x&repeated=x"},
		"no approval": {"/authority/pending/approve", "request=00"}, "no rejection": {"/authority/pending/reject", "request=00"}, "keeping": {"/authority/keep", "keep-days=400"}, "keeping too short": {"/authority/keep", "keep-days=1"}, "keeping x": {"/authority/keep", "keep-days=x"},
	} {
		all[name] = request{method: http.MethodPost, target: form[0], body: form[1], session: session}
	}
	return all
}

// TestAuthorityPages reads every page about our own authority as a strict reader would, in both languages, with an
// authority and without.
func TestAuthorityPages(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, serial := newAuthority(t)
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	none := newOrganisation(t, running{trial: true})
	without := Admin(none.Desk, testLog(t))
	stranger := signIn(t, none, without)
	for _, language := range []string{"en", "ko"} {
		for name, q := range authorityVisits(session, serial) {
			q.language = language
			t.Run(language+" "+name, func(t *testing.T) {
				readStrictly(t, h, q)
				if language == "ko" {
					wantKorean(t, name, read(t, ask(t, h, q)))
				}
				q.session = ""
				if answer := ask(t, h, q); answer.StatusCode != http.StatusForbidden || strings.Contains(read(t, answer), "printer") {
					t.Errorf("without a session: got %s", answer.Status)
				}
				q.session = stranger
				readStrictly(t, without, q)
			})
		}
	}
}

// TestTheBookIsDownloaded: it is CSV, narrowed as the page is, and no cell is a formula; certificates come as files.
func TestTheBookIsDownloaded(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, serial := newAuthority(t)
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	made := send(t, h, session, "/authority/certify", "profile", "device", "pem", makeCSR(t, "scanner.example.com"))
	location, err := url.Parse(made.Header.Get("Location"))
	if made.StatusCode != http.StatusSeeOther || err != nil || location.Path != "/authority/certificate" {
		t.Fatalf("certifying: got %s, %v", made.Status, made.Header)
	}
	second := location.Query().Get("serial")
	for target, want := range map[string][]string{"/authority/book/download": {second, serial}, "/authority/book/download?search=scanner.example.com": {second}, "/authority/book/download?status=revoked": nil} {
		rows, err := csv.NewReader(ask(t, h, request{target: target, session: session}).Body).ReadAll()
		if err != nil || len(rows) != len(want)+1 {
			t.Fatalf("%s: got %v, %v", target, rows, err)
		}
		for i, row := range rows[1:] {
			if row[0] != want[i] || slices.ContainsFunc(row, func(cell string) bool { return cell != desk.InertCell(cell) }) {
				t.Errorf("%s: got %v", target, row)
			}
		}
	}
	answer := ask(t, h, request{target: "/authority/certificate/download?serial=" + second, session: session})
	block, rest := pem.Decode([]byte(read(t, answer)))
	if block == nil || !strings.Contains(string(rest), "BEGIN CERTIFICATE") || answer.Header.Get("Content-Disposition") != `attachment; filename="`+second+`.pem"` {
		t.Errorf("the certificate as PEM: got %v", answer.Header)
	}
	if der := read(t, ask(t, h, request{target: "/authority/certificate/download?format=der&serial=" + second, session: session})); block != nil && der != string(block.Bytes) {
		t.Error("the certificate as DER is another")
	}
	if answer := ask(t, h, request{target: "/authority/certificate/download?serial=00", session: session}); answer.StatusCode != http.StatusConflict {
		t.Errorf("a serial that nobody has: got %s", answer.Status)
	}
}

// TestASecondPersonAgreesOnThePage: whoever asked sees no button to agree, and is refused; another agrees, and has the
// certificate; a third request is rejected with a reason.
func TestASecondPersonAgreesOnThePage(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, _ := newAuthority(t)
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	other := desk.CertifyRequest{Profile: "code-signing", CSR: desk.ImportFile{Name: "x.csr", Data: []byte(makeCSR(t, "build.example.com"))}}
	asked, err := o.Certify(t.Context(), state.Actor{Who: "somebody", From: "test"}, other)
	if err != nil || asked.Waiting == "" {
		t.Fatalf("got %+v, %v", asked, err)
	}
	own := send(t, h, session, "/authority/certify", "profile", "code-signing", "pem", makeCSR(t, "own.example.com"))
	if own.Header.Get("Location") != "/authority/pending" {
		t.Fatalf("asking for what needs a second person: got %s, %v", own.Status, own.Header)
	}
	for _, language := range []string{"en", "ko"} {
		readStrictly(t, h, request{target: "/authority/pending", session: session, language: language})
	}
	body := read(t, ask(t, h, request{target: "/authority/pending", session: session}))
	if strings.Count(body, `action="/authority/pending/approve"`) != 1 || strings.Count(body, `action="/authority/pending/reject"`) != 2 {
		t.Error("the page does not have a button for the request of another alone")
	}
	all, err := o.Pending(t.Context(), desk.PendingQuery{})
	if err != nil || len(all) != 2 {
		t.Fatalf("got %v, %v", all, err)
	}
	mine := all[slices.IndexFunc(all, func(a desk.ApprovalView) bool { return a.Requester == "tester" })].ID
	if answer := send(t, h, session, "/authority/pending/approve", "request", mine); answer.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("agreeing with oneself: got %s", answer.Status)
	}
	agreed := send(t, h, session, "/authority/pending/approve", "request", asked.Waiting)
	if !strings.HasPrefix(agreed.Header.Get("Location"), "/authority/certificate?new=1&serial=") {
		t.Errorf("agreeing: got %s, %v", agreed.Status, agreed.Header)
	}
	if rejected := send(t, h, session, "/authority/pending/reject", "request", mine, "why", "not now"); rejected.StatusCode != http.StatusSeeOther {
		t.Errorf("rejecting: got %s", rejected.Status)
	}
	body = read(t, ask(t, h, request{target: "/authority/pending?all=1", session: session}))
	if !strings.Contains(body, "not now") || strings.Contains(body, "/authority/pending/approve") {
		t.Error("the page does not show what was decided")
	}
}

// TestChangesOfTheAuthorityAreTranslated runs the acts of the authority and wants each sentence in Korean.
func TestChangesOfTheAuthorityAreTranslated(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, serial := newAuthority(t)
	if _, err := o.Issue(t.Context(), tester(), desk.IssueRequest{Domains: []string{"mail.example.com"}, Enable: "IMAP"}); err != nil {
		t.Fatal(err)
	}
	none := newOrganisation(t, running{trial: true})
	ko := languages()[1]
	for act, c := range map[string]struct {
		desk    *desk.Desk
		request any
	}{
		"ca/init":        {none.Desk, desk.AuthorityRequest{}},
		"ca/revoke":      {o.Desk, desk.RevokeRequest{ID: "mail-example-com"}},
		"ca/issue":       {o.Desk, desk.IssueRequest{Domains: []string{"www.example.com"}}},
		"ca/keep":        {o.Desk, desk.KeepRequest{Days: 30}},
		"ca/extend":      {o.Desk, desk.ExtendRequest{Domains: []string{"example.org"}}},
		"ca/rollover":    {o.Desk, desk.RolloverRequest{Name: "servers"}},
		"ca/Rollover":    {o.Desk, desk.RolloverRequest{Name: "root"}},
		"ca/profile-set": {o.Desk, desk.ProfileRequest{Profile: desk.ProfileFile{ProfileOptions: ca.ProfileOptions{Name: "code-signing", Purpose: ca.PurposeCode, Usages: []x509cert.Usage{x509cert.UsageCodeSigning}}, Life: "30d"}}},
		"ca/Revoke":      {o.Desk, desk.RevokeRequest{ID: serial}},
	} {
		s, err := newStep(strings.ToLower(act), "act.ca-issue", "x", c.request)
		if err != nil {
			t.Fatal(err)
		}
		p := &center{printer: newPrinter(nil), desk: c.desk}
		change, err := p.call(t.Context(), visitor{actor: tester(), words: ko}, s, desk.Doing{DryRun: true})
		if err != nil {
			t.Errorf("%s: %v", act, err)
			continue
		}
		for _, text := range append(append(change.Warnings, change.Removed...), change.Notes...) {
			if got := ko.sentence(text); got.Lang != "" || !isKorean(got.Text) {
				t.Errorf("%s: %q has no translation", act, text)
			}
		}
	}
	if got := ko.sentence("12 lines of the book that ended more than 30 days ago"); got.Lang != "" {
		t.Errorf("got %+v", got)
	}
}

// TestBrowserAuthority goes the whole way of an administrator with an authority of his own: makes it, issues one that
// serves, certifies a request in a file, downloads it, revokes it, and finds all of it in the book.
func TestBrowserAuthority(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))

	v.follow(chromedp.Click(chromedp.CSS(`nav.places a[href="/authority"]`)))
	v.wantText("There is none yet")
	v.press(`a[href="/authority/init"]`)
	v.page("ca-init")
	v.press(".sheet button.main")
	v.wantText("Nothing has been changed yet", "example.com")
	v.press(".acts button.main")
	v.wantText("Made: our own authority")
	v.page("authority-new")

	v.press(`a[href="/authority/issue"]`)
	v.do(chromedp.SendKeys(chromedp.CSS("#f-domains"), "mail.example.com"))
	v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="IMAP"]`)))
	v.page("ca-issue")
	v.press(".sheet button.main")
	v.wantText("Issue a certificate: mail.example.com", "imaps")
	v.page("ca-issue-preview")
	v.press(".acts button.main")
	v.wantText("Issued: mail.example.com", "postseal cert remove mail-example-com")

	csr := filepath.Join(t.TempDir(), "printer.csr")
	if err := os.WriteFile(csr, []byte(makeCSR(t, "printer.example.com")), 0o600); err != nil {
		t.Fatal(err)
	}
	v.open(base + "/authority/certify")
	v.press(".sheet button.main")
	v.wantText("Give one request")
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{csr}))
	v.do(chromedp.SetValue(chromedp.CSS("#f-profile"), "device"))
	v.page("ca-certify")
	v.press(".sheet button.main")
	v.wantText("Issued. Download it", "printer.example.com")
	v.page("ca-issued")
	file := v.download(chromedp.Click(chromedp.CSS(`.acts a[href*="format=pem"]`)))
	if r := peers.OpenSSL(t, "", "x509", "-in", file, "-noout", "-ext", "subjectAltName"); !strings.Contains(r.Stdout, "DNS:printer.example.com") {
		t.Errorf("the download: %v", r)
	}

	v.press(`.acts a[href^="/authority/revoke"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-reason"), "keyCompromise"))
	v.page("ca-revoke")
	v.press(".sheet button.main")
	v.wantText("This goes:")
	v.press(".acts button.main")
	v.wantText("Revoked: ", "keyCompromise")
	v.wantTrue(`!document.querySelector('a[href^="/authority/revoke"]')`)

	v.open(base + "/authority/keep")
	v.do(chromedp.SendKeys(chromedp.CSS("#f-keep-days"), "400"))
	v.press(".sheet button.main")
	v.wantText("Set how long the book remembers")
	v.press(".acts button.main")
	v.wantText("Set: how long the book remembers", "400")

	v.open(base + "/authority/book")
	v.do(chromedp.SendKeys(chromedp.CSS("#f-search"), "printer.example.com"))
	v.press(".filter button")
	v.wantText("printer.example.com", "revoked")
	v.wantTrue(`document.querySelectorAll("tbody tr").length === 1`)
	v.open(base + "/authority/book")
	v.page("ca-book")
	if _, err := o.RevocationList(t.Context(), desk.ListRequest{}); err != nil {
		t.Fatal(err)
	}
	v.open(base + "/authority")
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = true`))
	v.wantText("up to date", "servers", "nobody has asked yet")
	v.page("authority")
	for name, path := range map[string]string{"authority-ko": "/authority?lang=ko", "ca-book-ko": "/authority/book?lang=ko", "ca-issue-ko": "/authority/issue?lang=ko", "ca-certify-ko": "/authority/certify?lang=ko", "ca-keep-ko": "/authority/keep?lang=ko"} {
		v.open(base + path)
		v.page(name)
	}
	v.scheme("dark")
	for _, path := range []string{"/authority", "/authority/book"} {
		v.open(base + path)
		v.accessible(path+" by night", `runOnly: ["color-contrast"]`)
	}
	v.quiet(messages)
}

// TestOldRootsAndFallenAuthoritiesAreSeen: what issues no more says so where a picture alone would, and the page of the
// root does not hide that the key of a replaced one is still here.
func TestOldRootsAndFallenAuthoritiesAreSeen(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, _ := newAuthority(t)
	for _, name := range []string{"servers", "root"} {
		if _, err := o.Rollover(t.Context(), tester(), desk.RolloverRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.RevokeAuthority(t.Context(), tester(), desk.RevokeAuthorityRequest{Name: "servers", Reason: "superseded"}); err != nil {
		t.Fatal(err)
	}
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	for target, want := range map[string][]string{
		"/authority":      {"root · retired · until", "servers · revoked · until"},
		"/trust":          {"CN=Example Servers CA,O=Example"},
		"/authority/root": {"This root was replaced", "postseal ca root remove <span>--name</span> root <span>--exported</span> FILE"},
	} {
		readStrictly(t, h, request{target: target, session: session, language: "ko"})
		body := read(t, ask(t, h, request{target: target, session: session}))
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not say %q", target, text)
			}
		}
	}
}

// TestWhatAnApprovalTakesOverIsSeen: whoever agrees reads before which services change over, and afterwards who has the key.
func TestWhatAnApprovalTakesOverIsSeen(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, _ := newAuthority(t)
	p := desk.ProfileFile{ProfileOptions: ca.ProfileOptions{Name: "careful", Domains: []string{"example.com"}, Approval: true}}
	if _, err := o.SetCAProfile(t.Context(), tester(), desk.ProfileRequest{Profile: p}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Issue(t.Context(), tester(), desk.IssueRequest{Profile: "careful", Domains: []string{"mail1.example.com"}, Lineage: "careful", Enable: "POP"}); err != nil {
		t.Fatal(err)
	}
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	if body := read(t, ask(t, h, request{target: "/authority/pending", session: session})); !strings.Contains(body, "takes over: POP") {
		t.Errorf("the page does not say what changes over: %s", body)
	}
	waiting, err := o.Pending(t.Context(), desk.PendingQuery{})
	if err != nil || len(waiting) != 1 {
		t.Fatalf("got %+v, %v", waiting, err)
	}
	made, err := o.Approve(t.Context(), state.Actor{Who: "lee"}, desk.Decision{ID: waiting[0].ID})
	if err != nil || made.Lineage != "careful" || made.Enabled != "POP" {
		t.Fatalf("got %+v, %v", made, err)
	}
	for language, want := range map[string]string{"en": "the renewal line careful has it", "ko": "다음 갱신 계열이 스스로 갱신합니다: careful"} {
		if body := read(t, ask(t, h, request{target: "/authority/certificate?new=1&serial=" + made.Serial, session: session, language: language})); !strings.Contains(body, want) {
			t.Errorf("%s: the page does not say who has the key", language)
		}
	}
}
