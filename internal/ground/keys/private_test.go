package keys

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKeys holds one key of each kind, made once: an RSA key of 4096 bits can take seconds.
var testKeys = sync.OnceValues(func() (map[Kind]*Private, error) {
	made := map[Kind]*Private{}
	for _, kind := range Kinds() {
		p, err := Generate(kind)
		if err != nil {
			return nil, err
		}
		made[kind] = p
	}
	return made, nil
})

func testKey(t testing.TB, kind Kind) *Private {
	t.Helper()
	made, err := testKeys()
	if err != nil {
		t.Fatal(err)
	}
	return made[kind]
}

// testCertificate makes a self-signed certificate, which exercises Sign as production does.
func testCertificate(t *testing.T, p *Private) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.Public(), p)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := testKey(t, kind)
			if got := p.Kind(); got != kind {
				t.Errorf("got kind %v, want %v", got, kind)
			}
			if err := Judge(p); err != nil {
				t.Errorf("judged: %v", err)
			}
			cert := testCertificate(t, p)
			if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
				t.Errorf("the certificate signed with it: %v", err)
			}
			if !p.Matches(cert) {
				t.Error("it does not match its own certificate")
			}
			other, err := Generate(ECDSAP256)
			if err != nil {
				t.Fatal(err)
			}
			if other.Matches(cert) {
				t.Error("another key matches the certificate")
			}
			for name, parse := range map[string]func() (*Private, error){
				"PKCS #8":        func() (*Private, error) { return ParsePKCS8(p.PKCS8()) },
				"PKCS #8 by any": func() (*Private, error) { return Parse(p.PKCS8()) },
				"PEM":            func() (*Private, error) { return Parse(p.PEM()) },
			} {
				q, err := parse()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if !bytes.Equal(q.PKCS8(), p.PKCS8()) || q.Kind() != kind {
					t.Errorf("%s: the key read back is another one", name)
				}
			}
		})
	}
}

func TestGenerateRefusesUnknownKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{"", "rsa-1024", "ecdsa-p521"} {
		if p, err := Generate(kind); !errors.Is(err, ErrUnknownKind) || p != nil {
			t.Errorf("%q: got %v, %v, want ErrUnknownKind", string(kind), p, err)
		}
	}
}

func TestNewKeepsAJudgedKey(t *testing.T) {
	t.Parallel()
	p := testKey(t, ECDSAP256)
	if got, err := New(p); got != p || err != nil {
		t.Errorf("got %v, %v, want the same key", got, err)
	}
	if _, err := New("no key"); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("got %v, want ErrUnknownKind", err)
	}
	var _ crypto.Signer = *p // so that tls.Certificate takes either
}

// TestOpenSSL has the most common reader of key files read ours, and reads what it writes in each of its forms.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := func(t *testing.T, in []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		cmd.Stdin = bytes.NewReader(in)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %s: %v (make deps installs it)\n%s", strings.Join(args, " "), err, &stderr)
		}
		return out
	}
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := testKey(t, kind)
			spki, err := x509.MarshalPKIXPublicKey(p.Public())
			if err != nil {
				t.Fatal(err)
			}
			for form, in := range map[string]Secret{"DER": p.PKCS8(), "PEM": p.PEM()} {
				got := openssl(t, in, "pkey", "-inform", form, "-pubout", "-outform", "DER")
				if !bytes.Equal(got, spki) {
					t.Errorf("from %s openssl reads another public key", form)
				}
			}
			read := func(what string, data []byte) {
				q, err := Parse(data)
				if err != nil {
					t.Errorf("%s: %v", what, err)
				} else if !bytes.Equal(q.PKCS8(), p.PKCS8()) {
					t.Errorf("%s: the key read is another one", what)
				}
			}
			if kind != Ed25519 { // which has no older form
				old := openssl(t, p.PEM(), "pkey", "-traditional")
				read("the older form in PEM", old)
				block, _ := pem.Decode(old)
				if block == nil || block.Type == labelPKCS8 {
					t.Fatalf("openssl did not write the older form:\n%s", old)
				}
				read("the older form in DER", block.Bytes)
			}
			for name, args := range map[string][]string{
				"PKCS #8 PEM": {"-passout", "pass:secret"},
				"PKCS #8 DER": {"-passout", "pass:secret", "-outform", "DER"},
			} {
				encrypted := openssl(t, p.PEM(), append([]string{"pkcs8", "-topk8", "-v2", "aes256"}, args...)...)
				if _, err := Parse(encrypted); !errors.Is(err, ErrEncrypted) {
					t.Errorf("encrypted %s: got error %v, want ErrEncrypted", name, err)
				}
			}
		})
	}
	t.Run("encrypted older form", func(t *testing.T) {
		t.Parallel()
		old := openssl(t, testKey(t, RSA2048).PEM(), "rsa", "-traditional", "-aes256", "-passout", "pass:secret")
		if !bytes.Contains(old, []byte("Proc-Type: 4,ENCRYPTED")) {
			t.Fatalf("openssl wrote another form:\n%s", old)
		}
		if _, err := Parse(old); !errors.Is(err, ErrEncrypted) {
			t.Errorf("got error %v, want ErrEncrypted", err)
		}
	})
}
