package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) tokenCommand() *cobra.Command {
	return noun("token", "Tokens with which programs elsewhere use the API", a.tokenNewCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
}

func (a *app) tokenNewCommand() *cobra.Command {
	var name, scope, expires string
	c := &cobra.Command{
		Use: "new", Short: "Make a token", Args: noArgs,
		Long: "Make a token with which a program elsewhere uses the API over the management listener. It is shown this once; the server keeps a hash of it.\n" +
			"Its scope includes those before it: read looks; operate makes, renews and enables certificates; admin also exports private keys, changes trust, listeners and tokens, and agrees to what needs a second person.",
		Example: "  postseal admin token new --name monitoring --scope read --expires 90d",
	}
	c.Flags().StringVar(&name, "name", "", "`NAME` of the token; audit rows say it")
	c.Flags().StringVar(&scope, "scope", string(desk.ScopeRead), "`SCOPE`: read, operate or admin")
	c.Flags().StringVar(&expires, "expires", "90d", "its life, a `TIME` like 90d or 12h, at most 398d")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.dryRun {
			return &usageError{errors.New("admin token new has no --dry-run: a token that is shown works")}
		}
		if name == "" {
			return &usageError{errors.New("--name is missing")}
		}
		life, err := parseDays(expires)
		if err != nil {
			return &usageError{fmt.Errorf("--expires: %w", err)}
		}
		if life < time.Hour {
			return fmt.Errorf("--expires %s: %w", expires, desk.ErrTokenLife)
		}
		r := desk.TokenRequest{Name: name, Scope: desk.Scope(scope), ExpiresIn: int64(life / time.Second)}
		if scope == "" {
			return &desk.UnknownScopeError{}
		}
		if err := r.Check(); err != nil {
			return err
		}
		token, err := call[desk.Token](cmd.Context(), a, "admin/token-new", r)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(token)
		}
		fmt.Fprintln(a.out, token.Token)
		fmt.Fprintf(a.err, "postseal: it works until %s and is not shown again; keep it in a file of mode 0600\n", localTime(token.ExpiresAt))
		for _, f := range token.Fingerprints {
			fmt.Fprintf(a.err, "postseal: SHA-256 of the certificate of management, for --fingerprint: %s\n", f)
		}
		fmt.Fprintf(a.err, "postseal: undo: postseal admin token revoke %s%s\n", token.Name, a.whereFlags())
		return nil
	}
	return c
}

func (a *app) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tokens", Args: noArgs, Example: "  postseal admin token list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := call[[]desk.TokenView](cmd.Context(), a, "admin/token-list", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(list)
			}
			t := a.table("NAME", "SCOPE", "ENDS", "LAST USED", "MADE BY", "MADE")
			for _, v := range list {
				ends, used := localTime(v.ExpiresAt), "never"
				if v.Expired {
					ends = "ended"
				}
				if !v.UsedAt.IsZero() {
					used = localTime(v.UsedAt)
				}
				t.row(v.Name, string(v.Scope), ends, used, v.MadeBy, localTime(v.CreatedAt))
			}
			return t.end()
		},
	}
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Make a token worthless", Args: oneArg("the name of a token"), Example: "  postseal admin token revoke monitoring",
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.dryRun {
				return &usageError{errors.New("admin token revoke has no --dry-run; see what there is: postseal admin token list")}
			}
			v, err := call[desk.TokenView](cmd.Context(), a, "admin/token-revoke", desk.TokenNameRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			fmt.Fprintf(a.out, "%s is revoked\n", v.Name)
			return nil
		},
	}
}

func (a *app) fingerprintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "fingerprint", Short: "Show by what programs elsewhere know this server", Args: noArgs, Example: "  postseal admin fingerprint",
		Long: "Show the SHA-256 of the certificates that the management listener serves, for --fingerprint.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.FingerprintView](cmd.Context(), a, "admin/fingerprint", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			for _, f := range v.Fingerprints {
				fmt.Fprintln(a.out, f)
			}
			return nil
		},
	}
}
