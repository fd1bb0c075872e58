package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/steer/desk"
)

func (a *app) certNewCommand() *cobra.Command {
	var r desk.NewRequest
	c := &cobra.Command{
		Use: "new", Short: "Make a self-signed certificate", Args: noArgs,
		Long:    "Make a self-signed certificate in a lineage of its own, and enable it for services at once if asked.",
		Example: "  postseal cert new --name \"Mail 2026\" --domain mail.example.com --domain imap.example.com --services IMAP,POP,SMTP",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "friendly `NAME`, at most 63 characters")
	f.StringArrayVar(&r.Domains, "domain", nil, "a `NAME` or address it is for; repeatable (default this server's names)")
	f.StringVar(&r.Subject, "subject", "", "`SUBJECT` in the form of RFC 4514, like \"CN=mail.example.com,O=Example\"")
	f.StringArrayVar(&r.Kinds, "key", nil, "`KIND` of key, one per algorithm; repeatable (default ecdsa-p256 and rsa-2048)")
	f.IntVar(&r.Days, "days", 0, "life in `DAYS` (default 825)")
	f.BoolVar(&r.Exportable, "exportable", false, "the private key may leave in a file")
	f.StringVar(&r.Services, "services", "", "enable it for this `LIST` of services, see: postseal help services")
	f.StringVar(&r.Lineage, "lineage", "", "`NAME` of the new lineage (default made of the first domain)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if r.Name == "" {
			return &usageError{errors.New("--name is missing")}
		}
		if cmd.Flags().Changed("days") && r.Days == 0 {
			return &usageError{errors.New("--days 0: want at least 1")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		return a.change(cmd.Context(), "cert/new", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) certEnableCommand() *cobra.Command {
	var r desk.EnableRequest
	c := &cobra.Command{
		Use: "enable ID", Short: "Let a certificate serve", Args: oneArg("the ID of a certificate"),
		Long:    "Let a certificate serve: it takes over the default binding of the listeners of these services, and keeps what it served before.",
		Example: "  postseal cert enable mail-example-com --services IMAP,POP",
	}
	c.Flags().StringVar(&r.Services, "services", "", "`LIST` of services, see: postseal help services")
	c.Flags().StringArrayVar(&r.Listeners, "listener", nil, "only the listener of this `NAME`, one of the services' listeners; repeatable")
	c.Flags().BoolVar(&r.ByName, "sni-only", false, "add a name binding: it answers its own names only")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if r.Services == "" {
			return &usageError{errors.New("--services is missing")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		r.ID = args[0]
		return a.change(cmd.Context(), "cert/enable", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) certDisableCommand() *cobra.Command {
	var r desk.DisableRequest
	c := &cobra.Command{
		Use: "disable ID", Short: "Remove a name binding", Args: oneArg("the ID of a certificate"),
		Long:    "Remove a name binding of a certificate. A default binding can only be taken over, by enabling another certificate.",
		Example: "  postseal cert disable shop-example-com --listener imaps",
	}
	c.Flags().StringVar(&r.Listener, "listener", "", "the listener's `NAME`")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if r.Listener == "" {
			return &usageError{errors.New("--listener is missing")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		r.ID = args[0]
		return a.change(cmd.Context(), "cert/disable", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) certSetInternalCommand() *cobra.Command {
	var r desk.InternalRequest
	c := &cobra.Command{
		Use: "set-internal ID", Short: "Make a certificate the internal one", Args: oneArg("the ID of a certificate"),
		Long:    "Make a certificate the internal certificate of this server: the organisation's other servers trust it as it is, and internal transport uses it.\nThis is another thing than enabling it for SMTP, and changes no binding.",
		Example: "  postseal cert set-internal mail-example-com",
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r.ID = args[0]
		return a.change(cmd.Context(), "cert/set-internal", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) certRemoveCommand() *cobra.Command {
	var r desk.RemoveRequest
	c := &cobra.Command{
		Use: "remove ID", Short: "Remove a certificate and its private key", Args: oneArg("the ID of a certificate"),
		Long:    "Remove a generation: its certificates and their private keys, for good. What is in use is refused; the error says by what, and how to replace it.",
		Example: "  postseal cert remove 3F2A9C01",
	}
	c.Flags().BoolVar(&r.All, "all-generations", false, "remove the whole lineage")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r.ID = strings.TrimSpace(args[0])
		return a.change(cmd.Context(), "cert/remove", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}
