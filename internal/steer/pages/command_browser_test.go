package pages

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/peers"
)

// TestBrowserCommandsBreakAtSpaces: on a phone a command goes on in the next line behind a space and nowhere else, so that
// what is typed from it is the same command; and what is selected with one click is the whole of it.
func TestBrowserCommandsBreakAtSpaces(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium")
	o := newOrganisation(t, running{trial: true, closed: map[string]bool{listener.POP3: true}})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	o.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: listener.POP3, Text: "opening listener pop3 on :110: address already in use"})
	base := serveManagement(t, o)
	v := newVisit(t)
	v.signIn(base, o.link(t))
	v.phone()
	// Each word stands in one line: its letters have one box.
	const broken = `[...document.querySelectorAll(".command")].flatMap(c => [...c.childNodes].flatMap(n => (n.textContent.match(/\S+/g) || []).map(word => {
		const text = n.firstChild || n, at = text.textContent.indexOf(word), r = document.createRange();
		r.setStart(text, at); r.setEnd(text, at + word.length);
		return new Set([...r.getClientRects()].map(b => Math.round(b.top))).size > 1 ? word : "";
	}))).filter(Boolean).join(" ")`
	for _, path := range []string{"/", "/audit", "/backup", "/authority/people", "/certificate?id=mail-example-com", "/plan", "/tokens"} {
		for _, language := range []string{"en", "ko"} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			v.open(base + path + separator + "lang=" + language)
			v.wantNoOverflow(390, 360)
			got, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](broken))
			if err != nil || got != "" {
				t.Errorf("%s in %s: words of commands are broken: %s %v", path, language, got, err)
			}
		}
	}
	v.open(base + "/?lang=en")
	v.wantTrue(`document.querySelectorAll(".command > span").length > 3`)
	v.picture("commands-phone")
	v.do(chromedp.Click(chromedp.CSS(".command:has(span)")))
	v.wantTrue(`getSelection().toString().trim() === document.querySelector(".command:has(span)").textContent && !getSelection().toString().includes("\n")`)
}
