package state

import (
	"fmt"
	"time"
)

// BookCounts are the numbers of the book at the time of the transaction.
type BookCounts struct {
	Weeks    []WeekCount // without those in which nothing was issued, the oldest first
	Profiles []ProfileCount
	Planned  int
	Revoked  int // ended ones too
	Valid    int // issued, not revoked, and not ended
	Ended    int // not revoked
	Months   []MonthCount
}

// MonthCount says what became of the book in a month.
type MonthCount struct {
	Begins  time.Time // the first, 00:00 UTC
	Issued  int       // planned in it
	Revoked int       // in it
	Ended   int       // whose time ended in it and before the time of the transaction, revoked or not
}

// WeekCount says how many were planned in a week.
type WeekCount struct {
	Begins time.Time // Monday, 00:00 UTC
	Issued int
}

// ProfileCount says how many lines a profile has.
type ProfileCount struct {
	Profile string
	All     int
	Current int // not ended, whether revoked or not
}

// week is the length of one, and monday the first after the epoch, in microseconds.
const (
	week   = int64(7 * 24 * time.Hour / time.Microsecond)
	monday = int64(4 * 24 * time.Hour / time.Microsecond)
)

// CountBook counts; weeks from the time since on, and the months that begin at some times, which follow each other.
func (tx *Tx) CountBook(since time.Time, months ...time.Time) (BookCounts, error) {
	var c BookCounts
	if err := tx.countMonths(&c, months); err != nil {
		return c, fmt.Errorf("counting the book: %w", err)
	}
	weeks, err := collect(tx, `SELECT (i.planned_at - $1) / $2, count(*) FROM authority a JOIN issuance i ON i.authority_id = a.id WHERE i.planned_at >= $3 GROUP BY 1 ORDER BY 1`, func(scan func(...any) error) (w WeekCount, err error) {
		var number int64
		err = scan(&number, &w.Issued)
		w.Begins = fromMicro(monday + number*week).UTC()
		return w, err
	}, monday, week, micro(since))
	if err != nil {
		return c, fmt.Errorf("counting the book: %w", err)
	}
	c.Weeks = weeks
	now := micro(tx.now)
	c.Profiles, err = collect(tx, `SELECT profile, count(*), sum(CASE WHEN not_after >= $1 THEN 1 ELSE 0 END) FROM issuance GROUP BY profile ORDER BY profile`, func(scan func(...any) error) (p ProfileCount, err error) {
		return p, scan(&p.Profile, &p.All, &p.Current)
	}, now)
	if err != nil {
		return c, fmt.Errorf("counting the book: %w", err)
	}
	var revoked, plannedCurrent int
	for _, one := range []struct {
		into  *int
		query string
	}{
		{&c.Revoked, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND 0 <= $1`},
		{&revoked, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND not_after >= $1`},
		{&c.Planned, `SELECT count(*) FROM issuance WHERE certificate IS NULL AND revoked_at IS NULL AND 0 <= $1`},
		{&plannedCurrent, `SELECT count(*) FROM issuance WHERE certificate IS NULL AND revoked_at IS NULL AND not_after >= $1`},
	} {
		if err := tx.tx.QueryRowContext(tx.ctx, one.query, now).Scan(one.into); err != nil {
			return c, fmt.Errorf("counting the book: %w", err)
		}
	}
	all, current := 0, 0
	for _, p := range c.Profiles {
		all, current = all+p.All, current+p.Current
	}
	c.Valid = current - revoked - plannedCurrent
	c.Ended = all - c.Revoked - c.Planned - c.Valid
	return c, nil
}

// countMonths counts each month by its own range of an index: months are not equally long.
func (tx *Tx) countMonths(c *BookCounts, months []time.Time) error {
	now := micro(tx.now)
	profiles, err := tx.BookProfiles()
	if err != nil {
		return err
	}
	for n, begins := range months {
		m := MonthCount{Begins: begins.UTC()}
		from, until := micro(begins), now+1
		if n+1 < len(months) {
			until = min(until, micro(months[n+1]))
		}
		for _, one := range []struct {
			into  *int
			query string
		}{
			{&m.Issued, `SELECT count(*) FROM authority a JOIN issuance i ON i.authority_id = a.id WHERE i.planned_at >= $1 AND i.planned_at < $2`},
			{&m.Revoked, `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND revoked_at >= $1 AND revoked_at < $2`},
		} {
			if err := tx.tx.QueryRowContext(tx.ctx, one.query, from, until).Scan(one.into); err != nil {
				return err
			}
		}
		for _, profile := range profiles {
			var ended int
			if err := tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM issuance WHERE profile = $1 AND not_after >= $2 AND not_after < $3`, profile, from, until).Scan(&ended); err != nil {
				return err
			}
			m.Ended += ended
		}
		c.Months = append(c.Months, m)
	}
	return nil
}
