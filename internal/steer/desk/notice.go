package desk

import (
	"context"
	"fmt"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/notice"
)

// Noticing says how people and programs are told what needs them. The zero value tells nobody: notices are kept, and
// [Desk.Notices] lists them.
type Noticing struct {
	Channels []courier.Channel
	// Word makes the message of a letter; nil is allowed only without channels.
	Word func(Letter) courier.Message
}

// Kinds of letters.
const (
	LetterNotices = "notices"
	LetterReport  = "report"
	LetterTest    = "test"
)

// Letter is what a message says, before it has words.
type Letter struct {
	Kind         string // see the constants
	ID           string // the same for the same contents
	Organisation string
	Server       string
	MadeAt       time.Time
	News         []notice.Item // what is new, more urgent, or over
	Still        []notice.Item // what was said before and is still so
	Doubt        bool          // some of it was said once, and nobody knows whether that arrived
	Late         time.Time     // since when the channel did not take it; zero if it did
	Report       *Report       // of LetterReport
}

// keptNotices is how many closed notices are looked at; older ones are forgotten after noticeMemory.
const (
	keptNotices  = 1000
	noticeMemory = 400 * 24 * time.Hour
)

// findings are everything that is to be told now: what needs a person, and what ends.
func (d *Desk) findings(ctx context.Context) ([]notice.Finding, error) {
	status, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	var all []notice.Finding
	for _, c := range status.Attention {
		switch c.Code {
		case health.CodeServerNotRunning, health.CodeCertificateEnding, health.CodeCertificateExpired, health.CodeTokenEnding:
			continue // the first cannot be told, the others have stages: below
		}
		all = append(all, notice.Finding{Kind: string(c.Code), Object: c.Object, Stage: notice.Now, Text: c.Text})
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := d.endingLineages(v)
	if err != nil {
		return nil, err
	}
	all = append(all, ends...)
	tokens, err := d.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if stage, tell := notice.Stage(notice.Life{NotBefore: t.CreatedAt, NotAfter: t.ExpiresAt}, time.Now()); tell {
			all = append(all, notice.Finding{Kind: string(health.CodeTokenEnding), Object: t.Name, Stage: stage, EndsAt: t.ExpiresAt,
				Text: fmt.Sprintf("the token %q %s", t.Name, endsWhen(t.ExpiresAt))})
		}
	}
	return all, nil
}

// endsWhen says when something ends or has ended.
func endsWhen(at time.Time) string {
	if left := time.Until(at); left > 0 {
		return fmt.Sprintf("ends on %s, in %d days", at.Format(time.DateOnly), int(left.Hours()/24))
	}
	return "ended on " + at.Format(time.DateOnly)
}

// endingLineages finds the lineages whose generation in force ends soon, used or not: what nobody uses today is
// somebody's plan for tomorrow, and says so. The member that ends first speaks for its generation.
func (d *Desk) endingLineages(v *view) ([]notice.Finding, error) {
	var all []notice.Finding
	now := time.Now()
	for _, l := range v.lineages {
		g, ok := l.Current()
		if !ok || len(g.Members) == 0 {
			continue
		}
		first, end := 0, time.Time{}
		for i, m := range g.Members {
			at, _, err := v.facts.outline(m)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %s of %s: %w", m.Thumbprint, l.Name, err)
			}
			if end.IsZero() || at.Before(end) {
				first, end = i, at
			}
		}
		life := notice.Life{NotBefore: end, NotAfter: end, ByItself: d.runtime.Running() && v.renewsItself(l)}
		if end.Sub(now) > notice.Horizon && !life.ByItself {
			continue // without a look at the whole certificate: there may be ten thousand
		}
		facts, err := v.facts.of(g.Members[first])
		if err != nil {
			return nil, fmt.Errorf("reading certificate %s of %s: %w", g.Members[first].Thumbprint, l.Name, err)
		}
		life.NotBefore = facts.NotBefore
		stage, tell := notice.Stage(life, now)
		if !tell {
			continue
		}
		text := fmt.Sprintf("%q (%s) %s", l.FriendlyName, facts.KeyType, endsWhen(end))
		switch {
		case life.ByItself:
			text += "; it should have renewed by itself"
		case len(v.roles(l.ID)) == 0 && len(v.bindingViews(l.ID)) == 0:
			text += "; nothing uses it"
		}
		all = append(all, notice.Finding{Kind: string(health.CodeCertificateEnding), Object: l.Name, Stage: stage, Text: text, EndsAt: end})
	}
	return all, nil
}

// notices reads what is kept.
func (d *Desk) notices(ctx context.Context) (kept []state.Notice, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		kept, err = tx.Notices(d.server, keptNotices)
		return err
	})
	return kept, err
}

// takeNotice brings the rows to what is found now. It may be done again at any time: what was written is found written.
func (d *Desk) takeNotice(ctx context.Context) error {
	found, err := d.findings(ctx)
	if err != nil {
		return err
	}
	kept, err := d.notices(ctx)
	if err != nil || notice.Compare(kept, found).Empty() {
		return err
	}
	return d.db.Keep(ctx, func(tx *state.Tx) error {
		kept, err := tx.Notices(d.server, 0)
		if err != nil {
			return err
		}
		c := notice.Compare(kept, found)
		for _, id := range c.Close {
			if err := tx.CloseNotice(id); err != nil {
				return err
			}
		}
		for _, n := range c.Move {
			if err := tx.MoveNotice(n); err != nil {
				return err
			}
		}
		for _, f := range c.Open {
			if err := tx.OpenNotice(d.server, state.Notice{ID: newID(), Kind: f.Kind, Object: f.Object, Stage: f.Stage, Text: f.Text, EndsAt: f.EndsAt}); err != nil {
				return err
			}
		}
		return tx.ForgetNotices(d.server, tx.Now().Add(-noticeMemory))
	})
}
