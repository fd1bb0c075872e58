package main

import (
	"github.com/spf13/cobra"

	"postseal/internal/steer/desk"
)

func (a *app) caExtendCommand() *cobra.Command {
	var r desk.ExtendRequest
	c := &cobra.Command{
		Use: "extend", Short: "Let the authorities certify more domains", Args: noArgs,
		Long: "Certify each issuing authority anew, with the same key and the same name, for more domains or networks. Nobody has to trust anything anew:\n" +
			"the root stays, what was issued stays good, and what serves sends the new certificate along from then on.",
		Example: "  postseal ca extend --domain example.org",
	}
	c.Flags().StringArrayVar(&r.Domains, "domain", nil, "a `DOMAIN` more; repeatable (default the accepted domains)")
	c.Flags().StringArrayVar(&r.Networks, "network", nil, "a `NETWORK` whose addresses may be certified, like 192.0.2.0/24; repeatable. Without any, no address may")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.change(cmd.Context(), "ca/extend", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) caRolloverCommand() *cobra.Command {
	var module bool
	c := &cobra.Command{
		Use: "rollover AUTHORITY", Short: "Give an authority a successor with a new key", Args: oneArg("the name of an authority, see: postseal ca show"),
		Long: "Give an authority a successor with a new key. The old one is retired: it issues no more, and goes on publishing lists and answers for what it issued.\n" +
			"A new root is certified by the old one too, so that machines that trust only the old one accept what is served, until the new one has reached them.",
		Example: "  postseal ca rollover servers",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), "ca/rollover", func(d desk.Doing) any { return desk.RolloverRequest{Doing: d, Name: args[0], Module: module} })
		},
	}
	c.Flags().BoolVar(&module, "security-module", false, "make its key in the security module (default where the old one's is)")
	return c
}
