package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caEABCommand() *cobra.Command {
	return noun("eab", "Keys with which ACME clients make accounts", a.caEABNewCommand(), a.caEABListCommand(), a.caEABRevokeCommand())
}

func (a *app) caEABNewCommand() *cobra.Command {
	var r desk.EABRequest
	var expires string
	c := &cobra.Command{
		Use: "new", Short: "Make a key for an ACME client", Args: noArgs,
		Long: "Make a key with which an ACME client (certbot, acme.sh, Caddy …) makes an account, bound to a profile and to names. It is shown this once.\n" +
			"The client then proves each name and gets its certificates by itself; see: postseal help acme",
		Example: "  postseal ca eab new --profile server --domain web.example.com",
	}
	f := c.Flags()
	f.StringVar(&r.Profile, "profile", "", "`NAME` of the profile of what it gets (default server)")
	f.StringArrayVar(&r.Domains, "domain", nil, "a `DOMAIN` below which its names must be; repeatable (default those of the profile)")
	f.IntVar(&r.Accounts, "accounts", 0, "how many accounts it may make, `N` (default 1)")
	f.StringVar(&expires, "expires", "30d", "how long it makes accounts, a `TIME` like 30d or 12h, at most 398d")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.dryRun {
			return &usageError{errors.New("ca eab new has no --dry-run: a key that is shown works")}
		}
		life, err := parseDays(expires)
		if err != nil {
			return &usageError{fmt.Errorf("--expires: %w", err)}
		}
		r.ExpiresIn = int64(life / time.Second)
		if err := r.Check(); err != nil {
			return err
		}
		v, err := call[desk.EAB](cmd.Context(), a, "ca/eab-new", r)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "kid:       %s\nkey:       %s\ndirectory: %s\n", v.ID, v.Key, v.Directory)
		fmt.Fprintf(a.err, "postseal: it makes %d account(s) until %s and is not shown again\n", v.Accounts, localTime(v.ExpiresAt))
		fmt.Fprintf(a.err, "postseal: for example: certbot certonly --standalone --server %s --eab-kid %s --eab-hmac-key %s -d NAME\n", v.Directory, v.ID, v.Key)
		fmt.Fprintf(a.err, "postseal: undo: postseal ca eab revoke %s%s\n", v.ID, a.whereFlags())
		return nil
	}
	return c
}

func (a *app) caEABListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys for ACME clients", Args: noArgs, Example: "  postseal ca eab list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := call[[]desk.EABView](cmd.Context(), a, "ca/eab-list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(list)
			}
			t := a.table("KID", "PROFILE", "DOMAINS", "ACCOUNTS", "STATE", "ENDS", "MADE BY")
			for _, v := range list {
				t.row(v.ID, v.Profile, strings.Join(v.Domains, ","), fmt.Sprintf("%d of %d", v.Made, v.Accounts), v.State, localTime(v.ExpiresAt), v.MadeBy)
			}
			return t.end()
		},
	}
}

func (a *app) caEABRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke KID", Short: "Shut a key out, with the accounts that it made", Args: oneArg("the kid of a key"),
		Long:    "Shut a key out with the accounts that it made. The certificates that these were issued stay good; take them back with: postseal ca revoke --requester",
		Example: "  postseal ca eab revoke 3f8e0c9ad2b14f6c8d7e5a4b3c2d1e0f",
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.dryRun {
				return &usageError{errors.New("ca eab revoke has no --dry-run; see what there is: postseal ca eab list")}
			}
			v, err := call[desk.EABView](cmd.Context(), a, "ca/eab-revoke", desk.EABRevocation{ID: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			fmt.Fprintf(a.out, "%s is revoked, with %d account(s)\n", v.ID, v.Made)
			return nil
		},
	}
}

func (a *app) caAccountCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the accounts of ACME clients", Args: noArgs, Example: "  postseal ca account list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := call[[]desk.AccountView](cmd.Context(), a, "ca/account-list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(list)
			}
			t := a.table("ACCOUNT", "FOR", "PROFILE", "DOMAINS", "CONTACT", "STATE", "MADE")
			for _, v := range list {
				t.row(v.ID, v.Authority, v.Profile, strings.Join(v.Domains, ","), strings.Join(v.Contact, ","), v.State, localTime(v.CreatedAt))
			}
			return t.end()
		},
	}
	revoke := &cobra.Command{
		Use: "revoke ACCOUNT", Short: "Shut an account out", Args: oneArg("the ID of an account"),
		Long:    "Shut an account out. The certificates that it was issued stay good; take them back with: postseal ca revoke --requester",
		Example: "  postseal ca account revoke 9b1de0c4a87f4a20b0c93e5d7f6a1c22",
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.dryRun {
				return &usageError{errors.New("ca account revoke has no --dry-run; see what there is: postseal ca account list")}
			}
			v, err := call[desk.AccountView](cmd.Context(), a, "ca/account-revoke", desk.EABRevocation{ID: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			fmt.Fprintf(a.out, "%s is revoked\n", v.ID)
			return nil
		},
	}
	return noun("account", "Accounts of ACME clients", list, revoke)
}

func (a *app) caARICommand() *cobra.Command {
	return noun("ari", "When ACME clients renew", a.caARIMoveCommand(), a.caARIListCommand(), a.caARIRestoreCommand())
}

func (a *app) caARIMoveCommand() *cobra.Command {
	var r desk.WindowRequest
	var begin, end, before string
	c := &cobra.Command{
		Use: "move", Short: "Tell ACME clients to renew within a window", Args: noArgs,
		Long: "Tell ACME clients that ask for it (RFC 9773) to renew within a window: before certificates are revoked together, or as a drill.\n" +
			"Only certificates that were issued before now are meant. Clients ask about every six hours, so a window of a day reaches all of them.",
		Example: "  postseal ca ari move --end 2026-12-24T18:00:00Z --explanation https://status.example.com/renew",
	}
	f := c.Flags()
	f.StringVar(&r.Authority, "authority", "", "`PURPOSE` of the authority (default servers)")
	f.StringVar(&r.Profile, "profile", "", "only certificates of the profile `NAME`")
	f.StringVar(&before, "issued-before", "", "only certificates issued before this `TIME`, RFC 3339 (default now)")
	f.StringVar(&begin, "begin", "", "it begins at this `TIME`, RFC 3339 (default now)")
	f.StringVar(&end, "end", "", "it ends at this `TIME`, RFC 3339 (default a day after it begins)")
	f.StringVar(&r.Explanation, "explanation", "", "https `ADDRESS` of a page that says why")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.dryRun {
			return &usageError{errors.New("ca ari move has no --dry-run; it can be taken back: postseal ca ari restore")}
		}
		for _, x := range []struct {
			flag, text string
			to         *time.Time
		}{{"--issued-before", before, &r.IssuedBefore}, {"--begin", begin, &r.Begin}, {"--end", end, &r.End}} {
			if x.text == "" {
				continue
			}
			var err error
			if *x.to, err = time.Parse(time.RFC3339, x.text); err != nil {
				return &usageError{fmt.Errorf("%s %q: want a time like 2026-12-24T18:00:00Z", x.flag, x.text)}
			}
		}
		v, err := call[desk.WindowView](cmd.Context(), a, "ca/ari-move", r)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.out, "Clients renew what was issued before %s from %s to %s.\n", localTime(v.IssuedBefore), localTime(v.Begin), localTime(v.End))
		fmt.Fprintf(a.err, "postseal: undo: postseal ca ari restore %s%s\n", v.ID, a.whereFlags())
		return nil
	}
	return c
}

func (a *app) caARIListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the windows that were moved", Args: noArgs, Example: "  postseal ca ari list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := call[[]desk.WindowView](cmd.Context(), a, "ca/ari-list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(list)
			}
			t := a.table("WINDOW", "FOR", "PROFILE", "ISSUED BEFORE", "BEGINS", "ENDS", "EXPLANATION")
			for _, v := range list {
				t.row(v.ID, v.Authority, v.Profile, localTime(v.IssuedBefore), localTime(v.Begin), localTime(v.End), v.Explanation)
			}
			return t.end()
		},
	}
}

func (a *app) caARIRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore WINDOW", Short: "Take a moved window back", Args: oneArg("the ID of a window"), Example: "  postseal ca ari restore 5c7b2f60e9d84a1f8e3a6b9d0c1f2e4a",
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.dryRun {
				return &usageError{errors.New("ca ari restore has no --dry-run; see what there is: postseal ca ari list")}
			}
			v, err := call[desk.WindowView](cmd.Context(), a, "ca/ari-restore", desk.WindowName{ID: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			fmt.Fprintf(a.out, "%s is taken back: clients are told the usual window again\n", v.ID)
			return nil
		},
	}
}
