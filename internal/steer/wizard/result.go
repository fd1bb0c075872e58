package wizard

import (
	"crypto/x509/pkix"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
)

// Step is one page of questions.
type Step string

// The steps, in order.
const (
	StepKind         Step = "kind"
	StepServices     Step = "services"
	StepNames        Step = "names"
	StepAuthority    Step = "authority" // only for a public one
	StepOrganisation Step = "organisation"
	StepKey          Step = "key"
	StepReview       Step = "review"
)

// Steps returns the steps that these answers lead through.
func (a Answers) Steps() []Step {
	all := []Step{StepKind, StepServices, StepNames, StepAuthority, StepOrganisation, StepKey, StepReview}
	return slices.DeleteFunc(all, func(s Step) bool {
		// The subject of what our own authority signs is made by its profile, so nobody is asked for it.
		return s == StepAuthority && a.Kind != KindPublic || s == StepOrganisation && a.Kind == KindOwn
	})
}

// Problem returns the first step, up to and with until, that is not answered well, and why; no error when all are.
func (a Answers) Problem(until Step, now time.Time) (Step, error) {
	for _, s := range a.Steps() {
		if err := a.check(s, now); err != nil {
			return s, err
		}
		if s == until {
			break
		}
	}
	return until, nil
}

func (a Answers) check(s Step, now time.Time) error {
	switch s {
	case StepKind:
		return a.checkKind()
	case StepServices:
		_, err := a.needs()
		return err
	case StepNames:
		_, err := a.Propose(now)
		return err
	case StepAuthority:
		return a.checkAuthority()
	case StepOrganisation:
		return a.checkOrganisation()
	}
	_, err := a.Result(now)
	return err
}

func (a Answers) checkKind() error {
	switch a.Kind {
	case "":
		return &MissingError{Answer: "kind"}
	case KindSelf, KindOwn, KindPublic:
		return nil
	}
	return &AnswerError{"kind", a.Kind, "want " + strings.Join(KindWords(), ", ")}
}

// AuthorityWords returns the words of --authority.
func AuthorityWords() []string {
	var words []string
	for _, one := range plan.Authorities() {
		words = append(words, one.ID)
	}
	return append(words, OtherAuthority)
}

func (a Answers) checkAuthority() error {
	if a.Authority == "" {
		return &MissingError{Answer: "authority"}
	}
	if !slices.Contains(AuthorityWords(), a.Authority) {
		return &plan.UnknownAuthorityError{Word: a.Authority}
	}
	for _, word := range a.Wants {
		if !slices.Contains(plan.WantWords(), word) {
			return &plan.UnknownWantError{Word: word}
		}
	}
	switch a.Validation {
	case "", ValidationDomain, ValidationOrganisation:
		return nil
	}
	return &AnswerError{"validation", a.Validation, "want " + ValidationDomain + " or " + ValidationOrganisation}
}

// checkOrganisation asks for what an authority needs that looks at who we are (Baseline Requirements section 7.1.2.7.4:
// the organisation, its country, and its state or its place).
func (a Answers) checkOrganisation() error {
	if a.Kind == KindPublic && a.Validation == ValidationOrganisation {
		const why = "an authority that validates the organisation needs it"
		switch {
		case a.Organisation == "":
			return &MissingError{"o", why}
		case a.Country == "":
			return &MissingError{"c", why}
		case a.Locality == "" && a.State == "":
			return &MissingError{"l", why + ", or --st"}
		}
	}
	if c := a.Country; c != "" && (len(c) != 2 || strings.Trim(strings.ToUpper(c), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return &AnswerError{"c", c, "want the two letters of a country, like KR"}
	}
	subject := a.subject()
	if len(subject.Organization)+len(subject.OrganizationalUnit)+len(subject.Locality)+len(subject.Province)+len(subject.Country) == 0 {
		return nil
	}
	return x509cert.CheckSubject(subject)
}

// subject are the answers of StepOrganisation.
func (a Answers) subject() pkix.Name {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	return pkix.Name{Organization: one(a.Organisation), OrganizationalUnit: one(a.Unit), Locality: one(a.Locality), Province: one(a.State), Country: one(strings.ToUpper(a.Country))}
}

// Result is what the answers come to.
type Result struct {
	Proposal *Proposal
	// One of the three, by the kind: New for KindSelf, Issue for KindOwn, Ask for KindPublic.
	New   *desk.NewRequest
	Issue *desk.IssueRequest
	Ask   *desk.AskRequest
	Notes []plan.Text // beside those of the proposal
}

// Result makes the request of all answers. The errors are those of [Answers.Problem].
func (a Answers) Result(now time.Time) (*Result, error) {
	if err := a.checkKind(); err != nil {
		return nil, err
	}
	p, err := a.Propose(now)
	if err != nil {
		return nil, err
	}
	if a.Kind == KindPublic {
		if err := a.checkAuthority(); err != nil {
			return nil, err
		}
	}
	if err := a.checkOrganisation(); err != nil {
		return nil, err
	}
	r := &Result{Proposal: p}
	if a.Kind == KindOwn {
		r.Issue, err = a.issue(p)
		return r, err
	}
	name := a.Name
	if name == "" {
		name = p.CommonName
	}
	if name == "" && len(p.Names) > 0 {
		name = p.Names[0]
	}
	if runes := []rune(name); a.Name == "" && len(runes) > 63 {
		name = string(runes[:63])
	}
	subject := x509cert.SubjectText(a.subject())
	if a.Kind == KindSelf {
		if subject != "" && p.CommonName != "" {
			whole := a.subject()
			whole.CommonName = p.CommonName
			subject = x509cert.SubjectText(whole)
		}
		days, err := a.days()
		if err != nil {
			return nil, err
		}
		r.New = &desk.NewRequest{Name: name, Domains: p.Names, Subject: subject, Kinds: a.Keys, Days: days, Exportable: a.Exportable, Services: p.services(), Lineage: a.Lineage}
		return r, r.New.Check()
	}
	if a.Unit != "" {
		r.Notes = append(r.Notes, plan.Text{English: "public authorities have signed no organisational unit since 2022-09-01: it will be left out",
			Korean: "공인 인증 기관은 2022년 9월 1일부터 부서(OU)에 서명하지 않으므로 빠지게 됩니다"})
	}
	r.Ask = &desk.AskRequest{Name: name, Domains: p.Names, Subject: subject, NoCommonName: a.CommonName == NoCommonName, Kinds: a.Keys, Exportable: a.Exportable, Lineage: a.Lineage}
	if err := r.Ask.Check(); err != nil {
		return nil, err
	}
	fits, err := a.Fits(p)
	if err != nil {
		return nil, err
	}
	for _, fit := range fits {
		if fit.Authority.ID == a.Authority {
			for _, why := range fit.Against() {
				r.Notes = append(r.Notes, plan.Text{English: fit.Authority.Name + " does not fit; " + why.English, Korean: fit.Authority.Name + ": 맞지 않습니다. " + why.Korean})
			}
		}
	}
	return r, nil
}

// issue makes the request to our own authority. What its profile decides is no answer.
func (a Answers) issue(p *Proposal) (*desk.IssueRequest, error) {
	const why = "the profile of our own authority decides it"
	for word, answer := range map[string]string{"days": a.Days, "o": a.Organisation, "ou": a.Unit, "l": a.Locality, "st": a.State, "c": a.Country, "name": a.Name} {
		if answer != "" {
			return nil, &AnswerError{word, answer, why}
		}
	}
	if a.Exportable {
		return nil, &AnswerError{"exportable", "", why}
	}
	if len(a.Keys) > 1 {
		return nil, &AnswerError{"key", strings.Join(a.Keys, " "), "our own authority issues for one key at a time"}
	}
	r := &desk.IssueRequest{Domains: p.Names, Enable: p.services(), Lineage: a.Lineage}
	if len(a.Keys) == 1 {
		r.Kind = a.Keys[0]
	}
	return r, r.Check()
}

// days reads the life of what signs itself; 0 for the usual one.
func (a Answers) days() (int, error) {
	if a.Days == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(a.Days)
	if err != nil || n < 1 {
		return 0, &AnswerError{"days", a.Days, "want a number of days, 1 or more"}
	}
	return n, nil
}

// ServicesOf returns the services that were answered; none when the answer cannot be read.
func (a Answers) ServicesOf() []listener.Service {
	services, err := listener.ParseServices(a.Services)
	if err != nil {
		return nil
	}
	return services
}
