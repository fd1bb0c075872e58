package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
)

// previewPage is what would change, to be confirmed.
type previewPage struct {
	Steps   []stepView
	Draft   string
	Back    string
	Danger  bool // it replaces or destroys
	Nothing bool // it would change nothing
	Anew    bool // the state has changed since it was shown first
}

// preview shows what a draft would change.
func (p *center) preview(w http.ResponseWriter, r *http.Request, v visitor, d draft, anew bool) {
	page := previewPage{Back: d.back, Anew: anew, Nothing: true}
	for i, s := range d.steps {
		page.Steps = append(page.Steps, v.words.step(s, d.shown[i], time.Now()))
		page.Danger = page.Danger || d.shown[i] != nil && d.shown[i].Replaces
		page.Nothing = page.Nothing && d.shown[i] != nil && nothing(s, d.shown[i])
	}
	page.Draft = p.drafts.put(v.token, d, d.weight())
	path, keep := partsOf(d.back)
	p.show(w, r, v, sheet{template: "preview", title: "preview.title", path: path, keep: keep, here: placeOf(d.back), body: page})
}

// nothing says whether an act would change nothing: it warns so, in words that begin so.
func nothing(s step, c *desk.Change) bool {
	already := func(warning string) bool {
		return strings.HasPrefix(warning, "nothing to change") || strings.HasPrefix(warning, "nothing to make") || s.act == "cert/import" && strings.Contains(warning, " is here already, in lineage ")
	}
	return !c.Replaces && len(c.Moves)+len(c.Removed) == 0 && (len(c.Certificates) == 0 || s.act == "cert/enable") &&
		len(c.Warnings) > 0 && !slices.ContainsFunc(c.Warnings, func(w string) bool { return !already(w) })
}

// begin shows what steps would change, or why not, on the page that they began on.
func (p *center) begin(w http.ResponseWriter, r *http.Request, v visitor, d draft) {
	if err := p.foresee(r.Context(), v, &d); err != nil {
		p.refuse(w, r, v, d.back, err)
		return
	}
	p.preview(w, r, v, d, false)
}

// maxForeseen is how often a step is foreseen anew because others change the state meanwhile.
const maxForeseen = 5

// confirm does what a draft has shown, and nothing else: each step is foreseen once more and done on just that state.
// When it would change anything else than what was shown, the visitor is asked again.
func (p *center) confirm(w http.ResponseWriter, r *http.Request, v visitor) {
	if !p.readForm(w, r) {
		return
	}
	d, ok := p.drafts.take(v.token, r.PostForm.Get("draft"))
	if !ok {
		p.fail(w, r, http.StatusGone, "draft")
		return
	}
	out := done{}
	for i, s := range d.steps {
		change, fresh, err := p.carryOut(r.Context(), v, s, d.shown[i])
		switch {
		case err != nil && i > 0:
			// The steps before are done; the visitor must learn of them and of this.
			out.failed = err
		case err != nil:
			p.refuse(w, r, v, d.back, err)
			return
		case change == nil && i == 0:
			d.shown[0] = fresh
			p.preview(w, r, v, d, true)
			return
		case change == nil:
			rest := draft{steps: d.steps[i:], shown: append([]*desk.Change{fresh}, d.shown[i+1:]...), then: d.then, back: d.back}
			p.preview(w, r, v, rest, true)
			return
		default:
			out.steps, out.changes = append(out.steps, s), append(out.changes, change)
		}
		if out.failed != nil {
			break
		}
	}
	if d.then == "" {
		d.then = "/certificates"
		for _, c := range out.changes {
			if len(c.Certificates) > 0 {
				d.then = address("/certificate", "id", c.Certificates[0].Thumbprint)
			}
		}
	}
	separator := "?"
	if strings.Contains(d.then, "?") {
		separator = "&"
	}
	// The target is a page of ours with an identifier that we made.
	http.Redirect(w, r, d.then+separator+"done="+p.results.put(v.token, out.worded(v.words), 1<<10), http.StatusSeeOther)
}

// carryOut does one step if it changes what was shown. Otherwise change is nil and fresh is what it would change.
func (p *center) carryOut(ctx context.Context, v visitor, s step, shown *desk.Change) (change, fresh *desk.Change, err error) {
	for range maxForeseen {
		if fresh, err = p.call(ctx, v, s, desk.Doing{DryRun: true}); err != nil {
			return nil, nil, err
		}
		if shown != nil && s.act == "plan/apply" && shown.Seq != fresh.Seq {
			// What it makes is a list that the change does not hold, so it is done on just the state that was shown.
			advice := hint.For(state.ErrStale)
			return nil, nil, &admin.Problem{Text: "carrying out the plan: " + state.ErrStale.Error(), Hint: advice.Text, Name: advice.Name}
		}
		if shown != nil && !sameChange(s.act, shown, fresh) {
			return nil, fresh, nil
		}
		change, err = p.call(ctx, v, s, desk.Doing{IfSeq: fresh.Seq})
		if problem, ok := errors.AsType[*admin.Problem](err); ok && problem.Name == "state.ErrStale" {
			continue // a sign-in or somebody else's act came between: look again
		}
		if err != nil {
			return nil, nil, err
		}
		return change, nil, nil
	}
	return nil, fresh, nil
}

// sameChange says whether two looks at an act show the same. A certificate that the act itself would make ends later at
// the second look, by the time that lies between the two; any other that ends at another time is another certificate.
func sameChange(act string, a, b *desk.Change) bool {
	same := func(c *desk.Change) []byte {
		plain := *c
		plain.Seq = 0
		plain.Moves = slices.Clone(c.Moves)
		for i, m := range plain.Moves {
			if m.To == nil || i >= len(a.Moves) || a.Moves[i].To == nil || !makes(act) {
				continue
			}
			if drift := m.To.NotAfter.Sub(a.Moves[i].To.NotAfter); drift >= 0 && drift <= shelfLife+time.Minute {
				to := *m.To
				to.NotAfter = a.Moves[i].To.NotAfter
				plain.Moves[i].To = &to
			}
		}
		text, err := json.Marshal(plain)
		if err != nil {
			return nil // it came as JSON, so it can be written as JSON
		}
		return text
	}
	return bytes.Equal(same(a), same(b))
}

// makes says whether an act makes a certificate, which a dry run only foresees.
func makes(act string) bool { return act == "cert/new" || act == "cert/renew" || act == "ca/issue" }

// refuse says on a page of its own why something cannot be done, with the way back.
func (p *center) refuse(w http.ResponseWriter, r *http.Request, v visitor, back string, err error) {
	problem, ok := errors.AsType[*admin.Problem](err)
	if !ok {
		p.broken(w, r, "acting for a page", err)
		return
	}
	status := http.StatusConflict
	if problem.Usage {
		status = http.StatusBadRequest
	}
	path, keep := partsOf(back)
	p.show(w, r, v, sheet{template: "refused", status: status, title: "refused.title", path: path, keep: keep, here: placeOf(back),
		body: struct {
			Notice notice
			Back   string
		}{v.words.problem(problem), back}})
}

// partsOf are the path and the parameters of an address of ours. A preview answers a form, so the language switch on it
// leads to the page before.
func partsOf(own string) (path string, keep []string) {
	u, err := url.Parse(own)
	if err != nil {
		return "/", nil
	}
	for _, name := range []string{"id", "authority", "days", "step", "answers", "serial", "profile"} {
		keep = append(keep, name, u.Query().Get(name))
	}
	return u.Path, keep
}

// placeOf is the place in the navigation that a page belongs to.
func placeOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/certificate"), strings.HasPrefix(path, "/wizard"):
		return "certificates"
	case strings.HasPrefix(path, "/listeners"):
		return "listeners"
	case strings.HasPrefix(path, "/authority"):
		return "authority"
	case strings.HasPrefix(path, "/trust"):
		return "trust"
	case strings.HasPrefix(path, "/plan"):
		return "plan"
	case strings.HasPrefix(path, "/backup"):
		return "backup"
	case strings.HasPrefix(path, "/notices"), strings.HasPrefix(path, "/report"):
		return "notices"
	case strings.HasPrefix(path, "/check"):
		return "check"
	}
	return "overview"
}

// done is what a visitor has done, for the next page to say.
type done struct {
	steps   []step
	changes []*desk.Change
	failed  error

	Lines    []string // what was done
	Warnings []sentence
	Failed   *notice
	Undo     string // the command
	Undoable bool   // by a button
}

// worded says in the reader's language what was done.
func (d done) worded(w *words) done {
	var undo []string
	for i, s := range d.steps {
		d.Lines = append(d.Lines, w.say(s.title+".done", s.object))
		for _, warning := range d.changes[i].Warnings {
			d.Warnings = append(d.Warnings, w.sentence(warning))
		}
		if d.changes[i].Undo != "" {
			undo = append([]string{d.changes[i].Undo}, undo...)
		}
	}
	if d.failed != nil {
		n := notice{Text: d.failed.Error()}
		if problem, ok := errors.AsType[*admin.Problem](d.failed); ok {
			n = w.problem(problem)
		}
		d.Failed = &n
	}
	if len(undo) == len(d.steps) {
		d.Undo = strings.Join(undo, " && ")
		steps, err := undoSteps(d.Undo)
		d.Undoable = err == nil && len(steps) > 0
	}
	return d
}

// undo shows what would change if the last act were undone.
func (p *center) undo(w http.ResponseWriter, r *http.Request, v visitor) {
	if !p.readForm(w, r) {
		return
	}
	d, ok := p.results.look(v.token, r.PostForm.Get("done"))
	if !ok {
		p.fail(w, r, http.StatusGone, "draft")
		return
	}
	steps, err := undoSteps(d.Undo)
	if err != nil {
		p.fail(w, r, http.StatusGone, "draft")
		return
	}
	back := "/"
	if len(steps) > 0 {
		back = pageOf(steps[0])
	}
	then := back
	if len(steps) > 0 && steps[len(steps)-1].act == "cert/remove" {
		then = "/certificates"
	}
	p.begin(w, r, v, draft{steps: steps, back: back, then: then})
}

// pageOf is the page that shows what an act is about.
func pageOf(s step) string {
	switch {
	case s.act == "listener/set":
		return "/listeners"
	case strings.HasPrefix(s.act, "trust/"):
		return "/trust"
	case s.act == "cert/remove":
		return "/certificates"
	}
	return address("/certificate", "id", s.object)
}
