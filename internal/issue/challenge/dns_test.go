package challenge

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/internal/issue/acme"
)

func TestDNS01(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{Timeout: 2 * time.Second})
	sum := sha256.Sum256([]byte(s.key.Authorization(testToken)))
	digest := base64.RawURLEncoding.EncodeToString(sum[:])
	quoted := func(text string) string { return `"` + text + `"` }
	var crowd []string
	for n := range 60 { // more than fits into a packet
		crowd = append(crowd, quoted(fmt.Sprintf("%d%s", n, strings.Repeat("x", 200))))
	}
	for n, tt := range []struct {
		records []string
		problem acme.ProblemType
	}{
		{nil, acme.DNS},
		{[]string{quoted(digest)}, ""},
		{[]string{quoted("v=spf1 -all"), quoted(digest)}, ""},
		{[]string{quoted(digest[:20]) + " " + quoted(digest[20:])}, ""},
		{[]string{quoted(s.key.Authorization(testToken))}, acme.Unauthorized},
		{[]string{quoted(digest + "=")}, acme.Unauthorized},
		{[]string{quoted(" " + digest)}, acme.Unauthorized},
		{[]string{quoted(strings.ToLower(digest))}, acme.Unauthorized},
		{crowd, acme.Unauthorized},
		{append(crowd, quoted(digest)), ""},
	} {
		name := fmt.Sprintf("n%d.example.test", n)
		if tt.records != nil {
			s.names.Set(t, "_acme-challenge."+name, "TXT", tt.records...)
		}
		p := s.ask(t, acme.DNS01, name)
		want(t, p, tt.problem)
		if t.Failed() {
			t.Fatalf("case %d", n)
		}
		wild := s.Validate(t.Context(), Question{Type: acme.DNS01, Identifier: acme.Identifier{Type: acme.IdentifierDNS, Value: name}, Wildcard: true, Token: testToken, Account: s.key})
		want(t, wild, tt.problem)
	}
	s.names.Fail("_acme-challenge.broken.example.test", "TXT", dns.RcodeServerFailure)
	want(t, s.ask(t, acme.DNS01, "broken.example.test"), acme.DNS)
	// RFC 8555 section 8.4: a wildcard is proved by nothing else; RFC 8738 section 7: an address is not proved by it.
	for _, q := range []Question{
		{Type: acme.HTTP01, Identifier: acme.Identifier{Type: acme.IdentifierDNS, Value: testName}, Wildcard: true},
		{Type: acme.TLSALPN01, Identifier: acme.Identifier{Type: acme.IdentifierDNS, Value: testName}, Wildcard: true},
		{Type: acme.DNS01, Identifier: acme.Identifier{Type: acme.IdentifierIP, Value: "127.0.0.1"}},
	} {
		q.Token, q.Account = testToken, s.key
		if p := s.Validate(t.Context(), q); p == nil || p.Type != acme.Malformed {
			t.Errorf("%+v: got %v", q, p)
		}
	}
}

// TestCAA: RFC 8659 and RFC 8657, as a zone says it.
func TestCAA(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{Timeout: 2 * time.Second})
	const account = "https://ca.example.test/acme/servers/account/1"
	who := Issuer{Domains: []string{"pki.example.test"}, Account: account, Method: acme.HTTP01}
	for n, tt := range []struct {
		records   []string
		one, wild bool // may be issued
	}{
		{nil, true, true},
		{[]string{`0 issue "pki.example.test"`}, true, true},
		{[]string{`0 issue " PKI.example.test ; "`}, true, true},
		{[]string{`0 ISSUE "pki.example.test"`}, true, true},
		{[]string{`0 issue ";"`}, false, false},
		{[]string{`0 issue ""`}, false, false},
		{[]string{`0 issue "letsencrypt.org"`}, false, false},
		{[]string{`0 issue "letsencrypt.org"`, `0 issue "pki.example.test"`}, true, true},
		{[]string{`0 issue ";"`, `0 issue "pki.example.test"`}, true, true},
		{[]string{`0 issue "xpki.example.test"`}, false, false},
		{[]string{`0 issue "example.test"`}, false, false},
		{[]string{`0 issuewild ";"`}, true, false},
		{[]string{`0 issuewild "pki.example.test"`}, true, true},
		{[]string{`0 issue "pki.example.test"`, `0 issuewild ";"`}, true, false},
		{[]string{`0 issue ";"`, `0 issuewild "pki.example.test"`}, false, true},
		{[]string{`0 iodef "mailto:a@example.test"`}, true, true},
		{[]string{`0 unknown "x"`}, true, true},
		{[]string{`128 unknown "x"`}, false, false},
		{[]string{`128 unknown "x"`, `0 issue "pki.example.test"`}, false, false},
		{[]string{`128 issue "pki.example.test"`}, true, true},
		{[]string{`0 issue "pki.example.test; accounturi=` + account + `"`}, true, true},
		{[]string{`0 issue "pki.example.test; accounturi=` + account + `2"`}, false, false},
		{[]string{`0 issue "pki.example.test; accounturi=` + account + `; accounturi=` + account + `"`}, false, false},
		{[]string{`0 issue "pki.example.test; accounturi"`}, false, false},
		{[]string{`0 issue "pki.example.test; validationmethods=http-01"`}, true, true},
		{[]string{`0 issue "pki.example.test; validationmethods=dns-01,http-01"`}, true, true},
		{[]string{`0 issue "pki.example.test; validationmethods=dns-01"`}, false, false},
		{[]string{`0 issue "pki.example.test; validationmethods="`}, false, false},
		{[]string{`0 issue "pki.example.test; validationmethods=http-0"`}, false, false},
		{[]string{`0 issue "pki.example.test; validationmethods=http-01; accounturi=https://other.example.test/1"`}, false, false},
		{[]string{`0 issue "pki.example.test; somethingelse=1"`}, true, true},
		{[]string{`0 issue "pki.example.test; a b c"`}, false, false},
	} {
		domain := fmt.Sprintf("n%d.example.test", n)
		if tt.records != nil {
			s.names.Set(t, domain, "CAA", tt.records...)
		}
		for _, at := range []string{domain, "deep.below." + domain} { // the closest ancestor that has any decides
			for wildcard, may := range map[bool]bool{false: tt.one, true: tt.wild} {
				p := s.CAA(t.Context(), at, wildcard, who)
				if (p == nil) != may || p != nil && (p.Type != acme.CAA || p.Identifier == nil) {
					t.Errorf("%v at %s, wildcard %v: got %v", tt.records, at, wildcard, p)
				}
			}
		}
	}
	// A closer set hides one above, whatever it says.
	s.names.Set(t, "above.example.test", "CAA", `0 issue ";"`)
	s.names.Set(t, "below.above.example.test", "CAA", `0 iodef "mailto:a@example.test"`)
	if p := s.CAA(t.Context(), "below.above.example.test", false, who); p != nil {
		t.Errorf("got %v", p)
	}
	if p := s.CAA(t.Context(), "other.above.example.test", false, who); p == nil {
		t.Error("the ancestor does not count")
	}
	// Whoever cannot read the records does not issue (RFC 8659 section 3 with CA/B Forum BR 3.2.2.8).
	s.names.Fail("broken.example.test", "CAA", dns.RcodeServerFailure)
	if p := s.CAA(t.Context(), "broken.example.test", false, who); p == nil || p.Type != acme.CAA {
		t.Errorf("got %v", p)
	}
	s.names.Fail("deep.refused.example.test", "CAA", dns.RcodeNameError)
	s.names.Fail("refused.example.test", "CAA", dns.RcodeRefused)
	if p := s.CAA(t.Context(), "deep.refused.example.test", false, who); p == nil || p.Type != acme.CAA {
		t.Errorf("got %v", p)
	}
	if p := s.CAA(t.Context(), "n1.example.test", false, Issuer{Method: acme.HTTP01}); p == nil {
		t.Error("nobody is named by a record, and may issue")
	}
}

// TestNameServers: one that is silent, and one that answers something else, are no answer.
func TestNameServers(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // answers each question as if it had been about something else
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			m := new(dns.Msg)
			if m.Unpack(b[:n]) != nil {
				continue
			}
			m.Response, m.Question[0].Name = true, "elsewhere.example.test."
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	v, err := New(Options{Resolver: conn.LocalAddr().String(), Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{Validator: v}
	if s.key, err = acme.NewKey(generate(t).Public()); err != nil {
		t.Fatal(err)
	}
	if p := s.CAA(t.Context(), "a.example.test", false, Issuer{}); p == nil || p.Type != acme.CAA {
		t.Errorf("got %v", p)
	}
	want(t, s.ask(t, acme.DNS01, testName), acme.DNS)
	conn.Close()
	<-done
	if s.Validator, err = New(Options{Resolver: "127.0.0.1:9", Timeout: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	want(t, s.ask(t, acme.DNS01, testName), acme.DNS)
}
