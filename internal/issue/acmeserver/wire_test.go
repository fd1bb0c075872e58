package acmeserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
)

// mac is a message under a shared key.
func mac(key []byte, header, payload string) json.RawMessage {
	first, second := encode(header), encode(payload)
	m := hmac.New(sha256.New, key)
	m.Write([]byte(first + "." + second))
	return json.RawMessage(message(first, second, string(m.Sum(nil))))
}

// message puts one together, whatever it says.
func message(protected, payload, signature string) string {
	return `{"protected":"` + protected + `","payload":"` + payload + `","signature":"` + encode(signature) + `"}`
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// chain reads an answer of certificates.
func chain(t testing.TB, a answer) (all []*x509.Certificate) {
	t.Helper()
	if a.status != 200 || a.header.Get("Content-Type") != "application/pem-certificate-chain" {
		t.Fatalf("got %v", a)
	}
	for rest := a.body; len(rest) > 0; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			t.Fatalf("got %v", a)
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cert)
	}
	return all
}

// gated does something before it is asked what it offers, which is after a request has come and before it is read.
type gated struct {
	Authority
	before func()
}

func (g *gated) Offer(ctx context.Context, purpose string) (*Offer, error) {
	if f := g.before; f != nil {
		f()
	}
	return g.Authority.Offer(ctx, purpose)
}

// shuttingOut does something before it issues.
type shuttingOut struct {
	Authority
	before func()
}

func (s shuttingOut) Certify(ctx context.Context, a Ask) error {
	s.before()
	return s.Authority.Certify(ctx, a)
}
