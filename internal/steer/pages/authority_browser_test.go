package pages

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// TestBrowserTwoAdministrators: two people, each in a browser of his own. Who asks has no button to agree and is refused
// when he sends the form by hand; the other agrees, and both see the certificate. A second request is rejected with its
// reason, which who asked reads; a third he withdraws himself.
func TestBrowserTwoAdministrators(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	base := serveManagement(t, o)
	enter := func(who string) (*visit, func(func(chromedp.ConsoleMessage, error) bool)) {
		link, err := o.NewLink(context.WithoutCancel(t.Context()), state.Actor{Who: who, From: "test"})
		if err != nil {
			t.Fatal(err)
		}
		v := newVisit(t)
		messages := chromedp.Console(v.ctx)
		v.signIn(base, link.Token)
		return v, messages
	}
	anna, heardByAnna := enter("anna")
	bert, heardByBert := enter("bert")
	askFor := func(name string) {
		anna.open(base + "/authority/certify")
		anna.do(chromedp.SetValue(chromedp.CSS("#f-profile"), "code-signing"), chromedp.SetValue(chromedp.CSS("#f-pem"), makeCSR(t, name)))
		anna.press(".sheet button.main")
		anna.wantTitle("Requests that need a second person – Postseal")
	}
	const agree, reject = `form[action="/authority/pending/approve"]`, `form[action="/authority/pending/reject"]`

	// Anna asks. She may withdraw it, and not agree, however she sends it.
	askFor("build.example.com")
	anna.wantText("somebody else must agree")
	anna.wantTrue(`document.querySelector('` + agree + `') === null && document.querySelector('` + reject + `') !== null`)
	anna.page("pending-own")
	anna.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('` + reject + `').action = "/authority/pending/approve"; document.querySelector("td.do details").open = true`))
	anna.press(`td.do details button`)
	anna.wantTrue(`document.querySelector('[role="alert"]') !== null`)
	anna.wantText("build.example.com", "waits")

	// Bert agrees; both see what came of it.
	bert.open(base + "/authority")
	bert.press(`a[href="/authority/pending"]`)
	bert.wantText("build.example.com", "anna")
	bert.page("pending-other")
	bert.press(agree + " button")
	bert.wantText("Issued. Download it", "build.example.com")
	anna.open(base + "/authority/pending?all=1")
	anna.wantText("approved", "bert")
	anna.press("tbody th a")
	anna.wantText("build.example.com", "anna")

	// Bert rejects the second, and says why; Anna reads it.
	askFor("other.example.com")
	bert.open(base + "/authority/pending")
	bert.do(chromedp.Click(chromedp.CSS("td.do summary")), chromedp.SetValue(chromedp.CSS(reject+` input[name="why"]`), "not on this machine"))
	bert.press(reject + " button")
	bert.wantText("rejected", "not on this machine")
	bert.page("pending-rejected")
	anna.open(base + "/authority/pending?all=1")
	anna.wantText("not on this machine", "bert")
	anna.wantTrue(`document.querySelector('` + reject + `') === null`)

	// The third she takes back; Bert finds nothing to agree to.
	askFor("third.example.com")
	anna.do(chromedp.Click(chromedp.CSS("td.do summary")))
	anna.press(reject + " button")
	bert.open(base + "/authority/pending")
	bert.wantText("Nothing waits.")
	bert.open(base + "/authority/pending?all=1&lang=ko")
	bert.page("pending-ko")
	anna.quiet(heardByAnna)
	bert.quiet(heardByBert)
}

// TestBrowserRevokedIsReplaced: a certificate of our own authority serves IMAPS, and is revoked on the pages. The first
// page raises the alarm, its button shows what takes the place, and after it a client is shown the new certificate.
func TestBrowserRevokedIsReplaced(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Issue(t.Context(), tester(), desk.IssueRequest{Domains: []string{"mail.example.com"}, Enable: "IMAP"}); err != nil {
		t.Fatal(err)
	}
	shown := serveTLS(t, o, listener.IMAPS)
	before := served(t, shown)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.wantNoText("Revoked")

	v.open(base + "/authority/book?search=mail.example.com")
	v.press("tbody th a")
	v.press(`.acts a[href^="/authority/revoke"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-reason"), "keyCompromise"))
	v.press(".sheet button.main")
	v.wantText("serves; put another in its place")
	v.press(".acts button.main")
	v.wantText("Revoked: ", "keyCompromise")
	v.open(base + "/")
	v.wantTrue(`document.querySelector('.notice form[action="/certificate/renew"] button') !== null`)
	v.page("revoked-alarm")
	if served(t, shown) != before {
		t.Error("revoking took what serves out of service")
	}
	v.press(`.notice form[action="/certificate/renew"] button`)
	v.wantText("imaps")
	v.page("revoked-preview")
	v.press(".acts button.main")
	if after := served(t, shown); !strings.HasPrefix(after, "CN=mail.example.com ") || after == before {
		t.Errorf("the listener shows %s, want mail.example.com with another serial than %s", after, before)
	}
	v.open(base + "/")
	v.wantTrue(`document.querySelector('.notice form[action="/certificate/renew"] button') === null`)

	// The certificate's own page offers the same, and no request to another authority.
	v.open(base + "/certificate?id=mail-example-com")
	v.wantTrue(`document.querySelector('form[action="/certificate/renew"]') !== null && document.querySelector('form[action="/certificate/renew-request"]') === null`)
	v.open(base + "/authority")
	v.page("authority-health")
	v.quiet(messages)
}
