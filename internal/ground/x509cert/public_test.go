package x509cert

import "testing"

func TestPublic(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"mail.example.com": true, "*.example.com": true, "example.co.kr": true, "xn--vv4b11d.xn--3e0b707e": true, "a.github.io": true,
		"exch1.corp.local": false, "mail1": false, "mail.example.test": false, "host.internal": false, "a.home.arpa": false, "x.lan": false, "x.corp": false, "localhost": false, "b.onion": false,
		"8.8.8.8": true, "2606:4700::1111": true,
		"10.0.0.1": false, "192.168.1.1": false, "127.0.0.1": false, "169.254.1.1": false, "100.64.1.1": false, "192.0.2.1": false, "0.0.0.0": false, "255.255.255.255": false, "::1": false, "fe80::1": false, "fd00::1": false, "2001:db8::1": false, "224.0.0.1": false,
	} {
		if got := Public(name); got != want {
			t.Errorf("Public(%s): got %v, want %v", name, got, want)
		}
	}
}
