package challenge

import (
	"net/netip"
	"strings"
	"testing"

	"postseal/internal/issue/acme"
)

// TestAddresses: where validation goes when nobody said anything, and when somebody did.
func TestAddresses(t *testing.T) {
	t.Parallel()
	free := newStand(t, Options{Networks: []netip.Prefix{}})
	narrow := newStand(t, Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}})
	for address, allowed := range map[string][2]bool{
		"10.0.0.1": {true, true}, "192.168.1.1": {true, false}, "172.16.0.1": {true, false}, "9.9.9.9": {true, false}, "100.64.0.1": {true, false}, "fd00::1": {true, false}, "2a00::1": {true, false},
		"2001:db8:1::1": {false, true}, "::ffff:10.0.0.1": {true, true},
		"127.0.0.1": {}, "127.255.0.1": {}, "::1": {}, "0.0.0.0": {}, "::": {}, "169.254.169.254": {}, "fe80::1": {}, "fe80::1%eth0": {}, "224.0.0.1": {}, "255.255.255.255": {}, "ff02::1": {},
		"::ffff:127.0.0.1": {}, "::127.0.0.1": {}, "64:ff9b::7f00:1": {}, "2002:7f00:1::": {}, "2001:0:7f00::1": {}, "2001:db8::1": {}, "240.0.0.1": {}, "192.0.2.1": {}, "100::1": {}, "fec0::1": {},
	} {
		a := netip.MustParseAddr(address)
		for n, v := range []*stand{free, narrow} {
			if err := v.judge("x", a); (err == nil) != allowed[n] {
				t.Errorf("%s, %d: got %v", address, n, err)
			}
		}
	}
	for _, n := range []netip.Prefix{{}, netip.MustParsePrefix("10.0.0.1/8")} {
		if _, err := New(Options{Networks: []netip.Prefix{n}, Resolver: "127.0.0.1:53"}); err == nil {
			t.Errorf("%v is taken", n)
		}
	}
	for _, o := range []Options{{Timeout: -1}, {Resolver: "nowhere"}, {Resolver: "ns.example.test:53"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestRebinding: a name whose address changes between two questions gains nothing, since what is connected to is what was
// judged; a name of which one address is refused is reached at the others.
func TestRebinding(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	s.httpPort = serve(t, says(s.key.Authorization(testToken)))
	s.names.Set(t, "two.example.test", "A", "127.0.0.2", "127.0.0.1")
	want(t, s.ask(t, acme.HTTP01, "two.example.test"), "")
	s.names.Set(t, "inside.example.test", "A", "127.0.0.2")
	p := s.ask(t, acme.HTTP01, "inside.example.test")
	want(t, p, acme.Connection)
	if p != nil && !strings.Contains(p.Detail, "does not go") {
		t.Errorf("got %v", p)
	}
	// Each look asks once; the connection goes to the answer of that question.
	if n := s.names.Asked("two.example.test", "A"); n != 1 {
		t.Errorf("the name was resolved %d times", n)
	}
	s.names.Set(t, "many.example.test", "A", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1")
	want(t, s.ask(t, acme.HTTP01, "many.example.test"), acme.Connection) // four are tried
	s.names.Set(t, "none.example.test", "A")
	want(t, s.ask(t, acme.HTTP01, "none.example.test"), acme.DNS)
	want(t, s.ask(t, acme.HTTP01, "nowhere.example.org"), acme.DNS)
	s.names.Fail("broken.example.test", "A", 2)
	s.names.Fail("broken.example.test", "AAAA", 2)
	want(t, s.ask(t, acme.HTTP01, "broken.example.test"), acme.DNS)
	want(t, s.ask(t, acme.HTTP01, "127.0.0.1"), "")
	want(t, s.ask(t, acme.HTTP01, "127.0.0.2"), acme.Connection)
	if p := s.ask(t, "nothing-01", testName); p == nil || p.Type != acme.Malformed {
		t.Errorf("got %v", p)
	}
}
