package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"postseal/internal/steer/desk"
)

func (a *app) certRenewCommand() *cobra.Command {
	var r desk.RenewRequest
	var byRequest bool
	var out outputFlags
	c := &cobra.Command{
		Use: "renew ID", Short: "Make the next generation of a certificate", Args: oneArg("the ID of a certificate"),
		Long: "Make the next generation of a self-signed certificate, with the same names, and put it in force. Bindings name the lineage, so they stay.\n" +
			"With --request an authority is asked: a request with the same names and a new key, which waits; import the answer with: postseal cert import ANSWER",
		Example: "  postseal cert renew mail-example-com --request --out mail.csr",
	}
	c.Flags().BoolVar(&r.KeepKey, "keep-key", false, "certify the same keys again")
	c.Flags().BoolVar(&r.NoActivate, "no-activate", false, "let it wait; put it in force with: postseal cert activate ID")
	c.Flags().BoolVar(&byRequest, "request", false, "ask an authority: make a request for it and let that wait")
	out.flags(c.Flags())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r.ID = args[0]
		switch {
		case byRequest && r.NoActivate:
			return &usageError{errors.New("--no-activate: whether an answer waits is said with: postseal lineage set LINEAGE --activation approve")}
		case !byRequest && out.out != "":
			return &usageError{errors.New("--out: only --request writes a file")}
		case byRequest:
			return a.renewByRequest(cmd.Context(), r, &out)
		}
		return a.change(cmd.Context(), "cert/renew", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

// renewByRequest makes the request and writes it.
func (a *app) renewByRequest(ctx context.Context, r desk.RenewRequest, out *outputFlags) error {
	if err := out.check(a); err != nil {
		return err
	}
	r.DryRun = a.dryRun
	answer, err := call[desk.AskAnswer](ctx, a, "cert/renew-request", r)
	if err != nil {
		return err
	}
	return a.printRequests(&answer, out, false)
}

func (a *app) certActivateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "activate ID", Short: "Put a waiting generation in force", Args: oneArg("the ID of a certificate"),
		Long:    "Put a generation in force. The name of a lineage means its waiting generation. The one before can be gone back to.",
		Example: "  postseal cert activate mail-example-com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), "cert/activate", func(d desk.Doing) any { return desk.ActivateRequest{Doing: d, ID: args[0]} })
		},
	}
}

func (a *app) certRollbackCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rollback LINEAGE", Short: "Go back to the previous generation", Args: oneArg("the name of a lineage"),
		Long:    "Put the previous generation of a lineage back in force; the one in force waits as the next one. Refused when the previous one has ended or was revoked.",
		Example: "  postseal cert rollback mail-example-com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd.Context(), "cert/rollback", func(d desk.Doing) any { return desk.RollbackRequest{Doing: d, Lineage: args[0]} })
		},
	}
}

func (a *app) lineageSetCommand() *cobra.Command {
	var r desk.LineageRequest
	c := &cobra.Command{
		Use: "set LINEAGE", Short: "Say how a lineage renews", Args: oneArg("the name of a lineage"),
		Example: "  postseal lineage set mail-example-com --activation approve",
	}
	c.Flags().StringVar(&r.Activation, "activation", "", "`HOW`: auto (a renewal serves at once) or approve (it waits for cert activate)")
	c.Flags().StringVar(&r.KeyAtRenewal, "key-at-renewal", "", "`HOW`: new (a new key each time) or keep")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if r.Activation == "" && r.KeyAtRenewal == "" {
			return &usageError{errors.New("nothing to set: give --activation or --key-at-renewal")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		r.Lineage = args[0]
		return a.change(cmd.Context(), "lineage/set", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}
