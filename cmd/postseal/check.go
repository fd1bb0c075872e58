package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/probe"
)

// checking are the flags of check.
type checking struct {
	startTLS, from, domain, resolver, revocation, junit string
	all, quick, force                                   bool
	limit                                               time.Duration
	parallel                                            int
}

func (a *app) checkCommand() *cobra.Command {
	var c checking
	cmd := &cobra.Command{
		Use: "check [HOST[:PORT]]...", Short: "Look at mail servers from outside, as a stranger does",
		Long: "Look at mail servers from outside: what they offer before TLS, which versions and key exchange they speak, which certificate they serve,\n" +
			"whom it is for, until when, who trusts it. A host without a port is looked at on 25, 465, 587, 110, 995, 143, 993, 443 and 4190.\n" +
			"Needs no setup and no root, makes no files, sends no password and no mail. With a data directory it also says what our own anchors trust.\n" +
			"The exit status is 3 when something needs attention.",
		Example: "  postseal check mail.example.com\n  postseal check --from hosts.txt --junit report.xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), c, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.startTLS, "starttls", "", "smtp, imap, pop3 or sieve: the `PROTOCOL` in which TLS is asked for at a port that does not say it")
	f.StringVar(&c.from, "from", "", "`FILE` with a host in a line, like: mail.example.com:2525 smtp   # a comment; - is standard input")
	f.BoolVar(&c.all, "all", false, "all listeners of this server, each with what is bound to it")
	f.StringVar(&c.domain, "domain", "", "the mail exchangers and the conventional names (mail, imap, smtp, autodiscover) of a `DOMAIN`")
	f.BoolVar(&c.quick, "quick", false, "one handshake for each endpoint: no other versions, no other certificate, no injection")
	f.StringVar(&c.revocation, "revocation", "off", "off, soft or hard: `HOW` to ask the addresses in the certificates whether they are revoked")
	f.StringVar(&c.resolver, "resolver", "", "`ADDRESS` of the name server to ask (default the system's)")
	f.StringVar(&c.junit, "junit", "", "`FILE` to write for a build server, in the XML of JUnit")
	f.BoolVar(&c.force, "force", false, "replace the file of --junit")
	f.DurationVar(&c.limit, "limit", 0, "`TIME` for one connection (default 10s)")
	f.IntVar(&c.parallel, "parallel", 0, "`HOSTS` to look at at the same time (default 32)")
	return cmd
}

// check looks at what it was asked, prints it as it comes, and asks for exit status 3 if something needs attention.
func (a *app) check(ctx context.Context, c checking, args []string) error {
	hosts, err := a.checkHosts(c, args)
	if err != nil {
		return err
	}
	o, err := a.checkOptions(c)
	if err != nil {
		return err
	}
	if a.dryRun {
		return &usageError{errors.New("check has no --dry-run: it changes nothing")}
	}
	out := outputFlags{out: c.junit, force: c.force}
	if err := out.check(a); err != nil {
		return err
	}
	if o.Organisation, err = a.anchorsOfOurs(ctx, o); err != nil {
		return err
	}
	p, err := probe.New(o)
	if err != nil {
		return err
	}
	report, err := a.newCheckOutput(c, len(args))
	if err != nil {
		return err
	}
	defer report.discard()
	if c.all {
		own, err := call[desk.Own](ctx, a, "check/own", admin.Nothing{})
		if err != nil {
			return err
		}
		if err := report.took(p.Endpoints(ctx, own.Server, own.Endpoints)); err != nil {
			return err
		}
	}
	if c.domain != "" {
		found, err := p.Domain(ctx, c.domain)
		if err != nil {
			return err
		}
		report.many = true
		hosts = chained(hosts, probe.Hosts(found...))
	}
	stop := a.progress(report)
	err = p.Crowd(ctx, probe.Grouped(hosts), c.parallel, report.took)
	stop()
	if err != nil {
		return err
	}
	return report.end()
}

// chained is one sequence after the other.
func chained(sequences ...iter.Seq2[probe.Host, error]) iter.Seq2[probe.Host, error] {
	return func(yield func(probe.Host, error) bool) {
		for _, s := range sequences {
			for h, err := range s {
				if !yield(h, err) {
					return
				}
			}
		}
	}
}

// checkHosts reads what is to be looked at. A file is read to its end before anything is printed, so that a wrong line
// is wrong usage and nothing else; then it is read again, a line at a time.
func (a *app) checkHosts(c checking, args []string) (iter.Seq2[probe.Host, error], error) {
	if len(args) == 0 && c.from == "" && c.domain == "" && !c.all {
		return nil, &usageError{errors.New("check wants hosts, or --from, --domain or --all")}
	}
	if c.limit < 0 || c.parallel < 0 || c.parallel > maxParallel {
		return nil, &usageError{fmt.Errorf("--limit is a time above 0, --parallel a number from 1 to %d", maxParallel)}
	}
	var given []probe.Host
	for _, text := range args {
		h, err := probe.ParseHost(text, c.startTLS)
		if err != nil {
			return nil, err
		}
		given = append(given, h)
	}
	if c.startTLS != "" && len(args) == 0 {
		return nil, &usageError{errors.New("--starttls is for the hosts on the command line; a file names the protocol behind the host")}
	}
	if c.domain != "" {
		if _, err := x509cert.ParseDomain(c.domain); err != nil {
			return nil, err
		}
	}
	if c.from == "" {
		return probe.Hosts(given...), nil
	}
	open, err := a.hostsFile(c.from)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, err := range open() {
		if _, bad := errors.AsType[*probe.InvalidTargetError](err); bad {
			return nil, fmt.Errorf("%s: %w", c.from, err)
		} else if err != nil {
			return nil, err
		}
		n++
	}
	if n+len(given) == 0 {
		return nil, &usageError{fmt.Errorf("%s names no host", c.from)}
	}
	return chained(probe.Hosts(given...), open()), nil
}

const (
	// maxParallel keeps a check below the usual limit of 1024 open files: a host has up to nine connections.
	maxParallel = 100
	// maxStandardInput bounds a list of hosts that cannot be read twice.
	maxStandardInput = 64 << 20
)

// progress says every second how far it is, on a terminal.
func (a *app) progress(out *checkOutput) (stop func()) {
	file, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || !out.many {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				out.sayProgress(a.err)
			}
		}
	})
	return func() { close(done); wg.Wait(); out.clearProgress() }
}

// speaks is how a report shows an endpoint of a protocol.
func speaks(r *probe.Result) string {
	switch {
	case r.Protocol == "":
		return "tls"
	case r.TLS == "starttls":
		return r.Protocol + " STARTTLS"
	case r.Protocol == probe.SMTP:
		return "submissions"
	case r.Protocol == probe.HTTP:
		return "https"
	}
	return r.Protocol + "s"
}

// exchanged is a key exchange in a word.
func exchanged(r *probe.Result) string {
	if r.PostQuantum {
		return "post-quantum"
	}
	return strings.TrimPrefix(r.KeyExchange, "Curve")
}

// portsOf are the ports of one finding that several endpoints share.
func portsOf(ports []uint16) string {
	var words []string
	for _, p := range ports {
		if p != 0 {
			words = append(words, fmt.Sprint(p))
		}
	}
	return strings.Join(words, ", ")
}

// hostOf prints where a report was taken.
func hostOf(r *probe.Report) string {
	for _, e := range r.Endpoints {
		if host, _, err := net.SplitHostPort(e.Address); err == nil && host != r.Host {
			return r.Host + "  " + host
		}
	}
	return r.Host
}
