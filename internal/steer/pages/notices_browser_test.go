package pages

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	protocol "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// noticeAt keeps the rows that the loop of notices would have written: one that ends and was told, one that hurts now and
// was given up, one that is over; and a channel that fails.
func noticeAt(t *testing.T, o organisation, end time.Time) {
	t.Helper()
	if err := o.State().Keep(t.Context(), func(tx *state.Tx) error {
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		id := servers[0].ID
		for _, n := range []state.Notice{
			{ID: "n1", Kind: string(health.CodeCertificateEnding), Object: "mail-example-com", Stage: 30, Text: `"Mail" (ECDSA-P256) ends soon`, EndsAt: end},
			{ID: "n2", Kind: string(health.CodeServedNotBound), Object: "imaps", Text: "imaps serves another"},
			{ID: "n3", Kind: string(health.CodeListenerClosed), Object: "pop3", Text: "opening listener pop3: in use"},
		} {
			if err := tx.OpenNotice(id, n); err != nil {
				return err
			}
		}
		if err := tx.NoticeSaid("n1", state.NoticeTold{Channel: "webhook", Stage: 30, Outcome: state.NoticeSent}); err != nil {
			return err
		}
		if err := tx.NoticeSaid("n2", state.NoticeTold{Channel: "webhook", Outcome: state.NoticeGaveUp}); err != nil {
			return err
		}
		if err := tx.CloseNotice("n3"); err != nil {
			return err
		}
		return tx.SetNoticeChannel(id, state.NoticeChannel{Channel: "webhook", Tries: 4, WaitingSince: time.Now().Add(-time.Hour), NextAt: time.Now().Add(time.Hour), LastTold: time.Now().Add(-2 * time.Hour), LastError: "telling the hook: the server answered 500"})
	}); err != nil {
		t.Fatal(err)
	}
}

// TestBrowserNotices reads what is told and to whom, sends a test message to a web hook that refuses and then takes it,
// takes the table home, and prints the report.
func TestBrowserNotices(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	var taken atomic.Int64
	var works atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !works.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		taken.Add(1)
	}))
	t.Cleanup(server.Close)
	hook, err := courier.NewHook(courier.HookOptions{URL: server.URL + "/secret", Fetch: fetch.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	if err != nil {
		t.Fatal(err)
	}
	o := newOrganisationTold(t, running{trial: true}, desk.Noticing{Channels: []courier.Channel{hook},
		Word: func(l desk.Letter) courier.Message { return courier.Message{ID: l.ID, JSON: []byte(`{}`)} }})
	o.makeCertificate(t, "Mail", 24, "IMAP")
	end := time.Now().AddDate(0, 0, 24)
	noticeAt(t, o, end)

	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/notices"]`)
	v.wantTitle("Notices – Postseal")
	v.wantText("30 days or less", "given up after 30 days", "fails, 4 times in a row", "the server answered 500", "Closed", "never", end.Local().AddDate(0, 0, -14).Format(time.DateOnly))
	v.wantNoText("/secret")
	if open := v.count("#open ~ table tbody tr"); open != 2 {
		t.Errorf("got %d open notices, want 2", open)
	}
	v.page("notices")

	// The test message, with the keyboard: what the hook said stands there, then it takes it and the channel works again.
	v.tabTo(`form[action="/notices/test"] button`)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("not taken", "500")
	works.Store(true)
	v.press(`form[action="/notices/test"] button`)
	v.wantText("taken", "works")
	if n := taken.Load(); n != 1 {
		t.Errorf("the web hook took %d messages, want 1", n)
	}
	v.page("notices-tested")
	v.open(base + "/notices?lang=ko")
	v.wantText("알림")
	v.fits("notices-told-ko")
	v.open(base + "/notices?lang=en")
	file, err := os.Open(v.download(chromedp.Click(chromedp.CSS(`a[href="/notices/download"]`))))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // opened for reading only
	if rows, err := csv.NewReader(file).ReadAll(); err != nil || len(rows) != 4 || rows[1][0] != string(health.CodeCertificateEnding) {
		t.Errorf("the download: got %v, %v, want a heading and 3 rows", rows, err)
	}

	// The report, in Korean too; on paper it is black on white, with tables, without what only a screen can do.
	v.press(`.acts a[href="/report"]`)
	v.wantText("Report of Example", "What needs attention", "What ends within 90 days", "Mail", "made a certificate", "postseal report show --days 7")
	v.do(chromedp.SetValue(chromedp.CSS("#f-days"), "30"))
	v.press(".filter button")
	v.wantText("postseal report show --days 30")
	v.page("report-30")
	v.open(base + "/report?days=30&lang=ko")
	v.wantText("Example 보고서", "90일 안에 만료되는 것", "TLS 인증서 생성")
	v.wantTrue(`document.querySelector("#f-days").value === "30"`)
	v.scheme("dark")
	v.onPaper(t, "report-ko")
	all, err := os.Open(v.download(chromedp.Click(chromedp.CSS(`a[href="/report/download"]`))))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close() // opened for reading only
	if rows, err := csv.NewReader(all).ReadAll(); err != nil || len(rows) != 6 || rows[0][0] != "lineage" {
		t.Errorf("all certificates: got %v, %v, want a heading and 5 rows", rows, err)
	}
	v.quiet(messages)
}

// TestBrowserPrints puts the pages that an auditor takes away on paper.
func TestBrowserPrints(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 24, "IMAP")
	v := newVisit(t)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.scheme("dark")
	for name, path := range map[string]string{"overview": "/", "certificates": "/certificates", "audit": "/audit", "calendar": "/plan/calendar", "certificate": "/certificate?id=mail-example-com"} {
		v.open(base + path)
		v.onPaper(t, name)
	}
}

// onPaper looks at the page as a printer gets it.
func (v *visit) onPaper(t *testing.T, name string) {
	t.Helper()
	media := func(kind string) {
		v.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: kind,
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
			return err
		}))
	}
	media("print")
	v.do(chromedp.EmulateViewport(690, 900)) // A4 within its margins
	for _, expression := range []string{
		`getComputedStyle(document.querySelector(".top")).display === "none"`,
		`[...document.querySelectorAll("form, .acts, .filter")].every(e => !e.checkVisibility())`,
		`getComputedStyle(document.documentElement).getPropertyValue("--ink").trim() === "#1c2430"`,
		`[...document.querySelectorAll("table:not(.map)")].every(e => getComputedStyle(e).display === "table")`,
		`document.documentElement.scrollWidth <= 690`,
	} {
		if !v.is(expression) {
			t.Errorf("%s on paper: %s is false", name, expression)
		}
	}
	background := true
	pdf, err := chromedp.Run(v.ctx, chromedp.Action[[]byte](func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		got, err := cdp.Call(ctx, target, protocol.PrintToPDF, protocol.PrintToPDFParams{PrintBackground: &background, PaperWidth: 8.27, PaperHeight: 11.69, PreferCSSPageSize: &background})
		if err != nil {
			return nil, err
		}
		return got.Data, nil
	}))
	if pages := bytes.Count(pdf, []byte("/Type /Page\n")); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || pages < 1 || pages > 6 {
		t.Errorf("%s on paper: %d octets, %d pages, %v", name, len(pdf), pages, err)
	}
	if wanted := os.Getenv("POSTSEAL_SCREENSHOTS"); wanted != "" {
		v.picture(strings.ReplaceAll(name, "/", "-") + "-paper")
		if err := os.WriteFile(filepath.Join(wanted, name+".pdf"), pdf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	media("screen")
	v.desktop()
}
