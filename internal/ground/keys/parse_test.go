package keys

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseFiles(t *testing.T) {
	t.Parallel()
	p := testKey(t, ECDSAP256)
	key := string(p.PEM())
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCertificate(t, p).Raw}))
	tests := []struct{ name, data string }{
		{"key after its chain", chain + chain + key},
		{"key before its chain", key + chain},
		{"text around it", "Bag Attributes\n  friendlyName: x\n" + key + "end\n"},
		{"Windows line ends and byte order mark", "\xef\xbb\xbf" + strings.ReplaceAll(key, "\n", "\r\n")},
		{"no last line end", strings.TrimSuffix(key, "\n")},
		{"label of another form", strings.ReplaceAll(key, "PRIVATE KEY", "EC PRIVATE KEY")},
		{"curve parameters first", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key},
	}
	for _, tt := range tests {
		got, err := Parse([]byte(tt.data))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !bytes.Equal(got.PKCS8(), p.PKCS8()) {
			t.Errorf("%s: another key", tt.name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	p := testKey(t, ECDSAP256)
	key, der := string(p.PEM()), string(p.PKCS8())
	certificate := testCertificate(t, p).Raw
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	chainLines := strings.Count(chain, "\n")
	tests := []struct {
		name, data string
		want       error
		text       string
	}{
		{"nothing", "", ErrNoPrivateKey, "neither PKCS #8"},
		{"text", "hello\n", ErrNoPrivateKey, "neither PKCS #8"},
		{"certificate only", chain, ErrNoPrivateKey, "PEM without a private key block"},
		{"certificate in DER", string(certificate), ErrNoPrivateKey, ""},
		{"two keys", "\n" + key + chain + key, ErrNoPrivateKey,
			fmt.Sprintf("line %d: a second private key after the one in line 2", 2+strings.Count(key, "\n")+chainLines)},
		{"damaged base64", chain + strings.Replace(key, "M", "!", 1), ErrNoPrivateKey,
			fmt.Sprintf("line %d: damaged PEM block", chainLines+1)},
		{"cut off", key[:len(key)-30], ErrNoPrivateKey, "line 1: damaged PEM block"},
		{"garbage in a block", chain + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", ErrNoPrivateKey,
			fmt.Sprintf("line %d: neither PKCS #8", chainLines+1)},
		{"trailing bytes", der + "x", ErrNoPrivateKey, "neither PKCS #8"},
		{"cut off DER", der[:len(der)-1], ErrNoPrivateKey, "neither PKCS #8"},
		{"key for SSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", ErrNoPrivateKey, "SSH"},
		{"encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", ErrEncrypted, "line 1: the private key is encrypted"},
		{"too long", key + strings.Repeat("\n", maxFileBytes), ErrNoPrivateKey, "more than 64 KiB"},
		{"too long inside", string(pem.EncodeToMemory(&pem.Block{Type: labelPKCS8, Bytes: bytes.Repeat([]byte{0x30}, maxDERBytes+1)})), ErrNoPrivateKey, "neither PKCS #8"},
	}
	for _, tt := range tests {
		got, err := Parse([]byte(tt.data))
		if got != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, %v, want %v with %q", tt.name, got, err, tt.want, tt.text)
		}
	}
}

func TestParsePKCS8TakesNothingElse(t *testing.T) {
	t.Parallel()
	p := testKey(t, RSA2048)
	older := x509.MarshalPKCS1PrivateKey(standard(t, p))
	if _, err := Parse(older); err != nil {
		t.Errorf("PKCS #1 by any: %v", err)
	}
	for name, data := range map[string][]byte{"PKCS #1": older, "PEM": p.PEM(), "nothing": nil, "trailing": append(p.PKCS8(), 0)} {
		if _, err := ParsePKCS8(data); !errors.Is(err, ErrNoPrivateKey) {
			t.Errorf("%s: got %v, want ErrNoPrivateKey", name, err)
		}
	}
}

// standard returns the RSA key of the standard library inside p.
func standard(t *testing.T, p *Private) *rsa.PrivateKey {
	t.Helper()
	k, ok := p.key().signer.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("got a key of type %T, want RSA", p.key().signer)
	}
	return k
}

// TestParseAltered flips every bit of a sealed form in turn: whatever is still read must be a key that works.
func TestParseAltered(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{ECDSAP256, Ed25519} {
		der := testKey(t, kind).PKCS8()
		for i := range len(der) * 8 {
			altered := NewSecret(der)
			altered[i/8] ^= 1 << (i % 8)
			p, err := ParsePKCS8(altered)
			if (p == nil) == (err == nil) {
				t.Fatalf("%v, bit %d: got %v, %v", kind, i, p, err)
			}
			if p != nil {
				if err := Judge(p); err != nil {
					t.Errorf("%v, bit %d: a key was read that is judged %v", kind, i, err)
				}
			}
		}
	}
}
