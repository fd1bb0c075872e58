package desk

import (
	"context"
	"errors"
	"testing"

	"postseal/internal/steer/probe"
)

// TestOperateLooksAtOurOwnOnly: neither at an address, nor beside our domains, nor at a port that we do not serve.
func TestOperateLooksAtOurOwnOnly(t *testing.T) {
	h := newHouse(t, func(o *SetupOptions) { o.Domains = []string{"example.com", "example.net"} })
	of := func(scope Scope) context.Context { return WithBearer(t.Context(), Bearer{Name: "t", Scope: scope}) }
	for _, c := range []struct {
		host, domain string
		ours         bool
	}{
		{"example.com", "", true},
		{"mail.example.net:993", "", true},
		{"MAIL.example.com.", "", true},
		{"mail1.example.com:8172", "", true}, // management is ours
		{"", "example.net", true},
		{"", "sub.example.net", true},
		{"mail.example.com:22", "", false},
		{"mail.example.org", "", false},
		{"notexample.com", "", false},
		{"example.com.example.org", "", false},
		{"localhost", "", false},
		{"127.0.0.1", "", false},
		{"127.0.0.1:993", "", false},
		{"[::ffff:169.254.169.254]:443", "", false},
		{"10.0.0.7:25", "", false},
		{"", "example.org", false},
	} {
		var hosts []probe.Host
		if c.host != "" {
			host, err := probe.ParseHost(c.host, "")
			if err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, host)
		}
		err := h.ourReach(of(ScopeOperate), hosts, c.domain)
		if _, refused := errors.AsType[*NotOursError](err); refused == c.ours || !refused && err != nil {
			t.Errorf("%s%s: got %v, ours: %t", c.host, c.domain, err, c.ours)
		}
		for _, free := range []context.Context{t.Context(), of(ScopeAdmin)} { // an administrator looks where he likes
			if err := h.ourReach(free, hosts, c.domain); err != nil {
				t.Errorf("%s%s: got %v for an administrator", c.host, c.domain, err)
			}
		}
	}
}
