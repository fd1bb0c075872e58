package pages

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/listener"
	"postseal/internal/peers"
)

// TestBrowserImportsEnablesRenewsAndExports goes the whole way of an administrator with a PFX from elsewhere, and looks
// at the wire, not at the page, to see what is served.
func TestBrowserImportsEnablesRenewsAndExports(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	imaps := serveTLS(t, o, listener.IMAPS)
	dir := t.TempDir()
	pfx := filepath.Join(dir, "shop.pfx")
	makePFX(t, dir, pfx)

	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))

	// A wrong password is an error in words, and the form is there again without it.
	v.follow(chromedp.Click(chromedp.CSS(`nav.places a[href="/certificates"]`)))
	v.wantTitle("Certificates – Postseal")
	v.follow(chromedp.Click(chromedp.CSS(`a[href="/certificate/import"]`)))
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{pfx}))
	v.do(chromedp.SendKeys(chromedp.CSS("#f-password"), "wrong"))
	v.press(".sheet button.main")
	v.wantText("the password is wrong")
	v.wantTrue(`document.querySelector("#f-password").value === ""`)
	v.page("import-refused")

	// The right one shows what came in; nothing is kept before it is confirmed.
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{pfx}))
	v.do(chromedp.SendKeys(chromedp.CSS("#f-password"), "s3cret pass"))
	v.do(chromedp.Click(chromedp.CSS(`input[name="exportable"]`)))
	v.press(".sheet button.main")
	v.wantTitle("What would change – Postseal")
	v.wantText("shop.example.com", "Nothing has been changed yet", "private key found", "joins the renewal line", "issued by")
	v.wantText("The chain of ")
	v.wantTrue(`document.querySelectorAll(".drawn .path .link").length >= 1 && document.querySelector(".drawn .path .state").checkVisibility()`)
	v.page("import-preview")
	if all, err := o.Lineages(t.Context()); err != nil || len(all) != 3 {
		t.Fatalf("before confirming: got %d lineages, %v, want 3", len(all), err)
	}
	v.press(".acts button.main")
	v.wantText("Imported: shop.pfx", "postseal cert remove")
	v.page("certificate-imported")

	// Enable it for IMAP: the preview says what it replaces, and the wire shows it.
	before := served(t, imaps)
	v.follow(chromedp.Click(chromedp.CSS(`a[href^="/certificate/enable"]`)))
	v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="IMAP"]`)))
	v.press(".sheet button.main")
	v.wantText("imaps", "Postseal Internal", "Shop")
	v.page("enable-preview")
	v.press(".acts button.main")
	v.wantText("Enabled: ")
	imported := served(t, imaps)
	if imported == before || !strings.Contains(imported, "CN=shop.example.com") {
		t.Errorf("imaps serves %q after %q", imported, before)
	}

	// Undo gives it back, and the undo is undone.
	v.press(".undo button")
	v.wantText("Postseal Internal")
	v.press(".acts button.main")
	if got := served(t, imaps); got != before {
		t.Errorf("after the undo imaps serves %q, want %q", got, before)
	}
	v.press(".undo button")
	v.press(".acts button.main")
	if got := served(t, imaps); got != imported {
		t.Errorf("after undoing the undo imaps serves %q, want %q", got, imported)
	}

	// Renew: another key, the same binding. Then back.
	v.open(base + "/certificate?id=shop-example-com")
	v.press(`form[action="/certificate/renew"] button:not(.quiet)`)
	v.press(".acts button.main")
	v.wantText("Renewed: shop-example-com", "generation 2")
	v.page("certificate-renewed")
	if got := served(t, imaps); got == imported || !strings.Contains(got, "CN=shop.example.com") {
		t.Errorf("after the renewal imaps serves %q", got)
	}
	v.press(`form[action="/certificate/rollback"] button`)
	v.press(".acts button.main")
	if got := served(t, imaps); got != imported {
		t.Errorf("after rolling back imaps serves %q, want %q", got, imported)
	}

	// Export: two passwords that differ are refused, then openssl opens what was downloaded.
	v.follow(chromedp.Click(chromedp.CSS(`a[href^="/certificate/export"]`)))
	v.do(chromedp.SendKeys(chromedp.CSS("#f-password"), "one"), chromedp.SendKeys(chromedp.CSS("#f-repeated"), "two"))
	v.press(".sheet button.main")
	v.wantText("The two passwords differ")
	v.do(chromedp.SendKeys(chromedp.CSS("#f-password"), "new pass"), chromedp.SendKeys(chromedp.CSS("#f-repeated"), "new pass"))
	file := v.download(chromedp.Click(chromedp.CSS(".sheet button.main")))
	if got, want := filepath.Base(file), "shop-example-com.pfx"; got != want {
		t.Errorf("the download is called %s, want %s", got, want)
	}
	if r := peers.OpenSSL(t, "", "pkcs12", "-in", file, "-passin", "pass:new pass", "-nodes"); r.Exit != 0 || !strings.Contains(r.Stdout, "PRIVATE KEY") || !strings.Contains(r.Stdout, "shop.example.com") {
		t.Errorf("openssl does not open the export: %v", r)
	}
	v.quiet(messages)
}

// TestBrowserRequestsAndCompletes makes a request, lets an authority of openssl sign it, completes it and enables it, in
// Korean and with the keyboard alone where a person would.
func TestBrowserRequestsAndCompletes(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	imaps := serveTLS(t, o, listener.IMAPS)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/certificates?lang=ko")
	v.wantText("TLS 인증서")

	// The keyboard alone: to the form, through it, to the preview, and on.
	v.tabTo(`a[href="/certificate/request"]`)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.tabTo("#f-name")
	v.do(chromedp.KeyEvent("웹메일"))
	v.tabTo("#f-domains")
	v.do(chromedp.KeyEvent("webmail.example.com"))
	v.tabTo(".sheet button.main")
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("바뀔 내용")
	v.page("request-preview-ko")
	v.tabTo(".acts button.main")
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("웹메일", "발급 대기", "인증 기관에 보낼 요청")
	v.page("pending-ko")

	csr, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.querySelector("pre.pem").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	answer := signRequest(t, csr)
	v.follow(chromedp.Click(chromedp.CSS(`a[href^="/certificate/import"]`)))
	v.do(chromedp.SetValue(chromedp.CSS("#f-pem"), answer))
	v.press(".sheet button.main")
	v.wantText("webmail.example.com")
	v.page("complete-preview-ko")
	v.press(".acts button.main")
	v.wantText("webmail-example-com", "적용 중")
	v.page("certificate-ko")
	v.follow(chromedp.Click(chromedp.CSS(`a[href^="/certificate/enable"]`)))
	v.do(chromedp.Click(chromedp.CSS(`input[name="services"][value="IMAP"]`)))
	v.press(".sheet button.main")
	v.page("enable-preview-ko")
	v.press(".acts button.main")
	if got := served(t, imaps); !strings.Contains(got, "CN=webmail.example.com") {
		t.Errorf("imaps serves %q", got)
	}
	v.quiet(messages)
}

// open goes to an address.
func (v *visit) open(address string) {
	v.t.Helper()
	v.do(chromedp.Navigate(address))
}

// press clicks what leads to another page.
func (v *visit) press(selector string) {
	v.t.Helper()
	v.follow(chromedp.Click(chromedp.CSS(selector)))
}

// signIn uses a link.
func (v *visit) signIn(base, token string) {
	v.t.Helper()
	v.open(base + "/sign-in?token=" + token)
	v.press("button.main")
	v.wantTitle("mail1.example.com – Postseal")
}

// downloadLimit bounds one: what does not come is most often a page that says why.
const downloadLimit = 3 * time.Minute

// download does what begins a download, and returns the file once it is whole.
func (v *visit) download(step chromedp.Action[chromedp.Void]) string {
	v.t.Helper()
	dir, events := v.t.TempDir(), true
	v.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, EventsEnabled: &events})
		return err
	}))
	whole := func(e browser.EventDownloadProgress) bool { return e.State == browser.DownloadProgressStateCompleted }
	ctx, cancel := context.WithTimeout(v.ctx, downloadLimit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(browser.DownloadProgress, whole, step)); err != nil {
		v.t.Fatalf("waiting for a download: %v; the page says %q", err, v.text("main"))
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		v.t.Fatalf("downloads: got %v, %v, want one", entries, err)
	}
	return filepath.Join(dir, entries[0].Name())
}

// serveTLS answers handshakes with what a listener of o serves.
func serveTLS(t *testing.T, o organisation, name string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			secure := tls.Server(conn, o.Ring().Config(name))
			io.Copy(io.Discard, secure) // handshakes, and waits until the client goes
			secure.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return ln.Addr().String()
}

// served says who answers at an address: the subject and the thumbprint of the certificate that openssl is shown.
func served(t *testing.T, addr string) string {
	t.Helper()
	c := peers.Served(t, peers.Endpoint{Addr: addr, Options: []string{"-sigalgs", "ECDSA+SHA256"}})
	return fmt.Sprintf("CN=%s %x", c.Subject.CommonName, c.SerialNumber)
}
