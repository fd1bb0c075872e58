package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/internal/ground/keys"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caRequestCommand() *cobra.Command {
	var out outputFlags
	c := &cobra.Command{
		Use: "request [AUTHORITY]", Short: "Write the requests that wait for the authority above", Args: maybeArg,
		Long: "Write the requests of our own authorities that wait for the authority above them: as PKCS #10 in PEM for another organisation or program,\n" +
			"or as one file for our own root on another machine, see: postseal ca ceremony. They can be written again until the answer is taken in with: postseal ca import\n" +
			"While the root's key is elsewhere there is always a request for it: without wishes it is for a new revocation list.",
		Example: "  postseal ca request servers --out servers.csr",
	}
	out.flags(c.Flags())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(a); err != nil {
			return err
		}
		v, err := call[desk.WaitingRequests](cmd.Context(), a, "ca/requests", admin.Nothing{})
		if err != nil {
			return err
		}
		data, what := []byte(v.PEM), "have it certified as a subordinate authority"
		if v.Ceremony != nil {
			data, what = v.Ceremony, "take it to the machine that has the root: postseal ca ceremony FILE"
		}
		if len(args) == 1 {
			data = nil
			for _, r := range v.Requests {
				if r.Name == args[0] && v.Ceremony == nil {
					data = []byte(r.PEM)
				}
			}
			if data == nil {
				return fmt.Errorf("request of %q for a file of its own: %w", args[0], desk.ErrNothingWaits)
			}
		}
		switch {
		case a.dryRun:
			fmt.Fprintf(a.err, "postseal: would write %d octets to %s\n", len(data), out.out)
		case out.out != "" || !a.json:
			if err := out.write(a, data, false); err != nil {
				return err
			}
		}
		if a.json {
			return a.printJSON(v)
		}
		fmt.Fprintf(a.err, "postseal: %s; then: postseal ca import ANSWER%s\n", what, a.whereFlags())
		return nil
	}
	return c
}

// maybeArg wants one argument at most.
func maybeArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return &usageError{fmt.Errorf("%s wants one argument at most", cmd.CommandPath())}
	}
	return nil
}

func (a *app) caImportCommand() *cobra.Command {
	var r desk.AuthorityAnswer
	c := &cobra.Command{
		Use: "import FILE...", Short: "Take in what the authority above has signed", Args: someArgs("the files to import"),
		Long: "Take in what the authority above has signed: certificates with the whole chain to its root (PEM, DER, P7B, in one file or several), or the answer of a ceremony.\n" +
			"The authorities whose requests are answered issue from then on. Refused is a certificate of another key, without the right to certify, below a path length that\n" +
			"does not allow it, with a weak key or signature, or past its end; a missing name constraint is a warning.\n" +
			"The root is trusted here from then on, so it must be named by the SHA-256 that its owner tells you, or that the protocol of the ceremony says, unless it is trusted already;\n" +
			"--dry-run shows the one in the files.",
		Example: "  postseal ca import servers.p7b --root 5c41a0d2f2b9c6ce7f6b7f4a0a4a3a5d0c9be5a2c0b5d6b9f0f5f3f3c1d2e4a6",
	}
	c.Flags().StringVar(&r.Root, "root", "", "the root above is the one with this SHA-256, in `HEX`")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := r.Check(); err != nil {
			return err
		}
		var err error
		if r.Files, err = a.readImports(args); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/import", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) caWithdrawCommand() *cobra.Command {
	return &cobra.Command{
		Use: "withdraw [AUTHORITY]", Short: "Take requests back that wait for the authority above", Args: maybeArg,
		Long:    "Take requests back that wait for the authority above, with the keys that would have begun with them. What is in force stays so; an answer that comes later is refused.",
		Example: "  postseal ca withdraw servers-2",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r desk.WithdrawRequest
			if len(args) == 1 {
				r.Name = args[0]
			}
			return a.change(cmd.Context(), "ca/withdraw", func(d desk.Doing) any { r.Doing = d; return r })
		},
	}
}

func (a *app) caRootCommand() *cobra.Command {
	return noun("root", "The root's key: out of the server, and back", a.caRootExportCommand(), a.caRootRemoveCommand(), a.caRootImportCommand())
}

func (a *app) caRootExportCommand() *cobra.Command {
	var r desk.RootKeyRequest
	var out outputFlags
	var password passwordFlags
	c := &cobra.Command{
		Use: "export", Short: "Write the root with its key to a file", Args: noArgs,
		Long: "Write the root with its key to a file: a PFX under a password, for a safe. It opens with postseal ca ceremony on another machine, and comes back with postseal ca root import.\n" +
			"The key stays on this server until: postseal ca root remove",
		Example: "  postseal ca root export --out /media/stick/root.pfx --password-file root-password",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "`NAME` of the root, see: postseal ca show (default the one in force)")
	out.flags(f)
	password.flags(f)
	password.shortFlag(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if out.out == "" {
			return &usageError{errors.New("--out is missing; - is standard output")}
		}
		if err := out.check(a); err != nil {
			return err
		}
		secret, err := password.read(a, "Password for the file", true)
		if err != nil {
			return err
		}
		r.Password, r.Short = desk.NewPassword(secret), password.short
		return a.exportRoot(cmd.Context(), r, &out)
	}
	return c
}

// exportRoot asks, for a private key leaves, and writes one whole file or none.
func (a *app) exportRoot(ctx context.Context, r desk.RootKeyRequest, out *outputFlags) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	r.DryRun = true
	var got desk.Exported
	if err := client.Call(ctx, "ca/root-export", r, &got); err != nil {
		return err
	}
	if a.dryRun {
		fmt.Fprintf(a.err, "postseal: would write %s to %s\n", got.What, out.out)
	} else {
		if !a.yes {
			if err := a.ask(&desk.Change{Warnings: []string{got.What + " leaves this server in " + out.out}}); err != nil {
				return err
			}
		}
		r.DryRun, r.Confirm = false, true
		if err := client.Call(ctx, "ca/root-export", r, &got); err != nil {
			return err
		}
		defer keys.Secret(got.Data).Wipe()
		if err := out.write(a, got.Data, true); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "postseal: the key is still here; once the file lies in two safe places: postseal ca root remove --exported FILE%s\n", a.whereFlags())
	}
	if a.json {
		return a.printJSON(map[string]any{"file": out.out, "secret": got.Secret, "what": got.What})
	}
	return nil
}

// rootFile reads the file of a root and its password.
func (a *app) rootFile(r *desk.RootKeyRequest, name string, password *passwordFlags) error {
	file, err := a.readImport(name)
	if err != nil {
		return err
	}
	secret, err := password.read(a, "Password of the file", false)
	r.File, r.Password = file, desk.NewPassword(secret)
	return err
}

func (a *app) caRootRemoveCommand() *cobra.Command {
	var r desk.RootKeyRequest
	var exported string
	var password passwordFlags
	c := &cobra.Command{
		Use: "remove", Short: "Take the root's key out of the server", Args: noArgs,
		Long: "Take the root's key out of the server. The file that it was exported to is opened first: without it nothing is removed. The root then signs, one last time, a revocation list\n" +
			"that holds for two years; status says in time when it needs another. Without the root's key everything goes on that the issuing authorities do: issuing, revoking, lists, OCSP.\n" +
			"What needs the root (extend, rollover of an issuing authority) writes a request for postseal ca ceremony; a roll-over of the root needs postseal ca root import.",
		Example: "  postseal ca root remove --exported /media/stick/root.pfx --password-file root-password",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "`NAME` of the root, see: postseal ca show (default the one in force)")
	f.StringVar(&exported, "exported", "", "the `FILE` of postseal ca root export")
	password.flags(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if exported == "" {
			return &usageError{errors.New("--exported is missing: the file of postseal ca root export")}
		}
		if err := a.rootFile(&r, exported, &password); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/root-remove", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) caRootImportCommand() *cobra.Command {
	var r desk.RootKeyRequest
	var password passwordFlags
	c := &cobra.Command{
		Use: "import FILE", Short: "Bring the root's key back", Args: oneArg("the file of postseal ca root export"),
		Long:    "Bring the root's key back, for a roll-over of the root or for good.",
		Example: "  postseal ca root import /media/stick/root.pfx --password-file root-password",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "`NAME` of the root, see: postseal ca show (default the one in force)")
	password.flags(f)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.rootFile(&r, args[0], &password); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/root-import", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}
