package notice

import (
	"slices"
	"testing"
	"time"

	"postseal/internal/ground/state"
)

// TestStages walks through lives hour by hour and wants each stage once, at its time.
func TestStages(t *testing.T) {
	t.Parallel()
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		life  time.Duration
		auto  bool
		want  []int
		hours []int // left when each begins
	}{
		{"a year", 365 * day, false, []int{60, 30, 14, 7, 1, Now}, []int{60 * 24, 30 * 24, 14 * 24, 7 * 24, 24, 0}},
		{"ninety days", 90 * day, false, []int{30, 14, 7, 1, Now}, []int{30 * 24, 14 * 24, 7 * 24, 24, 0}},
		{"forty-seven days", 47 * day, false, []int{14, 7, 1, Now}, []int{14 * 24, 7 * 24, 24, 0}},
		{"six days", 6 * day, false, []int{1, Now}, []int{24, 0}},
		{"an hour", time.Hour, false, []int{Now}, []int{0}},
		{"five years by itself", 1800 * day, true, []int{Overdue, 60, 30, 14, 7, 1, Now}, []int{300 * 24, 60 * 24, 30 * 24, 14 * 24, 7 * 24, 24, 0}},
		{"ninety days by itself", 90 * day, true, []int{30, 14, 7, 1, Now}, []int{15 * 24, 14 * 24, 7 * 24, 24, 0}},
		{"six days by itself", 6 * day, true, []int{1, Now}, []int{24, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Life{NotBefore: begin, NotAfter: begin.Add(c.life), ByItself: c.auto}
			var got, hours []int
			for at := begin; !at.After(l.NotAfter.Add(time.Hour)); at = at.Add(time.Hour) {
				stage, tell := Stage(l, at)
				if !tell {
					if len(got) > 0 {
						t.Fatalf("silent again at %v", at)
					}
					continue
				}
				if len(got) == 0 || got[len(got)-1] != stage {
					got, hours = append(got, stage), append(hours, int(l.NotAfter.Sub(at).Hours()))
				}
			}
			if !slices.Equal(got, c.want) || !slices.Equal(hours, c.hours) {
				t.Errorf("got %v at %v, want %v at %v", got, hours, c.want, c.hours)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	end := time.Date(2030, 3, 1, 0, 0, 0, 0, time.UTC)
	open := state.Notice{ID: "1", Kind: "certificateEnding", Object: "mail", Stage: 30, Text: "x", EndsAt: end}
	closed := open
	closed.ID, closed.ClosedAt = "0", end
	found := func(stage int, at time.Time) Finding {
		return Finding{Kind: "certificateEnding", Object: "mail", Stage: stage, Text: "x", EndsAt: at}
	}
	for _, c := range []struct {
		name              string
		kept              []state.Notice
		found             []Finding
		open, move, close int
	}{
		{"nothing", nil, nil, 0, 0, 0},
		{"the same", []state.Notice{open}, []Finding{found(30, end)}, 0, 0, 0},
		{"more urgent", []state.Notice{open}, []Finding{found(14, end)}, 0, 1, 0},
		{"gone", []state.Notice{open}, nil, 0, 0, 1},
		{"closed before and there again", []state.Notice{closed}, []Finding{found(30, end)}, 1, 0, 0},
		{"renewed, and the next one ends soon too", []state.Notice{open}, []Finding{found(60, end.AddDate(0, 1, 0))}, 1, 0, 1},
		{"said twice at once", nil, []Finding{found(30, end), found(14, end)}, 1, 0, 0},
	} {
		got := Compare(c.kept, c.found)
		if len(got.Open) != c.open || len(got.Move) != c.move || len(got.Close) != c.close || got.Empty() != (c.open+c.move+c.close == 0) {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
	if got := Compare(nil, []Finding{found(30, end), found(14, end)}); got.Open[0].Stage != 14 {
		t.Errorf("of two the less urgent counted: %+v", got)
	}
}

func TestUntold(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(stage int, closed bool, told ...state.NoticeTold) state.Notice {
		n := state.Notice{ID: "1", Stage: stage, Told: told}
		if closed {
			n.ClosedAt = now
		}
		return n
	}
	said := func(stage int, closing bool, outcome string) state.NoticeTold {
		return state.NoticeTold{Channel: "mail", Stage: stage, Closing: closing, Outcome: outcome}
	}
	for _, c := range []struct {
		name    string
		n       state.Notice
		sick    bool
		want    string // untold, still, or nothing
		doubt   bool
		closing bool
	}{
		{"new", at(30, false), false, "untold", false, false},
		{"told elsewhere only", at(30, false, state.NoticeTold{Channel: "webhook", Stage: 30, Outcome: state.NoticeSent}), false, "untold", false, false},
		{"came and went", at(30, true), false, "", false, false},
		{"told", at(30, false, said(30, false, state.NoticeSent)), false, "still", false, false},
		{"more urgent than told", at(14, false, said(30, false, state.NoticeSent)), false, "untold", false, false},
		{"unsure", at(30, false, said(30, false, state.NoticeUnsure)), false, "untold", true, false},
		{"unsure of an earlier stage", at(14, false, said(30, false, state.NoticeUnsure)), false, "untold", false, false},
		{"perhaps", at(30, false, said(30, false, state.NoticePerhaps)), false, "still", false, false},
		{"over", at(30, true, said(30, false, state.NoticeSent)), false, "untold", false, true},
		{"over, told", at(30, true, said(30, true, state.NoticeSent)), false, "", false, false},
		{"over, unsure", at(30, true, said(30, true, state.NoticeUnsure)), false, "untold", true, true},
		{"over, and its beginning was unsure", at(30, true, said(30, false, state.NoticeUnsure)), false, "untold", false, true},
		{"given up, still sick", at(30, false, said(30, false, state.NoticeGaveUp)), true, "still", false, false},
		{"given up, well again", at(30, false, said(30, false, state.NoticeGaveUp)), false, "untold", false, false},
		{"given up and over", at(30, true, said(30, false, state.NoticeGaveUp)), false, "", false, false},
	} {
		untold, still := Untold([]state.Notice{c.n}, "mail", !c.sick)
		got := ""
		if len(untold) == 1 {
			got = "untold"
			if untold[0].Doubt != c.doubt || untold[0].Closing != c.closing {
				t.Errorf("%s: got %+v", c.name, untold[0])
			}
		}
		if len(still) == 1 {
			got += "still"
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 11: 1024 * time.Minute, 12: day, 1 << 30: day} {
		if got := Pause(tries); got < want || got >= want+want/10+1 {
			t.Errorf("after %d: got %v, want %v and up to a tenth more", tries, got, want)
		}
	}
	// A channel that fails for a month is asked so many times.
	n, sum := 0, time.Duration(0)
	for sum < GiveUpAfter {
		n++
		sum += Pause(n)
	}
	if n > 45 {
		t.Errorf("%d tries in a month", n)
	}
}

func TestMonday(t *testing.T) {
	t.Parallel()
	seoul := time.FixedZone("KST", 9*3600)
	for at, want := range map[string]string{
		"2030-01-07T06:59:59": "2029-12-31T07:00:00", "2030-01-07T07:00:00": "2030-01-07T07:00:00",
		"2030-01-13T23:00:00": "2030-01-07T07:00:00", "2030-01-10T00:00:00": "2030-01-07T07:00:00",
	} {
		in, err := time.ParseInLocation("2006-01-02T15:04:05", at, seoul)
		if err != nil {
			t.Fatal(err)
		}
		if got := Monday(in).Format("2006-01-02T15:04:05"); got != want {
			t.Errorf("at %s: got %s, want %s", at, got, want)
		}
	}
}
