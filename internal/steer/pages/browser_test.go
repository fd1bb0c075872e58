package pages

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	protocol "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/peers"
	"postseal/internal/serve/front"
)

// browserLimit bounds the whole visit; alone on two cores it takes some ten seconds, beside a whole build much more.
const browserLimit = 25 * time.Minute

// TestBrowser visits the pages as an administrator does: from another site (a mail, a chat) over the link, with the
// keyboard, in both languages, on a screen and on a phone, by day and by night. The browser is the judge of what
// only a browser can judge: cookies, policy, layout.
//
// With POSTSEAL_SCREENSHOTS=DIR the pictures stay in DIR, to be looked at.
func TestBrowser(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true, closed: map[string]bool{listener.POP3: true}})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	o.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: listener.POP3,
		Text: "opening listener pop3 on :110: listen tcp :110: bind: address already in use"})
	base := serveManagement(t, o)
	// Another site: localhost and 127.0.0.1 are two, whatever their ports.
	linked := make(chan string, 4)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><title>other</title><a id="link" href=%q>link</a>`, <-linked)
	}))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)

	v := newVisit(t)
	messages := chromedp.Console(v.ctx)

	// The link, opened from another site, shows a button; the keyboard presses it.
	linked <- base + "/sign-in?token=" + o.link(t)
	v.do(chromedp.Navigate(elsewhere))
	v.follow(chromedp.Click(chromedp.CSS("#link")))
	v.wantTitle("Sign in to the management pages – Postseal")
	v.picture("sign-in")
	v.tabTo("button.main")
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantTitle("mail1.example.com – Postseal")
	v.wantText("Postseal Internal", "Postseal Management", "Postseal Server Auth Certificate", "ECDSA-P256 + RSA-2048", "11 days left",
		"Opening listener pop3", "postseal listener disable pop3", "imaps", "993", "trial mailbox")
	v.picture("overview")

	// By night, and on a phone.
	v.scheme("dark")
	v.picture("overview-dark")
	v.phone()
	v.wantNoOverflow(390, 360)
	v.picture("overview-phone-dark")
	v.scheme("light")
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
	v.wantNoOverflow(390, 360)
	v.picture("overview-phone")

	// In Korean, by the switch, with the keyboard.
	v.tabTo(`a[hreflang="ko"]`)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("TLS 인증서", "주의 필요", "리스너", "갱신 계열", "만료까지 남은 기간", "11일 남음", "pop3 리스너를 열지 못했습니다")
	v.wantNoOverflow(390, 360)
	v.picture("overview-phone-ko")
	v.desktop()
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = true`))
	v.picture("overview-ko")

	// The skip link is the first stop and leads into the page.
	v.do(chromedp.Reload())
	v.do(chromedp.KeyEvent(kb.Tab))
	v.wantTrue(`document.activeElement.matches(".skip") && document.activeElement.getBoundingClientRect().top >= 0`)
	v.do(chromedp.KeyEvent(kb.Enter))
	v.wantTrue(`document.activeElement.id === "content" || location.hash === "#content"`)

	// The site of https, in its own words.
	site := httptest.NewTLSServer(Site(SiteOptions{Host: "mail1.example.com"}))
	t.Cleanup(site.Close)
	v.do(chromedp.Navigate(site.URL))
	v.wantText("mail1.example.com", "TLS 1.3", "X25519MLKEM768")
	v.picture("site")

	// A signed-in reader who follows a link from another site has no cookie yet: one step more, and he is in.
	v.quiet(messages)
	linked <- base + "/"
	v.do(chromedp.Navigate(elsewhere))
	v.follow(chromedp.Click(chromedp.CSS("#link")))
	v.wantText("postseal admin link")
	v.picture("elsewhere-ko")
	v.follow(chromedp.Click(chromedp.CSS("a.button")))
	v.wantTitle("mail1.example.com – Postseal")

	// Signed out, the overview is closed.
	v.follow(chromedp.Click(chromedp.CSS(".leave button")))
	v.follow(chromedp.Evaluate[chromedp.Void](`location = "/"`))
	v.wantText("postseal admin link")
	v.wantTrue(`!document.body.textContent.includes("Postseal Internal")`)
}

// serveManagement serves the pages of o over TLS, as serve does, with the certificate of the management listener.
func serveManagement(t *testing.T, o organisation) (base string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- front.ServeHTTPS(ctx, ln, front.Web{Name: listener.Management, TLS: o.Ring().Config(listener.Management), Handler: follows(Admin(o.Desk, testLog(t)))})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "https://" + ln.Addr().String()
}

// visit is a browser with one tab. Every step that fails ends the test.
type visit struct {
	t        *testing.T
	ctx      context.Context
	pictures string
	axe      string // the source of axe-core, once it is read
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	v := &visit{t: t, pictures: os.Getenv("POSTSEAL_SCREENSHOTS")}
	if v.pictures == "" {
		v.pictures = t.TempDir()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // tests may run as root, where the sandbox does not work
		chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", false), chromedp.Flag("lang", "en"),
		chromedp.Flag("accept-lang", "en"),
	)
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	v.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	v.desktop()
	return v
}

func (v *visit) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// follow does what leads to another page, and waits for it.
func (v *visit) follow(step chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if _, err := chromedp.Run(v.ctx, chromedp.WaitEvent(protocol.LoadEventFired, nil, step)); err != nil {
		v.t.Fatal(err)
	}
}

func (v *visit) desktop() {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(1280, 900))
}

func (v *visit) phone() {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
}

// scheme is the reader's choice of light or dark.
func (v *visit) scheme(name string) {
	v.t.Helper()
	v.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	}))
}

// tabTo presses the tab key until the element has the focus, as somebody without a mouse does.
func (v *visit) tabTo(selector string) {
	v.t.Helper()
	for range 40 {
		v.do(chromedp.KeyEvent(kb.Tab))
		if v.is(fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			v.wantTrue(`getComputedStyle(document.activeElement).outlineStyle === "solid"`) // the focus is seen
			return
		}
	}
	v.t.Fatalf("40 times the tab key do not lead to %s", selector)
}

func (v *visit) is(expression string) bool {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool](expression))
	if err != nil {
		v.t.Fatal(err)
	}
	return got
}

func (v *visit) wantTrue(expression string) {
	v.t.Helper()
	if !v.is(expression) {
		v.t.Errorf("%s is false, want true", expression)
	}
}

func (v *visit) wantTitle(want string) {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Title())
	if err != nil || got != want {
		v.t.Fatalf("title: got %q, %v, want %q", got, err, want)
	}
}

func (v *visit) wantText(want ...string) {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("document.body.textContent"))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, text := range want {
		if !strings.Contains(got, text) {
			v.t.Errorf("the page does not say %q", text)
		}
	}
}

// wantNoOverflow wants that nobody has to scroll sideways at these widths.
func (v *visit) wantNoOverflow(widths ...int64) {
	v.t.Helper()
	for _, width := range widths {
		v.do(chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile))
		got, err := chromedp.Run(v.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
		if err != nil || got > width {
			v.t.Errorf("the page is %d wide on %d, %v", got, width, err)
		}
	}
	v.phone()
}

// quiet wants that the browser had nothing to complain of so far: no error, no breach of the policy.
func (v *visit) quiet(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	v.t.Helper()
	const end = "so far"
	v.do(chromedp.Evaluate[chromedp.Void](`console.log("` + end + `")`))
	for m, err := range messages {
		if err != nil {
			v.t.Fatal(err)
		}
		if m.Text == end {
			return
		}
		// A refusal is a page with a status of its own, which the browser notes; and it would like a user name beside a
		// password, where a file has none.
		if strings.Contains(m.Text, "responded with a status of 4") || strings.Contains(m.Text, "Password forms should have") {
			continue
		}
		v.t.Errorf("console at %s: %s", m.URL, m)
	}
}

// picture takes the whole page, keeps it, and wants that there is something on it.
func (v *visit) picture(name string) {
	v.t.Helper()
	picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.pictures, name+".png"), picture, 0o644); err != nil {
		v.t.Fatal(err)
	}
	decoded, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		v.t.Fatalf("picture %s: %v", name, err)
	}
	colours := make(map[[3]uint32]bool)
	for y := decoded.Bounds().Min.Y; y < decoded.Bounds().Max.Y; y += 3 {
		for x := decoded.Bounds().Min.X; x < decoded.Bounds().Max.X; x += 3 {
			r, g, b, _ := decoded.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	// Letters have many shades at their edges; an empty page has one colour, a frame without text a few.
	if len(colours) < 30 {
		v.t.Errorf("picture %s has %d colours, want a page", name, len(colours))
	}
}
