package pages

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

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
