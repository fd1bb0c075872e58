package certfile

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

const testPassword = "correct horse"

// pki is one chain that all tests share: making keys costs more than all the rest.
type pki struct {
	root, inter, leaf, other           *x509.Certificate // other is issued by inter too, to otherKey
	rootKey, interKey, key, otherKey   *keys.Private
	rsaKey                             *keys.Private
	rsaLeaf                            *x509.Certificate
	request, crl                       []byte
	bundle                             Bundle
	rootDER, interDER, leafDER, keyDER []byte
}

var shared = sync.OnceValue(func() *pki {
	p := &pki{}
	generate := func(kind keys.Kind) *keys.Private {
		k, err := keys.Generate(kind)
		if err != nil {
			panic(err)
		}
		return k
	}
	p.rootKey, p.interKey, p.key, p.otherKey = generate(keys.ECDSAP256), generate(keys.ECDSAP256), generate(keys.ECDSAP256), generate(keys.ECDSAP256)
	p.rsaKey = generate(keys.RSA2048)
	p.root = issue("Test Root", nil, p.rootKey, p.rootKey)
	p.inter = issue("Test Intermediate", p.root, p.interKey, p.rootKey)
	p.leaf = issue("mail.example.com", p.inter, p.key, p.interKey)
	p.other = issue("imap.example.com", p.inter, p.otherKey, p.interKey)
	p.rsaLeaf = issue("rsa.example.com", p.inter, p.rsaKey, p.interKey)
	var err error
	p.request, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "mail.example.com"}, DNSNames: []string{"mail.example.com"}}, p.key)
	if err != nil {
		panic(err)
	}
	p.crl, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1),
		ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: time.Now()}}}, p.inter, p.interKey)
	if err != nil {
		panic(err)
	}
	p.bundle = Bundle{Key: p.key, Leaf: p.leaf, Chain: []*x509.Certificate{p.inter}, Root: p.root}
	p.rootDER, p.interDER, p.leafDER, p.keyDER = p.root.Raw, p.inter.Raw, p.leaf.Raw, p.key.PKCS8()
	return p
})

var serials = struct {
	sync.Mutex
	last int64
}{last: 100}

// issue makes a certificate: an authority unless the name has a dot.
func issue(name string, issuer *x509.Certificate, key, issuerKey *keys.Private) *x509.Certificate {
	serials.Lock()
	serials.last++
	serial := serials.last
	serials.Unlock()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Test"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		BasicConstraintsValid: true, IsCA: !strings.Contains(name, "."),
	}
	if template.IsCA {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	} else {
		template.DNSNames = []string{name}
	}
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

// withPassword always gives the same password; the empty text is an empty password.
func withPassword(password string) ReadOptions {
	return ReadOptions{Password: func(string) (keys.Secret, error) { return keys.NewSecret(password), nil }}
}

func mustRead(t testing.TB, name string, data []byte, opts ReadOptions) *Contents {
	t.Helper()
	c, err := Read(name, data, opts)
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return c
}

// wantContents checks how many of each kind there are: certificates, keys, requests, CRLs.
func wantContents(t testing.TB, c *Contents, want [4]int) {
	t.Helper()
	if got := [4]int{len(c.Certificates), len(c.Keys), len(c.Requests), len(c.CRLs)}; got != want {
		t.Errorf("%s: got %v certificates, keys, requests, CRLs, want %v", c.File, got, want)
	}
}

// wantBundle checks that data holds one key, its certificate and the chain of the shared PKI.
func wantBundle(t testing.TB, c *Contents, want Bundle) Bundle {
	t.Helper()
	a, err := Assemble([]*Contents{c}, nil)
	if err != nil {
		t.Fatalf("%s: %v", c.File, err)
	}
	if len(a.Bundles) != 1 {
		t.Fatalf("%s: got %d bundles, want one", c.File, len(a.Bundles))
	}
	b := a.Bundles[0]
	if b.Key == nil || !b.Key.Matches(want.Leaf) || !b.Leaf.Equal(want.Leaf) || len(b.Chain) != len(want.Chain) {
		t.Errorf("%s: got key %v, leaf %v, chain of %d, want those of %v", c.File, b.Key, b.Leaf.Subject, len(b.Chain), want.Leaf.Subject)
	}
	return b
}

// files are named pieces of a temporary directory for peers.
func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pemFiles are the shared PKI in a directory, for openssl and keytool.
func pemFiles(t testing.TB) string {
	t.Helper()
	p := shared()
	return writeFiles(t, map[string][]byte{
		"key.pem": p.key.PEM(), "leaf.pem": encodePEM(labelCertificate, p.leafDER), "inter.pem": encodePEM(labelCertificate, p.interDER),
		"chain.pem":  append(encodePEM(labelCertificate, p.interDER), encodePEM(labelCertificate, p.rootDER)...),
		"rsakey.pem": p.rsaKey.PEM(), "rsaleaf.pem": encodePEM(labelCertificate, p.rsaLeaf.Raw), "root.pem": encodePEM(labelCertificate, p.rootDER),
	})
}

// run runs a peer in a directory and wants it to succeed.
func run(t testing.TB, dir, stdin string, args ...string) peers.Result {
	t.Helper()
	return peers.Succeed(t, peers.Command{Args: args, Dir: dir, Stdin: stdin, Env: []string{"LC_ALL=C.UTF-8"}})
}

// cheapPFX is a file whose password costs one iteration, for tests that read it thousands of times.
func cheapPFX(t testing.TB) []byte {
	t.Helper()
	p := shared()
	w := pfxWriter{p: passphrases(keys.NewSecret(testPassword))[0], seal: sealPBES2, newHash: sha1New, hash: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, iterations: 1}
	data, err := w.file(p.bundle, PFXOptions{FriendlyName: "Mail"})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// toBER rewrites DER as loosely as BER allows: every length of a structure indefinite, every octet string in pieces.
// into says how often the content of an octet string is looked into.
func toBER(der []byte) []byte {
	var out []byte
	for len(der) > 0 {
		e, rest, err := frame(der)
		if err != nil {
			panic(err)
		}
		switch {
		case e.constructed():
			out = append(append(out, e.tag...), 0x80)
			out = append(append(out, toBER(e.content)...), 0, 0)
		case e.tag[0] == 0x04 && len(e.content) > 1:
			out = append(out, 0x24, 0x80)
			half := len(e.content) / 2
			out = appendElement(out, []byte{4}, e.content[:half])
			out = appendElement(out, []byte{4}, e.content[half:])
			out = append(out, 0, 0)
		default: // with a length that is longer than it need be
			out = append(append(out, e.tag...), 0x84, byte(len(e.content)>>24), byte(len(e.content)>>16), byte(len(e.content)>>8), byte(len(e.content)))
			out = append(out, e.content...)
		}
		der = rest
	}
	return out
}

// nested is a SEQUENCE in a SEQUENCE, and so on.
func nested(levels int, definite bool) []byte {
	if !definite {
		return append(bytes.Repeat([]byte{0x30, 0x80}, levels), bytes.Repeat([]byte{0, 0}, levels)...)
	}
	var der []byte
	for range levels {
		der = appendElement(nil, []byte{0x30}, der)
	}
	return der
}

// namesFile reports whether an error is one of ours and says which file it is about.
func namesFile(err error, file string) error {
	var format *FormatError
	var limit *LimitError
	var unsupported *UnsupportedError
	var password *PasswordError
	var missing *PasswordMissingError
	var weak *keys.WeakKeyError
	known := errors.As(err, &format) || errors.As(err, &limit) || errors.As(err, &unsupported) || errors.As(err, &password) ||
		errors.As(err, &missing) || errors.As(err, &weak) || errors.Is(err, ErrNoMAC)
	if !known {
		return fmt.Errorf("an error of no known kind: %w", err)
	}
	if !strings.Contains(err.Error(), file) {
		return fmt.Errorf("%q is not named in: %w", file, err)
	}
	if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
		return fmt.Errorf("more than one line: %q", err.Error())
	}
	return nil
}

func weakRSA(t testing.TB) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(key)
}
