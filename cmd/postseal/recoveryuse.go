package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

func (a *app) recoveryUseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "use FILE", Short: "Make this server a new sealing key, with the recovery key", Args: oneArg("a recovery key"),
		Long: "Make this server a new sealing key and open every private key for it, with the recovery key: on a new machine after a backup was restored, or where the sealing key file was lost.\n" +
			"No server may be running. The old sealing key opens nothing here any more. - reads the key from standard input.",
		Example: "  postseal recovery use /media/stick/postseal-recovery.key --data /var/lib/postseal",
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := a.readRecoveryKey(args[0])
			if err != nil {
				return err
			}
			return a.useRecovery(cmd.Context(), key)
		},
	}
}

func (a *app) useRecovery(ctx context.Context, key *backup.Key) (err error) {
	db, err := state.Open(ctx, state.Options{Dir: a.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if !a.dryRun {
		if err := db.Tidy(); err != nil { // a restore that was killed after its last step has left an empty directory
			return err
		}
	}
	got, err := desk.Recover(ctx, db, key, desk.RecoverOptions{Sealing: a.sealing, Server: a.server, DryRun: a.dryRun}, me())
	if errors.Is(err, desk.ErrNoRecoveryKey) {
		err = a.lostKeys(ctx, db, err)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(got)
	}
	if a.dryRun {
		fmt.Fprintf(a.err, "postseal: would make a sealing key for %s, which opens %d private keys and secrets\n", got.Server, got.Secrets)
		return nil
	}
	fmt.Fprintf(a.out, "%s, server %s: %d private keys and secrets open again\n", got.Organisation, got.Server, got.Secrets)
	fmt.Fprintf(a.err, "postseal: the sealing key is %s; next: postseal serve%s\n", a.sealing, a.whereFlags())
	return nil
}

// lostKeys says what is lost when there is no recovery key either.
func (a *app) lostKeys(ctx context.Context, db *state.DB, cause error) error {
	_, err := desk.Open(ctx, desk.Options{State: db, Sealing: a.sealing})
	if lost, ok := errors.AsType[*desk.KeysLostError](err); ok {
		return lost
	}
	return cause
}

func (a *app) recoveryAbandonCommand() *cobra.Command {
	var lost bool
	c := &cobra.Command{
		Use: "abandon-keys", Short: "Go on without the sealing key: give up every private key", Args: noArgs,
		Long: "Go on when the sealing key file is lost and there is no recovery key: every private key is given up. This server gets a new sealing key, the organisation a new organisation key,\n" +
			"and the three defaults a new generation each, which also take over the listeners whose certificates have no key any more. The rest is listed, with what to do.\n" +
			"If the sealing key may have been stolen rather than lost, have the authorities revoke what is listed.",
		Example: "  postseal recovery abandon-keys --dry-run",
	}
	c.Flags().BoolVar(&lost, "recovery-key-lost", false, "there is a recovery key, but its file is lost too")
	c.RunE = func(cmd *cobra.Command, _ []string) error { return a.abandon(cmd.Context(), lost) }
	return c
}

// errRecoveryKey: with the recovery key nothing has to be given up.
var errRecoveryKey = errors.New("there is a recovery key, which brings everything back: postseal recovery use FILE; if its file is lost too, add --recovery-key-lost")

func (a *app) abandon(ctx context.Context, recoveryLost bool) (err error) {
	db, err := state.Open(ctx, state.Options{Dir: a.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	o := desk.RecoverOptions{Sealing: a.sealing, Server: a.server, DryRun: true}
	got, err := desk.AbandonKeys(ctx, db, o, me())
	if err != nil {
		return err
	}
	if got.Recovery && !recoveryLost {
		return fmt.Errorf("giving up the keys: %w", errRecoveryKey)
	}
	lost := &desk.KeysLostError{Path: a.sealing, Losses: got.Losses}
	if !a.dryRun {
		if !a.yes {
			if err := a.ask(&desk.Change{Warnings: lost.Lines(), Removed: []string{"every private key"}}); err != nil {
				return err
			}
		}
		o.DryRun = false
		if got, err = desk.AbandonKeys(ctx, db, o, me()); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(got)
	}
	for _, line := range lost.Lines() {
		fmt.Fprintln(a.out, line)
	}
	if a.dryRun {
		fmt.Fprintf(a.err, "postseal: would give up the private keys of %d lineages\n", len(got.Losses))
		return nil
	}
	fmt.Fprintf(a.err, "postseal: the sealing key is %s; next: postseal recovery init --out FILE%s, then postseal serve%s\n", a.sealing, a.whereFlags(), a.whereFlags())
	return nil
}
