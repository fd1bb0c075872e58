package pages

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/state"
	"postseal/internal/peers"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// TestEnrolmentPage: a key for accounts is shown once and revoked; the time of renewal is moved and moved back.
func TestEnrolmentPage(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	o, _ := newAuthority(t)
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	made := read(t, send(t, h, session, "/authority/acme/key", "profile", "server", "domains", "example.com", "accounts", "5", "life", "7"))
	key := regexp.MustCompile(`--eab-hmac-key ([A-Za-z0-9_-]{43}) -d host\.example\.com`).FindStringSubmatch(withoutTags(made))
	keys, err := o.EABs(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Accounts != 5 || keys[0].State != "open" || len(key) != 2 {
		t.Fatalf("got %+v, %v and %q", keys, err, key)
	}
	page := func() string { return read(t, ask(t, h, request{target: "/authority/acme", session: session})) }
	if body := page(); strings.Contains(body, key[1]) || !strings.Contains(body, keys[0].ID) || !strings.Contains(body, "0 of 5") {
		t.Error("the page shows the key a second time, or not at all")
	}
	for language, want := range map[string]string{"en": "below no domain of profile server", "ko": "example.org"} {
		refused := request{method: http.MethodPost, target: "/authority/acme/key", body: "profile=server&accounts=3&domains=example.org", session: session, language: language}
		readStrictly(t, h, refused)
		body := read(t, ask(t, h, refused))
		if !strings.Contains(body, want) || !strings.Contains(body, `value="3"`) {
			t.Errorf("%s: a name of somebody else: the page does not say why, or has lost what was given", language)
		}
	}
	if answer := send(t, h, session, "/authority/acme/key/revoke", "id", keys[0].ID); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("revoking: got %s", answer.Status)
	}
	if body := page(); !strings.Contains(body, "revoked") || strings.Contains(body, `action="/authority/acme/key/revoke"`) {
		t.Error("the page does not show that the key was revoked")
	}
	if answer := send(t, h, session, "/authority/acme/renew", "whom", "servers", "within", "6", "web", "https://example.com/why"); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("moving the window: got %s", answer.Status)
	}
	windows, err := o.Windows(t.Context())
	if err != nil || len(windows) != 1 || windows[0].Explanation != "https://example.com/why" {
		t.Fatalf("got %+v, %v", windows, err)
	}
	if body := page(); !strings.Contains(body, "https://example.com/why") {
		t.Error("the page does not show the window")
	}
	if answer := send(t, h, session, "/authority/acme/renew/usual", "id", windows[0].ID); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("moving it back: got %s", answer.Status)
	}
	if windows, err := o.Windows(t.Context()); err != nil || len(windows) != 0 {
		t.Errorf("got %+v, %v", windows, err)
	}
	// Whoever only looks cannot make keys: whoever has one gets certificates.
	if err := admin.Local(o.Desk, tester()).Call(t.Context(), "ca/eab-new", desk.EABRequest{Profile: "smime-sign"}, new(desk.EAB)); err == nil {
		t.Error("there is a key for certificates that nobody gets by proving names")
	}
}

// TestBrowserEnrolment makes a key and lets clients renew, in a real browser.
func TestBrowserEnrolment(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o, _ := newAuthority(t)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/authority"]`)
	v.press(`a[href="/authority/acme"]`)
	v.wantText("There is no key, so no machine can make an account.", "They renew at the usual time.")
	v.page("acme-empty")
	v.do(chromedp.SetValue("#f-domains", "example.com"), chromedp.SetValue("#f-accounts", "20"))
	v.press(`form[action="/authority/acme/key"] button`)
	v.wantText("It is shown this once", "certbot certonly --standalone --server https://")
	v.page("acme-made")
	v.press(`form[action="/authority/acme/renew"] button`)
	v.wantText("The usual time again")
	v.page("acme")
	v.wantTrue(`!document.querySelector('form[action="/authority/acme/key/revoke"] button').checkVisibility()`)
	v.do(chromedp.Click(chromedp.CSS("td.do summary")))
	v.press(`form[action="/authority/acme/key/revoke"] button`)
	v.wantText("revoked")
	v.press(`form[action="/authority/acme/renew/usual"] button`)
	v.wantText("They renew at the usual time.")

	// A machine's account is shut: the row says so, and it has no button any more.
	if err := o.State().Keep(t.Context(), func(tx *state.Tx) error {
		return tx.AddACMEAccount(state.ACMEAccount{ID: "account-1", Authority: "servers", Thumbprint: "thumb", JWK: "{}", Contact: []string{"mailto:root@web.example.com"}, Status: "valid", Profile: "server", Domains: []string{"example.com"}})
	}); err != nil {
		t.Fatal(err)
	}
	v.open(base + "/authority/acme")
	v.wantText("root@web.example.com")
	v.do(chromedp.Click(chromedp.CSS(`details:has(form[action="/authority/acme/account/revoke"]) summary`)))
	v.press(`form[action="/authority/acme/account/revoke"] button`)
	v.wantTrue(`document.querySelector('form[action="/authority/acme/account/revoke"]') === null`)
	v.wantText("root@web.example.com")
	v.quiet(messages)
	if all, err := o.Accounts(t.Context()); err != nil || len(all) != 1 || all[0].State != "revoked" {
		t.Errorf("got %+v, %v", all, err)
	}
	if keys, err := o.EABs(t.Context()); err != nil || len(keys) != 1 || keys[0].State != "revoked" {
		t.Errorf("got %+v, %v", keys, err)
	}
}
