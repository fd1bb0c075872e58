package x509cert

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, host string
		want          bool
	}{
		{"mail.example.com", "mail.example.com", true},
		{"Mail.Example.COM", "mAIL.eXAMPLE.com", true},
		{"mail.example.com", "mail.example.com.", true},
		{"mail", "MAIL", true},
		{"_sip.example.com", "_sip.example.com", true},
		{"*.example.com", "mail.example.com", true},
		{"*.example.com", "xn--vv4b11d.example.com", true},
		{"*.EXAMPLE.com", "mail.example.COM.", true},
		{"*.github.io", "example.github.io", true}, // a company's suffix, which is the company's business

		{"*.co.uk", "example.co.uk", false},
		{"*.co.kr", "example.co.kr", false},
		{"*.kawasaki.jp", "any.kawasaki.jp", false}, // the list has *.kawasaki.jp

		{"mail.example.com", "example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", ".example.com", false},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "*.example.com", false},
		{"*.com", "example.com", false},
		{"*", "mail", false},
		{"*.", "mail.", false},
		{"mail*.example.com", "mail1.example.com", false},
		{"*mail.example.com", "xmail.example.com", false},
		{"mail.*.com", "mail.example.com", false},
		{"*.*.example.com", "a.b.example.com", false},
		{"", "", false},
		{".", ".", false},
		{"", "mail.example.com", false},
		{"mail.example.com", "", false},
		{"mail.example.com.", "mail.example.com", false}, // no certificate may say so
		{"mail.example.com", "mail.example.com..", false},
		{"192.0.2.1", "192.0.2.1", false},
		{"*.0.2.1", "192.0.2.1", false},
		{"::1", "::1", false},
		{"mai\u212a.example.com", "maik.example.com", false},
		{"예시.한국", "예시.한국", false},
		{"a b.example.com", "a b.example.com", false},
		{"a\x00.example.com", "a\x00.example.com", false},
		{"-a.example.com", "-a.example.com", false},
		{domain(254), domain(254), false},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.host); got != tt.want {
			t.Errorf("Match(%.80q, %.80q): got %v, want %v", tt.pattern, tt.host, got, tt.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	if len(nameSeeds()) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range nameSeeds() {
		f.Add(s, s)
		f.Add("*."+s, "mail."+s)
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		got := Match(pattern, host)
		if !got {
			return
		}
		if pattern == "" || host == "" {
			t.Fatal("the empty name matches")
		}
		if _, err := netip.ParseAddr(host); err == nil {
			t.Fatalf("the address %q matches %q", host, pattern)
		}
		if Match(strings.ToUpper(pattern), strings.ToLower(host)) != got {
			t.Errorf("%q and %q: the case matters", pattern, host)
		}
		// Whatever we match, crypto/x509 matches too: we are the stricter.
		cert := &x509.Certificate{DNSNames: []string{pattern}}
		if err := cert.VerifyHostname(host); err != nil {
			t.Errorf("%q matches %q, but crypto/x509 says %v", pattern, host, err)
		}
	})
}
