package pages

import (
	"context"
	"encoding/csv"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/listener"
	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// TestBrowserTokens makes a token with the keyboard alone, sees it once, uses it against the API's own judge, and revokes
// it.
func TestBrowserTokens(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/tokens"]`)
	v.wantTitle("Tokens of the API – Postseal")
	v.wantText("There are no tokens.")

	// A scope is chosen with the arrow keys, as radio buttons are.
	v.tabTo("#f-name")
	v.do(chromedp.KeyEvent("monitor"))
	v.tabTo(`input[name="scope"]`)
	v.do(chromedp.KeyEvent(kb.ArrowDown))
	v.wantTrue(`document.querySelector('input[name="scope"]:checked').value === "operate"`)
	v.tabTo("#f-life")
	v.tabTo(".sheet button.main")
	v.follow(chromedp.KeyEvent(kb.Enter))
	secret := v.text(".done code.command")
	bearer, err := o.Bearer(t.Context(), secret)
	if err != nil || bearer.Name != "monitor" || bearer.Scope != desk.ScopeOperate || time.Until(bearer.ExpiresAt) < 89*24*time.Hour {
		t.Fatalf("the token %q: got %+v, %v", secret, bearer, err)
	}
	v.page("token-made")

	// It is shown this once: not by the page, and not by going back to it.
	v.open(base + "/tokens")
	v.wantText("monitor", "in force")
	v.wantNoText(secret)

	// The same name again is refused in words, and what was typed is still there.
	v.do(chromedp.SendKeys(chromedp.CSS("#f-name"), "monitor"))
	v.press(".sheet button.main")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null && document.querySelector("#f-name").value === "monitor"`)
	v.page("token-refused")

	// Revoking asks first: the button is behind one more step.
	v.wantTrue(`!document.querySelector('form[action="/tokens/revoke"] button').checkVisibility()`)
	v.do(chromedp.Click(chromedp.CSS("td.do summary")))
	v.press(`form[action="/tokens/revoke"] button`)
	v.wantText("There are no tokens.")
	if _, err := o.Bearer(t.Context(), secret); err == nil {
		t.Error("a revoked token is good")
	}
	v.quiet(messages)
}

// TestBrowserBackup: without a recovery key the page offers the command that makes one, and no download; with one it
// gives a file that the key opens to the last octet.
func TestBrowserBackup(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/backup"]`)
	v.wantText("There is none", "postseal recovery init --out FILE", "postseal backup restore FILE --key FILE --data DIR", "None is known to be whole.")
	v.wantTrue(`document.querySelector('form[action="/backup/create"]') === null`)
	v.page("backup-without-key")

	view, err := o.Recovery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := backup.NewKey(view.Owner)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetRecovery(t.Context(), tester(), desk.RecoveryRequest{Public: key.Public()}); err != nil {
		t.Fatal(err)
	}
	v.do(chromedp.Reload())
	v.wantText("Never tested", key.Public().ID(), "postseal recovery test FILE")
	file, err := os.Open(v.download(chromedp.Click(chromedp.CSS(`form[action="/backup/create"] button`))))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // opened for reading only
	archive, err := backup.Open(file, key.Identity())
	if err != nil || archive.Header.Organisation != "Example" {
		t.Fatalf("the download: got %+v, %v", archive, err)
	}
	if err := archive.Database(io.Discard); err != nil {
		t.Errorf("the download is not whole: %v", err)
	}
	if _, err := o.Tested(t.Context(), tester(), desk.TestedRequest{ID: key.Public().ID(), Backup: archive.Header.ID}); err != nil {
		t.Fatal(err)
	}
	v.do(chromedp.Reload())
	v.wantTrue(`document.querySelector("#key .state").matches(".good")`)
	v.page("backup-tested")

	// Both acts are in the trail, and the trail leads back here.
	v.open(base + "/audit")
	v.wantText("made a backup", "tested the recovery key")
	v.press(`.deeds a[href="/backup"]`)
	v.wantTitle("Backup and recovery – Postseal")
	v.quiet(messages)
}

// TestBrowserPlan computes, reads the reasons, looks at what would be made, steps back, and carries it out.
func TestBrowserPlan(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	before, err := o.Lineages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.press(`nav.places a[href="/plan"]`)
	v.do(chromedp.SetValue(chromedp.CSS("#f-authority"), "self"))
	v.press(".filter button")
	v.wantTrue(`document.querySelector("#f-authority").value === "self"`)
	v.wantText("recommended", "Why", "One for each name")
	v.page("plan-self")

	// The recommended choice, with the keyboard: its preview says what it makes, and nothing is made yet.
	first := `section.card form[action="/plan/apply"] button:not(.quiet)`
	v.do(chromedp.Focus(chromedp.CSS("#f-authority")))
	v.tabTo(first)
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantTitle("What would change – Postseal")
	v.wantText("Make a self-signed certificate: ")
	v.page("plan-preview")
	v.press(`.acts a.button`)
	v.wantTitle("Plan – Postseal")
	if now, err := o.Lineages(t.Context()); err != nil || len(now) != len(before) {
		t.Fatalf("after stepping back: got %d lineages, %v, want %d", len(now), err, len(before))
	}
	v.open(base + "/plan?authority=self")
	v.press(first)
	v.press(".acts button.main")
	v.wantTitle("Certificates – Postseal")
	v.wantText("Carried out: ")
	now, err := o.Lineages(t.Context())
	if err != nil || len(now) <= len(before) {
		t.Fatalf("carried out: got %d lineages, %v, want more than %d", len(now), err, len(before))
	}
	v.page("plan-done")

	// A second time there is nothing to do, and nothing to press.
	v.open(base + "/plan?authority=self")
	v.press(first)
	v.wantText("There is nothing to do.")
	v.wantTrue(`document.querySelector('form[action="/confirm"] button.main') === null`)
	v.quiet(messages)
}

// TestBrowserCheck looks at the listeners of this server from outside: one answers with what is bound, one is closed, and
// one is another program's. The page says which is which, and so does what the server saw by itself.
func TestBrowserCheck(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	at := make(map[string]netip.AddrPort)
	o := newOrganisation(t, running{trial: true, at: at})
	other := newOrganisation(t, running{trial: true})
	keep := []string{listener.Management, listener.IMAPS}
	services, err := o.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range services {
		if l.Listener != keep[0] && l.Listener != keep[1] && l.Enabled {
			if _, err := o.SetListener(t.Context(), tester(), desk.ListenerRequest{Listener: l.Listener}); err != nil {
				t.Fatal(err)
			}
		}
	}
	base := serveManagement(t, o)
	at[listener.Management] = netip.MustParseAddrPort(strings.TrimPrefix(base, "https://"))
	at[listener.IMAPS] = netip.MustParseAddrPort(serveTLS(t, other, listener.IMAPS))
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	v.signIn(base, o.link(t))
	v.press(`nav.places a[href="/check"]`)
	v.wantText("The server has not looked yet.")
	v.page("check-not-yet")

	// Nothing asked for is a refusal in words.
	v.wantTrue(`document.querySelector('input[name="own"]').checked`)
	v.do(chromedp.Click(chromedp.CSS(`input[name="own"]`)))
	v.press(".sheet button.main")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null`)

	// The keyboard alone: our own listeners.
	v.tabTo(`input[name="own"]`)
	v.do(chromedp.KeyEvent(" "))
	v.tabTo(".sheet button.main")
	v.follow(chromedp.KeyEvent(kb.Enter))
	v.wantText("What was seen", "mail1.example.com", "Is self-signed", "which is not what is bound here", "Is trusted by this organisation and not by the roots of this machine")
	v.wantTrue(`document.querySelectorAll(".report tbody tr").length === 2`)
	v.page("check-own")

	// What the server sees by itself stands below, and on the first page.
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.RunServed(ctx, 20*time.Millisecond)
	}()
	defer func() {
		stop()
		<-ended
	}()
	for range 600 { // each asks the browser, which takes its time
		if seen, err := o.LastSeen(t.Context()); err != nil || len(seen) == 2 {
			break
		}
		v.is("true")
	}
	v.open(base + "/check")
	v.wantText("serves what is bound", "served is not bound")
	v.page("check-seen")
	v.open(base + "/")
	v.wantText("served is not bound")
	v.press(`.notice a.button[href="/check"]`)
	v.quiet(messages)
}

// TestBrowserCheckGoesOn looks at several hosts of which one keeps the others waiting: the page, which has no script, says
// how far it is, shows what it has seen so far, and ends with the sum.
func TestBrowserCheckGoesOn(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	good := serveTLS(t, o, listener.IMAPS)
	held := holdConnections(t)
	v.signIn(base, o.link(t))
	v.open(base + "/check?lang=en")
	hosts := []string{good, held.at(14), "127.0.0.12:1", "127.0.0.13:1"}
	v.do(chromedp.Click(chromedp.CSS(`input[name="own"]`)))
	v.do(chromedp.SetValue(chromedp.CSS("#f-hosts"), strings.Join(hosts, "\n")))
	v.do(chromedp.Click(chromedp.CSS(".sheet button.main")))
	v.until(`document.body.textContent.includes("3 of 4 hosts seen") && document.querySelectorAll(".report").length === 3 &&
		document.querySelector(".sheet") === null && document.querySelector(".count:last-of-type progress").value === 3 &&
		[...document.querySelectorAll(".count")].filter(e => e.checkVisibility()).length === 1`)
	v.accessible("check-going", "")
	held.letGo()
	v.until(`document.querySelector(".sheet #f-hosts") !== null && document.readyState === "complete"`)
	v.wantText("4 of 4 hosts seen", "Is trusted by this organisation", "127.0.0.12")
	v.wantTrue(`[...document.querySelectorAll(".count")].every(e => !e.checkVisibility())`)
	v.wantTrue(`document.querySelector("#f-hosts").value.includes("127.0.0.13:1")`)
	v.page("check-many")

	v.quiet(messages)
}

// until waits for something on a page that is still arriving.
func (v *visit) until(expression string) {
	v.t.Helper()
	for range 2000 { // each asks the browser, which takes its time
		if got, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && got { // between two pages there is nobody to ask
			return
		}
	}
	v.t.Fatalf("%s does not become true", expression)
}

// TestBrowserReads opens what is only read: the calendar, the authorities, the trail; narrows it, and takes the trail home.
func TestBrowserReads(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))

	v.press(`nav.places a[href="/plan"]`)
	v.press(`.acts a[href="/plan/calendar"]`)
	v.wantText("2029-03-15", "2027-03-15")
	v.press(`.acts a[href="/plan"]`)
	v.press(`.acts a[href="/plan/authorities"]`)
	fits := v.count(".fits .state.good")
	v.do(chromedp.Focus(chromedp.CSS(`input[name="want"]`)))
	v.do(chromedp.Click(chromedp.CSS(`input[value="wildcard"]`)), chromedp.Click(chromedp.CSS(`input[value="ip"]`)))
	v.press(".filter button")
	v.wantTrue(`document.querySelectorAll('input[name="want"]:checked').length === 2`)
	if narrowed := v.count(".fits .state.good"); narrowed >= fits {
		t.Errorf("with two wishes %d authorities fit, without any %d", narrowed, fits)
	}

	// A view of the trail looks at its end, the button at every row.
	if err := o.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.press(`nav.places a[href="/audit"]`)
	v.wantText("The end of the trail is as it was signed")
	v.press(`form[action="/audit/verify"] button`)
	v.wantText("Whole: all ", "Every row was checked just now.")
	v.open(base + "/audit")
	v.wantText("Whole: all ", "Every row was checked on ")
	v.page("audit-checked")

	// The trail: of one object, by an act, and then its file is what the page shows.
	v.press(`nav.places a[href="/audit"]`)
	v.wantText("made a certificate")
	all := v.count(".deeds tbody tr")
	v.do(chromedp.SendKeys(chromedp.CSS("#f-object"), "mail-example-com"))
	v.press(".filter button")
	if of := v.count(".deeds tbody tr"); of != 2 || of >= all {
		t.Errorf("of mail-example-com the trail has %d rows of %d, want 2", of, all)
	}
	file, err := os.Open(v.download(chromedp.Click(chromedp.CSS(`a[href^="/audit/download"]`))))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // opened for reading only
	if rows, err := csv.NewReader(file).ReadAll(); err != nil || len(rows) != 3 {
		t.Errorf("the download: got %v, %v, want a heading and 2 rows", rows, err)
	}
	v.do(chromedp.SetValue(chromedp.CSS("#f-object"), "nobody"))
	v.press(".filter button")
	v.wantText("Nothing of the kind has been done.")
	v.press(".empty a")
	v.wantText("made a certificate")
	v.quiet(messages)
}

// text is what an element says.
func (v *visit) text(selector string) string {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.TrimSpace(got)
}

// count is how many elements there are.
func (v *visit) count(selector string) int {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`document.querySelectorAll(`+"`"+selector+"`"+`).length`))
	if err != nil {
		v.t.Fatal(err)
	}
	return got
}

// wantNoText wants that the page does not say something, anywhere in its markup.
func (v *visit) wantNoText(unwanted string) {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	if err != nil || strings.Contains(got, unwanted) {
		v.t.Errorf("the page says %q, %v", unwanted, err)
	}
}
