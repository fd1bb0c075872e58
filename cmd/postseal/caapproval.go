package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/durable"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caPendingCommand() *cobra.Command {
	var q desk.PendingQuery
	c := &cobra.Command{
		Use: "pending", Short: "List the requests that wait for a second person", Args: noArgs, Example: "  postseal ca pending",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := call[[]desk.ApprovalView](cmd.Context(), a, "ca/pending", q)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(all)
			}
			t := a.table("ID", "PROFILE", "NAMES", "ENABLES", "FOR", "ASKED", "STATUS")
			for _, x := range all {
				status := x.Status
				switch {
				case x.Serial != "":
					status += ": " + x.Serial
				case x.Reason != "":
					status += ": " + visible(x.Reason)
				}
				t.row(x.ID, x.Profile, visible(strings.Join(x.Names, ",")), dash(x.Enable), visible(x.Requester), localDate(x.AskedAt), status)
			}
			return t.end()
		},
	}
	c.Flags().BoolVar(&q.All, "all", false, "those that were decided too")
	return c
}

func (a *app) caApproveCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "approve ID", Short: "Agree to a request, and issue the certificate", Args: oneArg("the ID of a request, see: postseal ca pending"),
		Long: "Agree to a request for a profile that needs a second person, and issue the certificate. Whoever asked cannot agree.\n" +
			"If its key was made here, a lineage gets it, and it takes over the services that ca pending shows under ENABLES.",
		Example: "  postseal ca approve 3f1c2a5b7d9e40618273849506a7b8c9",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := call[desk.Certified](cmd.Context(), a, "ca/approve", desk.Decision{Doing: desk.Doing{DryRun: a.dryRun}, ID: args[0]})
			if err != nil {
				return err
			}
			if err := a.printCertified(v, out, "Issued"); err != nil || a.json {
				return err
			}
			a.printTakeover(v)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the certificate and its issuer to this `FILE`")
	return c
}

// printTakeover says what agreeing has changed beyond the certificate.
func (a *app) printTakeover(v desk.Certified) {
	switch {
	case a.dryRun && v.Enabled != "":
		fmt.Fprintf(a.err, "postseal: note: it would take over %s\n", v.Enabled)
	case v.Enabled != "":
		fmt.Fprintf(a.err, "postseal: note: lineage %s has it, and serves %s with it from now on\n", v.Lineage, v.Enabled)
	case v.Lineage != "":
		fmt.Fprintf(a.err, "postseal: note: lineage %s has it\n", v.Lineage)
	}
}

func (a *app) caRejectCommand() *cobra.Command {
	var r desk.Decision
	c := &cobra.Command{
		Use: "reject ID", Short: "Refuse a request", Args: oneArg("the ID of a request, see: postseal ca pending"),
		Long:    "Refuse a request that waits for a second person. Whoever asked may withdraw it so, too.",
		Example: "  postseal ca reject 3f1c2a5b7d9e40618273849506a7b8c9 --reason \"no such build server\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.ID, r.DryRun = args[0], a.dryRun
			v, err := call[desk.ApprovalView](cmd.Context(), a, "ca/reject", r)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			fmt.Fprintf(a.out, "Rejected the request of %s for %s.\n", visible(v.Requester), visible(strings.Join(v.Names, ", ")))
			return nil
		},
	}
	c.Flags().StringVar(&r.Reason, "reason", "", "`WHY`, for whoever asked")
	return c
}

func (a *app) caCertificateCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "certificate SERIAL", Short: "Print a certificate of the book", Args: oneArg("a serial, see: postseal ca list"),
		Example: "  postseal ca certificate 5c9f0e7a1b2c3d4e5f60718293a4b5c6 --out device.pem",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := call[desk.Certified](cmd.Context(), a, "ca/certificate", admin.Named{ID: args[0]})
			if err != nil {
				return err
			}
			return a.printCertified(v, out, "Wrote")
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the certificate and its issuer to this `FILE`")
	return c
}

// printCertified prints a certificate, and what was done with it, or that a request for it waits.
func (a *app) printCertified(v desk.Certified, out, done string) error {
	switch {
	case a.json:
		return a.printJSON(v)
	case a.dryRun:
		fmt.Fprintf(a.out, "It would be issued for %s.\n", strings.Join(v.Names, ", "))
		return nil
	case v.Waiting != "":
		fmt.Fprintf(a.out, "Request %s for %s waits for a second person.\n", v.Waiting, strings.Join(v.Names, ", "))
		fmt.Fprintf(a.err, "postseal: he runs: postseal ca approve %s%s\n", v.Waiting, a.whereFlags())
		return nil
	case out == "":
		fmt.Fprint(a.out, v.PEM)
		return nil
	}
	if err := durable.WriteFile(out, []byte(v.PEM), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s %s for %s until %s: %s\n", done, v.Serial, strings.Join(v.Names, ", "), localDate(v.NotAfter), out)
	return nil
}
