package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"postseal/internal/ground/health"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
)

// statusOut is the JSON of status: the desk's, with the hints.
type statusOut struct {
	desk.Status
	Attention   []conditionOut `json:"attention"`
	Information []conditionOut `json:"information"`
}

type conditionOut struct {
	health.Condition
	Hint string `json:"hint"`
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what needs attention", Args: noArgs,
		Long:    "Say what needs attention, what each listener serves, and which certificate ends next.\nThe exit status is 3 when something needs attention.",
		Example: "  postseal status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := call[desk.Status](cmd.Context(), a, "status/show", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(statusOut{Status: s, Attention: hinted(s.Attention), Information: hinted(s.Information)})
			} else {
				err = a.printStatus(&s)
			}
			if err == nil && len(s.Attention) > 0 {
				return attention
			}
			return err
		},
	}
}

func hinted(list []health.Condition) []conditionOut {
	out := []conditionOut{}
	for _, c := range list {
		out = append(out, conditionOut{c, hint.ForCondition(c)})
	}
	return out
}

func (a *app) printStatus(s *desk.Status) error {
	fmt.Fprintf(a.out, "%s, server %s\n", s.Organisation, s.Server)
	if len(s.Attention) == 0 {
		fmt.Fprintln(a.out, a.paint("green", "nothing needs attention"))
	}
	for _, c := range s.Attention {
		fmt.Fprintf(a.out, "%s %s\n    do: %s\n", a.paint("red", "attention:"), c.Text, hint.ForCondition(c))
	}
	for _, c := range s.Information {
		fmt.Fprintf(a.out, "note: %s\n    do: %s\n", c.Text, hint.ForCondition(c))
	}
	if b := s.LastBackup; b != nil {
		fmt.Fprintf(a.out, "newest backup: %s, %s\n", localTime(b.MadeAt), b.File)
	}
	fmt.Fprintln(a.out)
	if err := a.printListeners(s.Listeners); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	t := a.table("ENDS", "LEFT", "NAME", "LINEAGE", "KEY", "STATUS")
	for _, c := range s.Certificates {
		t.row(localDate(c.NotAfter), daysLeft(c.NotAfter), c.Name, c.Lineage, c.KeyType, string(c.Status))
	}
	if err := t.end(); err != nil || s.More == 0 {
		return err
	}
	_, err := fmt.Fprintf(a.out, "and %d more that end later and serve nothing; see: postseal cert list\n", s.More)
	return err
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs, Example: "  postseal version",
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": version(), "go": runtime.Version()})
			}
			fmt.Fprintf(a.out, "postseal %s, %s\n", version(), runtime.Version())
			return nil
		},
	}
}

// version is that of the module, as it was built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
