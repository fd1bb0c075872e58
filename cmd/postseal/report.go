package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/internal/steer/desk"
	"postseal/internal/steer/letter"
)

func (a *app) reportCommand() *cobra.Command {
	return noun("report", "What needs you, what changed and by whom, what ends", a.reportShowCommand())
}

func (a *app) reportShowCommand() *cobra.Command {
	var r desk.ReportRequest
	var lang string
	var asCSV bool
	var o outputFlags
	c := &cobra.Command{
		Use: "show", Short: "Print the report", Args: noArgs,
		Long: "Print the report that is mailed on Mondays at seven: what needs you, what changed and by whom, what ends.\n" +
			"With --csv a table of all certificates, of old generations too, for an auditor or a spreadsheet.",
		Example: "  postseal report show --lang ko\n  postseal report show --csv --out certificates.csv",
	}
	c.Flags().StringVar(&lang, "lang", letter.English, "`LANGUAGE`: en or ko")
	c.Flags().BoolVar(&asCSV, "csv", false, "all certificates as CSV (RFC 4180, UTF-8, times in RFC 3339)")
	c.Flags().IntVar(&r.Days, "days", 7, "how many `DAYS` it looks back, at most 400")
	o.flags(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if lang != letter.English && lang != letter.Korean {
			return &usageError{fmt.Errorf("--lang %q: want en or ko", lang)}
		}
		if r.Days < 1 {
			return &usageError{errors.New("--days: want 1 to 400")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		if err := o.check(a); err != nil {
			return err
		}
		r.All = asCSV
		report, err := call[desk.Report](cmd.Context(), a, "report/show", r)
		switch {
		case err != nil:
			return err
		case asCSV:
			var b bytes.Buffer
			if err := desk.WriteCertificates(&b, report.Certificates); err != nil {
				return err
			}
			return o.write(a, b.Bytes(), false)
		case a.json:
			return a.printJSON(report)
		}
		return o.write(a, []byte(letter.Report(lang, &report)), false)
	}
	return c
}
