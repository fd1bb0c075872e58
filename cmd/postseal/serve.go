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
	"golang.org/x/sync/errgroup"

	"postseal/internal/ground/config"
	"postseal/internal/ground/fetch"
	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/issue/challenge"
	"postseal/internal/keep/revocation"
	"postseal/internal/serve/front"
	"postseal/internal/serve/relay"
	"postseal/internal/serve/trial"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/door"
	"postseal/internal/steer/metrics"
	"postseal/internal/steer/pages"
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

// running is a server on its way from open state to a closed one.
type running struct {
	*app
	every   time.Duration // between two looks at a listener; zero means never
	file    config.File
	desk    *desk.Desk
	revoked *revocation.Checker
	ports   *ports
	log     *slog.Logger
	began   time.Time
}

// run opens the listeners, says so, and serves until ctx ends.
func (r *running) run(ctx context.Context, s serving) error {
	group, ctx := errgroup.WithContext(ctx)
	status, err := r.desk.Status(ctx)
	if err != nil {
		return err
	}
	p := r.ports
	p.ctx, p.host, p.ring = ctx, status.Server, r.desk.Ring()
	entrance := new(door.Door)
	p.pages = admin.Remote(admin.Options{Desk: r.desk, Door: entrance, Log: r.log, LoopbackMetrics: r.file.Metrics.Loopback,
		Metrics: metrics.Handler(metrics.Options{Desk: r.desk, Counters: p.counts, Refused: entrance.Refused, Log: r.log})}, pages.Admin(r.desk, r.log))
	p.site, p.pki = pages.Site(pages.SiteOptions{Host: status.Server, Desk: r.desk, Log: r.log}), r.desk.PKI()
	enrolment, err := r.desk.ACME(ctx, acmeOptions(r.file.ACME))
	if err != nil {
		return err
	}
	p.acme = enrolment.Handler()
	// The mailbox outlives the listeners before it: their sessions are let to their end first.
	mailboxes, closeMailbox := context.WithCancel(context.WithoutCancel(ctx))
	defer closeMailbox()
	if s.trial {
		if err := r.openMailbox(s.passwordFile); err != nil {
			return err
		}
		group.Go(func() error { return p.mailbox.Run(mailboxes) })
	}
	// Listeners that cannot be opened at the start stop it: later they are a condition.
	for _, l := range status.Listeners {
		if l.Enabled && (l.Lineage != "" || l.Service == "") {
			if err := p.CanOpen(l.Listener, netip.AddrPortFrom(addressOf(l), l.Port)); err != nil {
				closeMailbox()
				return errors.Join(err, group.Wait())
			}
		}
	}
	socket, err := admin.ListenSocket(r.data)
	if err != nil {
		closeMailbox()
		return errors.Join(err, group.Wait())
	}
	// Before anybody can ask the authority for anything: what it is doing then is not what it left undone.
	if err := r.desk.FinishIssuances(ctx); err != nil {
		r.log.ErrorContext(ctx, "finishing what the authority had begun", "err", err)
	}
	if err := r.desk.Settle(ctx); err != nil {
		r.log.ErrorContext(ctx, "starting without certificates", "err", err)
	}
	p.probe(ctx)
	group.Go(func() error { return admin.ServeSocket(ctx, socket, r.desk, r.log) })
	group.Go(func() error {
		r.revoked.Run(ctx) // it ends only with ctx
		return nil
	})
	group.Go(func() error {
		r.desk.RunAuthority(ctx)
		return nil
	})
	group.Go(func() error {
		enrolment.Run(ctx)
		return nil
	})
	if r.file.Audit.Syslog != "" {
		group.Go(func() error { return r.desk.RunForwarding(ctx, desk.Forwarding{Sink: r.file.Audit.Syslog, PID: pid()}) })
	}
	group.Go(func() error {
		r.desk.RunNotices(ctx)
		return nil
	})
	group.Go(func() error {
		r.desk.RunRenewals(ctx, r.log)
		return nil
	})
	group.Go(func() error {
		r.desk.RunBook(ctx)
		return nil
	})
	group.Go(func() error {
		r.desk.RunZLint(ctx)
		return nil
	})
	if r.every > 0 {
		group.Go(func() error {
			r.desk.RunServed(ctx, r.every)
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		p.stop()
		closeMailbox()
		return nil
	})
	group.Go(func() error {
		r.desk.RunAudit(ctx)
		return nil
	})
	if err := r.announce(ctx); err != nil {
		r.log.WarnContext(ctx, "announcing", "err", err)
	}
	err = group.Wait()
	if err := r.desk.SealAudit(context.WithoutCancel(ctx)); err != nil { // nobody changes anything any more
		r.log.ErrorContext(ctx, "signing the audit trail", "err", err)
	}
	r.log.Info("stopped")
	return err
}

func addressOf(l desk.ListenerView) netip.Addr {
	if addr, err := netip.ParseAddr(l.Address); err == nil {
		return addr
	}
	return netip.IPv6Unspecified()
}

// openMailbox makes the trial mailbox and gives it to the ports.
func (r *running) openMailbox(passwordFile string) error {
	password, err := trial.Password(r.data, passwordFile)
	if err != nil {
		return err
	}
	p := r.ports
	if p.mailbox, err = trial.New(trial.Options{Password: password, TLS: p.ring.Internal(), Host: p.host, Log: r.log}); err != nil {
		return err
	}
	p.offers = map[string]*relay.Capabilities{trial.SMTP: {}, trial.Submission: {}}
	return p.mailbox.Listen()
}

// pid is printed so that a stop script finds us.
func pid() int { return os.Getpid() }

// acmeOptions are what the file says about ACME.
func acmeOptions(c config.ACME) desk.ACMEOptions {
	return desk.ACMEOptions{Names: c.Names, OpenProfile: c.Open, OrdersPerHour: c.OrdersPerHour,
		Validation: challenge.Options{Networks: c.Networks, Resolver: c.Resolver, HTTPPort: c.HTTPPort, TLSPort: c.TLSPort}}
}
