package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/peers"
	"postseal/internal/steer/desk"
)

// TestBrowserHealthIsDrawn: lists that were fetched, one that waits for a revocation to be said, and one that nobody has
// asked for yet, each on a line of its own time with words beside it; how full a list is; and the months.
func TestBrowserHealthIsDrawn(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o, serial := newAuthority(t)
	for _, path := range []string{"/pki/servers.crl", "/pki/clients.crl", "/pki/clients/1.crl"} {
		w := httptest.NewRecorder()
		o.PKI().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: got %d", path, w.Code)
		}
	}
	if _, err := o.Revoke(t.Context(), tester(), desk.RevokeRequest{ID: serial}); err != nil {
		t.Fatal(err)
	}
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/authority")
	v.wantText("up to date", "signed anew when asked", "nobody has asked yet", "fetched 0 minutes ago", "1 of 10,000 certificates, 1 of them revoked", "issued: 1", "revoked: 1")
	// What is drawn is said, and no state stands in its colour alone.
	v.wantTrue(`document.querySelectorAll(".spans svg").length >= 3 && [...document.querySelectorAll(".spans svg, .fills svg, .months svg")].every(s => s.getAttribute("role") === "img" && /\d/.test(s.getAttribute("aria-label")))`)
	v.wantTrue(`[...document.querySelectorAll(".healths .state")].every(s => s.textContent.trim() !== "")`)
	v.wantTrue(`document.querySelectorAll(".months .revoked").length === 2 && document.querySelector(".months rect.revoked").getBoundingClientRect().height > 20`)
	v.page("health")
	v.open(base + "/authority?lang=ko")
	v.wantText("새로 서명", "아직 아무도 묻지 않음", "폐기 1건")
	v.fits("health-ko")
	v.quiet(messages)
}
