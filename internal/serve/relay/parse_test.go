package relay

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 63)
	for _, tc := range []struct {
		kind pathKind
		in   string
		want string // empty: refused
	}{
		{reversePath, "<>", "<>"},
		{reversePath, "<a@b>", "<a@b>"},
		{reversePath, "<a.b+c=d@Example.COM>", "<a.b+c=d@Example.COM>"},
		{reversePath, `<"a.b"@c>`, "<a.b@c>"},
		{reversePath, `<"a b"@c>`, `<"a b"@c>`},
		{reversePath, `<"\a\"\\>@"@c>`, `<"a\"\\>@"@c>`},
		{reversePath, "<@one.test,@two.test:a@b>", "<a@b>"},
		{reversePath, "<a@[127.0.0.1]>", "<a@[127.0.0.1]>"},
		{reversePath, "<a@[ipv6:2001:DB8::1]>", "<a@[IPv6:2001:db8::1]>"},
		{reversePath, "<a@under_score.test>", "<a@under_score.test>"},
		{reversePath, "<한@글.test>", "<한@글.test>"},
		{reversePath, "<" + strings.Repeat("l", 80) + "@b>", "<" + strings.Repeat("l", 80) + "@b>"},
		{forwardPath, "<Postmaster>", "<Postmaster>"},
		{forwardPath, "<>", ""},
		{forwardPath, "<root>", ""},
		{reversePath, "<Postmaster>", ""},
		{reversePath, "a@b", ""},
		{reversePath, "<a@b", ""},
		{reversePath, "<@b>", ""},
		{reversePath, "<a@>", ""},
		{reversePath, "<.a@b>", ""},
		{reversePath, "<a..b@c>", ""},
		{reversePath, "<a.@c>", ""},
		{reversePath, "<a b@c>", ""},
		{reversePath, `<""@b>`, ""},
		{reversePath, `<"a@b>`, ""},
		{reversePath, "<\"a\u0085\"@b>", ""},
		{reversePath, "<a@b..c>", ""},
		{reversePath, "<a@-b>", ""},
		{reversePath, "<a@b->", ""},
		{reversePath, "<a@b.>", ""},
		{reversePath, "<a@b c>", ""},
		{reversePath, "<a@" + long + "x>", ""},
		{reversePath, "<a@[127.0.0.256]>", ""},
		{reversePath, "<a@[::1]>", ""},
		{reversePath, "<a@[IPv6:1.2.3.4]>", ""},
		{reversePath, "<a@[IPv6:fe80::1%eth0]>", ""},
		{reversePath, "<a@[x:y]>", ""},
		{reversePath, "<a@[127.0.0.1>", ""},
		{reversePath, "<@one.test a@b>", ""},
		{reversePath, "<one:a@b>", ""},
		{reversePath, "<@-:a@b>", ""},
		{reversePath, "<a@" + strings.Repeat(long+".", 4) + "d>", ""},
	} {
		p, rest, err := parsePath(tc.in+" REST", tc.kind)
		got := p.String()
		if err != nil {
			got = ""
		}
		if got != tc.want || err == nil && rest != " REST" {
			t.Errorf("%s: got %q and %q, %v; want %q", tc.in, got, rest, err, tc.want)
		}
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want string // what goes to the back end, or the code of the refusal
	}{
		{" SIZE=1", " SIZE=1025"},
		{" size=0", ""},
		{"\tbody=8BitMIME  SMTPUTF8 ", " BODY=8BITMIME SMTPUTF8"},
		{" AUTH=<>", " AUTH=<>"},
		{" AUTH=a+40b", " AUTH=<>"},
		{" RET=full ENVID=a+2Bb", " RET=FULL ENVID=a+2Bb"},
		{" SIZE=1 SIZE=1", "501"},
		{" SIZE", "501"},
		{" SIZE=", "501"},
		{" SIZE=1x", "501"},
		{" SIZE=+1", "501"},
		{" SIZE=9223372036854775808", "552"},
		{" SMTPUTF8=1", "501"},
		{" BODY", "501"},
		{" BODY=BINARYMIME", "555"},
		{" RET=SOME", "501"},
		{" ENVID=a+2b", "501"},
		{" ENVID=" + strings.Repeat("x", 101), "501"},
		{" AUTH=+", "501"},
		{" -X=1", "501"},
		{" X=a=b", "501"},
		{" X=ü", "501"},
		{" NOTIFY=NEVER", "555"},
		{" MT-PRIORITY=9", "555"},
		{"SIZE=1", "501"},
	} {
		got := ""
		m, err := parseMailParams(tc.in, all)
		if got = m.arguments(); err != nil {
			got = err.(*refusal).reply().String()[:3]
		}
		if got != tc.want {
			t.Errorf("MAIL%s: got %q, want %q", tc.in, got, tc.want)
		}
		if _, err := parseMailParams(tc.in, offers{}); err == nil {
			t.Errorf("MAIL%s: taken without an offer", tc.in)
		}
	}
	for _, tc := range []struct{ in, want string }{
		{" NOTIFY=never", " NOTIFY=NEVER"},
		{" ORCPT=rfc822;a+40b NOTIFY=SUCCESS,DELAY", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b"},
		{" NOTIFY=NEVER,DELAY", "501"},
		{" NOTIFY=DELAY,DELAY", "501"},
		{" NOTIFY=", "501"},
		{" ORCPT=rfc822", "501"},
		{" ORCPT=;a", "501"},
		{" ORCPT=rfc822;", "501"},
		{" ORCPT=rfc822;" + strings.Repeat("x", 500), "501"},
		{" SIZE=1", "555"},
	} {
		r, err := parseRcptParams(tc.in, all)
		got := r.arguments()
		if err != nil {
			got = err.(*refusal).reply().String()[:3]
		}
		if got != tc.want {
			t.Errorf("RCPT%s: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	base := trace{helo: "client.test", peer: netip.MustParseAddr("192.0.2.1"), host: "mx.example.test", with: "ESMTP", id: "ABC", at: time.Date(2026, 11, 3, 9, 8, 7, 0, time.FixedZone("", 9*3600))}
	for _, tc := range []struct {
		name string
		fix  func(*trace)
		want string
	}{
		{"in clear", func(*trace) {}, "Received: from client.test ([192.0.2.1]) by mx.example.test (Postseal)\r\n\twith ESMTP id ABC; Tue, 3 Nov 2026 09:08:07 +0900\r\n"},
		{"IPv6 and TLS", func(tr *trace) {
			tr.peer, tr.with, tr.tls, tr.rcpt = netip.MustParseAddr("2001:db8::1"), "UTF8SMTPSA", "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768", "<한@글.test>"
		}, "Received: from client.test ([IPv6:2001:db8::1]) by mx.example.test (Postseal)\r\n\twith UTF8SMTPSA (TLS 1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768) id ABC\r\n\tfor <한@글.test>; Tue, 3 Nov 2026 09:08:07 +0900\r\n"},
		{"an address that is mapped", func(tr *trace) { tr.peer = netip.MustParseAddr("::ffff:192.0.2.1") }, "Received: from client.test ([192.0.2.1]) by mx.example.test (Postseal)\r\n\twith ESMTP id ABC; Tue, 3 Nov 2026 09:08:07 +0900\r\n"},
		{"no address and an evil name", func(tr *trace) { tr.peer, tr.helo = netip.Addr{}, "a(b)\r\nX:<ü;" }, "Received: from a?b???X???? (unknown) by mx.example.test (Postseal) with ESMTP\r\n\tid ABC; Tue, 3 Nov 2026 09:08:07 +0900\r\n"},
		{"a literal as name", func(tr *trace) { tr.helo = "[IPv6:::1]" }, "Received: from [IPv6:::1] ([192.0.2.1]) by mx.example.test (Postseal)\r\n\twith ESMTP id ABC; Tue, 3 Nov 2026 09:08:07 +0900\r\n"},
	} {
		tr := base
		tc.fix(&tr)
		got := string(tr.received())
		if got != tc.want {
			t.Errorf("%s: got\n%q, want\n%q", tc.name, got, tc.want)
		}
		for line := range strings.SplitSeq(got, "\r\n") {
			if len([]rune(line)) > foldColumn {
				t.Errorf("%s: line of %d columns: %q", tc.name, len(line), line)
			}
		}
	}
	base.helo = strings.Repeat("long.", 51)
	for line := range strings.SplitSeq(string(base.received()), "\r\n") {
		if len(line) > 998 { // RFC 5322 section 2.1.1
			t.Errorf("line of %d octets", len(line))
		}
	}
}

func TestTransmissionWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   transmission
		want string
	}{
		{transmission{}, "SMTP"},
		{transmission{tls: true, auth: true}, "SMTP"},
		{transmission{esmtp: true}, "ESMTP"},
		{transmission{esmtp: true, tls: true}, "ESMTPS"},
		{transmission{esmtp: true, tls: true, auth: true}, "ESMTPSA"},
		{transmission{esmtp: true, utf8: true, tls: true}, "UTF8SMTPS"},
		{transmission{esmtp: true, utf8: true, tls: true, auth: true}, "UTF8SMTPSA"},
	} {
		if got := tc.in.String(); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.in, got, tc.want)
		}
	}
}
