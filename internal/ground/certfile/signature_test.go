package certfile

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// again parses a certificate of which one octet is another. -1 is the last, which is of the signature.
func again(t *testing.T, c *x509.Certificate, at int) *x509.Certificate {
	t.Helper()
	der := bytes.Clone(c.Raw)
	der[(at+len(der))%len(der)] ^= 1
	damaged, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return damaged
}

// TestSignatures: who is at hand as an issuer checks, wherever he is; a certificate that he has not signed is named, and
// one whose issuer is not here is told.
func TestSignatures(t *testing.T) {
	t.Parallel()
	p := shared()
	inName := bytes.LastIndex(p.leaf.RawIssuer, []byte("Intermediate")) + bytes.Index(p.leaf.Raw, p.leaf.RawIssuer)
	namesake := issue("Test Intermediate", nil, p.otherKey, p.otherKey) // has a key identifier of its own
	for _, c := range []struct {
		what         string
		files        []*x509.Certificate
		known, roots []*x509.Certificate
		wrong        int // the item that is, from 1
		unchecked    string
	}{
		{"everything is here", []*x509.Certificate{p.leaf, p.inter, p.root}, nil, nil, 0, ""},
		{"the root is one of the system", []*x509.Certificate{p.leaf, p.inter}, nil, []*x509.Certificate{p.root}, 0, ""},
		{"the issuer is known", []*x509.Certificate{p.leaf}, []*x509.Certificate{p.inter}, nil, 0, ""},
		{"no issuer", []*x509.Certificate{p.leaf}, nil, nil, 0, "CN=Test Intermediate,O=Test"},
		{"an issuer of that name with another key", []*x509.Certificate{p.leaf}, []*x509.Certificate{namesake}, nil, 0, "CN=Test Intermediate,O=Test"},
		{"damaged, no issuer", []*x509.Certificate{again(t, p.leaf, -1)}, nil, nil, 0, "CN=Test Intermediate,O=Test"},
		{"damaged", []*x509.Certificate{p.inter, again(t, p.leaf, -1)}, nil, nil, 2, ""},
		{"damaged, the issuer is known", []*x509.Certificate{again(t, p.leaf, -1)}, []*x509.Certificate{p.inter}, nil, 1, ""},
		{"damaged in the name of its issuer", []*x509.Certificate{again(t, p.leaf, inName)}, []*x509.Certificate{p.inter}, nil, 1, ""},
		{"damaged, below a root of the system", []*x509.Certificate{again(t, p.inter, -1)}, nil, []*x509.Certificate{p.root}, 1, ""},
		{"an intermediate is damaged", []*x509.Certificate{p.leaf, again(t, p.inter, -1), p.root}, nil, nil, 2, ""},
		{"the root is damaged", []*x509.Certificate{p.leaf, p.inter, again(t, p.root, -1)}, nil, nil, 3, ""},
		{"a certificate that signed itself is damaged", []*x509.Certificate{again(t, issue("self.example.com", nil, p.otherKey, p.otherKey), -1)}, nil, nil, 1, ""},
	} {
		a, err := Assemble([]*Contents{certsOf("some.pem", c.files...)}, c.known, c.roots...)
		if c.wrong > 0 {
			if e, ok := errors.AsType[*SignatureError](err); !ok || e.At.Item != c.wrong || !strings.Contains(err.Error(), "some.pem") {
				t.Errorf("%s: got %v, want a SignatureError about item %d", c.what, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		var unchecked []string
		for _, u := range a.Unchecked {
			unchecked = append(unchecked, u.Issuer)
		}
		if got := strings.Join(unchecked, "; "); got != c.unchecked {
			t.Errorf("%s: got unchecked %q, want %q", c.what, got, c.unchecked)
		}
	}
}

// TestOldSignatures: roots of old times are signed with hashes that crypto/x509 no longer computes. Damage is seen all the
// same.
func TestOldSignatures(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl")
	dir := t.TempDir()
	for _, c := range [][]string{{"rsa:2048", "-md5"}, {"rsa:2048", "-sha1"}, {"ec", "-sha1", "-pkeyopt", "ec_paramgen_curve:P-256"}} {
		out := run(t, dir, "", append([]string{"openssl", "req", "-x509", "-nodes", "-subj", "/CN=Old Root", "-keyout", "/dev/null", "-outform", "PEM", "-newkey"}, c...)...).Stdout
		root := mustRead(t, "old.pem", []byte(out), ReadOptions{}).Certificates[0].Certificate
		if a, err := Assemble([]*Contents{certsOf("old.pem", root)}, nil); err != nil || len(a.Unchecked) > 0 {
			t.Errorf("%v: got %+v, %v", c, a, err)
		}
		if _, err := Assemble([]*Contents{certsOf("old.pem", again(t, root, -1))}, nil); !errors.As(err, new(*SignatureError)) {
			t.Errorf("%v, damaged: got %v, want a SignatureError", c, err)
		}
	}
}
