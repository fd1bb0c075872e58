package pages

import (
	"postseal/internal/issue/zlint"
	"postseal/internal/steer/desk"
)

// lintCard says what zlint has read of what our own authority made, and what it found.
type lintCard struct {
	Level, Word string
	Facts       []string
	Findings    []lintRow
	Accepted    []lintRow
}

type lintRow struct{ Lint, Text string }

// lints shows the second reader of all that is signed.
func (w *words) lints(h *desk.ZLintHealth) lintCard {
	c := lintCard{Level: levelGood, Word: w.say("zlint.good"), Facts: []string{w.say("zlint.waits", grouped(h.Waits))}}
	switch {
	case len(h.Findings) > 0:
		c.Level, c.Word = levelWarn, w.say("zlint.finds", grouped(len(h.Findings)))
	case !h.There:
		c.Level, c.Word = "off", w.say("zlint.missing", zlint.Program)
	case h.Waits > 0:
		c.Word = w.say("zlint.reads")
	}
	for _, f := range h.Findings {
		c.Findings = append(c.Findings, lintRow{f.Lint, w.say("zlint.in", f.Subject, grouped(f.Count))})
	}
	for _, a := range h.Accepted {
		c.Accepted = append(c.Accepted, lintRow{a.Lint, a.Reason})
	}
	return c
}
