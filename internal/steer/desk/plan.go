package desk

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/plan"
)

// PlanRequest asks for a plan.
type PlanRequest struct {
	Authority string      `json:"authority,omitempty"` // a word of plan.AuthorityWords; empty means the rules that all public ones keep
	Needs     []plan.Need `json:"needs,omitempty"`     // empty means the services of this organisation
	Apart     []plan.Pair `json:"apart,omitempty"`
}

// Check reports the first value that nothing can be planned for.
func (r PlanRequest) Check() error {
	_, err := r.compute()
	return err
}

// compute makes the plan of a request that brings what is needed.
func (r PlanRequest) compute() (*plan.Plan, error) {
	inventory, err := plan.NewInventory(r.Needs, r.Apart)
	if err != nil {
		return nil, err
	}
	return plan.Compute(inventory, r.Authority, time.Now())
}

// Plan says which certificates would do for what is needed, in several choices.
func (d *Desk) Plan(ctx context.Context, r PlanRequest) (*plan.Plan, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(r.Needs) > 0 {
		return r.compute()
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	return v.plan(r)
}

// plan makes the plan of a request; without needs it is for the services of this server.
func (v *view) plan(r PlanRequest) (*plan.Plan, error) {
	if len(r.Needs) > 0 {
		return r.compute()
	}
	needs, err := v.needs()
	if err != nil {
		return nil, err
	}
	r.Needs = needs
	p, err := r.compute()
	if err == nil && v.server.Mode == ModeBeside {
		p.Warnings = append(p.Warnings, plan.Text{
			English: "the services of the mail servers beside us are not known; describe them in a file",
			Korean:  "곁에 있는 메일 서버의 서비스는 알 수 없습니다. 파일로 알려 주십시오"})
	}
	return p, err
}

// needs are the names by which the enabled listeners of this server are reached: those of the certificates that
// somebody has bound to them, else the server's own, and autodiscover, which clients make up from the mail domain.
func (v *view) needs() ([]plan.Need, error) {
	var needs []plan.Need
	for _, l := range v.listeners {
		k, ok := listener.ByName(l.Name)
		if !ok || k.Service == "" || !l.Enabled {
			continue
		}
		zone := plan.ZoneInside
		if k.Service == listener.ServiceManagement {
			zone = plan.ZoneManagement
		}
		names, err := v.reachedBy(l.Name)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			names = []string{v.server.Name}
		}
		for _, name := range names {
			needs = append(needs, plan.Need{Name: name, Services: []listener.Service{k.Service}, Zone: zone})
		}
		if k.Service != listener.ServiceHTTP {
			continue
		}
		for _, domain := range v.org.Domains {
			needs = append(needs, plan.Need{Name: "autodiscover." + domain, Services: []listener.Service{k.Service}, Zone: zone, Keep: true})
		}
	}
	return needs, nil
}

// reachedBy are the names of the certificates that somebody has bound to a listener. Those that setup made hold the
// server's name, short and whole, which is what is used when there are none.
func (v *view) reachedBy(listener string) ([]string, error) {
	var names []string
	for _, b := range v.bindings {
		l, ok := v.lineage(b.LineageID)
		if b.Listener != listener || !ok || l.Origin == state.OriginSetup {
			continue
		}
		g, ok := l.Current()
		if !ok {
			continue
		}
		c, err := v.certificate(l, g, g.Members[0])
		if err != nil {
			return nil, err
		}
		for _, text := range c.Names {
			name, err := x509cert.ParseSAN(text) // a foreign certificate may hold mail addresses, and names that are none
			short := err == nil && !strings.ContainsAny(name, ".:") && slices.ContainsFunc(c.Names, func(whole string) bool { return strings.HasPrefix(whole, name+".") })
			if err == nil && !short && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// CalendarRequest asks which rules change, and what that means.
type CalendarRequest struct {
	Past bool `json:"past,omitempty"` // the rules of the past too
}

// Calendar says which rules change on which date, and what that means for the lineages of this organisation.
func (d *Desk) Calendar(ctx context.Context, r CalendarRequest) (*plan.Calendar, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	var subjects []plan.Subject
	for _, l := range v.lineages {
		s, err := v.subject(l)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return plan.NewCalendar(time.Now(), subjects, r.Past), nil
}

// subject is a lineage as the rules see it.
func (v *view) subject(l state.Lineage) (plan.Subject, error) {
	s := plan.Subject{Lineage: l.Name, Origin: plan.OriginUnknown, Automated: v.renewsItself(l), CommonName: true, Names: []string{}, Listeners: []string{}}
	for _, b := range v.bindingViews(l.ID) {
		s.Listeners = append(s.Listeners, b.Listener)
	}
	g, current := l.Current()
	if !current && len(l.Generations) > 0 {
		g = l.Generations[0]
	}
	for _, m := range g.Members {
		c, err := v.certificate(l, g, m)
		if err != nil {
			return s, err
		}
		s.Names = list(c.Names)
		if m.Certificate == nil {
			continue
		}
		cert, err := x509cert.ParseCertificate(m.Certificate)
		if err != nil {
			return s, err
		}
		s.Origin = origin(c)
		s.Issuer = c.Issuer
		s.ClientAuth = s.ClientAuth || !c.SelfSigned && slices.Contains(c.Usages, "clientAuth")
		s.Mail = s.Mail || slices.Contains(c.Usages, "emailProtection")
		s.CommonName = s.CommonName && cert.Subject.CommonName != ""
		s.SHA1 = s.SHA1 || !c.SelfSigned && (cert.SignatureAlgorithm == x509.SHA1WithRSA || cert.SignatureAlgorithm == x509.ECDSAWithSHA1)
		if s.NotAfter.IsZero() || c.NotAfter.Before(s.NotAfter) {
			s.NotBefore, s.NotAfter = c.NotBefore, c.NotAfter
		}
	}
	return s, nil
}

// origin says who has issued a certificate, as the rules see it. One of a public authority that has ended is no longer
// Valid, and still is of a public authority.
func origin(c Certificate) string {
	switch {
	case c.SelfSigned:
		return plan.OriginSelf
	case c.RootType == x509cert.RootThirdParty:
		return plan.OriginPublic
	}
	return plan.OriginPrivate
}

// Authorities says which public authority does what is asked of it.
func (d *Desk) Authorities(_ context.Context, w plan.Wants) ([]plan.Fit, error) { return plan.Fits(w) }
