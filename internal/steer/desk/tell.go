package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/notice"
)

const (
	// noticeEvery is how often the server looks for what is to be told.
	noticeEvery = time.Minute
	// noticeSettles is how long something must be so before it is told: what a restart heals by itself is no news, and
	// what comes together is told together.
	noticeSettles = 2 * time.Minute
	// noticeGap is the least time between two messages of a channel: what flaps does not flood.
	noticeGap = 15 * time.Minute
	// noticeTries is how many failures, one after the other, need a person; a mail server that says "later" once or twice
	// does its work.
	noticeTries = 3
)

// RunNotices keeps the notices, and tells them over the channels, until ctx ends. Everything that it must not forget is
// in the state, written before it is sent. Each channel has a goroutine of its own: a mail server that hangs holds up
// nobody else.
func (d *Desk) RunNotices(ctx context.Context) {
	var group sync.WaitGroup
	looked := make([]chan struct{}, len(d.noticing.Channels))
	for i, c := range d.noticing.Channels {
		looked[i] = make(chan struct{}, 1)
		group.Go(func() {
			for range looked[i] {
				d.logFailure(ctx, d.tell(ctx, c))
			}
		})
	}
	for ctx.Err() == nil {
		d.logFailure(ctx, d.takeNotice(ctx))
		for _, next := range looked {
			select {
			case next <- struct{}{}:
			default: // it is still at the last one
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(noticeEvery):
		}
	}
	for _, next := range looked {
		close(next)
	}
	group.Wait()
}

// logFailure logs what the next round meets again.
func (d *Desk) logFailure(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		d.log.ErrorContext(ctx, "keeping notices", "err", err)
	}
}

// telling is one attempt of a channel.
type telling struct {
	channel courier.Channel
	now     time.Time
	how     state.NoticeChannel
	items   []notice.Item
	letter  Letter
	report  bool
}

// tell makes one attempt if the channel has something to say and may.
func (d *Desk) tell(ctx context.Context, c courier.Channel) error {
	t := &telling{channel: c, now: time.Now()}
	var kept []state.Notice
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		if t.how, err = tx.NoticeChannel(d.server, c.Name()); err != nil {
			return err
		}
		if kept, err = tx.Notices(d.server, keptNotices); err != nil {
			return err
		}
		t.letter, err = d.letter(tx)
		return err
	})
	if err != nil {
		return err
	}
	d.judgeChannel(t.how)
	t.letter.Late = t.how.WaitingSince
	if t.how.LastReport.IsZero() && c.Reports() { // the first Monday is the next one
		t.how.LastReport = notice.Monday(t.now)
		return d.db.Keep(ctx, func(tx *state.Tx) error { return tx.SetNoticeChannel(d.server, t.how) })
	}
	if t.now.Before(t.how.NextAt) {
		return nil
	}
	t.choose(kept)
	if len(t.items) > 0 {
		if since := t.how.WaitingSince; !since.IsZero() && t.now.Sub(since) >= notice.GiveUpAfter {
			return d.giveUp(ctx, t)
		}
		return d.say(ctx, t)
	}
	if monday := notice.Monday(t.now); c.Reports() && (monday.After(t.how.LastReport) || t.how.ReportDoubt == 1) {
		return d.sayReport(ctx, t, monday)
	}
	return nil
}

// letter begins a letter.
func (d *Desk) letter(tx *state.Tx) (Letter, error) {
	org, err := tx.Organisation()
	if err != nil {
		return Letter{}, err
	}
	l := Letter{Kind: LetterNotices, Organisation: org.Name, MadeAt: time.Now()}
	servers, err := tx.Servers()
	for _, s := range servers {
		if s.ID == d.server {
			l.Server = s.Name
		}
	}
	return l, err
}

// choose picks what the channel says.
func (t *telling) choose(kept []state.Notice) {
	name := t.channel.Name()
	untold, still := notice.Untold(kept, name, t.how.Tries == 0)
	for _, n := range untold {
		if n.Closing || t.now.Sub(n.OpenedAt) >= noticeSettles {
			t.items = append(t.items, n)
			t.letter.Doubt = t.letter.Doubt || n.Doubt
		}
	}
	t.letter.News, t.letter.Still = t.items, still
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s", name, t.letter.Kind)
	for _, n := range t.items {
		fmt.Fprintf(sum, " %s/%d/%v", n.ID, n.Stage, n.Closing)
	}
	t.letter.ID = hex.EncodeToString(sum.Sum(nil)[:16])
}

// say says the items. Before anything leaves it is written down that it may have: as unsure, and when it was unsure
// before, as perhaps. So, whatever breaks, nothing is said a third time, and nothing is lost without an attempt whose
// outcome nobody knows.
func (d *Desk) say(ctx context.Context, t *telling) error {
	name := t.channel.Name()
	if err := d.db.Keep(ctx, func(tx *state.Tx) error {
		for _, n := range t.items {
			outcome := state.NoticeUnsure
			if n.Doubt {
				outcome = state.NoticePerhaps
			}
			if err := tx.NoticeSaid(n.ID, state.NoticeTold{Channel: name, Stage: n.Stage, Closing: n.Closing, Outcome: outcome}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		// The commit may have been made; nothing was sent, so what stood before is put back.
		return errors.Join(err, d.settleBooks(ctx, func(tx *state.Tx) error { return t.takeBack(tx) }))
	}
	err := t.channel.Deliver(ctx, d.noticing.Word(t.letter))
	return d.settleBooks(ctx, func(tx *state.Tx) error {
		switch {
		case err == nil:
			t.went(t.now)
			for _, n := range t.items {
				if err := tx.NoticeSaid(n.ID, state.NoticeTold{Channel: name, Stage: n.Stage, Closing: n.Closing, Outcome: state.NoticeSent}); err != nil {
					return err
				}
			}
		case errors.Is(err, courier.ErrOutcomeUnknown):
			t.failed(err)
		default:
			t.failed(err)
			if err := t.takeBack(tx); err != nil {
				return err
			}
		}
		return tx.SetNoticeChannel(d.server, t.how)
	})
}

// takeBack writes what stood before the attempt.
func (t *telling) takeBack(tx *state.Tx) error {
	for _, n := range t.items {
		told, said := notice.Before(n.Notice, t.channel.Name())
		var err error
		if said {
			err = tx.NoticeSaid(n.ID, told)
		} else {
			err = tx.NoticeUnsaid(n.ID, t.channel.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settleBooks writes down what became of an attempt, even when the server is stopping, and tries once more: a message
// that was taken and not written down is sent again.
func (d *Desk) settleBooks(ctx context.Context, f func(*state.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	first := d.db.Keep(ctx, f)
	if first == nil {
		return nil
	}
	if second := d.db.Keep(ctx, f); second != nil {
		return errors.Join(first, second)
	}
	return nil
}

func (t *telling) went(now time.Time) {
	t.how.Tries, t.how.WaitingSince, t.how.LastError, t.how.LastTold, t.how.NextAt = 0, time.Time{}, "", now, now.Add(noticeGap)
}

// failed counts from what was read, so that it may be done twice.
func (t *telling) failed(err error) {
	how := &t.how
	if t.letter.Late.IsZero() {
		how.WaitingSince = t.now
	}
	if how.NextAt.Before(t.now) || how.NextAt.IsZero() {
		how.Tries++
		how.NextAt = t.now.Add(notice.Pause(how.Tries))
	}
	how.LastError = clipTo(err.Error(), 500)
}

// giveUp stops waiting for a channel that has failed for a month: what it had to say stands in the list as given up. It
// is said after all if the channel works again while it is still so.
func (d *Desk) giveUp(ctx context.Context, t *telling) error {
	d.log.ErrorContext(ctx, "giving up notices", "channel", t.channel.Name(), "notices", len(t.items), "since", t.how.WaitingSince, "err", t.how.LastError)
	return d.db.Keep(ctx, func(tx *state.Tx) error {
		for _, n := range t.items {
			if err := tx.NoticeSaid(n.ID, state.NoticeTold{Channel: t.channel.Name(), Stage: n.Stage, Closing: n.Closing, Outcome: state.NoticeGaveUp}); err != nil {
				return err
			}
		}
		how := t.how
		how.WaitingSince = t.now // what comes now has its own month
		return tx.SetNoticeChannel(d.server, how)
	})
}

// sayReport sends the report of a Monday. Like a notice it goes out a second time when nobody knows whether it
// arrived, and not a third. One that could not be sent until the next Monday is that Monday's.
func (d *Desk) sayReport(ctx context.Context, t *telling, monday time.Time) error {
	report, err := d.Report(ctx, ReportRequest{})
	if err != nil {
		return err
	}
	before := t.how
	begun := t.how
	if monday.After(begun.LastReport) {
		begun.LastReport, begun.ReportDoubt = monday, 0
	}
	begun.ReportDoubt++
	t.letter.Kind, t.letter.Report, t.letter.Doubt = LetterReport, report, begun.ReportDoubt > 1
	t.letter.ID = fmt.Sprintf("report-%s-%s", d.server[:min(8, len(d.server))], monday.Format("20060102"))
	if err := d.db.Keep(ctx, func(tx *state.Tx) error { return tx.SetNoticeChannel(d.server, begun) }); err != nil {
		return errors.Join(err, d.settleBooks(ctx, func(tx *state.Tx) error { return tx.SetNoticeChannel(d.server, before) }))
	}
	err = t.channel.Deliver(ctx, d.noticing.Word(t.letter))
	switch {
	case err == nil:
		t.how = begun
		t.how.ReportDoubt = 0
		t.went(t.now)
		t.how.NextAt = before.NextAt // a report does not hold up a notice
	case errors.Is(err, courier.ErrOutcomeUnknown):
		t.how = begun
		t.failed(err)
	default:
		t.failed(err)
	}
	return d.settleBooks(ctx, func(tx *state.Tx) error { return tx.SetNoticeChannel(d.server, t.how) })
}

// judgeChannel raises or clears the condition of a channel, by what is written down: it outlives a restart.
func (d *Desk) judgeChannel(how state.NoticeChannel) {
	if how.Tries < noticeTries {
		d.health.Clear(health.CodeNoticeNotSent, how.Channel)
		return
	}
	d.health.Raise(health.Condition{Code: health.CodeNoticeNotSent, Severity: health.Attention, Object: how.Channel,
		Text: fmt.Sprintf("notices by %s are not taken, after %d tries; last: %s", how.Channel, how.Tries, how.LastError)})
}
