package certfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	keystore "github.com/pavlo-v-chernykh/keystore-go/v4"

	"postseal/internal/ground/keys"
)

// jks is a keystore as another library writes it: one key with its chain, one certificate alone.
func jks(t testing.TB, password, keyPassword string) []byte {
	t.Helper()
	p := shared()
	ks := keystore.New()
	err := ks.SetPrivateKeyEntry("mail", keystore.PrivateKeyEntry{
		CreationTime: time.Now(), PrivateKey: bytes.Clone(p.keyDER),
		CertificateChain: []keystore.Certificate{{Type: "X509", Content: p.leafDER}, {Type: "X509", Content: p.interDER}},
	}, []byte(keyPassword))
	if err == nil {
		err = ks.SetTrustedCertificateEntry("root", keystore.TrustedCertificateEntry{
			CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X509", Content: p.rootDER}})
	}
	var out bytes.Buffer
	if err == nil {
		err = ks.Store(&out, []byte(password))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestJKS(t *testing.T) {
	t.Parallel()
	p := shared()
	c := mustRead(t, "store.jks", jks(t, testPassword, testPassword), withPassword(testPassword))
	wantContents(t, c, [4]int{3, 1, 0, 0})
	if b := wantBundle(t, c, p.bundle); b.FriendlyName != "mail" || b.Root == nil {
		t.Errorf("got name %q, root %v", b.FriendlyName, b.Root)
	}
	if _, err := Read("store.jks", jks(t, testPassword, testPassword), withPassword("wrong")); !errors.As(err, new(*PasswordError)) {
		t.Errorf("wrong password: got %v", err)
	}
	if _, err := Read("store.jks", jks(t, testPassword, testPassword), ReadOptions{}); !errors.As(err, new(*PasswordMissingError)) {
		t.Errorf("no password: got %v", err)
	}
	ks := keystore.New() // and one that is empty
	var out bytes.Buffer
	if err := ks.Store(&out, []byte(testPassword)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read("store.jks", out.Bytes(), withPassword(testPassword)); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("empty: got %v", err)
	}
}

func TestJKSKeyWithItsOwnPassword(t *testing.T) {
	t.Parallel()
	data := jks(t, testPassword, "another one")
	var asked []string
	c := mustRead(t, "store.jks", data, ReadOptions{Password: func(what string) (keys.Secret, error) {
		asked = append(asked, what)
		if strings.Contains(what, "the key mail") {
			return keys.NewSecret("another one"), nil
		}
		return keys.NewSecret(testPassword), nil
	}})
	wantBundle(t, c, shared().bundle)
	if len(asked) != 2 || asked[0] != "store.jks" {
		t.Errorf("asked for %q", asked)
	}
	if _, err := Read("store.jks", data, withPassword(testPassword)); !errors.As(err, new(*PasswordError)) {
		t.Errorf("got %v, want a PasswordError", err)
	}
}

// TestJKSCounts gives numbers that the file does not keep.
func TestJKSCounts(t *testing.T) {
	t.Parallel()
	data := jks(t, testPassword, testPassword)
	for at := 4; at < 12; at++ {
		huge := bytes.Clone(data)
		huge[at] = 0xff
		if _, err := Read("store.jks", huge, withPassword(testPassword)); err == nil || namesFile(err, "store.jks") != nil {
			t.Errorf("0xff at %d: got %v", at, err)
		}
	}
}
