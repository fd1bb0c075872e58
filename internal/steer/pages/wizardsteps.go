package pages

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// reachView is a service, and by which names clients reach it.
type reachView struct {
	Name, Listeners string
	On              bool
	Outside, Inside string
}

// proposalView is what the certificate would hold.
type proposalView struct {
	Names   []nameView
	Edited  bool
	Missing string
	Rest    []restView
	Reasons []string
}

type nameView struct {
	Name   string
	Common bool
}

type restView struct{ Names, Services, Why string }

// wizardPage words a step.
func (w *words) wizardPage(s stepShown, opening *desk.Opening) *wizardPage {
	a := s.answers
	page := &wizardPage{Step: string(s.step), Answers: a.Form().Encode()}
	titles := w.stepTitles()
	page.Title = titles[s.step]
	all := a.Steps()
	i := slices.Index(all, s.step)
	for n, one := range all {
		link := stepLink{Label: titles[one], Current: n == i}
		if n < i {
			link.Href = wizardAddress(one, a)
		}
		page.Steps = append(page.Steps, link)
	}
	if i > 0 {
		page.Back = wizardAddress(all[i-1], a)
	}
	switch s.step {
	case wizard.StepKind:
		page.Teach = w.say("wizard.kind.teach")
		page.Fields = []field{{Name: "kind", Kind: "radio", Label: w.say("wizard.kind"), Choices: chosen([]option{
			{Value: wizard.KindSelf, Label: w.say("wizard.self"), Help: w.say("wizard.self.teach")},
			{Value: wizard.KindOwn, Label: w.say("wizard.own"), Help: w.say("wizard.own.teach")},
			{Value: wizard.KindPublic, Label: w.say("wizard.public"), Help: w.say("wizard.public.teach")}}, a.Kind)}}
		page.NoAuthority = !opening.Authority
	case wizard.StepServices:
		page.Teach = w.say("wizard.services.teach")
		page.Services = reachOf(a, opening)
	case wizard.StepNames:
		w.wizardNames(page, s)
	case wizard.StepAuthority:
		w.wizardAuthorities(page, a)
	case wizard.StepOrganisation:
		validated := a.Kind == wizard.KindPublic && a.Validation == wizard.ValidationOrganisation
		page.Teach = w.say("wizard.organisation.teach")
		if validated {
			page.Teach = w.say("wizard.organisation.needed")
		}
		page.Fields = []field{{Name: "o", Kind: "text", Label: w.say("wizard.o"), Value: a.Organisation, Required: validated}, {Name: "ou", Kind: "text", Label: w.say("wizard.ou"), Value: a.Unit},
			{Name: "l", Kind: "text", Label: w.say("wizard.l"), Value: a.Locality}, {Name: "st", Kind: "text", Label: w.say("wizard.st"), Value: a.State},
			{Name: "c", Kind: "text", Label: w.say("wizard.c"), Help: w.say("wizard.c.help"), Value: a.Country, Required: validated}}
	case wizard.StepKey:
		w.wizardKey(page, a)
	case wizard.StepReview:
		w.wizardReview(page, a)
	}
	return page
}

// stepTitles are what the steps are called.
func (w *words) stepTitles() map[wizard.Step]string {
	return map[wizard.Step]string{wizard.StepKind: w.say("wizard.step-kind"), wizard.StepServices: w.say("wizard.step-services"), wizard.StepNames: w.say("wizard.step-names"),
		wizard.StepAuthority: w.say("wizard.step-authority"), wizard.StepOrganisation: w.say("wizard.step-organisation"), wizard.StepKey: w.say("wizard.step-key"), wizard.StepReview: w.say("wizard.step-review")}
}

// reachOf are the services with the names by which they are reached: as answered, else as they are today.
func reachOf(a wizard.Answers, opening *desk.Opening) []reachView {
	on := a.ServicesOf()
	if a.Services == "" {
		on = wizard.SuggestServices(opening)
	}
	var all []reachView
	for _, s := range listener.Services() {
		one := reachView{Name: string(s), Listeners: listed(s.Listeners()), On: slices.Contains(on, s),
			Outside: strings.Join(wizard.NamesFor(a.Outside, s), " "), Inside: strings.Join(wizard.NamesFor(a.Inside, s), " ")}
		if one.Outside == "" && one.Inside == "" && !(a.Services != "" && one.On) {
			one.Outside = strings.Join(wizard.SuggestNames(opening, s), " ")
		}
		all = append(all, one)
	}
	return all
}

// wizardNames shows what is proposed, to be edited.
func (w *words) wizardNames(page *wizardPage, s stepShown) {
	a := s.answers
	page.Teach, page.Again = w.say("wizard.names.teach"), w.say("wizard.look")
	names := field{Name: "domain", Kind: "area", Label: w.say("wizard.names"), Help: w.say("wizard.names.help"), Value: strings.Join(a.Names, "\n"), Required: true}
	common := field{Name: "common-name", Kind: "choice", Label: w.say("wizard.common-name"), Help: w.say("wizard.common-name.help")}
	p, err := a.Propose(time.Now())
	if err != nil { // what was typed stays, with what is wrong about it
		page.Fields, page.Reset = []field{names}, len(a.Names) > 0
		return
	}
	page.Proposal = w.proposal(p)
	page.Reset = p.Edited && len(p.Computed) > 0
	names.Value = strings.Join(p.Names, "\n")
	for _, name := range p.Names {
		if len(name) <= 64 {
			common.Choices = append(common.Choices, option{Value: name, Label: name})
		}
	}
	if a.Kind == wizard.KindPublic {
		common.Choices = append(common.Choices, option{Value: wizard.NoCommonName, Label: w.say("wizard.no-common-name")})
	}
	chosen(common.Choices, first([]string{p.CommonName, wizard.NoCommonName}))
	page.Fields = []field{names, common}
}

// proposal words what the certificate would hold.
func (w *words) proposal(p *wizard.Proposal) *proposalView {
	view := &proposalView{Edited: p.Edited && len(p.Computed) > 0, Missing: strings.Join(p.Missing, ", ")}
	for _, name := range p.Names {
		view.Names = append(view.Names, nameView{name, name == p.CommonName})
	}
	for _, r := range p.Rest {
		view.Rest = append(view.Rest, restView{strings.Join(r.Names, ", "), strings.Join(wordsOf(r.Services), ", "), w.either(r.Why)})
	}
	for _, text := range append(slices.Clone(p.Reasons), p.Notes...) {
		view.Reasons = append(view.Reasons, w.either(text))
	}
	return view
}

func wordsOf(services []listener.Service) []string {
	var all []string
	for _, s := range services {
		all = append(all, string(s))
	}
	return all
}

// either says a text of package plan in the reader's language.
func (w *words) either(t plan.Text) string {
	if w.patterns != nil {
		return t.Korean
	}
	return upper(t.English)
}

// wizardAuthorities shows which authorities fit, and why.
func (w *words) wizardAuthorities(page *wizardPage, a wizard.Answers) {
	page.Teach, page.Again = w.say("wizard.authority.teach"), w.say("wizard.fit")
	wants := field{Name: "want", Kind: "checks", Wide: true, Label: w.say("wizard.want"), Choices: chosen([]option{{Value: "windows", Label: w.say("wizard.want-windows")}, {Value: "ios", Label: w.say("wizard.want-ios")},
		{Value: "old-android", Label: w.say("wizard.want-old-android")}, {Value: "java", Label: w.say("wizard.want-java")}, {Value: "free", Label: w.say("wizard.want-free")},
		{Value: "acme", Label: w.say("wizard.want-acme")}, {Value: "client-auth", Label: w.say("wizard.want-client-auth")}}, a.Wants...)}
	authority := field{Name: "authority", Kind: "radio", Label: w.say("wizard.authority")}
	validation := a.Validation
	if validation == "" {
		validation = wizard.ValidationDomain
	}
	if p, err := a.Propose(time.Now()); err == nil {
		fits, err := a.Fits(p)
		if err != nil {
			fits = nil // a wish that there is not: the step says so
		}
		on := a.Authority
		for _, fit := range fits {
			if on == "" && fit.Fits == plan.FitYes {
				on = fit.Authority.ID
			}
			authority.Choices = append(authority.Choices, w.fit(fit, time.Now()))
		}
		authority.Choices = chosen(append(authority.Choices, option{Value: wizard.OtherAuthority, Label: w.say("wizard.other")}), on)
	}
	page.Fields = []field{wants, authority, {Name: "validation", Kind: "radio", Label: w.say("wizard.validation"), Choices: chosen([]option{
		{Value: wizard.ValidationDomain, Label: w.say("wizard.domain")}, {Value: wizard.ValidationOrganisation, Label: w.say("wizard.ov"), Help: w.say("wizard.ov.teach")}}, validation)}}
}

// fit words whether an authority fits.
func (w *words) fit(fit plan.Fit, now time.Time) option {
	verdict := map[string]string{plan.FitYes: w.say("wizard.fits"), plan.FitNo: w.say("wizard.fits-not"), plan.FitUnknown: w.say("wizard.fits-unknown")}
	cost := map[string]string{"free": w.say("wizard.free"), "paid": w.say("wizard.paid"), "free or paid": w.say("wizard.free-or-paid")}
	facts := []string{w.say("wizard.life", w.days(fit.Authority.LifeAt(now)))}
	if text, ok := cost[fit.Authority.Cost.Value]; ok {
		facts = append(facts, text)
	}
	for _, reason := range fit.Reasons {
		facts = append(facts, w.either(reason))
	}
	return option{Value: fit.Authority.ID, Label: fit.Authority.Name + " · " + verdict[fit.Fits], Help: strings.Join(facts, " · ")}
}

// wizardKey asks for the key, and what else a certificate has.
func (w *words) wizardKey(page *wizardPage, a wizard.Answers) {
	given := values{Values: a.Form()}
	kinds := values{Values: url.Values{"kind": {first(a.Keys)}}}
	key := w.choose("kind", w.kindsOf(kinds, a.Kind == wizard.KindSelf))
	key.Name = "key"
	page.Fields = []field{key}
	if len(a.Keys) > 1 { // two were asked for by an address; a choice has one
		key.Choices = append(key.Choices, option{Value: strings.Join(a.Keys, " "), Label: strings.Join(a.Keys, " + "), On: true})
	}
	if a.Kind == wizard.KindSelf {
		page.Fields = append(page.Fields, w.ask("text", "days", given, false))
	}
	if a.Kind == wizard.KindOwn { // its profile decides the rest
		return
	}
	name := w.ask("text", "name", given, false)
	name.Help = w.say("wizard.name.help")
	page.Fields = append(page.Fields, w.check("exportable", given), name)
}
