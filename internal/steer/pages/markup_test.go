package pages

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// visits are requests that show every page; session is a signed-in one.
func visits(session, link string) map[string]request {
	all := map[string]request{
		"overview":     {target: "/", session: session},
		"signed out":   {target: "/"},
		"elsewhere":    {target: "/", header: map[string]string{"Sec-Fetch-Site": "cross-site"}},
		"how to":       {target: "/sign-in"},
		"sign in":      {target: "/sign-in?token=" + link},
		"bad link":     {method: http.MethodPost, target: "/sign-in", token: "x"},
		"no page":      {target: "/x"},
		"no method":    {method: http.MethodDelete, target: "/"},
		"cross site":   {method: http.MethodPost, target: "/sign-out", header: map[string]string{"Sec-Fetch-Site": "cross-site"}},
		"broken form":  {method: http.MethodPost, target: "/sign-in", body: "token=%zz"},
		"large form":   {method: http.MethodPost, target: "/sign-in", body: "token=" + strings.Repeat("A", maxFormBytes)},
		"unknown verb": {method: "BREW", target: "/sign-in"},
	}
	const internal, management, auth = "internal-mail1-example-com", "management-mail1-example-com", "auth"
	for name, target := range map[string]string{
		"certificates": "/certificates", "certificates, everything": "/certificates?all=1&within=365&status=Valid", "certificates, none": "/certificates?domain=nobody.example",
		"a certificate": "/certificate?id=" + internal, "the auth certificate": "/certificate?id=" + auth, "no certificate": "/certificate?id=0123456789", "no id": "/certificate",
		"new": "/certificate/new", "request": "/certificate/request", "the next request": "/certificate/request?id=" + management, "import": "/certificate/import", "enable": "/certificate/enable?id=" + management,
		"enable nothing": "/certificate/enable?id=nothing", "export": "/certificate/export?id=" + management, "export refused": "/certificate/export?id=" + internal,
		"listeners": "/listeners", "trust": "/trust", "plan": "/plan", "plan, an authority": "/plan?authority=letsencrypt", "calendar": "/plan/calendar", "authorities": "/plan/authorities?want=acme&want=free",
		"check": "/check", "audit": "/audit", "audit, everything": "/audit?all=1&who=test", "audit, none": "/audit?object=nobody", "backup": "/backup", "tokens": "/tokens",
		"notices": "/notices", "report": "/report", "report, a month": "/report?days=30",
		"trust, add": "/trust/add", "distrust": "/trust/distrust",
		"wizard": "/wizard", "wizard, services": wizardAt("services", "kind=public"), "wizard, names": wizardAt("names", wizardAnswers), "wizard, edited": wizardAt("names", wizardAnswers+"&domain=other.example.com"),
		"wizard, authority": wizardAt("authority", wizardAnswers+"&want=old-android"), "wizard, organisation": wizardAt("organisation", wizardAnswers+"&authority=digicert&validation=organisation"),
		"wizard, key": wizardAt("key", wizardAnswers+"&authority=digicert"), "wizard, key of its own": wizardAt("key", wizardSelf), "wizard, review": wizardAt("review", wizardAnswers+"&authority=letsencrypt&want=old-android&ou=IT"),
		"wizard, nothing chosen": "/wizard?step=kind&go=next", "wizard, bad names": wizardAt("names", wizardAnswers) + "&go=next&domain=not+a+name", "wizard, no organisation": wizardAt("organisation", wizardAnswers+"&authority=digicert&validation=organisation") + "&go=next",
		"wizard, bad days": wizardAt("key", wizardSelf) + "&go=next&days=x", "wizard, review of its own": wizardAt("review", wizardSelf),
	} {
		all[name] = request{target: target, session: session}
	}
	for name, form := range map[string][2]string{
		"renew":           {"/certificate/renew", "id=" + management + "&lineage=" + management},
		"wait":            {"/certificate/renew", "id=" + management + "&lineage=" + management + "&wait=1&keep=1"},
		"activate":        {"/certificate/activate", "id=" + management + "&lineage=" + management},
		"roll back":       {"/certificate/rollback", "lineage=" + management},
		"internal":        {"/certificate/set-internal", "id=" + management + "&lineage=" + management},
		"removal":         {"/certificate/remove", "name=x&id=" + management},
		"removal refused": {"/certificate/remove", "name=x&id=" + internal},
		"disable":         {"/certificate/disable", "id=" + management + "&listener=management&lineage=" + management},
		"settings":        {"/certificate/lineage", "id=" + management + "&lineage=" + management + "&activation=approve&key=keep"},
		"listener off":    {"/listeners/disable", "listener=imaps"},
		"listener on":     {"/listeners/enable", "listener=imaps"},
		"every row":       {"/audit/verify", "x=1"},
		"no test message": {"/notices/test", "x=1"},
		"no listener":     {"/listeners/enable", "listener=gopher"},
		"made":            {"/certificate/new", "name=Shop&domains=shop.example.com&services=IMAP&services=HTTP"},
		"badly made":      {"/certificate/new", "name=Shop&domains=not a name&days=x"},
		"asked":           {"/certificate/request", "name=Shop&domains=shop.example.com&lineage=" + management},
		"badly asked":     {"/certificate/request", "name=&domains="},
		"enabled":         {"/certificate/enable", "id=" + management + "&services=SMTP&services=IMAP"},
		"by name":         {"/certificate/enable", "id=" + management + "&services=SMTP&role=name"},
		"for nothing":     {"/certificate/enable", "id=" + management},
		"no file":         {"/certificate/import", "pem="},
		"bad file":        {"/certificate/import", "pem=rubbish"},
		"no anchor":       {"/trust/add", ""},
		"issuer":          {"/trust/distrust", "issuer=CN=Old CA,O=Example&after=2026-01-01"},
		"key and issuer":  {"/trust/distrust", "issuer=CN=Old CA,O=Example&spki=" + strings.Repeat("ab", 32)},
		"bad key":         {"/trust/distrust", "spki=xyz"},
		"not trusted":     {"/trust/remove", "id=aaaaaaaaaaaaaaaa&name=x"},
		"no passwords":    {"/certificate/export", "id=" + management + "&format=modern"},
		"two passwords":   {"/certificate/export", "id=" + management + "&format=pem&password=a&repeated=b"},
		"bare key":        {"/certificate/export", "id=" + management + "&format=pem"},
		"no export":       {"/certificate/export", "id=" + internal + "&format=modern&password=a&repeated=a"},
		"plan, done":      {"/plan/apply", "choice=san&authority=public"},
		"no choice":       {"/plan/apply", "choice=x&authority=public"},
		"renew, asked":    {"/certificate/renew-request", "id=" + management + "&lineage=" + management},
		"bad host":        {"/check", "hosts=" + url.QueryEscape("-not a host")},
		"no host":         {"/check", "hosts="},
		"a closed port":   {"/check", "hosts=127.0.0.1:1"},
		"no key":          {"/backup/create", ""},
		"no token":        {"/tokens/revoke", "name=nobody"},
		"a bad token":     {"/tokens", "name=&scope=read&life=90"},
		"wizard, self":    {"/wizard", url.Values{"answers": {wizardSelf}}.Encode()},
		"wizard, request": {"/wizard", url.Values{"answers": {wizardAnswers + "&authority=letsencrypt"}}.Encode()},
		"wizard, empty":   {"/wizard", ""},
		"no draft":        {"/confirm", "draft=x"},
		"nothing done":    {"/undo", "done=x"},
	} {
		all[name] = request{method: http.MethodPost, target: form[0], body: form[1], session: session}
	}
	return all
}

// Answers of the wizard: for a public authority, with names that no such signs, and for what signs itself.
const (
	wizardAnswers = "kind=public&services=HTTP,IMAP,MANAGEMENT&outside=mail.example.com&inside=mail.local&outside=HTTP%3Dautodiscover.example.com"
	wizardSelf    = "kind=self-signed&services=IMAP&outside=mail.example.com&o=Example"
)

// wizardAt is the address of a step with answers.
func wizardAt(step, answers string) string {
	return address("/wizard", "step", step, "answers", answers)
}

// TestMarkup reads every page in both languages as a strict reader would.
func TestMarkup(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true, closed: map[string]bool{"imaps": true}})
	o.makeCertificate(t, `<b onclick="x">"&`, 12, "IMAP") // names are text, whatever is in them
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	for _, language := range []string{"en", "ko"} {
		shown := visits(session, o.link(t))
		for name, q := range shown {
			q.language = language
			t.Run(language+" "+name, func(t *testing.T) { readStrictly(t, h, q) })
		}
		t.Run(language+" site", func(t *testing.T) {
			readStrictly(t, Site(SiteOptions{Host: "mail1.example.com"}), request{target: "/", language: language})
		})
	}
	body := read(t, ask(t, h, request{target: "/", session: session}))
	if strings.Contains(body, "<b ") || !strings.Contains(body, "&lt;b onclick=") {
		t.Error("the name of a certificate is not escaped")
	}
}

func readStrictly(t *testing.T, h http.Handler, q request) {
	answer := ask(t, h, q)
	if got := answer.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type: got %q", got)
	}
	if got := answer.Header.Get("Content-Language"); got != q.language {
		t.Errorf("content language: got %q, want %q", got, q.language)
	}
	body := read(t, answer)
	if strings.Contains(body, "⟨") {
		t.Errorf("a text is missing: %s", body[strings.Index(body, "⟨"):][:40])
	}
	wantBalanced(t, body)
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[atom.Atom]int)
	ids := make(map[string]int)
	var references []string
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.DataAtom]++
		at := make(map[string]string)
		for _, a := range n.Attr {
			at[a.Key] = a.Val
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s>: the policy forbids it", n.Data, a.Key)
			}
			switch a.Key {
			case "id":
				ids[a.Val]++
			case "aria-labelledby", "aria-describedby", "for":
				references = append(references, a.Val)
			case "href", "src", "action":
				if !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "//") {
					t.Errorf("<%s %s=%q> leads away", n.Data, a.Key, a.Val)
				}
				if strings.HasPrefix(a.Val, "#") {
					references = append(references, a.Val[1:])
				}
				if strings.HasPrefix(a.Val, "/static/") && ask(t, h, request{target: a.Val}).StatusCode != http.StatusOK {
					t.Errorf("%s is not there", a.Val)
				}
			}
		}
		switch n.DataAtom {
		case atom.Html:
			if at["lang"] != q.language {
				t.Errorf("<html lang>: got %q, want %q", at["lang"], q.language)
			}
		case atom.Th:
			if at["scope"] == "" {
				t.Error("<th> without scope")
			}
		case atom.Form:
			// A step of the wizard changes nothing either.
			if filter := at["method"] == "get" && slices.Contains([]string{"/certificates", "/plan", "/plan/authorities", "/audit", "/report", "/wizard", "/authority/book", "/authority/people"}, at["action"]); at["method"] != "post" && !filter {
				t.Errorf("<form> with method %q", at["method"])
			}
		case atom.Script, atom.Style, atom.Iframe, atom.Img, atom.Object:
			t.Errorf("<%s> is not for these pages", n.Data)
		}
	}
	for _, one := range []atom.Atom{atom.Html, atom.Title, atom.Main, atom.H1} {
		if count[one] != 1 {
			t.Errorf("<%s>: got %d, want 1", one, count[one])
		}
	}
	if count[atom.Caption] != count[atom.Table] {
		t.Errorf("got %d tables and %d captions", count[atom.Table], count[atom.Caption])
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("the id %q stands %d times", id, n)
		}
	}
	for _, reference := range references {
		if ids[reference] == 0 {
			t.Errorf("%q is referred to and not there; there are %v", reference, slices.Sorted(maps.Keys(ids)))
		}
	}
}

// wantBalanced wants each tag closed where it was opened, which html.Parse would mend in silence.
func wantBalanced(t *testing.T, body string) {
	t.Helper()
	empty := []string{"meta", "link", "input", "br", "path", "rect", "circle"}
	var open []string
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) != 0 {
				t.Errorf("left open: %q", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !slices.Contains(empty, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %q", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}
