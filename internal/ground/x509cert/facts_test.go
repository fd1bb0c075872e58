package x509cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// newKey makes a P-256 key.
func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newCertificate signs a template with its own key. It fills in a serial and a life if there is none.
func newCertificate(t testing.TB, template *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(1)
	}
	if template.NotAfter.IsZero() {
		template.NotBefore = time.Date(2026, 11, 1, 9, 0, 0, 0, time.FixedZone("KST", 9*3600))
		template.NotAfter = template.NotBefore.AddDate(1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inspect(t testing.TB, der []byte) Facts {
	t.Helper()
	cert, err := ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Inspect(cert)
}

// openssl runs the program and returns what it prints.
func openssl(t testing.TB, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestInspect(t *testing.T) {
	t.Parallel()
	serial, _ := new(big.Int).SetString("0a0b0c0d0e0f", 16)
	der := newCertificate(t, &x509.Certificate{
		Subject:            pkix.Name{CommonName: "mail.example.com", Organization: []string{"Example, Ltd."}, Country: []string{"KR"}},
		SerialNumber:       serial,
		DNSNames:           []string{"mail.example.com", "*.example.com"},
		IPAddresses:        []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")},
		EmailAddresses:     []string{"postmaster@example.com"},
		ExtKeyUsage:        []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageOCSPSigning, x509.ExtKeyUsageIPSECUser},
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}},
	}, newKey(t))
	f := inspect(t, der)
	if want := "CN=mail.example.com,O=Example\\, Ltd.,C=KR"; f.Subject != want || f.Issuer != want {
		t.Errorf("got subject %q, issuer %q, want %q", f.Subject, f.Issuer, want)
	}
	if f.Serial != "0a0b0c0d0e0f" {
		t.Errorf("got serial %q, want 0a0b0c0d0e0f", f.Serial)
	}
	if want := []string{"mail.example.com", "*.example.com", "postmaster@example.com", "192.0.2.1", "2001:db8::1"}; !slices.Equal(f.Names, want) {
		t.Errorf("got names %q, want %q", f.Names, want)
	}
	if want := []string{"serverAuth", "ocspSigning", "1.3.6.1.5.5.7.3.7", "1.3.6.1.4.1.311.20.2.2"}; !slices.Equal(f.Usages, want) {
		t.Errorf("got usages %q, want %q", f.Usages, want)
	}
	if want := "2026-11-01T00:00:00Z"; f.NotBefore.Format(time.RFC3339) != want {
		t.Errorf("got notBefore %v, want %v", f.NotBefore, want)
	}
	if f.KeyType != "ECDSA-P256" || !f.SelfSigned {
		t.Errorf("got key %v, self-signed %v, want ECDSA-P256, true", f.KeyType, f.SelfSigned)
	}
	// What openssl prints of the same certificate.
	out := openssl(t, der, "x509", "-inform", "DER", "-noout", "-serial", "-fingerprint", "-sha1", "-subject", "-nameopt", "RFC2253")
	for _, want := range []string{"serial=" + strings.ToUpper(f.Serial), "subject=" + f.Subject} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("openssl does not print %q:\n%s", want, out)
		}
	}
	line := regexp.MustCompile(`(?m)^sha1 Fingerprint=.*$`).FindString(out)
	if got, err := ParseThumbprint(line); err != nil || got != f.Thumbprint {
		t.Errorf("got thumbprint %q from openssl's %q, %v, want %q", got, line, err, f.Thumbprint)
	}
	out = openssl(t, der, "x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256")
	if got := strings.ToLower(strings.ReplaceAll(out, ":", "")); !strings.Contains(got, "="+f.SHA256+"\n") {
		t.Errorf("got SHA-256 %q, want openssl's %q", f.SHA256, out)
	}
}

func TestInspectNames(t *testing.T) {
	t.Parallel()
	san := func(values ...asn1.RawValue) []pkix.Extension {
		der, err := asn1.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		return []pkix.Extension{{Id: oidSubjectAltName, Value: der}}
	}
	general := func(tag int, octets string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(octets)}
	}
	tests := map[string]struct {
		template *x509.Certificate
		want     []string
	}{
		"host in the common name":     {&x509.Certificate{Subject: pkix.Name{CommonName: "Mail.Example.com"}}, []string{"mail.example.com"}},
		"wildcard in the common name": {&x509.Certificate{Subject: pkix.Name{CommonName: "*.example.com"}}, []string{"*.example.com"}},
		"words in the common name":    {&x509.Certificate{Subject: pkix.Name{CommonName: "Postseal Server Auth Certificate"}}, []string{}},
		"no common name":              {&x509.Certificate{Subject: pkix.Name{Organization: []string{"Example"}}}, []string{}},
		"common name beside names":    {&x509.Certificate{Subject: pkix.Name{CommonName: "cn.example.com"}, DNSNames: []string{"san.example.com"}}, []string{"san.example.com"}},
		"common name beside a URI":    {&x509.Certificate{Subject: pkix.Name{CommonName: "cn.example.com"}, ExtraExtensions: san(general(6, "https://example.com/"))}, []string{}},
		"order kept":                  {&x509.Certificate{ExtraExtensions: san(general(7, "\xc0\x00\x02\x01"), general(2, "b.example.com"), general(1, "a@example.com"), general(2, "a.example.com"))}, []string{"192.0.2.1", "b.example.com", "a@example.com", "a.example.com"}},
		"control characters":          {&x509.Certificate{ExtraExtensions: san(general(2, "a\x1b[2J.example.com"))}, []string{`a\x1b[2J.example.com`}},
	}
	for what, tt := range tests {
		got := inspect(t, newCertificate(t, tt.template, newKey(t))).Names
		if got == nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", what, got, tt.want)
		}
	}
}

func TestInspectSerial(t *testing.T) {
	t.Parallel()
	for hex, want := range map[string]string{"1": "01", "80": "80", "ff00": "ff00", "abc": "0abc", "ffffffffffffffffffffffffffffffff": "ffffffffffffffffffffffffffffffff"} {
		serial, _ := new(big.Int).SetString(hex, 16)
		der := newCertificate(t, &x509.Certificate{SerialNumber: serial}, newKey(t))
		if got := inspect(t, der).Serial; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if out := openssl(t, der, "x509", "-inform", "DER", "-noout", "-serial"); out != "serial="+strings.ToUpper(want)+"\n" {
			t.Errorf("got %q of openssl, want %q", out, want)
		}
	}
	if got := serialText(nil); got != "" {
		t.Errorf("got %q of no serial, want nothing", got)
	}
}

func TestInspectEmptyIsNeverNil(t *testing.T) {
	t.Parallel()
	f := inspect(t, newCertificate(t, &x509.Certificate{}, newKey(t)))
	if f.Names == nil || f.Usages == nil || len(f.Names)+len(f.Usages) != 0 {
		t.Errorf("got names %#v, usages %#v, want empty and not nil", f.Names, f.Usages)
	}
}

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Now().Add(time.Hour)}
	// The issuer is called the same but has another key: a cross certificate, or a trick.
	sameName, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), other)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "b"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		der  []byte
		want bool
	}{
		"own key": {newCertificate(t, template, key), true}, "same name, other key": {sameName, false}, "other name, own key": {issued, false},
	} {
		if got := inspect(t, tt.der).SelfSigned; got != tt.want {
			t.Errorf("%s: got %v, want %v", what, got, tt.want)
		}
	}
}

func TestKeyType(t *testing.T) {
	t.Parallel()
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		pub  crypto.PublicKey
		want string
	}{
		"RSA":         {&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023)}, "RSA-1024"},
		"P-256":       {newKey(t).Public(), "ECDSA-P256"},
		"P-521":       {p521.Public(), "ECDSA-P521"},
		"Ed25519":     {ed, "Ed25519"},
		"nil":         {nil, "Unknown"},
		"nil RSA":     {(*rsa.PublicKey)(nil), "Unknown"},
		"empty ECDSA": {&ecdsa.PublicKey{}, "Unknown"},
		"no key":      {"key", "Unknown"},
	} {
		if got := KeyType(tt.pub); got != tt.want {
			t.Errorf("%s: got %q, want %q", what, got, tt.want)
		}
	}
}

// TestForeignKeys has openssl make what crypto/x509 cannot.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) []byte {
		text, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("%s is not PEM", name)
		}
		return block.Bytes
	}
	openssl(t, nil, "req", "-x509", "-newkey", "ed448", "-nodes", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=a")
	openssl(t, nil, "genpkey", "-algorithm", "X25519", "-out", file("x.key"))
	openssl(t, nil, "pkey", "-in", file("x.key"), "-pubout", "-out", file("x.pub"))
	openssl(t, nil, "x509", "-new", "-force_pubkey", file("x.pub"), "-subj", "/CN=b", "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-out", file("x.pem"))
	openssl(t, nil, "req", "-x509", "-newkey", "rsa:1024", "-sha1", "-nodes", "-keyout", file("rsa.key"), "-out", file("rsa.pem"), "-subj", "/CN=c")
	for name, want := range map[string]struct {
		keyType    string
		selfSigned bool // what crypto/x509 can verify
	}{"ca.pem": {"Ed448", false}, "x.pem": {"X25519", false}, "rsa.pem": {"RSA-1024", true}} {
		f := inspect(t, read(name))
		if f.KeyType != want.keyType || f.SelfSigned != want.selfSigned {
			t.Errorf("%s: got %v, self-signed %v, want %v, %v", name, f.KeyType, f.SelfSigned, want.keyType, want.selfSigned)
		}
	}
}

func TestServerKeyUsage(t *testing.T) {
	t.Parallel()
	if got, want := ServerKeyUsage(&rsa.PublicKey{}), x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := ServerKeyUsage(newKey(t).Public()), x509.KeyUsageDigitalSignature; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseCertificateBounds(t *testing.T) {
	t.Parallel()
	if _, err := ParseCertificate(make([]byte, MaxCertificateBytes+1)); !errors.Is(err, ErrCertificateTooLong) {
		t.Errorf("got %v, want ErrCertificateTooLong", err)
	}
	if _, err := ParseCertificate(make([]byte, MaxCertificateBytes)); err == nil || errors.Is(err, ErrCertificateTooLong) {
		t.Errorf("got %v, want another error", err)
	}
	der := newCertificate(t, &x509.Certificate{}, newKey(t))
	if _, err := ParseCertificate(append(der, 0)); err == nil {
		t.Error("octets after the certificate were taken")
	}
}

// TestInspectHugeKey: a modulus of 60 KiB must not keep us busy.
func TestInspectHugeKey(t *testing.T) {
	t.Parallel()
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 400_000), big.NewInt(1))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: n, E: 65537}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if f := inspect(t, der); f.KeyType != "RSA-400001" || f.SelfSigned {
		t.Errorf("got %v, self-signed %v, want RSA-400001, false", f.KeyType, f.SelfSigned)
	}
}

func FuzzInspect(f *testing.F) {
	seeds := [][]byte{
		newCertificate(f, &x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"mail.example.com"}}, newKey(f)),
		newCertificate(f, &x509.Certificate{Subject: pkix.Name{CommonName: "mail.example.com"}, IPAddresses: []net.IP{net.IPv6loopback}}, newKey(f)),
		newCertificate(f, &x509.Certificate{Subject: pkix.Name{Organization: []string{"한국\x1b"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, newKey(f)),
		[]byte("no certificate"),
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	hex := regexp.MustCompile(`^[0-9A-F]{40} [0-9a-f]{64} -?([0-9a-f]{2})+$`)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := ParseCertificate(der)
		if err != nil {
			return
		}
		facts := Inspect(cert)
		if got := facts.Thumbprint + " " + facts.SHA256 + " " + facts.Serial; !hex.MatchString(got) {
			t.Errorf("got %q, want hex digits", got)
		}
		if facts.Names == nil || facts.Usages == nil || facts.KeyType == "" {
			t.Errorf("got %#v, want no nil and a key type", facts)
		}
		if facts.NotBefore.Location() != time.UTC || facts.NotAfter.Location() != time.UTC {
			t.Errorf("got %v and %v, want UTC", facts.NotBefore, facts.NotAfter)
		}
		for _, text := range append([]string{facts.Subject, facts.Issuer, facts.KeyType}, slices.Concat(facts.Names, facts.Usages)...) {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unseen) {
				t.Errorf("got %q, want visible text", text)
			}
		}
	})
}
