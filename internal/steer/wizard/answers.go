package wizard

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/plan"
)

// Kinds of issuers, the words of --kind.
const (
	KindSelf   = "self-signed"
	KindOwn    = "own"    // an authority of the organisation
	KindPublic = "public" // an authority that systems trust
)

// KindWords returns the words of all kinds.
func KindWords() []string { return []string{KindSelf, KindOwn, KindPublic} }

// How much a public authority looks at, the words of --validation.
const (
	ValidationDomain       = "domain"       // that the names are ours
	ValidationOrganisation = "organisation" // and who we are, which then stands in the subject
)

// NoCommonName is the answer that leaves the subject without one.
const NoCommonName = "none"

// OtherAuthority is one that there are no facts of.
const OtherAuthority = "other"

// Answers are what somebody has answered so far, as it was typed. The zero value has no answer.
type Answers struct {
	Kind       string   // of KindWords
	Services   string   // a list as package listener reads it
	Outside    []string // names by which clients reach the services from outside: NAME for all, SERVICE=NAME for one
	Inside     []string // the same from inside
	Names      []string // those of the certificate, changed by hand; empty for the proposed ones
	CommonName string   // one of the names, or NoCommonName; empty for the first that fits
	Wants      []string // of plan.WantWords: what the authority must do
	Authority  string   // an id of plan.Authorities, or OtherAuthority
	Validation string   // empty means ValidationDomain

	Organisation, Unit, Locality, State, Country string // O, OU, L, ST and C of the subject

	Keys       []string // kinds of keys, one per algorithm; empty for what package desk makes
	Days       string   // the life of what signs itself
	Exportable bool
	Name       string // friendly name; empty for the first name
	Lineage    string
}

// texts are the answers with one value, by the word of their flag.
func (a *Answers) texts() map[string]*string {
	return map[string]*string{"kind": &a.Kind, "services": &a.Services, "common-name": &a.CommonName, "authority": &a.Authority, "validation": &a.Validation,
		"o": &a.Organisation, "ou": &a.Unit, "l": &a.Locality, "st": &a.State, "c": &a.Country, "days": &a.Days, "name": &a.Name, "lineage": &a.Lineage}
}

// lists are the answers with any number of values, by the word of their flag.
func (a *Answers) lists() map[string]*[]string {
	return map[string]*[]string{"outside": &a.Outside, "inside": &a.Inside, "domain": &a.Names, "want": &a.Wants, "key": &a.Keys}
}

// Words returns the words of all answers: the names of the flags, and of the fields of a form.
func Words() []string {
	var a Answers
	words := []string{"exportable"}
	for word := range a.texts() {
		words = append(words, word)
	}
	for word := range a.lists() {
		words = append(words, word)
	}
	slices.Sort(words)
	return words
}

// maxAnswer and maxAnswers bound what comes out of a form.
const (
	maxAnswer  = 1 << 10
	maxAnswers = 1000
)

// Read takes answers from a form. What is longer than any answer is cut, and refused where it is looked at.
func Read(form url.Values) Answers {
	var a Answers
	cut := func(s string) string { return strings.TrimSpace(s[:min(len(s), maxAnswer)]) }
	for word, at := range a.texts() {
		*at = cut(form.Get(word))
	}
	for word, at := range a.lists() {
		for i, one := range form[word] {
			if one = cut(one); one != "" && i < maxAnswers {
				*at = append(*at, one)
			}
		}
	}
	a.Exportable = form.Get("exportable") != ""
	return a
}

// Form writes the answers as Read takes them.
func (a Answers) Form() url.Values {
	form := make(url.Values)
	for word, at := range a.texts() {
		if *at != "" {
			form.Set(word, *at)
		}
	}
	for word, at := range a.lists() {
		if len(*at) > 0 {
			form[word] = slices.Clone(*at)
		}
	}
	if a.Exportable {
		form.Set("exportable", "1")
	}
	return form
}

// MissingError says that a question has not been answered.
type MissingError struct {
	Answer string // the word of its flag
	Why    string // why it must be; empty where that is plain
}

func (e *MissingError) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("--%s is missing", e.Answer)
	}
	return fmt.Sprintf("--%s is missing: %s", e.Answer, e.Why)
}

// AnswerError says that an answer cannot be.
type AnswerError struct {
	Answer, Value string
	Reason        string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("--%s %.80q: %s", e.Answer, e.Value, e.Reason)
}

// ErrLeft: whoever was asked has left before the end.
var ErrLeft = errors.New("the wizard was left")

// NamesFor returns the names that were answered for a service, of a list of Outside or Inside.
func NamesFor(list []string, s listener.Service) []string {
	var names []string
	for _, one := range list {
		service, name, of := strings.Cut(one, "=")
		if !of {
			name = one
		} else if only, err := listener.ParseServices(service); err != nil || !slices.Contains(only, s) {
			continue
		}
		names = append(names, strings.TrimSpace(name))
	}
	return names
}

// needs are what the answers say that clients do. The errors are [*MissingError], [*AnswerError] and those of
// package plan.
func (a Answers) needs() ([]plan.Need, error) {
	if a.Services == "" {
		return nil, &MissingError{Answer: "services"}
	}
	services, err := listener.ParseServices(a.Services)
	if err != nil {
		return nil, err
	}
	for word, list := range map[string][]string{"outside": a.Outside, "inside": a.Inside} {
		for _, one := range list {
			service, _, of := strings.Cut(one, "=")
			if !of {
				continue
			}
			if only, err := listener.ParseServices(service); err != nil {
				return nil, fmt.Errorf("--%s %.80q: %w", word, one, err)
			} else if !slices.ContainsFunc(only, func(s listener.Service) bool { return slices.Contains(services, s) }) {
				return nil, &AnswerError{word, one, "that service is not among --services"}
			}
		}
	}
	var needs []plan.Need
	for _, s := range services {
		zone := plan.ZoneInside
		if s == listener.ServiceManagement {
			zone = plan.ZoneManagement
		}
		names := append(NamesFor(a.Outside, s), NamesFor(a.Inside, s)...)
		if len(names) == 0 && len(a.Names) == 0 {
			return nil, &MissingError{"outside", fmt.Sprintf("by which name do clients reach %s?", s)}
		}
		for _, name := range names {
			needs = append(needs, plan.Need{Name: name, Services: []listener.Service{s}, Zone: zone, Keep: true})
		}
	}
	return needs, nil
}
