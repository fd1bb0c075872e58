package desk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/plan"
)

// planned are the names of a small organisation with an edge.
func planned() PlanRequest {
	imap, smtp, management := []listener.Service{listener.ServiceIMAP}, []listener.Service{listener.ServiceSMTP}, []listener.Service{listener.ServiceManagement}
	return PlanRequest{Authority: "letsencrypt", Needs: []plan.Need{
		{Name: "mail.example.com", Services: imap, Zone: plan.ZoneInside}, {Name: "imap.example.com", Services: imap, Zone: plan.ZoneInside},
		{Name: "mx.example.com", Services: smtp, Zone: plan.ZoneEdge}, {Name: "admin.example.com", Services: management, Zone: plan.ZoneManagement},
	}}
}

func TestPlanOfTheOrganisation(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	entries := func() []string {
		t.Helper()
		p, err := h.Plan(t.Context(), PlanRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range p.Recommended().Certificates {
			all = append(all, fmt.Sprintf("%s %s %s", c.Zone, c.Issuer, strings.Join(c.Entries, " ")))
		}
		slices.Sort(all)
		return all
	}
	want := []string{"inside public autodiscover.example.com mail1.example.com", "management self mail1.example.com"}
	if got := entries(); !slices.Equal(got, want) {
		t.Errorf("the defaults alone: got %q, want %q", got, want)
	}
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail", "mail.example.com", "smtp.example.com"}})
	h.enable(t, EnableRequest{ID: "mail", Services: "IMAP,POP,SMTP,HTTP"})
	want[0] = "inside public autodiscover.example.com mail.example.com smtp.example.com"
	if got := entries(); !slices.Equal(got, want) {
		t.Errorf("with a certificate bound: got %q, want %q", got, want)
	}
	beside := newHouse(t, func(o *SetupOptions) { o.Mode = ModeBeside })
	p, err := beside.Plan(t.Context(), PlanRequest{})
	if err != nil || len(p.Warnings) == 0 || !strings.Contains(p.Warnings[len(p.Warnings)-1].English, "beside us are not known") {
		t.Errorf("beside: got %+v, %v, want a warning", p, err)
	}
}

func TestApplyPlan(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	before := h.picture(t)
	r := ApplyRequest{PlanRequest: planned()}
	r.DryRun = true
	preview, err := h.ApplyPlan(t.Context(), tester(), r)
	if err != nil || !h.picture(t).equal(before) || preview.Undo != "" || len(preview.Planned) != 3 {
		t.Fatalf("dry run: got %+v, %v, want three and no change", preview, err)
	}
	r.DryRun = false
	done, err := h.ApplyPlan(t.Context(), tester(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range done.Planned {
		shown := preview.Planned[i]
		if one.Lineage != shown.Lineage || !slices.Equal(one.Names, shown.Names) || one.There {
			t.Errorf("got %+v, shown was %+v", one, shown)
		}
		c, err := h.Certificate(t.Context(), one.Lineage)
		if err != nil {
			t.Fatal(err)
		}
		names := slices.Sorted(slices.Values(c.Names))
		if !slices.Equal(names, slices.Sorted(slices.Values(one.Names))) || len(c.Bindings) > 0 {
			t.Errorf("%s: got %+v, want the names %v and no binding", one.Lineage, c, one.Names)
		}
		if self := one.Issuer == plan.IssuerSelf; self == (c.Status == x509cert.StatusPendingRequest) || self != (one.Request.PEM == "") {
			t.Errorf("%s of %s: got status %s", one.Lineage, one.Issuer, c.Status)
		}
	}
	again, err := h.ApplyPlan(t.Context(), tester(), r)
	if err != nil || again.Undo != "" || slices.ContainsFunc(again.Planned, func(p PlannedView) bool { return !p.There }) {
		t.Errorf("a second time: got %+v, %v, want nothing done", again, err)
	}
	if err := h.run(t, done.Undo); err != nil || !h.picture(t).equal(before) {
		t.Errorf("undone by %s: got %v and another organisation than before", done.Undo, err)
	}
}

// TestApplyPlanFaults: all certificates of a plan, or none.
func TestApplyPlanFaults(t *testing.T) {
	t.Parallel()
	for kind, stored := range map[faultKind]int{faultRefused: 0, faultLost: 3} {
		h := newHouse(t, nil)
		lineages, err := h.Lineages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		secrets := h.count(t, `SELECT count(*) FROM secret`)
		h.fault.set(kind)
		_, err = h.ApplyPlan(t.Context(), tester(), ApplyRequest{PlanRequest: planned()})
		if (err == nil) != (kind == faultLost) { // reading back finds it
			t.Errorf("fault %d: got %v", kind, err)
		}
		after, err := h.Lineages(t.Context())
		if err != nil || len(after) != len(lineages)+stored {
			t.Errorf("fault %d: got %d lineages, %v, want %d more than %d", kind, len(after), err, stored, len(lineages))
		}
		if got := h.count(t, `SELECT count(*) FROM secret`); stored == 0 && got != secrets {
			t.Errorf("fault %d: %d keys are left over", kind, got-secrets)
		}
	}
}

func TestApplyPlanRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	large := planned()
	large.Needs = nil
	for k := range maxPlanned + 1 {
		large.Needs = append(large.Needs, plan.Need{Name: fmt.Sprintf("h%03d.example.com", k), Services: []listener.Service{listener.ServiceIMAP}, Zone: plan.ZoneInside})
	}
	bad := planned()
	bad.Needs[0].Zone = "dmz"
	seq := h.db.Seq()
	for _, c := range []struct {
		request ApplyRequest
		is      func(error) bool
	}{
		{ApplyRequest{PlanRequest: planned(), Choice: "best"}, isError[*plan.UnknownChoiceError]},
		{ApplyRequest{PlanRequest: PlanRequest{Authority: "verisign"}}, isError[*plan.UnknownAuthorityError]},
		{ApplyRequest{PlanRequest: bad}, isError[*plan.InventoryError]},
		{ApplyRequest{PlanRequest: large, Choice: plan.ChoicePerHost}, isError[*PlanTooLargeError]},
		{ApplyRequest{Doing: Doing{IfSeq: seq + 1}, PlanRequest: planned()}, func(err error) bool { return errors.Is(err, state.ErrStale) }},
	} {
		if _, err := h.ApplyPlan(t.Context(), tester(), c.request); !c.is(err) {
			t.Errorf("%s, %s: got %v", c.request.Choice, c.request.Authority, err)
		}
	}
	if h.db.Seq() != seq {
		t.Error("a refusal changed something")
	}
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestCalendarOfTheOrganisation(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail.example.com"}})
	h.enable(t, EnableRequest{ID: "mail", Services: "IMAP"})
	if _, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Shop", Lineage: "shop", Domains: []string{"shop.example.com"}}); err != nil {
		t.Fatal(err)
	}
	c, err := h.Calendar(t.Context(), CalendarRequest{})
	if err != nil {
		t.Fatal(err)
	}
	has := func(subject, effect, rule string) bool {
		return slices.ContainsFunc(c.Effects, func(e plan.Effect) bool { return e.Subject == subject && e.Effect == effect && e.Rule == rule })
	}
	if !has("auth", plan.EffectNone, "") || has("auth", plan.EffectWork, "") {
		t.Errorf("the auth certificate renews by itself: got %+v", c.Effects)
	}
	if !has("mail", plan.EffectNone, "") || !has("mail", plan.EffectWork, "") {
		t.Errorf("a self-signed certificate: got %+v, want that no rule binds it, and its end", c.Effects)
	}
	i := slices.IndexFunc(c.Effects, func(e plan.Effect) bool { return e.Subject == "mail" })
	if got := c.Effects[i].Listeners; !slices.Equal(got, []string{"imap", "imaps"}) {
		t.Errorf("listeners: got %v", got)
	}
	past, err := h.Calendar(t.Context(), CalendarRequest{Past: true})
	if err != nil || len(past.Rules) <= len(c.Rules) {
		t.Errorf("got %d rules with those of the past, %v, %d without", len(past.Rules), err, len(c.Rules))
	}
	if fits, err := h.Authorities(t.Context(), plan.Wants{}); err != nil || len(fits) != len(plan.Authorities()) {
		t.Errorf("authorities: got %d, %v", len(fits), err)
	}
}
