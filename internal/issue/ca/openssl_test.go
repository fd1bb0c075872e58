package ca

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

func writePEM(t *testing.T, certificates ...[]byte) string {
	t.Helper()
	var text []byte
	for _, raw := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
	}
	file := filepath.Join(t.TempDir(), "certificates.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOpenSSLAcceptsEveryProfile issues one certificate of each profile, with each kind of authority's key, and asks
// openssl whether it is good for its purpose, strictly.
func TestOpenSSLAcceptsEveryProfile(t *testing.T) {
	t.Parallel()
	purposes := map[string]string{"server": "sslserver", "client": "sslclient", "user": "sslclient", "device": "sslclient", "smime-sign": "smimesign", "smime-encrypt": "smimeencrypt", "ipsec": "any", "code-signing": "any", "mail-partner": "sslclient"}
	rsa, ecdsa := newKey(t, keys.RSA2048), newKey(t, keys.ECDSAP256)
	for _, kinds := range [][2]keys.Kind{{keys.ECDSAP384, keys.ECDSAP256}, {keys.RSA2048, keys.RSA2048}, {keys.Ed25519, keys.Ed25519}} {
		h := newHierarchy(t, kinds[0], kinds[1])
		root := writePEM(t, h.root.cert.Raw)
		for _, o := range Builtin([]string{"example.com"}) {
			if o.Name == "mail-partner" {
				o.Domains = []string{"sub.example.com"}
			}
			p := newProfile(t, o)
			names := []string{"mail.sub.example.com", "*.sub.example.com"}
			if !o.Wildcards {
				names = names[:1]
			}
			if p.o.Names[0] == NameEmail {
				names = []string{"kim@example.com"}
			}
			key := rsa
			if o.Name == "code-signing" {
				key = ecdsa
			}
			issued, err := New(h.issuers[p.Purpose()], newMemory()).Issue(t.Context(), p, Request{PublicKey: key.Public(), Names: names, CRL: "http://pki.example.com/1.crl"})
			if err != nil {
				t.Errorf("%s: %v", o.Name, err)
				continue
			}
			leaf, chain := writePEM(t, issued.Certificate.Raw), writePEM(t, h.issuers[p.Purpose()].cert.Raw)
			got := peers.Run(t, peers.Command{Args: []string{"openssl", "verify", "-x509_strict", "-purpose", purposes[o.Name], "-CAfile", root, "-untrusted", chain, leaf}})
			if got.Exit != 0 {
				t.Errorf("%s under %s: %v", o.Name, kinds[1], got)
			}
		}
	}
}

// TestOpenSSLHoldsTheConstraints signs, past our own checks, what the authority's constraints forbid: others refuse it
// too, which is what constraints are for.
func TestOpenSSLHoldsTheConstraints(t *testing.T) {
	t.Parallel()
	h := newHierarchy(t, keys.ECDSAP256, keys.ECDSAP256)
	i := h.issuers[PurposeServers]
	root, chain := writePEM(t, h.root.cert.Raw), writePEM(t, i.cert.Raw)
	for _, tt := range []struct {
		name string
		want string
	}{{"mail.example.com", ""}, {"192.0.2.7", ""}, {"mail.example.org", "permitted subtree violation"}, {"198.51.100.7", "permitted subtree violation"}} {
		names, err := parseNames([]string{tt.name})
		if err != nil {
			t.Fatal(err)
		}
		p := newProfile(t, ProfileOptions{Name: "any", Names: []NameKind{NameHost, NameAddress}})
		list, err := i.extensions(p, Request{PublicKey: i.signer.Public()}, names, i.keyID)
		if err != nil {
			t.Fatal(err)
		}
		info, _, err := publicKeyInfo(newKey(t, keys.ECDSAP256).Public())
		if err != nil {
			t.Fatal(err)
		}
		tbs, err := body{serial: newSerial(i.cert.NotBefore), signature: i.algorithm.Identifier, issuer: i.cert.RawSubject, subject: []byte{0x30, 0}, publicKey: info,
			notBefore: i.cert.NotBefore, notAfter: i.cert.NotAfter, extensions: list}.encode()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := i.sign(tbs)
		if err != nil {
			t.Fatal(err)
		}
		got := peers.Run(t, peers.Command{Args: []string{"openssl", "verify", "-CAfile", root, "-untrusted", chain, writePEM(t, raw)}})
		if (got.Exit == 0) != (tt.want == "") || !strings.Contains(fmt.Sprint(got), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, got, tt.want)
		}
	}
}
