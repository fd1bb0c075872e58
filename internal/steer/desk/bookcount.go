package desk

import (
	"context"
	"time"

	"postseal/internal/ground/state"
)

// bookMonths are the whole months that are counted, besides the one that is not over.
const bookMonths = 12

// BookNumbers are the numbers of the book.
type BookNumbers struct {
	Weeks    []WeekNumber    `json:"weeks"`  // the last half year, the oldest first
	Months   []MonthNumber   `json:"months"` // the last twelve and this one, the oldest first
	Profiles []ProfileNumber `json:"profiles"`
	Statuses []StatusNumber  `json:"statuses"`
	KeepDays int             `json:"keepDays"` // how long a line stays after the end of its certificate; 0: for ever
}

// WeekNumber says how many were issued in the week that begins then, a Monday at 00:00 UTC.
type WeekNumber struct {
	Begins time.Time `json:"begins"`
	Issued int       `json:"issued"`
}

// MonthNumber says what became of the book in the month that begins then, at 00:00 UTC.
type MonthNumber struct {
	Begins  time.Time `json:"begins"`
	Issued  int       `json:"issued"`
	Revoked int       `json:"revoked"`
	Ended   int       `json:"ended"` // whose time ended in it, revoked or not
}

// ProfileNumber says how many a profile has.
type ProfileNumber struct {
	Profile string `json:"profile"`
	All     int    `json:"all"`
	Current int    `json:"current"` // that have not ended
}

// StatusNumber says how many lines have a status.
type StatusNumber struct {
	Status string `json:"status"`
	Count  int    `json:"count"`
}

// CountBook counts the book.
func (d *Desk) CountBook(ctx context.Context) (*BookNumbers, error) {
	now := time.Now().UTC()
	monday := now.Truncate(24*time.Hour).AddDate(0, 0, -(int(now.Weekday())+6)%7)
	first := monday.AddDate(0, 0, -7*(bookWeeks-1))
	var months []time.Time
	for n := bookMonths; n >= 0; n-- {
		months = append(months, time.Date(now.Year(), now.Month()-time.Month(n), 1, 0, 0, 0, 0, time.UTC))
	}
	out := &BookNumbers{Weeks: []WeekNumber{}, Months: []MonthNumber{}, Profiles: []ProfileNumber{}}
	var c state.BookCounts
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		if out.KeepDays, err = tx.BookRule(); err != nil {
			return err
		}
		c, err = tx.CountBook(first, months...)
		return err
	})
	if err != nil {
		return nil, err
	}
	for week := first; !week.After(monday); week = week.AddDate(0, 0, 7) {
		n := WeekNumber{Begins: week}
		for _, w := range c.Weeks {
			if w.Begins.Equal(week) {
				n.Issued = w.Issued
			}
		}
		out.Weeks = append(out.Weeks, n)
	}
	for _, m := range c.Months {
		out.Months = append(out.Months, MonthNumber(m))
	}
	for _, p := range c.Profiles {
		out.Profiles = append(out.Profiles, ProfileNumber(p))
	}
	out.Statuses = []StatusNumber{{state.BookPlanned, c.Planned}, {state.BookIssued, c.Valid}, {state.BookRevoked, c.Revoked}, {state.BookEnded, c.Ended}}
	return out, nil
}
