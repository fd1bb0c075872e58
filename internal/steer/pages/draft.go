package pages

import (
	"context"
	"encoding/json"
	"fmt"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// step is one act of the API, ready to be run. Pages change things in no other way.
type step struct {
	act     string // "cert/renew"
	title   string // key of a text that says what it does, with a place for object
	object  string
	request map[string]json.RawMessage
	will    []string // what it makes, in the reader's words, where the change does not say
}

// newStep makes a step of a request of package desk.
func newStep(act, title, object string, request any) (step, error) {
	s := step{act: act, title: title, object: object}
	raw, err := json.Marshal(request)
	if err != nil {
		return s, fmt.Errorf("writing a request: %w", err)
	}
	if err := json.Unmarshal(raw, &s.request); err != nil {
		return s, fmt.Errorf("writing a request: %w", err)
	}
	return s, nil
}

// weight is how much memory a step takes.
func (s step) weight() (n int64) {
	for _, v := range s.request {
		n += int64(len(v))
	}
	return n
}

// call runs an act as the visitor: the same handler, checks and audit as the command line's.
func (p *center) call(ctx context.Context, v visitor, s step, doing desk.Doing) (*desk.Change, error) {
	request := make(map[string]any, len(s.request)+2)
	for key, value := range s.request {
		request[key] = value
	}
	if doing.DryRun {
		request["dryRun"] = true
	}
	if doing.IfSeq != 0 {
		request["ifSeq"] = doing.IfSeq
	}
	change := new(desk.Change)
	return change, admin.Local(p.desk, v.actor).Call(ctx, s.act, request, change)
}

// draft is what a visitor has been shown and may confirm.
type draft struct {
	steps []step
	shown []*desk.Change // what each step would change; nil where that depends on the steps before
	then  string         // where to go when it is done; empty for the page of the certificate that was made
	back  string         // the page that it began on
}

// wipe clears what was sent along: files with keys, and passwords.
func (d draft) wipe() {
	for _, s := range d.steps {
		for _, value := range s.request {
			clear(value)
		}
	}
}

// weight is how much memory a draft takes.
func (d draft) weight() (n int64) {
	for _, s := range d.steps {
		n += s.weight()
	}
	return n
}

// foresee asks what each step of a draft would change. Only the first must succeed: what follows may need what it does.
func (p *center) foresee(ctx context.Context, v visitor, d *draft) error {
	d.shown = make([]*desk.Change, len(d.steps))
	for i, s := range d.steps {
		change, err := p.call(ctx, v, s, desk.Doing{DryRun: true})
		switch {
		case err == nil:
			d.shown[i] = change
		case i == 0:
			return err
		}
	}
	return nil
}
