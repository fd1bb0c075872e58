package probe

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
	"postseal/internal/peers"
)

// authority is a root and an intermediate, made for one test.
type authority struct {
	root, middle       *x509.Certificate
	rootKey, middleKey crypto.Signer
}

// wish is what a certificate shall be; the zero value is a good one for mail.example.test.
type wish struct {
	names       []string
	begins      time.Duration // from now; zero means an hour ago
	ends        time.Duration // from now; zero means 90 days
	rsaBits     int           // zero means P-256
	alone       bool          // without the intermediate
	withRoot    bool
	reversed    bool
	selfSigned  bool
	weakHashing bool
	list        string // where its revocation list is
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.root, a.rootKey = certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil, 0)
	a.middle, a.middleKey = certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Test Intermediate"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, a.root, a.rootKey, 0)
	return a
}

// certify makes a key and a certificate; parent nil signs it with itself.
func certify(t testing.TB, c *x509.Certificate, parent *x509.Certificate, by crypto.Signer, rsaBits int) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	var key crypto.Signer
	var err error
	if rsaBits > 0 {
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// issue makes what a server serves.
func (a *authority) issue(t testing.TB, w wish) tls.Certificate {
	t.Helper()
	if w.names == nil {
		w.names = []string{"mail.example.test"}
	}
	if w.begins == 0 {
		w.begins = -time.Hour
	}
	if w.ends == 0 {
		w.ends = 90 * 24 * time.Hour
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: w.names[0]}, NotBefore: time.Now().Add(w.begins), NotAfter: time.Now().Add(w.ends),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if w.list != "" {
		c.CRLDistributionPoints = []string{w.list}
	}
	for _, name := range w.names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	parent, by := a.middle, a.middleKey
	if w.selfSigned {
		parent, by = nil, nil
	}
	leaf, key := certify(t, c, parent, by, w.rsaBits)
	out := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	if !w.alone && !w.selfSigned {
		out.Certificate = append(out.Certificate, a.middle.Raw)
	}
	if w.withRoot {
		out.Certificate = append(out.Certificate, a.root.Raw)
	}
	if w.reversed {
		slices.Reverse(out.Certificate[1:])
	}
	return out
}

// files writes what a foreign server reads.
func (a *authority) files(t testing.TB, w wish) peers.Certificate {
	t.Helper()
	c := a.issue(t, w)
	dir := t.TempDir()
	out := peers.Certificate{ChainFile: filepath.Join(dir, "chain.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{out.ChainFile: chain, out.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// verifier trusts the authority's root as this machine would.
func (a *authority) verifier(t testing.TB) *trust.Verifier {
	t.Helper()
	v, err := trust.New(trust.Options{Anchors: []trust.Anchor{{Cert: a.root, From: x509cert.RootThirdParty}}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// prober makes one that trusts a, with a short limit: what is rude in tests is rude at once.
func (a *authority) prober(t testing.TB, o Options) *Prober {
	t.Helper()
	if o.Machine == nil {
		o.Machine = a.verifier(t)
	}
	if o.Limit == 0 {
		o.Limit = 5 * time.Second
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve answers each connection with do, and closes it after that.
func serve(t testing.TB, do func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); ln.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			go func() {
				defer stop()
				defer conn.Close()
				do(conn)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// serveTLS answers with TLS from the first byte.
func serveTLS(t testing.TB, c *tls.Config) netip.AddrPort {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		if err := tls.Server(conn, c).Handshake(); err != nil {
			return
		}
	})
}

// with serves certificates to whoever comes.
func with(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: certificates}
}

// at is the endpoint mail.example.test, wherever it stands.
func at(where netip.AddrPort) Endpoint {
	return Endpoint{Host: "mail.example.test", Port: 993, Protocol: IMAP, Address: where}
}

// codes are the codes of findings that are more than information, with a mark for each severity.
func codes(list []Finding, least Severity) string {
	var words []string
	for _, f := range list {
		if f.Severity.rank() >= least.rank() {
			words = append(words, string(f.Severity)+" "+string(f.Code))
		}
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ", ")
}

// said are the texts of findings.
func said(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(string(f.Code) + ": " + f.Text + "\n")
	}
	return b.String()
}

func thumbprintOf(c tls.Certificate) string { return x509cert.Thumbprint(c.Certificate[0]) }

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
