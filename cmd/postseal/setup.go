package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postseal/internal/ground/config"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/desk"
)

// placing are the flags that say where to listen.
type placing struct {
	bind   string
	offset int
	listen []string
}

func (p *placing) flags(f *pflag.FlagSet) {
	f.StringVar(&p.bind, "bind", "", "IP `ADDRESS` of all listeners")
	f.IntVar(&p.offset, "port-offset", 0, "`NUMBER` added to every port")
	f.StringArrayVar(&p.listen, "listen", nil, "`NAME=ADDRESS:PORT` of one listener; repeatable")
}

// addresses checks what was given; f tells what was.
func (p *placing) addresses(f *pflag.FlagSet) (config.Addresses, error) {
	a := config.Addresses{Bind: p.bind}
	if f.Changed("port-offset") {
		a.PortOffset = &p.offset
	}
	var err error
	if a.Listen, err = config.ParseListen(p.listen); err != nil {
		return a, err
	}
	return a, a.Check()
}

// founding are the flags that describe a new organisation.
type founding struct {
	org, host, mode, database string
	domains                   []string
}

func (o *founding) flags(f *pflag.FlagSet) {
	f.StringVar(&o.org, "org", "", "`NAME` of the organisation (default its first domain)")
	f.StringArrayVar(&o.domains, "domain", nil, "accepted `DOMAIN`; repeatable, the first is the default")
	f.StringVar(&o.host, "host", "", "full `NAME` of this server (default the machine's name in the first domain)")
	f.StringVar(&o.mode, "mode", desk.ModeBeside, "`MODE` of this server: beside (put certificates into the mail server that is there) or front (stand before it)")
	f.StringVar(&o.database, "database", "", "`URL` of a database; only the embedded one is there in this release")
}

// given returns the name of the first flag that was given, empty for none.
func (o *founding) given(f *pflag.FlagSet) string {
	for _, name := range []string{"org", "domain", "host", "mode", "database"} {
		if f.Changed(name) {
			return name
		}
	}
	return ""
}

func (o *founding) options(a *app, at config.Addresses) (desk.SetupOptions, error) {
	if o.database != "" {
		return desk.SetupOptions{}, &usageError{errors.New("--database: only the embedded database is there in this release")}
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "" // HostLabel makes "mail" of it
	}
	return desk.SetupOptions{Organisation: o.org, Domains: o.domains, Host: o.host, Mode: o.mode, Addresses: at, Sealing: a.sealing, Machine: machine}, nil
}

func (a *app) setupCommand() *cobra.Command {
	var org founding
	var at placing
	c := &cobra.Command{
		Use: "setup", Short: "Set up an organisation and this server", Args: noArgs,
		Long:    "Set up an organisation in an empty data directory: its key, this server and its sealing key, and the three default certificates.\nNothing is opened; start the server with: postseal serve",
		Example: "  postseal setup --org \"Example\" --domain example.com --host mail1.example.com --mode front",
	}
	org.flags(c.Flags())
	at.flags(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		addresses, err := at.addresses(cmd.Flags())
		if err != nil {
			return err
		}
		o, err := org.options(a, addresses)
		if err != nil {
			return err
		}
		if err := desk.CheckSetup(o); err != nil {
			return err
		}
		if err := a.vacant(ctx); err != nil {
			return err
		}
		if a.dryRun {
			return a.printSetupPlan(o)
		}
		if err := a.setUp(ctx, o); err != nil {
			return err
		}
		return a.printSetup(cmd)
	}
	return c
}

// setUp makes the organisation.
func (a *app) setUp(ctx context.Context, o desk.SetupOptions) error {
	db, err := state.Open(ctx, state.Options{Dir: a.data, Create: true})
	if err != nil {
		return err
	}
	err = desk.Setup(ctx, db, o, me())
	if err == nil {
		a.signFirst(ctx, db)
	}
	return errors.Join(err, db.Close())
}

// signFirst signs the first row of the audit trail. The organisation is made, whatever comes of this.
func (a *app) signFirst(ctx context.Context, db *state.DB) {
	d, err := desk.Open(ctx, desk.Options{State: db, Sealing: a.sealing})
	if err == nil {
		err = d.SealAudit(ctx)
	}
	if err != nil {
		fmt.Fprintf(a.err, "postseal: warning: %s\n", oneLine(err.Error()))
	}
}

// vacant makes sure that an organisation can be set up here, before anything is made for it. The error is
// desk.ErrOrganisationExists when there is one.
func (a *app) vacant(ctx context.Context) error {
	if dir := filepath.Dir(a.sealing); dir != a.data {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return &usageError{fmt.Errorf("--sealing-key %s: there is no directory %s", a.sealing, dir)}
		}
	}
	db, err := state.Open(ctx, state.Options{Dir: a.data})
	switch {
	case errors.Is(err, state.ErrNoOrganisation):
	case err != nil:
		return err
	default:
		err := db.View(ctx, func(tx *state.Tx) error {
			_, err := tx.Organisation()
			return err
		})
		if err == nil {
			err = fmt.Errorf("setting up in %s: %w", a.data, desk.ErrOrganisationExists)
		} else if errors.Is(err, state.ErrNoOrganisation) {
			err = nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(a.sealing); err == nil {
		return fmt.Errorf("setting up: %w: %s", desk.ErrSealingKeyExists, a.sealing)
	}
	return nil
}

// printSetupPlan says what setup would do.
func (a *app) printSetupPlan(o desk.SetupOptions) error {
	var domains []string
	for _, text := range o.Domains {
		d, err := x509cert.ParseDomain(text)
		if err != nil {
			return err
		}
		domains = append(domains, string(d))
	}
	if a.json {
		return a.printJSON(map[string]any{"data": a.data, "domains": domains, "mode": o.Mode})
	}
	fmt.Fprintf(a.out, "would set up an organisation for %s in %s\n", strings.Join(domains, ", "), a.data)
	return nil
}

// printSetup shows the certificates that were made, and what to do next.
func (a *app) printSetup(cmd *cobra.Command) error {
	list, err := call[[]desk.Certificate](cmd.Context(), a, "cert/list", desk.Filter{})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list)
	}
	if err := a.printCertificates(list); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "postseal: the sealing key is %s: keep a copy of it in a safe place, apart from the data\n", a.sealing)
	fmt.Fprintf(a.err, "postseal: next: postseal serve%s\n", a.whereFlags())
	return nil
}
