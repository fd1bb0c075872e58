package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// maxAnswerBytes bounds the answers that an address carries: a hundred long names and more.
const maxAnswerBytes = 64 << 10

// The wizard keeps nothing on the server. All answers stand in the address of each step, so Back, reloading, the switch of
// the language and a second tab do what one expects, and nothing that was typed gets lost. Nobody needs to sign them: who
// is signed in may ask for any certificate, and package wizard looks at every answer anew at every step.

// wizardPage is one step, worded.
type wizardPage struct {
	Title, Teach string
	Step         string
	Answers      string
	Steps        []stepLink
	Problem      *notice
	Services     []reachView
	Proposal     *proposalView
	Fields       []field
	Review       []reviewRow
	Notes        []string
	Command      string
	Back         string // where Back leads; empty on the first step
	Again        string // what the button says that shows the same step anew; empty for none
	Reset        bool   // there are edits to take back
	NoAuthority  bool   // the organisation has none of its own yet
}

// stepLink is a step in the row of all.
type stepLink struct {
	Label, Href string // no address for what comes later
	Current     bool
}

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

// reviewRow is an answer, and the step where it is changed.
type reviewRow struct {
	Name, Href string
	Values     []string
}

// wizardAddress is the address of a step.
func wizardAddress(s wizard.Step, a wizard.Answers) string {
	return address("/wizard", "step", string(s), "answers", a.Form().Encode())
}

// answersIn reads the answers of an address or a form. What cannot be read has no answers, and the steps ask again.
func answersIn(form url.Values) wizard.Answers {
	text := form.Get("answers")
	if len(text) > maxAnswerBytes {
		text = ""
	}
	given, err := url.ParseQuery(text)
	if err != nil {
		return wizard.Answers{}
	}
	return wizard.Read(given)
}

// stepIn is the step that a form asks for; the first where there is no such step.
func stepIn(form url.Values, a wizard.Answers) wizard.Step {
	if s := wizard.Step(form.Get("step")); slices.Contains(a.Steps(), s) {
		return s
	}
	return wizard.StepKind
}

// wizard shows a step, or takes its answers and leads on.
func (p *center) wizard(w http.ResponseWriter, r *http.Request, v visitor) {
	form := r.URL.Query()
	a := answersIn(form)
	step := stepIn(form, a)
	going := form.Get("go")
	if going == "" {
		if at, err := p.wizardProblem(r.Context(), a, step); err != nil && at != step { // what comes before is not answered
			http.Redirect(w, r, wizardAddress(at, a), http.StatusSeeOther)
			return
		}
		p.showStep(w, r, v, stepShown{answers: a, step: step})
		return
	}
	a = taken(a, step, form, going == "propose")
	at, err := p.wizardProblem(r.Context(), a, step)
	all := a.Steps()
	i := slices.Index(all, step)
	switch {
	case going == "back":
		http.Redirect(w, r, wizardAddress(all[max(i-1, 0)], a), http.StatusSeeOther)
	case err != nil && at == step:
		p.showStep(w, r, v, stepShown{answers: a, step: step, wrong: err})
	case err != nil:
		http.Redirect(w, r, wizardAddress(at, a), http.StatusSeeOther)
	case going == "next" && i+1 < len(all):
		http.Redirect(w, r, wizardAddress(all[i+1], a), http.StatusSeeOther)
	default:
		http.Redirect(w, r, wizardAddress(step, a), http.StatusSeeOther)
	}
}

// wizardProblem is the first step, up to and with until, that is not answered well, and why.
func (p *center) wizardProblem(ctx context.Context, a wizard.Answers, until wizard.Step) (wizard.Step, error) {
	if a.Kind == wizard.KindOwn {
		if opening, err := p.desk.Opening(ctx); err != nil {
			return wizard.StepKind, err
		} else if !opening.Authority {
			return wizard.StepKind, desk.ErrNoAuthority
		}
	}
	return a.Problem(until, time.Now())
}

// taken puts the answers of one step, as they were sent, into all answers.
func taken(a wizard.Answers, step wizard.Step, form url.Values, propose bool) wizard.Answers {
	sent := wizard.Read(form)
	given := values{Values: form}
	switch step {
	case wizard.StepKind:
		a.Kind = sent.Kind
	case wizard.StepServices:
		a.Services, a.Outside, a.Inside = strings.Join(form["services"], ","), nil, nil
		for _, s := range listener.Services() {
			for _, name := range given.lines("outside-" + string(s)) {
				a.Outside = append(a.Outside, string(s)+"="+name)
			}
			for _, name := range given.lines("inside-" + string(s)) {
				a.Inside = append(a.Inside, string(s)+"="+name)
			}
		}
		a.Services = strings.TrimSpace(a.Services)
		// The names of a service that is not chosen are no answer.
		idle := func(one string) bool {
			service, _, _ := strings.Cut(one, "=")
			return !slices.Contains(form["services"], service)
		}
		a.Outside, a.Inside = slices.DeleteFunc(a.Outside, idle), slices.DeleteFunc(a.Inside, idle)
	case wizard.StepNames:
		a.CommonName, a.Names = sent.CommonName, nil
		names := given.lines("domain")
		if propose {
			a.CommonName = ""
			return a
		}
		if a.CommonName != wizard.NoCommonName && !slices.Contains(names, a.CommonName) {
			a.CommonName = "" // it has gone with its name
		}
		computed := a
		computed.CommonName = ""
		if p, err := computed.Propose(time.Now()); err != nil || !sameNames(p.Computed, names) {
			a.Names = names // as proposed, they follow the proposal; otherwise they stay as they were typed
		}
	case wizard.StepAuthority:
		a.Wants, a.Authority, a.Validation = sent.Wants, sent.Authority, sent.Validation
	case wizard.StepOrganisation:
		a.Organisation, a.Unit, a.Locality, a.State, a.Country = sent.Organisation, sent.Unit, sent.Locality, sent.State, sent.Country
	case wizard.StepKey:
		a.Keys, a.Days, a.Exportable, a.Name = given.lines("key"), sent.Days, sent.Exportable, sent.Name
	}
	return a
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// stepShown is a step to be shown, perhaps with what is wrong with its answers.
type stepShown struct {
	answers wizard.Answers
	step    wizard.Step
	wrong   error
}

func (p *center) showStep(w http.ResponseWriter, r *http.Request, v visitor, s stepShown) {
	opening, err := p.desk.Opening(r.Context())
	if err != nil {
		p.broken(w, r, "opening the wizard", err)
		return
	}
	page := v.words.wizardPage(s, opening)
	out := sheet{template: "wizard", title: "wizard.title", path: "/wizard", keep: []string{"step", string(s.step), "answers", s.answers.Form().Encode()}, here: "certificates", body: page}
	if s.wrong != nil {
		n, ok := v.words.wrongAnswer(s.wrong)
		if !ok {
			p.broken(w, r, "reading the wizard", s.wrong)
			return
		}
		page.Problem, out.status = n, http.StatusUnprocessableEntity
	}
	p.show(w, r, v, out)
}

// wrongAnswer words what is wrong with an answer.
func (w *words) wrongAnswer(err error) (*notice, bool) {
	if missing, ok := errors.AsType[*wizard.MissingError](err); ok {
		texts := map[string]string{"kind": w.say("wizard.missing-kind"), "services": w.say("wizard.missing-services"), "outside": w.say("wizard.missing-outside"),
			"authority": w.say("wizard.missing-authority"), "o": w.say("wizard.missing-o"), "c": w.say("wizard.missing-c"), "l": w.say("wizard.missing-l")}
		return &notice{Text: texts[missing.Answer]}, true
	}
	problem, ok := errors.AsType[*admin.Problem](problemOf(err))
	if !ok {
		return nil, false
	}
	n := w.problem(problem)
	return &n, true
}

// finishWizard shows what the answers would change; to confirm it is the same as anywhere.
func (p *center) finishWizard(w http.ResponseWriter, r *http.Request, v visitor) {
	given, ok := p.read(w, r)
	if !ok {
		return
	}
	a := answersIn(given.Values)
	at, err := p.wizardProblem(r.Context(), a, wizard.StepReview)
	if err != nil {
		p.showStep(w, r, v, stepShown{answers: a, step: at, wrong: err})
		return
	}
	result, err := a.Result(time.Now())
	if err != nil {
		p.broken(w, r, "ending the wizard", err)
		return
	}
	d, err := draftOf(result)
	if err != nil {
		p.broken(w, r, "ending the wizard", err)
		return
	}
	d.back = wizardAddress(wizard.StepReview, a)
	if err := p.foresee(r.Context(), v, &d); err != nil {
		p.showStep(w, r, v, stepShown{answers: a, step: wizard.StepReview, wrong: err})
		return
	}
	p.preview(w, r, v, d, false)
}

// draftOf makes the act of what the wizard came to.
func draftOf(r *wizard.Result) (draft, error) {
	if r.New != nil {
		s, err := newStep("cert/new", "act.new", r.New.Name, *r.New)
		return draft{steps: []step{s}}, err
	}
	if r.Issue != nil {
		s, err := newStep("ca/issue", "act.ca-issue", listed(r.Issue.Domains), *r.Issue)
		return draft{steps: []step{s}}, err
	}
	s, err := newStep("cert/request", "act.request", r.Ask.Name, *r.Ask)
	return draft{steps: []step{s}}, err
}

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

// wizardReview shows all answers, each with the way to change it.
func (w *words) wizardReview(page *wizardPage, a wizard.Answers) {
	page.Teach = w.say("wizard.review.teach")
	r, err := a.Result(time.Now())
	if err != nil {
		page.Review = []reviewRow{}
		return
	}
	add := func(name string, at wizard.Step, texts ...string) {
		texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
		if len(texts) > 0 {
			page.Review = append(page.Review, reviewRow{Name: name, Href: wizardAddress(at, a), Values: texts})
		}
	}
	kind := map[string]string{wizard.KindSelf: w.say("wizard.self"), wizard.KindOwn: w.say("wizard.own"), wizard.KindPublic: w.say("wizard.public")}
	add(w.say("wizard.kind"), wizard.StepKind, kind[a.Kind])
	add(w.say("wizard.step-services"), wizard.StepServices, wordsOf(r.Proposal.Services)...)
	add(w.say("wizard.names"), wizard.StepNames, r.Proposal.Names...)
	add(w.say("wizard.common-name"), wizard.StepNames, r.Proposal.CommonName)
	if a.Kind == wizard.KindPublic {
		for _, one := range plan.Authorities() {
			if one.ID == a.Authority {
				add(w.say("wizard.authority"), wizard.StepAuthority, one.Name)
			}
		}
	}
	add(w.say("wizard.step-organisation"), wizard.StepOrganisation, a.Organisation, a.Unit, a.Locality, a.State, strings.ToUpper(a.Country))
	key := slices.Clone(a.Keys)
	if len(key) == 0 {
		key = []string{w.kindsOf(values{Values: url.Values{}}, a.Kind == wizard.KindSelf)[0].Label}
	}
	add(w.say("wizard.step-key"), wizard.StepKey, key...)
	switch {
	case r.New != nil:
		add(w.say("field.name"), wizard.StepKey, r.New.Name)
	case r.Ask != nil:
		add(w.say("field.name"), wizard.StepKey, r.Ask.Name)
	}
	for _, note := range r.Notes {
		page.Notes = append(page.Notes, w.either(note))
	}
	if len(r.Proposal.Missing) > 0 {
		page.Notes = append(page.Notes, w.say("wizard.missing", listed(r.Proposal.Missing)))
	}
	var typed []string
	for _, word := range r.Command() {
		typed = append(typed, shellWord(word))
	}
	page.Command = strings.Join(typed, " ")
}

// shellWord quotes a word of a command line where a shell would take it apart.
func shellWord(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.,=_-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
