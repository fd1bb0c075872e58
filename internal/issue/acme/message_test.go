package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func signers(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ES256": p256, "ES384": p384, "RS256": r, "EdDSA": e}
}

func TestSignedMessagesAreRead(t *testing.T) {
	t.Parallel()
	for name, signer := range signers(t) {
		body, err := Sign(signer, Header{URL: "https://ca.example.test/x", Nonce: "n"}, []byte(`{"a":1}`))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := ParseMessage(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		k, err := ParseKey(m.Header.JWK)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := m.Verify(k); err != nil || string(k.Algorithm()) != name || string(m.Payload) != `{"a":1}` || m.Header.Nonce != "n" {
			t.Errorf("%s: got %v, %s, %s", name, err, k.Algorithm(), m.Payload)
		}
		for other, signer := range signers(t) {
			k, err := NewKey(signer.Public())
			if err != nil {
				t.Fatal(err)
			}
			if m.Verify(k) == nil {
				t.Errorf("%s: the signature is taken for one of another key (%s)", name, other)
			}
		}
		m.signature[len(m.signature)/2] ^= 1
		if err := m.Verify(k); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: a changed signature: got %v", name, err)
		}
	}
}

// TestAlgorithmConfusion: the key decides the algorithm. What a message says of itself can only make it refused.
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	for name, signer := range signers(t) {
		k, err := NewKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range []string{"none", "None", "", "HS256", "HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
			protected := encode([]byte(`{"alg":"` + claim + `","jwk":` + k.JWK() + `,"url":"u","nonce":"n"}`))
			mac := hmac.New(sha256.New, []byte(k.JWK())) // the public key as a shared one
			mac.Write([]byte(protected + "."))
			for what, signature := range map[string][]byte{"empty": nil, "HMAC under the public key": mac.Sum(nil), "zeros": make([]byte, 64)} {
				m, err := ParseMessage([]byte(`{"protected":"` + protected + `","payload":"","signature":"` + encode(signature) + `"}`))
				if err != nil {
					continue
				}
				if m.Verify(k) == nil {
					t.Errorf("key %s, algorithm %q, signature %s: taken", name, claim, what)
				}
			}
		}
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	header := encode([]byte(`{"alg":"ES256","url":"u","kid":"k"}`))
	for what, body := range map[string]string{
		"nothing":               ``,
		"no object":             `[]`,
		"text behind":           `{"protected":"` + header + `","payload":"","signature":""} x`,
		"two objects":           `{}{}`,
		"no payload":            `{"protected":"` + header + `","signature":""}`,
		"unprotected header":    `{"protected":"` + header + `","payload":"","signature":"","header":{"kid":"x"}}`,
		"several signatures":    `{"protected":"` + header + `","payload":"","signature":"","signatures":[]}`,
		"payload twice":         `{"protected":"` + header + `","payload":"","payload":"e30","signature":""}`,
		"payload in two cases":  `{"protected":"` + header + `","payload":"","Payload":"e30","signature":""}`,
		"padding":               `{"protected":"` + header + `","payload":"e30=","signature":""}`,
		"standard base64":       `{"protected":"` + header + `","payload":"+/+/","signature":""}`,
		"trailing bits":         `{"protected":"` + header + `","payload":"e31","signature":""}`,
		"header no JSON":        `{"protected":"e31","payload":"","signature":""}`,
		"alg twice":             `{"protected":"` + encode([]byte(`{"alg":"ES256","alg":"none","url":"u","kid":"k"}`)) + `","payload":"","signature":""}`,
		"critical":              `{"protected":"` + encode([]byte(`{"alg":"ES256","crit":["x"],"x":1,"url":"u","kid":"k"}`)) + `","payload":"","signature":""}`,
		"b64":                   `{"protected":"` + encode([]byte(`{"alg":"ES256","b64":false,"url":"u","kid":"k"}`)) + `","payload":"","signature":""}`,
		"nested deep":           `{"a":` + strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000) + `}`,
		"a number in its place": `{"protected":1,"payload":"","signature":""}`,
	} {
		if m, err := ParseMessage([]byte(body)); err == nil {
			t.Errorf("%s: got %+v", what, m.Header)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	k, err := NewKey(signers(t)["ES256"].Public())
	if err != nil {
		t.Fatal(err)
	}
	var good map[string]string
	if err := json.Unmarshal([]byte(k.JWK()), &good); err != nil {
		t.Fatal(err)
	}
	for what, jwk := range map[string]string{
		"private":          `{"kty":"EC","crv":"P-256","x":"` + good["x"] + `","y":"` + good["y"] + `","d":"AA"}`,
		"not on the curve": `{"kty":"EC","crv":"P-256","x":"` + good["x"] + `","y":"` + good["x"] + `"}`,
		"other curve":      `{"kty":"EC","crv":"P-384","x":"` + good["x"] + `","y":"` + good["y"] + `"}`,
		"P-521":            `{"kty":"EC","crv":"P-521","x":"` + good["x"] + `","y":"` + good["y"] + `"}`,
		"short coordinate": `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"shared":           `{"kty":"oct","k":"AAAA"}`,
		"short RSA":        `{"kty":"RSA","n":"` + encode(append([]byte{0x80}, make([]byte, 127)...)) + `","e":"AQAB"}`,
		"huge RSA":         `{"kty":"RSA","n":"` + encode(append([]byte{0x80}, make([]byte, 2000)...)) + `","e":"AQAB"}`,
		"even exponent":    `{"kty":"RSA","n":"` + encode(append([]byte{0x80}, make([]byte, 255)...)) + `","e":"Ag"}`,
		"huge exponent":    `{"kty":"RSA","n":"` + encode(append([]byte{0x80}, make([]byte, 255)...)) + `","e":"AQABAQAB"}`,
		"short Ed25519":    `{"kty":"OKP","crv":"Ed25519","x":"AA"}`,
		"nothing":          `{}`,
	} {
		if k, err := ParseKey([]byte(jwk)); err == nil {
			t.Errorf("%s: got %s", what, k.JWK())
		}
	}
}

// TestThumbprint is the example of RFC 7638 section 3.1.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	k, err := ParseKey([]byte(`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; k.Thumbprint() != want {
		t.Errorf("got %s, want %s", k.Thumbprint(), want)
	}
}

func TestProblemsAreTheirURN(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Problemf(BadNonce, "x"))
	if err != nil || string(b) != `{"type":"urn:ietf:params:acme:error:badNonce","detail":"x"}` {
		t.Errorf("got %s, %v", b, err)
	}
	var p Problem
	if err := json.Unmarshal(b, &p); err != nil || p.Type != BadNonce {
		t.Errorf("got %v, %v", p, err)
	}
}

func FuzzParseMessage(f *testing.F) {
	body, err := Sign(signers(f)["ES256"], Header{URL: "https://ca.example.test/x", Nonce: "n"}, []byte(`{"a":1}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"protected":"e30","payload":"","signature":""}`))
	f.Add([]byte(`{"protected":"e30","payload":"","signature":"","Payload":""}`))
	other, err := NewKey(signers(f)["ES256"].Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ParseMessage(body)
		if err != nil {
			return
		}
		if m.Verify(other) == nil || m.VerifyMAC([]byte("a key that nobody knows")) == nil {
			t.Error("a message that was signed by nobody is taken")
		}
		if m.Header.JWK != nil {
			k, err := ParseKey(m.Header.JWK)
			if err != nil {
				return
			}
			again, err := ParseKey([]byte(k.JWK()))
			if err != nil || again.Thumbprint() != k.Thumbprint() {
				t.Errorf("%s: read again it is another key: %v", k.JWK(), err)
			}
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"identifiers":[{"type":"dns","value":"a.example.test"}]}`))
	f.Add([]byte(`{"a":{"b":[1,2,{"c":null}]},"A":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o Order
		if ReadJSON(data, &o) != nil {
			return
		}
		b, err := json.Marshal(o)
		if err != nil {
			return // a time beyond the year 9999
		}
		var again Order
		if err := ReadJSON(b, &again); err != nil {
			t.Errorf("%s: written, it cannot be read: %v", b, err)
		}
	})
}
