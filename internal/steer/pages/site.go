package pages

import (
	"crypto/tls"
	"net/http"
)

// Site returns what https answers with: one page that names the server and describes the reader's own
// connection, so that somebody who types its name learns what it is. It says nothing that the greeting
// and the handshake do not say already. There is no session and no form.
func Site(host string) http.Handler {
	s := &site{printer: newPrinter(nil), host: host}
	return s.handler(routes{
		"/":        {http.MethodGet: s.home},
		"/healthz": {http.MethodGet: alive},
	})
}

type site struct {
	*printer
	host string
}

// connection is what the reader's own connection uses.
type connection struct {
	Host                      string
	Version, Cipher, Exchange string // empty without TLS, which only tests do
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	c := connection{Host: s.host}
	if r.TLS != nil {
		c.Version, c.Cipher, c.Exchange = tls.VersionName(r.TLS.Version), tls.CipherSuiteName(r.TLS.CipherSuite), r.TLS.CurveID.String()
	}
	s.print(w, r, sheet{template: "site", status: http.StatusOK, title: s.host, path: "/", body: c})
}
