package acmeserver

import (
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
