// Package hint says what to do next, for every named error and every health condition.
//
// Libraries state facts: what was being done to which thing, and why it did not work. Only here is it
// known which program they are part of, so only here are its commands named. The command line prints a
// hint below each error, the API sends it along, `postseal status` and the pages show it beside each
// condition. A test parses the module and fails when an exported error has no entry.
package hint

import (
	"errors"

	"postseal/internal/ground/health"
)

// Hint is advice about one error.
type Hint struct {
	Text  string // one or two sentences, with the command to run; empty when there is nothing to say
	Name  string // of the error, "state.ErrNoOrganisation"
	Usage bool   // the command itself was wrong, not the world: exit status 2
}

// For returns the hint for err; the zero Hint for an error that is not known.
func For(err error) Hint {
	for _, e := range entries() {
		if text, ok := e.match(err); ok {
			return Hint{Text: text, Name: e.name, Usage: e.usage}
		}
	}
	return Hint{}
}

// ForCondition returns the hint for a health condition about an object.
func ForCondition(c health.Condition) string {
	if f, ok := conditions()[c.Code]; ok {
		return f(c)
	}
	return ""
}

// entry is one row of the table: an error and what to do about it.
type entry struct {
	name  string // "state.ErrNoOrganisation", as the test finds it in the source
	usage bool
	match func(error) (text string, ok bool)
}

// is makes an entry of a sentinel.
func is(name string, sentinel error, text string) entry {
	return entry{name: name, match: func(err error) (string, bool) { return text, errors.Is(err, sentinel) }}
}

// as makes an entry of a typed error, whose data goes into the advice.
func as[E error](name string, advice func(E) string) entry {
	return entry{name: name, match: func(err error) (string, bool) {
		e, ok := errors.AsType[E](err)
		if !ok {
			return "", false
		}
		return advice(e), true
	}}
}

// wrong marks an entry as wrong usage.
func wrong(e entry) entry {
	e.usage = true
	return e
}

// always is advice that needs no data.
func always[E error](text string) func(E) string { return func(E) string { return text } }

// Names are the errors that there is advice about, "desk.ErrNoAuthority": all exported ones of the module, says a test.
// Whoever words errors in another language holds his table against it.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	return names
}
