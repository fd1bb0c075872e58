package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caListCommand() *cobra.Command {
	var q desk.IssuedQuery
	var since, until string
	var asCSV, all bool
	c := &cobra.Command{
		Use: "list", Short: "List what the authority has issued, the newest first", Args: noArgs,
		Long: "List what the authority has issued, the newest first, in pages; standard error names the next one. --all prints the whole book.\n" +
			"--since and --until take a day (2026-11-01), a moment (2026-11-01T09:00:00+09:00), or how long ago (72h, 30d).",
		Example: "  postseal ca list --name example.com --status issued\n  postseal ca list --all --csv > book.csv",
	}
	f := c.Flags()
	f.StringVar(&q.Search, "search", "", "only this `TEXT`: a serial, the SHA-256 of a key, a name, or a domain with everything below it")
	f.StringVar(&q.Name, "name", "", "only this `NAME`: a host, an e-mail address, or a domain with everything below it")
	f.StringVar(&q.Serial, "serial", "", "only this serial, in `HEX`")
	f.StringVar(&q.Key, "key", "", "only this key: the SHA-256 of its SubjectPublicKeyInfo, in `HEX`")
	f.StringVar(&q.Requester, "requester", "", "only what `WHO` has asked for, as listed")
	f.StringVar(&q.Profile, "profile", "", "only of this `PROFILE`, or of several with commas between")
	f.StringVar(&q.Authority, "authority", "", "only by the authority of this `NAME`, see: postseal ca show")
	f.StringVar(&q.Status, "status", "", "only with this `STATUS`: "+strings.Join(desk.BookStatuses(), ", "))
	f.StringVar(&since, "since", "", "only what was asked for from this `TIME` on")
	f.StringVar(&until, "until", "", "only what was asked for before this `TIME`")
	f.IntVar(&q.EndsWithin, "expiring-within", 0, "only what ends within so many `DAYS`, and has not ended")
	f.IntVar(&q.Limit, "limit", 0, "at most `N` in a page (default 100)")
	f.StringVar(&q.After, "after", "", "begin behind this `PLACE`, which the page before has named")
	f.BoolVar(&all, "all", false, "print every page")
	f.BoolVar(&asCSV, "csv", false, "print a table in CSV, for a spreadsheet")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if asCSV && a.json {
			return &usageError{errors.New("--csv and --json cannot be used together")}
		}
		for _, t := range []struct {
			flag, text string
			into       *time.Time
		}{{"since", since, &q.Since}, {"until", until, &q.Until}} {
			if t.text == "" {
				continue
			}
			at, err := parseSince(t.text, time.Now())
			if err != nil {
				return &usageError{fmt.Errorf("--%s %q: want a day like 2026-11-01, a moment like 2026-11-01T09:00:00Z, or a duration like 72h or 30d", t.flag, t.text)}
			}
			*t.into = at
		}
		if all && !cmd.Flags().Changed("limit") {
			q.Limit = 1000 // fewer questions
		}
		if err := q.Check(); err != nil {
			return err
		}
		var out bookPrinter = &bookTable{a.table("SERIAL", "SUBJECT", "PROFILE", "FOR", "ENDS", "STATUS")}
		switch {
		case asCSV:
			out = &bookCSV{w: csv.NewWriter(a.out)}
		case a.json:
			out = &bookJSON{w: a.out}
		}
		for {
			page, err := call[desk.IssuedPage](cmd.Context(), a, "ca/list", q)
			if err != nil {
				return err
			}
			if err := out.print(page.Lines); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
			if !all || page.Next == "" {
				err := out.end()
				if err == nil && page.Next != "" {
					a.printNext(cmd, &desk.Page{Next: page.Next})
				}
				return err
			}
			q.After = page.Next
		}
	}
	return c
}

// bookPrinter prints lines of the book, page by page.
type bookPrinter interface {
	print([]desk.IssuedView) error
	end() error // even if there was no line
}

// bookTable is for people.
type bookTable struct{ *table }

func (t *bookTable) print(page []desk.IssuedView) error {
	for _, x := range page {
		status := x.Status
		if x.Reason != "" {
			status += " (" + x.Reason + ")"
		}
		t.row(x.Serial, visible(x.Subject), x.Profile, visible(x.Requester), localDate(x.NotAfter), status)
	}
	return nil
}

// bookCSV is for spreadsheets.
type bookCSV struct {
	w     *csv.Writer
	begun bool
}

func (c *bookCSV) print(page []desk.IssuedView) error {
	if !c.begun {
		c.begun = true
		if err := c.w.Write([]string{"serial", "authority", "profile", "requester", "subject", "names", "key id", "status", "planned at", "not after", "revoked at", "reason"}); err != nil {
			return err
		}
	}
	for _, x := range page {
		revoked := ""
		if !x.RevokedAt.IsZero() {
			revoked = x.RevokedAt.Format(time.RFC3339)
		}
		if err := c.w.Write(inert(x.Serial, x.Authority, x.Profile, x.Requester, x.Subject, strings.Join(x.Names, " "), x.KeyID, x.Status, x.PlannedAt.Format(time.RFC3339), x.NotAfter.Format(time.RFC3339), revoked, x.Reason)); err != nil {
			return err
		}
	}
	return nil
}

func (c *bookCSV) end() error {
	c.w.Flush()
	return c.w.Error()
}

// bookJSON is one array, however many pages it has.
type bookJSON struct {
	w     io.Writer
	begun bool
}

func (j *bookJSON) print(page []desk.IssuedView) error {
	for _, x := range page {
		text, err := json.MarshalIndent(x, "  ", "  ")
		if err != nil {
			return err
		}
		before := "[\n  "
		if j.begun {
			before = ",\n  "
		}
		j.begun = true
		if _, err := fmt.Fprintf(j.w, "%s%s", before, text); err != nil {
			return err
		}
	}
	return nil
}

func (j *bookJSON) end() error {
	text := "\n]\n"
	if !j.begun {
		text = "[]\n"
	}
	_, err := io.WriteString(j.w, text)
	return err
}

func (a *app) caCountsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "counts", Short: "Count what the authority has issued: by month, week, profile and status", Args: noArgs,
		Example: "  postseal ca counts",
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := call[desk.BookNumbers](cmd.Context(), a, "ca/counts", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(n)
			}
			t := a.table("STATUS", "COUNT")
			for _, s := range n.Statuses {
				t.row(s.Status, fmt.Sprint(s.Count))
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			t = a.table("PROFILE", "ALL", "NOT ENDED")
			for _, p := range n.Profiles {
				t.row(p.Profile, fmt.Sprint(p.All), fmt.Sprint(p.Current))
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			t = a.table("MONTH", "ISSUED", "REVOKED", "ENDED")
			for _, m := range n.Months {
				t.row(m.Begins.Format("2006-01"), fmt.Sprint(m.Issued), fmt.Sprint(m.Revoked), fmt.Sprint(m.Ended))
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			most := 1
			for _, w := range n.Weeks {
				most = max(most, w.Issued)
			}
			const columns = 40
			t = a.table("WEEK OF", "ISSUED", "")
			for _, w := range n.Weeks {
				bar := strings.Repeat("#", (w.Issued*columns+most-1)/most)
				t.row(w.Begins.Format(time.DateOnly), fmt.Sprint(w.Issued), bar)
			}
			if err := t.end(); err != nil {
				return err
			}
			if n.KeepDays == 0 {
				fmt.Fprintln(a.out, "\nEvery line is kept for ever.")
				return nil
			}
			fmt.Fprintf(a.out, "\nA line is forgotten %d days after the end of its certificate.\n", n.KeepDays)
			return nil
		},
	}
}

func (a *app) caKeepCommand() *cobra.Command {
	var r desk.KeepRequest
	var forever bool
	c := &cobra.Command{
		Use: "keep", Short: "Say how long lines of the book stay after their certificates have ended", Args: noArgs,
		Long: "Say how long lines of the book stay after their certificates have ended. At first they stay for ever.\n" +
			"The rule is carried out at once, and by the running server every day. What is forgotten is named in the audit trail by its serial; who asked for which names stays there.\n" +
			"Nothing is forgotten that a revocation list must still say (RFC 5280 section 3.3), nor what a lineage of ours still has.",
		Example: "  postseal ca keep --days 730",
	}
	c.Flags().IntVar(&r.Days, "days", 0, "`N` days after the end, at least 30")
	c.Flags().BoolVar(&forever, "forever", false, "forget nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if forever == cmd.Flags().Changed("days") {
			return &usageError{errors.New("give --days N or --forever")}
		}
		if !forever && r.Days == 0 {
			return &usageError{errors.New("--days 0: want 30 to 36500, or --forever")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/keep", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}
