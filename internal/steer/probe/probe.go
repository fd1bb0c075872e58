package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// A Resolver finds addresses and mail exchangers. [net.Resolver] is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupMX returns the mail exchangers of a domain, the preferred first.
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

// A Verifier says what a chain is worth. [trust.Verifier] is one.
type Verifier interface {
	// Verify judges one certificate; it always answers.
	Verify(ctx context.Context, q trust.Question) trust.Verdict
}

// Options are how to look; [New] checks them. The zero value looks at everything, and judges no trust.
type Options struct {
	// Quick makes one handshake for each endpoint: what a client of today gets, and nothing about other clients.
	Quick bool
	// Limit is the time of one connection; zero means 10 seconds. An endpoint gets three times that.
	Limit time.Duration
	// Resolver is asked for names; nil means the system's.
	Resolver Resolver
	// Machine judges chains by the roots of this machine; nil judges none. Organisation has our own anchors beside them,
	// and is asked about what Machine does not trust; nil means that there is no organisation.
	Machine, Organisation Verifier
	// Revocation is passed on to the verifiers; empty means off.
	Revocation trust.Mode
}

// A Prober looks at endpoints. It may be used by several goroutines, and holds nothing open.
type Prober struct {
	quick                 bool
	limit, total          time.Duration
	resolver              Resolver
	machine, organisation Verifier
	revocation            trust.Mode
	suites                []uint16          // that crypto/tls knows; never changed
	weak                  map[uint16]string // those among them that it would not offer by itself, with their names; never changed
}

// New makes a prober of checked options.
func New(o Options) (*Prober, error) {
	if o.Limit < 0 {
		return nil, fmt.Errorf("making a prober: the limit %v is negative", o.Limit)
	}
	if o.Organisation != nil && o.Machine == nil {
		return nil, errors.New("making a prober: the organisation judges, and the machine does not")
	}
	p := &Prober{quick: o.Quick, limit: o.Limit, resolver: o.Resolver, machine: o.Machine, organisation: o.Organisation, revocation: o.Revocation}
	if p.limit == 0 {
		p.limit = defaultLimit
	}
	p.total = 3 * p.limit
	p.suites, p.weak = suitesOf()
	if p.resolver == nil {
		p.resolver = new(net.Resolver)
	}
	if p.revocation == "" {
		p.revocation = trust.ModeOff
	}
	return p, nil
}

// NewResolver returns a resolver that asks the name server at address (port 53 unless it has one) for everything.
func NewResolver(address string) (*net.Resolver, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		addr, addrErr := netip.ParseAddr(address)
		if addrErr != nil {
			return nil, &InvalidTargetError{Text: Visible(address, 80), Reason: "a name server is given by its address, like 192.0.2.53 or 127.0.0.1:5353"}
		}
		at = netip.AddrPortFrom(addr, 53)
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at.String())
	}}, nil
}

// resolve finds the addresses of a host.
func (p *Prober) resolve(ctx context.Context, host string) ([]netip.Addr, *fault) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	addresses, err := p.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addresses) == 0 {
		var dns *net.DNSError
		if err == nil || errors.As(err, &dns) && dns.IsNotFound {
			return nil, &fault{CodeNoAddress, host + " has no address"}
		}
		return nil, &fault{CodeLookupFailed, "looking up " + host + ": " + plain(err)}
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses[:min(len(addresses), maxAddresses)], nil
}

// A Report is what a stranger sees of one host.
type Report struct {
	Host      string    `json:"host"`
	Why       string    `json:"why,omitempty"` // where the host comes from, if it was not asked for by name
	Endpoints []Result  `json:"endpoints"`     // those that answer or should; never nil
	Findings  []Finding `json:"findings"`      // about the host as a whole; never nil
	Verdict   Severity  `json:"verdict"`       // of the worst finding of all
}

// All returns the findings about the host and about its endpoints, the worst first.
func (r *Report) All() []Finding {
	all := slices.Clone(r.Findings)
	for _, e := range r.Endpoints {
		all = append(all, e.Findings...)
	}
	sortFindings(all)
	return all
}

// Host looks at a host: at one port, or at the nine in parallel. Ports that nobody listens on are left out.
func (p *Prober) Host(ctx context.Context, h Host) Report {
	addresses, f := p.resolve(ctx, h.Name)
	if f != nil {
		r := Report{Host: h.Name, Why: h.Why, Endpoints: []Result{}, Findings: []Finding{{Code: f.code, Severity: Bad, Text: f.text, Do: advice()[f.code]}}, Verdict: Bad}
		if h.Why != "" && f.code == CodeNoAddress { // a conventional name need not exist
			r.Findings[0].Severity, r.Verdict = Info, OK
		}
		return r
	}
	endpoints := h.Endpoints()
	for i := range endpoints {
		endpoints[i].Address = netip.AddrPort{}
	}
	return p.endpoints(ctx, h, endpoints, addresses)
}

// Endpoints looks at several endpoints that belong together, in parallel, and compares them. name stands in the report.
func (p *Prober) Endpoints(ctx context.Context, name string, endpoints []Endpoint) Report {
	return p.endpoints(ctx, Host{Name: name}, endpoints, nil)
}

func (p *Prober) endpoints(ctx context.Context, h Host, endpoints []Endpoint, addresses []netip.Addr) Report {
	r := Report{Host: h.Name, Why: h.Why, Endpoints: []Result{}, Findings: []Finding{}}
	results := make([]Result, len(endpoints))
	var wg sync.WaitGroup
	one := func(i int) {
		if e := endpoints[i]; e.Address.IsValid() || addresses == nil {
			results[i] = p.Endpoint(ctx, e)
		} else {
			results[i] = p.endpoint(ctx, e, addresses)
		}
	}
	for i := 1; i < len(endpoints); i++ {
		wg.Go(func() { one(i) })
	}
	if len(endpoints) > 0 {
		one(0)
	}
	wg.Wait()
	for _, result := range results {
		if result.State != StateClosed {
			r.Endpoints = append(r.Endpoints, result)
		}
	}
	if len(r.Endpoints) == 0 {
		r.Findings = append(r.Findings, Finding{Code: CodeNothingOffered, Severity: Bad, Text: nothing(h, endpoints), Do: advice()[CodeNothingOffered]})
		if h.Why != "" {
			r.Findings[0].Severity = Warn
		}
	}
	r.Findings = append(r.Findings, stale(r.Endpoints)...)
	sortFindings(r.Findings)
	r.Verdict = worst(r.All())
	return r
}

func nothing(h Host, endpoints []Endpoint) string {
	var ports []string
	for _, e := range endpoints {
		ports = append(ports, strconv.Itoa(int(e.Port)))
	}
	if len(ports) == 0 {
		return h.Name + " has no port to look at"
	}
	return h.Name + " answers at none of the ports " + join(ports)
}

// stale finds endpoints of one name that serve an older certificate than another endpoint does: for the same name and
// kind of key. Where both have the same names the newer one has replaced it, and somebody forgot a port; where not, two
// programs may well look after themselves.
func stale(results []Result) []Finding {
	type pair struct{ older, newer string }
	var order []pair
	ports, found := map[pair][]string{}, map[pair]Finding{}
	for i := range results {
		r := &results[i]
		for _, leaf := range r.leaves {
			newer, at := leaf, uint16(0)
			for j := range results {
				for _, other := range results[j].leaves {
					if results[j].Host == r.Host && replaces(other, leaf, r.Host) && other.NotBefore.After(newer.NotBefore) {
						newer, at = other, results[j].Port
					}
				}
			}
			if at == 0 {
				continue
			}
			p := pair{string(leaf.Raw), string(newer.Raw)}
			if _, known := found[p]; !known {
				order = append(order, p)
				found[p] = Finding{Code: CodeDifferent, Severity: Info, Port: r.Port, Do: advice()[CodeDifferent],
					Text: fmt.Sprintf(" an older certificate for the name than %d", at)}
				if sameNames(newer, leaf) {
					found[p] = Finding{Code: CodeStaleCertificate, Severity: Warn, Port: r.Port, Do: advice()[CodeStaleCertificate],
						Text: fmt.Sprintf(" the certificate that %d replaced %s ago", at, days(time.Since(newer.NotBefore)))}
				}
			}
			ports[p] = append(ports[p], strconv.Itoa(int(r.Port)))
		}
	}
	var list []Finding
	for _, p := range order {
		f, verb := found[p], " still serves"
		if len(ports[p]) > 1 {
			verb = " still serve"
		}
		if f.Code == CodeDifferent {
			verb = strings.Replace(verb, " still", "", 1)
		}
		f.Text = join(ports[p]) + verb + f.Text
		list = append(list, f)
	}
	return list
}

// sameNames says whether two certificates are for the same hosts.
func sameNames(a, b *x509.Certificate) bool {
	sorted := func(c *x509.Certificate) []string { return slices.Compact(slices.Sorted(slices.Values(c.DNSNames))) }
	return slices.Equal(sorted(a), sorted(b))
}

// replaces says whether newer stands for older: another certificate, for the same host and kind of client, that ends
// later.
func replaces(newer, older *x509.Certificate, host string) bool {
	if newer.Equal(older) || kindOf(newer) != kindOf(older) || !newer.NotAfter.After(older.NotAfter) || time.Now().Before(newer.NotBefore) {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil { // the names that they share decide then
		return slices.ContainsFunc(older.DNSNames, func(name string) bool { return slices.Contains(newer.DNSNames, name) })
	}
	matches := func(c *x509.Certificate) bool {
		return slices.ContainsFunc(c.DNSNames, func(name string) bool { return x509cert.Match(name, host) })
	}
	return matches(newer) && matches(older)
}
