package acmeserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"crypto/ecdsa"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
)

// TestRequestsThatAreRefused: each is badCSR, the order stays ready, and nothing is planned. The right one is taken after
// all of them.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test", "b.example.test")
	names := []string{"a.example.test", "b.example.test"}
	key := generate(t)
	good := csr(t, key, names...)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	san := func(values ...asn1.RawValue) pkix.Extension {
		v, err := asn1.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: v}
	}
	dns := func(n string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(n)}
	}
	both := san(dns(names[0]), dns(names[1]))
	cn := asn1.ObjectIdentifier{2, 5, 4, 3}
	for what, der := range map[string][]byte{
		"nothing":              nil,
		"no request":           []byte("hello"),
		"cut off":              good[:len(good)-1],
		"something behind":     append(slices.Clone(good), 0),
		"bad signature":        append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"one name":             csr(t, key, names[0]),
		"a name more":          csr(t, key, append(slices.Clone(names), "c.example.test")...),
		"a name in its place":  csr(t, key, names[0], "c.example.test"),
		"a wildcard":           csr(t, key, names[0], names[1], "*.a.example.test"),
		"an address":           csrOf(t, key, &x509.CertificateRequest{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}),
		"an e-mail address":    csrOf(t, key, &x509.CertificateRequest{DNSNames: names, EmailAddresses: []string{"a@a.example.test"}}),
		"a URI":                csrOf(t, key, &x509.CertificateRequest{DNSNames: names, URIs: []*url.URL{{Scheme: "https", Host: "a.example.test"}}}),
		"another CN":           csrOf(t, key, &x509.CertificateRequest{DNSNames: names, Subject: pkix.Name{CommonName: "c.example.test"}}),
		"a CN that is no host": csrOf(t, key, &x509.CertificateRequest{DNSNames: names, Subject: pkix.Name{CommonName: "Our web server"}}),
		"two CNs": csrOf(t, key, &x509.CertificateRequest{DNSNames: names, RawSubject: mustMarshal(t, pkix.RDNSequence{
			{{Type: cn, Value: "evil.example.org"}}, {{Type: cn, Value: names[0]}}})}),
		"extension twice":    csrOf(t, key, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{both, both}}),
		"extensions differ":  csrOf(t, key, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{both, san(dns("c.example.test"))}}),
		"no host name":       csrOf(t, key, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{san(dns(names[0]), dns(names[1]+"\x00.example.org"))}}),
		"a weak key":         csr(t, mustWeak(t), names...),
		"RSA of 1024 bits":   csr(t, short, names...),
		"P-224":              csr(t, p224, names...),
		"Ed25519":            csr(t, ed, names...), // not among the profile's
		"the account's key":  csr(t, c.key, names...),
		"a huge common name": csrOf(t, key, &x509.CertificateRequest{DNSNames: names, Subject: pkix.Name{CommonName: string(bytes.Repeat([]byte("a"), 10_000))}}),
	} {
		t.Run(what, func(t *testing.T) {
			c.t = t
			c.finalize(o, der).want(t, 400, acme.BadCSR)
			if n, _ := h.issued(t); n != 0 {
				t.Fatalf("%d certificates were planned", n)
			}
		})
	}
	c.t = t
	huge := c.finalize(o, unsigned(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 99_999, 1), E: 65537}))
	if huge.want(t, 400, acme.BadCSR); !strings.Contains(huge.problem.Detail, "100000 bits") {
		t.Errorf("a signature was checked with a key of 100,000 bits: %v", huge)
	}
	c.post(o.Finalize, acme.Finalize{CSR: base64.StdEncoding.EncodeToString(good)}).want(t, 400, acme.BadCSR)
	c.post(o.Finalize, nil).want(t, 400, acme.Malformed)
	c.post(o.Finalize, acme.Finalize{CSR: base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte("A"), 10<<20))}).want(t, 413, acme.Malformed)
	c.post(o.url, nil).into(t, &o.Order)
	if o.Status != acme.StatusReady {
		t.Errorf("the order is %s", o.Status)
	}
	c.finalize(o, csrOf(t, key, &x509.CertificateRequest{DNSNames: []string{"B.example.test"}, Subject: pkix.Name{CommonName: "a.example.test"}})).into(t, &o.Order)
	cert := c.fetch(o)
	if !slices.Equal(cert.DNSNames, names) || !key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("got %v", cert.DNSNames)
	}
}

// unsigned is a request of a key that nobody has.
func unsigned(t testing.TB, key any) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	type info struct { // RFC 2986 section 4.1
		Version    int
		Subject    pkix.RDNSequence
		Key        asn1.RawValue
		Attributes asn1.RawValue
	}
	sha256WithRSA := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}
	return mustMarshal(t, struct {
		Info      info
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{info{Key: asn1.RawValue{FullBytes: spki}, Attributes: asn1.RawValue{FullBytes: []byte{0xa0, 0}}}, sha256WithRSA, asn1.BitString{Bytes: []byte{1}, BitLength: 8}})
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestFinalizedTwice: one after the other, and many at once with other keys, make one certificate.
func TestFinalizedTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c, other := h.member(t, state.ACMEKey{}), h.member(t, state.ACMEKey{})
	o := c.ready("a.example.test")
	var all sync.WaitGroup
	for range 8 {
		one := &client{t: t, h: h, key: c.key, kid: c.kid}
		request := csr(t, generate(t), "a.example.test")
		all.Go(func() {
			if a := one.finalize(o, request); a.status != http.StatusOK {
				t.Errorf("got %v", a)
			}
		})
	}
	all.Wait()
	c.post(o.url, nil).into(t, &o.Order)
	first := c.fetch(o)
	var again acme.Order
	c.finalize(o, csr(t, generate(t), "a.example.test")).into(t, &again)
	if again.Status != acme.StatusValid || again.Certificate != o.Certificate {
		t.Errorf("got %+v", again)
	}
	if planned, recorded := h.issued(t); planned != 1 || recorded != 1 {
		t.Errorf("%d were planned, %d recorded", planned, recorded)
	}
	if !c.fetch(o).Equal(first) {
		t.Error("it is another certificate")
	}
	other.post(o.Certificate, nil).want(t, 404, acme.Malformed)
	c.post(o.Certificate, struct{}{}).want(t, 400, acme.Malformed)
	c.post(testBase+"/cert/00", nil).want(t, 404, acme.Malformed)
}

// TestAddressIsCertified: RFC 8738.
func TestAddressIsCertified(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.member(t, state.ACMEKey{Profile: "numbers"})
	cert := c.enrol(generate(t), "127.0.0.1", "a.example.test")
	if len(cert.IPAddresses) != 1 || !cert.IPAddresses[0].Equal(net.IPv4(127, 0, 0, 1)) || len(cert.DNSNames) != 1 {
		t.Errorf("got %v, %v", cert.IPAddresses, cert.DNSNames)
	}
}

// TestCAARefuses: a public name whose domain names other issuers.
func TestCAARefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.names.Set(t, "*.example.com", "A", "127.0.0.1")
	c := h.member(t, state.ACMEKey{})
	h.names.Set(t, "example.com", "CAA", `0 issue "letsencrypt.org"`)
	var o acme.Order
	c.order("a.example.com").into(t, &o)
	if got := c.prove(o.Authorizations[0]); got.Status != acme.StatusInvalid || got.Error == nil || got.Error.Type != acme.CAA {
		t.Errorf("got %+v", got)
	}
	h.names.Set(t, "example.com", "CAA", `0 issue "letsencrypt.org"`, `0 issue "pki.example.test; accounturi=`+c.kid+`; validationmethods=http-01"`)
	c.enrol(generate(t), "a.example.com")
	h.names.Set(t, "example.com", "CAA", `0 issue "pki.example.test; validationmethods=dns-01"`)
	c.order("a.example.com").into(t, &o)
	if got := c.prove(o.Authorizations[0]); got.Error == nil || got.Error.Type != acme.CAA {
		t.Errorf("another method: got %+v", got)
	}
	if h.names.Asked("a.example.test", "CAA") != 0 {
		t.Error("a name of nobody's was asked for")
	}
	for name, want := range map[string]bool{"a.example.com": true, "a.github.io": true, "x.co.uk": true, "a.example.test": false, "host.internal": false, "a.local": false} {
		if public(name) != want {
			t.Errorf("%s: public %v", name, !want)
		}
	}
}
