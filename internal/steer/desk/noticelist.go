package desk

import (
	"context"
	"errors"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/notice"
)

// Errors of notices and reports.
var (
	// ErrNoChannel: there is nobody to tell.
	ErrNoChannel = errors.New("no mail server and no web hook is configured for notices")
	// ErrReportDays: a report looks back too far.
	ErrReportDays = errors.New("a report looks back 1 to 400 days")
)

// NoticesRequest asks for notices.
type NoticesRequest struct {
	All bool `json:"all,omitempty"` // those too whose cause is gone, the newest 1000
}

// NoticeList is what is told, and how the channels do.
type NoticeList struct {
	Notices  []NoticeView  `json:"notices"`
	Channels []ChannelView `json:"channels"` // that are configured
}

// NoticeView is one notice.
type NoticeView struct {
	Kind     string     `json:"kind"` // the code of a condition
	Object   string     `json:"object,omitempty"`
	Stage    int        `json:"stage"` // days left at most when it was told: 60, 30, 14, 7, 1; 0 for now; 1000 for what is overdue
	Text     string     `json:"text"`
	EndsAt   time.Time  `json:"endsAt,omitzero"`
	OpenedAt time.Time  `json:"openedAt"`
	ClosedAt time.Time  `json:"closedAt,omitzero"` // absent: its cause is still there
	Told     []ToldView `json:"told"`
}

// ToldView is the last that a channel said of a notice.
type ToldView struct {
	Channel string    `json:"channel"`
	Stage   int       `json:"stage"`
	Closing bool      `json:"closing"` // that its cause is gone
	Outcome string    `json:"outcome"` // told; unsure: it is tried once more; perhaps: nobody knows; gaveUp: after 30 days
	At      time.Time `json:"at"`
}

// ChannelView is how a channel does.
type ChannelView struct {
	Channel      string    `json:"channel"` // mail or webhook
	To           string    `json:"to"`
	Waiting      int       `json:"waiting"` // notices that it has not said yet
	Tries        int       `json:"tries"`   // that failed, one after the other
	WaitingSince time.Time `json:"waitingSince,omitzero"`
	NextAt       time.Time `json:"nextAt,omitzero"` // not before
	LastError    string    `json:"lastError,omitempty"`
	LastTold     time.Time `json:"lastTold,omitzero"`
	LastReport   time.Time `json:"lastReport,omitzero"` // the Monday that was reported last
}

// Notices lists the open notices, oldest first, or all of them, and the channels.
func (d *Desk) Notices(ctx context.Context, r NoticesRequest) (*NoticeList, error) {
	list := &NoticeList{Notices: []NoticeView{}, Channels: []ChannelView{}}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		kept, err := tx.Notices(d.server, keptNotices)
		if err != nil {
			return err
		}
		for _, n := range kept {
			if n.ClosedAt.IsZero() || r.All {
				list.Notices = append(list.Notices, noticeView(n))
			}
		}
		for _, c := range d.noticing.Channels {
			how, err := tx.NoticeChannel(d.server, c.Name())
			if err != nil {
				return err
			}
			untold, _ := notice.Untold(kept, c.Name(), how.Tries == 0)
			list.Channels = append(list.Channels, ChannelView{Channel: c.Name(), To: c.To(), Waiting: len(untold), Tries: how.Tries, WaitingSince: how.WaitingSince,
				NextAt: how.NextAt, LastError: how.LastError, LastTold: how.LastTold, LastReport: how.LastReport})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func noticeView(n state.Notice) NoticeView {
	v := NoticeView{Kind: n.Kind, Object: n.Object, Stage: n.Stage, Text: n.Text, EndsAt: n.EndsAt, OpenedAt: n.OpenedAt, ClosedAt: n.ClosedAt, Told: []ToldView{}}
	for _, t := range n.Told {
		v.Told = append(v.Told, ToldView(t))
	}
	return v
}

// NoticeTest is what became of a test message.
type NoticeTest struct {
	Channel string `json:"channel"`
	To      string `json:"to"`
	Taken   bool   `json:"taken"`
	Text    string `json:"text"` // in words
}

// TestNotices sends a test message over each channel that is configured. One that takes it is no longer waited for: what
// waits for it goes out within a minute. [ErrNoChannel] means that there is none.
func (d *Desk) TestNotices(ctx context.Context) ([]NoticeTest, error) {
	if len(d.noticing.Channels) == 0 {
		return nil, ErrNoChannel
	}
	var all []NoticeTest
	for _, c := range d.noticing.Channels {
		one, err := d.testChannel(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (d *Desk) testChannel(ctx context.Context, c courier.Channel) (NoticeTest, error) {
	var l Letter
	if err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		l, err = d.letter(tx)
		return err
	}); err != nil {
		return NoticeTest{}, err
	}
	l.Kind, l.ID = LetterTest, "test-"+newID()
	t := NoticeTest{Channel: c.Name(), To: c.To()}
	if err := c.Deliver(ctx, d.noticing.Word(l)); err != nil {
		t.Text = err.Error()
		return t, nil
	}
	t.Taken, t.Text = true, "taken"
	d.judgeChannel(state.NoticeChannel{Channel: c.Name()})
	return t, d.db.Keep(ctx, func(tx *state.Tx) error {
		how, err := tx.NoticeChannel(d.server, c.Name())
		if err != nil {
			return err
		}
		how.Tries, how.WaitingSince, how.NextAt, how.LastError = 0, time.Time{}, time.Time{}, ""
		return tx.SetNoticeChannel(d.server, how)
	})
}
