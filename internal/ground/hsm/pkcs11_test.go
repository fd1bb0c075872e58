//go:build pkcs11

package hsm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ThalesGroup/crypto11"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// newToken makes a token in a directory of its own. SoftHSM reads its place from the environment.
func newToken(t *testing.T, label string) *Module {
	t.Helper()
	peers.Need(t, "softhsm2-util")
	dir := t.TempDir()
	config, pin := filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "pin")
	for path, text := range map[string]string{config: "directories.tokendir = " + dir + "\nlog.level = ERROR\n", pin: "4711\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOFTHSM2_CONF", config)
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "4711", "--so-pin", "0815").CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
	m, err := New(Options{Library: softHSM, Token: label, PINFile: pin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestSoftHSM(t *testing.T) {
	m := newToken(t, "vault")
	for _, kind := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048} {
		t.Run(string(kind), func(t *testing.T) {
			r, err := NewRef("vault", "postseal root")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Signer(r); !errors.Is(err, ErrNoKey) {
				t.Errorf("before it is made: got %v, want ErrNoKey", err)
			}
			made, err := m.Generate(kind, r)
			if err != nil {
				t.Fatal(err)
			}
			check(t, made)
			if err := m.Close(); err != nil { // as a restart
				t.Fatal(err)
			}
			found, err := m.Signer(r)
			if err != nil {
				t.Fatal(err)
			}
			if !made.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(found.Public()) {
				t.Error("what is found is another key")
			}
			check(t, found)
			check(t, made) // through the module as it was opened again
			stays(t, m, r)
			var wait sync.WaitGroup
			for range 3 * sessions {
				wait.Go(func() { check(t, found) })
			}
			wait.Wait()
			all, err := m.List()
			if err != nil || len(all) != 1 || all[0].ID != r.ID() || all[0].Label != r.Label() {
				t.Errorf("listed: %v, %v", all, err)
			}
			remove(t, m, r)
			if _, err := found.Sign(nil, make([]byte, 32), crypto.SHA256); err == nil {
				t.Error("a key that was removed still signs")
			}
		})
	}
}

// check signs and verifies.
func check(t *testing.T, s crypto.Signer) {
	t.Helper()
	hash, sum := crypto.SHA256, sha256.Sum256([]byte("text"))
	digest := sum[:]
	pub, elliptic := s.Public().(*ecdsa.PublicKey)
	if elliptic && pub.Curve.Params().BitSize == 384 {
		long := sha512.Sum384([]byte("text"))
		hash, digest = crypto.SHA384, long[:]
	}
	signature, err := s.Sign(nil, digest, hash)
	if err != nil {
		t.Error(err)
		return
	}
	if elliptic && ecdsa.VerifyASN1(pub, digest, signature) {
		return
	}
	if pub, ok := s.Public().(*rsa.PublicKey); ok && rsa.VerifyPKCS1v15(pub, hash, digest, signature) == nil {
		return
	}
	t.Errorf("the signature of %T is not good", s.Public())
}

// stays sees that the key cannot leave the token.
func stays(t *testing.T, m *Module, r Ref) {
	t.Helper()
	d, err := m.session("vault")
	if err != nil {
		t.Fatal(err)
	}
	context := d.(*token).context
	key, err := d.(*token).pair(r)
	if err != nil || key == nil {
		t.Fatalf("got %v, %v", key, err)
	}
	for a, want := range map[crypto11.AttributeType]byte{crypto11.CkaExtractable: 0, crypto11.CkaSensitive: 1, crypto11.CkaNeverExtractable: 1, crypto11.CkaPrivate: 1} {
		got, err := context.GetAttribute(key, a)
		if err != nil || len(got.Value) != 1 || got.Value[0] != want {
			t.Errorf("attribute %v: got %v, %v, want %d", a, got, err, want)
		}
	}
}

// remove destroys a key, as somebody with a tool of the maker's can.
func remove(t *testing.T, m *Module, r Ref) {
	t.Helper()
	d, err := m.session("vault")
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.(*token).pair(r)
	if err == nil {
		err = key.Delete()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSoftHSMRefuses: a wrong PIN is tried once, and the token is as it was.
func TestSoftHSMRefuses(t *testing.T) {
	m := newToken(t, "vault")
	if err := os.WriteFile(m.o.PINFile, []byte("0000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := m.List(); !errors.Is(err, ErrPIN) {
			t.Errorf("got %v, want ErrPIN", err)
		}
	}
	if err := os.WriteFile(m.o.PINFile, []byte("4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.List(); err != nil {
		t.Errorf("with the right PIN: %v", err)
	}
	for name, o := range map[string]Options{
		"another token":   {Library: softHSM, Token: "elsewhere", PINFile: m.o.PINFile},
		"another library": {Library: filepath.Join(t.TempDir(), "none.so"), Token: "vault", PINFile: m.o.PINFile},
	} {
		other, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.List(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", name, err)
		}
	}
}
