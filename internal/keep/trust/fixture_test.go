package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

// at is the moment for which the tests judge. Certificates of the fixture live around it.
var at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var serials atomic.Int64

// A maker is a certificate with its key, to issue others.
type maker struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A change is made to the template of a certificate before it is signed.
type change func(*x509.Certificate)

func changes(all ...change) change {
	return func(c *x509.Certificate) {
		for _, f := range all {
			f(c)
		}
	}
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serials.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: at.AddDate(-2, 0, 0), NotAfter: at.AddDate(5, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: binary.BigEndian.AppendUint64(nil, uint64(serials.Add(1))),
	}
}

func server(host string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serials.Add(1)), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: at.AddDate(0, -1, 0), NotAfter: at.AddDate(0, 2, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// newRoot makes a root. A nil change changes nothing.
func newRoot(t testing.TB, name string, f change) *maker {
	t.Helper()
	return newRootKey(t, name, newKey(t), f)
}

func newRootKey(t testing.TB, name string, key crypto.Signer, f change) *maker {
	t.Helper()
	template := authority(name)
	if f != nil {
		f(template)
	}
	return &maker{parse(t, template, template, key, key), key}
}

// between makes an authority below m, with a new key.
func (m *maker) between(t testing.TB, name string, f change) *maker {
	t.Helper()
	return m.betweenKey(t, name, newKey(t), f)
}

func (m *maker) betweenKey(t testing.TB, name string, key crypto.Signer, f change) *maker {
	t.Helper()
	template := authority(name)
	template.AuthorityKeyId = m.cert.SubjectKeyId // crypto/x509 leaves it out when issuer and subject are called the same
	if f != nil {
		f(template)
	}
	return &maker{parse(t, template, m.cert, key, m.key), key}
}

// tryBetween is between for certificates that crypto/x509 may refuse to read.
func (m *maker) tryBetween(t testing.TB, name string, f change) (*maker, error) {
	t.Helper()
	template, key := authority(name), newKey(t)
	f(template)
	der, err := x509.CreateCertificate(rand.Reader, template, m.cert, key.Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509cert.ParseCertificate(der)
	return &maker{cert, key}, err
}

// leaf makes a server's certificate below m.
func (m *maker) leaf(t testing.TB, host string, f change) *x509.Certificate {
	t.Helper()
	template := server(host)
	if f != nil {
		f(template)
	}
	return parse(t, template, m.cert, newKey(t), m.key)
}

func parse(t testing.TB, template, parent *x509.Certificate, key, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509cert.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func certs(makers ...*maker) (list []*x509.Certificate) {
	list = []*x509.Certificate{}
	for _, m := range makers {
		list = append(list, m.cert)
	}
	return list
}

// ext replaces or adds an extension that crypto/x509 would make otherwise or not at all.
func ext(critical bool, value []byte, id ...int) change {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: value})
	}
}

func expired(c *x509.Certificate) { c.NotAfter = at.Add(-time.Second) }

// crlOf makes a CRL of m that lists the given certificates.
func (m *maker) crlOf(t testing.TB, f func(*x509.RevocationList), revoked ...*x509.Certificate) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(24 * time.Hour)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: at.Add(-2 * time.Hour), ReasonCode: 1})
	}
	if f != nil {
		f(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, m.cert, m.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// want checks status and a part of the reason.
func want(t *testing.T, what string, got Verdict, status x509cert.Status, part string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Reason, part) {
		t.Errorf("%s: got %v (%s), want %v (…%s…)", what, got.Status, got.Reason, status, part)
	}
	if got.Reason == "" || strings.HasSuffix(got.Reason, ".") || strings.ContainsAny(got.Reason, "\n\r") {
		t.Errorf("%s: got the reason %q, want one sentence without a full stop", what, got.Reason)
	}
}
