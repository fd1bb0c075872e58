package desk

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/steer/probe"
)

// NotOursError reports a look at a host or a port that the scope of a token does not reach: with it this server would
// search the networks that it stands in for whoever holds the token.
type NotOursError struct{ Target string }

func (e *NotOursError) Error() string {
	return fmt.Sprintf("looking at %s: a token of the scope operate looks at hosts of our accepted domains, at the ports of mail and web and of our listeners", e.Target)
}

// ourReach refuses a look from this server that its asker may not have. Whoever shows no token is an administrator, and
// so is who shows one of that scope: they may look at anything. With operate the hosts are those below the accepted
// domains, whose name servers are ours, and never an address; a name in a certificate will not do, because operate makes
// certificates of any name.
func (d *Desk) ourReach(ctx context.Context, hosts []probe.Host, domain string) error {
	bearer, byToken := BearerOf(ctx)
	if !byToken || bearer.Scope.Allows(ScopeAdmin) {
		return nil
	}
	v, err := d.view(ctx)
	if err != nil {
		return err
	}
	ours := func(name string) bool {
		return slices.ContainsFunc(v.org.Domains, func(accepted string) bool { return name == accepted || strings.HasSuffix(name, "."+accepted) })
	}
	if domain != "" && !ours(domain) {
		return &NotOursError{Target: domain}
	}
	ports := []uint16{0} // which means those of mail and web
	for _, p := range probe.Places() {
		ports = append(ports, p.Port)
	}
	for _, l := range v.listeners {
		ports = append(ports, d.runtime.Address(l.Name, l.Address).Port())
	}
	for _, h := range hosts {
		switch {
		case !ours(h.Name):
			return &NotOursError{Target: h.Name}
		case !slices.Contains(ports, h.Port):
			return &NotOursError{Target: net.JoinHostPort(h.Name, strconv.Itoa(int(h.Port)))}
		}
	}
	return nil
}
