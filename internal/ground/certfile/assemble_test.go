package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

func certsOf(file string, certs ...*x509.Certificate) *Contents {
	c := &Contents{File: file}
	for i, cert := range certs {
		c.Certificates = append(c.Certificates, Certificate{Certificate: cert, From: Origin{File: file, Item: i + 1}})
	}
	return c
}

func keysOf(file string, privates ...*keys.Private) *Contents {
	c := &Contents{File: file}
	for _, k := range privates {
		c.Keys = append(c.Keys, Key{Private: k, From: Origin{File: file}})
	}
	return c
}

func TestAssembleInEveryOrder(t *testing.T) {
	t.Parallel()
	p := shared()
	three := []*x509.Certificate{p.leaf, p.inter, p.root}
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		certs := certsOf("chain", three[order[0]], three[order[1]], three[order[2]])
		for what, inputs := range map[string][]*Contents{
			"key first": {keysOf("key", p.key), certs}, "key last": {certs, keysOf("key", p.key)}, "no key": {certs},
		} {
			a, err := Assemble(inputs, nil)
			if err != nil || len(a.Bundles) != 1 {
				t.Fatalf("%v, %s: got %v, %v", order, what, a, err)
			}
			b := a.Bundles[0]
			if !b.Leaf.Equal(p.leaf) || len(b.Chain) != 1 || !b.Chain[0].Equal(p.inter) || !b.Root.Equal(p.root) ||
				b.MissingIssuer != "" || len(b.Completed) != 0 || (b.Key == nil) != (what == "no key") || len(a.Extra) != 0 {
				t.Errorf("%v, %s: got %+v, extra %d", order, what, b, len(a.Extra))
			}
		}
	}
}

func TestAssembleMissingAndKnown(t *testing.T) {
	t.Parallel()
	p := shared()
	a, err := Assemble([]*Contents{certsOf("leaf", p.leaf)}, nil)
	if err != nil || a.Bundles[0].MissingIssuer != "CN=Test Intermediate,O=Test" {
		t.Errorf("got %+v, %v, want the intermediate missing by name", a.Bundles, err)
	}
	a, err = Assemble([]*Contents{certsOf("leaf", p.leaf, p.inter)}, nil)
	if err != nil || a.Bundles[0].MissingIssuer != "CN=Test Root,O=Test" || len(a.Bundles[0].Chain) != 1 {
		t.Errorf("got %+v, %v, want the root missing by name", a.Bundles, err)
	}
	a, err = Assemble([]*Contents{certsOf("leaf", p.leaf)}, []*x509.Certificate{p.root, p.inter})
	if err != nil || a.Bundles[0].MissingIssuer != "" || len(a.Bundles[0].Chain) != 1 || len(a.Bundles[0].Completed) != 2 {
		t.Errorf("got %+v, %v, want it completed", a.Bundles, err)
	}
	a, err = Assemble([]*Contents{certsOf("intermediate", p.inter, p.root)}, nil)
	if err != nil || len(a.Bundles) != 0 || len(a.Extra) != 2 {
		t.Errorf("got %+v, %v, want no bundle of authorities", a, err)
	}
	a, err = Assemble([]*Contents{keysOf("key", p.key), certsOf("intermediate", p.inter)}, nil)
	if err != nil || len(a.Bundles) != 0 || len(a.LooseKeys) != 1 {
		t.Errorf("got %+v, %v, want a loose key", a, err)
	}
}

func TestAssembleSeveral(t *testing.T) {
	t.Parallel()
	p := shared()
	foreign := issue("Other Authority", nil, p.otherKey, p.otherKey)
	a, err := Assemble([]*Contents{keysOf("keys", p.rsaKey, p.key), certsOf("certs", p.leaf, p.inter, p.rsaLeaf, foreign, p.leaf), keysOf("again", p.key)}, nil)
	if err != nil || len(a.Bundles) != 2 || len(a.LooseKeys) != 0 {
		t.Fatalf("got %+v, %v", a, err)
	}
	if !a.Bundles[0].Leaf.Equal(p.leaf) || a.Bundles[0].Key != p.key || !a.Bundles[1].Leaf.Equal(p.rsaLeaf) || a.Bundles[1].Key != p.rsaKey {
		t.Errorf("got %+v", a.Bundles)
	}
	if len(a.Extra) != 1 || !a.Extra[0].Equal(foreign) {
		t.Errorf("got extra %v, want the other authority", a.Extra)
	}
	// An authority with its key, and a self-signed certificate without.
	self := issue("self.example.com", nil, p.otherKey, p.otherKey)
	a, err = Assemble([]*Contents{keysOf("keys", p.rootKey), certsOf("certs", p.root, self)}, nil)
	if err != nil || len(a.Bundles) != 2 || a.Bundles[0].Key == nil || a.Bundles[1].Key != nil || a.Bundles[1].MissingIssuer != "" || a.Bundles[1].Root != nil {
		t.Errorf("got %+v, %v", a, err)
	}
}

// TestAssembleMismatch names both files.
func TestAssembleMismatch(t *testing.T) {
	t.Parallel()
	p := shared()
	_, err := Assemble([]*Contents{keysOf("other.key", p.otherKey), certsOf("mail.crt", p.leaf, p.inter)}, nil)
	if m, ok := errors.AsType[*MismatchError](err); !ok || m.Key.File != "other.key" || m.Certificate.File != "mail.crt" ||
		!strings.Contains(err.Error(), "other.key") || !strings.Contains(err.Error(), "mail.crt") {
		t.Errorf("got %v, want a MismatchError of both files", err)
	}
	// Contradicting parts: the local key id says that they belong together, the keys say no.
	c := certsOf("mail.pfx", p.leaf)
	c.Certificates[0].LocalKeyID = "01"
	c.Keys = []Key{{Private: p.otherKey, From: Origin{File: "mail.pfx"}, Label: Label{LocalKeyID: "01"}}, {Private: p.key, From: Origin{File: "mail.pfx"}}}
	if _, err := Assemble([]*Contents{c}, nil); !errors.As(err, new(*MismatchError)) {
		t.Errorf("got %v, want a MismatchError", err)
	}
}

// TestAssembleCrossSigned chooses among issuers of one name.
func TestAssembleCrossSigned(t *testing.T) {
	t.Parallel()
	p := shared()
	crossed := issue("Test Intermediate", issue("Lost Root", nil, p.otherKey, p.otherKey), p.interKey, p.otherKey)
	impostor := issue("Test Intermediate", nil, p.otherKey, p.otherKey) // the name, but another key
	certs := []*x509.Certificate{impostor, crossed, p.inter, p.leaf, p.root}
	for range certs {
		certs = append(certs[1:], certs[0])
		a, err := Assemble([]*Contents{certsOf("bag", certs...)}, nil)
		if err != nil || len(a.Bundles) != 1 {
			t.Fatalf("got %+v, %v", a, err)
		}
		b := a.Bundles[0]
		if len(b.Chain) != 1 || !b.Chain[0].Equal(p.inter) || b.Root == nil || !b.Root.Equal(p.root) || b.MissingIssuer != "" {
			t.Errorf("got chain %v to %v, missing %q", b.Chain, b.Root, b.MissingIssuer)
		}
	}
}

// TestAssemblePathological has authorities that have all signed each other.
func TestAssemblePathological(t *testing.T) {
	t.Parallel()
	p := shared()
	var ring []*x509.Certificate
	for i := range 12 {
		for j := range 12 {
			if i != j {
				ring = append(ring, issue(fmt.Sprintf("Ring %d", j), &x509.Certificate{Subject: issue(fmt.Sprintf("Ring %d", i), nil, p.interKey, p.interKey).Subject}, p.interKey, p.interKey))
			}
		}
	}
	leaf := issue("ring.example.com", ring[0], p.key, p.interKey)
	a, err := Assemble([]*Contents{certsOf("ring", append(ring, leaf)...)}, nil)
	if err != nil || len(a.Bundles) != 1 || !a.Bundles[0].Leaf.Equal(leaf) || a.Bundles[0].MissingIssuer == "" || len(a.Bundles[0].Chain) > maxPath {
		t.Errorf("got %+v, %v", a, err)
	}
	var loop *x509.Certificate = issue("Loop A", &x509.Certificate{Subject: p.inter.Subject}, p.interKey, p.interKey)
	if a, err := Assemble([]*Contents{certsOf("loop", loop, p.leaf)}, []*x509.Certificate{loop}); err != nil || len(a.Bundles) != 1 {
		t.Errorf("got %+v, %v", a, err)
	}
}

// TestWritten reads back with OpenSSL and with Read what PEM, P7B and the others write.
func TestWritten(t *testing.T) {
	t.Parallel()
	p := shared()
	text, err := PEM(p.bundle, PEMOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantBundle(t, mustRead(t, "own.pem", text, ReadOptions{}), p.bundle)
	sealed, err := PEM(p.bundle, PEMOptions{Password: keys.NewSecret("비밀번호")})
	if err != nil {
		t.Fatal(err)
	}
	wantBundle(t, mustRead(t, "own.pem", sealed, withPassword("비밀번호")), p.bundle)
	if _, err := Read("own.pem", sealed, ReadOptions{}); !errors.As(err, new(*PasswordMissingError)) {
		t.Errorf("got %v, want a PasswordMissingError", err)
	}
	public, err := PEM(p.bundle, PEMOptions{NoKey: true, NoChain: true})
	if err != nil || !bytes.Equal(public, encodePEM(labelCertificate, p.leafDER)) || !bytes.Equal(DER(p.bundle), p.leafDER) {
		t.Errorf("certificate alone: %v", err)
	}
	if _, err := PEM(Bundle{Key: p.otherKey, Leaf: p.leaf}, PEMOptions{}); !errors.As(err, new(*MismatchError)) {
		t.Errorf("got %v, want a MismatchError", err)
	}
	var labels []string
	for rest := slices.Concat(text, sealed, mustP7BPEM(t), RequestPEM(p.request)); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		labels = append(labels, block.Type)
	}
	want := []string{"PRIVATE KEY", "CERTIFICATE", "CERTIFICATE", "ENCRYPTED PRIVATE KEY", "CERTIFICATE", "CERTIFICATE", "PKCS7", "CERTIFICATE REQUEST"}
	if !slices.Equal(labels, want) {
		t.Errorf("got labels %v, want %v", labels, want)
	}

	dir := writeFiles(t, map[string][]byte{"own.pem": text, "sealed.pem": sealed, "own.p7b": mustP7B(t), "p7b.pem": mustP7BPEM(t), "own.csr": RequestPEM(p.request)})
	again := run(t, dir, "", "openssl", "pkey", "-in", "sealed.pem", "-passin", "pass:비밀번호").Stdout
	if again != string(p.key.PEM().Bytes()) {
		t.Errorf("openssl reads another key from the encrypted one")
	}
	for _, args := range [][]string{{"-inform", "DER", "-in", "own.p7b"}, {"-in", "p7b.pem"}} {
		out := run(t, dir, "", append([]string{"openssl", "pkcs7", "-print_certs"}, args...)...).Stdout
		wantContents(t, mustRead(t, "openssl", []byte(out), ReadOptions{}), [4]int{2, 0, 0, 0})
		if strings.Index(out, "mail.example.com") > strings.Index(out, "CN = Test Root") {
			t.Errorf("the leaf is not first in\n%s", out)
		}
	}
	out := run(t, dir, "", "keytool", "-printcert", "-file", "own.p7b").Stdout
	if strings.Count(out, "Owner: ") != 2 {
		t.Errorf("keytool sees in the P7B:\n%s", out)
	}
	run(t, dir, "", "openssl", "req", "-in", "own.csr", "-verify", "-noout")
}

func mustP7BPEM(t testing.TB) []byte {
	t.Helper()
	data, err := P7BPEM(shared().bundle)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestP7BOfOpenSSL reads a P7B with a CRL, and a signed message in BER as the streaming of OpenSSL makes it.
func TestP7BOfOpenSSL(t *testing.T) {
	t.Parallel()
	p := shared()
	dir := pemFiles(t)
	crl := run(t, dir, string(encodePEM("X509 CRL", p.crl)), "openssl", "crl").Stdout
	for _, form := range []string{"PEM", "DER"} {
		out := run(t, dir, crl, "openssl", "crl2pkcs7", "-certfile", "leaf.pem", "-certfile", "chain.pem", "-outform", form).Stdout
		c := mustRead(t, "mail.p7b", []byte(out), ReadOptions{})
		wantContents(t, c, [4]int{3, 0, 0, 1})
		wantContents(t, mustRead(t, "mail.crl", c.CRLs[0].DER, ReadOptions{}), [4]int{0, 0, 0, 1})
	}
	out := run(t, dir, "hello\n", "openssl", "cms", "-sign", "-signer", "leaf.pem", "-inkey", "key.pem", "-certfile", "inter.pem", "-nodetach", "-stream", "-outform", "DER").Stdout
	if !bytes.Contains([]byte(out[:40]), []byte{0x30, 0x80}) {
		t.Errorf("openssl wrote no BER: % x", out[:40])
	}
	wantContents(t, mustRead(t, "signed.p7s", []byte(out), ReadOptions{}), [4]int{2, 0, 0, 0})
	out = run(t, dir, "", "openssl", "x509", "-in", "leaf.pem", "-trustout", "-addtrust", "serverAuth", "-setalias", "mine").Stdout
	wantContents(t, mustRead(t, "trusted.pem", []byte(out), ReadOptions{}), [4]int{1, 0, 0, 0})
}

// TestP7BAndGnuTLS: each reads the P7B of the other, in text and in DER.
func TestP7BAndGnuTLS(t *testing.T) {
	t.Parallel()
	peers.Need(t, "certtool")
	dir := writeFiles(t, map[string][]byte{"all.pem": []byte(chainPEM())})
	for name, form := range map[string][]string{"their.pem": nil, "their.der": {"--outder"}} {
		args := append([]string{"certtool", "--p7-generate", "--load-certificate", "all.pem", "--outfile", name}, form...)
		run(t, dir, "", args...)
		c := mustRead(t, name, readFile(t, dir, name), ReadOptions{})
		wantContents(t, c, [4]int{3, 0, 0, 0})
	}
	ours := writeFiles(t, map[string][]byte{"own.pem": mustP7BPEM(t), "own.der": mustP7B(t)})
	for name, args := range map[string][]string{"own.pem": nil, "own.der": {"--inder"}} {
		r := run(t, ours, "", append([]string{"certtool", "--p7-info", "--infile", name}, args...)...)
		if n := strings.Count(r.Stdout, "BEGIN CERTIFICATE"); n != 2 {
			t.Errorf("%s: certtool shows %d certificates, want 2\n%s", name, n, r.Stdout)
		}
	}
}
