package x509cert

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Public reports whether a public authority may sign a name, which came from [ParseSAN]: a name below a top level of
// the public DNS, or an address that the internet can reach. The Baseline Requirements (section 7.1.2.7.12) forbid
// internal names and reserved addresses, because everybody has a mail.local and a 192.168.0.1.
func Public(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return publicAddress(ip)
	}
	name = strings.TrimPrefix(name, "*.")
	if !strings.Contains(name, ".") {
		return false
	}
	for _, reserved := range []string{"test", "example", "invalid", "localhost", "local", "onion", "internal", "alt", "home.arpa"} { // RFC 6761, RFC 8375
		if name == reserved || strings.HasSuffix(name, "."+reserved) {
			return false
		}
	}
	// A top level that the list does not know is nobody's: the list asks for a rule for each one.
	_, listed := publicsuffix.PublicSuffix(name[strings.LastIndexByte(name, '.')+1:])
	return listed
}

// publicAddress reports whether an address is neither private nor reserved. Shared and documentation ranges are
// reserved as well: RFC 6598 and RFC 5737, RFC 3849.
func publicAddress(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, reserved := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001:db8::/32"} {
		if netip.MustParsePrefix(reserved).Contains(ip) {
			return false
		}
	}
	return true
}
