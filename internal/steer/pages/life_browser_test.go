package pages

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/listener"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// TestBrowserLife takes one certificate through what happens in its years, in Korean: it is made, put beside another by name,
// made the internal one, told how to renew, renewed ahead, put in force, taken out of its place, asked for anew, and removed.
// After each step the server is asked whether it is so, and the wire where there is one.
func TestBrowserLife(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	imaps := serveTLS(t, o, listener.IMAPS)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/certificate/new?lang=ko")
	confirm := func(picture string, says ...string) {
		t.Helper()
		v.wantText(append(says, "바뀔 내용")...)
		v.fits(picture + "-ko")
		v.press(".acts button.main")
		v.wantTrue(`document.querySelector('.done[role="status"]') !== null`)
	}
	line := func() desk.LineageView {
		t.Helper()
		all, err := o.Lineages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Lineage == "shop-example-com" {
				return l
			}
		}
		return desk.LineageView{}
	}

	// Made, and served to who asks for it by name; everybody else is shown what he was shown before.
	before := served(t, imaps)
	v.do(chromedp.SetValue(chromedp.CSS("#f-name"), "상점"), chromedp.SetValue(chromedp.CSS("#f-domains"), "shop.example.com"))
	v.press(".sheet button.main")
	confirm("new-preview", "이름: shop.example.com", "ECDSA-P256과 RSA-2048", "유효 기간(일): 825")
	v.press(`a[href^="/certificate/enable"]`)
	v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="IMAP"]`)), chromedp.Click(chromedp.CSS(`input[name="role"][value="name"]`)))
	v.press(".sheet button.main")
	confirm("enable-by-name-preview")
	byName := func() string {
		return peers.Served(t, peers.Endpoint{Addr: imaps, ServerName: "shop.example.com", Options: []string{"-sigalgs", "ECDSA+SHA256"}}).Subject.CommonName
	}
	if got := byName(); got != "shop.example.com" || served(t, imaps) != before {
		t.Errorf("by name %s is served, without one %s", got, served(t, imaps))
	}

	// How it renews, and the renewal that waits.
	v.do(chromedp.Click(chromedp.CSS(`details:has(form[action="/certificate/lineage"]) summary`)))
	v.do(chromedp.SetValue(chromedp.CSS("#f-activation"), "approve"))
	v.press(`form[action="/certificate/lineage"] button`)
	confirm("lineage-preview", "새 세대는: 사람의 승인을 기다림", "갱신할 때 키는: 새로 만듦")
	if got := line().Activation; got != desk.ActivationApprove {
		t.Errorf("it is put in force %q, want by hand", got)
	}
	v.do(chromedp.Click(chromedp.CSS(`details:has(input[name="wait"]) summary`)), chromedp.Click(chromedp.CSS(`input[name="wait"]`)))
	v.press(`form:has(input[name="wait"]) button`)
	confirm("renew-waiting-preview", "다음 세대:", "적용하지 않고 기다리게 하기")
	first := peers.Served(t, peers.Endpoint{Addr: imaps, ServerName: "shop.example.com", Options: []string{"-sigalgs", "ECDSA+SHA256"}}).SerialNumber
	v.press(`form[action="/certificate/activate"] button`)
	confirm("activate-preview")
	if second := peers.Served(t, peers.Endpoint{Addr: imaps, ServerName: "shop.example.com", Options: []string{"-sigalgs", "ECDSA+SHA256"}}).SerialNumber; first.Cmp(second) == 0 {
		t.Error("the next generation is in force and not on the wire")
	}

	// Out of its place by name.
	v.open(base + "/certificate?id=shop-example-com")
	v.press(`form[action="/certificate/disable"] button`)
	confirm("disable-preview")
	for byName() == "shop.example.com" && v.is(`document.querySelector('form[action="/certificate/disable"]') !== null`) { // IMAP is two listeners
		v.press(`form[action="/certificate/disable"] button`)
		confirm("disable-preview")
	}
	if got := byName(); got == "shop.example.com" {
		t.Error("after it was taken out it is served by name")
	}

	// The internal certificate, which servers of the organisation trust as it is.
	v.press(`form[action="/certificate/set-internal"] button`)
	confirm("internal-preview")
	if d, err := o.Certificate(t.Context(), "shop-example-com"); err != nil || len(d.Roles) == 0 {
		t.Errorf("got the roles %v, %v, want the internal one", d.Roles, err)
	}

	// From another authority: its renewal is a request. Then it goes, all of it.
	if _, err := o.Ask(t.Context(), tester(), desk.AskRequest{Name: "Elsewhere", Domains: []string{"shop.example.com"}, Lineage: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	v.open(base + "/certificate?id=elsewhere")
	answer := signRequest(t, v.text("pre.pem"))
	if _, err := o.Import(t.Context(), tester(), desk.ImportRequest{Files: []desk.ImportFile{{Name: "answer.pem", Data: []byte(answer)}}}); err != nil {
		t.Fatal(err)
	}
	v.open(base + "/certificate?id=elsewhere")
	v.press(`form[action="/certificate/renew-request"] button`)
	confirm("renew-request-preview", "인증 기관에 보낼 다음 세대 요청")
	v.wantText("BEGIN CERTIFICATE REQUEST")
	v.open(base + "/certificate?id=elsewhere")
	v.press(`form[action="/certificate/remove"]:has(input[name="all"]) button`)
	v.wantTrue(`document.querySelector(".acts button.danger") !== null`)
	confirm("remove-preview")
	if all, err := o.Lineages(t.Context()); err != nil || slices.ContainsFunc(all, func(l desk.LineageView) bool { return l.Lineage == "elsewhere" }) {
		t.Errorf("it is still there, %v", err)
	}
	v.quiet(messages)
}

// TestBrowserListenersAndTrust closes a listener and opens it again, trusts an authority and stops, distrusts another and
// takes that back: the small switches of a server, in Korean.
func TestBrowserListenersAndTrust(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	enabled := func() bool {
		t.Helper()
		all, err := o.Listeners(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Listener == listener.POP3S {
				return l.Enabled
			}
		}
		return false
	}
	trusted := func() *desk.TrustView {
		t.Helper()
		got, err := o.Trust(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	v.open(base + "/listeners?lang=ko")
	v.press(`form[action="/listeners/disable"]:has(input[value="pop3s"]) button`)
	v.wantText("바뀔 내용", "pop3s")
	v.fits("listener-close-preview-ko")
	if !enabled() {
		t.Error("the preview has closed it")
	}
	v.press(".acts button.main")
	v.wantText("껐습니다: pop3s")
	if enabled() {
		t.Error("pop3s is still enabled")
	}
	v.press(`form[action="/listeners/enable"]:has(input[value="pop3s"]) button`)
	v.fits("listener-open-preview-ko")
	v.press(".acts button.main")
	v.wantText("켰습니다: pop3s")
	if !enabled() {
		t.Error("pop3s is not enabled again")
	}

	// The fingerprint stands in the preview, to be compared with what the authority says of itself.
	root := testCA(t)
	v.open(base + "/trust/add")
	v.do(chromedp.SetValue(chromedp.CSS("#f-pem"), root.pem))
	v.press(".sheet button.main")
	v.wantText("Example Root CA", "SHA-256")
	v.fits("trust-preview-ko")
	if len(trusted().Anchors) != 0 {
		t.Error("the preview trusts already")
	}
	v.press(".acts button.main")
	v.wantText("Example Root CA")
	if got := trusted().Anchors; len(got) != 1 {
		t.Fatalf("got %d anchors, want 1", len(got))
	}
	v.press(`form[action="/trust/remove"] button`)
	v.fits("untrust-preview-ko")
	v.press(".acts button.main")
	if got := trusted().Anchors; len(got) != 0 {
		t.Errorf("got %d anchors, want none", len(got))
	}

	v.open(base + "/trust/distrust")
	v.do(chromedp.SetValue(chromedp.CSS("#f-issuer"), "CN=Old CA,O=Example"), chromedp.SetValue(chromedp.CSS("#f-after"), "2026-06-30"))
	v.press(".sheet button.main")
	v.wantText("CN=Old CA,O=Example")
	v.fits("distrust-preview-ko")
	v.press(".acts button.main")
	if got := trusted().Distrust; len(got) != 1 || got[0].After.IsZero() {
		t.Fatalf("got %+v, want one with a date", got)
	}
	v.fits("distrusted-ko")
	v.press(`form[action="/trust/remove"] button`)
	v.press(".acts button.main")
	if got := trusted().Distrust; len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	v.quiet(messages)
}
