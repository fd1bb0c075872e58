package pages

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/wizard"
)

// maxAnswerBytes bounds the answers that an address carries: a hundred long names and more.
const maxAnswerBytes = 64 << 10

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
