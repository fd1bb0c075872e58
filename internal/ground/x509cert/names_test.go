package x509cert

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

// label returns a label of n octets.
func label(n int) string { return strings.Repeat("a", n) }

// domain returns a domain of n octets, all its labels of one to three.
func domain(n int) string {
	tail := map[int]string{0: "aa", 1: "aaa", 2: "a.aa", 3: "a.aaa"}[(n-2)%4]
	return strings.Repeat("aaa.", (n-2)/4) + tail
}

func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var invalid *InvalidNameError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %T, want *InvalidNameError", err)
	}
	return invalid.Reason
}

func TestDomainHelper(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 252, 253, 254, 255} {
		if got := len(domain(n)); got != n {
			t.Errorf("got %d octets, want %d", got, n)
		}
	}
}

func TestParseDomain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		reason   Reason
	}{
		{in: "example.com", want: "example.com"},
		{in: "Mail.EXAMPLE.com.", want: "mail.example.com"},
		{in: "예시.한국", want: "xn--vv4b11d.xn--3e0b707e"},
		{in: "예시.한국.", want: "xn--vv4b11d.xn--3e0b707e"},
		{in: "예시。한국", want: "xn--vv4b11d.xn--3e0b707e"},
		{in: "\u110b\u1168\u1109\u1175.한국", want: "xn--vv4b11d.xn--3e0b707e"}, // decomposed, as macOS pastes it
		{in: "메일.Example.COM", want: "xn--h32bq4v.example.com"},
		{in: "XN--VV4B11D.xn--3e0b707e", want: "xn--vv4b11d.xn--3e0b707e"},
		{in: "faß.de", want: "xn--fa-hia.de"},
		{in: "ｅｘａｍｐｌｅ.com", want: "example.com"},
		{in: "r3---sn-a.example.com", want: "r3---sn-a.example.com"},
		{in: "r3---sn-a.예시.한국", want: "r3---sn-a.xn--vv4b11d.xn--3e0b707e"},
		{in: "xn--4dbrk0ce.com", want: "xn--4dbrk0ce.com"},
		{in: "1.2.3.com", want: "1.2.3.com"},
		{in: "3com.com", want: "3com.com"},
		{in: label(63) + ".com", want: label(63) + ".com"},
		{in: domain(253), want: domain(253)},
		{in: domain(253) + ".", want: domain(253)},

		{in: "", reason: ReasonEmpty},
		{in: ".", reason: ReasonEmptyLabel},
		{in: "。", reason: ReasonEmptyLabel},
		{in: "..", reason: ReasonEmptyLabel},
		{in: ".example.com", reason: ReasonEmptyLabel},
		{in: "example.com..", reason: ReasonEmptyLabel},
		{in: "a..b", reason: ReasonEmptyLabel},
		{in: "예시..한국", reason: ReasonEmptyLabel},
		{in: domain(254), reason: ReasonTooLong},
		{in: strings.Repeat("a.", 513), reason: ReasonInputTooLong},
		{in: label(64) + ".com", reason: ReasonLabelTooLong},
		{in: strings.Repeat("한", 60) + ".한국", reason: ReasonLabelTooLong},
		{in: "mail_1.example.com", reason: ReasonCharacter},
		{in: "mail_1.예시.한국", reason: ReasonCharacter},
		{in: " example.com", reason: ReasonCharacter},
		{in: "example.com\n", reason: ReasonCharacter},
		{in: "exa\x00mple.com", reason: ReasonCharacter},
		{in: "예시\x10.한국", reason: ReasonCharacter},
		{in: "\xff.com", reason: ReasonCharacter},
		{in: "https://example.com", reason: ReasonCharacter},
		{in: "user@example.com", reason: ReasonCharacter},
		{in: "example.com:993", reason: ReasonCharacter},
		{in: "-bad.example.com", reason: ReasonHyphen},
		{in: "bad-.example.com", reason: ReasonHyphen},
		{in: "-예시.한국", reason: ReasonHyphen},
		{in: "예시-.한국", reason: ReasonHyphen},
		{in: "xn--a.com", reason: ReasonIDN},
		{in: "xn--example-.com", reason: ReasonHyphen},
		{in: "xn--0.com", reason: ReasonIDN},
		{in: "xn--abc-.xn--", reason: ReasonHyphen},
		{in: "a\u202eb.com", reason: ReasonIDN},
		{in: "＊.example.com", reason: ReasonIDN},
		{in: "אa.com", reason: ReasonIDN},          // mixes directions
		{in: "xn--4dbrk0ce.1a", reason: ReasonIDN}, // no digit may begin a label beside Hebrew
		{in: "예시－.한국", reason: ReasonIDN},
		{in: "localhost", reason: ReasonSingleLabel},
		{in: "한국", reason: ReasonSingleLabel},
		{in: "mail.123", reason: ReasonNumber},
		{in: "1.2.3", reason: ReasonNumber},
		{in: "300.1.1.1", reason: ReasonNumber},
		{in: "192.0.2.1", reason: ReasonIPAddress},
		{in: "192.0.2.1.", reason: ReasonIPAddress},
		{in: "１９２.0.2.1", reason: ReasonIPAddress},
		{in: "2001:db8::1", reason: ReasonIPAddress},
		{in: "[2001:db8::1]", reason: ReasonIPAddress},
		{in: "*.example.com", reason: ReasonNoWildcard},
		{in: "-bad-.example..test", reason: ReasonHyphen},
	}
	for _, tt := range tests {
		got, err := ParseDomain(tt.in)
		if reason := reasonOf(t, err); string(got) != tt.want || reason != tt.reason {
			t.Errorf("%.80q: got %q, %q, want %q, %q", tt.in, got, reason, tt.want, tt.reason)
		}
	}
}

func TestParseHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		reason   Reason
	}{
		{in: "MAIL1", want: "mail1"},
		{in: "서버", want: "xn--hk3b17f"},
		{in: "20261101", want: "20261101"}, // a container's name; RFC 1123 wants dots of an address
		{in: "mail1.example.com", want: "mail1.example.com"},
		{in: "mail_1", reason: ReasonCharacter},
		{in: label(64), reason: ReasonLabelTooLong},
		{in: "*", reason: ReasonNoWildcard},
		{in: "::1", reason: ReasonIPAddress},
	}
	for _, tt := range tests {
		got, err := ParseHost(tt.in)
		if reason := reasonOf(t, err); string(got) != tt.want || reason != tt.reason {
			t.Errorf("%q: got %q, %q, want %q, %q", tt.in, got, reason, tt.want, tt.reason)
		}
	}
}

func TestParsePattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		reason   Reason
	}{
		{in: "example.com", want: "example.com"},
		{in: "*.Example.COM.", want: "*.example.com"},
		{in: "*.예시.한국", want: "*.xn--vv4b11d.xn--3e0b707e"},
		{in: "*.example.co.kr", want: "*.example.co.kr"},
		{in: "*.example.test", want: "*.example.test"},
		{in: "*." + domain(251), want: "*." + domain(251)},
		{in: "*." + domain(252), reason: ReasonTooLong},
		{in: "*", reason: ReasonWildcard},
		{in: "*.", reason: ReasonEmpty},
		{in: "**.example.com", reason: ReasonWildcard},
		{in: "mail*.example.com", reason: ReasonWildcard},
		{in: "mail.*.com", reason: ReasonWildcard},
		{in: "*.*.example.com", reason: ReasonWildcard},
		{in: ".*.example.com", reason: ReasonWildcard},
		{in: "*.com", reason: ReasonPublicSuffix},
		{in: "*.co.kr", reason: ReasonPublicSuffix},
		{in: "*.한국", reason: ReasonPublicSuffix},
		{in: "*.test", reason: ReasonPublicSuffix},
		{in: "*.localhost", reason: ReasonPublicSuffix},
		{in: "*.ck", reason: ReasonPublicSuffix},
		{in: "*.kawasaki.jp", reason: ReasonPublicSuffix},
		{in: "*.city.kawasaki.jp", want: "*.city.kawasaki.jp"},
		{in: "*.192.0.2.1", reason: ReasonIPAddress},
		{in: "mail", reason: ReasonSingleLabel},
	}
	for _, tt := range tests {
		got, err := ParsePattern(tt.in)
		if reason := reasonOf(t, err); string(got) != tt.want || reason != tt.reason {
			t.Errorf("%.80q: got %q, %q, want %q, %q", tt.in, got, reason, tt.want, tt.reason)
		}
	}
}

func TestParseSAN(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		reason   Reason
	}{
		{in: "Mail1", want: "mail1"},
		{in: "*.example.com", want: "*.example.com"},
		{in: "192.0.2.1", want: "192.0.2.1"},
		{in: "2001:DB8:0::1", want: "2001:db8::1"},
		{in: "::ffff:192.0.2.1", want: "192.0.2.1"},
		{in: "fe80::1%eth0", reason: ReasonIPZone},
		{in: "*.com", reason: ReasonPublicSuffix},
		{in: "192.0.2.256", reason: ReasonNumber},
		{in: "192.0.2.0/24", reason: ReasonCharacter},
		{in: "postmaster@example.com", reason: ReasonCharacter},
		{in: "", reason: ReasonEmpty},
		{in: strings.Repeat("*", 1025), reason: ReasonInputTooLong},
	}
	for _, tt := range tests {
		got, err := ParseSAN(tt.in)
		if reason := reasonOf(t, err); got != tt.want || reason != tt.reason {
			t.Errorf("%.80q: got %q, %q, want %q, %q", tt.in, got, reason, tt.want, tt.reason)
		}
	}
}

func TestUnicode(t *testing.T) {
	t.Parallel()
	for in, want := range map[Domain]string{
		"xn--vv4b11d.xn--3e0b707e":   "예시.한국",
		"*.xn--vv4b11d.xn--3e0b707e": "*.예시.한국",
		"mail.example.com":           "mail.example.com",
		"xn--0.example.com":          "xn--0.example.com",
		"":                           "",
	} {
		if got := in.Unicode(); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestInvalidNameErrorIsOneLine(t *testing.T) {
	t.Parallel()
	_, err := ParseDomain("\x1b[2J" + strings.Repeat("가", 300))
	if got := err.Error(); len(got) > 300 || strings.ContainsAny(got, "\x1b\n") || !utf8.ValidString(got) {
		t.Errorf("got %q, want a short printable line", got)
	}
}

// nameSeeds are where fuzzing starts.
func nameSeeds() []string {
	return []string{
		"example.com", "*.example.com", "예시.한국", "xn--vv4b11d.xn--3e0b707e", "192.0.2.1", "::1", "a..b", "-a.b", "a.b.",
		"ｅ。ｃｏｍ", "xn--a", "faß.de", "\u202e.com", "한국\u200d.com", "*.co.kr", "a_b.c", domain(253), domain(254), "",
	}
}

func FuzzParseDomain(f *testing.F) {
	if len(nameSeeds()) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range nameSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseSAN(s)
		if err != nil {
			if reasonOf(t, err) == "" {
				t.Errorf("%q: refused without a reason", s)
			}
			return
		}
		if again, err := ParseSAN(d); err != nil || again != d {
			t.Errorf("%q: got %q, %v when read again, want %q", s, again, err, d)
		}
		if len(d) == 0 || len(d) > 253 || strings.ToLower(d) != d || strings.HasSuffix(d, ".") {
			t.Errorf("%q: got %q, which is no canonical name", s, d)
		}
		if _, err := netip.ParseAddr(d); err == nil {
			return
		}
		if !strings.HasPrefix(d, "*.") && !Match(d, s) && utf8.RuneCountInString(s) == len(s) {
			t.Errorf("%q does not match its own name %q", s, d)
		}
		u := Domain(d).Unicode()
		if back, err := ParseSAN(u); err != nil || back != d {
			// Display keeps what it cannot show; whatever it does show must lead back.
			t.Errorf("%q is shown as %q, which is read as %q, %v", d, u, back, err)
		}
	})
}
