package renewal

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const day = 24 * time.Hour

func TestWhenItIsDue(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life, due, overdue, ending time.Duration
	}{
		{6 * day, 4 * day, 5 * day, 4 * day},
		{90 * day, 60 * day, 75 * day, 60 * day},
		{1826 * day, 1826 * day / 3 * 2, 1826*day - 1826*day/6, 1796 * day},
		{0, 0, 0, 0},
	} {
		end := begin.Add(c.life)
		if got := At(begin, end).Sub(begin); got != c.due {
			t.Errorf("a life of %v: due after %v, want %v", c.life, got, c.due)
		}
		if got := Overdue(begin, end).Sub(begin); got != c.overdue {
			t.Errorf("a life of %v: overdue after %v, want %v", c.life, got, c.overdue)
		}
		if got := Ending(begin, end).Sub(begin); got != c.ending {
			t.Errorf("a life of %v: ending after %v, want %v", c.life, got, c.ending)
		}
	}
}

// shelf is Work in memory.
type shelf struct {
	mu      sync.Mutex
	lines   map[string]Line
	life    time.Duration
	refuse  int // how many renewals are refused before one is done
	renewed []time.Time
	tried   int
}

func (s *shelf) Lines(context.Context) ([]Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Line
	for _, l := range s.lines {
		all = append(all, l)
	}
	return all, nil
}

func (s *shelf) Renew(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	if s.refuse > 0 {
		s.refuse--
		return errors.New("refused")
	}
	now := time.Now()
	s.lines[name] = Line{Name: name, NotBefore: now, NotAfter: now.Add(s.life)}
	s.renewed = append(s.renewed, now)
	return nil
}

// run runs until d is over.
func run(t *testing.T, s *shelf, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	Run(ctx, s, slog.New(slog.DiscardHandler))
}

func TestSixYearsRenewOnceInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life := 5 * 365 * day
		begin := time.Now()
		s := &shelf{life: life, lines: map[string]Line{"internal": {Name: "internal", NotBefore: begin, NotAfter: begin.Add(life)}}}
		run(t, s, 6*365*day)
		if len(s.renewed) != 1 {
			t.Fatalf("renewed at %v, want once in six years", s.renewed)
		}
		if late := s.renewed[0].Sub(At(begin, begin.Add(life))); late < 0 || late > time.Second {
			t.Errorf("renewed %v after it was due", late)
		}
	})
}

func TestAFailureIsTriedAgainLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := &shelf{life: 90 * day, refuse: 8, lines: map[string]Line{"x": {Name: "x", NotBefore: begin.Add(-80 * day), NotAfter: begin.Add(10 * day)}}}
		run(t, s, day)
		if len(s.renewed) != 1 || s.tried != 9 {
			t.Fatalf("tried %d times, renewed %v", s.tried, s.renewed)
		}
		// 1+2+4+8+16+32+60+60 minutes
		if got := s.renewed[0].Sub(begin); got != 183*time.Minute {
			t.Errorf("done after %v, want 183 minutes", got)
		}
	})
}

func TestACertificateThatEndedRenewsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := &shelf{life: 90 * day, lines: map[string]Line{"x": {Name: "x", NotBefore: begin.Add(-100 * day), NotAfter: begin.Add(-10 * day)}}}
		run(t, s, time.Minute)
		if len(s.renewed) != 1 || !s.renewed[0].Equal(begin) {
			t.Errorf("renewed at %v, want at once", s.renewed)
		}
	})
}
