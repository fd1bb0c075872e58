package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) auditCommand() *cobra.Command {
	return noun("audit", "Who changed what, and whether the record of it is whole", a.auditListCommand(), a.auditVerifyCommand(), a.auditAcceptCommand())
}

func (a *app) auditListCommand() *cobra.Command {
	var r desk.AuditRequest
	var since string
	var asCSV bool
	c := &cobra.Command{
		Use: "list", Short: "List changes, the newest first: who, from where, what", Args: noArgs,
		Long: "List changes, the newest first: who made them, from where, and what. --json and --csv also say what was before and after.\n" +
			"--since takes a day (2026-11-01), a moment (2026-11-01T09:00:00+09:00), or how long ago (72h, 30d). The next page begins with --before NUMBER, the last number of this one.",
		Example: "  postseal audit list --object mail --since 30d",
	}
	f := c.Flags()
	f.StringVar(&r.Object, "object", "", "only about this: a certificate or lineage by its `ID`, or any object as it is listed")
	f.StringVar(&r.Who, "who", "", "only by `WHO`, as listed")
	f.StringVar(&since, "since", "", "only from this `TIME` on")
	f.Int64Var(&r.Before, "before", 0, "only rows before this `NUMBER`")
	f.IntVar(&r.Limit, "limit", 100, "at most `N` rows, up to 10000")
	f.BoolVar(&asCSV, "csv", false, "print a table in CSV, for a spreadsheet")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if asCSV && a.json {
			return &usageError{errors.New("--csv and --json cannot be used together")}
		}
		if r.Limit < 1 {
			return &usageError{fmt.Errorf("--limit %d: want 1 to 10000", r.Limit)}
		}
		if since != "" {
			var err error
			if r.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
		}
		entries, err := call[[]desk.Entry](cmd.Context(), a, "audit/list", r)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(entries)
		case asCSV:
			return a.printAuditCSV(entries)
		}
		return a.printEntries(entries, true)
	}
	return c
}

// parseSince reads a moment, a day of this machine's zone, or a duration before now; days are 24 hours.
func parseSince(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, &usageError{fmt.Errorf("--since %q: want a day like 2026-11-01, a moment like 2026-11-01T09:00:00Z, or a duration like 72h or 30d", text)}
}

// printEntries prints rows for people, with their object or, beside the object itself, without.
func (a *app) printEntries(entries []desk.Entry, object bool) error {
	heads := []string{"NUMBER", "TIME", "ACT", "OBJECT", "WHO", "FROM"}
	row := func(cells ...string) []string {
		if !object {
			cells = append(cells[:3:3], cells[4:]...)
		}
		return cells
	}
	t := a.table(row(heads...)...)
	for _, e := range entries {
		t.row(row(fmt.Sprint(e.Number), localTime(e.At), visible(e.Act), visible(e.Object), visible(e.Who), visible(e.From))...)
	}
	return t.end()
}

// printHistory prints the last changes of an object below what is shown of it.
func (a *app) printHistory(entries []desk.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	fmt.Fprintln(a.out, "\nIts last changes")
	return a.printEntries(entries, false)
}

// visible replaces what a terminal would act upon: rows hold what others have called themselves.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}

// inert makes cells of a table in CSV of texts that others have written, which a spreadsheet would run.
func inert(cells ...string) []string {
	for i, cell := range cells {
		cells[i] = desk.InertCell(cell)
	}
	return cells
}

// printAuditCSV prints rows in CSV. --json has every text as it is.
func (a *app) printAuditCSV(entries []desk.Entry) error {
	w := csv.NewWriter(a.out)
	write := func(cells ...string) error { return w.Write(inert(cells...)) }
	if err := write("number", "at", "who", "from", "act", "object", "before", "after"); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	for _, e := range entries {
		if err := write(fmt.Sprint(e.Number), e.At.Format(time.RFC3339Nano), e.Who, e.From, e.Act, e.Object, string(e.Before), string(e.After)); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func (a *app) auditVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Say whether the audit trail is whole: exit status 1 when it is not", Args: noArgs,
		Long: "Check every row of the audit trail against the row before it, and the trail against its head, which the organisation's key has signed and which also lies in the file\n" +
			"DIR/audit-head. Rows that were changed, removed or moved are named, and a database that was replaced by an older one is found. Rows of the last seconds may not be signed yet;\n" +
			"that is no fault.",
		Example: "  postseal audit verify",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.AuditVerdict](cmd.Context(), a, "audit/verify", admin.Nothing{})
			if err != nil {
				return err
			}
			if err := a.printAuditVerdict(&v); err != nil || v.Whole {
				return err
			}
			return errNotValid
		},
	}
}

func (a *app) printAuditVerdict(v *desk.AuditVerdict) error {
	if a.json {
		return a.printJSON(v)
	}
	word := a.paint("green", "whole")
	if !v.Whole {
		word = a.paint("red", "broken")
	}
	fmt.Fprintf(a.out, "%s: %d rows of server %s\n", word, v.Rows, v.Server)
	switch {
	case v.Signed == 0:
		fmt.Fprintln(a.out, "no head was signed yet")
	case v.Unsigned > 0:
		fmt.Fprintf(a.out, "signed up to row %d, %s; %d rows after it are not yet signed\n", v.Signed, localTime(v.SignedAt), v.Unsigned)
	default:
		fmt.Fprintf(a.out, "signed up to row %d, %s\n", v.Signed, localTime(v.SignedAt))
	}
	if v.From > 1 {
		fmt.Fprintf(a.out, "checked from row %d on: there, faults in what came before were accepted\n", v.From)
	}
	if v.Unproved > 0 {
		fmt.Fprintf(a.out, "rows 1 to %d are of a release without the chain: nothing watched over them until row %d\n", v.Unproved, v.Unproved+1)
	}
	for _, f := range v.Faults {
		fmt.Fprintf(a.out, "  - %s\n", f.Text)
	}
	return nil
}

func (a *app) auditAcceptCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "accept", Short: "Go on with an audit trail that has faults", Args: noArgs,
		Long: "Go on after the faults that audit verify finds were looked into: they are written down in a row of their own, which says who accepted them, and the head speaks for this row\n" +
			"and those after it. Nothing before is changed or repaired.",
		Example: "  postseal audit accept",
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		client, done, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer done()
		var v desk.AuditVerdict
		if err := client.Call(cmd.Context(), "audit/accept", desk.Doing{DryRun: true}, &v); err != nil {
			return err
		}
		if v.Whole {
			return fmt.Errorf("accepting faults: %w", desk.ErrAuditWhole)
		}
		if a.dryRun {
			return a.printAuditVerdict(&v)
		}
		if !a.yes {
			var lines []string
			for _, f := range v.Faults {
				lines = append(lines, f.Text)
			}
			if err := a.ask(&desk.Change{Warnings: lines, Removed: []string{"the proof that what came before is as it was written"}}); err != nil {
				return err
			}
		}
		if err := client.Call(cmd.Context(), "audit/accept", desk.Doing{}, &v); err != nil {
			return err
		}
		return a.printAuditVerdict(&v)
	}
	return c
}
