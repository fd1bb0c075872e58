package pages

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/wizard"
)

// reviewRow is an answer, and the step where it is changed.
type reviewRow struct {
	Name, Href string
	Values     []string
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
