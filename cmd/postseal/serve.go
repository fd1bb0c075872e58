package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/ground/config"
	"postseal/internal/ground/fetch"
	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/keep/revocation"
	"postseal/internal/serve/front"
	"postseal/internal/serve/relay"
	"postseal/internal/steer/desk"
)

// trialDomain is the accepted domain of every trial organisation (RFC 2606 section 2 keeps it free).
const trialDomain = "example.test"

// serving are the flags of serve.
type serving struct {
	trial, setup bool
	passwordFile string
	at           placing
	org          founding
}

func (a *app) serveCommand() *cobra.Command {
	var s serving
	c := &cobra.Command{
		Use: "serve", Short: "Run this server", Args: noArgs,
		Long: "Run this server until SIGTERM or SIGINT; sessions then get up to 30 seconds.\n" +
			"A data directory without an organisation is refused, because a forgotten mount must not give a new organisation;\n" +
			"--trial makes one for trying, with a mailbox in memory; --setup makes one as `postseal setup` does.",
		Example: "  postseal serve --trial --bind 127.0.0.1 --port-offset 10000 --data ./run",
	}
	f := c.Flags()
	f.BoolVar(&s.trial, "trial", false, "run a trial organisation with an in-memory mailbox; set it up if the data directory is empty")
	f.BoolVar(&s.setup, "setup", false, "set up an organisation first if the data directory is empty; takes the flags of setup")
	f.StringVar(&s.passwordFile, "trial-password-file", "", "`FILE` with the password of the trial account (default DIR/trial-password, made if missing)")
	s.at.flags(f)
	s.org.flags(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if s.trial && s.setup {
			return &usageError{errors.New("--trial and --setup exclude each other")}
		}
		if s.passwordFile != "" && !s.trial {
			return &usageError{errors.New("--trial-password-file needs --trial")}
		}
		if name := s.org.given(cmd.Flags()); name != "" && !s.setup {
			return &usageError{fmt.Errorf("--%s needs --setup", name)}
		}
		if a.dryRun {
			return &usageError{errors.New("serve has no --dry-run")}
		}
		addresses, err := s.at.addresses(cmd.Flags())
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), s, addresses)
	}
	return c
}

// serve runs the server. It reads like the tree: state, organisation, keyring, mailbox, listeners.
func (a *app) serve(ctx context.Context, s serving, addresses config.Addresses) (err error) {
	began := time.Now()
	file, err := config.Read(a.config, a.configGiven)
	if err != nil {
		return err
	}
	written := config.Addresses{Bind: file.Bind, PortOffset: file.PortOffset, Listen: file.Listen}
	if err := written.Check(); err != nil {
		return &config.FileError{Path: a.config, Err: errors.New(err.Error())} // %w would say that the command line is wrong
	}
	addresses = addresses.Over(written)
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))

	p := &ports{addresses: addresses, limits: limits(file.Limits), messages: relay.Limits{MessageBytes: file.Limits.MessageBytes, Command: time.Duration(file.Limits.Command)},
		health: new(health.Set), log: log, open: make(map[string]*port)}
	if s.trial || s.setup {
		if err := a.found(ctx, s, p); err != nil {
			return err
		}
	}
	db, err := state.Open(ctx, state.Options{Dir: a.data, Holder: state.HolderServe})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := a.checkTrial(ctx, db, s); err != nil {
		return err
	}
	// What is refused is refused before anything is made: with a sealing key that does not fit, no cache is.
	if _, err := desk.Open(ctx, desk.Options{State: db, Sealing: a.sealing}); err != nil {
		return err
	}
	revoked, err := openRevocation(file.Revocation, a.data, log)
	if err != nil {
		return err
	}
	noticing, err := a.noticing(file.Notices, hostName())
	if err != nil {
		return err
	}
	module, err := a.securityModule(file.SecurityModule)
	if err != nil {
		return err
	}
	if module != nil {
		defer func() { err = errors.Join(err, module.Close()) }()
	}
	d, err := desk.Open(ctx, desk.Options{State: db, Sealing: a.sealing, Notices: noticing, Module: module, ZLint: zlintProgram(), Runtime: p, Health: p.health, Log: log, Revocation: revoked, Config: a.config})
	if err != nil {
		return err
	}
	every := desk.ServedEvery
	if file.Check.Every != nil {
		every = time.Duration(*file.Check.Every)
	}
	run := &running{app: a, file: file, every: every, desk: d, revoked: revoked, ports: p, log: log, began: began}
	return run.run(ctx, s)
}

// found sets up an organisation if there is none. Whatever can be wrong is found before anything is made.
func (a *app) found(ctx context.Context, s serving, p *ports) error {
	o, err := s.org.options(a, p.addresses)
	if err != nil {
		return err
	}
	if s.trial {
		o.Organisation, o.Domains, o.Host, o.Mode, o.Trial = "Trial", []string{trialDomain}, "", desk.ModeFront, true
	}
	if len(o.Domains) > 0 {
		if err := desk.CheckSetup(o); err != nil {
			return err
		}
	}
	if s.passwordFile != "" {
		if _, err := os.Stat(s.passwordFile); err != nil {
			return &usageError{fmt.Errorf("--trial-password-file: %w", err)}
		}
	}
	if err := a.vacant(ctx); errors.Is(err, desk.ErrOrganisationExists) {
		return nil
	} else if err != nil {
		return err
	}
	if err := desk.CheckSetup(o); err != nil {
		return err
	}
	for _, k := range listener.Kinds() {
		at := netip.AddrPortFrom(netip.IPv6Unspecified(), k.Port)
		switch {
		case k.Service == listener.ServiceManagement:
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), k.Port)
		case o.Mode != desk.ModeFront:
			continue
		}
		if err := p.CanOpen(k.Name, at); err != nil {
			return err
		}
	}
	return a.setUp(ctx, o)
}

// checkTrial refuses to run a trial on an organisation that is none.
func (a *app) checkTrial(ctx context.Context, db *state.DB, s serving) error {
	return db.View(ctx, func(tx *state.Tx) error {
		org, err := tx.Organisation()
		if err == nil && s.trial && !org.Trial {
			return fmt.Errorf("starting a trial in %s: %w", a.data, desk.ErrNotTrial)
		}
		if errors.Is(err, state.ErrNoOrganisation) {
			return fmt.Errorf("opening the data directory %s: %w", a.data, err)
		}
		return err
	})
}

// openRevocation makes what asks the addresses in certificates, and finds what an earlier server has kept.
func openRevocation(c config.Revocation, data string, log *slog.Logger) (*revocation.Checker, error) {
	o := revocation.Options{Dir: filepath.Join(data, desk.RevocationDir), Log: log}
	if c.Asks() {
		how, err := c.Fetch()
		if err != nil {
			return nil, err
		}
		if o.Fetch, err = fetch.New(how); err != nil {
			return nil, err
		}
	}
	return revocation.Open(o)
}

func limits(l config.Limits) front.Limits {
	return front.Limits{Connections: l.ConnectionsPerListener, PerAddress: l.ConnectionsPerAddress,
		LineBytes: l.LineBytes, AuthLineBytes: l.AuthLineBytes, LiteralBytes: l.LiteralBytes,
		Commands: l.Commands, BadCommands: l.BadCommands, Logins: l.Logins,
		BeforeLogin: time.Duration(l.BeforeLogin), Drain: time.Duration(l.Drain)}
}
