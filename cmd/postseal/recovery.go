package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) recoveryCommand() *cobra.Command {
	return noun("recovery", "The offline key that brings the organisation back", a.recoveryInitCommand(), a.recoveryShowCommand(), a.recoveryTestCommand(), a.recoveryUseCommand(), a.recoveryAbandonCommand())
}

func (a *app) recoveryInitCommand() *cobra.Command {
	var out outputFlags
	c := &cobra.Command{
		Use: "init", Short: "Make the recovery key, and wrap every private key for it", Args: noArgs,
		Long: "Make the recovery key, into a file that is then taken away from this machine, and wrap every private key for it: those there are, and those to come.\n" +
			"Only its public half stays here. Made again, it replaces the one before; backups that were written for that one open with it alone.",
		Example: "  postseal recovery init --out /media/stick/postseal-recovery.key",
	}
	out.flags(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if out.out == "" {
			return &usageError{errors.New("--out is missing; - is standard output")}
		}
		if err := out.check(a); err != nil {
			return err
		}
		return a.initRecovery(cmd.Context(), &out)
	}
	return c
}

// initRecovery makes the key here, and sends its public half. The key is on the disk before anything is
// wrapped for it, beside its place, so that neither it nor one that it replaces can get lost.
func (a *app) initRecovery(ctx context.Context, out *outputFlags) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	var preview desk.Change
	if err := client.Call(ctx, "recovery/init", desk.RecoveryRequest{Doing: desk.Doing{DryRun: true}}, &preview); err != nil {
		return err
	}
	var view desk.RecoveryView
	if err := client.Call(ctx, "recovery/show", admin.Nothing{}, &view); err != nil {
		return err
	}
	if a.dryRun {
		fmt.Fprintf(a.err, "postseal: would write a recovery key to %s\n", out.out)
		return a.printChange(&preview)
	}
	if left, err := backup.ReadKey(out.out + pendingKey); out.out != "-" && err == nil && left.Public().ID() == view.ID {
		return a.finishRecovery(out, left)
	}
	if preview.Replaces && !a.yes {
		if err := a.ask(&preview); err != nil {
			return err
		}
	}
	key, err := backup.NewKey(view.Owner)
	if err != nil {
		return err
	}
	text := key.Marshal()
	defer text.Wipe()
	place := out.out
	if place != "-" {
		place += pendingKey
		if err := durable.Create(place, text, 0o600); errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("writing %s: %w", place, errKeyCutShort)
		} else if err != nil {
			return err
		}
	}
	var change desk.Change
	err = client.Call(ctx, "recovery/init", desk.RecoveryRequest{Doing: desk.Doing{IfSeq: preview.Seq}, Public: key.Public()}, &change)
	if err != nil {
		if p, ok := errors.AsType[*admin.Problem](err); ok && p.Name != "state.ErrOutcomeUnknown" && place != "-" {
			return errors.Join(err, os.Remove(place)) // it was refused: the key is good for nothing
		}
		if place != "-" {
			fmt.Fprintf(a.err, "postseal: warning: it is not known whether the key is in force; it is kept in %s\n", place)
		}
		return err
	}
	if err := a.handOut(out, place, text); err != nil {
		return fmt.Errorf("the recovery key %s is in force, but its file is not in its place: %w", key.Public().ID(), err)
	}
	a.printWarnings(preview.Removed)
	if out.out == "-" {
		return nil
	}
	return a.printRecovery(out, key)
}

// errKeyCutShort: a command before was killed between writing the key's file and wrapping anything for it.
var errKeyCutShort = errors.New("a command that was cut short left this file, whose key is not in force: nothing is wrapped for it; remove it, then run this again")

// pendingKey is behind the name of a recovery key's file until the key is in force.
const pendingKey = ".new"

// finishRecovery gives the file of a key that is in force its name, after a kill has kept the command before from it.
func (a *app) finishRecovery(out *outputFlags, key *backup.Key) error {
	if err := a.handOut(out, out.out+pendingKey, nil); err != nil {
		return fmt.Errorf("the recovery key %s is in force, but its file is not in its place: %w", key.Public().ID(), err)
	}
	fmt.Fprintf(a.err, "postseal: %s%s is the recovery key in force, which a command before could not move to its place; no other was made\n", out.out, pendingKey)
	return a.printRecovery(out, key)
}

func (a *app) printRecovery(out *outputFlags, key *backup.Key) error {
	if a.json {
		return a.printJSON(map[string]any{"file": out.out, "id": key.Public().ID(), "recipient": key.Public().Recipient})
	}
	fmt.Fprintf(a.out, "%s  %s\n", key.Public().ID(), key.Public().Recipient)
	fmt.Fprintf(a.err, "postseal: take %s away from this machine, to a place apart from backups; then try it: postseal recovery test FILE%s\n", out.out, a.whereFlags())
	return nil
}

// handOut gives the key's file its name, or prints the key.
func (a *app) handOut(out *outputFlags, place string, text keys.Secret) error {
	if place == "-" {
		return out.write(a, text, true)
	}
	if !out.force {
		// Of two commands at once one made its file first; neither key is lost.
		if _, err := os.Lstat(out.out); err == nil {
			return fmt.Errorf("%s: %w; it is in %s", out.out, errFileExists, place)
		}
	}
	return durable.Rename(place, out.out)
}

func (a *app) recoveryShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the public half of the recovery key, and the newest backup", Args: noArgs, Example: "  postseal recovery show --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.RecoveryView](cmd.Context(), a, "recovery/show", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			if v.Unsigned {
				fmt.Fprintln(a.out, "there is no recovery key that the organisation has signed; the one in the database is a forgery")
			} else if v.ID == "" {
				fmt.Fprintln(a.out, "there is no recovery key")
			} else {
				tested := "never tried"
				if !v.TestedAt.IsZero() {
					tested = "tried " + localTime(v.TestedAt)
				}
				fmt.Fprintf(a.out, "recovery key %s, made %s, %s\nrecipient %s\n", v.ID, localTime(v.MadeAt), tested, v.Recipient)
			}
			if v.Backup == nil {
				fmt.Fprintln(a.out, "there is no backup")
			} else {
				fmt.Fprintf(a.out, "newest backup %s, made %s, %d bytes\n", v.Backup.File, localTime(v.Backup.MadeAt), v.Backup.Bytes)
			}
			return nil
		},
	}
}

// testedOut is the JSON of recovery test.
type testedOut struct {
	ID      string        `json:"id"`
	Secrets int           `json:"secrets"`
	Backup  *desk.Checked `json:"backup"` // null: none was opened
}

func (a *app) recoveryTestCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "test FILE", Short: "Prove that a recovery key opens every private key and the newest backup", Args: oneArg("a recovery key"),
		Long: "Prove that a recovery key opens every private key of this organisation, and the newest backup. The key is read here and not sent to the server;\n" +
			"when it opens everything, status remembers that it was tried. - reads the key from standard input.",
		Example: "  postseal recovery test /media/stick/postseal-recovery.key",
	}
	c.Flags().StringVar(&file, "backup", "", "`FILE` of a backup to open (default the newest one, if it can be read here)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := a.readRecoveryKey(args[0])
		if err != nil {
			return err
		}
		return a.testRecovery(cmd.Context(), key, file)
	}
	return c
}

func (a *app) readRecoveryKey(name string) (*backup.Key, error) {
	if name != "-" {
		key, err := backup.ReadKey(name)
		if _, there := os.Lstat(name + pendingKey); errors.Is(err, fs.ErrNotExist) && there == nil {
			return nil, fmt.Errorf("%w; %s%s is a key whose making was cut short: try it", err, name, pendingKey)
		}
		return key, err
	}
	data, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading the recovery key: %w", err)
	}
	defer keys.Secret(data).Wipe()
	return backup.ParseKey(data)
}

func (a *app) testRecovery(ctx context.Context, key *backup.Key, file string) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	var secrets desk.RecoverySecrets
	if err := client.Call(ctx, "recovery/secrets", admin.Nothing{}, &secrets); err != nil {
		return err
	}
	if err := secrets.Try(key); err != nil {
		return err
	}
	var view desk.RecoveryView
	if err := client.Call(ctx, "recovery/show", admin.Nothing{}, &view); err != nil {
		return err
	}
	out := testedOut{ID: key.Public().ID(), Secrets: len(secrets.Secrets)}
	if file != "" {
		if out.Backup, err = a.tryBackup(ctx, key, file); err != nil {
			return err
		}
	} else if view.Backup == nil {
		fmt.Fprintln(a.err, "postseal: warning: there is no backup to open")
	} else if out.Backup, err = a.tryBackup(ctx, key, view.Backup.File); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.err, "postseal: warning: the newest backup, %s, is not here: to open it, name it with --backup\n", view.Backup.File)
	} else if err != nil {
		return err
	}
	if a.dryRun {
		fmt.Fprintln(a.err, "postseal: would record that the recovery key was tried")
		return nil
	}
	tested := desk.TestedRequest{ID: out.ID}
	if out.Backup != nil {
		tested.Backup = out.Backup.ID
	}
	if err := client.Call(ctx, "recovery/tested", tested, &view); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(out)
	}
	fmt.Fprintf(a.out, "recovery key %s opens all %d private keys and secrets\n", out.ID, out.Secrets)
	if out.Backup != nil {
		a.printChecked(out.Backup)
	}
	return nil
}

// tryBackup opens a whole backup with the recovery key.
func (a *app) tryBackup(ctx context.Context, key *backup.Key, name string) (*desk.Checked, error) {
	f, err := a.openBackup(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	c, err := desk.VerifyBackup(ctx, desk.Reading{Source: f, Identities: []age.Identity{key.Identity()}, Key: key}, os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", name, err)
	}
	return c, nil
}
