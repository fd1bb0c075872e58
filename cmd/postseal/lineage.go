package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) lineageCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the lineages", Args: noArgs, Example: "  postseal lineage list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			views, err := call[[]desk.LineageView](cmd.Context(), a, "lineage/list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(views)
			}
			t := a.table("LINEAGE", "NAME", "GENERATIONS", "SERVICES", "ROLES", "SERVER", "ACTIVATION", "KEY AT RENEWAL", "ISSUER")
			for _, v := range views {
				t.row(v.Lineage, v.Name, fmt.Sprint(len(v.Generations)), services(v), strings.Join(v.Roles, ","), v.Server, v.Activation, v.KeyAtRenewal, v.Issuer)
			}
			return t.end()
		},
	}
	show := &cobra.Command{
		Use: "show LINEAGE", Short: "Show one lineage with its generations and bindings", Args: oneArg("the name of a lineage"), Example: "  postseal lineage show auth",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := call[desk.LineageView](cmd.Context(), a, "lineage/show", admin.Named{ID: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			return a.printLineage(v)
		},
	}
	return noun("lineage", "Lineages: certificates that follow one another", list, show, a.lineageSetCommand())
}

func services(v desk.LineageView) string {
	var words []string
	for _, s := range v.Services {
		words = append(words, string(s))
	}
	return strings.Join(words, ",")
}

func (a *app) printLineage(v desk.LineageView) error {
	fmt.Fprintf(a.out, "%s %q: activation %s, key at renewal %s, issuer %s\n", v.Lineage, v.Name, v.Activation, v.KeyAtRenewal, v.Issuer)
	if len(v.Roles) > 0 {
		fmt.Fprintf(a.out, "it is the certificate for: %s\n", strings.Join(v.Roles, ", "))
	}
	for _, b := range v.Bindings {
		fmt.Fprintf(a.out, "%s of %s (port %d)\n", b.Role, b.Listener, b.Port)
	}
	fmt.Fprintln(a.out)
	t := a.table("GEN", "STATE", "KEY", "ENDS", "STATUS", "THUMBPRINT")
	for _, g := range v.Generations {
		for _, c := range g.Certificates {
			t.row(fmt.Sprint(g.Generation), g.State, c.KeyType, ends(c), string(c.Status), c.Thumbprint)
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	return a.printHistory(v.History)
}
