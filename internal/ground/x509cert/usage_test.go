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

func TestUsageOID(t *testing.T) {
	t.Parallel()
	for usage, want := range map[Usage]string{
		UsageServerAuth:      "1.3.6.1.5.5.7.3.1",
		UsageEmailProtection: "1.3.6.1.5.5.7.3.4",
		UsageOCSPSigning:     "1.3.6.1.5.5.7.3.9",
		UsageAny:             "2.5.29.37.0",
	} {
		if got, ok := usage.OID(); !ok || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", usage, got, ok, want)
		}
	}
	if got, ok := Usage("1.2.3").OID(); ok {
		t.Errorf("a usage without a name has %v", got)
	}
}
