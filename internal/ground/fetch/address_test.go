package fetch

import (
	"net/netip"
	"testing"
)

func TestReservedFor(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.43.8":               "",
		"8.8.8.8":                  "",
		"2606:4700::1111":          "",
		"0.0.0.0":                  "unspecified",
		"10.255.0.1":               "private",
		"100.64.0.1":               "carrier-grade NAT",
		"100.128.0.1":              "",
		"127.0.0.1":                "loopback",
		"127.255.255.254":          "loopback",
		"169.254.169.254":          "link-local",
		"172.16.0.1":               "private",
		"172.32.0.1":               "",
		"192.0.2.1":                "documentation",
		"192.168.1.1":              "private",
		"198.19.0.1":               "for benchmarks",
		"203.0.113.9":              "documentation",
		"224.0.0.1":                "multicast",
		"255.255.255.255":          "reserved",
		"::":                       "unspecified",
		"::1":                      "loopback",
		"::127.0.0.1":              "reserved", // the IPv4-compatible form
		"::ffff:127.0.0.1":         "loopback",
		"::ffff:8.8.8.8":           "",
		"64:ff9b::7f00:1":          "loopback",
		"64:ff9b::a9fe:a9fe":       "link-local",
		"64:ff9b::808:808":         "",
		"64:ff9b:1::1":             "a local NAT64 prefix",
		"2002:7f00:1::1":           "loopback",
		"2002:c0a8:101::1":         "private",
		"2002:808:808::1":          "",
		"2001::1":                  "reserved", // Teredo
		"2001:db8::1":              "documentation",
		"3fff::1":                  "documentation",
		"fc00::1":                  "private",
		"fd12:3456::1":             "private",
		"fe80::1":                  "link-local",
		"fe80::1%eth0":             "link-local",
		"2606:4700::1%eth0":        "link-local",
		"fec0::1":                  "site-local",
		"ff02::1":                  "multicast",
		"100::1":                   "reserved", // discard
		"4000::1":                  "reserved",
		"::ffff:0:127.0.0.1":       "reserved", // the translated form
		"2002:6440:1::1":           "carrier-grade NAT",
		"::ffff:169.254.169.254":   "link-local",
		"64:ff9b::ffff:ffff":       "reserved",
		"2001:4860:4860::8888":     "",
		"192.88.99.1":              "a 6to4 relay",
		"192.0.0.170":              "reserved",
		"2002:0:0::":               "unspecified",
		"::ffff:100.100.100.200":   "carrier-grade NAT", // a cloud's metadata service
		"fd00:ec2::254":            "private",           // another's
		"2620:fe::fe":              "",
		"198.51.100.255":           "documentation",
		"5f00::1":                  "reserved",
		"240.0.0.1":                "reserved",
		"239.255.255.250":          "multicast",
		"2002:ffff:ffff:ffff::ff":  "reserved",
		"64:ff9b:0:0:0:1:808:0808": "reserved", // one bit beside the well-known prefix
	} {
		if got := reservedFor(netip.MustParseAddr(address)); got != want {
			t.Errorf("reservedFor(%s) = %q, want %q", address, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"crl.example.com": false, "127.0.0.1": false, "::1": false, "a1": false, "example.0xg": false,
		"2130706433": true, "0x7f000001": true, "0x7f.1": true, "127.1": true, "0177.0.0.1": true, "127.0.0.1.": true,
		"1.2.3.4.5": true, ".": true, "0x": true,
	} {
		if _, got := literal(host); got != want {
			t.Errorf("literal(%q) is numeric: %v, want %v", host, got, want)
		}
	}
}
