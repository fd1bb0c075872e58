package x509cert

import (
	"crypto/x509"
	"testing"
)

func TestSignsHandshakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		usage x509.KeyUsage
		want  bool
	}{
		{0, true}, // no extension, no restriction
		{x509.KeyUsageDigitalSignature, true},
		{x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, true},
		{x509.KeyUsageKeyEncipherment, false},
		{x509.KeyUsageCertSign, false},
	} {
		cert, err := ParseCertificate(newCertificate(t, &x509.Certificate{KeyUsage: c.usage}, newKey(t)))
		if err != nil {
			t.Fatal(err)
		}
		if got := SignsHandshakes(cert); got != c.want {
			t.Errorf("key usage %b: got %v", c.usage, got)
		}
	}
}
