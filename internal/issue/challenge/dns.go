package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"postseal/internal/issue/acme"
)

// resolver asks name servers.
type resolver struct {
	servers []string
	hosts   bool // what stands in /etc/hosts comes first
	system  net.Resolver
}

// newResolver asks the server at address, or those of this machine.
func newResolver(address string) (*resolver, error) {
	if address != "" {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return nil, fmt.Errorf("validation: resolver %q: want ADDRESS:PORT", address)
		}
		return &resolver{servers: []string{address}}, nil
	}
	r := &resolver{hosts: true, system: net.Resolver{PreferGo: true}}
	if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
		for _, s := range c.Servers {
			r.servers = append(r.servers, net.JoinHostPort(s, c.Port))
		}
	}
	return r, nil
}

// problem says that the name servers gave no answer that can be used.
func noAnswer(name, why string) error {
	return acme.Problemf(acme.DNS, "asking for %s: %s", name, why)
}

// ask asks one question, of the servers in turn until one answers. A name that is not there has no records.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	name = dns.Fqdn(name)
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	m.SetEdns0(1232, false)
	if len(r.servers) == 0 {
		return nil, noAnswer(name, "there is no name server")
	}
	why := "no name server answers"
	for _, server := range r.servers {
		answer, err := exchange(ctx, m, server)
		switch {
		case ctx.Err() != nil:
			return nil, noAnswer(name, "it took too long")
		case err != nil:
			continue
		case answer.Rcode == dns.RcodeSuccess, answer.Rcode == dns.RcodeNameError:
			return answer.Answer, nil
		}
		why = "the name server says " + dns.RcodeToString[answer.Rcode]
	}
	return nil, noAnswer(name, why)
}

func exchange(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	answer, _, err := (&dns.Client{Net: "udp"}).ExchangeContext(ctx, m, server)
	if err == nil && answer.Truncated {
		answer, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, m, server)
	}
	// RFC 5452 section 9.1: the answer to another question is none.
	if err == nil && (len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, m.Question[0].Name) || answer.Question[0].Qtype != m.Question[0].Qtype) {
		err = errors.New("the answer to another question")
	}
	return answer, err
}

// addresses are those of a host, of IPv4 before IPv6.
func (r *resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if r.hosts {
		found, err := r.system.LookupNetIP(ctx, "ip", dns.Fqdn(host))
		if err != nil || len(found) == 0 {
			if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsTimeout {
				return nil, noAnswer(host, "it took too long")
			}
			return nil, noAnswer(host, "it has no address")
		}
		return found, nil
	}
	var all []netip.Addr
	var failed error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		records, err := r.ask(ctx, host, kind)
		failed = errors.Join(failed, err)
		for _, rr := range records {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				all = append(all, a.Unmap())
			}
		}
	}
	switch {
	case len(all) > 0:
		return all, nil
	case failed != nil:
		return nil, failed
	}
	return nil, noAnswer(host, "it has no address")
}

// dns01 looks for the digest in the name's zone, RFC 8555 section 8.4.
func (v *Validator) dns01(ctx context.Context, q Question) error {
	name := "_acme-challenge." + q.Identifier.Value
	records, err := v.resolver.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(q.Account.Authorization(q.Token)))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	found := 0
	for _, rr := range records {
		if txt, ok := rr.(*dns.TXT); ok {
			found++
			if strings.Join(txt.Txt, "") == want {
				return nil
			}
		}
	}
	if found == 0 {
		return acme.Problemf(acme.DNS, "there is no TXT record at %s", name)
	}
	return acme.Problemf(acme.Unauthorized, "of %d TXT records at %s none is this account's key authorization", found, name)
}

// Issuer is who would issue, and how the name was proved: what a CAA record can name.
type Issuer struct {
	Domains []string // by which a record names us; empty: we are named by no record
	Account string   // address of the account, for accounturi (RFC 8657 section 3)
	Method  acme.ChallengeType
}

// CAA says whether the records of a domain let an issuer issue (RFC 8659): nil if they do, or if there are none.
func (v *Validator) CAA(ctx context.Context, domain string, wildcard bool, who Issuer) *acme.Problem {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	refuse := func(format string, args ...any) *acme.Problem {
		p := acme.Problemf(acme.CAA, format, args...)
		p.Identifier = &acme.Identifier{Type: acme.IdentifierDNS, Value: domain}
		return p
	}
	// RFC 8659 section 3: the closest ancestor that has any record decides.
	for at := strings.TrimSuffix(domain, "."); at != ""; _, at, _ = strings.Cut(at, ".") {
		records, err := v.resolver.ask(ctx, at, dns.TypeCAA)
		if err != nil {
			return refuse("the CAA records of %s cannot be read", at)
		}
		var set []*dns.CAA
		for _, rr := range records {
			if c, ok := rr.(*dns.CAA); ok {
				set = append(set, c)
			}
		}
		if len(set) > 0 {
			if !permitted(set, wildcard, who) {
				return refuse("the CAA records of %s let others issue, or nobody", at)
			}
			return nil
		}
	}
	return nil
}

// permitted reads a set of records, RFC 8659 section 4.
func permitted(set []*dns.CAA, wildcard bool, who Issuer) bool {
	const critical = 128
	var issue, wild []*dns.CAA
	for _, c := range set {
		switch tag := strings.ToLower(c.Tag); {
		case tag == "issue":
			issue = append(issue, c)
		case tag == "issuewild":
			wild = append(wild, c)
		case tag == "iodef", tag == "issuemail", tag == "contactemail", tag == "contactphone":
		case c.Flag&critical != 0:
			return false // RFC 8659 section 4.1: what is critical and not understood forbids
		}
	}
	if wildcard && len(wild) > 0 { // RFC 8659 section 4.3: then issue says nothing about wildcards
		issue = wild
	}
	if len(issue) == 0 {
		return true
	}
	return slices.ContainsFunc(issue, func(c *dns.CAA) bool { return names(c.Value, who) })
}

// names says whether the value of one record means the issuer: RFC 8659 section 4.2, RFC 8657 sections 3 and 4.
func names(value string, who Issuer) bool {
	parts := strings.Split(value, ";")
	domain := strings.ToLower(strings.TrimSpace(parts[0]))
	if domain == "" || !slices.Contains(who.Domains, domain) {
		return false
	}
	seen := map[string]bool{}
	for _, p := range parts[1:] {
		if strings.TrimSpace(p) == "" {
			continue
		}
		tag, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		tag, v = strings.ToLower(strings.TrimSpace(tag)), strings.TrimSpace(v)
		if !ok || seen[tag] {
			return false // malformed or twice: it forbids, RFC 8657 section 3
		}
		seen[tag] = true
		switch tag {
		case "accounturi":
			if v != who.Account {
				return false
			}
		case "validationmethods":
			if !slices.Contains(strings.Split(v, ","), string(who.Method)) {
				return false
			}
		}
	}
	return true
}
