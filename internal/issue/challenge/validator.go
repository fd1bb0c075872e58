package challenge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/issue/acme"
)

// Options say where validation looks; [New] checks them. The zero value asks the resolvers of this machine and goes to
// public and private addresses.
type Options struct {
	// Networks are the addresses that may be connected to, these and no other: loopback too if it is among them. Empty
	// means public and private ones.
	Networks []netip.Prefix
	// Resolver is the name server that is asked, ADDRESS:PORT. Empty means those of /etc/resolv.conf, and /etc/hosts
	// before them.
	Resolver string
	// HTTPPort and TLSPort are in the place of 80 and 443. Zero means these. Only tests have a reason to set them: RFC 8555
	// section 8.3 and RFC 8737 section 3 name the ports, because below 1024 only an administrator listens.
	HTTPPort, TLSPort uint16
	// Timeout bounds one look with all that belongs to it. Zero means ten seconds.
	Timeout time.Duration
}

// Validator looks. Its methods may be called from any goroutine. Only [New] makes one.
type Validator struct {
	networks, never []netip.Prefix
	resolver        *resolver
	httpPort        uint16
	tlsPort         uint16
	timeout         time.Duration
	dialer          net.Dialer
}

const defaultTimeout = 10 * time.Second

// New makes a Validator of checked options.
func New(o Options) (*Validator, error) {
	v := &Validator{networks: slices.Clone(o.Networks), never: never(), httpPort: o.HTTPPort, tlsPort: o.TLSPort, timeout: o.Timeout}
	for _, p := range o.Networks {
		if !p.IsValid() || p != p.Masked() {
			return nil, fmt.Errorf("validation: network %v: want one like 10.0.0.0/8", p)
		}
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("validation: timeout %v is negative", o.Timeout)
	}
	if v.timeout == 0 {
		v.timeout = defaultTimeout
	}
	if v.httpPort == 0 {
		v.httpPort = 80
	}
	if v.tlsPort == 0 {
		v.tlsPort = 443
	}
	var err error
	v.resolver, err = newResolver(o.Resolver)
	return v, err
}

// Question is what somebody claims: that what was given to him stands where only the holder of the name can put it.
type Question struct {
	Type       acme.ChallengeType
	Identifier acme.Identifier // without *.
	Wildcard   bool            // the name stands for all below it, which only dns-01 proves
	Token      string
	Account    *acme.Key
}

// Validate looks whether it is so: nil, or what is wrong, for whoever claims it. It never says more of what it read than
// that it was something else.
func (v *Validator) Validate(ctx context.Context, q Question) *acme.Problem {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	var err error
	switch {
	case q.Wildcard && q.Type != acme.DNS01, q.Identifier.Type == acme.IdentifierIP && q.Type == acme.DNS01:
		// RFC 8555 section 8.4 alone speaks for a zone; RFC 8738 section 7: an address has none.
		return acme.Problemf(acme.Malformed, "%s does not prove this kind of name", q.Type)
	case q.Type == acme.HTTP01:
		err = v.http01(ctx, q)
	case q.Type == acme.DNS01:
		err = v.dns01(ctx, q)
	case q.Type == acme.TLSALPN01:
		err = v.tlsalpn01(ctx, q)
	default:
		return acme.Problemf(acme.Malformed, "no such challenge")
	}
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*acme.Problem](err); ok {
		p.Identifier = &q.Identifier
		return p
	}
	p := acme.Problemf(acme.Connection, "%s", said(err))
	p.Identifier = &q.Identifier
	return p
}

// said is what a stranger is told of an error: what happened, never what was read.
func said(err error) string {
	if a, ok := errors.AsType[*AddressError](err); ok {
		return a.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Sprintf("connecting: %v", e.Err)
	}
	return "the connection ended without an answer"
}

// dial resolves a host, judges its addresses, and connects to the first that answers. At most maxAddresses are tried.
func (v *Validator) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addresses, err := v.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	const most = 4
	var failed error
	for _, a := range addresses[:min(len(addresses), most)] {
		if err := v.judge(host, a); err != nil {
			failed = err
			continue
		}
		one, cancel := context.WithTimeout(ctx, v.timeout/3) // a dead address does not use up the time of the others
		conn, err := v.dialer.DialContext(one, "tcp", netip.AddrPortFrom(a, port).String())
		cancel()
		if err == nil {
			return conn, nil
		}
		if failed == nil || !errors.As(failed, new(*AddressError)) {
			failed = err
		}
	}
	return nil, failed
}

// addresses are those of a host, or the one that is written out.
func (v *Validator) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{a}, nil
	}
	return v.resolver.addresses(ctx, host)
}

// refuseRedirect says where a redirect may not lead, nil if it may.
func (v *Validator) refuseRedirect(r *http.Request, via []*http.Request) error {
	const most = 10
	port := r.URL.Port()
	allowed := port == "" || r.URL.Scheme == "http" && port == fmt.Sprint(v.httpPort) || r.URL.Scheme == "https" && port == fmt.Sprint(v.tlsPort)
	switch {
	case len(via) > most:
		return acme.Problemf(acme.Connection, "more than %d redirects", most)
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return acme.Problemf(acme.Connection, "a redirect leads to neither http nor https")
	case !allowed:
		return acme.Problemf(acme.Connection, "a redirect leads to another port")
	case len(r.URL.String()) > 2000 || r.URL.User != nil:
		return acme.Problemf(acme.Connection, "a redirect leads to an address that is not followed")
	}
	r.Header.Del("Referer")
	return nil
}
