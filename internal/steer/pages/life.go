package pages

import (
	"math"
	"strconv"
	"time"

	"postseal/internal/keep/renewal"
)

// Levels are the classes of colour. A level is never shown alone: words stand beside it.
const (
	levelGood = "good"
	levelWarn = "warn"
	levelBad  = "bad"
)

// lifeUnits is the width of a drawn life.
const lifeUnits = 1000

// life is what is left of a certificate, in words and drawn.
type life struct {
	Level string
	Left  string // "1,825 days left"
	Short string // "1,825 days", where what is said of is named already
	Share string // "99% of its life"; empty once it ended
	Gone  int    // of lifeUnits
	Rest  int
	From  stamp
	Until stamp
}

// life words and draws the time between two moments, of which part has passed.
func (w *words) life(from, until, now time.Time) life {
	l := life{Level: levelGood, From: day(from), Until: day(until)}
	left := until.Sub(now)
	switch {
	case left <= 0:
		l.Level, l.Gone = levelBad, lifeUnits
		l.Left = w.say("left.ended-today")
		if days := int(-left / (24 * time.Hour)); days > 0 {
			l.Left = w.say("left.ended", w.days(days))
		}
		l.Short = l.Left
		return l
	case now.Before(from):
		l.Level, l.Rest, l.Left = levelBad, lifeUnits, w.say("left.not-yet")
		l.Short = l.Left
		return l
	case now.After(renewal.Ending(from, until)):
		l.Level = levelWarn
	}
	l.Left, l.Short = w.left(left), w.left(left)
	if days := int(left / (24 * time.Hour)); days > 0 {
		l.Short = w.days(days)
	}
	share := 1.0
	if whole := until.Sub(from); whole > 0 {
		share = float64(left) / float64(whole)
	}
	// Something that is left is seen to be left, and never said to be 0 % or, once begun, 100 %.
	l.Rest = max(int(math.Round(share*lifeUnits)), lifeUnits/200)
	l.Gone = lifeUnits - l.Rest
	percent := min(max(int(math.Round(share*100)), 1), 100)
	if percent == 100 && now.Sub(from) >= 24*time.Hour {
		percent = 99
	}
	l.Share = w.say("share", strconv.Itoa(percent))
	return l
}

// left says a time that is left.
func (w *words) left(d time.Duration) string {
	if days := int(d / (24 * time.Hour)); days > 0 {
		return w.say("left", w.days(days))
	}
	return w.say("left.less")
}
