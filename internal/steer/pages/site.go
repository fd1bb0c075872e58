package pages

import (
	"crypto/tls"
	"log/slog"
	"net/http"

	"postseal/internal/steer/desk"
)

// SiteOptions are what the pages for strangers are made of.
type SiteOptions struct {
	Host string       // of this server
	Desk *desk.Desk   // says what is to be trusted; nil: there is no page for that
	Log  *slog.Logger // nil: no log
}

// Site returns what https answers with: a page that names the server and describes the reader's own connection, so that
// somebody who types its name learns what it is, and /trust, which has what machines must install to trust us. They say
// nothing that the greeting and the handshake do not say already. There is no session and no form.
func Site(o SiteOptions) http.Handler {
	s := &site{printer: newPrinter(o.Log), host: o.Host, desk: o.Desk}
	table := routes{
		"/":        {http.MethodGet: s.home},
		"/healthz": {http.MethodGet: alive},
	}
	if s.desk != nil {
		table["/trust"] = map[string]http.HandlerFunc{http.MethodGet: s.trust}
		for _, path := range trustPaths() {
			table[path] = map[string]http.HandlerFunc{http.MethodGet: s.trustFile}
		}
	}
	return s.handler(table)
}

type site struct {
	*printer
	host string
	desk *desk.Desk
}

// connection is what the reader's own connection uses.
type connection struct {
	Host                      string
	Version, Cipher, Exchange string // empty without TLS, which only tests do
	Trust                     bool   // there is a page with what to trust
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	c := connection{Host: s.host, Trust: s.desk != nil}
	if r.TLS != nil {
		c.Version, c.Cipher, c.Exchange = tls.VersionName(r.TLS.Version), tls.CipherSuiteName(r.TLS.CipherSuite), r.TLS.CurveID.String()
	}
	s.print(w, r, sheet{template: "site", status: http.StatusOK, title: s.host, path: "/", body: c})
}
