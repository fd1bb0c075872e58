package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
)

// parseSeeds are a key of every kind in every form, and what almost is one.
func parseSeeds(t testing.TB) [][]byte {
	t.Helper()
	var seeds [][]byte
	for _, kind := range []Kind{ECDSAP256, ECDSAP384, RSA2048, Ed25519} {
		p := testKey(t, kind)
		seeds = append(seeds, p.PKCS8(), p.PEM())
	}
	if k, ok := testKey(t, RSA2048).key().signer.(*rsa.PrivateKey); ok {
		der := x509.MarshalPKCS1PrivateKey(k)
		seeds = append(seeds, der, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
	}
	if k, ok := testKey(t, ECDSAP256).key().signer.(*ecdsa.PrivateKey); ok {
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, der, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	}
	return append(seeds,
		[]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		[]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
		[]byte("-----BEGIN PRIVATE KEY-----\n"), []byte("\xef\xbb\xbf"), []byte("0\x00"), nil)
}

func sealingFileSeeds(t testing.TB) [][]byte {
	t.Helper()
	return [][]byte{
		testSealingFile(t).Marshal(), []byte("server: a\nserver: b\n"), []byte("# only\n\n"), []byte("organisation"),
		[]byte("sealing-key: AAAA\n"), []byte("server: %41%0a\r\n"), nil,
	}
}

func TestFuzzSeeds(t *testing.T) {
	t.Parallel()
	good := 0
	for _, seed := range parseSeeds(t) {
		if _, err := Parse(seed); err == nil {
			good++
		}
	}
	if want := 12; good != want {
		t.Errorf("got %d seeds that Parse takes, want %d", good, want)
	}
	good = 0
	for _, seed := range sealingFileSeeds(t) {
		if _, err := ParseSealingFile(seed); err == nil {
			good++
		}
	}
	if want := 1; good != want {
		t.Errorf("got %d seeds that ParseSealingFile takes, want %d", good, want)
	}
}

// FuzzParse: whatever is read is a key that signs, and reads back as itself; everything else has an error that says
// which kind of trouble it is.
func FuzzParse(f *testing.F) {
	for _, seed := range parseSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			_, weak := errors.AsType[*WeakKeyError](err)
			if p != nil || !weak && !errors.Is(err, ErrNoPrivateKey) && !errors.Is(err, ErrEncrypted) && !errors.Is(err, ErrUnknownKind) {
				t.Errorf("got %v and an error without a name: %v", p, err)
			}
			return
		}
		if err := Judge(p); err != nil {
			t.Errorf("a key was read that is judged %v", err)
		}
		again, err := ParsePKCS8(p.PKCS8())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.PKCS8(), p.PKCS8()) {
			t.Error("the key does not read back as itself")
		}
	})
}

// FuzzParseSealingFile: what is read writes and reads back as itself.
func FuzzParseSealingFile(f *testing.F) {
	for _, seed := range sealingFileSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseSealingFile(data)
		if err != nil {
			return
		}
		again, err := ParseSealingFile(file.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		wantSameFile(t, again, file)
	})
}
