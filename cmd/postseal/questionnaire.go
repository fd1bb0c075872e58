package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// questionnaire are the questions of the wizard on a terminal.
type questionnaire struct {
	*wizardRun
	dialogue *dialogue
	opening  *desk.Opening
}

// question is one of them.
type question struct {
	flag    string      // that answers it
	step    wizard.Step // whose check it must pass; empty for one whose step has more questions
	when    func() bool // it is asked; nil for always
	tell    func()      // said before it
	text    string
	initial func() string
	take    func(answer string) error
}

// ask asks all questions, back and forth, and returns the state that was agreed to; 0 for a request, which takes nothing
// from anybody.
func (q *questionnaire) ask(ctx context.Context) (seq int64, err error) {
	q.say("Certificate wizard. Enter takes what stands in brackets, < goes back, - empties an answer, Ctrl-C leaves; until the end nothing is made.\n")
	all := append(q.first(), q.second()...)
	var asked []int
	for i := 0; ; {
		var err error
		switch {
		case i == len(all):
			if seq, err = q.end(ctx); err == nil {
				return seq, nil
			}
		case q.flagGiven(all[i].flag) || all[i].when != nil && !all[i].when():
			i++
			continue
		default:
			var again bool
			if again, err = q.put(all[i]); err == nil && !again {
				asked = append(asked, i)
				i++
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, errBack):
			return 0, err
		case len(asked) == 0:
			q.say("There is no question before this one.\n")
		default:
			i, asked = asked[len(asked)-1], asked[:len(asked)-1]
		}
	}
}

// end looks at all answers together, those of flags among them, and shows what they come to. It goes back when they will
// not do and somebody can answer otherwise.
func (q *questionnaire) end(ctx context.Context) (seq int64, err error) {
	step, err := q.answers.Problem(wizard.StepReview, time.Now())
	if err == nil {
		return q.review(ctx)
	}
	for _, word := range wizard.Words() { // a flag that is wrong cannot be answered here
		if q.given(word) && strings.Contains(err.Error(), "--"+word+" ") {
			return 0, err
		}
	}
	q.say("%s: %v\n", step, err)
	return 0, errBack
}

// say prints to the terminal. Standard output is for data.
func (q *questionnaire) say(format string, args ...any) { fmt.Fprintf(q.err, format, args...) }

// flagGiven says whether the command line has answered a question.
func (q *questionnaire) flagGiven(flag string) bool { return flag != "" && q.given(flag) }

// put asks one question; again is set when the answer will not do.
func (q *questionnaire) put(one question) (again bool, err error) {
	if one.tell != nil {
		one.tell()
	}
	answer, err := q.dialogue.ask(one.text, one.initial())
	if err != nil {
		return false, err
	}
	if answer == "-" {
		answer = ""
	}
	before := q.answers // its lists are replaced, never changed
	if err := one.take(answer); err != nil {
		q.answers = before
		q.say("  %v\n", err)
		return true, nil
	}
	if one.step == "" {
		return false, nil
	}
	if at, err := q.answers.Problem(one.step, time.Now()); err != nil && at == one.step {
		q.answers = before
		q.say("  %v\n", err)
		return true, nil
	}
	return false, nil
}

// text is a question whose answer is kept as it is.
func (q *questionnaire) text(flag, text string, at *string) question {
	return question{flag: flag, text: text, initial: func() string { return *at }, take: func(answer string) error { *at = answer; return nil }}
}

func fields(answer string) []string {
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}
