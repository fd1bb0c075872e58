package fetch

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// span is a range of addresses that are not in the public network, and the word for it.
type span struct {
	prefix netip.Prefix
	why    string
}

// reserved4 are the IPv4 ranges of the IANA special-purpose registry (RFC 6890) in which no public server stands.
var reserved4 = []span{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"}, // RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"}, // where clouds keep their metadata service
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
}

// reserved6 are the IPv6 ranges by name. What is in none of them must still be in 2000::/3, the only part that is
// handed out to public servers.
var reserved6 = []span{
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a local NAT64 prefix"},
	{netip.MustParsePrefix("2001::/23"), "reserved"}, // Teredo and other protocols
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private"}, // RFC 4193
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 section 2.1
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056 section 2
	global = netip.MustParsePrefix("2000::/3")
)

// reservedFor says why an address is not one of a public server; empty if it may be one. An IPv6 address that carries
// an IPv4 address is judged by the one it carries, because that is where the packet goes.
func reservedFor(a netip.Addr) string {
	if a.Zone() != "" {
		return "link-local" // only an address of one link needs a zone
	}
	a = a.Unmap()
	spans := reserved4
	if a.Is6() {
		b := a.As16()
		switch {
		case nat64.Contains(a):
			return reservedFor(netip.AddrFrom4([4]byte(b[12:16])))
		case sixTo4.Contains(a):
			return reservedFor(netip.AddrFrom4([4]byte(b[2:6])))
		}
		spans = reserved6
	}
	for _, s := range spans {
		if s.prefix.Contains(a) {
			return s.why
		}
	}
	if a.Is6() && !global.Contains(a) {
		return "reserved"
	}
	return ""
}

// judge returns a *RefusedAddressError unless the policy permits the address.
func (c *Client) judge(host string, a netip.Addr) error {
	why := reservedFor(a)
	if why == "" {
		return nil
	}
	for _, p := range c.allow {
		if p.Contains(a) || p.Contains(a.Unmap()) {
			return nil
		}
	}
	return &RefusedAddressError{Host: host, Addr: a, Why: why}
}

// control judges the address of a connection after the name was resolved and before the first packet is sent.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &net.AddrError{Err: "no address and port", Addr: address}
	}
	return c.judge("", ap.Addr())
}

// literal is the address that a host name writes out. Forms that only some resolvers take for an address (2130706433,
// 0x7f.1, 127.1) are not told apart from an odd name by a proxy: they are numeric, and no public name is.
func literal(host string) (a netip.Addr, numeric bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a, false
	}
	last := strings.TrimSuffix(host, ".")
	last = strings.ToLower(last[strings.LastIndexByte(last, '.')+1:])
	if last == "" {
		return netip.Addr{}, true
	}
	digits := strings.Trim(last, "0123456789") == ""
	hex := strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
	return netip.Addr{}, digits || hex
}
