package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"postseal/internal/issue/zlint"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// zlintProgram is where the program lies that reads what the authority made: beside this one. Empty if nobody can say
// where this one is.
func zlintProgram() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(self), zlint.Program)
}

func (a *app) caZLintCommand() *cobra.Command {
	return noun("zlint", "What zlint finds in what the authority made", a.caZLintListCommand(), a.caZLintAcceptCommand())
}

func (a *app) caZLintListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what zlint finds in what the authority made", Args: noArgs,
		Long: "List what zlint finds in what the authority made: in certificates, in those of the authorities and the signers of OCSP answers, and in revocation lists.\n" +
			"The server has it read by the program " + zlint.Program + ", which lies beside this one, soon after it was issued; issuing does not wait for it. Without the program nothing is read, and what waits is read when it is there.\n" +
			"What is right for an authority that its own organisation alone trusts is not shown. What ended or was revoked counts no more. A list above one MiB is not read.",
		Example: "  postseal ca zlint list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := call[desk.PKIHealth](cmd.Context(), a, "ca/health", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(h.ZLint)
			}
			t := a.table("LINT", "SEVERITY", "COUNT", "FIRST", "DETAILS")
			for _, f := range h.ZLint.Findings {
				t.row(visible(f.Lint), f.Severity, fmt.Sprint(f.Count), visible(f.Subject), visible(f.Details))
			}
			if err := t.end(); err != nil {
				return err
			}
			if len(h.ZLint.Accepted) > 0 {
				fmt.Fprintln(a.out)
				t = a.table("ACCEPTED", "REASON", "BY", "AT")
				for _, r := range h.ZLint.Accepted {
					t.row(visible(r.Lint), visible(r.Reason), visible(r.By), localTime(r.At))
				}
				if err := t.end(); err != nil {
					return err
				}
			}
			fmt.Fprintln(a.out)
			return a.printZLint(h.ZLint)
		},
	}
}

// printZLint says in a sentence how far it has read.
func (a *app) printZLint(h *desk.ZLintHealth) error {
	text := "zlint has read everything"
	switch {
	case !h.There:
		text = fmt.Sprintf("zlint reads nothing: the program %s does not lie beside this one; %d wait for it", zlint.Program, h.Waits)
	case h.Waits > 0:
		text = fmt.Sprintf("zlint has still to read %d; a running server does it within seconds", h.Waits)
	}
	if n := len(h.Findings); n > 0 {
		text += fmt.Sprintf("; lints that find something: %d, see: postseal ca zlint list", n)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

func (a *app) caZLintAcceptCommand() *cobra.Command {
	var r desk.ZLintRequest
	c := &cobra.Command{
		Use: "accept LINT", Short: "Say why a finding of zlint is right as it is", Args: oneArg("the name of a lint, see: postseal ca zlint list"),
		Long:    "Say why a finding of zlint is right as it is, in everything that it is found in, now and later. The reason is kept, and stands in the audit trail. --withdraw takes it back.",
		Example: "  postseal ca zlint accept e_ext_san_contains_reserved_ip --reason \"the addresses are those of our own network\"",
	}
	c.Flags().StringVar(&r.Reason, "reason", "", "`TEXT` for whoever asks later")
	c.Flags().BoolVar(&r.Withdraw, "withdraw", false, "it is not right after all")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r.Lint = args[0]
		if err := r.Check(); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/zlint-accept", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}
