package pages

import (
	"time"

	"postseal/internal/steer/desk"
)

// Measures of the picture of months, in its own units; on a telephone one of them is about one pixel.
const (
	monthWide = 30
	monthHigh = 110
)

// monthsView is what became of the book in each month, drawn and as a table.
type monthsView struct {
	Bars    []monthBar
	Rows    []monthRow
	Width   int
	Label   string // the picture in words
	Most    string // the highest of the bars
	Issued  string // in all of the months
	Revoked string
	Ended   string
}

// monthBar is a month in the picture: where it stands, and how high its three bars are.
type monthBar struct {
	X                                  int
	IssuedX, EndedX, RevokedX          int
	IssuedY, EndedY, RevokedY          int
	IssuedHigh, EndedHigh, RevokedHigh int
	TextX                              int
	Month, Year                        string // Year stands below the first month and each January
}

type monthRow struct{ Month, Issued, Revoked, Ended string }

// months draws them. Bars differ by their filling too: full, hollow, hatched.
func (w *words) months(all []desk.MonthNumber) monthsView {
	view := monthsView{Width: len(all)*monthWide + 4}
	most, issued, revoked, ended := 1, 0, 0, 0
	for _, m := range all {
		most = max(most, m.Issued, m.Revoked, m.Ended)
		issued, revoked, ended = issued+m.Issued, revoked+m.Revoked, ended+m.Ended
	}
	high := func(n int) int { return (n*monthHigh + most - 1) / most }
	for i, m := range all {
		x := i*monthWide + 2
		b := monthBar{X: x, IssuedX: x + 2, EndedX: x + 11, RevokedX: x + 20, IssuedHigh: high(m.Issued), EndedHigh: high(m.Ended), RevokedHigh: high(m.Revoked), TextX: x + monthWide/2, Month: plainNumber(int(m.Begins.Month()))}
		b.IssuedY, b.EndedY, b.RevokedY = monthHigh-b.IssuedHigh, monthHigh-b.EndedHigh, monthHigh-b.RevokedHigh
		if i == 0 || m.Begins.Month() == time.January {
			b.Year = m.Begins.Format("2006")
		}
		view.Bars = append(view.Bars, b)
		view.Rows = append(view.Rows, monthRow{m.Begins.Format("2006-01"), grouped(m.Issued), grouped(m.Revoked), grouped(m.Ended)})
	}
	view.Issued, view.Revoked, view.Ended, view.Most = grouped(issued), grouped(revoked), grouped(ended), grouped(most)
	view.Label = w.say("months.picture", view.Issued, view.Ended, view.Revoked, view.Most)
	return view
}

func monthsWords() vocabulary {
	return vocabulary{
		"months.title":   {"Month by month", "달마다"},
		"months.picture": {"The last thirteen months: %s issued, %s ended, %s revoked; at most %s in one month", "지난 열세 달: 발급 %s건, 만료 %s건, 폐기 %s건, 한 달에 가장 많을 때 %s건"},
		"months.issued":  {"issued: %s", "발급 %s건"},
		"months.ended":   {"ended: %s", "만료 %s건"},
		"months.revoked": {"revoked: %s", "폐기 %s건"},
		"months.words":   {"The same in numbers", "숫자로 보기"},
		"months.month":   {"Month", "달"},
		"months.all":     {"Issued", "발급"},
		"months.gone":    {"Ended", "만료"},
		"months.taken":   {"Revoked", "폐기"},
	}
}
