package pages

import (
	"testing"
	"time"
)

func TestLife(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name               string
		since, left        time.Duration // the life began so long ago, and so long is left
		level, text, share string
		rest               int
	}{
		{"new", 0, 3650 * day, levelGood, "3,650 days left", "100% of its life", 1000},
		{"a day old is no longer whole", 25 * time.Hour, 3650 * day, levelGood, "3,650 days left", "99% of its life", 1000},
		{"half", 100 * day, 100 * day, levelGood, "100 days left", "50% of its life", 500},
		{"thirty days", 60 * day, 30 * day, levelGood, "30 days left", "33% of its life", 333},
		{"under thirty days", 60 * day, 30*day - time.Second, levelWarn, "29 days left", "33% of its life", 333},
		{"one day", 98 * day, 25 * time.Hour, levelWarn, "1 day left", "1% of its life", 11},
		{"the last hour is still seen", 3650 * day, time.Hour, levelWarn, "less than a day left", "1% of its life", 5},
		{"just ended", 90 * day, 0, levelBad, "ended today", "", 0},
		{"ended", 90 * day, -49 * time.Hour, levelBad, "ended 2 days ago", "", 0},
		{"yet to begin", -2 * day, 90 * day, levelBad, "not valid yet", "", 1000},
		{"no life at all", 0, -day, levelBad, "ended 1 day ago", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := languages()[0].life(now.Add(-c.since), now.Add(c.left), now)
			if got.Level != c.level || got.Left != c.text || got.Share != c.share || got.Rest != c.rest || got.Gone+got.Rest != lifeUnits {
				t.Errorf("got %+v, want %s, %q, %q and %d drawn", got, c.level, c.text, c.share, c.rest)
			}
		})
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 36500: "36,500", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d): got %q, want %q", n, got, want)
		}
	}
}
