package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// opened lets openssl open a PFX, and returns the file with the key and the certificate.
func opened(t *testing.T, pfx, password string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "opened.pem")
	if r := peers.OpenSSL(t, "", "pkcs12", "-in", pfx, "-passin", "pass:"+password, "-nodes", "-out", out); r.Exit != 0 {
		t.Fatalf("openssl does not open %s: %v", pfx, r)
	}
	return out
}

// TestBrowserPeople issues for a person with the keyboard, loses the file, exports the key again and reads with it what
// openssl had sealed before; a key that signs has no such button; then the certificate is revoked.
func TestBrowserPeople(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/authority")
	v.press(`a[href="/authority/people"]`)
	v.wantText("Nothing has been issued for people.")
	v.press(`a[href="/authority/people/new"]`)

	fill := func(profile, password, repeated string) {
		v.do(chromedp.Click(chromedp.CSS(`input[name="profile"][value="` + profile + `"]`)))
		for id, text := range map[string]string{"#f-person-name": "Kim Minji", "#f-person-email": "kim@example.com", "#f-password": password, "#f-repeated": repeated} {
			v.do(chromedp.SetValue(chromedp.CSS(id), text))
		}
	}
	fill("smime-encrypt", "s3cret pass", "other")
	v.press(".sheet button.main")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null && document.querySelector("#f-person-email").value === "kim@example.com" && document.querySelector("#f-password").value === ""`)
	v.page("person-refused")
	fill("smime-encrypt", "s3cret pass", "s3cret pass")
	v.do(chromedp.Focus(chromedp.CSS("#f-repeated")))
	v.tabTo(".sheet button.main")
	first := opened(t, v.download(chromedp.KeyEvent(kb.Enter)), "s3cret pass")
	fill("smime-sign", "s3cret pass", "s3cret pass")
	signing := opened(t, v.download(chromedp.Click(chromedp.CSS(".sheet button.main"))), "s3cret pass")
	if a, b := readFile(t, first), readFile(t, signing); a == b || !strings.Contains(a, "PRIVATE KEY") || !strings.Contains(b, "friendlyName: Kim Minji (signature") {
		t.Error("the two files are not a key that decrypts and one that signs")
	}

	// Somebody writes to her; she loses the file.
	dir := t.TempDir()
	letter, sealed, cert := filepath.Join(dir, "letter"), filepath.Join(dir, "sealed"), filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(letter, []byte("hello Minji"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := peers.OpenSSL(t, "", "x509", "-in", first, "-out", cert); r.Exit != 0 {
		t.Fatal(r)
	}
	if r := peers.OpenSSL(t, "", "cms", "-encrypt", "-aes256", "-binary", "-in", letter, "-outform", "PEM", "-out", sealed, cert); r.Exit != 0 {
		t.Fatal(r)
	}
	v.open(base + "/authority/people")
	v.wantTrue(`document.querySelectorAll("tbody tr").length === 2 && document.querySelectorAll('a[href^="/authority/people/key"]').length === 1`)
	v.page("people")
	v.press(`a[href^="/authority/people/key"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-password"), "another pass"), chromedp.SetValue(chromedp.CSS("#f-repeated"), "another pass"))
	v.page("person-key")
	again := opened(t, v.download(chromedp.Click(chromedp.CSS(".sheet button.main"))), "another pass")
	if r := peers.OpenSSL(t, "", "cms", "-decrypt", "-in", sealed, "-inform", "PEM", "-inkey", again); r.Stdout != "hello Minji" {
		t.Errorf("the key that was exported again: %v", r)
	}
	if r := peers.OpenSSL(t, "", "cms", "-decrypt", "-in", sealed, "-inform", "PEM", "-inkey", signing); strings.Contains(r.Stdout, "hello") {
		t.Error("the key that signs decrypts")
	}
	v.open(base + "/audit")
	v.wantText("exported the key of a person")

	v.open(base + "/authority/people?search=kim@example.com")
	v.press(`tbody a[href^="/authority/revoke"]`)
	v.press(".sheet button.main")
	v.press(".acts button.main")
	v.wantText("Revoked: ")
	v.open(base + "/authority/people?lang=ko")
	v.page("people-ko")
	v.wantTrue(`document.querySelectorAll('a[href^="/authority/revoke"]').length === 1`)
	v.open(base + "/authority/people/new?lang=ko")
	v.page("person-ko")
	v.quiet(messages)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
