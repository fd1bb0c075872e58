// Package notice decides what people are told, and when.
//
// Whoever watches many certificates by mail stops reading when every mail says the same. So what is wrong is a notice
// that is told once for each stage of urgency, and once more when its cause is gone. What people renew has the stages
// of sixty, thirty, fourteen, seven days and one day before its end, and its end; of those only the ones within the
// second half of its life count, or a certificate of six days would be announced on its first. What renews by itself
// is nobody's business until a sixth of its life is left: then its renewal should have happened long ago. Everything
// else that needs a person has the one stage of now.
//
// [Stage] is the arithmetic, [Compare] says what changes in the notices that are kept, [Untold] what a channel has
// still to say, and [Pause] how long it waits after a failure. Nothing here has a clock, a network or a database:
// package desk keeps the rows, package courier carries the messages.
package notice

import (
	"math/rand/v2"
	"slices"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// Stages of urgency: days that are left at most. The smaller, the more urgent.
const (
	// Now is for what hurts already.
	Now = 0
	// Overdue is for what should have renewed by itself, before the first stage in days is reached.
	Overdue = 1000
)

const day = 24 * time.Hour

// stages are those in days, the most urgent first.
func stages() []int { return []int{1, 7, 14, 30, 60} }

// Horizon is how long before its end what people renew is told first.
const Horizon = 60 * day

// Life is how long something lives, and who renews it.
type Life struct {
	NotBefore, NotAfter time.Time
	ByItself            bool // the server renews it
}

// Stage says how urgent the end of something is at a time, and whether it is at all.
func Stage(l Life, now time.Time) (stage int, tell bool) {
	left, whole := l.NotAfter.Sub(now), l.NotAfter.Sub(l.NotBefore)
	if left <= 0 {
		return Now, true
	}
	if l.ByItself && left > whole/6 {
		return 0, false
	}
	for _, days := range stages() {
		at := time.Duration(days) * day
		if left <= at && (2*at <= whole || l.ByItself) {
			return days, true
		}
	}
	return Overdue, l.ByItself
}

// Next is when a notice of a stage is told more urgently, if nothing is done about it; there is none for what hurts
// already, and for what has no end.
func Next(stage int, end time.Time) (at time.Time, ok bool) {
	if stage == Now || end.IsZero() {
		return time.Time{}, false
	}
	days := 0
	for _, s := range stages() {
		if s < stage {
			days = s
		}
	}
	return end.AddDate(0, 0, -days), true
}

// Finding is something to be told now.
type Finding struct {
	Kind, Object string
	Stage        int
	Text         string    // one sentence in English
	EndsAt       time.Time // zero: what it is about has no end
}

// Changes are what is different from the open notices.
type Changes struct {
	Open  []Finding
	Move  []state.Notice // with their new stage or text
	Close []string       // ids
}

// Empty says that nothing is.
func (c Changes) Empty() bool { return len(c.Open)+len(c.Move)+len(c.Close) == 0 }

// Compare says what must change in the notices that are kept so that they say what is found. A notice whose end has
// moved away, because something new is in force, is closed and, if that ends soon too, opened anew: it is about
// another certificate. Two findings of one kind and object are one, and the more urgent counts.
func Compare(kept []state.Notice, found []Finding) Changes {
	type key struct{ kind, object string }
	now := make(map[key]Finding)
	var order []key
	for _, f := range found {
		k := key{f.Kind, f.Object}
		old, ok := now[k]
		if !ok {
			order = append(order, k)
		}
		if !ok || f.Stage < old.Stage {
			now[k] = f
		}
	}
	var c Changes
	open := make(map[key]bool)
	for _, n := range kept {
		if !n.ClosedAt.IsZero() {
			continue
		}
		f, ok := now[key{n.Kind, n.Object}]
		if !ok || f.EndsAt.After(n.EndsAt) && f.Stage > n.Stage {
			c.Close = append(c.Close, n.ID)
			continue
		}
		open[key{n.Kind, n.Object}] = true
		if f.Stage != n.Stage || f.Text != n.Text || !f.EndsAt.Equal(n.EndsAt) {
			n.Stage, n.Text, n.EndsAt = f.Stage, f.Text, f.EndsAt
			c.Move = append(c.Move, n)
		}
	}
	for _, k := range order {
		if !open[k] {
			c.Open = append(c.Open, now[k])
		}
	}
	return c
}

// Item is one notice in a message.
type Item struct {
	state.Notice
	Closing bool // its cause is gone
	Doubt   bool // it was said once, and nobody knows whether that arrived
}

// Before is what a channel has said of n until now, if anything.
func Before(n state.Notice, channel string) (state.NoticeTold, bool) {
	i := slices.IndexFunc(n.Told, func(t state.NoticeTold) bool { return t.Channel == channel })
	if i < 0 {
		return state.NoticeTold{}, false
	}
	return n.Told[i], true
}

// Untold returns what a channel has still to say: what is new or more urgent than it said, what it is unsure of, and the
// end of what it said. What came and went between is not worth a message. A channel that works again (healthy) also
// says what it had given up and is still true. When anything is to be said, still are the open notices that it has said
// before, so that one message tells everything that is true.
func Untold(kept []state.Notice, channel string, healthy bool) (untold, still []Item) {
	for _, n := range kept {
		if n.Kind == string(health.CodeNoticeNotSent) && n.Object == channel {
			continue // that a channel fails is for the others to say; when it says it, it is over
		}
		told, said := Before(n, channel)
		open := n.ClosedAt.IsZero()
		item := Item{Notice: n, Closing: !open, Doubt: said && told.Outcome == state.NoticeUnsure && told.Stage == n.Stage && told.Closing == !open}
		switch {
		case !said && !open, !open && told.Outcome == state.NoticeGaveUp: // who heard of no beginning needs no end
		case !said, open && n.Stage < told.Stage, told.Outcome == state.NoticeUnsure, open && told.Outcome == state.NoticeGaveUp && healthy, !open && !told.Closing:
			untold = append(untold, item)
		case open:
			still = append(still, item)
		}
	}
	return untold, still
}

// GiveUpAfter is how long a channel may fail until what it has to say is given up, visibly.
const GiveUpAfter = 30 * day

const (
	firstPause = time.Minute
	lastPause  = day
)

// Pause is how long to wait after so many failures, one after the other: a minute, doubled each time, up to a day, and
// up to a tenth more, so that many servers do not come back to a mail server at once.
func Pause(tries int) time.Duration {
	pause := lastPause
	if tries = max(tries, 1); tries < 12 { // 2^11 minutes are more than a day
		pause = min(firstPause<<(tries-1), lastPause)
	}
	return pause + rand.N(pause/10)
}

// Monday is the start of the report's hour, seven in the morning of the last Monday at or before a time, in its zone.
func Monday(now time.Time) time.Time {
	back := (int(now.Weekday()) + 6) % 7
	monday := time.Date(now.Year(), now.Month(), now.Day()-back, 7, 0, 0, 0, now.Location())
	if monday.After(now) {
		monday = time.Date(now.Year(), now.Month(), now.Day()-back-7, 7, 0, 0, 0, now.Location())
	}
	return monday
}
