package desk

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/probe"
)

const (
	// ServedEvery is how often each listener is looked at unless the configuration says otherwise. What is wrong is
	// seen within twice that, well below the five minutes that design.md gives.
	ServedEvery = time.Minute
	// servedLimit bounds one look: the server is this machine.
	servedLimit = 10 * time.Second
)

// Seen is what the last look at a listener over the wire saw.
type Seen struct {
	Listener   string    `json:"listener"`
	At         time.Time `json:"at"`
	Bound      bool      `json:"bound"`      // what is served is what is bound
	Thumbprint string    `json:"thumbprint"` // of what the default binding serves; empty for none
	Text       string    `json:"text"`       // what is wrong, one sentence; empty for nothing
}

// LastSeen returns the last look at each listener, in the order of their names. It is empty until the first.
func (d *Desk) LastSeen(context.Context) ([]Seen, error) {
	d.seeing.Lock()
	defer d.seeing.Unlock()
	list := []Seen{}
	for _, s := range d.seen {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Seen) int { return strings.Compare(a.Listener, b.Listener) })
	return list, nil
}

// RunServed looks at the listeners over the wire until ctx ends, each once in every, one after the other. What they serve
// and what is bound are two things: another program may have the port, a proxy may stand between, a change may not have
// come through. A difference is [health.CodeServedNotBound] until it is gone.
func (d *Desk) RunServed(ctx context.Context, every time.Duration) {
	names, round := []string{}, 1 // round is how many are looked at in it
	for {
		if len(names) == 0 {
			v, err := d.view(ctx)
			if err == nil {
				for _, l := range v.listeners {
					names = append(names, l.Name)
				}
				round = max(len(names), 1)
			} else if ctx.Err() == nil {
				d.log.WarnContext(ctx, "looking at what is served", "err", err)
			}
		}
		pause := time.NewTimer(every / time.Duration(round))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if len(names) == 0 {
			continue
		}
		d.lookAt(ctx, names[0])
		// The next round begins with the whole list again: listeners come and go.
		names = names[1:]
		if len(names) == 0 {
			names = nil
		}
	}
}

// lookAt looks at one listener. A difference counts when a second look, with what is bound then, sees it too: a change
// may have come between reading and looking.
func (d *Desk) lookAt(ctx context.Context, name string) {
	var seen Seen
	for range 2 {
		v, err := d.view(ctx)
		if err != nil {
			return // of the state; others say so
		}
		open := slices.ContainsFunc(v.listeners, func(l state.Listener) bool { return l.Name == name && l.Enabled })
		if _, answers := d.runtime.Sessions(name); !open || !answers {
			d.forgetSeen(name) // not wanted, or closed, which is a condition of its own
			return
		}
		if seen = d.see(ctx, v, name); seen.Bound {
			break
		}
	}
	if ctx.Err() != nil {
		return // what was seen is that we stop
	}
	d.seeing.Lock()
	if d.seen == nil {
		d.seen = make(map[string]Seen)
	}
	d.seen[name] = seen
	d.seeing.Unlock()
	if seen.Bound {
		d.health.Clear(health.CodeServedNotBound, name)
		return
	}
	d.log.WarnContext(ctx, "what is served is not what is bound", "code", health.CodeServedNotBound, "listener", name, "err", seen.Text)
	d.health.Raise(health.Condition{Code: health.CodeServedNotBound, Severity: health.Attention, Object: name, Text: seen.Text})
}

func (d *Desk) forgetSeen(name string) {
	d.seeing.Lock()
	delete(d.seen, name)
	d.seeing.Unlock()
	d.health.Clear(health.CodeServedNotBound, name)
}

// see looks at a listener once: without a name, which gets the default, and by a name of each binding by name.
func (d *Desk) see(ctx context.Context, v *view, name string) Seen {
	s := Seen{Listener: name, At: time.Now().UTC(), Bound: true}
	views, err := d.listenerViews(v)
	if err != nil {
		return s
	}
	i := slices.IndexFunc(views, func(l ListenerView) bool { return l.Listener == name })
	if i < 0 {
		return s
	}
	view, stored := views[i], netip.AddrPort{}
	for _, l := range v.listeners {
		if l.Name == name {
			stored = l.Address
		}
	}
	at := near(d.runtime.Address(name, stored))
	wrong := func(format string, args ...any) Seen {
		s.Bound, s.Text = false, fmt.Sprintf("%s at %s ", name, at)+fmt.Sprintf(format, args...)
		return s
	}
	if view.Service == "" { // it redirects, and has no certificate
		dialer := net.Dialer{Timeout: servedLimit}
		conn, err := dialer.DialContext(ctx, "tcp", at.String())
		if err != nil {
			return wrong("does not answer: %v", err)
		}
		conn.Close()
		return s
	}
	p, err := probe.New(probe.Options{Quick: true, Limit: servedLimit})
	if err != nil {
		return wrong("is not looked at: %v", err)
	}
	for _, e := range v.expectations(view) {
		r := p.Endpoint(ctx, probe.Endpoint{Host: e.sni, Port: at.Port(), Protocol: view.Protocol, StartTLS: view.TLS == "starttls", Address: at})
		switch {
		case r.Certificate == nil && len(r.Findings) > 0:
			return wrong("does not answer as it should: %s", r.Findings[0].Text)
		case r.Certificate == nil:
			return wrong("does not answer as it should")
		case e.sni == "":
			s.Thumbprint = r.Certificate.Thumbprint
		}
		if !slices.Contains(e.thumbprints, r.Certificate.Thumbprint) {
			asked := ""
			if e.sni != "" {
				asked = " to clients that ask for " + e.sni
			}
			return wrong("serves %s (%s)%s, and %q is bound", r.Certificate.Thumbprint, probe.Visible(r.Certificate.Subject, 80), asked, e.lineage)
		}
	}
	return s
}

// expectation is what a client that names sni shall get.
type expectation struct {
	sni, lineage string
	thumbprints  []string
}

// expectations follow from the state, not from the keyring, which may have missed it. Where several bindings have a name,
// any of them may answer: which one is the keyring's rule, and `cert explain` tells it.
func (v *view) expectations(l ListenerView) []expectation {
	list := []expectation{{lineage: l.Lineage, thumbprints: l.Thumbprints}}
	type bound struct {
		lineage     string
		names       []string
		thumbprints []string
	}
	all := []bound{{l.Lineage, l.Names, l.Thumbprints}}
	for _, name := range l.ByName {
		lineage, ok := v.named(name)
		g, current := lineage.Current()
		if !ok || !current {
			continue
		}
		b := bound{lineage: name}
		for _, m := range g.Members {
			b.thumbprints = append(b.thumbprints, m.Thumbprint)
			if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil {
				b.names = cert.DNSNames
			}
		}
		all = append(all, b)
	}
	for _, b := range all[1:] {
		if len(b.names) == 0 {
			continue
		}
		e := expectation{sni: strings.Replace(b.names[0], "*.", "postseal-check.", 1), lineage: b.lineage}
		for _, other := range all {
			if slices.ContainsFunc(other.names, func(name string) bool { return x509cert.Match(name, e.sni) }) {
				e.thumbprints = append(e.thumbprints, other.thumbprints...)
			}
		}
		list = append(list, e)
	}
	return list
}
