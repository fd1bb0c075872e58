package pages

import (
	"net/http"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/desk"
)

// listenersPage is what this server answers on, and what it could.
type listenersPage struct {
	Services []serviceView
}

// serviceView is a service with its listeners. The listener http belongs to none.
type serviceView struct {
	Name  string
	Title string
	Rows  []listenerLine
}

// listenerLine is a listener with what can be done about it.
type listenerLine struct {
	listenerRow
	Enabled bool
	ID      string // of the certificate that it serves
}

// listeners shows every listener by service.
func (p *center) listeners(w http.ResponseWriter, r *http.Request, v visitor) {
	status, err := p.desk.Status(r.Context())
	if err != nil {
		p.broken(w, r, "reading the status", err)
		return
	}
	byThumbprint := make(map[string]desk.Certificate)
	for _, c := range status.Certificates {
		byThumbprint[c.Thumbprint] = c
	}
	page := listenersPage{}
	for _, s := range append(serviceNames(), "") {
		view := serviceView{Name: s, Title: s}
		if s == "" {
			view.Name, view.Title = "plain", v.words.say("listeners.plain")
		}
		for _, l := range status.Listeners {
			if l.Service != listener.Service(s) {
				continue
			}
			line := listenerLine{listenerRow: v.words.listener(l, byThumbprint, time.Now()), Enabled: l.Enabled}
			if len(l.Thumbprints) > 0 {
				line.ID = l.Thumbprints[0]
			}
			if !l.Enabled {
				line.StateLevel = "off"
			}
			view.Rows = append(view.Rows, line)
		}
		if len(view.Rows) > 0 {
			page.Services = append(page.Services, view)
		}
	}
	p.show(w, r, v, sheet{template: "listeners", title: "listeners.title", path: "/listeners", here: "listeners", body: page})
}
