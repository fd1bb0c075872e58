package x509cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"slices"
	"strings"
	"testing"
)

func oids(t *testing.T, texts ...string) []x509.OID {
	t.Helper()
	var all []x509.OID
	for _, text := range texts {
		oid, err := x509.ParseOID(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, oid)
	}
	return all
}

// TestNamesAreOneRuleSet: what a client takes, and what a server chooses for itself.
func TestNamesAreOneRuleSet(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	made := func(c *x509.Certificate) Names {
		t.Helper()
		cert, err := ParseCertificate(newCertificate(t, c, key))
		if err != nil {
			t.Fatal(err)
		}
		return NamesOf(cert)
	}
	cn := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	}
	san := func(names ...string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "common.example.com"}, DNSNames: names}
	}
	ev := func(policy string, names ...string) *x509.Certificate {
		c := san(names...)
		c.Policies = oids(t, "2.23.140.1.2.2", policy)
		return c
	}
	addresses := &x509.Certificate{DNSNames: []string{"192.0.2.9"}, IPAddresses: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}, EmailAddresses: []string{"Joe@Example.com"}}
	for _, c := range []struct {
		why            string
		cert           *x509.Certificate
		asked          string
		client, server bool
	}{
		{"a common name without subjectAltName", cn("mail.example.com"), "mail.example.com", false, true},
		{"a wildcard there", cn("*.example.com"), "mail.example.com", false, true},
		{"the name of a thing", cn("Mail of Example"), "mail.example.com", false, false},
		{"an address as common name", cn("192.0.2.1"), "192.0.2.1", false, true},
		{"a common name beside subjectAltName", san("mail.example.com"), "common.example.com", false, false},
		{"a common name beside addresses only", &x509.Certificate{Subject: pkix.Name{CommonName: "mail.example.com"}, IPAddresses: []net.IP{net.IPv6loopback}}, "mail.example.com", false, false},
		{"a name", san("mail.example.com"), "MAIL.example.com.", true, true},
		{"a wildcard", san("*.example.com"), "mail.example.com", true, true},
		{"a wildcard, two labels", san("*.example.com"), "a.mail.example.com", false, false},
		{"a wildcard, its domain", san("*.example.com"), "example.com", false, false},
		{"a wildcard, another domain", san("*.example.com"), "mail.example.net", false, false},
		{"a wildcard over a public suffix", san("*.co.uk"), "example.co.uk", false, false},
		{"a part of a label", san("m*.example.com"), "mail.example.com", false, false},
		{"extended validation, a name", ev("2.23.140.1.1", "mail.example.com"), "mail.example.com", true, true},
		{"extended validation, a wildcard", ev("2.23.140.1.1", "*.example.com"), "mail.example.com", false, false},
		{"an authority's own policy of it", ev("2.16.840.1.114412.2.1", "*.example.com"), "mail.example.com", false, false},
		{"organisation validation, a wildcard", ev("2.23.140.1.2.1", "*.example.com"), "mail.example.com", true, true},
		{"what people type", san("xn--vv4b11d.example.com"), "예시.example.com", true, true},
		{"an address", addresses, "192.0.2.1", true, true},
		{"an address in brackets", addresses, "[2001:DB8:0::1]", true, true},
		{"an address in IPv6 clothes", addresses, "::ffff:192.0.2.1", true, true},
		{"an address with a zone", addresses, "2001:db8::1%eth0", false, false},
		{"an address as a DNS name", addresses, "192.0.2.9", false, false},
		{"a mail address", addresses, "Joe@example.COM", true, true},
		{"its local part is another's", addresses, "joe@example.com", false, false},
		{"nothing", addresses, "", false, false},
	} {
		n := made(c.cert)
		if got := n.Verify(c.asked); got != c.client {
			t.Errorf("%s: a client: got %v", c.why, got)
		}
		if got := n.Answer(c.asked); got != c.server {
			t.Errorf("%s: a server: got %v", c.why, got)
		}
	}
	if got := made(ev("2.23.140.1.1", "a.example.com", "*.example.com")).Hosts(); !slices.Equal(got, []string{"a.example.com"}) {
		t.Errorf("hosts beside extended validation: got %q", got)
	}
	if got := made(cn("old.example.com")).Hosts(); !slices.Equal(got, []string{"old.example.com"}) {
		t.Errorf("hosts of a common name: got %q", got)
	}
	if got := made(addresses).Hosts(); !slices.Equal(got, []string{"192.0.2.9"}) {
		t.Errorf("hosts beside addresses: got %q", got)
	}
}

func TestPlanningNames(t *testing.T) {
	t.Parallel()
	have := []string{"*.example.com", "mail.example.net", "192.0.2.1"}
	wanted := []string{"mail.example.com", "a.b.example.com", "*.example.com", "*.example.net", "MAIL.example.net", "192.0.2.1", "192.0.2.2", "example.com"}
	if got, want := Missing(have, wanted), []string{"a.b.example.com", "*.example.net", "192.0.2.2", "example.com"}; !slices.Equal(got, want) {
		t.Errorf("missing: got %q, want %q", got, want)
	}
	for host, want := range map[string]Domain{"mail.example.com": "*.example.com", "예시.example.com": "*.example.com", "example.com": "", "mail": "", "example.co.uk": "", "192.0.2.1": ""} {
		if got, ok := WildcardFor(host); got != want || ok != (want != "") {
			t.Errorf("the wildcard for %s: got %q, %v, want %q", host, got, ok, want)
		}
	}
}

func TestCautions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  NameSet
		want []string // a beginning of each
	}{
		{NameSet{Names: []string{"mail.example.com"}, CommonName: true}, nil},
		{NameSet{CommonName: true}, nil},
		{NameSet{}, nil},
		{NameSet{Names: []string{"mail.example.com"}, CommonName: true, Singles: 2}, []string{"one name each means many certificates: 3 in use"}},
		{NameSet{Names: []string{"*.example.com"}, CommonName: true, Singles: 2}, []string{"wildcard *.example.com: whoever steals this one key can pose as every host directly under example.com"}},
		{NameSet{Names: []string{"*.example.com"}, CommonName: true, OldMail: true}, []string{"wildcard *.", "wildcard: old POP and IMAP"}},
		{NameSet{Names: []string{"*.example.com"}, CommonName: true, Extended: true}, []string{"wildcard *.", "wildcard: it says that it is of extended validation"}},
		{NameSet{Names: []string{"a.example.com", "b.example.com"}}, []string{"its 2 names share one certificate", "no common name: old devices"}},
	} {
		got := c.set.Cautions()
		if len(got) != len(c.want) {
			t.Errorf("%+v: got %q", c.set, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%+v: got %q, want %q", c.set, got[i], c.want[i])
			}
		}
	}
}
