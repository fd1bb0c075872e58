package challenge

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"postseal/internal/issue/acme"
)

// FuzzCAAValue: whatever a zone says, only a value that begins with our domain means us, and one more parameter that is
// not fulfilled forbids.
func FuzzCAAValue(f *testing.F) {
	for _, v := range []string{"pki.example.test", "pki.example.test; accounturi=u", " ; ", "pki.example.test;validationmethods=http-01,dns-01", "a;b=c;b=c", ";;;=", "PKI.EXAMPLE.TEST\t;"} {
		f.Add(v, uint8(0), false)
	}
	f.Add("letsencrypt.org", uint8(128), true)
	who := Issuer{Domains: []string{"pki.example.test"}, Account: "u", Method: acme.HTTP01}
	f.Fuzz(func(t *testing.T, value string, flag uint8, wildcard bool) {
		may := names(value, who)
		if may && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(value)), "pki.example.test") {
			t.Errorf("%q means us", value)
		}
		if may && names(value+"; validationmethods=dns-01", who) {
			t.Errorf("%q means us although another method is wanted", value)
		}
		set := []*dns.CAA{{Flag: flag, Tag: "issue", Value: value}}
		if permitted(set, wildcard, who) != may {
			t.Errorf("%q: a set of one is another than its record", value)
		}
		if permitted(append(set, &dns.CAA{Flag: 128, Tag: "new", Value: value}), wildcard, who) {
			t.Errorf("%q: what is critical and unknown does not forbid", value)
		}
		if permitted(set, wildcard, Issuer{Account: "u", Method: acme.HTTP01}) {
			t.Errorf("%q: somebody without a domain is named", value)
		}
	})
}

// FuzzAnswerCertificate: a certificate of any shape for tls-alpn-01. It counts only with the digest that is looked for.
func FuzzAnswerCertificate(f *testing.F) {
	sum := sha256.Sum256([]byte("x"))
	value, err := asn1.Marshal(sum[:])
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range []x509.Certificate{
		{DNSNames: []string{testName}, ExtraExtensions: []pkix.Extension{extension(true, value)}},
		{DNSNames: []string{testName}, ExtraExtensions: []pkix.Extension{extension(false, value)}},
		{DNSNames: []string{testName, "b.example.test"}},
	} {
		f.Add(selfSigned(f, c).Certificate[0])
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		id := acme.Identifier{Type: acme.IdentifierDNS, Value: testName}
		if isAnswer(cert, id, sum[:]) == nil && (!strings.Contains(string(der), string(sum[:])) || len(cert.DNSNames) != 1) {
			t.Error("it is taken without the digest, or for several names")
		}
		other := sha256.Sum256([]byte("y"))
		if isAnswer(cert, id, other[:]) == nil && !strings.Contains(string(der), string(other[:])) {
			t.Error("it is taken for a digest that it has not")
		}
		isAnswer(cert, acme.Identifier{Type: acme.IdentifierIP, Value: "127.0.0.1"}, sum[:])
	})
}
