package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caProfileCommand() *cobra.Command {
	return noun("profile", "What may be asked of the authority", a.caProfileListCommand(), a.caProfileShowCommand(), a.caProfileSetCommand(), a.caProfileRemoveCommand())
}

func (a *app) caProfileListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the profiles", Args: noArgs, Example: "  postseal ca profile list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := call[[]desk.ProfileView](cmd.Context(), a, "ca/profile-list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(all)
			}
			t := a.table("PROFILE", "AUTHORITY", "LIFE", "USAGES", "NAMES", "SECOND PERSON", "ORIGIN")
			for _, p := range all {
				second := "no"
				if p.Profile.Approval {
					second = "yes"
				}
				t.row(p.Profile.Name, string(p.Profile.Purpose), p.Profile.Life, joined(p.Profile.Usages), joined(p.Profile.Names), second, p.Origin)
			}
			return t.end()
		},
	}
}

func joined[T ~string](all []T) string {
	var texts []string
	for _, x := range all {
		texts = append(texts, string(x))
	}
	return strings.Join(texts, ",")
}

func (a *app) caProfileShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a profile", Args: oneArg("the name of a profile"),
		Long:    "Show a profile as the JSON that ca profile set reads, complete: what was left to the defaults is filled in.",
		Example: "  postseal ca profile show server > server.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := call[desk.ProfileView](cmd.Context(), a, "ca/profile-show", admin.Named{ID: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(p)
			}
			return a.printJSON(p.Profile)
		},
	}
}

func (a *app) caProfileSetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "set FILE", Short: "Put a profile in force", Args: oneArg("a JSON file with a profile"),
		Long: "Put a profile in force, new or in the place of one of its name. It is checked whole before; what was issued stays as it is.\n" +
			"Life is days or hours: 47d for what renews by itself, 398d for what leaves by file, 6d with \"noRevocation\": true; at most 825d. - reads standard input.",
		Example: "  echo '{\"name\": \"printers\", \"domains\": [\"print.example.com\"], \"life\": \"398d\"}' | postseal ca profile set -",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.readImport(args[0])
			if err != nil {
				return err
			}
			var p desk.ProfileFile
			d := json.NewDecoder(bytes.NewReader(file.Data))
			d.DisallowUnknownFields()
			if err := d.Decode(&p); err != nil {
				return &usageError{fmt.Errorf("reading the profile in %s: %w", file.Name, err)}
			}
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				return &usageError{fmt.Errorf("reading the profile in %s: something stands behind it", file.Name)}
			}
			return a.change(cmd.Context(), "ca/profile-set", func(d desk.Doing) any { return desk.ProfileRequest{Doing: d, Profile: p} })
		},
	}
}

func (a *app) caProfileRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Forget a profile; a built-in one of that name is in force again", Args: oneArg("the name of a profile"),
		Example: "  postseal ca profile remove printers",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), "ca/profile-remove", func(d desk.Doing) any { return desk.ProfileRemoval{Doing: d, Name: args[0]} })
		},
	}
}
