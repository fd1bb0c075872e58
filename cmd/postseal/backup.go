package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/audit"
	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) backupCommand() *cobra.Command {
	return noun("backup", "Back the organisation up, and bring it back", a.backupCreateCommand(), a.backupVerifyCommand(), a.backupRestoreCommand())
}

// createdOut is the JSON of backup create.
type createdOut struct {
	File  string        `json:"file"`
	Bytes int64         `json:"bytes"`
	Is    backup.Header `json:"backup"`
}

func (a *app) backupCreateCommand() *cobra.Command {
	var r desk.BackupRequest
	var out outputFlags
	c := &cobra.Command{
		Use: "create FILE", Short: "Write a backup, encrypted for the recovery key", Args: oneArg("the file to write"),
		Long: "Write a backup of the whole organisation, encrypted with age for the recovery key: the database as it is at one moment, and postseal.toml. The sealing key is not in it.\n" +
			"The server goes on meanwhile. The file is whole or not there; - is standard output. Run it from cron or a systemd timer; see docs/howto-backup.md.",
		Example: "  postseal backup create /mnt/backup/postseal-2026-12-01.age",
	}
	c.Flags().StringArrayVar(&r.Recipients, "recipient", nil, "another `AGE` recipient (age1…) who can open it, but not the private keys in it; repeatable")
	c.Flags().BoolVar(&out.force, "force", false, "replace an existing file")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		out.out = args[0]
		if err := r.Check(); err != nil {
			return err
		}
		if err := out.check(a); err != nil {
			return err
		}
		return a.createBackup(cmd.Context(), r, &out)
	}
	return c
}

func (a *app) createBackup(ctx context.Context, r desk.BackupRequest, out *outputFlags) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	if a.dryRun {
		var view desk.RecoveryView
		if err := client.Call(ctx, "recovery/show", admin.Nothing{}, &view); err != nil {
			return err
		}
		if view.ID == "" && len(r.Recipients) == 0 {
			return fmt.Errorf("making a backup: %w", desk.ErrNoRecoveryKey)
		}
		fmt.Fprintf(a.err, "postseal: would write a backup of %s to %s\n", view.Owner.Name, out.out)
		return nil
	}
	made := createdOut{File: out.out}
	if out.out == "-" {
		return client.Stream(ctx, "backup/create", r, a.out, &made.Is)
	}
	if made.File, err = filepath.Abs(out.out); err != nil {
		return fmt.Errorf("writing %s: %w", out.out, err)
	}
	file, err := durable.Stage(made.File, 0o600)
	if err != nil {
		return err
	}
	count := &counting{w: file}
	if err := client.Stream(ctx, "backup/create", r, count, &made.Is); err != nil {
		return errors.Join(err, file.Discard())
	}
	if err := file.Commit(out.force); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %s: %w", out.out, errFileExists)
	} else if err != nil {
		return err
	}
	made.Bytes = count.n
	var view desk.RecoveryView
	if err := client.Call(ctx, "backup/kept", desk.KeptRequest{ID: made.Is.ID, File: made.File, Bytes: made.Bytes, RecoveryID: made.Is.RecoveryID}, &view); err != nil {
		fmt.Fprintf(a.err, "postseal: warning: the backup is whole, but status does not know of it: %v\n", err)
	}
	if made.Is.RecoveryID == "" {
		fmt.Fprintln(a.err, "postseal: warning: there is no recovery key: the private keys in this backup open only with this server's sealing key")
	}
	if a.json {
		return a.printJSON(made)
	}
	fmt.Fprintf(a.out, "%s: %s, %d certificates, %d bytes\n", made.File, made.Is.Organisation, made.Is.Certificates, made.Bytes)
	return nil
}

// counting counts what passes.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// outerOut is the JSON of backup verify without a key.
type outerOut struct {
	Recipients []string `json:"recipients"`
	Whole      bool     `json:"whole"`
	Keys       bool     `json:"keys"`
	Findings   []string `json:"findings"`
}

func (a *app) backupVerifyCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "verify FILE", Short: "Say whether a backup is whole and can be restored", Args: oneArg("a backup"),
		Long: "Say whether a backup is whole and can be restored. With the recovery key everything is checked: that it decrypts to its end, that the database is sound and of one piece with its header,\n" +
			"that the recovery key in it is signed by the organisation, and that it opens every private key. Without a key only the outside can be seen. No data directory is touched.",
		Example: "  postseal backup verify /mnt/backup/postseal-2026-12-01.age --key recovery.key",
	}
	c.Flags().StringVar(&key, "key", "", "`FILE` with the recovery key, or an age identity; - is standard input")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if key == "" {
			return a.verifyOuter(args[0])
		}
		checked, err := a.verifyBackup(cmd.Context(), args[0], key)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(checked)
		}
		a.printChecked(checked)
		return nil
	}
	return c
}

// verifyOuter looks at a backup without a key.
func (a *app) verifyOuter(name string) error {
	f, err := a.openBackup(name)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading only
	recipients, err := backup.Outer(f)
	if err != nil {
		return fmt.Errorf("checking %s: %w", name, err)
	}
	finding := "only the outside was looked at: whether the backup is whole, and whose it is, shows with --key FILE alone"
	if a.json {
		return a.printJSON(outerOut{Recipients: recipients, Findings: []string{finding}})
	}
	fmt.Fprintf(a.out, "%s: encrypted with age for %d recipients (%s)\n", name, len(recipients), strings.Join(recipients, ", "))
	fmt.Fprintf(a.err, "postseal: warning: %s\n", finding)
	return nil
}

func (a *app) openBackup(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.in), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	return f, nil
}

// reading opens a backup and the key for it.
func (a *app) reading(name, key string) (r desk.Reading, done func(), err error) {
	if name == "-" && key == "-" {
		return r, nil, &usageError{errors.New("the backup and the key cannot both come from standard input")}
	}
	if key == "-" {
		data, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
		if err != nil {
			return r, nil, fmt.Errorf("reading the key: %w", err)
		}
		defer keys.Secret(data).Wipe()
		r.Identities, r.Key, err = backup.ParseIdentities("standard input", data)
		if err != nil {
			return r, nil, err
		}
	} else if r.Identities, r.Key, err = backup.ReadIdentities(key); err != nil {
		return r, nil, err
	}
	f, err := a.openBackup(name)
	if err != nil {
		return r, nil, err
	}
	r.Source = f
	return r, func() { f.Close() }, nil // opened for reading only
}

// verifyBackup checks a whole backup in a directory of its own.
func (a *app) verifyBackup(ctx context.Context, name, key string) (*desk.Checked, error) {
	r, done, err := a.reading(name, key)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := desk.VerifyBackup(ctx, r, os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", name, err)
	}
	return c, nil
}

func (a *app) printChecked(c *desk.Checked) {
	fmt.Fprintf(a.out, "%s, server %s, made %s by postseal %s: %d certificates, %d private keys and secrets\n",
		c.Organisation, c.Server, localTime(c.MadeAt), c.Release, c.Certificates, c.Secrets)
	fmt.Fprintln(a.out, "whole: it decrypts to its end, and the database is sound and fits its header")
	if c.Keys {
		fmt.Fprintln(a.out, "keys: the recovery key opens every one of them")
	}
	a.printWarnings(c.Findings)
}

func (a *app) backupRestoreCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty data directory", Args: oneArg("a backup"),
		Long: "Put a backup into an empty data directory (--data), whole or not at all, after everything in it was checked. On a new machine the next step is postseal recovery use,\n" +
			"which makes this server a sealing key; where the old sealing key is, postseal serve.",
		Example: "  postseal backup restore /mnt/backup/postseal-2026-12-01.age --key recovery.key --data /var/lib/postseal",
	}
	c.Flags().StringVar(&key, "key", "", "`FILE` with the recovery key, or an age identity; - is standard input")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if key == "" {
			return &usageError{errors.New("--key is missing")}
		}
		return a.restore(cmd.Context(), args[0], key)
	}
	return c
}

func (a *app) restore(ctx context.Context, name, key string) error {
	r, done, err := a.reading(name, key)
	if err != nil {
		return err
	}
	defer done()
	if a.dryRun {
		c, err := desk.VerifyBackup(ctx, r, os.TempDir())
		if err != nil {
			return fmt.Errorf("checking %s: %w", name, err)
		}
		fmt.Fprintf(a.err, "postseal: would restore %s into %s\n", c.Organisation, a.data)
		return nil
	}
	o := desk.RestoreOptions{Dir: a.data, Accept: func(b *backup.Archive) error { return a.acceptsBackup(ctx, b) }, Before: a.restoreConfig, Actor: me()}
	c, err := desk.RestoreBackup(ctx, r, o)
	if err != nil {
		return fmt.Errorf("restoring %s: %w", name, err)
	}
	if a.json {
		err = a.printJSON(c)
	} else {
		a.printChecked(c)
	}
	next := "recovery use RECOVERY-KEY"
	if _, there := os.Lstat(a.sealing); there == nil {
		next = "serve"
	}
	fmt.Fprintf(a.err, "postseal: restored into %s; next: postseal %s%s\n", a.data, next, a.whereFlags())
	return err
}

// ours are the files that may lie in a data directory that a backup is restored into.
func ours() []string {
	return []string{"lock", "backups", desk.RevocationDir, "trial-password", "lost+found", audit.HeadFile}
}

// acceptsBackup makes sure that a backup can go into the data directory.
func (a *app) acceptsBackup(ctx context.Context, b *backup.Archive) error {
	h := b.Header
	if id := state.OrganisationIn(ctx, a.data); id != "" && id != h.OrganisationID {
		return fmt.Errorf("looking at %s, which holds another organisation than %q: %w", a.data, h.Organisation, desk.ErrBackupForeign)
	}
	if f, err := keys.ReadSealingFile(a.sealing); err == nil && string(f.Organisation) != string(h.OrganisationKey) {
		return fmt.Errorf("looking at the sealing key %s, which is not of %q: %w", a.sealing, h.Organisation, desk.ErrBackupForeign)
	}
	entries, err := os.ReadDir(a.data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking at %s: %w", a.data, err)
	}
	for _, e := range entries {
		path := filepath.Join(a.data, e.Name())
		known := slices.Contains(ours(), e.Name()) || path == a.sealing || path == a.config || strings.HasPrefix(e.Name(), ".restoring-")
		if !known {
			return fmt.Errorf("looking at %s: %w: %s", a.data, state.ErrNotEmpty, e.Name())
		}
	}
	return nil
}

// restoreConfig puts the configuration file of a backup in its place, unless there is one.
func (a *app) restoreConfig(text []byte) error {
	if text == nil {
		return nil
	}
	err := durable.Create(a.config, text, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if here, err := os.ReadFile(a.config); err == nil && bytes.Equal(here, text) {
			return nil // a restore that was cut short put it there
		}
		fmt.Fprintf(a.err, "postseal: warning: %s is there and stays as it is; the one in the backup was not restored\n", a.config)
		return nil
	}
	return err
}
