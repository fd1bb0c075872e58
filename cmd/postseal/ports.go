package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/config"
	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/issue/acmeserver"
	"postseal/internal/keep/keyring"
	"postseal/internal/serve/front"
	"postseal/internal/serve/relay"
	"postseal/internal/serve/trial"
	"postseal/internal/steer/desk"
)

// ports are the listeners of a running server: the desk's runtime.
type ports struct {
	addresses config.Addresses
	limits    front.Limits
	messages  relay.Limits
	health    *health.Set
	log       *slog.Logger
	host      string
	ring      *keyring.Ring
	pages     http.Handler   // on management
	site      http.Handler   // on https
	pki       http.Handler   // on http: lists and answers of our own authority
	acme      http.Handler   // on https and management, below its prefix
	mailbox   *trial.Mailbox // nil without a trial
	offers    map[string]*relay.Capabilities

	// ctx ends when the server stops; wg waits for every listener that was ever open.
	ctx context.Context
	wg  sync.WaitGroup

	// pool is what clients of all listeners may hold together; managed is what management may hold beside it,
	// so that it answers while the others are flooded. Made before the first listener starts.
	pool, managed *front.Pool

	// mu guards what follows. It is held while listeners open and close, never while they serve.
	mu     sync.Mutex
	open   map[string]*port
	placed map[string]netip.AddrPort // where the wanted listeners are, open or not
}

// port is an open listener.
type port struct {
	at       netip.AddrPort
	close    context.CancelFunc
	counters *front.Counters
}

// Running is true.
func (p *ports) Running() bool { return true }

// Trial says whether the trial mailbox runs.
func (p *ports) Trial() bool { return p.mailbox != nil }

// Address returns where a listener is in this run.
func (p *ports) Address(name string, stored netip.AddrPort) netip.AddrPort {
	k, ok := listener.ByName(name)
	if !ok {
		return stored
	}
	return p.addresses.Resolve(k, stored)
}

// Sessions counts the sessions of a listener.
func (p *ports) Sessions(name string) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.open[name]
	if !ok {
		return 0, false
	}
	return o.counters.Snapshot().Current, true
}

// counts reads the counters of the open listeners.
func (p *ports) counts() map[string]front.Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]front.Count)
	for name, o := range p.open {
		all[name] = o.counters.Snapshot()
	}
	return all
}

// Backend describes what is behind a listener.
func (p *ports) Backend(name string) string {
	k, _ := listener.ByName(name)
	switch {
	case k.Service == listener.ServiceManagement || k.Name == listener.HTTPS:
		return "own pages"
	case k.Protocol == "http":
		return "redirect to https"
	case p.mailbox == nil:
		return ""
	}
	return "trial mailbox"
}

// CanOpen tries to open a listener and closes it again.
func (p *ports) CanOpen(name string, stored netip.AddrPort) error {
	ln, err := listen(name, p.Address(name, stored))
	if err != nil {
		return err
	}
	return ln.Close()
}

// listen opens a TCP listener; "everywhere" takes IPv4 and IPv6, whichever the machine has.
func listen(name string, at netip.AddrPort) (net.Listener, error) {
	address := at.String()
	if at.Addr() == netip.IPv6Unspecified() {
		address = fmt.Sprintf(":%d", at.Port())
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &desk.ListenError{Listener: name, Address: address, Err: err}
	}
	return ln, nil
}

// Follow opens and closes listeners until they are as want says.
func (p *ports) Follow(ctx context.Context, want []desk.Wanted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := make(map[string]netip.AddrPort)
	for _, w := range want {
		wanted[w.Name] = p.Address(w.Name, w.Address)
	}
	p.placed = wanted
	for name, o := range p.open {
		if at, ok := wanted[name]; !ok || at != o.at {
			o.close()
			delete(p.open, name)
		}
	}
	for _, name := range listener.Names() {
		at, ok := wanted[name]
		if !ok {
			p.health.Clear(health.CodeListenerClosed, name)
			continue
		}
		if _, ok := p.open[name]; ok || p.ctx.Err() != nil {
			continue
		}
		ln, err := listen(name, at)
		if err != nil {
			p.log.ErrorContext(ctx, "listener stays closed", "code", health.CodeListenerClosed, "listener", name, "err", err)
			p.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: name, Text: err.Error()})
			continue
		}
		p.health.Clear(health.CodeListenerClosed, name)
		p.start(name, at, ln)
	}
}

// start serves ln until it is closed. The caller holds mu.
func (p *ports) start(name string, at netip.AddrPort, ln net.Listener) {
	if p.pool == nil {
		p.pool, p.managed = front.NewPool(0), front.NewPool(5)
	}
	ctx, cancel := context.WithCancel(p.ctx)
	o := &port{at: at, close: func() { cancel(); ln.Close() }, counters: new(front.Counters)}
	p.open[name] = o
	p.wg.Go(func() {
		defer cancel()
		err := p.serve(ctx, name, ln, o.counters)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.log.ErrorContext(ctx, "listener failed", "code", health.CodeListenerClosed, "listener", name, "err", err)
		p.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: name, Text: err.Error()})
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.open[name] == o {
			delete(p.open, name)
		}
	})
}

// serve runs one listener to its end.
func (p *ports) serve(ctx context.Context, name string, ln net.Listener, counters *front.Counters) error {
	k, ok := listener.ByName(name)
	if !ok {
		return fmt.Errorf("serving %s: there is no such listener", name)
	}
	web := front.Web{Name: name, Limits: p.limits, Pool: p.pool, Counters: counters, Log: p.log}
	switch {
	case k.Name == listener.HTTP:
		web.TargetPort, web.Plain = p.portOf(listener.HTTPS), p.pki
		return front.ServeRedirect(ctx, ln, web)
	case k.Protocol == "http":
		web.TLS, web.Handler = p.ring.Config(name), p.site
		if k.Service == listener.ServiceManagement {
			web.Handler, web.Pool = p.pages, p.managed
		}
		web.Handler = p.withACME(web.Handler)
		return front.ServeHTTPS(ctx, ln, web)
	}
	l := front.Listener{Name: name, Host: p.host, Implicit: k.Upgrade == "implicit", TLS: p.ring.Config(name), Limits: p.limits, Pool: p.pool, Counters: counters, Log: p.log}
	l.Handle, l.Refusal = p.handler(k)
	return l.Serve(ctx, ln)
}

// handler returns what speaks the protocol of a mail listener, and its words for a newcomer when full.
func (p *ports) handler(k listener.Kind) (front.Handler, string) {
	switch k.Protocol {
	case "imap":
		return front.IMAP(front.Options{Backend: p.backend(trial.IMAP)}), front.IMAPRefusal
	case "pop3":
		return front.POP3(front.Options{Backend: p.backend(trial.POP3)}), front.POP3Refusal
	}
	o := relay.Options{Role: relay.Submission, Host: p.host, Backend: p.backend(trial.Submission), Capabilities: p.offers[trial.Submission], Limits: p.messages}
	if k.Name == listener.SMTP {
		o.Role, o.Backend, o.Capabilities = relay.Receive, p.backend(trial.SMTP), p.offers[trial.SMTP]
	}
	return relay.SMTP(o), "421 4.7.0 too many connections"
}

// backend returns what finds the mail server behind a protocol: the trial mailbox, by direct trust.
func (p *ports) backend(protocol string) func(context.Context) (front.Backend, error) {
	if p.mailbox == nil {
		return func(context.Context) (front.Backend, error) { return front.Backend{}, front.ErrNoBackend }
	}
	trust := front.DirectTrust(p.ring.InternalLeaves)
	return func(context.Context) (front.Backend, error) {
		return front.Backend{Address: p.mailbox.Addr(protocol), TLS: front.TLSImplicit, Config: trust}, nil
	}
}

// probeLimit bounds one look at a mail server behind.
const probeLimit = 20 * time.Second

// probe reads what the mail servers behind SMTP offer. A client that comes before hears less, and one that they do
// not answer hears it at the first mail.
func (p *ports) probe(ctx context.Context) {
	for protocol, offers := range p.offers {
		o := relay.Options{Host: p.host, Backend: p.backend(protocol), Capabilities: offers}
		limited, cancel := context.WithTimeout(ctx, probeLimit)
		err := o.Probe(limited)
		cancel()
		if err != nil && !errors.Is(err, front.ErrNoBackend) {
			p.log.WarnContext(ctx, "asking the back end what it offers", "protocol", protocol, "err", err)
		}
	}
}

// portOf returns the port of a wanted listener; 0 when it is not wanted.
func (p *ports) portOf(name string) uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.placed[name].Port()
}

// stop closes every listener and waits for their sessions.
func (p *ports) stop() {
	p.Follow(context.WithoutCancel(p.ctx), nil)
	p.wg.Wait()
}

// withACME gives what is below ACME's prefix to its server, and the rest to others.
func (p *ports) withACME(others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, acmeserver.Prefix) {
			p.acme.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}
