package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/desk"
)

const (
	// maxCertificates bounds the certificates on the page; those that end first are shown.
	maxCertificates = 60
	// maxUnused bounds those among them that nothing uses.
	maxUnused = 8
)

// overview is everything on the first page, worded and ready to print.
type overview struct {
	Server       string
	Organisation string
	Trial        bool
	Now          stamp

	Attention []notice
	Reminders []notice

	Next            *certificateRow // the one that ends first; nil without any
	OpenListeners   string
	WantedListeners string
	Sessions        string

	Map              portMap
	Time             timeline
	Certificates     []certificateRow // those in use, and of the others those that end first
	MoreCertificates string           // how many are not shown; empty for none
	Changes          []deedRow
	MoreChanges      string // how many since yesterday are not shown; empty for none
	Listeners        []listenerRow
	Off              []string // listeners that are turned off, with their ports
}

// certificateRow is a generation in force: its members have one life and one purpose.
type certificateRow struct {
	life
	Name, Lineage string
	Keys          string
	Uses          []string
	Names         []string
	Members       []memberRow
	Status        string
	StatusLevel   string
	Reason        sentence
	ID            string // of the certificate's page
	X, Width      int    // of what is left, on the axis of the first page, of lifeUnits
}

// memberRow is one certificate of a generation, to be compared with what a client shows.
type memberRow struct{ KeyType, Fingerprint, Thumbprint string }

// listenerRow is a listener that is turned on.
type listenerRow struct {
	Name, Address     string
	Port              uint16
	State, StateLevel string
	TLS               string
	Certificate       string
	Names, ByName     []string
	Left, Level       string // of the certificate; empty without one
	Short             string // Left in few words
	Backend, Sessions string
}

// overview words a status. lineages say what certificates are for beyond their listeners, the trail what has changed.
func (w *words) overview(s *desk.Status, lineages []desk.LineageView, trail []desk.Entry, now time.Time) *overview {
	o := &overview{Server: s.Server, Organisation: s.Organisation, Trial: s.Trial, Now: minute(now)}
	ends := make(map[string]time.Time)
	byThumbprint := make(map[string]desk.Certificate)
	for _, c := range s.Certificates {
		byThumbprint[c.Thumbprint] = c
		if end, ok := ends[c.Lineage]; !ok || c.NotAfter.Before(end) {
			ends[c.Lineage] = c.NotAfter
		}
	}
	mends := w.mends(lineages)
	o.Attention, o.Reminders = w.notices(s.Attention, ends, mends), w.notices(s.Information, ends, mends)
	o.drawTime(w, s, lineages, now)
	o.Map = w.portMap(s.Server, s.Listeners, byThumbprint, s.Attention, now)
	var more int
	if o.Changes, more = w.changes(trail, now); more > 0 {
		o.MoreChanges = w.say("changed.more", grouped(more))
	}
	if len(o.Certificates) > 0 {
		o.Next = &o.Certificates[0]
	}

	var open, sessions int
	for _, l := range s.Listeners {
		if !l.Enabled {
			o.Off = append(o.Off, fmt.Sprintf("%s (%d)", l.Listener, l.Port))
			continue
		}
		if l.State == desk.ListenerOpen {
			open++
		}
		sessions += int(l.Sessions)
		o.Listeners = append(o.Listeners, w.listener(l, byThumbprint, now))
	}
	o.OpenListeners, o.WantedListeners, o.Sessions = grouped(open), grouped(len(o.Listeners)), grouped(sessions)
	return o
}

// drawTime puts the certificates on one axis.
func (o *overview) drawTime(w *words, s *desk.Status, lineages []desk.LineageView, now time.Time) {
	all := generations(s.Certificates)
	var shown [][]desk.Certificate
	var ends []time.Time
	unused := 0
	for _, members := range all {
		used := slices.ContainsFunc(lineages, func(l desk.LineageView) bool { return l.Lineage == members[0].Lineage })
		if !used {
			unused++
		}
		if len(shown) < maxCertificates && (used || unused <= maxUnused) {
			shown, ends = append(shown, members), append(ends, firstEnd(members))
		}
	}
	a := newAxis(now, ends)
	for i, members := range shown {
		row := w.certificate(members, lineages, now)
		from := earlier(later(members[0].NotBefore, now), a.until)
		row.X = a.place(from)
		if ends[i].After(now) {
			row.Width = max(a.place(ends[i])-row.X, lifeUnits/200)
		}
		o.Certificates = append(o.Certificates, row)
	}
	if more := len(all) - len(shown) + s.More; more > 0 {
		o.MoreCertificates = grouped(more)
	}
	o.Time = w.timeline(a)
}

// firstEnd is when the first of some certificates ends.
func firstEnd(members []desk.Certificate) time.Time {
	return slices.MinFunc(members, func(a, b desk.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

// generations puts the members of each generation together, in the order of their first.
func generations(certificates []desk.Certificate) [][]desk.Certificate {
	type key struct {
		lineage    string
		generation int
	}
	at := make(map[key]int)
	var all [][]desk.Certificate
	for _, c := range certificates {
		k := key{c.Lineage, c.Generation}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(all), len(all)
			all = append(all, nil)
		}
		all[i] = append(all[i], c)
	}
	return all
}

// certificate words a generation. Its life is that of the member that ends first.
func (w *words) certificate(members []desk.Certificate, lineages []desk.LineageView, now time.Time) certificateRow {
	first := slices.MinFunc(members, func(a, b desk.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	row := certificateRow{life: w.life(first.NotBefore, first.NotAfter, now), Name: first.Name, Lineage: first.Lineage, Names: first.Names, ID: first.Thumbprint}
	worst := slices.MinFunc(members, func(a, b desk.Certificate) int {
		return cmp.Compare(slices.Index(x509cert.Statuses(), a.Status), slices.Index(x509cert.Statuses(), b.Status))
	})
	row.Status = w.say("status." + string(worst.Status))
	row.StatusLevel = levelOf(worst.Status)
	if worst.Status != x509cert.StatusDateInvalid { // its reason repeats the dates that stand beside it
		row.Reason = w.sentence(worst.StatusReason)
	}
	var keys []string
	for _, m := range members {
		keys = append(keys, m.KeyType)
		row.Members = append(row.Members, memberRow{m.KeyType, desk.Fingerprint(m.SHA256), m.Thumbprint})
	}
	row.Keys = strings.Join(keys, " + ")
	for _, s := range first.Services {
		row.Uses = append(row.Uses, string(s))
	}
	for _, l := range lineages {
		if l.Lineage != first.Lineage {
			continue
		}
		for _, role := range l.Roles {
			row.Uses = append(row.Uses, w.say("use."+role))
		}
		var byName []string
		for _, b := range l.Bindings {
			if b.Role == state.RoleName {
				byName = append(byName, b.Listener)
			}
		}
		if len(byName) > 0 {
			row.Uses = append(row.Uses, w.say("use.by-name", strings.Join(byName, ", ")))
		}
	}
	if len(row.Uses) > 0 {
		row.Uses[0] = upper(row.Uses[0])
	}
	return row
}

// levelOf is the colour of a status.
func levelOf(s x509cert.Status) string {
	switch s {
	case x509cert.StatusValid:
		return levelGood
	case x509cert.StatusUntrusted, x509cert.StatusUnknown, x509cert.StatusPendingRequest, x509cert.StatusRevocationCheckFailure:
		return levelWarn
	}
	return levelBad
}

// listener words a listener that is turned on.
func (w *words) listener(l desk.ListenerView, byThumbprint map[string]desk.Certificate, now time.Time) listenerRow {
	row := listenerRow{Name: l.Listener, Address: l.Address, Port: l.Port, State: w.say("state." + l.State), Certificate: l.Certificate,
		Names: l.Names, ByName: l.ByName, Backend: w.phrase(l.Backend), Sessions: grouped(int(l.Sessions))}
	if l.Address == "*" {
		row.Address = w.say("address.all")
	}
	row.StateLevel = levelBad
	if l.State == desk.ListenerOpen {
		row.StateLevel = levelGood
	}
	upgrade := l.TLS
	if upgrade == "starttls" && l.Protocol == "pop3" {
		upgrade = "stls" // the command's name in POP3, RFC 2595 section 4
	}
	row.TLS = w.say("tls." + upgrade)
	var first desk.Certificate // of the members, the one that ends first
	for _, thumbprint := range l.Thumbprints {
		if c, ok := byThumbprint[thumbprint]; ok && (first.Thumbprint == "" || c.NotAfter.Before(first.NotAfter)) {
			first = c
		}
	}
	if first.Thumbprint != "" {
		life := w.life(first.NotBefore, first.NotAfter, now)
		row.Left, row.Short, row.Level = life.Left, life.Short, life.Level
	}
	return row
}
