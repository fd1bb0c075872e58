package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority signs certificates for foreign servers: a root, made for one test.
type Authority struct {
	RootFile string // PEM; trusted by a program that runs with SSL_CERT_FILE naming it

	t    testing.TB
	dir  string
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes a root.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Peers Root"}, NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.root, a.key = a.sign(template, nil)
	a.RootFile = a.write("root.pem", "CERTIFICATE", a.root.Raw)
	return a
}

// Certificate makes a certificate for a host, from a day until another.
func (a *Authority) Certificate(name string, from, until time.Time) Certificate {
	a.t.Helper()
	leaf, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.root)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatalf("writing a key: %v", err)
	}
	serial := leaf.SerialNumber.Text(16)
	return Certificate{ChainFile: a.write(serial+".pem", "CERTIFICATE", leaf.Raw), KeyFile: a.write(serial+".key", "PRIVATE KEY", der)}
}

func (a *Authority) sign(c, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatalf("making a key: %v", err)
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		a.t.Fatalf("drawing a serial number: %v", err)
	}
	by := a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		a.t.Fatalf("making a certificate: %v", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatalf("reading a certificate: %v", err)
	}
	return made, key
}

func (a *Authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatalf("writing %s: %v", name, err)
	}
	return path
}
