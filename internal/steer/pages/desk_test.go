package pages

import (
	"encoding/csv"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/health"
	"postseal/internal/steer/desk"
)

// send sends a form of pairs.
func send(t *testing.T, h http.Handler, session, target string, pairs ...string) *http.Response {
	t.Helper()
	form := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return ask(t, h, request{method: http.MethodPost, target: target, body: form.Encode(), session: session})
}

// TestATokenIsShownOnceAndRevoked makes a token in the page and uses it.
func TestATokenIsShownOnceAndRevoked(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	token := regexp.MustCompile(desk.TokenPrefix + `[A-Za-z0-9_-]{43}`)

	made := read(t, send(t, h, session, "/tokens", "name", "monitor", "scope", "operate", "life", "7"))
	secret := token.FindString(made)
	bearer, err := o.Bearer(t.Context(), secret)
	if err != nil || bearer.Name != "monitor" || bearer.Scope != desk.ScopeOperate || time.Until(bearer.ExpiresAt) > 7*24*time.Hour {
		t.Fatalf("the token %q: got %+v, %v", secret, bearer, err)
	}
	if body := read(t, ask(t, h, request{target: "/tokens", session: session})); token.MatchString(body) || !strings.Contains(body, "monitor") {
		t.Error("the list shows the token again, or does not show its name")
	}
	for _, form := range [][]string{{"name", "monitor", "scope", "read"}, {"name", "", "scope", "read"}, {"name", "other", "scope", "everything"}} {
		answer := send(t, h, session, "/tokens", form...)
		if body := read(t, answer); answer.StatusCode != http.StatusUnprocessableEntity || token.MatchString(body) {
			t.Errorf("%v: got %s", form, answer.Status)
		}
	}
	if answer := send(t, h, session, "/tokens/revoke", "name", "monitor"); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("revoking: got %s", answer.Status)
	}
	if _, err := o.Bearer(t.Context(), secret); err == nil {
		t.Error("a revoked token is good")
	}
}

// TestABackupIsDownloaded: without a recovery key it is a refusal in words, with one a file that the key opens.
func TestABackupIsDownloaded(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	if answer := send(t, h, session, "/backup/create"); answer.StatusCode != http.StatusConflict || answer.Header.Get("Content-Disposition") != "" {
		t.Errorf("without a recovery key: got %s, %v", answer.Status, answer.Header)
	}
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
	answer := send(t, h, session, "/backup/create")
	if name := answer.Header.Get("Content-Disposition"); answer.StatusCode != http.StatusOK || !strings.HasSuffix(name, `.age"`) {
		t.Fatalf("got %s, %q", answer.Status, name)
	}
	archive, err := backup.Open(answer.Body, key.Identity())
	if err != nil || archive.Header.Organisation != "Example" {
		t.Errorf("the download: got %+v, %v", archive, err)
	}
	if body := read(t, ask(t, h, request{target: "/backup", session: session})); !strings.Contains(body, key.Public().ID()) || strings.Contains(body, "AGE-SECRET-KEY") {
		t.Error("the page does not name the recovery key, or shows it")
	}
}

// TestAPlanIsCarriedOutAndUndone goes from the plan over its preview to certificates, and back.
func TestAPlanIsCarriedOutAndUndone(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	before, err := o.Lineages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	preview := read(t, send(t, h, session, "/plan/apply", "choice", "san", "authority", "self"))
	if !strings.Contains(html.UnescapeString(preview), "Make a self-signed certificate: ") {
		t.Fatalf("the preview does not say what is made: %s", preview)
	}
	if now, err := o.Lineages(t.Context()); err != nil || len(now) != len(before) {
		t.Fatalf("before confirming: got %d lineages, %v", len(now), err)
	}
	draft := regexp.MustCompile(`name="draft" value="([A-Z0-9]+)"`).FindStringSubmatch(preview)
	if draft == nil {
		t.Fatal("nothing to confirm")
	}
	// Somebody else was faster: what was shown is not what would be made now.
	if _, err := o.New(t.Context(), tester(), desk.NewRequest{Name: "Between", Kinds: []string{"ed25519"}, Domains: []string{"between.example.com"}}); err != nil {
		t.Fatal(err)
	}
	if stale := send(t, h, session, "/confirm", "draft", draft[1]); stale.StatusCode != http.StatusConflict {
		t.Errorf("confirmed after a change: got %s, want a refusal", stale.Status)
	}
	if before, err = o.Lineages(t.Context()); err != nil {
		t.Fatal(err)
	}
	preview = read(t, send(t, h, session, "/plan/apply", "choice", "san", "authority", "self"))
	if draft = regexp.MustCompile(`name="draft" value="([A-Z0-9]+)"`).FindStringSubmatch(preview); draft == nil {
		t.Fatal("nothing to confirm")
	}
	answer := send(t, h, session, "/confirm", "draft", draft[1])
	now, err := o.Lineages(t.Context())
	if err != nil || answer.StatusCode != http.StatusSeeOther || len(now) <= len(before) {
		t.Fatalf("confirmed: got %s, %d lineages, %v", answer.Status, len(now), err)
	}
	if again := read(t, send(t, h, session, "/plan/apply", "choice", "san", "authority", "self")); !strings.Contains(again, "There is nothing to do.") {
		t.Error("a second time it would do something")
	}
}

// TestTheFirstPageMends: what needs a person has the button that mends it, and the button works.
func TestTheFirstPageMends(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true, closed: map[string]bool{"pop3": true}})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	o.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "pop3", Text: "opening listener pop3: in use"})
	o.health.Raise(health.Condition{Code: health.CodeRenewalFailed, Severity: health.Attention, Object: "mail-example-com", Text: "no"})
	o.health.Raise(health.Condition{Code: health.CodeServedNotBound, Severity: health.Attention, Object: "imaps", Text: "imaps serves another"})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	body := read(t, ask(t, h, request{target: "/", session: session}))
	for _, want := range []string{`action="/listeners/disable"><input type="hidden" name="listener" value="pop3">`,
		`action="/certificate/renew"><input type="hidden" name="id" value="mail-example-com">`, "served is not bound", `href="/check"`,
		"made a certificate", "enabled for services", "2027-03-15", "2029-03-15"} {
		if !strings.Contains(body, want) {
			t.Errorf("the first page does not have %q", want)
		}
	}
	if got := read(t, send(t, h, session, "/certificate/renew", "id", "mail-example-com", "lineage", "mail-example-com")); !strings.Contains(got, `name="draft"`) {
		t.Error("the button to renew leads to no preview")
	}
}

// TestTheAuditTrailIsDownloaded: it is CSV, narrowed as the page is, and no cell is a formula.
func TestTheAuditTrailIsDownloaded(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 12, "IMAP")
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	answer := ask(t, h, request{target: "/audit/download?object=mail-example-com", session: session})
	rows, err := csv.NewReader(answer.Body).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][4] != "act" || rows[1][4] != "enable" || rows[2][4] != "new" {
		t.Errorf("got %v, %v", rows, err)
	}
	if body := read(t, ask(t, h, request{target: "/audit?all=1", session: session})); !strings.Contains(body, "signed in") || !strings.Contains(body, "Whole: ") {
		t.Error("the trail does not show the sign-in, or not that it is whole")
	}
	for cell, want := range map[string]string{"=cmd": "'=cmd", "+1": "'+1", "-1": "'-1", "@x": "'@x", "a=b": "a=b", "": ""} {
		if got := desk.InertCell(cell); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
}

// TestAnotherEndIsAnotherChange: what a dry run foresees ends some seconds later at a second look; anything else that ends
// at another time is another certificate, and is asked about again.
func TestAnotherEndIsAnotherChange(t *testing.T) {
	t.Parallel()
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	change := func(end time.Time) *desk.Change {
		return &desk.Change{Moves: []desk.Move{{Listener: "imaps", To: &desk.Held{Lineage: "mail", NotAfter: end}}}}
	}
	for _, c := range []struct {
		act   string
		later time.Duration
		want  bool
	}{
		{"cert/renew", 0, true}, {"cert/renew", 5 * time.Second, true}, {"cert/renew", 24 * time.Hour, false}, {"cert/renew", -time.Second, false},
		{"cert/enable", 0, true}, {"cert/enable", time.Second, false}, {"cert/activate", time.Second, false},
	} {
		if got := sameChange(c.act, change(end), change(end.Add(c.later))); got != c.want {
			t.Errorf("%s, %v later: got %v, want %v", c.act, c.later, got, c.want)
		}
	}
}

// TestTrustIsGivenAway: what is trusted here can be downloaded for other systems, and its fingerprint is compared before.
func TestTrustIsGivenAway(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	if answer := ask(t, h, request{target: "/trust/download?for=pem", session: session}); answer.StatusCode != http.StatusConflict {
		t.Errorf("with nothing to give: got %s", answer.Status)
	}
	ca := testCA(t).pem
	if body := read(t, send(t, h, session, "/trust/add", "pem", ca)); !strings.Contains(body, "SHA-256 ") || !strings.Contains(body, "Compare with what the authority says") {
		t.Error("the preview shows no fingerprint")
	}
	if _, err := o.AddAnchors(t.Context(), tester(), desk.AnchorRequest{File: desk.ImportFile{Name: "ca.pem", Data: []byte(ca)}}); err != nil {
		t.Fatal(err)
	}
	answer := ask(t, h, request{target: "/trust/download?for=pem", session: session})
	if body := read(t, answer); answer.StatusCode != http.StatusOK || !strings.Contains(body, "BEGIN CERTIFICATE") || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment; filename=") {
		t.Errorf("got %s, %v", answer.Status, answer.Header)
	}
	if answer := ask(t, h, request{target: "/trust/download?for=nothing", session: session}); answer.StatusCode == http.StatusOK {
		t.Errorf("for nothing: got %s", answer.Status)
	}
}
