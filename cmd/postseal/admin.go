package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) adminCommand() *cobra.Command {
	link := &cobra.Command{
		Use: "link", Short: "Make a link that signs in to the management pages once", Args: noArgs, Example: "  postseal admin link",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.dryRun {
				return &usageError{errors.New("admin link has no --dry-run: a link that is shown works")}
			}
			ctx := cmd.Context()
			client, done, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer done()
			var views []desk.ListenerView
			if err := client.Call(ctx, "listener/list", admin.Nothing{}, &views); err != nil {
				return err
			}
			for _, l := range views {
				if l.Listener != listener.Management {
					continue
				}
				if l.State != desk.ListenerOpen {
					return desk.ErrManagementClosed
				}
				var link desk.Link
				if err := client.Call(ctx, "admin/link", admin.Nothing{}, &link); err != nil {
					return err
				}
				url := signInURL(l, link.Token)
				if a.json {
					return a.printJSON(map[string]any{"url": url, "expiresAt": link.ExpiresAt})
				}
				fmt.Fprintln(a.out, url)
				fmt.Fprintf(a.err, "postseal: it works once, until %s\n", localTime(link.ExpiresAt))
			}
			return nil
		},
	}
	return noun("admin", "Access to the management pages and the API", link, a.fingerprintCommand(), a.tokenCommand())
}
