package challenge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"postseal/internal/issue/acme"
	"postseal/internal/peers"
)

const (
	testName  = "web.example.test"
	testToken = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
)

// stand is a validator with a name server, and this machine as the place of every name below example.test.
type stand struct {
	*Validator
	names *peers.NameServer
	key   *acme.Key
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// newStand makes one. o needs no resolver; networks that are nil are loopback.
func newStand(t *testing.T, o Options) *stand {
	t.Helper()
	names := peers.NewNameServer(t)
	names.Set(t, "*.example.test", "A", "127.0.0.1")
	o.Resolver = names.Address
	if o.Networks == nil {
		o.Networks = loopback()
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	key, err := acme.NewKey(generate(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	return &stand{v, names, key}
}

func generate(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ask validates a name, or an address.
func (s *stand) ask(t testing.TB, kind acme.ChallengeType, name string) *acme.Problem {
	t.Helper()
	id := acme.Identifier{Type: acme.IdentifierDNS, Value: name}
	if _, err := netip.ParseAddr(name); err == nil {
		id.Type = acme.IdentifierIP
	}
	return s.Validate(t.Context(), Question{Type: kind, Identifier: id, Token: testToken, Account: s.key})
}

// want fails the test unless the problem is of a type; empty means that there is none.
func want(t testing.TB, p *acme.Problem, kind acme.ProblemType) {
	t.Helper()
	switch {
	case p == nil && kind != "":
		t.Errorf("it is proved, want %s", kind)
	case p != nil && p.Type != kind:
		t.Errorf("got %v, want %q", p, kind)
	case p != nil && p.Identifier == nil:
		t.Errorf("%v: it does not say which name", p)
	}
}

// serve answers HTTP on 127.0.0.1 and returns the port.
func serve(t testing.TB, f http.HandlerFunc) uint16 {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return portOf(s.Listener)
}

func portOf(ln net.Listener) uint16 { return uint16(ln.Addr().(*net.TCPAddr).Port) }

// says is a page that holds a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
}

// extension is id-pe-acmeIdentifier with what a test wants.
func extension(critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}, Critical: critical, Value: value}
}

// selfSigned is a certificate of a template.
func selfSigned(t testing.TB, c x509.Certificate) tls.Certificate {
	t.Helper()
	key := generate(t)
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS answers handshakes until the test ends, and returns the port.
func serveTLS(t testing.TB, c *tls.Config) uint16 {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			conn.(*tls.Conn).Handshake() // the other side says how it went
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return portOf(ln)
}
