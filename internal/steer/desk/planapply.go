package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/state"
	"postseal/internal/issue/request"
	"postseal/internal/keep/plan"
)

// maxPlanned bounds what one act makes: an RSA key takes a tenth of a second, and the state is locked meanwhile.
const maxPlanned = 200

// PlanTooLargeError reports a choice that asks for more certificates than one act makes.
type PlanTooLargeError struct {
	Choice       string
	Certificates int
	Most         int
}

func (e *PlanTooLargeError) Error() string {
	return fmt.Sprintf("carrying out %s: it asks for %d certificates, at most %d are made at once", e.Choice, e.Certificates, e.Most)
}

// ApplyRequest asks to carry out a choice of a plan.
type ApplyRequest struct {
	Doing
	PlanRequest
	Choice string `json:"choice,omitempty"` // its name; empty means the recommended one
}

// PlannedView is one certificate of a plan that is carried out.
type PlannedView struct {
	Lineage string      `json:"lineage"`
	Zone    plan.Zone   `json:"zone"`
	Issuer  string      `json:"issuer"` // plan.IssuerSelf: made; else it waits for the authority's answer
	Names   []string    `json:"names"`
	There   bool        `json:"there"`             // it was there before; nothing was done
	Request RequestView `json:"request,omitempty"` // what goes to the authority; empty for those that sign themselves, and in a dry run
}

// ApplyAnswer is what became of a choice.
type ApplyAnswer struct {
	Change
	Choice  string        `json:"choice"`
	Planned []PlannedView `json:"planned"`
}

// ApplyPlan carries out a choice in one transaction: a self-signed certificate, or a key and a request for the
// authority, in a lineage of its own for each certificate that is planned. One that is there already, or is asked for
// already, with just these names and by the same kind of issuer, is left as it is; so doing it twice does it once.
// Nothing is bound to a service: that is for cert enable, when the certificate is there.
func (d *Desk) ApplyPlan(ctx context.Context, who state.Actor, r ApplyRequest) (*ApplyAnswer, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	answer := &ApplyAnswer{}
	change, err := d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		return answer.carryOut(v, r)
	})
	if err != nil {
		return nil, err
	}
	answer.Change = *change
	return answer, nil
}

// carryOut computes what is made.
func (a *ApplyAnswer) carryOut(v *view, r ApplyRequest) (*Change, func(tx *state.Tx) error, error) {
	p, err := v.plan(r.PlanRequest)
	if err != nil {
		return nil, nil, err
	}
	choice := p.Recommended()
	if r.Choice != "" {
		if choice, err = p.Choice(r.Choice); err != nil {
			return nil, nil, err
		}
	}
	a.Choice, a.Planned = choice.Name, []PlannedView{}
	change := newChange(v)
	var missing []plan.Certificate
	counted := make(map[string]bool) // zones share no key, so one lineage does for one planned certificate
	for _, c := range choice.Certificates {
		if l, ok := v.holds(c, len(r.Needs) == 0, counted); ok {
			a.Planned = append(a.Planned, PlannedView{Lineage: l, Zone: c.Zone, Issuer: c.Issuer, Names: c.Entries, There: true})
			continue
		}
		missing = append(missing, c)
	}
	if len(missing) > maxPlanned {
		return nil, nil, &PlanTooLargeError{Choice: choice.Name, Certificates: len(missing), Most: maxPlanned}
	}
	for _, r := range choice.Redirects {
		change.Warnings = append(change.Warnings, fmt.Sprintf("%s gets no certificate: clients must use %s first", r.From, r.To))
	}
	s := v.sealer()
	var made []state.Lineage
	var undo []string
	for _, c := range missing {
		l, view, err := s.planned(v, c, r.DryRun)
		if err != nil {
			return nil, nil, err
		}
		a.Planned = append(a.Planned, view)
		if r.DryRun {
			continue
		}
		made = append(made, l)
		if err := change.list(v, l, l.Generations[0]); err != nil {
			return nil, nil, err
		}
		undo = append(undo, "postseal cert remove "+l.Generations[0].Members[0].Thumbprint)
	}
	if len(missing) == 0 {
		change.Warnings = append(change.Warnings, "nothing to make: each certificate of the plan is there, or asked for, already")
	}
	change.Undo = strings.Join(undo, " && ")
	if len(made) == 0 {
		return change, nil, nil
	}
	return change, func(tx *state.Tx) error {
		for _, secret := range s.made {
			if err := tx.AddSecret(secret); err != nil {
				return err
			}
		}
		for _, l := range made {
			if err := tx.AddLineage(l); err != nil {
				return err
			}
			act := "new"
			if l.Origin == state.OriginRequest {
				act = "request"
			}
			if err := tx.Audit(act, l.Name, nil, map[string]any{"name": l.FriendlyName, "plan": choice.Name, "thumbprints": thumbprints(l)}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// holds finds the lineage that has a planned certificate, in force or asked for. own says that the plan is for this
// organisation: there the certificates of setup do for management and among the servers. counted are the lineages that
// another planned certificate has taken already.
func (v *view) holds(c plan.Certificate, own bool, counted map[string]bool) (string, bool) {
	wanted := slices.Sorted(slices.Values(c.Entries))
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok && len(l.Generations) > 0 && l.Generations[0].State == state.StatePending {
			g, ok = l.Generations[0], true
		}
		if !ok {
			continue
		}
		view, err := v.certificate(l, g, g.Members[0])
		if err != nil {
			continue // what cannot be read is no certificate
		}
		if self := l.Origin == state.OriginNew || view.SelfSigned; self != (c.Issuer == plan.IssuerSelf) {
			continue
		}
		names := slices.Sorted(slices.Values(view.Names))
		if l.Origin == state.OriginSetup {
			if own && c.Zone == plan.ZoneManagement && !slices.ContainsFunc(wanted, func(n string) bool { return !slices.Contains(names, n) }) && l.ID != v.server.InternalLineage {
				return l.Name, true
			}
			continue
		}
		if slices.Equal(names, wanted) && !counted[l.Name] {
			counted[l.Name] = true
			return l.Name, true
		}
	}
	return "", false
}

// planned makes one certificate or request of a plan, in a lineage of its own.
func (s *sealer) planned(v *view, c plan.Certificate, dry bool) (state.Lineage, PlannedView, error) {
	view := PlannedView{Zone: c.Zone, Issuer: c.Issuer, Names: c.Entries}
	friendly := nameOf(c.Entries[0])
	stem := c.Entries[0]
	if c.Zone != plan.ZoneInside {
		stem = string(c.Zone) + "." + stem
		friendly = nameOf(fmt.Sprintf("%s (%s)", c.Entries[0], c.Zone))
	}
	ask := AskRequest{Name: friendly, Domains: c.Entries}
	checked, err := ask.plan(v.server.ID)
	if c.Issuer == plan.IssuerSelf {
		checked, err = NewRequest{Name: friendly, Domains: c.Entries}.plan(v.server.ID)
	}
	if err != nil {
		return state.Lineage{}, view, err
	}
	if err := checked.complete(v); err != nil {
		return state.Lineage{}, view, err
	}
	checked.spec.name = v.freeName(strings.Replace(stem, "*", "wildcard", 1))
	view.Lineage = checked.spec.name
	v.take(view.Lineage)
	if dry {
		return state.Lineage{}, view, nil
	}
	if c.Issuer == plan.IssuerSelf {
		l, err := s.lineage(checked.spec)
		return l, view, err
	}
	l := state.Lineage{ID: newID(), Name: view.Lineage, ServerID: v.server.ID, FriendlyName: friendly, Origin: state.OriginRequest, Activation: ActivationAuto, KeyAtRenewal: KeyNew}
	g := state.Generation{ID: newID(), Number: 1, State: state.StatePending}
	m, err := s.request(checked.spec.kinds[0], request.Options{Names: checked.spec.options.Names})
	if err != nil {
		return l, view, err
	}
	g.Members = []state.Member{m}
	l.Generations = []state.Generation{g}
	view.Request, err = requestView(m)
	return l, view, err
}

// take keeps a name from being given to another lineage of the same act.
func (v *view) take(name string) {
	v.byName[name] = len(v.lineages)
	v.lineages = append(v.lineages, state.Lineage{Name: name})
}

// nameOf makes a friendly name of names, which are ASCII: at most as long as one may be.
func nameOf(text string) string { return text[:min(len(text), 63)] }
