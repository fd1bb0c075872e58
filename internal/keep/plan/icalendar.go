package plan

import (
	"strings"
	"time"
	"unicode/utf8"
)

// ICalendar writes the calendar as iCalendar (RFC 5545): a day for each rule, and for each effect that asks for
// something. stamp is the moment of writing.
func (c *Calendar) ICalendar(stamp time.Time) []byte {
	var w icalendar
	w.line("BEGIN:VCALENDAR")
	w.line("VERSION:2.0")
	w.line("PRODID:-//Postseal//plan calendar//EN")
	w.line("CALSCALE:GREGORIAN")
	w.line("METHOD:PUBLISH")
	for _, r := range c.Rules {
		w.event(stamp, event{r.ID, r.Date, r.What.English, r.Do.English, r.Source})
	}
	for _, e := range c.Effects {
		if e.Effect != EffectNone {
			id := e.Rule
			if id == "" {
				id = "end"
			}
			w.event(stamp, event{id + "." + e.Subject + "." + e.Effect, e.Date, e.Subject + ": " + e.What.English, e.Do.English, ""})
		}
	}
	w.line("END:VCALENDAR")
	return []byte(w.String())
}

type event struct{ id, date, summary, description, url string }

// icalendar is a text of content lines.
type icalendar struct{ strings.Builder }

// event writes a whole day. RFC 5545 section 3.6.1: a DTSTART that is a date, without DTEND, is that day.
func (w *icalendar) event(stamp time.Time, e event) {
	w.line("BEGIN:VEVENT")
	w.line("UID:" + escape(e.id+"."+e.date) + "@plan.postseal")
	w.line("DTSTAMP:" + stamp.UTC().Format("20060102T150405Z"))
	w.line("DTSTART;VALUE=DATE:" + strings.ReplaceAll(e.date, "-", ""))
	w.line("SUMMARY:" + escape(e.summary))
	w.line("DESCRIPTION:" + escape(e.description))
	if e.url != "" {
		w.line("URL:" + e.url)
	}
	w.line("TRANSP:TRANSPARENT")
	w.line("END:VEVENT")
}

// line writes a content line, folded: RFC 5545 section 3.1 wants at most 75 octets, and no letter cut in two.
func (w *icalendar) line(text string) {
	const most = 75
	for room := most; len(text) > room; room = most - 1 { // the space of a continuation counts
		cut := room
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		w.WriteString(text[:cut] + "\r\n ")
		text = text[cut:]
	}
	w.WriteString(text + "\r\n")
}

// escape writes a TEXT value, RFC 5545 section 3.3.11.
func escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`).Replace(text)
}
