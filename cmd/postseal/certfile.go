package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) certRequestCommand() *cobra.Command {
	var r desk.AskRequest
	var out outputFlags
	var der bool
	c := &cobra.Command{
		Use: "request", Short: "Make a key and a certificate request for an authority", Args: noArgs,
		Long: "Make a key and a certificate request (PKCS #10) to send to an authority. The key stays here; the request waits until its answer is imported,\n" +
			"and can be printed again with: postseal cert export ID",
		Example: "  postseal cert request --name \"Mail 2027\" --domain mail.example.com --domain autodiscover.example.com --out mail.csr",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "friendly `NAME`, at most 63 characters")
	f.StringArrayVar(&r.Domains, "domain", nil, "a `NAME` or address it is for; repeatable, the first is the common name")
	f.StringVar(&r.Subject, "subject", "", "`SUBJECT` in the form of RFC 4514, like \"O=Example,C=KR\"; the common name is added")
	f.BoolVar(&r.NoCommonName, "no-common-name", false, "leave the subject without a common name")
	f.StringArrayVar(&r.Kinds, "key", nil, "`KIND` of key, one per algorithm; repeatable, one request each (default ecdsa-p256)")
	f.BoolVar(&r.Exportable, "exportable", false, "the private key may leave in a file")
	f.StringVar(&r.Lineage, "lineage", "", "`NAME` of the lineage whose next generation it is, or of a new one")
	f.BoolVar(&der, "der", false, "write DER instead of PEM")
	out.flags(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case r.Name == "":
			return &usageError{errors.New("--name is missing")}
		case len(r.Domains) == 0:
			return &usageError{errors.New("--domain is missing")}
		case der && len(r.Kinds) > 1:
			return &usageError{errors.New("--der: a file in DER holds one request; ask for one key at a time")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		if err := out.check(a); err != nil {
			return err
		}
		r.DryRun = a.dryRun
		answer, err := call[desk.AskAnswer](cmd.Context(), a, "cert/request", r)
		if err != nil {
			return err
		}
		return a.printRequests(&answer, &out, der)
	}
	return c
}

// printRequests writes what goes to the authority, and says what happens next.
func (a *app) printRequests(answer *desk.AskAnswer, out *outputFlags, der bool) error {
	var data []byte
	for _, r := range answer.Requests {
		if der {
			data = r.DER
		} else {
			data = append(data, r.PEM...)
		}
	}
	a.printNotes(answer.Notes)
	a.printWarnings(answer.Warnings)
	if !a.dryRun && (out.out != "" || !a.json) {
		if err := out.write(a, data, false); err != nil {
			fmt.Fprintf(a.err, "postseal: the request was made and waits; print it again: postseal cert export %s --out FILE%s\n", answer.Requests[0].Thumbprint, a.whereFlags())
			return err
		}
	}
	if a.json {
		return a.printJSON(answer)
	}
	if len(answer.Requests) > 0 {
		fmt.Fprintf(a.err, "postseal: send the request to the authority; then: postseal cert import ANSWER%s\n", a.whereFlags())
	}
	a.printUndo(answer.Undo)
	return nil
}

func (a *app) certImportCommand() *cobra.Command {
	var r desk.ImportRequest
	var password passwordFlags
	c := &cobra.Command{
		Use: "import FILE...", Short: "Take certificates in from files", Args: someArgs("the files to import"),
		Long: "Take certificates in from files: PFX, PEM, DER, P7B, ZIP, JKS, recognised by their content. With a key they begin a lineage, or join the one named;\n" +
			"without one they answer the request that waits for them. Nothing is bound; that is cert enable. - reads standard input.",
		Example: "  postseal cert import mail.pfx --password-file pfx-password --name \"Mail 2027\"",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "friendly `NAME` (default that in the file, or the first name)")
	f.StringVar(&r.Lineage, "lineage", "", "`NAME` of the lineage to join, or of the new one")
	f.BoolVar(&r.Exportable, "exportable", false, "the private key may leave again in a file")
	password.flags(f)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := r.Check(); err != nil {
			return err
		}
		var err error
		if r.Files, err = a.readImports(args); err != nil {
			return err
		}
		if password.given() {
			secret, err := password.read(a, "", false)
			if err != nil {
				return err
			}
			r.Password = desk.NewPassword(secret)
		}
		return a.importing(cmd.Context(), r, &password)
	}
	return c
}

// importing imports; when a file turns out to be under a password, it is asked for once.
func (a *app) importing(ctx context.Context, r desk.ImportRequest, password *passwordFlags) error {
	run := func() error {
		return a.change(ctx, "cert/import", func(d desk.Doing) any { r.Doing = d; return r })
	}
	err := run()
	if p, ok := errors.AsType[*admin.Problem](err); !ok || p.Name != "certfile.PasswordMissingError" || password.given() {
		return err
	}
	secret, asked := password.read(a, "Password of the file", false)
	if asked != nil {
		return err // without a terminal the first error says more
	}
	r.Password = desk.NewPassword(secret)
	return run()
}

// readImports reads files for an act; - is standard input.
func (a *app) readImports(names []string) (files []desk.ImportFile, err error) {
	for _, name := range names {
		file, err := a.readImport(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// readImport reads one file, bounded, before anybody looks into it.
func (a *app) readImport(name string) (desk.ImportFile, error) {
	file := desk.ImportFile{Name: name}
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return file, fmt.Errorf("reading: %w", err)
		}
		defer f.Close()
		in = f
	} else {
		file.Name = "standard input"
	}
	var err error
	if file.Data, err = io.ReadAll(io.LimitReader(in, certfile.MaxBytes+1)); err != nil {
		return file, fmt.Errorf("reading %s: %w", file.Name, err)
	}
	if len(file.Data) > certfile.MaxBytes {
		return file, &certfile.LimitError{At: certfile.Origin{File: file.Name}, What: "bytes in the file", Limit: certfile.MaxBytes}
	}
	return file, nil
}

func (a *app) certExportCommand() *cobra.Command {
	var r desk.ExportRequest
	var out outputFlags
	var password passwordFlags
	c := &cobra.Command{
		Use: "export ID", Short: "Write a certificate to a file", Args: oneArg("the ID of a certificate"),
		Long: "Write a certificate to a file. pfx and pem hold the private key, which must be exportable, and a pfx needs a password; pem --no-key, der and p7b hold\n" +
			"certificates only. A pending request is written as it goes to the authority.",
		Example: "  postseal cert export mail-example-com --out mail.pfx --password-file pfx-password",
	}
	f := c.Flags()
	f.StringVar(&r.Format, "format", "", "pfx, pem, der or p7b: the `FORMAT` of the file (default pfx)")
	f.StringVar(&r.Profile, "pfx-profile", "", "modern or windows2016: the `PROFILE` of a pfx (default modern)")
	f.BoolVar(&r.NoChain, "no-chain", false, "leave out the issuers")
	f.BoolVar(&r.NoKey, "no-key", false, "pem: leave out the private key")
	out.flags(f)
	password.flags(f)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if out.out == "" {
			return &usageError{errors.New("--out is missing; - is standard output")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		if err := out.check(a); err != nil {
			return err
		}
		r.ID = args[0]
		if password.given() {
			secret, err := password.read(a, "", false)
			if err != nil {
				return err
			}
			r.Password = desk.NewPassword(secret)
		}
		return a.export(cmd.Context(), r, exporting{&out, &password})
	}
	return c
}

type exporting struct {
	out      *outputFlags
	password *passwordFlags
}

// export checks first, asks for what is missing, and writes one whole file or none.
func (a *app) export(ctx context.Context, r desk.ExportRequest, e exporting) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	r.DryRun = true
	var preview desk.Exported
	err = client.Call(ctx, "cert/export", r, &preview)
	if p, ok := errors.AsType[*admin.Problem](err); ok && p.Name == "certfile.ErrExportPassword" && !e.password.given() {
		secret, asked := e.password.read(a, "Password for the file", true)
		if asked != nil {
			return err
		}
		r.Password = desk.NewPassword(secret)
		err = client.Call(ctx, "cert/export", r, &preview)
	}
	if err != nil {
		return err
	}
	if preview.Secret && r.Format == desk.FormatPFX && errors.Is(desk.CheckFilePassword(r.Password, false), desk.ErrShortPassword) {
		fmt.Fprintln(a.err, "postseal: warning: the password has fewer than 8 characters; whoever has the file guesses it")
	}
	if preview.Secret && !a.yes && !a.dryRun {
		if err := a.ask(&desk.Change{Warnings: []string{"the private key of " + preview.What + " leaves this server in " + e.out.out}}); err != nil {
			return err
		}
	}
	if a.dryRun {
		fmt.Fprintf(a.err, "postseal: would write %s to %s\n", preview.What, e.out.out)
		if a.json {
			return a.printJSON(map[string]any{"file": e.out.out, "secret": preview.Secret, "what": preview.What})
		}
		return nil
	}
	for _, other := range preview.Others {
		fmt.Fprintf(a.err, "postseal: warning: not in the file: %s; export it by its thumbprint\n", other)
	}
	r.DryRun, r.Confirm = false, true
	var got desk.Exported
	if err := client.Call(ctx, "cert/export", r, &got); err != nil {
		return err
	}
	defer keys.Secret(got.Data).Wipe()
	if err := e.out.write(a, got.Data, got.Secret); err != nil || !a.json {
		return err
	}
	return a.printJSON(map[string]any{"file": e.out.out, "secret": got.Secret, "what": got.What})
}

// someArgs wants one or more arguments.
func someArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return &usageError{fmt.Errorf("%s wants %s", cmd.CommandPath(), name)}
	}
}
