package pages

import (
	"regexp"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// stepView is an act and what it would change, worded.
type stepView struct {
	Title    string
	Later    bool // it depends on the steps before it, so nothing can be said yet
	Will     []string
	WillOf   string // what stands there
	Moves    []moveView
	Removed  []sentence
	Warnings []sentence
	Notes    []sentence
	Made     []madeView
}

// moveView is one listener whose certificate changes.
type moveView struct {
	Where    string
	Port     string // empty for what is no listener
	Role     string
	From, To heldView
}

// heldView is a certificate in a table of moves; without a name it is none.
type heldView struct {
	Name       string
	Generation string
	Until      stamp
}

// madeView is a certificate that is taken in or made.
type madeView struct {
	Name, KeyType, Status, Level string
	Names                        []string
	Until                        stamp
	Line                         string // the renewal line that it joins, and as which generation
	Issuer                       string
	Reason                       sentence // for its status
	Chain                        chainView
}

// step words an act.
func (w *words) step(s step, c *desk.Change, now time.Time) stepView {
	view := stepView{Title: w.say(s.title, s.object), Later: c == nil, Will: s.will, WillOf: w.say("preview.will")}
	switch {
	case s.act == "trust/add":
		view.WillOf = w.say("preview.compare")
	case len(s.will) == 0:
		view.WillOf, view.Will = w.asked(s)
	}
	if c == nil {
		return view
	}
	for _, m := range c.Moves {
		one := moveView{Where: m.Listener, Role: w.say("role." + m.Role), From: w.held(m.From), To: w.held(m.To)}
		switch {
		case m.Listener == desk.RoleInternal || m.Listener == desk.RoleAuth:
			one.Where, one.Role = upper(w.say("use."+m.Listener)), ""
		case m.Port != 0:
			one.Port = plainNumber(m.Port)
		}
		view.Moves = append(view.Moves, one)
	}
	for _, text := range c.Removed {
		view.Removed = append(view.Removed, w.sentence(text))
	}
	for _, text := range c.Warnings {
		view.Warnings = append(view.Warnings, w.sentence(text))
	}
	for _, text := range c.Notes {
		view.Notes = append(view.Notes, w.sentence(text))
	}
	if s.act == "cert/import" {
		for _, m := range c.Certificates {
			one := madeView{Name: m.Name, KeyType: m.KeyType, Status: w.say("status." + string(m.Status)), Level: levelOf(m.Status), Names: m.Names, Until: day(m.NotAfter),
				Line: m.Lineage, Issuer: commonName(m.Issuer), Reason: w.sentence(m.StatusReason)}
			if m.Generation > 0 {
				one.Line += ", " + w.say("generation.number", plainNumber(m.Generation))
			}
			for _, drawn := range c.Paths {
				if drawn.Thumbprint == m.Thumbprint {
					one.Chain = w.chain(m, &drawn.Path)
				}
			}
			view.Made = append(view.Made, one)
		}
	}
	return view
}

func (w *words) held(h *desk.Held) heldView {
	if h == nil {
		return heldView{}
	}
	view := heldView{Name: h.Name, Until: day(h.NotAfter)}
	if h.NotAfter.IsZero() {
		view.Until = stamp{}
	}
	if h.Generation > 0 {
		view.Generation = w.say("generation.number", plainNumber(h.Generation))
	}
	return view
}

// sentence is what another package says: in the reader's language where that is known, else in English and marked so,
// for programs that read aloud.
type sentence struct{ Text, Lang string }

// pattern translates a sentence with something in it.
type pattern struct {
	english *regexp.Regexp
	text    string // $1, $2 stand for what was in it
}

// sentence translates what another package says.
func (w *words) sentence(english string) sentence {
	if w.patterns == nil {
		if where(english) != "" { // names keep their letters
			return sentence{Text: english}
		}
		return sentence{Text: upper(english)}
	}
	if text, ok := w.phrases[english]; ok {
		return sentence{Text: text}
	}
	for _, p := range w.patterns {
		if at := p.english.FindStringSubmatchIndex(english); at != nil {
			return sentence{Text: string(p.english.ExpandString(nil, p.text, english, at))}
		}
	}
	// What a client of a listener objects to begins with the names of the listeners.
	if at := where(english); at != "" {
		if rest := w.sentence(strings.TrimPrefix(english, at)); rest.Lang == "" {
			return sentence{Text: at + rest.Text}
		}
	}
	return sentence{Text: upper(english), Lang: "en"}
}

// where finds the listeners that a sentence begins with.
func where(text string) string {
	at := beginning.FindString(text)
	for name := range strings.SplitSeq(strings.TrimSuffix(at, ": "), ", ") {
		if _, ok := listener.ByName(name); !ok {
			return ""
		}
	}
	return at
}

// beginning is a list of words before a colon.
var beginning = regexp.MustCompile(`^[a-z0-9]+(?:, [a-z0-9]+)*: `)

// problem words a refusal of the API: what it is in the reader's language, the error itself in English, and what to do.
func (w *words) problem(p *admin.Problem) notice {
	text, ok := w.problems[p.Name]
	if !ok {
		n := notice{Text: upper(p.Text), Hint: capitalised(pieces(p.Hint))}
		if w.problems != nil {
			n.TextLang = "en"
			n.HintLang = "en"
		}
		return n
	}
	n := notice{Text: text, Cause: p.Text}
	if typed := commandsOf(p.Hint); len(typed) > 0 {
		n.Hint = typed
	}
	return n
}

// commandsOf are the commands of a hint, to be shown after each other.
func commandsOf(hint string) []piece {
	var all []piece
	for _, p := range pieces(hint) {
		if p.Command {
			if len(all) > 0 {
				all = append(all, piece{Text: " · "})
			}
			all = append(all, p)
		}
	}
	return all
}

// listed joins words as a list in a sentence.
func listed(words []string) string { return strings.Join(words, ", ") }
