package challenge

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"postseal/internal/issue/acme"
)

func TestTLSALPN01(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	sum := sha256.Sum256([]byte(s.key.Authorization(testToken)))
	octets := func(b []byte) []byte {
		der, err := asn1.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	right := extension(true, octets(sum[:]))
	names := []string{testName}
	san := func(values ...asn1.RawValue) pkix.Extension {
		der, err := asn1.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}
	}
	dnsName := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(testName)}
	other := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{0x2a, 0x03}} // registeredID
	for what, tt := range map[string]struct {
		cert     x509.Certificate
		protocol string // empty: acme-tls/1
		problem  acme.ProblemType
	}{
		"right":                   {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{right}}, "", ""},
		"in upper case":           {x509.Certificate{DNSNames: []string{"WEB.example.test"}, ExtraExtensions: []pkix.Extension{right}}, "", ""},
		"not critical":            {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{extension(false, octets(sum[:]))}}, "", acme.Unauthorized},
		"no extension":            {x509.Certificate{DNSNames: names}, "", acme.Unauthorized},
		"of another account":      {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{extension(true, octets(make([]byte, 32)))}}, "", acme.Unauthorized},
		"something behind":        {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{extension(true, append(octets(sum[:]), 5, 0))}}, "", acme.Unauthorized},
		"no octet string":         {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{extension(true, sum[:])}}, "", acme.Unauthorized},
		"empty":                   {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{extension(true, nil)}}, "", acme.Unauthorized},
		"no name":                 {x509.Certificate{ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"two names":               {x509.Certificate{DNSNames: []string{testName, "b.example.test"}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"the same name twice":     {x509.Certificate{DNSNames: []string{testName, testName}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"another name":            {x509.Certificate{DNSNames: []string{"b.example.test"}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"a wildcard":              {x509.Certificate{DNSNames: []string{"*.example.test"}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"an address more":         {x509.Certificate{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"a URI more":              {x509.Certificate{DNSNames: names, URIs: []*url.URL{{Scheme: "https", Host: "x"}}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"a name of another kind":  {x509.Certificate{ExtraExtensions: []pkix.Extension{right, san(dnsName, other)}}, "", acme.Unauthorized},
		"only of another kind":    {x509.Certificate{ExtraExtensions: []pkix.Extension{right, san(other)}}, "", acme.Unauthorized},
		"name in the subject":     {x509.Certificate{Subject: pkix.Name{CommonName: testName}, ExtraExtensions: []pkix.Extension{right}}, "", acme.Unauthorized},
		"another protocol":        {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{right}}, "h2", acme.TLS},
		"no protocol":             {x509.Certificate{DNSNames: names, ExtraExtensions: []pkix.Extension{right}}, "-", acme.Unauthorized},
		"an ordinary certificate": {x509.Certificate{DNSNames: names}, "-", acme.Unauthorized},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := &tls.Config{Certificates: []tls.Certificate{selfSigned(t, tt.cert)}, NextProtos: []string{protocolALPN}}
			switch tt.protocol {
			case "-":
				c.NextProtos = nil
			case "h2":
				c.NextProtos = []string{"h2"}
			}
			v := *s.Validator
			v.tlsPort = serveTLS(t, c)
			want(t, (&stand{&v, s.names, s.key}).ask(t, acme.TLSALPN01, testName), tt.problem)
		})
	}
	s.tlsPort = serve(t, says("no TLS"))
	want(t, s.ask(t, acme.TLSALPN01, testName), acme.TLS)
	s.tlsPort = 1
	want(t, s.ask(t, acme.TLSALPN01, testName), acme.Connection)
}

// TestAddressOverTLS: an address is asked for by its reverse name, and stands in the certificate alone (RFC 8738 section 6).
func TestAddressOverTLS(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	sum := sha256.Sum256([]byte(s.key.Authorization(testToken)))
	der, err := asn1.Marshal(sum[:])
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		cert    x509.Certificate
		problem acme.ProblemType
	}{
		"right":           {x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()}, ExtraExtensions: []pkix.Extension{extension(true, der)}}, ""},
		"another address": {x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 2).To4()}, ExtraExtensions: []pkix.Extension{extension(true, der)}}, acme.Unauthorized},
		"a name":          {x509.Certificate{DNSNames: []string{"1.0.0.127.in-addr.arpa"}, ExtraExtensions: []pkix.Extension{extension(true, der)}}, acme.Unauthorized},
	} {
		cert := selfSigned(t, tt.cert)
		var asked atomic.Value
		s.tlsPort = serveTLS(t, &tls.Config{NextProtos: []string{protocolALPN}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			asked.Store(h.ServerName)
			return &cert, nil
		}})
		t.Log(what)
		want(t, s.ask(t, acme.TLSALPN01, "127.0.0.1"), tt.problem)
		if got := asked.Load(); got != "1.0.0.127.in-addr.arpa" {
			t.Errorf("asked for %v", got)
		}
	}
	for address, name := range map[string]string{
		"192.0.2.10":       "10.2.0.192.in-addr.arpa",
		"2001:db8::567:89": "9.8.0.0.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got, err := reverse(address); err != nil || got != name {
			t.Errorf("%s: got %s, %v", address, got, err)
		}
	}
}
