package x509cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRelativePoint: a certificate with a distribution point relative to the CRL issuer, which crypto/x509 refuses, is
// read, and says what it says.
func TestRelativePoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		what      string
		value     string // hex, of the extension
		critical  bool
		ok        bool
		addresses []string
	}{
		{"relative", seq(t, relativePoint(t)), false, true, nil},
		{"critical", seq(t, relativePoint(t)), true, true, nil},
		{"relative and an address", seq(t, relativePoint(t), "3011a00fa00d860b687474703a2f2f612f622f"), false, true, []string{"http://a/b/"}},
		{"neither full nor relative", seq(t, "3004a002a200"), false, false, nil},
		{"something behind it", seq(t, relativePoint(t)) + "00", false, false, nil},
		{"a point cut short", "3003a00200", false, false, nil},
		{"no SEQUENCE", "0500", false, false, nil},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		value, err := hex.DecodeString(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Unix(2e9, 0), DNSNames: []string{"a.example"},
			ExtraExtensions: []pkix.Extension{{Id: extDistributionPoints, Critical: tt.critical, Value: value}},
			IsCA:            true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil && !strings.Contains(err.Error(), "distribution point") {
			t.Fatal(err)
		}
		if der == nil {
			t.Fatalf("%s: no certificate", tt.what)
		}
		if _, err := x509.ParseCertificate(der); err == nil {
			t.Errorf("%s: crypto/x509 reads it by itself: parseRelative can go", tt.what)
		}
		roomy := slices.Grow(bytes.Clone(der), 100)
		before := sha256.Sum256(der)
		cert, err := ParseCertificate(roomy)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want read %v", tt.what, err, tt.ok)
		}
		if err != nil {
			continue
		}
		if !bytes.Equal(cert.Raw, der) || sha256.Sum256(roomy) != before || !bytes.Contains(der, cert.RawTBSCertificate) {
			t.Errorf("%s: the octets are not the original's", tt.what)
		}
		if err := cert.CheckSignatureFrom(cert); err != nil {
			t.Errorf("%s: %v", tt.what, err)
		}
		if !slices.Equal(cert.CRLDistributionPoints, tt.addresses) || len(cert.UnhandledCriticalExtensions) > 0 {
			t.Errorf("%s: got %q and %v, want %q and nothing unhandled", tt.what, cert.CRLDistributionPoints, cert.UnhandledCriticalExtensions, tt.addresses)
		}
		i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(extDistributionPoints) })
		if i < 0 || !bytes.Equal(cert.Extensions[i].Value, value) || cert.Extensions[i].Critical != tt.critical {
			t.Errorf("%s: got the extensions %v, want the distribution points among them", tt.what, cert.Extensions)
		}
	}
}

// wrap puts contents, in hex, under a tag.
func wrap(t *testing.T, tag byte, contents string) string {
	t.Helper()
	n := len(contents) / 2
	if n > 127 {
		t.Fatalf("%d octets are too many for this test", n)
	}
	return hex.EncodeToString([]byte{tag, byte(n)}) + contents
}

func seq(t *testing.T, points ...string) string { return wrap(t, 0x30, strings.Join(points, "")) }

// relativePoint is a DistributionPoint whose name is relative: [0] { [1] { attribute } }.
func relativePoint(t *testing.T) string {
	attribute := wrap(t, 0x30, "0603550403"+wrap(t, 0x0c, hex.EncodeToString([]byte("List 1"))))
	return wrap(t, 0x30, wrap(t, 0xa0, wrap(t, 0xa1, attribute)))
}
