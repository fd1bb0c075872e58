package pages

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/trustfile"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// TestBrowserWizard goes through the wizard as somebody does who changes his mind: a wrong answer, an edit, back, another
// service. It ends in a certificate that openssl is served; then, with the keyboard and in Korean, in a request.
func TestBrowserWizard(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	imaps := serveTLS(t, o, listener.IMAPS)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/certificates?lang=en")
	v.press(`a[href="/wizard"]`)
	v.wantText("Certificate wizard", "The organisation has no authority of its own yet.")
	v.page("wizard-kind")

	// Nothing chosen is said, and nothing is lost.
	next := `.wizard button[value="next"]`
	v.press(next)
	v.wantText("Choose who signs it")
	v.page("wizard-kind-missing")
	v.do(chromedp.Click(chromedp.CSS(`input[value="self-signed"]`)))
	v.press(next)
	v.wantTrue(`document.querySelector("#f-outside-IMAP").value === "mail1.example.com"`)
	v.page("wizard-services")
	for _, s := range []string{"HTTP", "POP", "SMTP"} {
		v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="` + s + `"]`)))
	}
	v.do(chromedp.SetValue(chromedp.CSS("#f-outside-IMAP"), "mail.example.com imap.example.com"))
	v.do(chromedp.SetValue(chromedp.CSS("#f-inside-IMAP"), "mail1.corp.local"))
	v.press(next)
	v.wantTrue(`document.querySelector("#f-domain").value.trim() === "mail.example.com\nimap.example.com\nmail1.corp.local"`)
	v.page("wizard-names")

	// An edit stays: on the way back, and when the services change.
	v.do(chromedp.SetValue(chromedp.CSS("#f-domain"), "mail.example.com\nimap.example.com\nextra.example.com"))
	v.press(`.wizard button[value="stay"]`)
	v.wantText("You have changed the proposal", "mail1.corp.local")
	v.page("wizard-names-edited")
	v.do(chromedp.SetValue(chromedp.CSS("#f-common-name"), "imap.example.com"))
	v.press(`.wizard button[value="back"]`)
	v.wantTrue(`document.querySelector("#f-inside-IMAP").value === "mail1.corp.local"`)
	v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="POP"]`)))
	v.do(chromedp.SetValue(chromedp.CSS("#f-outside-POP"), "pop.example.com"))
	v.press(next)
	v.wantTrue(`document.querySelector("#f-domain").value.trim() === "imap.example.com\nmail.example.com\nextra.example.com"`)
	v.wantTrue(`document.querySelector("#f-common-name").value === "imap.example.com"`)
	v.wantText("mail1.corp.local, pop.example.com")
	v.press(`.wizard button[value="propose"]`)
	v.wantTrue(`document.querySelector("#f-domain").value.includes("pop.example.com") && !document.querySelector("#f-domain").value.includes("extra")`)
	v.press(next)
	v.do(chromedp.SetValue(chromedp.CSS("#f-o"), "Example, Ltd."), chromedp.SetValue(chromedp.CSS("#f-c"), "KOR"))
	v.page("wizard-organisation")
	v.press(next)
	v.wantText("two letters")
	v.do(chromedp.SetValue(chromedp.CSS("#f-c"), "kr"))
	v.press(next)
	v.do(chromedp.SetValue(chromedp.CSS("#f-name"), "Wizard's"))
	v.page("wizard-key")
	v.press(next)
	v.wantText("postseal cert new", "mail.example.com", "Example, Ltd.")
	v.page("wizard-review")

	// The preview shows what moves, and Back leads to the answers; then it is done, and served.
	v.press(".wizard button.main")
	v.wantText("What would change", "imaps", "Postseal Internal")
	v.page("wizard-preview")
	v.press(".acts a.button")
	v.wantText("Example, Ltd.")
	v.press(".wizard button.main")
	before := served(t, imaps)
	v.press(".acts button.main")
	v.wantText("Made: Wizard's", "mail-example-com")
	v.page("wizard-served")
	after := served(t, imaps)
	if after == before || !strings.Contains(after, "CN=mail.example.com") {
		t.Errorf("imaps serves %q after %q", after, before)
	}
	d, err := o.Certificate(t.Context(), "mail-example-com")
	if err != nil {
		t.Fatal(err)
	}
	v.wantText(d.Thumbprint)

	// In Korean, and with the keyboard alone: a request for a public authority.
	v.open(base + "/wizard?lang=ko")
	v.wantText("TLS 인증서 마법사")
	v.tabTo(`input[name="kind"]`)
	v.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	v.wantTrue(`document.querySelector("input[value=public]").checked`)
	v.tabTo(next)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.page("wizard-services-ko")
	v.tabTo("#f-inside-IMAP")
	v.tabTo(next)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.page("wizard-names-ko")
	v.tabTo("#f-domain")
	v.tabTo(next)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("Google Trust Services", "맞음")
	v.page("wizard-authority-ko")
	v.do(chromedp.Click(chromedp.CSS(`input[value="digicert"]`)), chromedp.Click(chromedp.CSS(`input[value="organisation"]`)))
	v.press(next)
	v.do(chromedp.SetValue(chromedp.CSS("#f-o"), "예시 주식회사"), chromedp.SetValue(chromedp.CSS("#f-c"), "KR"), chromedp.SetValue(chromedp.CSS("#f-l"), "Seoul"))
	v.page("wizard-organisation-ko")
	v.press(next)
	v.page("wizard-key-ko")
	v.press(next)
	v.wantText("postseal cert request", "DigiCert")
	v.page("wizard-review-ko")
	v.follow(chromedp.Click(chromedp.CSS(`.languages a[hreflang="en"]`))) // the answers stay
	v.wantText("Review", "DigiCert", "예시 주식회사")
	v.follow(chromedp.Click(chromedp.CSS(`.languages a[hreflang="ko"]`)))
	v.press(".wizard button.main")
	v.page("wizard-preview-ko")
	v.press(".acts button.main")
	v.wantText("인증 기관에 보낼 요청", "BEGIN CERTIFICATE REQUEST")
	v.page("wizard-request-ko")
	csr, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.querySelector("pre.pem").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/request.csr"
	if err := os.WriteFile(file, []byte(csr), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := peers.OpenSSL(t, "", "req", "-in", file, "-noout", "-verify", "-subject", "-nameopt", "utf8"); r.Exit != 0 || !strings.Contains(r.Stdout, "예시 주식회사") {
		t.Errorf("openssl reads the request: %v", r)
	}
	v.quiet(messages)
}

// TestBrowserWizardAsksOurAuthority chooses our own authority before there is one, is sent to make it, and comes back: the
// wizard ends in a certificate that openssl is served, below the root that the authority has.
func TestBrowserWizardAsksOurAuthority(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	imaps := serveTLS(t, o, listener.IMAPS)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/wizard?lang=en")
	next := `.wizard button[value="next"]`
	own := chromedp.Click(chromedp.CSS(`input[value="own"]`))
	v.do(own)
	v.press(next)
	v.wantTrue(`document.querySelector('[role="alert"]').textContent.includes("postseal ca init")`)
	v.page("wizard-own-none")
	v.press(`.wizard a[href="/authority/init"]`)
	v.press(".sheet button.main")
	v.press(".acts button.main")
	v.open(base + "/wizard")
	v.wantTrue(`document.querySelector('.wizard a[href="/authority/init"]') === null`)
	v.do(own)
	v.press(next)
	v.wantTrue(`document.querySelectorAll(".steps li").length === 5`) // nobody asks what the profile decides
	for _, s := range []string{"HTTP", "POP", "SMTP"} {
		v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="` + s + `"]`)))
	}
	v.do(chromedp.SetValue(chromedp.CSS("#f-outside-IMAP"), "mail.example.com imap.example.com"))
	v.press(next)
	v.press(next)
	v.wantTrue(`document.querySelector("#f-name") === null && document.querySelector("#f-days") === null`)
	v.page("wizard-own-key")
	v.press(next)
	v.wantText("Our own authority", "postseal ca issue --domain mail.example.com --domain imap.example.com", "--enable IMAP")
	v.page("wizard-own-review")
	before := served(t, imaps)
	v.press(".wizard button.main")
	v.wantText("What would change", "imaps", "Postseal Internal")
	v.page("wizard-own-preview")
	v.press(".acts button.main")
	v.wantText("Issued: mail.example.com", "mail-example-com")
	after := peers.Served(t, peers.Endpoint{Addr: imaps, Options: []string{"-sigalgs", "ECDSA+SHA256"}})
	public, err := o.PublicTrust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file, err := public.Set(desk.PublicAuthority).File(trustfile.PEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(file.Data)
	if got := served(t, imaps); got == before || after.VerifyHostname("imap.example.com") != nil {
		t.Errorf("imaps serves %s for %v", got, after.DNSNames)
	}
	verifyOverWire(t, imaps, "imap.example.com", roots)
	v.quiet(messages)
}

// verifyOverWire makes a handshake as a client does that knows the roots and nothing else.
func verifyOverWire(t *testing.T, addr, name string, roots *x509.CertPool) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		t.Errorf("a client that trusts our root: %v", err)
		return
	}
	conn.Close()
}

// TestWizardAddresses: an address may say anything; the wizard asks for what is missing, and keeps nothing of it.
func TestWizardAddresses(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	for _, one := range []struct {
		name, target string
		status       int
		step         string // that it leads to
	}{
		{"no such step", "/wizard?step=nonsense", http.StatusOK, ""},
		{"the end without answers", "/wizard?step=review", http.StatusSeeOther, "kind"},
		{"a step that these answers do not have", wizardAt("authority", wizardSelf), http.StatusOK, ""},
		{"what comes before is wrong", wizardAt("review", "kind=public&services=IMAP&outside=a..b"), http.StatusSeeOther, "names"},
		{"what is no answer", wizardAt("services", "%zz;"), http.StatusSeeOther, "kind"},
		{"too much", wizardAt("services", "kind=public&o="+strings.Repeat("x", maxAnswerBytes)), http.StatusSeeOther, "kind"},
		{"back keeps what will not do", wizardAt("names", wizardAnswers) + "&go=back&domain=not+a..name", http.StatusSeeOther, "services"},
		{"on, when it is good", wizardAt("names", wizardAnswers) + "&go=next&domain=mail.example.com", http.StatusSeeOther, "authority"},
		{"not on, when it is not", wizardAt("names", wizardAnswers) + "&go=next&domain=not+a..name", http.StatusUnprocessableEntity, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			answer := ask(t, h, request{target: one.target, session: session})
			to, err := url.Parse(answer.Header.Get("Location"))
			if err != nil || answer.StatusCode != one.status || to.Query().Get("step") != one.step {
				t.Errorf("got %s, %s, %v, want %d, %q", answer.Status, to, err, one.status, one.step)
			}
			if one.name == "back keeps what will not do" && !strings.Contains(to.Query().Get("answers"), "domain=a..name&domain=not") && !strings.Contains(to.Query().Get("answers"), "domain=not&domain=a..name") {
				t.Errorf("the names have gone: %s", to)
			}
		})
	}
	// Strangers get nothing, and a form of another site makes nothing.
	if answer := ask(t, h, request{target: "/wizard"}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a stranger: got %s", answer.Status)
	}
	body := url.Values{"answers": {wizardSelf}}.Encode()
	if answer := ask(t, h, request{method: http.MethodPost, target: "/wizard", body: body, session: session, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("another site: got %s", answer.Status)
	}
	before, err := o.Lineages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if answer := ask(t, h, request{method: http.MethodPost, target: "/wizard", body: body, session: session}); answer.StatusCode != http.StatusOK {
		t.Errorf("the preview: got %s", answer.Status)
	}
	if after, err := o.Lineages(t.Context()); err != nil || len(after) != len(before) {
		t.Errorf("the preview made something: %d lineages after %d, %v", len(after), len(before), err)
	}
	if _, err := answersIn(url.Values{"answers": {wizardSelf}}).Problem(wizard.StepReview, time.Now()); err != nil {
		t.Errorf("the answers of this test: %v", err)
	}
}
