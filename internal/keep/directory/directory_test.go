package directory

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"postseal/internal/peers"
)

func certificate(t *testing.T, mail string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: mail}, EmailAddresses: []string{mail}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// unfold reads what LDIF has folded, attribute by attribute.
func unfold(t *testing.T, text string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 76 {
			t.Errorf("a line of %d", len(line))
		}
	}
	for _, line := range strings.Split(strings.ReplaceAll(text, "\n ", ""), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		if plain, coded := strings.CutSuffix(name, ":"); coded {
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			name, value = plain, string(raw)
		}
		all[name] = append(all[name], value)
	}
	return all
}

// TestLDIF: names of every kind come back as they were, certificates byte for byte; openssl reads the message that carries
// them.
func TestLDIF(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	sign, encrypt := certificate(t, "kim@example.com"), certificate(t, "kim@example.com")
	for _, name := range []string{"Kim Minji", "김민지", " leading", "trailing ", ":colon", "<less", "a\nb", strings.Repeat("long ", 40) + "x", ""} {
		text, err := LDIF([]Person{{Mail: "kim@example.com", Name: name, Sign: sign, Encrypt: encrypt}}, "")
		if err != nil {
			t.Fatal(err)
		}
		got := unfold(t, text)
		want := name
		if want == "" {
			want = "kim@example.com"
		}
		if got["cn"][0] != want || got["mail"][0] != "kim@example.com" || got["dn"][0] != "mail=kim@example.com,ou=People,dc=example,dc=com" || got["userCertificate;binary"][0] != string(encrypt.Raw) {
			t.Errorf("%q: got %q", name, got)
		}
		r := peers.OpenSSL(t, got["userSMIMECertificate;binary"][0], "pkcs7", "-inform", "DER", "-print_certs")
		if r.Exit != 0 || strings.Count(r.Stdout, "BEGIN CERTIFICATE") != 2 {
			t.Errorf("%q: openssl: %v", name, r)
		}
	}
	for mail, want := range map[string]string{"a,b@example.com": `mail=a\,b@example.com,ou=x`, "#a@example.com": `mail=\#a@example.com,ou=x`, `"a+b"@example.com`: `mail=\"a\+b\"@example.com,ou=x`} {
		text, err := LDIF([]Person{{Mail: mail, Encrypt: encrypt}}, "ou=x")
		if got := unfold(t, text); err != nil || got["dn"][0] != want {
			t.Errorf("%s: got %q, %v", mail, got["dn"], err)
		}
	}
}

// TestVCard: lines are short, end as they must, and hold the certificate.
func TestVCard(t *testing.T) {
	t.Parallel()
	encrypt := certificate(t, "kim@example.com")
	text := VCard(Person{Mail: "kim@example.com", Name: "김민지; " + strings.Repeat("가", 60), Encrypt: encrypt})
	for _, line := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("%d octets: %q", len(line), line)
		}
	}
	whole := strings.ReplaceAll(text, "\r\n ", "")
	if !strings.Contains(whole, `FN:김민지\; 가가`) {
		t.Errorf("got %s", whole)
	}
	_, key, _ := strings.Cut(whole, "KEY;ENCODING=b;TYPE=X509:")
	key, _, _ = strings.Cut(key, "\r\n")
	if der, err := base64.StdEncoding.DecodeString(key); err != nil || !bytes.Equal(der, encrypt.Raw) {
		t.Errorf("the certificate is another: %v", err)
	}
}
