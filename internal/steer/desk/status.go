package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/renewal"
)

// Status is what an administrator must know first.
type Status struct {
	Organisation string             `json:"organisation"`
	Server       string             `json:"server"`
	Trial        bool               `json:"trial"`
	Running      bool               `json:"running"`
	State        string             `json:"state"`        // "ok" or "attention"
	Attention    []health.Condition `json:"attention"`    // needs a person
	Information  []health.Condition `json:"information"`  // reminders
	Listeners    []ListenerView     `json:"listeners"`    //
	Certificates []Certificate      `json:"certificates"` // those in force, the one that ends first first
	RecoveryKey  string             `json:"recoveryKey"`  // its id; empty for none
	LastBackup   *BackupView        `json:"lastBackup,omitempty"`
	More         int                `json:"more"` // generations in force that are left out: nobody uses them, and they end later
}

// States of a Status.
const (
	StateOK        = "ok"
	StateAttention = "attention"
)

// Status looks at everything.
func (d *Desk) Status(ctx context.Context) (*Status, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	s := &Status{Organisation: v.org.Name, Server: v.server.Name, Trial: v.org.Trial, Running: d.runtime.Running(), State: StateOK,
		Attention: []health.Condition{}, Information: []health.Condition{}, Certificates: []Certificate{}}
	if s.Listeners, err = d.listenerViews(v); err != nil {
		return nil, err
	}
	if err := s.listCertificates(v); err != nil {
		return nil, err
	}
	tokens, err := d.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	safety, err := d.safety(ctx, v, s)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(d.health.List(), func(c health.Condition) bool { return c.Code == health.CodeAuditBroken })
	if !s.Running && !known {
		// The running server looks by itself; here only the end is looked at.
		if t, err := d.verdictOfAudit(ctx, false); err != nil {
			return nil, err
		} else if !t.Whole {
			safety = append(safety, (&AuditBrokenError{t.Faults}).condition())
		}
	}
	conditions := append(append(d.health.List(), d.conditions(v, s)...), safety...)
	conditions = append(conditions, tokenEndings(tokens)...)
	var roots []health.Condition
	if err := d.db.View(ctx, func(tx *state.Tx) error { roots, err = rootListConditions(tx, time.Now()); return err }); err != nil {
		return nil, err
	}
	conditions = append(conditions, roots...)
	var found []health.Condition
	if err := d.db.View(ctx, func(tx *state.Tx) error { found, err = zlintConditions(tx, time.Now()); return err }); err != nil {
		return nil, err
	}
	conditions = append(conditions, found...)
	health.Sort(conditions)
	for _, c := range conditions {
		if c.Severity == health.Attention {
			s.Attention = append(s.Attention, c)
			s.State = StateAttention
		} else {
			s.Information = append(s.Information, c)
		}
	}
	return s, nil
}

// maxCertificates bounds how many generations a status lists beside those in use: nobody reads ten thousand, and each
// has to be judged.
const maxCertificates = 200

// listCertificates lists the generations in force: those in use, and of the others those that end first.
func (s *Status) listCertificates(v *view) error {
	type ending struct {
		lineage state.Lineage
		current state.Generation
		at      time.Time // of the member that ends first
	}
	var listed, others []ending
	used := v.inUse()
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok {
			continue
		}
		e := ending{lineage: l, current: g}
		for _, m := range g.Members {
			at, _, err := v.facts.outline(m)
			if err != nil {
				return fmt.Errorf("reading certificate %s of %s: %w", m.Thumbprint, l.Name, err)
			}
			if e.at.IsZero() || at.Before(e.at) {
				e.at = at
			}
		}
		if _, ok := slices.BinarySearch(used, l.ID); ok {
			listed = append(listed, e)
		} else {
			others = append(others, e)
		}
	}
	slices.SortStableFunc(others, func(a, b ending) int { return a.at.Compare(b.at) })
	s.More = max(0, len(others)-maxCertificates)
	for _, e := range append(listed, others[:len(others)-s.More]...) {
		for _, m := range e.current.Members {
			c, err := v.certificate(e.lineage, e.current, m)
			if err != nil {
				return err
			}
			s.Certificates = append(s.Certificates, c)
		}
	}
	slices.SortStableFunc(s.Certificates, func(a, b Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	return nil
}

// conditions computes those that follow from the state.
func (d *Desk) conditions(v *view, s *Status) []health.Condition {
	var all []health.Condition
	attention := func(code health.Code, object, text string) {
		all = append(all, health.Condition{Code: code, Severity: health.Attention, Object: object, Text: text})
	}
	information := func(code health.Code, object, text string) {
		all = append(all, health.Condition{Code: code, Severity: health.Information, Object: object, Text: text})
	}
	if !s.Running {
		attention(health.CodeServerNotRunning, "", "no server is running on this data directory, so nothing is served")
	}
	switch {
	case d.runtime.Trial():
		information(health.CodeTrialMailbox, "", "the in-memory trial mailbox answers behind the front ends: for trying, messages are gone after a restart")
	case v.org.Trial && s.Running:
		attention(health.CodeTrialNotServed, "", "this organisation was made for a trial and runs without its mailbox: mail clients get a temporary error")
	}
	for _, l := range s.Listeners {
		if !l.Enabled || l.Service == "" {
			continue
		}
		switch {
		case l.Lineage == "" && l.Service == listener.ServiceManagement:
			attention(health.CodeManagementWithoutCertificate, l.Listener, "the management listener is closed: no certificate is bound to it")
		case l.Lineage == "":
			attention(health.CodeListenerWithoutCertificate, l.Listener, l.Listener+" is closed: no certificate is bound to it")
		}
	}
	if s.Running && !d.runtime.Trial() && !v.org.Trial && slices.ContainsFunc(s.Listeners, func(l ListenerView) bool { return l.Enabled && l.Protocol != "http" && l.Backend == "" }) {
		attention(health.CodeNoBackend, "", "front ends are enabled with no mail server behind them: mail clients get a temporary error")
	}
	all = append(all, d.endings(v, s.Certificates)...)
	all = append(all, v.objected(s.Certificates)...)
	return append(all, d.revocations(v, s.Certificates)...)
}

// endings reports lineages in use whose certificate has ended or soon will. Members are handled as one: the one
// that ends first speaks for its generation (certificates come in the order of their ends).
func (d *Desk) endings(v *view, certificates []Certificate) []health.Condition {
	var all []health.Condition
	said := make(map[string]bool)
	for _, c := range certificates {
		l, ok := v.named(c.Lineage)
		if !ok || said[l.ID] || len(v.roles(l.ID)) == 0 && len(v.bindingViews(l.ID)) == 0 {
			continue
		}
		said[l.ID] = true
		left := time.Until(c.NotAfter)
		condition := health.Condition{Severity: health.Attention, Object: c.Lineage}
		switch {
		case left <= 0:
			condition.Code, condition.Text = health.CodeCertificateExpired, fmt.Sprintf("%q (%s) ended on %s", c.Name, c.KeyType, c.NotAfter.Format(time.DateOnly))
		case time.Now().After(d.callAt(v, l, c)):
			condition.Code, condition.Text = health.CodeCertificateEnding, fmt.Sprintf("%q (%s) ends on %s, in %d days", c.Name, c.KeyType, c.NotAfter.Format(time.DateOnly), int(left.Hours()/24))
		case c.StatusReason != selfSignedReason && (c.Status == x509cert.StatusUntrusted || c.Status == x509cert.StatusInvalid):
			condition.Code, condition.Text = health.CodeCertificateUntrusted, fmt.Sprintf("%q is %s: %s", c.Name, c.Status, c.StatusReason)
		case waits(l) && time.Now().After(renewal.At(c.NotBefore, c.NotAfter)):
			condition.Code, condition.Text = health.CodeRenewalWaiting, fmt.Sprintf("%q is due for renewal, and its next generation waits", c.Name)
		default:
			continue
		}
		all = append(all, condition)
	}
	if v.org.AuthLineage == "" {
		all = append(all, health.Condition{Code: health.CodeAuthCertificateMissing, Severity: health.Attention, Text: "no certificate signs server-to-server tokens"})
	}
	return all
}

// objected reports, for each lineage in service, what clients of its listeners object to. What has ended, was revoked,
// or has an authority that nobody trusts is reported by [Desk.endings] and [Desk.revocations]; what was enabled
// nevertheless is a reminder, unless no client at all can use it.
func (v *view) objected(certificates []Certificate) []health.Condition {
	var all []health.Condition
	said := make(map[string]bool)
	for _, c := range certificates {
		l, ok := v.named(c.Lineage)
		if !ok || said[l.ID] {
			continue
		}
		said[l.ID] = true
		for _, r := range v.openObjections(l) {
			condition := health.Condition{Code: health.CodeClientsObject, Severity: health.Information, Object: c.Lineage}
			switch r.kind {
			case objectDate, objectStatus:
				continue
			case objectTrust:
				if !c.SelfSigned {
					continue
				}
			case objectEarly, objectPurpose:
				condition.Severity = health.Attention
			case objectName:
				condition.Code, condition.Object = health.CodeNameNotCovered, r.listeners[0]
			}
			condition.Text = fmt.Sprintf("%s: %q: %s", strings.Join(r.listeners, ", "), c.Name, r.text)
			all = append(all, condition)
		}
	}
	return all
}

// reproach is an objection with the listeners that are open to it.
type reproach struct {
	objection
	listeners []string
}

// openObjections are those at the enabled listeners of a lineage, each once.
func (v *view) openObjections(l state.Lineage) []reproach {
	var all []reproach
	for _, at := range v.listeners {
		role := v.role(at.Name, l.ID)
		if role == "" || !at.Enabled {
			continue
		}
		said, err := v.objectionsAt(at, role, l)
		if err != nil {
			continue // what cannot be read has failed the whole look before
		}
		for _, o := range said {
			i := slices.IndexFunc(all, func(r reproach) bool { return r.text == o.text })
			if i < 0 {
				i, all = len(all), append(all, reproach{objection: o})
			}
			all[i].listeners = append(all[i].listeners, at.Name)
		}
	}
	return all
}

// waits says whether a next generation of l waits for a person.
func waits(l state.Lineage) bool {
	_, ok := l.InState(state.StateNext)
	return ok
}

// callAt is when a certificate that is near its end calls for a person: one that renews by itself only when
// it should have long ago.
func (d *Desk) callAt(v *view, l state.Lineage, c Certificate) time.Time {
	if d.runtime.Running() && v.renewsItself(l) {
		return renewal.Overdue(c.NotBefore, c.NotAfter)
	}
	return renewal.Ending(c.NotBefore, c.NotAfter)
}
