package desk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
	"postseal/internal/steer/probe"
)

// Believed is what the organisation trusts beside what the machine does. It is handed to whoever judges chains on its
// behalf, such as a command that looks at other servers by itself.
type Believed struct {
	Anchors   [][]byte         `json:"anchors"`   // roots that were added or pushed, DER
	Known     [][]byte         `json:"known"`     // intermediates that complete chains, DER
	Own       [][]byte         `json:"own"`       // certificates that setup made, trusted byte for byte, DER
	Distrusts []state.Distrust `json:"distrusts"` // whatever vouches for them
}

// Believed returns what this organisation trusts.
func (d *Desk) Believed(ctx context.Context) (*Believed, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	b := &Believed{Anchors: [][]byte{}, Known: [][]byte{}, Own: [][]byte{}, Distrusts: []state.Distrust{}}
	for _, a := range v.judge.anchors {
		b.Anchors = append(b.Anchors, a.Certificate)
	}
	b.Known = append(b.Known, v.judge.known...)
	b.Distrusts = append(b.Distrusts, v.judge.distrusts...)
	for _, l := range v.lineages {
		if g, ok := l.Current(); ok && l.Origin == state.OriginSetup {
			for _, m := range g.Members {
				b.Own = append(b.Own, m.Certificate)
			}
		}
	}
	return b, nil
}

// Verifier judges chains by what the organisation and this machine trust.
func (b *Believed) Verifier(revocation trust.Revocation) (*trust.Verifier, error) {
	o := trust.Options{Revocation: revocation}
	var err error
	if o.Anchors, err = trust.SystemAnchors(); err != nil && !errors.Is(err, trust.ErrNoSystemStore) {
		return nil, err
	}
	for i, der := range append(b.Anchors[:len(b.Anchors):len(b.Anchors)], b.Own...) {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading what the organisation trusts: %w", err)
		}
		o.Anchors = append(o.Anchors, trust.Anchor{Cert: cert, From: x509cert.RootRegistry, Direct: i >= len(b.Anchors)})
	}
	for _, der := range b.Known {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading a known issuer: %w", err)
		}
		o.Known = append(o.Known, cert)
	}
	if o.Distrust, err = distrustOf(b.Distrusts); err != nil {
		return nil, err
	}
	return trust.New(o)
}

// Own are the listeners of this server as a stranger would reach them.
type Own struct {
	Server    string           `json:"server"`
	Endpoints []probe.Endpoint `json:"endpoints"`
}

// Own returns the enabled listeners that serve a certificate, each with what is bound to it.
func (d *Desk) Own(ctx context.Context) (*Own, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	views, err := d.listenerViews(v)
	if err != nil {
		return nil, err
	}
	own := &Own{Server: v.server.Name, Endpoints: []probe.Endpoint{}}
	stored := make(map[string]netip.AddrPort)
	for _, l := range v.listeners {
		stored[l.Name] = l.Address
	}
	for _, view := range views {
		if !view.Enabled || view.Service == "" || view.Lineage == "" {
			continue
		}
		own.Endpoints = append(own.Endpoints, probe.Endpoint{
			Host: v.server.Name, Port: view.Port, Protocol: view.Protocol, StartTLS: view.TLS == "starttls",
			Address: near(d.runtime.Address(view.Listener, stored[view.Listener])), Want: view.Thumbprints, ForMail: view.Listener == listener.SMTP,
		})
	}
	return own, nil
}

// near is where this machine itself reaches a listener: one on all addresses over loopback.
func near(at netip.AddrPort) netip.AddrPort {
	switch {
	case at.Addr() == netip.IPv4Unspecified(), at.Addr() == netip.IPv6Unspecified(): // the latter takes IPv4 too
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return at
}

// MaxCheckHosts bounds what one request over the API has looked at: the command line looks at more by itself.
const MaxCheckHosts = 25

// CheckRequest asks for a look from outside, made by this server.
type CheckRequest struct {
	Hosts    []string `json:"hosts"`    // HOST or HOST:PORT, at most 25
	StartTLS string   `json:"startTLS"` // smtp, imap, pop3 or sieve, for all of them; empty means what the port says
	Domain   string   `json:"domain"`   // look at the mail exchangers and conventional names of this domain
	All      bool     `json:"all"`      // look at the listeners of this server
	Quick    bool     `json:"quick"`    // one handshake for each endpoint
}

// CheckAnswer is what was seen.
type CheckAnswer struct {
	Hosts []probe.Report `json:"hosts"`
}

// Check looks at hosts from outside. It sends no password and changes nothing; what the hosts name in their certificates
// is not fetched. A token of less than admin reaches our own hosts only, see [NotOursError].
func (d *Desk) Check(ctx context.Context, r CheckRequest) (*CheckAnswer, error) {
	hosts, err := r.hosts()
	if err != nil {
		return nil, err
	}
	if err := d.ourReach(ctx, hosts, r.Domain); err != nil {
		return nil, err
	}
	believed, err := d.Believed(ctx)
	if err != nil {
		return nil, err
	}
	machine, err := machineVerifier()
	if err != nil {
		return nil, err
	}
	ours, err := believed.Verifier(nil)
	if err != nil {
		return nil, err
	}
	p, err := probe.New(probe.Options{Quick: r.Quick, Machine: machine, Organisation: ours})
	if err != nil {
		return nil, err
	}
	answer := &CheckAnswer{Hosts: []probe.Report{}}
	if r.All {
		own, err := d.Own(ctx)
		if err != nil {
			return nil, err
		}
		answer.Hosts = append(answer.Hosts, p.Endpoints(ctx, own.Server, own.Endpoints))
	}
	if r.Domain != "" {
		more, err := p.Domain(ctx, r.Domain)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, more...)
	}
	err = p.Crowd(ctx, probe.Grouped(probe.Hosts(hosts...)), 0, func(report probe.Report) error {
		answer.Hosts = append(answer.Hosts, report)
		return nil
	})
	return answer, err
}

// Check reports the first value that cannot be looked at.
func (r CheckRequest) Check() error {
	_, err := r.hosts()
	return err
}

// hosts checks a request.
func (r *CheckRequest) hosts() ([]probe.Host, error) {
	if len(r.Hosts) == 0 && r.Domain == "" && !r.All {
		return nil, &ValueError{Name: "hosts", Value: "", Reason: "name hosts, a domain, or all"}
	}
	if len(r.Hosts) > MaxCheckHosts {
		return nil, &ValueError{Name: "hosts", Value: fmt.Sprint(len(r.Hosts)), Reason: fmt.Sprintf("at most %d in one request; for more there is: postseal check --from FILE", MaxCheckHosts)}
	}
	if r.Domain != "" {
		domain, err := x509cert.ParseDomain(r.Domain)
		if err != nil {
			return nil, err
		}
		r.Domain = string(domain)
	}
	var hosts []probe.Host
	for _, text := range r.Hosts {
		h, err := probe.ParseHost(text, r.StartTLS)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// machineVerifier trusts what this machine trusts; a machine without a root store trusts nothing.
func machineVerifier() (*trust.Verifier, error) {
	anchors, err := trust.SystemAnchors()
	if err != nil && !errors.Is(err, trust.ErrNoSystemStore) {
		return nil, err
	}
	return trust.New(trust.Options{Anchors: anchors})
}
