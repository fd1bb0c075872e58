package pages

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/steer/hint"
)

// piece is a part of a sentence: words, or a command to type.
type piece struct {
	Text    string
	Command bool
}

// commands finds what can be typed in a sentence of package hint: postseal with its noun and verb, the
// listener or lineage that some verbs are given, the flags and the values in capitals or quotes that
// follow, the listener behind --listener, and the one foreign command that hints name. A test holds it against every hint there is.
var commands = regexp.MustCompile(`postseal (?:(?:listener (?:enable|disable)|cert (?:show|renew|activate|rollback)|ca zlint accept) [A-Za-z0-9][A-Za-z0-9_-]*|admin token [a-z]+|ca (?:account|ari|eab|profile|zlint) list|ca root (?:import|export|remove)|ca rollover root|serve|setup|status|[a-z]+ [a-z-]+)(?: +(?:--listener [a-z][a-z0-9]*|--[a-z-]+|"[^"]*"|[A-Z0-9]+\b))*|ss -[a-z]+`)

// pieces cuts a sentence into words and commands.
func pieces(sentence string) []piece {
	var cut []piece
	from := 0
	for _, at := range commands.FindAllStringIndex(sentence, -1) {
		if at[0] > from {
			cut = append(cut, piece{Text: sentence[from:at[0]]})
		}
		cut = append(cut, piece{Text: sentence[at[0]:at[1]], Command: true})
		from = at[1]
	}
	if from < len(sentence) {
		cut = append(cut, piece{Text: sentence[from:]})
	}
	return cut
}

// translated puts the commands of an English hint into its translation, where {1}, {2} … stand for them.
// When the two do not fit together, because the hint was changed and its translation was not, or when
// there is no translation, the English stands.
func translated(english, translation string) []piece {
	original := pieces(english)
	if translation == "" {
		return capitalised(original)
	}
	text := translation
	var cut []piece
	n := 0
	for _, p := range original {
		if !p.Command {
			continue
		}
		n++
		before, after, ok := strings.Cut(text, fmt.Sprintf("{%d}", n))
		if !ok {
			return capitalised(original)
		}
		if before != "" {
			cut = append(cut, piece{Text: before})
		}
		cut = append(cut, p)
		text = after
	}
	if strings.Contains(text, "{") {
		return capitalised(original)
	}
	if text != "" {
		cut = append(cut, piece{Text: text})
	}
	return cut
}

// capitalised begins a sentence as pages do; hints begin as the command line prints them.
func capitalised(sentence []piece) []piece {
	if len(sentence) > 0 && !sentence[0].Command {
		sentence[0].Text = upper(sentence[0].Text)
	}
	return sentence
}

// upper makes the first letter of a text a capital.
func upper(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	if n == 0 || r == utf8.RuneError {
		return text
	}
	return string(unicode.ToUpper(r)) + text[n:]
}

// notice is a condition as the page shows it.
type notice struct {
	Text  string
	Cause string // what the system said, in English; empty when Text says all
	Hint  []piece
	Since *stamp // nil for what follows from the state
	Page  string // address of the page where something can be done about it; empty for none
	Goes  string // what that page is
	Mend  *mending

	TextLang, HintLang string // "en" where the reader's language is another and there is no translation
}

// notice words a condition. ends are the ends of the lineages that conditions may be about.
func (w *words) notice(c health.Condition, ends map[string]time.Time) notice {
	n := notice{Text: w.condition(c, ends), Hint: translated(hint.ForCondition(c), w.hints[c.Code])}
	if n.Text != "" && w.conditions != nil && causes(c.Code) {
		n.Cause = c.Text
	}
	_, lineage := ends[c.Object]
	_, listens := listener.ByName(c.Object)
	switch {
	case lineage:
		n.Page, n.Goes = address("/certificate", "id", c.Object), w.say("notice.certificate")
	case listens:
		n.Page, n.Goes = "/listeners", w.say("notice.listeners")
	}
	if !c.Since.IsZero() {
		since := minute(c.Since)
		n.Since = &since
	}
	return n
}

// condition is the sentence of a condition.
func (w *words) condition(c health.Condition, ends map[string]time.Time) string {
	text, ok := w.conditions[c.Code]
	if !ok {
		if c.Object != "" && strings.HasPrefix(c.Text, c.Object) {
			return c.Text // it begins with a name, which keeps its letters
		}
		return upper(c.Text)
	}
	var end string
	if t, ok := ends[c.Object]; ok {
		end = day(t).Human
	}
	return strings.NewReplacer("{object}", c.Object, "{end}", end).Replace(text)
}

// causes says whether the text of a condition is an error that no translation can foresee.
func causes(code health.Code) bool {
	return code == health.CodeListenerClosed || code == health.CodeSnapshotRefused || code == health.CodeRenewalFailed || code == health.CodeClientsObject || code == health.CodeNoticeNotSent
}

// notices words conditions. Two that read the same are one: in Korean both members of a generation end
// in the same words.
func (w *words) notices(list []health.Condition, ends map[string]time.Time, mend func(health.Condition) *mending) []notice {
	var all []notice
	said := make(map[string]bool)
	for _, c := range list {
		n := w.notice(c, ends)
		if said[n.Text] {
			continue
		}
		said[n.Text] = true
		if mend != nil {
			n.Mend = mend(c)
		}
		all = append(all, n)
	}
	return all
}
