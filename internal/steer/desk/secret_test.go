package desk

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
)

// files reads everything under dir.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// secrets opens every private key of the organisation and returns the parts that must be nowhere: of an EC
// key its scalar, of an RSA key its exponent and primes, of an Ed25519 key its seed.
func (h *house) secrets(t *testing.T) (parts [][]byte) {
	t.Helper()
	add := func(key *keys.Private) {
		der := key.PKCS8().Bytes()
		// RFC 5958 section 2: version, algorithm, and the key itself in an octet string.
		var outer struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		if _, err := asn1.Unmarshal(der, &outer); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, outer.Key)
		if rsa, err := x509.ParsePKCS1PrivateKey(outer.Key); err == nil {
			parts = append(parts, rsa.D.Bytes(), rsa.Primes[0].Bytes(), rsa.Primes[1].Bytes())
		}
		var ec struct {
			Version int
			Scalar  []byte
			Rest    asn1.RawContent `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(outer.Key, &ec); err == nil {
			parts = append(parts, ec.Scalar)
		}
	}
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.db.View(t.Context(), func(tx *state.Tx) error {
		ids := []string{v.org.SecretID}
		for _, l := range v.lineages {
			for _, g := range l.Generations {
				for _, m := range g.Members {
					ids = append(ids, m.SecretID)
				}
			}
		}
		for _, id := range ids {
			key, err := h.signer(tx, id)
			if err != nil {
				return err
			}
			add(key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return append(parts, h.seed(t))
}

// seed is the seed of the sealing key.
func (h *house) seed(t *testing.T) []byte {
	t.Helper()
	return h.Desk.sealing.Key.Seed().Bytes()
}

// TestNoKeyInTheState looks for private keys in every byte of the directory but the sealing key file, after
// acts of every kind: the keys themselves, and what any private key looks like.
func TestNoKeyInTheState(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}, Kinds: []string{"ecdsa-p384", "rsa-2048"}, Exportable: true, Services: "IMAP,SMTP"})
	h.make(t, NewRequest{Lineage: "two", Kinds: []string{"ed25519", "ecdsa-p256"}})
	for _, keep := range []bool{true, false} {
		if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "one", KeepKey: keep}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	parts := h.secrets(t)
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "two"}); err != nil {
		t.Fatal(err)
	}
	if len(parts) < 15 {
		t.Fatalf("only %d parts of keys", len(parts))
	}
	markers := map[string][]byte{
		"PEM":            []byte("PRIVATE KEY-----"),
		"PKCS#8, EC":     {2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1},
		"PKCS#8, P-384":  {2, 1, 0, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1},
		"PKCS#8, RSA":    {2, 1, 0, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1},
		"PKCS#8, Ed":     {2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70},
		"PKCS#1":         {2, 1, 0, 2, 0x82, 1, 1, 0},
		"SEC 1, P-256":   {2, 1, 1, 4, 0x20},
		"SEC 1, P-384":   {2, 1, 1, 4, 0x30},
		"sealing key":    []byte("sealing-key:"),
		"a token's form": []byte("-----BEGIN"),
	}
	look := func() {
		n := 0
		for path, content := range files(t, h.dir) {
			if path == h.sealing {
				continue
			}
			n += len(content)
			for _, part := range parts {
				for form, text := range forms(part) {
					if bytes.Contains(content, text) {
						t.Errorf("%s holds a private key, %s", path, form)
					}
				}
			}
			for name, marker := range markers {
				if bytes.Contains(content, marker) {
					t.Errorf("%s holds what looks like a private key: %s", path, name)
				}
			}
		}
		if n < 50_000 {
			t.Errorf("only %d bytes were looked at", n)
		}
	}
	look()
	h.close(t)
	look()
	sealing, err := os.ReadFile(h.sealing)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts[:len(parts)-1] {
		for form, text := range forms(part) {
			if bytes.Contains(sealing, text) {
				t.Errorf("the sealing key file holds another private key, %s", form)
			}
		}
	}
	if !bytes.Contains(sealing, forms(parts[len(parts)-1])["base64"]) {
		t.Error("the sealing key is not found where it is: the test looks for the wrong thing")
	}
}

// forms are the ways in which bytes get printed or stored.
func forms(secret []byte) map[string][]byte {
	decimals := strings.Trim(fmt.Sprint(secret[:16]), "[]")
	return map[string][]byte{
		"raw": secret, "hex": []byte(hex.EncodeToString(secret)), "capital hex": []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"base64":   []byte(base64.StdEncoding.EncodeToString(secret)),
		"decimals": []byte(decimals), "Go syntax": []byte(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret[:16]), "[]byte{"), "}")),
	}
}

// TestNothingPrintsAKey prints what holds keys in every way that a careless line could.
func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	p, err := newPlan(exampleSetup(h.dir))
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.build()
	if err != nil {
		t.Fatal(err)
	}
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := v.sealer()
	key, err := keys.Generate(keys.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.seal(state.SecretMemberKey, key); err != nil {
		t.Fatal(err)
	}
	plan, err := NewRequest{Name: "N"}.plan(h.server)
	if err != nil {
		t.Fatal(err)
	}
	parts := append(h.secrets(t), b.file.Key.Seed().Bytes(), key.PKCS8().Bytes(), b.file.Marshal().Bytes())
	for _, x := range []any{h.Desk, h.Desk.sealing, *h.Desk.sealing, h.signers, h.Ring(), p, *p, b, *b, b.file, s, *s, plan, *plan, v, *v, key, *key, h.Engine()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			text := []byte(fmt.Sprintf(verb, x))
			for _, part := range parts {
				for form, secret := range forms(part) {
					if bytes.Contains(text, secret) {
						t.Errorf("%T printed with %s shows a private key, %s", x, verb, form)
					}
				}
			}
		}
	}
}
