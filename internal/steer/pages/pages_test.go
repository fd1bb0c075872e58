package pages

import (
	"bytes"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// request is one request to the pages.
type request struct {
	method, target string // method empty: GET
	token          string // of a POST form
	body           string // instead of a form with the token
	session        string // the session cookie; empty sends none
	language       string // Accept-Language
	header         map[string]string
}

// ask sends q to h as a browser on the management address would.
func ask(t *testing.T, h http.Handler, q request) *http.Response {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	body := q.body
	if q.token != "" {
		body = url.Values{"token": {q.token}}.Encode()
	}
	r := httptest.NewRequest(q.method, "https://mail1.example.com:8172"+q.target, strings.NewReader(body))
	if q.method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", "null") // what no-referrer makes of it
	}
	if q.session != "" {
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: q.session})
	}
	if q.language != "" {
		r.Header.Set("Accept-Language", q.language)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// read is the body of an answer.
func read(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// signIn uses a new link and returns the session.
func signIn(t *testing.T, o organisation, h http.Handler) (session string) {
	t.Helper()
	answer := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: o.link(t)})
	cookie := cookieOf(answer, sessionCookie)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || cookie == nil {
		t.Fatalf("signing in: got %s, %v", answer.Status, answer.Header)
	}
	return cookie.Value
}

func cookieOf(r *http.Response, name string) *http.Cookie {
	for _, c := range r.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// secrets are facts that only somebody who is signed in may read.
func secrets() []string {
	return []string{"Postseal Internal", "mail1.example.com", "SHA-256", "tester", "8172"}
}

func wantNoSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("a stranger reads %q", secret)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)

	t.Run("a link works once, and not by being opened", func(t *testing.T) {
		link := o.link(t)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
			answer := ask(t, h, request{method: method, target: "/sign-in?token=" + link})
			body := read(t, answer)
			if answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 0 {
				t.Errorf("%s of the link: got %s, cookies %v", method, answer.Status, answer.Cookies())
			}
			if method == http.MethodGet && !strings.Contains(body, `value="`+link+`"`) {
				t.Error("the form does not hold the token")
			}
			wantNoSecrets(t, body)
		}
		answer := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: link})
		c := cookieOf(answer, sessionCookie)
		if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Fatalf("got the cookie %v", c)
		}
		if life := time.Duration(c.MaxAge) * time.Second; life > desk.SessionLife || life < desk.SessionLife-time.Minute {
			t.Errorf("the cookie lives %v, want %v", life, desk.SessionLife)
		}
		if got := ask(t, h, request{target: "/", session: c.Value}); got.StatusCode != http.StatusOK {
			t.Errorf("with the session: got %s", got.Status)
		}
		again := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: link})
		if body := read(t, again); again.StatusCode != http.StatusForbidden || len(again.Cookies()) != 0 || !strings.Contains(body, "postseal admin link") {
			t.Errorf("a second time: got %s, cookies %v, %s", again.Status, again.Cookies(), body)
		}
	})

	t.Run("a forged link is refused", func(t *testing.T) {
		link := o.link(t)
		for _, token := range []string{strings.Repeat("A", tokenLength), session, "x", link + "A", strings.Repeat("A", 3000), link[:tokenLength-1] + "\x00"} {
			answer := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: token})
			if answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
				t.Errorf("token of %d characters: got %s, cookies %v", len(token), answer.Status, answer.Cookies())
			}
		}
		// The token of the form counts, not that of the address.
		if answer := ask(t, h, request{method: http.MethodPost, target: "/sign-in?token=" + link, body: "token="}); answer.StatusCode != http.StatusForbidden {
			t.Errorf("token in the address of a POST: got %s", answer.Status)
		}
		if answer := ask(t, h, request{target: "/sign-in?token=" + strings.Repeat("A", 9000)}); answer.StatusCode != http.StatusForbidden {
			t.Errorf("long token in a GET: got %s", answer.Status)
		}
	})

	t.Run("a stranger reads nothing", func(t *testing.T) {
		for _, forged := range []string{"", strings.Repeat("A", tokenLength), "x", strings.Repeat("A", 4000), o.link(t)} {
			answer := ask(t, h, request{target: "/", session: forged})
			body := read(t, answer)
			if answer.StatusCode != http.StatusForbidden || !strings.Contains(body, "postseal admin link") {
				t.Errorf("cookie %.10q: got %s", forged, answer.Status)
			}
			wantNoSecrets(t, body)
		}
	})

	t.Run("the overview", func(t *testing.T) {
		body := html.UnescapeString(read(t, ask(t, h, request{target: "/", session: session})))
		for _, want := range append(secrets(), "Postseal Server Auth Certificate", "Postseal Management", "Nothing needs attention",
			"ECDSA-P256 + RSA-2048", "direct trust between servers", "1,825 days left", "submissions", "trial mailbox", "postseal setup <span>--org</span> NAME", "<time datetime=") {
			if !strings.Contains(body, want) {
				t.Errorf("the overview does not say %q", want)
			}
		}
	})

	t.Run("a form from another site is refused, and uses nothing up", func(t *testing.T) {
		link := o.link(t)
		for _, header := range []map[string]string{
			{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			{"Sec-Fetch-Site": "same-site", "Origin": "https://mail1.example.com:443"},
			{"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			{"Sec-Fetch-Site": "", "Origin": "null"},
		} {
			for _, q := range []request{
				{method: http.MethodPost, target: "/sign-in", token: link, header: header},
				{method: http.MethodPost, target: "/sign-out", session: session, header: header},
			} {
				if answer := ask(t, h, q); answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
					t.Errorf("%s with %v: got %s, cookies %v", q.target, header, answer.Status, answer.Cookies())
				}
			}
		}
		if got := ask(t, h, request{target: "/", session: session}); got.StatusCode != http.StatusOK {
			t.Errorf("the session after it: got %s", got.Status)
		}
		if got := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: link}); got.StatusCode != http.StatusSeeOther {
			t.Errorf("the link after it: got %s", got.Status)
		}
	})

	t.Run("a link from another site to the overview leads on", func(t *testing.T) {
		for site, want := range map[string]bool{"cross-site": true, "none": false, "same-origin": false, "": false} {
			body := read(t, ask(t, h, request{target: "/", header: map[string]string{"Sec-Fetch-Site": site}}))
			if got := strings.Contains(body, `class="button" href="/"`); got != want {
				t.Errorf("%q: got a way on: %v, want %v", site, got, want)
			}
		}
	})

	t.Run("signing out ends the session", func(t *testing.T) {
		mine := signIn(t, o, h)
		answer := ask(t, h, request{method: http.MethodPost, target: "/sign-out", session: mine})
		c := cookieOf(answer, sessionCookie)
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/sign-in" || c == nil || c.MaxAge >= 0 {
			t.Errorf("got %s to %s, cookie %v", answer.Status, answer.Header.Get("Location"), c)
		}
		if got := ask(t, h, request{target: "/", session: mine}); got.StatusCode != http.StatusForbidden {
			t.Errorf("the session after it: got %s", got.Status)
		}
		if got := ask(t, h, request{method: http.MethodPost, target: "/sign-out", session: mine}); got.StatusCode != http.StatusSeeOther {
			t.Errorf("signing out twice: got %s", got.Status)
		}
		if got := ask(t, h, request{target: "/", session: session}); got.StatusCode != http.StatusOK {
			t.Errorf("another session: got %s", got.Status)
		}
	})

	t.Run("a page that fails says nothing of the reason", func(t *testing.T) {
		var log bytes.Buffer
		p := &center{printer: newPrinter(slog.New(slog.NewTextHandler(&log, nil))), desk: o.Desk}
		w := httptest.NewRecorder()
		p.broken(w, httptest.NewRequest(http.MethodGet, "/", nil), "reading the status", errors.New("database disk image is malformed"))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "malformed") || !strings.Contains(log.String(), "malformed") {
			t.Errorf("got %d, %s, and in the log %s", w.Code, w.Body, &log)
		}
	})
}

// TestExpiry: a link lives 15 minutes, a session 12 hours, whatever the browser does with its cookie.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOrganisation(t, running{trial: true})
		h := Admin(o.Desk, testLog(t))
		early, late := o.link(t), o.link(t)
		time.Sleep(desk.LinkLife - time.Second)
		answer := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: early})
		c := cookieOf(answer, sessionCookie)
		if c == nil {
			t.Fatalf("a second before its end: got %s", answer.Status)
		}
		time.Sleep(time.Second)
		if got := ask(t, h, request{method: http.MethodPost, target: "/sign-in", token: late}); got.StatusCode != http.StatusForbidden || len(got.Cookies()) != 0 {
			t.Errorf("a link of %v: got %s, cookies %v", desk.LinkLife, got.Status, got.Cookies())
		}
		time.Sleep(desk.SessionLife - 2*time.Second)
		if got := ask(t, h, request{target: "/", session: c.Value}); got.StatusCode != http.StatusOK {
			t.Errorf("a session a second before its end: got %s", got.Status)
		}
		time.Sleep(time.Second)
		got := ask(t, h, request{target: "/", session: c.Value})
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("a session of %v: got %s", desk.SessionLife, got.Status)
		}
		wantNoSecrets(t, read(t, got))
	})
}

// TestAuditNamesTheReader: who signs in and out, and from where, is in the state.
func TestAuditNamesTheReader(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for peer, want := range map[string]string{"192.0.2.1:1234": "pages 192.0.2.1", "[2001:db8::1]:1234": "pages 2001:db8::1", "@": "pages @"} {
		r.RemoteAddr = peer
		if got := from(r); got != want {
			t.Errorf("%s: got %q, want %q", peer, got, want)
		}
	}
}

func TestStatusOfATroubledServer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	certificate := func(lineage, key string, from, until time.Duration) desk.Certificate {
		return desk.Certificate{Lineage: lineage, Generation: 1, Name: lineage, KeyType: key, Thumbprint: lineage + key, NotBefore: now.Add(from), NotAfter: now.Add(until), Status: "Valid"}
	}
	const day = 24 * time.Hour
	status := &desk.Status{Certificates: []desk.Certificate{
		certificate("over", "RSA-2048", -90*day, -day), certificate("soon", "ECDSA-P256", -80*day, 10*day), certificate("soon", "RSA-2048", -80*day, 12*day), certificate("far", "RSA-2048", -day, 99*day),
	}, Listeners: []desk.ListenerView{
		{Listener: "imaps", Port: 993, Enabled: true, State: desk.ListenerClosed, TLS: "implicit", Address: "*", Thumbprints: []string{"soonRSA-2048", "soonECDSA-P256"}},
		{Listener: "pop3", Port: 110, Enabled: true, State: desk.ListenerOpen, TLS: "starttls", Protocol: "pop3", Address: "192.0.2.1", Sessions: 1200},
		{Listener: "smtp", Port: 25, State: desk.ListenerDisabled},
	}}
	o := languages()[0].overview(status, []desk.LineageView{{Lineage: "far", Roles: []string{desk.RoleAuth},
		Bindings: []desk.BindingView{{Listener: "imaps", Role: state.RoleName}, {Listener: "smtp", Role: state.RoleDefault}}}}, nil, now)
	var got []string
	for _, c := range o.Certificates {
		got = append(got, c.Name+" "+c.Level+" "+c.Left+" "+c.Keys)
	}
	if want := []string{"over bad ended 1 day ago RSA-2048", "soon warn 10 days left ECDSA-P256 + RSA-2048", "far good 99 days left RSA-2048"}; !slices.Equal(got, want) {
		t.Errorf("certificates: got %q, want %q", got, want)
	}
	if got := o.Certificates[2].Uses; !slices.Equal(got, []string{"Tokens between servers", "by name on imaps"}) {
		t.Errorf("uses: got %q", got)
	}
	if l := o.Listeners[0]; l.Left != "10 days left" || l.Level != levelWarn || l.StateLevel != levelBad || l.Address != "all addresses" {
		t.Errorf("imaps: got %+v", l)
	}
	if l := o.Listeners[1]; l.TLS != "STLS" || l.Left != "" || l.StateLevel != levelGood || l.Sessions != "1,200" {
		t.Errorf("pop3: got %+v", l)
	}
	if !slices.Equal(o.Off, []string{"smtp (25)"}) || o.OpenListeners != "1" || o.WantedListeners != "2" || o.Next.Name != "over" {
		t.Errorf("got off %q, %s of %s open, next %+v", o.Off, o.OpenListeners, o.WantedListeners, o.Next)
	}
	status.Certificates = nil
	for i := range maxUnused + 5 {
		status.Certificates = append(status.Certificates, certificate("many"+grouped(i), "RSA-2048", 0, day))
	}
	if o := languages()[0].overview(status, nil, nil, now); len(o.Certificates) != maxUnused || o.MoreCertificates != "5" {
		t.Errorf("got %d certificates and %q more, want %d and 5", len(o.Certificates), o.MoreCertificates, maxUnused)
	}
}

func TestSessionBelongsToWhoMadeTheLink(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	who, err := o.Session(t.Context(), signIn(t, o, h))
	if err != nil || who != tester().Who {
		t.Errorf("got %q, %v, want %q", who, err, tester().Who)
	}
	if _, err := o.Session(t.Context(), "forged"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("forged: got %v, want %v", err, state.ErrNotFound)
	}
}
