package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"postseal/internal/ground/config"
	"postseal/internal/issue/challenge"
	"postseal/internal/keep/revocation"
	"postseal/internal/serve/relay"
	"postseal/internal/serve/trial"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/door"
	"postseal/internal/steer/metrics"
	"postseal/internal/steer/pages"
)

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
