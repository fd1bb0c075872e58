package x509cert

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
)

// TestElementsTooMany: crypto/x509 takes certificates with elements that nobody has defined, we do not.
func TestElementsTooMany(t *testing.T) {
	t.Parallel()
	der := newCertificate(t, &x509.Certificate{DNSNames: []string{"mail.example.com"}}, newKey(t))
	if _, err := ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	// Behind the signature there is a NULL more; the outer length is mended.
	more := append(bytes.Clone(der), 5, 0)
	if more[1] != 0x82 {
		t.Fatalf("the length has another form: %x", more[:4])
	}
	n := int(more[2])<<8 | int(more[3]) + 2
	more[2], more[3] = byte(n>>8), byte(n)
	if _, err := x509.ParseCertificate(more); err != nil {
		t.Fatalf("crypto/x509 refuses it too, so this shows nothing: %v", err)
	}
	if _, err := ParseCertificate(more); !errors.Is(err, errStructure) {
		t.Errorf("got %v, want %v", err, errStructure)
	}
}
