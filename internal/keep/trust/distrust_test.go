package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

func distrustOf(t testing.TB, text string) *Distrust {
	t.Helper()
	d, err := ParseDistrust([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDistrust: every element of a chain is looked at, and another chain may do without the distrusted one.
func TestDistrust(t *testing.T) {
	t.Parallel()
	root1, root2 := newRoot(t, "Root 1", nil), newRoot(t, "Root 2", nil)
	key := newKey(t)
	ca1, ca2 := root1.betweenKey(t, "CA", key, nil), root2.betweenKey(t, "CA", key, nil)
	leaf := ca1.leaf(t, "a.example.com", nil)
	sum := func(der []byte) string { s := sha256.Sum256(der); return hex.EncodeToString(s[:]) }
	date := func(d time.Duration) string { return leaf.NotBefore.Add(d).Format(time.RFC3339) }
	tests := []struct {
		what, entries string
		status        x509cert.Status
		part          string
	}{
		{"nothing", ``, x509cert.StatusValid, ""},
		{"the leaf", `"certificates": [{"sha256": "` + sum(leaf.Raw) + `", "reason": "stolen"}]`, x509cert.StatusUntrusted, "the certificate is distrusted: stolen"},
		{"one intermediate", `"certificates": [{"sha256": "` + strings.ToUpper(sum(ca1.cert.Raw)) + `"}]`, x509cert.StatusValid, `"CN=Root 2"`},
		{"the key of both", `"keys": [{"spkiSha256": "` + sum(ca1.cert.RawSubjectPublicKeyInfo) + `", "reason": "weak"}]`, x509cert.StatusUntrusted, `the issuer "CN=CA" is distrusted: weak`},
		{"one root", `"keys": [{"spkiSha256": "` + sum(root1.cert.RawSubjectPublicKeyInfo) + `"}]`, x509cert.StatusValid, `"CN=Root 2"`},
		{"an issuer", `"issuers": [{"issuer": "CN=ca"}]`, x509cert.StatusUntrusted, "the certificate is distrusted: it is on the list"},
		{"an issuer from then on", `"issuers": [{"issuer": "CN=CA", "after": "` + date(0) + `"}]`, x509cert.StatusUntrusted, ""},
		{"an issuer after that", `"issuers": [{"issuer": "CN=CA", "after": "` + date(time.Second) + `"}]`, x509cert.StatusValid, ""},
		{"another issuer", `"issuers": [{"issuer": "CN=CA,O=Other"}]`, x509cert.StatusValid, ""},
	}
	for _, tt := range tests {
		text := `{"version": 1, "sequence": 2, "updated": "2026-11-01T00:00:00Z"}`
		if tt.entries != "" {
			text = strings.TrimSuffix(text, "}") + ", " + tt.entries + "}"
		}
		v := newVerifier(t, Options{Distrust: distrustOf(t, text)})
		q := Question{Leaf: leaf, Intermediates: certs(ca1, ca2), Roots: certs(root1, root2), At: at}
		want(t, tt.what, v.Verify(t.Context(), q), tt.status, tt.part)
		// What an administrator adds comes on top, from either side.
		for _, d := range []*Distrust{distrustOf(t, text).Merge(&Distrust{}), (&Distrust{}).Merge(distrustOf(t, text))} {
			want(t, tt.what+", merged", newVerifier(t, Options{Distrust: d}).Verify(t.Context(), q), tt.status, tt.part)
		}
	}
	// A published certificate can be distrusted as well.
	v := newVerifier(t, Options{Anchors: []Anchor{{Cert: root1.cert, Direct: true}},
		Distrust: distrustOf(t, `{"version": 1, "certificates": [{"sha256": "`+sum(root1.cert.Raw)+`"}]}`)})
	want(t, "published", v.Verify(t.Context(), Question{Leaf: root1.cert, At: at}), x509cert.StatusUntrusted, "distrusted")
}

func TestParseDistrust(t *testing.T) {
	t.Parallel()
	if err := distrustOf(t, `{"version": 1, "sequence": 4}`).Replaces(distrustOf(t, `{"version": 1, "sequence": 5}`)); !errors.Is(err, ErrDistrustOlder) {
		t.Errorf("got %v, want ErrDistrustOlder", err)
	}
	if err := distrustOf(t, `{"version": 1, "sequence": 5, "smallScalarBits": 20}`).Replaces(distrustOf(t, `{"version": 1, "sequence": 5}`)); !errors.Is(err, ErrDistrustNumber) {
		t.Errorf("another list with the same number: got %v", err)
	}
	if err := distrustOf(t, `{"version": 1, "sequence": 6}`).Replaces(distrustOf(t, `{"version": 1, "sequence": 5}`)); err != nil {
		t.Errorf("a newer list: got %v", err)
	}
	if err := distrustOf(t, `{"version": 1, "sequence": 5}`).Replaces(nil); err != nil {
		t.Errorf("got %v, want nothing against the first list", err)
	}
	if _, err := ParseDistrust([]byte(`{"version": 2, "new": true}`)); !errors.Is(err, ErrDistrustVersion) {
		t.Errorf("got %v, want ErrDistrustVersion", err)
	}
	for _, bad := range []string{
		``, `null`, `{}`, `[]`, `{"version": 1} x`, `{"version": 1, "certs": []}`, `{"version": 1, "keys": [{"sha256": "00"}]}`,
		`{"version": 1, "certificates": [{"sha256": "zz"}]}`, `{"version": 1, "issuers": [{"issuer": "nobody"}]}`,
		`{"version": 1, "smallScalarBits": 40}`, `{"version": 1, "smallScalarBits": -1}`, `{"version": 1, "updated": "yesterday"}`,
		`{"version": 1, "sequence": 1, "keys": [` + strings.Repeat(`{},`, 10) + `{}]}`, strings.Repeat(" ", MaxDistrustBytes+1),
	} {
		_, err := ParseDistrust([]byte(bad))
		var invalid *InvalidDistrustError
		if !errors.As(err, &invalid) && !errors.Is(err, ErrDistrustVersion) {
			t.Errorf("%.40q: got %v, want a refusal", bad, err)
		}
	}
}

// TestDefaultDistrust: the list that is built in reads, and is about a root that the system's store has.
func TestDefaultDistrust(t *testing.T) {
	t.Parallel()
	d, err := DefaultDistrust()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.keys) == 0 || d.scalars == nil {
		t.Error("the default distrusts nothing")
	}
	// What calls itself issued by that root is distrusted whatever key signed it, and whoever cross-signed it.
	name, err := x509cert.ParseSubject("CN=emSign ECC Root CA - G3,O=eMudhra Technologies Limited,OU=emSign PKI,C=IN")
	if err != nil {
		t.Fatal(err)
	}
	named := newRoot(t, "x", func(c *x509.Certificate) { c.Subject = name })
	below := named.between(t, "EM CA", nil)
	got := judge(t, Question{Leaf: below.leaf(t, "a.example.com", nil), Intermediates: certs(below), Roots: certs(named)})
	want(t, "by the issuer's name", got, x509cert.StatusUntrusted, "CVE-2026-111943")
	if _, err := os.Stat("/etc/ssl/certs/emSign_ECC_Root_CA_-_G3.pem"); err != nil {
		return // a later store of the system has dropped it
	}
	cert := readPEM(t, "/etc/ssl/certs/emSign_ECC_Root_CA_-_G3.pem")
	if len(d.issuers[string(normalName(cert.RawSubject))]) == 0 {
		t.Errorf("the issuer is not called %s", cert.Subject)
	}
	v := newVerifier(t, Options{})
	want(t, "emSign", v.Verify(t.Context(), Question{Leaf: cert, Roots: []*x509.Certificate{cert}, At: at}), x509cert.StatusUntrusted, "CVE-2026-111943")
}

func readPEM(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, bad := readCertificates([]string{string(text)})
	if first == nil {
		t.Fatal(bad)
	}
	return first
}

// scalarKey is the key whose private half is k.
func scalarKey(t testing.TB, curve elliptic.Curve, k *big.Int) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(curve, k.FillBytes(make([]byte, (curve.Params().N.BitLen()+7)/8)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestSmallScalars: an authority whose key anybody can find is not trusted, as in CVE-2026-111943, whoever signed it.
// How such keys are found is tested in package keys.
func TestSmallScalars(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	weak := root.betweenKey(t, "Weak CA", scalarKey(t, elliptic.P384(), big.NewInt(51_113)), nil)
	got := judge(t, Question{Leaf: weak.leaf(t, "a.example.com", nil), Intermediates: certs(weak), Roots: certs(root)})
	want(t, "weak intermediate", got, x509cert.StatusUntrusted, "at most 16 bits, so anybody can know it")
}

func FuzzParseDistrust(f *testing.F) {
	seeds := []string{
		string(builtIn), `{"version": 1}`, `{"version": 1, "issuers": [{"issuer": "CN=a", "after": "2026-01-01T00:00:00Z", "reason": "\n"}]}`, `{"version":`,
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	cert := newRoot(f, "Root", nil).cert
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDistrust(text)
		if err != nil {
			if d != nil || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("got %v and %q, want one line and no list", d, err)
			}
			return
		}
		if d.scalars != nil && d.scalars.Bits() > 12 {
			d.scalars = nil // only slow
		}
		if reason := d.finds(cert); strings.ContainsAny(reason, "\n\r\x1b") {
			t.Errorf("got the reason %q, want one line", reason)
		}
	})
}
