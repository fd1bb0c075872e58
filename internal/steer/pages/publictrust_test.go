package pages

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// newTrustSite is what https shows of a new organisation, with an authority of its own if wanted.
func newTrustSite(t *testing.T, authority bool) (organisation, http.Handler) {
	t.Helper()
	o := newOrganisation(t, running{trial: true})
	if authority {
		if _, err := o.InitAuthority(t.Context(), tester(), desk.AuthorityRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	return o, Site(SiteOptions{Host: "mail1.example.com", Desk: o.Desk, Log: testLog(t)})
}

// TestStrangersLearnWhatToTrust: the page has each file that it names, in a shape that caches may keep, and the
// fingerprints of what is in them.
func TestStrangersLearnWhatToTrust(t *testing.T) {
	t.Parallel()
	o, site := newTrustSite(t, true)
	public, err := o.PublicTrust(t.Context())
	if err != nil || len(public.Sets) != 2 || len(public.Set(desk.PublicAuthority).Certificates) != 1 {
		t.Fatalf("got %+v, %v, want the authority and the server", public, err)
	}
	for _, language := range []string{"en", "ko"} {
		readStrictly(t, site, request{target: "/trust", language: language})
	}
	answer := ask(t, site, request{target: "/trust"})
	body := read(t, answer)
	if got := answer.Header.Get("Cache-Control"); got != "public, max-age=60" || answer.Header.Get("Vary") != "Accept-Language, Cookie" {
		t.Errorf("got %v", answer.Header)
	}
	if len(answer.Cookies()) != 0 {
		t.Errorf("a page that caches keep sets a cookie: %v", answer.Cookies())
	}
	// What only the state knows stays there: the certificate of management answers this machine only here, and the one
	// for tokens nobody.
	for _, secret := range []string{"Postseal-Management", "Server Auth", "tester", "internal-mail1"} {
		if strings.Contains(body, secret) {
			t.Errorf("strangers read %q", secret)
		}
	}
	files := 0
	for _, path := range trustPaths() {
		answer := ask(t, site, request{target: path})
		data := read(t, answer)
		offered := strings.Contains(body, `href="`+path+`"`)
		if !offered {
			if answer.StatusCode != http.StatusNotFound {
				t.Errorf("%s is not offered: got %s", path, answer.Status)
			}
			continue
		}
		files++
		if answer.StatusCode != http.StatusOK || data == "" || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment; filename=") || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %s, %v", path, answer.Status, answer.Header)
		}
		again := ask(t, site, request{target: path, header: map[string]string{"If-None-Match": answer.Header.Get("ETag")}})
		if again.StatusCode != http.StatusNotModified || read(t, again) != "" {
			t.Errorf("%s again: got %s", path, again.Status)
		}
		if head := ask(t, site, request{method: http.MethodHead, target: path}); head.StatusCode != http.StatusOK || head.Header.Get("Content-Length") != fmt.Sprint(len(data)) {
			t.Errorf("head of %s: got %s, %v", path, head.Status, head.Header)
		}
	}
	if files != 16 {
		t.Errorf("%d files are offered, want nine for the authority and seven for the server", files)
	}
	block, _ := pem.Decode([]byte(read(t, ask(t, site, request{target: "/trust/authority/pem"}))))
	if block == nil {
		t.Fatal("no PEM")
	}
	for _, print := range []string{fmt.Sprintf("%X", sha256.Sum256(block.Bytes)), fmt.Sprintf("%X", sha1.Sum(block.Bytes))} {
		if groups := "<span>" + strings.Join(inFours(print), "</span> <span>") + "</span>"; !strings.Contains(body, groups) {
			t.Errorf("the page does not have the fingerprint %s in groups", print)
		}
	}
	for target, want := range map[string]int{"/trust/nobody/pem": 404, "/trust/server/android": 404, "/trust/authority/gopher": 404, "/trust/authority": 404, "/trust/": 404, "/trust/../trust/authority/pem": 404} {
		if got := ask(t, site, request{target: target}); got.StatusCode != want || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %s, %v, want %d", target, got.Status, got.Header, want)
		}
	}
	if got := ask(t, site, request{method: http.MethodPost, target: "/trust"}); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %s", got.Status)
	}
}

// TestWhatStrangersTrustFollowsTheState: without an authority there are the defaults; when nothing signs itself any more,
// there is nothing to install; a distrusted certificate is not given away.
func TestWhatStrangersTrustFollowsTheState(t *testing.T) {
	t.Parallel()
	o, site := newTrustSite(t, false)
	body := read(t, ask(t, site, request{target: "/trust"}))
	if strings.Contains(body, "/trust/authority/") || !strings.Contains(body, "/trust/server/debian") {
		t.Error("without an authority the page does not offer the certificates of the server alone")
	}
	if got := ask(t, site, request{target: "/trust/authority/pem"}); got.StatusCode != http.StatusNotFound {
		t.Errorf("the authority that is not there: got %s", got.Status)
	}
	public, err := o.PublicTrust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := o.PublicTrust(t.Context())
	if err != nil || again.Set(desk.PublicServer) != public.Set(desk.PublicServer) {
		t.Errorf("the same certificates are read again: %v", err)
	}
	for _, c := range public.Set(desk.PublicServer).Certificates {
		if time.Until(c.NotAfter) < 0 || c.Subject == "" {
			t.Errorf("got %+v", c)
		}
	}
	if home := read(t, ask(t, site, request{target: "/"})); !strings.Contains(home, `href="/trust"`) {
		t.Error("the first page does not lead to it")
	}
}

// TestBrowserTrustPage opens the page as somebody does whom a warning has sent there: on a phone and on a screen, in both
// languages, and downloads what it offers.
func TestBrowserTrustPage(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	_, handler := newTrustSite(t, true)
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	v.open(server.URL + "/")
	v.follow(chromedp.Click(chromedp.CSS(`a[href="/trust"]`)))
	v.wantTitle("Trust this server – Postseal")
	v.wantText("Compare before you install", "CN=Example Root CA,O=Example", "keytool -importkeystore")
	v.page("public-trust")

	file := v.download(chromedp.Click(chromedp.CSS(`a[href="/trust/authority/pem"]`)))
	if got := filepath.Base(file); got != "example.pem" {
		t.Errorf("the download is called %s", got)
	}
	r := peers.OpenSSL(t, "", "x509", "-in", file, "-noout", "-fingerprint", "-sha256")
	_, print, _ := strings.Cut(strings.TrimSpace(r.Stdout), "=")
	v.wantTrue(fmt.Sprintf(`[...document.querySelectorAll(".groups")].some(g => g.textContent.replace(/\s/g, "") === %q)`, strings.ReplaceAll(print, ":", "")))
	for href, want := range map[string]string{"/trust/authority/apple": "example.mobileconfig", "/trust/authority/debian": "_all.deb", "/trust/server/windows-gpo": "-trust.ps1"} {
		file := v.download(chromedp.Click(chromedp.CSS(fmt.Sprintf(`a[href=%q]`, href))))
		if info, err := os.Stat(file); err != nil || info.Size() == 0 || !strings.HasSuffix(file, want) {
			t.Errorf("%s: got %s, %v", href, file, err)
		}
	}
	v.tabTo(`a[hreflang="ko"]`)
	v.open(server.URL + "/trust?lang=ko")
	v.wantText("이 서버 신뢰하기", "설치하기 전에 비교하세요", "조직의 자체 인증 기관")
	v.page("public-trust-ko")
	v.quiet(messages)
}

// TestStrangersLearnOfANewRoot: machines cannot get the successor of a root anywhere else, so it stands there from the
// first moment, beside the old one, below which authorities may still stand.
func TestStrangersLearnOfANewRoot(t *testing.T) {
	t.Parallel()
	o, site := newTrustSite(t, true)
	if _, err := o.Rollover(t.Context(), tester(), desk.RolloverRequest{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	body := read(t, ask(t, site, request{target: "/trust"}))
	for _, want := range []string{"Root CA,O=", "Root CA 2,O="} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if roots := strings.Count(read(t, ask(t, site, request{target: "/trust/authority/pem"})), "BEGIN CERTIFICATE"); roots != 2 {
		t.Errorf("got %d roots, want 2", roots)
	}
}
