package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) trustCommand() *cobra.Command {
	return noun("trust", "Whom the organisation trusts, and what a certificate is worth", a.trustListCommand(), a.trustAddCommand(), a.trustRemoveCommand(),
		a.trustDistrustCommand(), a.trustVerifyCommand(), a.trustExportCommand())
}

func (a *app) trustListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what is trusted beyond the system's store, and what is not trusted any more", Args: noArgs, Example: "  postseal trust list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.TrustView](cmd.Context(), a, "trust/list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			t := a.table("TRUSTED", "ENDS", "ORIGIN", "ID")
			for _, x := range v.Anchors {
				t.row(x.Subject, localDate(x.NotAfter), x.Origin, x.ID)
			}
			if err := t.end(); err != nil || len(v.Distrust) == 0 {
				return err
			}
			fmt.Fprintln(a.out)
			t = a.table("NOT TRUSTED", "ISSUED AFTER", "SINCE", "WHOSE")
			for _, x := range v.Distrust {
				after := ""
				if !x.After.IsZero() {
					after = localTime(x.After)
				}
				id := x.ID
				if x.Kind == "list" {
					id = fmt.Sprintf("%s (number %d, %d entries)", x.ID, x.Sequence, x.Entries)
				}
				t.row(id, after, localDate(x.AddedAt), visible(x.Subject))
			}
			return t.end()
		},
	}
}

func (a *app) trustAddCommand() *cobra.Command {
	var r desk.AnchorRequest
	c := &cobra.Command{
		Use: "add FILE", Short: "Trust an authority", Args: oneArg("a file with the authority's certificate"),
		Example: "  postseal trust add our-root.pem",
	}
	c.Flags().BoolVar(&r.Pushed, "pushed", false, "it comes from an administrator's tool, not from a hand")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if r.File, err = a.readImport(args[0]); err != nil {
			return err
		}
		return a.change(cmd.Context(), "trust/add", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) trustRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a trust or a distrust back", Args: oneArg("an ID of trust list"), Example: "  postseal trust remove 3f2a9c01d4e5f607",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), "trust/remove", func(d desk.Doing) any { return desk.ForgetRequest{Doing: d, ID: args[0]} })
		},
	}
}

func (a *app) trustDistrustCommand() *cobra.Command {
	var r desk.DistrustRequest
	var after string
	c := &cobra.Command{
		Use: "distrust [FILE]", Short: "Trust something no more, whatever vouches for it",
		Long: "Trust something no more, whatever vouches for it: the certificates in a file, a public key, or an authority by its name, perhaps only what it issued after a date.\n" +
			"FILE may also be a whole list of distrust in JSON, as others publish it; a newer one takes the place of an older. See docs/trust.md for its form.",
		Example: "  postseal trust distrust --issuer \"CN=Old CA,O=Example\" --after 2026-10-01",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("%s takes one file at most", cmd.CommandPath())}
			}
			return nil
		},
	}
	c.Flags().StringVar(&r.SPKI, "spki", "", "SHA-256 of a public key, in `HEX`")
	c.Flags().StringVar(&r.Issuer, "issuer", "", "`NAME` of an authority, as RFC 4514 writes it")
	c.Flags().StringVar(&after, "after", "", "`DATE`: with --issuer, only what was issued after it")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && r.SPKI == "" && r.Issuer == "" {
			return &usageError{errors.New("give a file, --spki or --issuer")}
		}
		var err error
		if after != "" {
			if r.After, err = parseTime(after); err != nil {
				return &usageError{fmt.Errorf("--after: %w", err)}
			}
		}
		if len(args) == 1 {
			file, err := a.readImport(args[0])
			if err != nil {
				return err
			}
			r.File = &file
		}
		return a.change(cmd.Context(), "trust/distrust", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

// parseTime reads a moment: a day, or RFC 3339.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want a day like 2026-10-01, or a moment like 2026-10-01T12:00:00Z", text)
}
