package pages

import (
	"net/http"
	"slices"
	"strings"
)

// routes are what a handler answers: a path exactly as written, then a method. HEAD is answered as GET,
// without the body, by net/http. Nothing is cleaned and nothing redirected, so no address that we print
// or send anybody to is made of what a stranger wrote.
type routes map[string]map[string]http.HandlerFunc

// maxBytes is how much a request to a path may bring. Only whoever is signed in is read further than maxFormBytes.
func maxBytes(path string) int64 {
	switch path {
	case "/certificate/import", "/trust/add", "/trust/distrust":
		return maxUploadBytes
	case "/sign-in", "/sign-out":
		return maxFormBytes
	}
	return maxActBytes
}

// handler serves routes with the headers, limits and refusals that hold for every page.
func (p *printer) handler(table routes) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.log.WarnContext(r.Context(), "form from another site refused", "path", r.URL.Path, "origin", r.Header.Get("Origin"), "peer", r.RemoteAddr)
		p.fail(w, r, http.StatusForbidden, "elsewhere")
	}))
	return protected(guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.route(w, r, table)
	})))
}

func (p *printer) route(w http.ResponseWriter, r *http.Request, table routes) {
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	methods, ok := table[r.URL.Path]
	switch {
	case !ok && get && p.serveStatic(w, r.URL.Path):
		return
	case !ok:
		p.fail(w, r, http.StatusNotFound, "not-found")
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, ok := methods[method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		p.fail(w, r, http.StatusMethodNotAllowed, "method")
		return
	}
	if get && switched(w, r, p.languages) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBytes(r.URL.Path))
	serve(w, r)
}

// allowed lists methods for the Allow header.
func allowed(methods map[string]http.HandlerFunc) string {
	var all []string
	for m := range methods {
		all = append(all, m)
		if m == http.MethodGet {
			all = append(all, http.MethodHead)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// policy lets the page load our style sheet and our icon, send forms to us, and nothing else. There is no
// script, so nothing is lost by forbidding all; html/template keeps markup out, this is the second wall.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// protected puts the headers on every answer that keep other sites out. All of them are for browsers.
//
// Strict-Transport-Security is left out on purpose. RFC 6797 section 8.1: a browser ignores it on a
// connection with certificate errors and for addresses, so the self-signed certificate of a new server
// gains nothing. And it binds a host, not a port (section 8.3): sent by the management listener, or by
// https, it would forbid http to every other program under the same name. Worst, section 12.1 takes the
// reader's way past a warning: once a trusted certificate had been served, an expired or replaced one
// would lock the administrator out in the very hour he must look. Without it little is lost: management
// never answers in clear, http only redirects, and the cookie is Secure.
func protected(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // for browsers older than frame-ancestors
		// The address of the sign-in page holds a token; it is told to nobody. A browser then sends the form
		// with "Origin: null", which CrossOriginProtection does not look at: all current ones send Sec-Fetch-Site.
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store") // static files, which are no secret, say otherwise
		h.ServeHTTP(w, r)
	})
}

// alive answers monitors: the process runs and answers. It says no more, because it answers strangers, and
// because a certificate that ends in a month must not make a load balancer take the server away.
// `postseal status` is for monitors that want to know what needs attention: it exits with 3.
func alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n")) // the monitor is gone when this fails
}
