// Package letter words what is sent to people and programs: notices, the Monday report, and test messages, in English
// or Korean.
//
// A letter says in its subject what it is about, in its first line how much, and at each point what to do, with the
// command; nothing in it needs the program at hand to be understood. [Word] makes the message of a [desk.Letter],
// [Report] the text of a report for the terminal. The sentences of conditions and their advice are those of the pages,
// so that mail and screen say the same. Programs get JSON, whose form docs/howto-notices.md describes.
package letter

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/notice"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
	"postseal/internal/steer/pages"
)

// Languages of letters.
const (
	English = "en"
	Korean  = "ko"
)

// most is how many points of one kind a letter has; the rest is counted.
const most = 100

// Word returns what makes messages in a language; anything but Korean is English.
func Word(language string) func(desk.Letter) courier.Message {
	w := wordsOf(language)
	return func(l desk.Letter) courier.Message {
		m := courier.Message{ID: l.ID, Language: w.code}
		switch l.Kind {
		case desk.LetterReport:
			m.Subject, m.Text = w.say("report.subject", l.Organisation, l.Server, len(l.Report.NeedsYou)), w.report(l.Report)
			if l.Doubt {
				m.Text = w.say("doubt") + "\n\n" + m.Text
			}
		case desk.LetterTest:
			m.Subject, m.Text = w.say("test.subject", l.Organisation, l.Server), w.say("test.text", l.Server)+"\n"
		default:
			m.Subject, m.Text = w.notices(l)
		}
		m.JSON = body(l)
		return m
	}
}

// notices words a letter of notices.
func (w words) notices(l desk.Letter) (subject, text string) {
	var news, over []notice.Item
	for _, n := range l.News {
		if n.Closing {
			over = append(over, n)
		} else {
			news = append(news, n)
		}
	}
	var b strings.Builder
	switch {
	case len(news) == 1:
		said, _ := w.item(news[0])
		subject = w.say("one.subject", l.Server, said)
	case len(news) > 1:
		subject = w.say("news.subject", l.Server, len(news))
	case len(over) == 1:
		said, _ := w.item(over[0])
		subject = w.say("over.one.subject", l.Server, said)
	default:
		subject = w.say("over.subject", l.Server, len(over))
	}
	fmt.Fprintln(&b, w.say("greeting", l.Organisation, l.Server, w.minute(l.MadeAt)))
	if l.Doubt {
		fmt.Fprintf(&b, "\n%s\n", w.say("doubt"))
	}
	if !l.Late.IsZero() {
		fmt.Fprintf(&b, "\n%s\n", w.say("late", w.minute(l.Late)))
	}
	w.list(&b, "news", news, true)
	w.list(&b, "over", over, false)
	w.list(&b, "still", l.Still, true)
	fmt.Fprintf(&b, "\n%s\n", w.say("footer"))
	return clip(subject, 200), b.String()
}

func (w words) list(b *strings.Builder, heading string, items []notice.Item, advise bool) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", w.say(heading))
	for i, n := range items {
		if i == most {
			fmt.Fprintln(b, "\n"+w.say("more", len(items)-most))
			return
		}
		text, advice := w.item(n)
		fmt.Fprintf(b, "\n* %s\n", text)
		if advise && advice != "" {
			fmt.Fprintf(b, "  %s %s\n", w.say("do"), advice)
		}
		if w.code == Korean {
			fmt.Fprintf(b, "  %s\n", n.Text) // numbers and names that the sentence does not have
		}
		fmt.Fprintf(b, "  %s\n", w.say("since", w.minute(n.OpenedAt)))
	}
}

// item words one notice.
func (w words) item(n notice.Item) (text, advice string) {
	return pages.Sentence(w.code, conditionOf(n), n.EndsAt)
}

// conditionOf is the condition that a notice is about. What has ended does not end soon.
func conditionOf(n notice.Item) health.Condition {
	c := health.Condition{Code: health.Code(n.Kind), Object: n.Object, Text: n.Text, Severity: health.Attention}
	if c.Code == health.CodeCertificateEnding && n.Stage == notice.Now {
		c.Code = health.CodeCertificateExpired
	}
	return c
}

// Report words a report in a language.
func Report(language string, r *desk.Report) string { return wordsOf(language).report(r) }

func (w words) report(r *desk.Report) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.say("report.greeting", r.Organisation, r.Server, w.minute(r.MadeAt)))
	fmt.Fprintf(&b, "\n%s\n", w.say("report.needs"))
	if len(r.NeedsYou) == 0 {
		fmt.Fprintf(&b, "\n%s\n", w.say("report.needs.none"))
	}
	ends := make(map[string]time.Time)
	for _, c := range r.Ends {
		if _, ok := ends[c.Lineage]; !ok {
			ends[c.Lineage] = c.NotAfter
		}
	}
	for i, c := range r.NeedsYou {
		if i == most {
			fmt.Fprintf(&b, "\n%s\n", w.say("more", len(r.NeedsYou)-most))
			break
		}
		text, advice := pages.Sentence(w.code, c, ends[c.Object])
		fmt.Fprintf(&b, "\n* %s\n  %s %s\n", text, w.say("do"), advice)
	}
	fmt.Fprintf(&b, "\n%s\n\n", w.say("report.changed", w.minute(r.Since)))
	if len(r.Changed) == 0 {
		fmt.Fprintln(&b, w.say("report.changed.none"))
	}
	for i, c := range r.Changed {
		if i == most {
			fmt.Fprintf(&b, "%s\n", w.say("more", len(r.Changed)-most))
			break
		}
		fmt.Fprintf(&b, "%s  %s  %s  (%s, %s)\n", w.minute(c.At), oneLine(c.Act), oneLine(c.Object), oneLine(c.Who), oneLine(c.From))
	}
	fmt.Fprintf(&b, "\n%s\n\n", w.say("report.ends"))
	if len(r.Ends) == 0 {
		fmt.Fprintln(&b, w.say("report.ends.none"))
		if r.First != nil {
			fmt.Fprintln(&b, w.say("report.first", r.First.Name, r.First.NotAfter.Local().Format(time.DateOnly)))
		}
	}
	for i, c := range r.Ends {
		if i == most {
			fmt.Fprintf(&b, "%s\n", w.say("more", len(r.Ends)-most))
			break
		}
		fmt.Fprintf(&b, "%s  %s  %s  %s  %s\n", c.NotAfter.Local().Format(time.DateOnly), w.say("left", int(time.Until(c.NotAfter).Hours()/24)), oneLine(c.Name), c.Lineage, c.KeyType)
	}
	return b.String()
}

// oneLine keeps what somebody else has written from making lines of its own.
func oneLine(text string) string {
	return clip(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text), 200)
}

func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}

// hook is the JSON that programs get.
type hook struct {
	Version      int          `json:"version"` // 1
	Kind         string       `json:"kind"`    // notices or test
	Organisation string       `json:"organisation"`
	Server       string       `json:"server"`
	MadeAt       time.Time    `json:"madeAt"`
	Doubt        bool         `json:"doubt"` // some of it may have arrived before
	Late         time.Time    `json:"late,omitzero"`
	Notices      []hookNotice `json:"notices"`
}

type hookNotice struct {
	ID       string    `json:"id"` // of the notice, from its beginning to its end
	Kind     string    `json:"kind"`
	Object   string    `json:"object"`
	Stage    int       `json:"stage"`
	State    string    `json:"state"` // new, closed, still
	Text     string    `json:"text"`
	Hint     string    `json:"hint"`
	EndsAt   time.Time `json:"endsAt,omitzero"`
	OpenedAt time.Time `json:"openedAt"`
	ClosedAt time.Time `json:"closedAt,omitzero"`
}

func body(l desk.Letter) []byte {
	h := hook{Version: 1, Kind: l.Kind, Organisation: l.Organisation, Server: l.Server, MadeAt: l.MadeAt.UTC(), Doubt: l.Doubt, Late: l.Late, Notices: []hookNotice{}}
	add := func(items []notice.Item, state string) {
		for i, n := range items {
			if i == 10*most {
				return // the rest is in notice list; a program that takes megabytes is rare
			}
			state := state
			if n.Closing {
				state = "closed"
			}
			h.Notices = append(h.Notices, hookNotice{ID: n.ID, Kind: n.Kind, Object: n.Object, Stage: n.Stage, State: state, Text: n.Text,
				Hint: hint.ForCondition(conditionOf(n)), EndsAt: n.EndsAt, OpenedAt: n.OpenedAt, ClosedAt: n.ClosedAt})
		}
	}
	add(l.News, "new")
	add(l.Still, "still")
	b, err := json.Marshal(h)
	if err != nil {
		return []byte(`{"version":1,"kind":"notices"}`) // times and texts do not fail
	}
	return b
}
