package pages

import (
	"math"
	"strconv"
	"strings"
	"time"

	"postseal/internal/keep/plan"
)

// maxAxis bounds the axis: a certificate of thirty years would press all others against its edge. Its bar runs off it.
const maxAxis = 6 * 366 * 24 * time.Hour

// timeline is the axis that the certificates in use share, from now on, with the days on which rules change.
type timeline struct {
	Ticks []tick
	Marks []tick
	Rules []ruleMark
}

// tick is a place on the axis. At is in per cent, as SVG takes it, so that letters are not stretched with the picture.
type tick struct {
	At     string
	X      int // of lifeUnits
	Label  string
	Anchor string // "start", "middle" or "end"
}

// ruleMark is a rule that changes, in words.
type ruleMark struct {
	Day    stamp
	Text   string
	Source string
}

// axis is the span of a time line.
type axis struct{ from, until time.Time }

// newAxis reaches from now to the last of some ends, and at least a year.
func newAxis(now time.Time, ends []time.Time) axis {
	a := axis{now, now.AddDate(1, 0, 0)}
	for _, end := range ends {
		a.until = later(a.until, end)
	}
	a.until = earlier(a.until, now.Add(maxAxis))
	return a
}

// place is where a moment stands, of lifeUnits; what is outside stands at the edge.
func (a axis) place(t time.Time) int {
	share := float64(t.Sub(a.from)) / float64(a.until.Sub(a.from))
	return int(math.Round(min(max(share, 0), 1) * lifeUnits))
}

func (a axis) tick(t time.Time, label string) tick {
	x := a.place(t)
	one := tick{At: strconv.FormatFloat(float64(x)/lifeUnits*100, 'f', 1, 64) + "%", X: x, Label: label, Anchor: "middle"}
	switch {
	case x < lifeUnits/12:
		one.Anchor = "start"
	case x > lifeUnits-lifeUnits/12:
		one.Anchor = "end"
	}
	return one
}

// timeline words an axis.
func (w *words) timeline(a axis) timeline {
	var t timeline
	// Years, or quarters where there are few years.
	months, layout := 12, "2006"
	if a.until.Sub(a.from) < 2*366*24*time.Hour {
		months, layout = 3, "2006-01"
	}
	for at := time.Date(a.from.Year(), 1, 1, 0, 0, 0, 0, a.from.Location()); at.Before(a.until); at = at.AddDate(0, months, 0) {
		if at.After(a.from) {
			t.Ticks = append(t.Ticks, a.tick(at, at.Format(layout)))
		}
	}
	for _, r := range plan.Rules() {
		if r.Kind != plan.KindLife || r.Authority != "" || r.Day().Before(a.from) {
			continue
		}
		if r.Day().Before(a.until) {
			t.Marks = append(t.Marks, a.tick(r.Day(), r.Date))
		}
		t.Rules = append(t.Rules, ruleMark{Day: dated(r.Date), Text: w.text(r.What), Source: r.Source})
	}
	return t
}

// text is a sentence of package plan, which says everything in both languages.
func (w *words) text(t plan.Text) string {
	if w.code == "ko" {
		return t.Korean
	}
	if first, _, _ := strings.Cut(t.English, " "); strings.Contains(first, ".") {
		return t.English // a host name keeps its letters
	}
	return upper(t.English)
}

// sentences are several of them.
func (w *words) sentences(all []plan.Text) []string {
	var said []string
	for _, t := range all {
		said = append(said, w.text(t))
	}
	return said
}

// dated is a day that comes as text.
func dated(day string) stamp { return stamp{day, day} }
