package desk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// Doing is what every changing request carries.
type Doing struct {
	DryRun bool  `json:"dryRun,omitempty"` // only say what would change
	IfSeq  int64 `json:"ifSeq,omitempty"`  // refuse when the state is no longer at this sequence; 0 for any
}

// Change says what an act changed, or would.
type Change struct {
	Moves        []Move        `json:"moves"`        // listeners whose certificate changes
	Removed      []string      `json:"removed"`      // what is gone, in words
	Certificates []Certificate `json:"certificates"` // made or bound

	Paths    []ChangePath `json:"paths,omitempty"` // in a dry run of an import: the chains of what it would take in, at most 20
	Warnings []string     `json:"warnings"`
	Notes    []string     `json:"notes"`    // what to know about the choice of names; nothing is wrong
	Replaces bool         `json:"replaces"` // it replaces or destroys, or puts in force what clients will object to: ask before
	Undo     string       `json:"undo"`     // the command that undoes it; empty when nothing can
	Seq      int64        `json:"seq"`      // of the state that this was computed on
}

// ChangePath is the chain of a certificate that would be taken in.
type ChangePath struct {
	Thumbprint string `json:"thumbprint"`
	Path
}

// Move is one listener whose certificate changes.
type Move struct {
	Listener string `json:"listener"`
	Port     uint16 `json:"port"`
	Role     string `json:"role"`
	From     *Held  `json:"from"` // nil for nothing
	To       *Held  `json:"to"`
}

// Held is a certificate in a table of moves.
type Held struct {
	Lineage    string    `json:"lineage"`
	Generation int       `json:"generation"`
	Name       string    `json:"name"`
	NotAfter   time.Time `json:"notAfter"` // of the member that ends first
}

func newChange(v *view) *Change {
	return &Change{Moves: []Move{}, Removed: []string{}, Certificates: []Certificate{}, Warnings: []string{}, Notes: []string{}, Seq: v.seq}
}

// held describes the current generation of l.
func held(l state.Lineage) *Held {
	h := &Held{Lineage: l.Name, Name: l.FriendlyName}
	g, _ := l.Current()
	h.Generation = g.Number
	for _, m := range g.Members {
		if cert, err := x509cert.ParseCertificate(m.Certificate); err == nil && (h.NotAfter.IsZero() || cert.NotAfter.Before(h.NotAfter)) {
			h.NotAfter = cert.NotAfter.UTC()
		}
	}
	return h
}

// undoMove is what a listener was before it was bound anew.
type undoMove struct {
	listener string
	lineage  string // the default before; empty for none
	role     string // the role before of the lineage that takes over; empty for none
}

// undoEnable builds the command that gives every listener back to the certificate it had. A listener
// that had none cannot be given back: a default binding can only be taken over.
func undoEnable(taker string, moves []undoMove) string {
	var commands []string
	var lineages []string
	for _, m := range moves {
		if m.lineage != "" && !slices.Contains(lineages, m.lineage) {
			lineages = append(lineages, m.lineage)
		}
	}
	for _, lineage := range lineages {
		var names []string
		for _, m := range moves {
			if m.lineage == lineage {
				names = append(names, m.listener)
			}
		}
		commands = append(commands, enableCommand(lineage, names, false))
	}
	var byName []string
	for _, m := range moves {
		if m.lineage != "" && m.role == state.RoleName {
			byName = append(byName, m.listener)
		}
	}
	if len(byName) > 0 {
		commands = append(commands, enableCommand(taker, byName, true))
	}
	return strings.Join(commands, " && ")
}

// enableCommand is the shortest command that binds a lineage to just these listeners.
func enableCommand(lineage string, names []string, byName bool) string {
	var services []string
	whole := true
	for _, s := range listener.Services() {
		all := s.Listeners()
		n := 0
		for _, name := range all {
			if slices.Contains(names, name) {
				n++
			}
		}
		if n > 0 {
			services = append(services, string(s))
			whole = whole && n == len(all)
		}
	}
	command := "postseal cert enable " + lineage + " --services " + strings.Join(services, ",")
	if !whole {
		for _, name := range names {
			command += " --listener " + name
		}
	}
	if byName {
		command += " --sni-only"
	}
	return command
}

// joinCommands puts commands that undo parts of one change behind one another, the last first.
func joinCommands(before, command string) string {
	if before == "" {
		return command
	}
	return command + " && " + before
}

// computing is an act: it looks at the state and returns the change and how to store it. It may be
// called again when somebody else was faster.
type computing func(v *view) (*Change, func(tx *state.Tx) error, error)

// maxComputed is how often an act is computed anew because others changed the state meanwhile.
const maxComputed = 10

// do runs an act. With DryRun, or when there is nothing to store, nothing is changed. Otherwise the
// change is in force on return.
func (d *Desk) do(ctx context.Context, who state.Actor, doing Doing, compute computing) (*Change, error) {
	if !doing.DryRun {
		// Acts queue, or fifty at once would spend their time on telling each other that the state has changed.
		d.acting.Lock()
		defer d.acting.Unlock()
	}
	change, stored, err := d.attempt(ctx, who, doing, compute)
	// Whoever gave no IfSeq has seen no state that could be stale; a sign-in may still have come between.
	for n := 1; n < maxComputed && doing.IfSeq == 0 && errors.Is(err, state.ErrStale); n++ {
		change, stored, err = d.attempt(ctx, who, doing, compute)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range change.Certificates { // a next generation was made or came into force: whatever failed before is over
		if stored {
			d.health.Clear(health.CodeRenewalFailed, c.Lineage)
		}
	}
	if stored && d.runtime.Running() {
		// The change is stored, whatever comes now: a state that cannot be served is a condition.
		if err := d.Settle(context.WithoutCancel(ctx)); err != nil {
			change.Warnings = append(change.Warnings, "stored, but the server goes on serving what it served before: "+err.Error())
		}
	}
	return change, nil
}

// attempt computes and stores once.
func (d *Desk) attempt(ctx context.Context, who state.Actor, doing Doing, compute computing) (change *Change, stored bool, err error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, false, err
	}
	change, store, err := compute(v)
	if err != nil || doing.DryRun || store == nil {
		return change, false, err
	}
	_, err = d.db.Update(ctx, who, func(tx *state.Tx) error {
		// What was computed is stored only on the state it was computed on.
		for _, seq := range []int64{doing.IfSeq, v.seq} {
			if err := tx.Expect(seq); err != nil {
				return err
			}
		}
		tx.ActFor(d.server)
		return store(tx)
	})
	return change, err == nil, err
}

// sortListeners orders listeners as the table of kinds does.
func sortListeners(list []state.Listener) {
	order := listener.Names()
	slices.SortFunc(list, func(a, b state.Listener) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
}
