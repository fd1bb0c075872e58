package pages

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	protocol "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// full is an organisation in which every page has something to show, and the serial of what its authority issued.
func full(t *testing.T) (o organisation, serial string) {
	t.Helper()
	o = newOrganisation(t, running{trial: true, closed: map[string]bool{listener.POP3: true}})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	o.makeCertificate(t, "Spare", 400, "")
	if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	made, err := o.Certify(t.Context(), tester(), desk.CertifyRequest{Profile: "device", CSR: desk.ImportFile{Name: "x.csr", Data: []byte(makeCSR(t, "printer.example.com"))}})
	if err != nil {
		t.Fatal(err)
	}
	signing := desk.CertifyRequest{Profile: "code-signing", CSR: desk.ImportFile{Name: "x.csr", Data: []byte(makeCSR(t, "build.example.com"))}}
	for name, step := range map[string]func() error{
		"a request that waits": func() error {
			_, err := o.Certify(t.Context(), state.Actor{Who: "somebody", From: "test"}, signing)
			return err
		},
		"a renewal and one that waits": func() error {
			if _, err := o.Renew(t.Context(), tester(), desk.RenewRequest{ID: "mail-example-com"}); err != nil {
				return err
			}
			_, err := o.Renew(t.Context(), tester(), desk.RenewRequest{ID: "mail-example-com", NoActivate: true})
			return err
		},
		"an issuer that is distrusted": func() error {
			_, err := o.AddDistrust(t.Context(), tester(), desk.DistrustRequest{Issuer: "CN=Old CA,O=Example"})
			return err
		},
		"an anchor": func() error {
			_, err := o.AddAnchors(t.Context(), tester(), desk.AnchorRequest{File: desk.ImportFile{Name: "ca.pem", Data: []byte(testCA(t).pem)}})
			return err
		},
		"a request": func() error {
			_, err := o.Ask(t.Context(), tester(), desk.AskRequest{Name: "Webmail", Domains: []string{"webmail.example.com"}})
			return err
		},
		"a token": func() error {
			_, err := o.NewToken(t.Context(), tester(), desk.TokenRequest{Name: "monitor", Scope: desk.ScopeRead})
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatalf("making %s: %v", name, err)
		}
	}
	return o, made.Serial
}

// addresses are pages that can be opened, by the name of their picture; every route must be among them.
func addresses(serial string) map[string]string {
	return map[string]string{
		"overview": "/", "certificates": "/certificates", "certificates-none": "/certificates?domain=nobody.example", "certificate": "/certificate?id=mail-example-com",
		"pending": "/certificate?id=webmail-example-com", "internal": "/certificate?id=internal-mail1-example-com", "refused": "/certificate?id=nobody",
		"new": "/certificate/new", "request": "/certificate/request", "import": "/certificate/import", "enable": "/certificate/enable?id=mail-example-com", "export": "/certificate/export?id=mail-example-com",
		"listeners": "/listeners", "trust": "/trust", "trust-add": "/trust/add", "distrust": "/trust/distrust",
		"plan": "/plan", "calendar": "/plan/calendar", "authorities": "/plan/authorities?want=acme", "check": "/check", "audit": "/audit?all=1", "backup": "/backup", "tokens": "/tokens", "notices": "/notices", "report": "/report?days=30",
		"authority": "/authority", "book": "/authority/book", "issued": "/authority/certificate?serial=" + serial, "issue": "/authority/issue", "certify": "/authority/certify", "revoke": "/authority/revoke?serial=" + serial,
		"ca-init": "/authority/init", "ca-keep": "/authority/keep", "waiting": "/authority/pending?all=1", "machines": "/authority/acme", "people": "/authority/people", "root": "/authority/root", "root-answer": "/authority/root/answer", "root-withdraw": "/authority/root/withdraw", "root-export": "/authority/root/export", "root-remove": "/authority/root/remove", "root-import": "/authority/root/import", "person": "/authority/people/new", "person-key": "/authority/people/key?serial=" + serial, "extend": "/authority/extend", "rollover": "/authority/rollover", "fall": "/authority/revoke-authority?authority=servers", "profiles": "/authority/profiles", "profile": "/authority/profile?profile=device", "unprofile": "/authority/profile/remove?profile=device",
		"wizard": "/wizard", "wizard-services": wizardAt("services", "kind=public"), "wizard-names": wizardAt("names", wizardAnswers+"&domain=other.example.com"), "wizard-authority": wizardAt("authority", wizardAnswers+"&want=old-android"),
		"wizard-organisation": wizardAt("organisation", wizardAnswers+"&authority=digicert&validation=organisation"), "wizard-key": wizardAt("key", wizardSelf), "wizard-review": wizardAt("review", wizardAnswers+"&authority=letsencrypt&want=old-android&ou=IT"),
		"signed-out": "/sign-in", "not-found": "/nothing",
	}
}

// TestEveryRouteHasAnAddress: a page that TestBrowserPages does not open is looked at by nobody.
func TestEveryRouteHasAnAddress(t *testing.T) {
	t.Parallel()
	known := slices.Collect(maps.Values(addresses("00")))
	for path, methods := range (&center{printer: newPrinter(nil)}).routes() {
		if methods[http.MethodGet] == nil || strings.HasSuffix(path, "/download") || path == "/healthz" {
			continue
		}
		if !slices.ContainsFunc(known, func(a string) bool { got, _, _ := strings.Cut(a, "?"); return got == path }) {
			t.Errorf("%s is a page that TestBrowserPages does not open; give it an address", path)
		}
	}
}

// TestBrowserPages visits every page that can be opened, in both languages, by day and night, on a screen and a phone: axe-core
// looks for what keeps people out, and the tab key goes through all of it.
func TestBrowserPages(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o, serial := full(t)
	pages := addresses(serial)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	for _, language := range []string{"en", "ko"} {
		for name, path := range pages {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			v.open(base + path + separator + "lang=" + language)
			if language == "en" {
				v.page(name + "-" + language)
				v.tabThrough(name)
				continue
			}
			// Another language has other words and nothing else.
			v.accessible(name+"-"+language, `runOnly: ["aria-command-name", "aria-input-field-name", "aria-toggle-field-name", "area-alt", "button-name", "document-title", "empty-heading", "empty-table-header", "html-has-lang", "html-lang-valid", "image-alt", "input-button-name", "label", "label-content-name-mismatch", "link-name", "page-has-heading-one", "select-name", "summary-name", "svg-img-alt", "valid-lang"]`)
			v.fits(name + "-" + language)
		}
	}
	v.quiet(messages)
}

// page looks at a page as people do who do not all see, hold and like the same: axe-core finds nothing, by day and night,
// on a screen and a phone, and nobody scrolls sideways. With POSTSEAL_SCREENSHOTS its pictures are kept, to be looked at.
func (v *visit) page(name string) {
	v.t.Helper()
	v.accessible(name, "")
	// What else axe-core looks for does not depend on colours and width.
	const seen = `runOnly: ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"], rules: {"target-size": {enabled: true}}`
	// Nor do colours depend on the width, so night and phone are looked at together.
	v.scheme("dark")
	v.phone()
	v.accessible(name+" by night on a phone", seen)
	v.scheme("light")
	v.desktop()
	v.fits(name)
}

// fits wants that a page needs no scrolling sideways on a phone, and keeps its pictures when they are wanted.
func (v *visit) fits(name string) {
	v.t.Helper()
	wanted := os.Getenv("POSTSEAL_SCREENSHOTS") != ""
	take := func(name string) {
		if wanted {
			v.picture(name)
			v.scheme("dark")
			v.picture(name + "-dark")
			v.scheme("light")
		}
	}
	take(name)
	v.phone()
	v.wantNoOverflow(390, 360)
	take(name + "-phone")
	v.desktop()
}

// accessible wants that axe-core finds nothing, of whatever weight. Nothing is loaded before: the pages have one style sheet
// of their own, and no film.
func (v *visit) accessible(name, options string) {
	v.t.Helper()
	if v.axe == "" {
		source, err := os.ReadFile(filepath.Join("..", "..", "peers", "node", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			v.t.Fatalf("axe-core is not here: run make deps: %v", err)
		}
		v.axe = string(source)
	}
	// The protocol of the browser evaluates it; the policy of the page, which allows no script, stays in force. The pages
	// after this one have it from their beginning: handing it over takes longer than what it does.
	if !v.is("typeof axe === 'object'") {
		v.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, protocol.AddScriptToEvaluateOnNewDocument, protocol.AddScriptToEvaluateOnNewDocumentParams{Source: v.axe})
			return err
		}))
		v.do(chromedp.Evaluate[chromedp.Void](v.axe + "; undefined"))
	}
	found, err := chromedp.Run(v.ctx, chromedp.Evaluate[[]string](
		`axe.run({preload: false, resultTypes: ["violations"], `+options+`}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.impact + " " + v.id + ": " + n.html.slice(0, 200) + " " + (n.failureSummary || "").replace(/\s+/g, " "))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		v.t.Fatalf("axe-core on %s: %v", name, err)
	}
	for _, one := range found {
		v.t.Errorf("%s: axe-core: %s", name, one)
	}
}

// stops marks what the tab key must reach, and notes where the focus comes, whether it is seen there, and where it was
// before. Of radio buttons of one name the chosen one is a stop, or any.
const stops = `(() => {
	document.querySelectorAll("details").forEach(d => d.open = true);
	const wanted = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")].filter(e => e.checkVisibility() && !e.disabled);
	const group = e => e.type === "radio" ? "radio " + e.form?.action + e.name : e;
	window.stopsWanted = new Map(wanted.map(e => [group(e), e]));
	window.stopsSeen = [];
	document.addEventListener("focusin", ({target: e}) => {
		const style = getComputedStyle(e), box = e.getBoundingClientRect();
		const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && style.outlineColor !== getComputedStyle(document.body).backgroundColor;
		const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && box.width > 0;
		window.stopsSeen.push({key: group(e), shown, inside, html: e.outerHTML.slice(0, 120)});
	}, {capture: true});
	document.activeElement?.blur();
	window.scrollTo(0, 0);
	return window.stopsWanted.size;
})()`

// tabThrough presses the tab key until the focus has been everywhere: it reaches every link, button and field, in their
// order, is seen at each, begins at the way past the navigation, and is caught nowhere. Then it goes one step back.
func (v *visit) tabThrough(name string) {
	v.t.Helper()
	n, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](stops))
	if err != nil || n < 2 {
		v.t.Fatalf("%s: got %d stops, %v", name, n, err)
	}
	tabs := make([]chromedp.Action[chromedp.Void], n)
	for i := range tabs {
		tabs[i] = chromedp.KeyEvent(kb.Tab)
	}
	v.do(tabs...)
	// A field for a date has places of its own for year, month and day.
	for range 8 {
		if v.is("stopsSeen.length >= stopsWanted.size") {
			break
		}
		v.do(chromedp.KeyEvent(kb.Tab))
	}
	found, err := chromedp.Run(v.ctx, chromedp.Evaluate[[]string](`(() => {
		const bad = [], reached = new Set(stopsSeen.map(s => s.key));
		for (const [key, e] of stopsWanted) if (!reached.has(key)) bad.push("is not reached: " + e.outerHTML.slice(0, 120));
		for (const s of stopsSeen) {
			if (!s.shown) bad.push("has a focus that is not seen: " + s.html);
			if (!s.inside) bad.push("has the focus outside of what is shown: " + s.html);
			if (!stopsWanted.has(s.key)) bad.push("is a stop that does nothing: " + s.html);
		}
		if (stopsSeen.length !== stopsWanted.size) bad.push("the focus makes " + stopsSeen.length + " stops, want " + stopsWanted.size);
		const order = [...stopsWanted.keys()].filter(k => reached.has(k)), came = [...new Set(stopsSeen.map(s => s.key))];
		const radio = k => typeof k === "string";
		if (order.some((k, i) => !radio(k) && !radio(came[i]) && k !== came[i])) bad.push("the order is not that of the page");
		if (!stopsSeen[0]?.html.includes('class="skip"')) bad.push("the first stop is " + stopsSeen[0]?.html);
		return bad;
	})()`))
	if err != nil {
		v.t.Fatalf("%s: %v", name, err)
	}
	for _, one := range found {
		v.t.Errorf("%s, by the tab key: %s", name, one)
	}
	// Not caught at the end: one more leaves the page or begins anew, and back leads in again.
	last := `document.activeElement === [...stopsWanted.values()].at(-1)`
	if v.is(last + ` && document.activeElement.type !== "radio"`) {
		v.do(chromedp.KeyEvent(kb.Tab))
		if v.is(last) {
			v.t.Errorf("%s: the focus is caught at its end", name)
		}
	}
	if !v.is(`document.querySelector(".skip").getAttribute("href") === "#" + document.querySelector("main").id`) {
		v.t.Errorf("%s: the way past the navigation does not lead to the page", name)
	}
}
