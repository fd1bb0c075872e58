package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// first asks for the issuer, the services and the names.
func (q *questionnaire) first() []question {
	r := &q.answers
	all := []question{{flag: "kind", step: wizard.StepKind, text: "Issuer", tell: func() {
		q.say("\nWho signs the certificate?\n  1  self-signed  serves at once; clients from outside will not trust it\n  2  own          our own authority: serves at once, and renews by itself; who trusts our root trusts it\n" +
			"  3  public       a request for an authority that systems trust; it serves when the answer is imported\n")
	}, initial: func() string { return first(r.Kind, wizard.KindSelf) }, take: func(answer string) error {
		r.Kind = answer
		switch answer {
		case "1":
			r.Kind = wizard.KindSelf
		case "2":
			r.Kind = wizard.KindOwn
		case "3":
			r.Kind = wizard.KindPublic
		}
		if r.Kind == wizard.KindOwn && !q.opening.Authority {
			return fmt.Errorf("%w; it is made once, by: postseal ca init", desk.ErrNoAuthority)
		}
		return nil
	}}, {flag: "services", text: "Services", tell: func() {
		q.say("\nWhich services will it be for? HTTP, IMAP, POP, SMTP, MANAGEMENT\n")
	}, initial: func() string {
		return first(r.Services, joinServices(wizard.SuggestServices(q.opening)))
	}, take: func(answer string) error {
		services, err := listener.ParseServices(answer)
		r.Services = joinServices(services)
		return err
	}}}
	for _, s := range listener.Services() {
		chosen := func() bool {
			return len(r.Names) == 0 && slices.Contains(r.ServicesOf(), s) || !q.given("domain") && slices.Contains(r.ServicesOf(), s)
		}
		all = append(all, question{flag: "outside", when: chosen, text: fmt.Sprintf("Names by which clients outside reach %s", s),
			initial: func() string {
				return first(strings.Join(wizard.NamesFor(r.Outside, s), " "), strings.Join(wizard.SuggestNames(q.opening, s), " "))
			}, take: func(answer string) error { r.Outside = replaced(r.Outside, s, fields(answer)); return nil }},
			question{flag: "inside", when: chosen, text: fmt.Sprintf("Other names by which clients inside reach %s", s),
				initial: func() string { return strings.Join(wizard.NamesFor(r.Inside, s), " ") },
				take:    func(answer string) error { r.Inside = replaced(r.Inside, s, fields(answer)); return q.checkNames(s) }})
	}
	return append(all, question{flag: "domain", step: wizard.StepNames, text: "Names of the certificate", tell: q.tellNames,
		initial: func() string {
			if p, err := r.Propose(time.Now()); err == nil {
				return strings.Join(p.Names, " ")
			}
			return strings.Join(r.Names, " ")
		}, take: func(answer string) error {
			before := r.Names
			r.Names = nil
			if !slices.Contains(fields(answer), r.CommonName) && r.CommonName != wizard.NoCommonName {
				r.CommonName = "" // it has gone with its name
			}
			if p, err := r.Propose(time.Now()); err == nil && sameNames(p.Computed, fields(answer)) {
				return nil // as proposed: it follows the proposal
			}
			r.Names = before
			if names := fields(answer); len(names) > 0 {
				r.Names = names
			}
			return nil
		}}, question{flag: "common-name", step: wizard.StepNames, text: "Common name (one of them, or none)", initial: func() string {
		p, err := r.Propose(time.Now())
		if err != nil {
			return ""
		}
		return first(p.CommonName, wizard.NoCommonName)
	}, take: func(answer string) error {
		if p, err := r.Propose(time.Now()); err != nil || p.CommonName != answer {
			r.CommonName = answer
		}
		return nil
	}})
}

// checkNames wants a name of the service.
func (q *questionnaire) checkNames(s listener.Service) error {
	_, err := q.answers.Problem(wizard.StepServices, time.Now())
	missing, ok := errors.AsType[*wizard.MissingError](err)
	if ok && strings.Contains(missing.Why, string(s)) || err != nil && !ok {
		return err
	}
	return nil
}

// tellNames shows the proposal.
func (q *questionnaire) tellNames() {
	p, err := q.answers.Propose(time.Now())
	if err != nil {
		q.say("\n  %v\n", err)
		return
	}
	q.say("\nProposed names: %s\n", strings.Join(p.Computed, ", "))
	for _, why := range append(p.Reasons, p.Notes...) {
		q.say("  - %s\n", why.English)
	}
	if p.Edited {
		q.say("  Yours are others; they are kept.\n")
	}
	if len(p.Missing) > 0 {
		q.say("  ! without %s, which clients use\n", strings.Join(p.Missing, ", "))
	}
	q.printRest(p)
}

// second asks for the authority, the organisation and the key.
func (q *questionnaire) second() []question {
	r := &q.answers
	public := func() bool { return r.Kind == wizard.KindPublic }
	self := func() bool { return r.Kind == wizard.KindSelf }
	all := []question{{flag: "want", when: public, text: "Wishes", tell: func() {
		q.say("\nWhat must the authority do? %s\n", strings.Join(plan.WantWords(), ", "))
	}, initial: func() string { return strings.Join(r.Wants, " ") }, take: func(answer string) error {
		r.Wants = fields(answer)
		_, err := plan.Fits(plan.Wants{Features: r.Wants})
		return err
	}}, {flag: "authority", when: public, step: wizard.StepAuthority, text: "Authority", tell: q.tellAuthorities,
		initial: func() string { return first(r.Authority, q.bestAuthority()) }, take: func(answer string) error { r.Authority = answer; return nil }},
		{flag: "validation", when: public, step: wizard.StepAuthority, text: "Does it look at the domain alone, or at the organisation too",
			initial: func() string { return first(r.Validation, wizard.ValidationDomain) }, take: func(answer string) error { r.Validation = answer; return nil }}}
	all = append(all, q.organisation()...)
	all = append(all, question{flag: "key", text: "Keys (ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ed25519)", initial: func() string {
		if len(r.Keys) > 0 {
			return strings.Join(r.Keys, " ")
		}
		if self() {
			return "ecdsa-p256 rsa-2048"
		}
		return "ecdsa-p256"
	}, take: func(answer string) error {
		if r.Keys = fields(answer); len(r.Keys) > 1 && r.Kind == wizard.KindOwn {
			return &wizard.AnswerError{Answer: "key", Value: answer, Reason: "our own authority issues for one key at a time"}
		}
		return desk.NewRequest{Name: "x", Kinds: r.Keys}.Check()
	}})
	life := q.text("days", "Life in days", &r.Days)
	life.step, life.when, life.initial = wizard.StepKey, self, func() string { return first(r.Days, "825") }
	name := q.text("name", "Friendly name", &r.Name)
	name.step, name.when = wizard.StepKey, func() bool { return r.Kind != wizard.KindOwn }
	name.initial = func() string {
		if p, err := r.Propose(time.Now()); err == nil && r.Name == "" {
			return p.CommonName
		}
		return r.Name
	}
	return append(all, life, name)
}

// organisation asks for the parts of the subject. What the authority needs may not stay empty.
func (q *questionnaire) organisation() []question {
	r := &q.answers
	validated := func() bool { return r.Kind == wizard.KindPublic && r.Validation == wizard.ValidationOrganisation }
	all := []question{q.text("o", "Organisation (O)", &r.Organisation), q.text("ou", "Unit (OU)", &r.Unit), q.text("l", "Place (L)", &r.Locality),
		q.text("st", "State or province (ST)", &r.State), q.text("c", "Country (C), two letters", &r.Country)}
	all[0].tell = func() {
		if validated() {
			q.say("\nThe organisation: the authority needs O, C, and L or ST.\n")
			return
		}
		q.say("\nThe organisation: each part may stay empty.\n")
	}
	for i, needed := range map[int]func() bool{0: validated, 3: func() bool { return validated() && r.Locality == "" }, 4: validated} {
		one, plain := &all[i], all[i].take
		one.take = func(answer string) error {
			if answer == "" && needed() {
				return &wizard.MissingError{Answer: one.flag, Why: "an authority that validates the organisation needs it"}
			}
			return plain(answer)
		}
	}
	for i := range all {
		all[i].when = func() bool { return r.Kind != wizard.KindOwn }
	}
	all[4].step = wizard.StepOrganisation
	return all
}

// tellAuthorities shows who fits, and why.
func (q *questionnaire) tellAuthorities() {
	for _, fit := range q.fits() {
		var why []string
		for _, reason := range fit.Reasons {
			why = append(why, reason.English)
		}
		q.say("  %-12s fits: %-8s %s\n", fit.Authority.ID, fit.Fits, strings.Join(why, "; "))
	}
	q.say("  %-12s one that is not in this list\n", wizard.OtherAuthority)
}

func (q *questionnaire) fits() []plan.Fit {
	p, err := q.answers.Propose(time.Now())
	if err != nil {
		return nil
	}
	fits, err := q.answers.Fits(p)
	if err != nil {
		return nil
	}
	return fits
}

func (q *questionnaire) bestAuthority() string {
	if fits := q.fits(); len(fits) > 0 && fits[0].Fits == plan.FitYes {
		return fits[0].Authority.ID
	}
	return ""
}

// review shows what would be made, and what it would replace, and asks once.
func (q *questionnaire) review(ctx context.Context) (seq int64, err error) {
	r, err := q.answers.Result(time.Now())
	if err != nil {
		return 0, err
	}
	q.say("\n%s\n", q.commandLine(r))
	text := "Make the request? y or n"
	if r.Ask == nil {
		text = "Make it, and let it serve? y or n"
		act, with := making(r)
		preview, err := call[desk.Change](ctx, q.app, act, with(desk.Doing{DryRun: true}))
		if err != nil {
			return 0, err
		}
		writeMoves(q.err, &preview)
		q.printNotes(preview.Notes)
		q.printWarnings(preview.Warnings)
		seq = preview.Seq
	}
	if q.dryRun {
		return 0, nil
	}
	for {
		answer, err := q.dialogue.ask(text, "")
		if err != nil {
			return 0, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return seq, nil
		case "n", "no":
			return 0, wizard.ErrLeft
		}
	}
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func joinServices(services []listener.Service) string {
	var words []string
	for _, s := range services {
		words = append(words, string(s))
	}
	return strings.Join(words, ",")
}

// replaced puts the names of one service into a list of SERVICE=NAME.
func replaced(list []string, s listener.Service, names []string) []string {
	kept := slices.DeleteFunc(slices.Clone(list), func(one string) bool { return strings.HasPrefix(one, string(s)+"=") })
	for _, name := range names {
		kept = append(kept, string(s)+"="+name)
	}
	return kept
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
