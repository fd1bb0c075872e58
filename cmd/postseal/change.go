package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// change runs an act that changes something: it asks for what would change, shows it, asks the user
// when it replaces or destroys, and does just that. request makes the request of each step.
func (a *app) change(ctx context.Context, act string, request func(desk.Doing) any) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	var preview desk.Change
	if err := client.Call(ctx, act, request(desk.Doing{DryRun: true}), &preview); err != nil {
		return err
	}
	if a.dryRun {
		return a.printChange(&preview)
	}
	var doing desk.Doing
	if preview.Replaces && !a.yes {
		if err := a.ask(&preview); err != nil {
			return err
		}
		doing.IfSeq = preview.Seq // what was agreed to, and nothing else
	}
	return a.carryOut(ctx, client, act, request(doing))
}

func (a *app) carryOut(ctx context.Context, client *admin.Client, act string, request any) error {
	var change desk.Change
	if err := client.Call(ctx, act, request, &change); err != nil {
		return err
	}
	if err := a.printChange(&change); err != nil {
		return err
	}
	a.printUndo(change.Undo)
	return nil
}

// printUndo prints the command that undoes a change, if there is one.
func (a *app) printUndo(undo string) {
	if undo == "" {
		return
	}
	// Each command of the line finds the same organisation.
	where := a.whereFlags()
	fmt.Fprintf(a.err, "postseal: undo: %s%s\n", strings.ReplaceAll(undo, " && ", where+" && "), where)
}

// whereFlags are the global flags without which another command would not find the same organisation.
func (a *app) whereFlags() string {
	flags := a.far.again()
	if flags != "" {
		return flags
	}
	if a.dataGiven {
		flags += " --data " + shellQuote(a.data)
	}
	if a.sealing != filepath.Join(a.data, "sealing-key") {
		flags += " --sealing-key " + shellQuote(a.sealing)
	}
	return flags
}

// ask shows what would change and asks on a terminal; elsewhere it refuses.
func (a *app) ask(preview *desk.Change) error {
	writeMoves(a.err, preview)
	a.printNotes(preview.Notes)
	a.printWarnings(preview.Warnings)
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return desk.ErrConfirmation
	}
	fmt.Fprint(a.err, "Go on? [y/N] ")
	answer, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return desk.ErrConfirmation
}

// printWarnings prints what is unusual about a change.
func (a *app) printWarnings(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(a.err, "postseal: warning: %s\n", w)
	}
}

// printNotes prints what to know about a change in which nothing is wrong.
func (a *app) printNotes(notes []string) {
	for _, n := range notes {
		fmt.Fprintf(a.err, "postseal: note: %s\n", n)
	}
}

func (a *app) printChange(c *desk.Change) error {
	a.printNotes(c.Notes)
	a.printWarnings(c.Warnings)
	if a.json {
		return a.printJSON(c)
	}
	for _, x := range c.Certificates {
		if x.Thumbprint != "" {
			fmt.Fprintf(a.out, "%s  %s  %s  %s\n", x.Thumbprint, x.KeyType, x.Lineage, x.Name)
		}
	}
	writeMoves(a.out, c)
	return nil
}

// writeMoves prints the table of what moves:
//
//	993 imaps  OLD (12 days left) -> NEW (89 days left)
func writeMoves(w io.Writer, c *desk.Change) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range c.Moves {
		port := ""
		if m.Port != 0 {
			port = fmt.Sprint(m.Port)
		}
		by := ""
		if m.Role == "name" {
			by = " (by name)"
		}
		apart := ""
		switch { // what tells them apart, if their names do not
		case m.From == nil:
		case m.From.Lineage == m.To.Lineage:
			apart = "generation"
		case m.From.Name == m.To.Name:
			apart = "lineage"
		}
		fmt.Fprintf(table, "%s\t%s\t%s -> %s%s\n", port, m.Listener, describe(m.From, apart), describe(m.To, apart), by)
	}
	table.Flush() // the writer below reports its own faults
	for _, r := range c.Removed {
		fmt.Fprintf(w, "removes %s\n", r)
	}
}

// describe prints a certificate of a table of moves, with the number of its generation or the name of its lineage if
// that tells it apart.
func describe(h *desk.Held, apart string) string {
	if h == nil {
		return "nothing"
	}
	text := fmt.Sprintf("%q", h.Name)
	switch apart {
	case "generation":
		text += fmt.Sprintf(" generation %d", h.Generation)
	case "lineage":
		text += " " + h.Lineage
	}
	if h.NotAfter.IsZero() {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, daysLeft(h.NotAfter))
}

// daysLeft says how long until t, in words.
func daysLeft(t time.Time) string {
	days := int(time.Until(t).Hours() / 24)
	switch {
	case time.Until(t) <= 0:
		return "ended"
	case days == 0:
		return "ends today"
	case days == 1:
		return "1 day left"
	}
	return fmt.Sprintf("%d days left", days)
}
