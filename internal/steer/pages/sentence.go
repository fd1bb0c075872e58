package pages

import (
	"time"

	"postseal/internal/ground/health"
)

// Sentence words a condition and what to do about it as the pages do, for mails: in the language "en" or "ko". end is
// the end of what it is about, zero for none. What the system said in English follows where no translation can foresee
// it.
func Sentence(language string, c health.Condition, end time.Time) (text, advice string) {
	all := languages()
	w := all[0]
	for _, known := range all {
		if known.code == language {
			w = known
		}
	}
	ends := make(map[string]time.Time)
	if !end.IsZero() {
		ends[c.Object] = end
	}
	n := w.notice(c, ends)
	text = n.Text
	if n.Cause != "" {
		text += " (" + n.Cause + ")"
	}
	for _, p := range n.Hint {
		advice += p.Text
	}
	return text, advice
}
