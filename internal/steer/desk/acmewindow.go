package desk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// UnknownWindowError reports an ID that no moved window has.
type UnknownWindowError struct{ ID string }

func (e *UnknownWindowError) Error() string {
	return fmt.Sprintf("window %q: there is none of that ID", clip(e.ID))
}

// WindowRequest tells clients of ACME to renew within a window (RFC 9773): before a mass revocation, or as a drill.
type WindowRequest struct {
	Authority    string    `json:"authority,omitempty"`   // its purpose; empty means servers
	Profile      string    `json:"profile,omitempty"`     // empty means every one
	IssuedBefore time.Time `json:"issuedBefore,omitzero"` // zero means now: what is issued from now on is not meant
	Begin        time.Time `json:"begin,omitzero"`        // zero means now
	End          time.Time `json:"end,omitzero"`          // zero means a day after it begins
	Explanation  string    `json:"explanation,omitempty"` // https address of a page that says why
}

// WindowView is a window that was moved.
type WindowView struct {
	ID           string    `json:"id"`
	Authority    string    `json:"authority"`
	Profile      string    `json:"profile,omitempty"`
	IssuedBefore time.Time `json:"issuedBefore"`
	Begin        time.Time `json:"begin"`
	End          time.Time `json:"end"`
	Explanation  string    `json:"explanation,omitempty"`
}

// MoveWindow moves the window in which clients renew. The newest that means a certificate counts.
func (d *Desk) MoveWindow(ctx context.Context, who state.Actor, r WindowRequest) (*WindowView, error) {
	if r.Authority == "" {
		r.Authority = string(ca.PurposeServers)
	}
	if _, err := ca.ParsePurpose(r.Authority); err != nil {
		return nil, &ValueError{"--authority", r.Authority, "there are " + purposeWords()}
	}
	if r.Profile != "" {
		if _, err := d.profile(ctx, r.Profile); err != nil {
			return nil, err
		}
	}
	if r.Explanation != "" {
		if u, err := url.Parse(r.Explanation); err != nil || u.Scheme != "https" || u.Host == "" || len(r.Explanation) > 500 {
			return nil, &ValueError{"--explanation", r.Explanation, "want an https address"}
		}
	}
	w := state.ACMEWindow{ID: newID(), Authority: r.Authority, Profile: r.Profile, IssuedBefore: r.IssuedBefore, StartsAt: r.Begin, EndsAt: r.End, Explanation: r.Explanation}
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		now := tx.Now().Truncate(time.Second)
		if w.IssuedBefore.IsZero() {
			w.IssuedBefore = tx.Now()
		}
		if w.StartsAt.IsZero() {
			w.StartsAt = now
		}
		if w.EndsAt.IsZero() {
			w.EndsAt = w.StartsAt.Add(24 * time.Hour)
		}
		if !w.EndsAt.After(w.StartsAt) { // RFC 9773 section 4.2: a client ignores a window that ends before it begins
			return &ValueError{"--end", w.EndsAt.Format(time.RFC3339), "want a time after it begins"}
		}
		if err := tx.AddACMEWindow(w); err != nil {
			return err
		}
		return tx.Audit("ca ari move", w.ID, nil, map[string]any{"authority": w.Authority, "profile": w.Profile, "issuedBefore": w.IssuedBefore, "begin": w.StartsAt, "end": w.EndsAt})
	})
	if err != nil {
		return nil, err
	}
	v := windowView(w)
	return &v, nil
}

func windowView(w state.ACMEWindow) WindowView {
	return WindowView{ID: w.ID, Authority: w.Authority, Profile: w.Profile, IssuedBefore: w.IssuedBefore.UTC(), Begin: w.StartsAt.UTC(), End: w.EndsAt.UTC(), Explanation: w.Explanation}
}

// Windows lists the windows that were moved, the newest first.
func (d *Desk) Windows(ctx context.Context) ([]WindowView, error) {
	out := []WindowView{}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.ACMEWindows()
		for _, w := range all {
			out = append(out, windowView(w))
		}
		return err
	})
	return out, err
}

// WindowName names a window that was moved.
type WindowName struct {
	ID string `json:"id"`
}

// RestoreWindow takes a moved window back: clients are told the usual one again.
func (d *Desk) RestoreWindow(ctx context.Context, who state.Actor, r WindowName) (*WindowView, error) {
	all, err := d.Windows(ctx)
	if err != nil {
		return nil, err
	}
	var v *WindowView
	for _, w := range all {
		if w.ID == r.ID {
			v = &w
		}
	}
	_, err = d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.RemoveACMEWindow(r.ID); errors.Is(err, state.ErrNotFound) || v == nil {
			return &UnknownWindowError{ID: r.ID}
		} else if err != nil {
			return err
		}
		return tx.Audit("ca ari restore", r.ID, v, nil)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}
