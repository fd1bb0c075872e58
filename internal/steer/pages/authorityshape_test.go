package pages

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// TestBrowserAuthorityGrows adds a domain, replaces an authority, and makes and removes a profile, in a real browser.
func TestBrowserAuthorityGrows(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o, _ := newAuthority(t)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/authority"]`)
	v.press(`a[href="/authority/extend"]`)
	v.do(chromedp.SendKeys(chromedp.CSS("#f-domains"), "example.org"))
	v.page("ca-extend")
	v.press(".sheet button.main")
	v.wantText("The authority servers is certified anew")
	v.page("ca-extend-preview")
	v.press(".acts button.main")
	v.wantText("They may certify more: example.org")

	v.press(`a[href="/authority/rollover"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-authority"), "clients"))
	v.page("ca-rollover")
	v.press(".sheet button.main")
	v.wantText("clients-2 does from now on")
	v.page("ca-rollover-preview")
	v.press(".acts button.main")
	v.wantText("Replaced: the authority clients")
	all, err := o.OwnAuthorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all.Authorities {
		if a.Name == "servers" && !slices.Contains(a.Domains, "example.org") || a.Name == "clients" && a.State != "retired" || a.Name == "clients-2" && a.State != "active" {
			t.Errorf("got %+v", a)
		}
	}
	if !slices.ContainsFunc(all.Authorities, func(a desk.AuthorityView) bool { return a.Name == "clients-2" }) {
		t.Error("there is no successor")
	}

	v.press(`a[href="/authority/revoke-authority"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-authority"), "clients"), chromedp.SetValue(chromedp.CSS("#f-reason"), "cACompromise"))
	v.page("ca-fall")
	v.press(".sheet button.main")
	v.wantText("The trust in the authority clients", "1 certificates that are valid below it")
	v.page("ca-fall-preview")
	v.press(".acts button.main")
	v.wantText("Taken back: the authority clients")
	if all, err = o.OwnAuthorities(t.Context()); err != nil || !slices.ContainsFunc(all.Authorities, func(a desk.AuthorityView) bool { return a.Name == "clients" && a.State == "revoked" }) {
		t.Errorf("got %+v, %v", all, err)
	}
	v.open(base + "/authority/revoke-authority?lang=ko")
	v.press(".sheet button.main")
	v.noEnglish()
	v.wantText("대신 발급할 것이 없습니다")
	v.page("ca-fall-preview-ko")
	v.open(base + "/authority?lang=en")

	v.press(`a[href="/authority/profiles"]`)
	v.page("ca-profiles")
	v.press(`a[href="/authority/profile?profile=device"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-profile-name"), "printers"), chromedp.SetValue(chromedp.CSS("#f-domains"), "print.example.com"), chromedp.SetValue(chromedp.CSS("#f-life"), "90d"))
	v.do(chromedp.Click(chromedp.CSS(`input[name="approval"]`)))
	v.page("ca-profile")
	v.press(".sheet button.main")
	v.wantText("Set the profile printers")
	v.press(".acts button.main")
	v.wantText("Set: the profile printers", "a second person agrees")
	made, err := o.CAProfile(t.Context(), "printers")
	if err != nil || made.Profile.Life != "90d" || !made.Profile.Approval || strings.Join(made.Profile.Domains, ",") != "print.example.com" || made.Origin != desk.ProfileOwn {
		t.Fatalf("got %+v, %v", made, err)
	}
	v.press(`a[href="/authority/profile/remove?profile=printers"]`)
	v.press(".sheet button.main")
	v.wantText("This goes:")
	v.press(".acts button.main")
	v.wantText("Removed: the profile printers")
	v.open(base + "/authority/profiles?lang=ko")
	v.page("ca-profiles-ko")
	v.quiet(messages)
}

// TestLints: what zlint finds, waits for, and is missing for is said, and so is what an administrator takes as it is.
func TestLints(t *testing.T) {
	t.Parallel()
	w := languages()[0]
	for name, c := range map[string]struct {
		h    desk.ZLintHealth
		word string
		rows int
	}{
		"nothing":  {desk.ZLintHealth{There: true}, "found nothing", 0},
		"reads":    {desk.ZLintHealth{There: true, Waits: 3}, "reads", 0},
		"missing":  {desk.ZLintHealth{Waits: 3}, "postseal-zlint is not there", 0},
		"finds":    {desk.ZLintHealth{There: true, Findings: []desk.ZLintFinding{{Lint: "e_x", Subject: "certificate 40", Count: 7}}}, "finds 1", 1},
		"no child": {desk.ZLintHealth{Findings: []desk.ZLintFinding{{Lint: "e_x", Subject: "certificate 40", Count: 7}}}, "finds 1", 1},
	} {
		got := w.lints(&c.h)
		if got.Word != c.word || len(got.Findings) != c.rows || c.rows > 0 && (got.Level != levelWarn || got.Findings[0].Text != "certificate 40, 7 in all") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := w.lints(&desk.ZLintHealth{There: true, Accepted: []desk.ZLintReason{{Lint: "w_y", Reason: "so it is"}}}); len(got.Accepted) != 1 || got.Accepted[0] != (lintRow{"w_y", "so it is"}) {
		t.Errorf("got %+v", got)
	}
}
