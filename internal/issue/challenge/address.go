package challenge

import (
	"fmt"
	"net/netip"
	"slices"
)

// never are the addresses that stand for no other machine of the organisation: this machine, the link (where clouds keep
// their metadata service), many machines at once, nobody. RFC 6890 has the registry.
func never() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("224.0.0.0/3"),
		// Those of IPv6 are all but 2000::/3 and fc00::/7; within 2000::/3 those that carry an address of IPv4 would lead
		// to one that was not judged.
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
	}
}

// AddressError says that an address is not connected to.
type AddressError struct {
	Host string
	Addr netip.Addr
}

// Error names both.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s has the address %s, to which validation does not go", e.Host, e.Addr)
}

// judge refuses an address that policy does not allow.
func (v *Validator) judge(host string, a netip.Addr) error {
	a = a.Unmap()
	if a.Zone() != "" {
		return &AddressError{Host: host, Addr: a}
	}
	inside := func(p netip.Prefix) bool { return p.Contains(a) }
	if len(v.networks) > 0 {
		if slices.ContainsFunc(v.networks, inside) {
			return nil
		}
		return &AddressError{Host: host, Addr: a}
	}
	if slices.ContainsFunc(v.never, inside) || a.Is6() && !a.IsPrivate() && !globalUnicast6().Contains(a) {
		return &AddressError{Host: host, Addr: a}
	}
	return nil
}

func globalUnicast6() netip.Prefix { return netip.MustParsePrefix("2000::/3") }
