package acmeserver

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/issue/acme"
)

// FuzzRequest: a request of any shape is badCSR, or asks for exactly the names of the order with a key that has signed it.
func FuzzRequest(f *testing.F) {
	key := generate(f)
	names := []string{"a.example.test", "*.b.example.test", "127.0.0.1"}
	f.Add(csr(f, key, names...))
	f.Add(csr(f, key, names[0]))
	f.Add(csr(f, mustWeak(f), names...))
	f.Add(csrOf(f, key, &x509.CertificateRequest{DNSNames: names[:2], Subject: pkix.Name{CommonName: "a.example.test"}}))
	extension := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 0}}
	f.Add(csrOf(f, key, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{extension, extension}}))
	account, err := acme.NewKey(generate(f).Public())
	if err != nil {
		f.Fatal(err)
	}
	o := &order{}
	for _, n := range names {
		value, wildcard := strings.CutPrefix(n, "*.")
		o.all = append(o.all, authorization{Type: acme.IdentifierDNS, Value: value, Wildcard: wildcard})
	}
	q := &question{s: &Server{judge: keys.NewQuickPublicJudge()}, key: account}
	f.Fuzz(func(t *testing.T, der []byte) {
		public, err := q.csr(base64.RawURLEncoding.EncodeToString(der), o)
		if err != nil {
			if p, ok := errors.AsType[*acme.Problem](err); !ok || p.Type != acme.BadCSR || p.Detail == "" {
				t.Errorf("got %v", err)
			}
			return
		}
		r, err := x509.ParseCertificateRequest(der)
		if err != nil || r.CheckSignature() != nil || public == nil {
			t.Fatalf("taken, though it is none: %v", err)
		}
		for _, n := range names[:2] {
			if !slices.ContainsFunc(append(r.DNSNames, r.Subject.CommonName), func(have string) bool { return strings.EqualFold(strings.TrimSuffix(have, "."), n) }) {
				t.Errorf("taken without %s: %v", n, r.DNSNames)
			}
		}
		if len(r.EmailAddresses)+len(r.URIs) > 0 {
			t.Error("taken with names of other kinds")
		}
	})
}
