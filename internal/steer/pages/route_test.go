package pages

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"postseal/internal/steer/desk"
)

// TestHeadersOnEveryAnswer: what keeps other sites out does not depend on how a request ends.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	all := visits(signIn(t, o, h), o.link(t))
	all["redirect"] = request{target: "/?lang=ko"}
	all["health"] = request{target: "/healthz"}
	all["style"] = request{target: newPrinter(nil).addresses["style.css"]}
	all["head"] = request{method: http.MethodHead, target: "/"}
	all["options"] = request{method: http.MethodOptions, target: "/"}
	site := Site(SiteOptions{Host: "mail1.example.com"})
	for name, q := range all {
		for server, handler := range map[string]http.Handler{"pages": h, "site": site} {
			header := ask(t, handler, q).Header
			for key, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
			} {
				if got := header.Get(key); got != want {
					t.Errorf("%s, %s: %s: got %q, want %q", server, name, key, got, want)
				}
			}
			directives := strings.Split(header.Get("Content-Security-Policy"), "; ")
			for _, want := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !slices.Contains(directives, want) {
					t.Errorf("%s, %s: the policy %q does not say %s", server, name, directives, want)
				}
			}
			cache := "no-store"
			if name == "style" {
				cache = "public, max-age=31536000, immutable"
			}
			if got := header.Get("Cache-Control"); got != cache {
				t.Errorf("%s, %s: Cache-Control: got %q, want %q", server, name, got, cache)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	style := newPrinter(nil).addresses["style.css"]
	for _, c := range []struct {
		name  string
		q     request
		want  int
		allow string
	}{
		{"a page", request{target: "/", session: session}, 200, ""},
		{"the head of a page", request{method: "HEAD", target: "/", session: session}, 200, ""},
		{"a parameter that nobody asked for", request{target: "/?x=1", session: session}, 200, ""},
		{"an unknown path", request{target: "/x"}, 404, ""},
		{"a path with a slash more", request{target: "/sign-in/"}, 404, ""},
		{"a path that looks like a host", request{target: "//evil.example/?lang=ko"}, 404, ""},
		{"a path that climbs", request{target: "/static/../templates/frame.html"}, 404, ""},
		{"the API", request{method: "POST", target: "/api/v1/cert/list", body: "{}"}, 404, ""},
		{"a static file", request{target: style}, 200, ""},
		{"a static file of another release", request{target: "/static/style.0123456789abcdef.css"}, 404, ""},
		{"a static file without its hash", request{target: "/static/style.css"}, 404, ""},
		{"the folder of static files", request{target: "/static/"}, 404, ""},
		{"a POST to a static file", request{method: "POST", target: style}, 404, ""},
		{"a POST to the overview", request{method: "POST", target: "/"}, 405, "GET, HEAD"},
		{"signing out by a link", request{target: "/sign-out", session: session}, 405, "POST"},
		{"PUT", request{method: "PUT", target: "/sign-in"}, 405, "GET, HEAD, POST"},
		{"an unknown method", request{method: "BREW", target: "/sign-in"}, 405, "GET, HEAD, POST"},
		{"OPTIONS", request{method: "OPTIONS", target: "/"}, 405, "GET, HEAD"},
		{"a form that cannot be read", request{method: "POST", target: "/sign-in", body: "token=%zz"}, 400, ""},
		{"a form without a token", request{method: "POST", target: "/sign-in", body: "x=1"}, 403, ""},
		{"a form that is too large", request{method: "POST", target: "/sign-in", body: "token=" + strings.Repeat("A", maxFormBytes)}, 413, ""},
		{"health", request{target: "/healthz"}, 200, ""},
		{"health, head", request{method: "HEAD", target: "/healthz"}, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := ask(t, h, c.q)
			if answer.StatusCode != c.want || answer.Header.Get("Allow") != c.allow {
				t.Errorf("got %s, allow %q, want %d, %q", answer.Status, answer.Header.Get("Allow"), c.want, c.allow)
			}
			if c.want >= 400 {
				wantNoSecrets(t, read(t, answer))
			}
		})
	}
	// What went wrong above has not ended the session.
	if got := ask(t, h, request{target: "/", session: session}); got.StatusCode != http.StatusOK {
		t.Errorf("the session after it: got %s", got.Status)
	}
}

// TestHealth: alive says that the process answers, the same to everybody, whatever needs attention.
func TestHealth(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: false, closed: map[string]bool{"imaps": true}})
	if s, err := o.Status(t.Context()); err != nil || s.State != desk.StateAttention {
		t.Fatalf("got %v, %v, want a server that needs attention", s, err)
	}
	for name, h := range map[string]http.Handler{"pages": Admin(o.Desk, nil), "site": Site(SiteOptions{Host: "mail1.example.com"})} {
		answer := ask(t, h, request{target: "/healthz"})
		if body := read(t, answer); answer.StatusCode != http.StatusOK || body != "ok\n" || answer.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: got %s, %q, %v", name, answer.Status, body, answer.Header)
		}
	}
}

func TestSwitchingTheLanguage(t *testing.T) {
	t.Parallel()
	link := strings.Repeat("A", tokenLength)
	site := Site(SiteOptions{Host: "mail1.example.com"})
	h := Admin(nil, nil) // strangers are answered without the state
	for _, c := range []struct {
		handler          http.Handler
		target, location string
		cookie           string
	}{
		{h, "/?lang=ko", "/", "ko"},
		{h, "/sign-in?lang=en", "/sign-in", "en"},
		{h, "/sign-in?lang=ko&token=" + link, "/sign-in?token=" + link, "ko"},
		{h, "/?lang=xx", "/", ""},
		{h, "/?lang=ko&next=https://evil.example", "/", "ko"},
		{site, "/?lang=ko", "/", "ko"},
	} {
		answer := ask(t, c.handler, request{target: c.target})
		var got string
		if cookie := cookieOf(answer, languageCookie); cookie != nil {
			got = cookie.Value
		}
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != c.location || got != c.cookie {
			t.Errorf("%s: got %s to %q, cookie %q, want %q, %q", c.target, answer.Status, answer.Header.Get("Location"), got, c.location, c.cookie)
		}
	}
	if body := read(t, ask(t, h, request{target: "/sign-in?token=" + link})); !strings.Contains(body, "/sign-in?lang=ko&amp;token="+link) {
		t.Error("the switch loses the token of the link")
	}
}

func TestSite(t *testing.T) {
	t.Parallel()
	site := Site(SiteOptions{Host: "mail1.example.com"})
	for language, want := range map[string]string{"en": "This is a mail server", "ko": "이곳은 메일 서버"} {
		answer := ask(t, site, request{target: "/", language: language})
		if body := read(t, answer); answer.StatusCode != http.StatusOK || !strings.Contains(body, "mail1.example.com") || !strings.Contains(body, want) {
			t.Errorf("%s: got %s, %s", language, answer.Status, body)
		}
	}
	for _, target := range []string{"/sign-in", "/sign-out", "/admin", "/api/v1/cert/list", "/index.html"} {
		if answer := ask(t, site, request{target: target}); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", target, answer.Status)
		}
	}
	if answer := ask(t, site, request{method: http.MethodPost, target: "/"}); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %s, want 405", answer.Status)
	}
}
