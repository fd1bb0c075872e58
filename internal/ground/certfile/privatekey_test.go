package certfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
)

// TestKeysOfOpenSSL reads every way in which OpenSSL writes a private key.
func TestKeysOfOpenSSL(t *testing.T) {
	t.Parallel()
	dir := pemFiles(t)
	pass := "pass:" + testPassword
	for _, key := range []string{"key.pem", "rsakey.pem"} {
		for _, command := range []string{
			"pkey", "pkey -outform DER", "pkey -traditional", "pkey -traditional -outform DER",
			"pkey -traditional -aes256 -passout", "pkey -traditional -aes128 -passout", "pkey -traditional -des3 -passout",
			"pkey -traditional -des -provider legacy -provider default -passout",
			"pkey -aes256 -passout", "pkey -aes-192-cbc -passout", "pkey -des3 -passout",
			"pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512 -passout", "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -passout",
			"pkcs8 -topk8 -scrypt -passout", "pkcs8 -topk8 -outform DER -passout", "pkcs8 -topk8 -scrypt -scrypt_N 1024 -scrypt_r 16 -scrypt_p 2 -passout",
			"pkcs8 -topk8 -v1 PBE-SHA1-3DES -provider legacy -provider default -passout", "pkcs8 -topk8 -v1 PBE-SHA1-DES -provider legacy -provider default -passout",
			"pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default -passout", "pkcs8 -topk8 -v1 PBE-SHA1-RC2-40 -provider legacy -provider default -passout",
		} {
			args := append([]string{"openssl"}, strings.Fields(command)...)
			encrypted := strings.HasSuffix(command, "-passout")
			if encrypted {
				args = append(args, pass)
			}
			data := []byte(run(t, dir, "", append(args, "-in", key)...).Stdout)
			want := shared().key
			if key == "rsakey.pem" {
				want = shared().rsaKey
			}
			c, err := Read("mail.key", data, withPassword(testPassword))
			if err != nil {
				t.Errorf("%s of %s: %v", command, key, err)
				continue
			}
			if len(c.Keys) != 1 || c.Keys[0].Private.String() != want.String() {
				t.Errorf("%s of %s: got %v, want %v", command, key, c.Keys, want)
			}
			if !encrypted {
				continue
			}
			if _, err := Read("mail.key", data, withPassword("wrong")); !errors.As(err, new(*PasswordError)) || namesFile(err, "mail.key") != nil {
				t.Errorf("%s of %s, wrong password: got %v", command, key, err)
			}
			if _, err := Read("mail.key", data, ReadOptions{}); !errors.As(err, new(*PasswordMissingError)) || namesFile(err, "mail.key") != nil {
				t.Errorf("%s of %s, no password: got %v", command, key, err)
			}
		}
	}
}

func TestKeysThatWeRefuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for args, want := range map[string]string{
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1":                            "the curve secp256k1",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521":                                "the curve P-521",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1":                      "the curve brainpoolP256r1",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit": "a curve without a name",
		"ecparam -name secp521r1 -genkey -noout":                                                "the curve P-521",
		"ecparam -name secp224r1 -genkey -noout":                                                "the curve P-224",
		"genpkey -algorithm X25519":                                                             "X25519",
		"genpkey -algorithm ED448":                                                              "Ed448",
		"genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024 -quiet":                       "RSASSA-PSS",
	} {
		data := []byte(run(t, dir, "", append([]string{"openssl"}, strings.Fields(args)...)...).Stdout)
		_, err := Read("mail.key", data, withPassword("secret"))
		if u, ok := errors.AsType[*UnsupportedError](err); !ok || !strings.Contains(u.What, want) || namesFile(err, "mail.key") != nil {
			t.Errorf("%s: got %v, want %q not supported", args, err, want)
		}
	}
	small, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 7))
	if err != nil {
		t.Fatal(err)
	}
	smallDER, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	for what, der := range map[string][]byte{"RSA-1024": weakRSA(t), "a small scalar": smallDER} {
		_, err := Read("weak.key", der, ReadOptions{})
		if _, ok := errors.AsType[*keys.WeakKeyError](err); !ok || namesFile(err, "weak.key") != nil {
			t.Errorf("%s: got %v, want a WeakKeyError with the file", what, err)
		}
	}
}

// TestKeyWhosePublicHalfIsAnothers damages the scalar: the standard library does not notice.
func TestKeyWhosePublicHalfIsAnothers(t *testing.T) {
	t.Parallel()
	p := shared()
	dir := pemFiles(t)
	sec1 := []byte(run(t, dir, "", "openssl", "pkey", "-traditional", "-outform", "DER", "-in", "key.pem").Stdout)
	compressed := []byte(run(t, dir, "", "openssl", "ec", "-conv_form", "compressed", "-outform", "DER", "-in", "key.pem").Stdout)
	for what, tt := range map[string]struct {
		der []byte
		at  int // in the scalar
	}{"PKCS #8": {p.keyDER, 40}, "SEC 1": {sec1, 12}, "compressed": {compressed, 12}} {
		wantContents(t, mustRead(t, what, tt.der, ReadOptions{}), [4]int{0, 1, 0, 0})
		damaged := bytes.Clone(tt.der)
		damaged[tt.at] ^= 1
		if _, err := Read("mail.key", damaged, ReadOptions{}); !errors.As(err, new(*keys.WeakKeyError)) || namesFile(err, "mail.key") != nil {
			t.Errorf("%s: got %v, want a WeakKeyError", what, err)
		}
	}
	if len(compressed) >= len(sec1) {
		t.Errorf("openssl did not compress: %d octets, %d", len(compressed), len(sec1))
	}
}

// TestPasswordHashBounds asks for more work or memory than we give.
func TestPasswordHashBounds(t *testing.T) {
	t.Parallel()
	type pbkdf2 struct {
		Salt []byte
		N    int
	}
	type scrypt struct {
		Salt    []byte
		N, R, P int
	}
	type identifier struct {
		OID    asn1.ObjectIdentifier
		Params any
	}
	build := func(kdf identifier) []byte {
		cipher := identifier{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, make([]byte, 16)}
		marshal := func(v any) asn1.RawValue {
			der, err := asn1.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return asn1.RawValue{FullBytes: der}
		}
		identify := func(i identifier) asn1.RawValue { return marshal([]asn1.RawValue{marshal(i.OID), marshal(i.Params)}) }
		params := marshal([]asn1.RawValue{identify(kdf), identify(cipher)})
		return marshal([]asn1.RawValue{marshal([]asn1.RawValue{marshal(oidPBES2()), params}), marshal(make([]byte, 32))}).FullBytes
	}
	salt := make([]byte, 16)
	pb, sc := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	for what, tt := range map[string]struct {
		kdf   identifier
		limit bool
	}{
		"PBKDF2, two thousand million": {identifier{pb, pbkdf2{salt, 1<<31 - 1}}, true},
		"PBKDF2, twice over the limit": {identifier{pb, pbkdf2{salt, maxIterations + 1}}, true},
		"PBKDF2, zero":                 {identifier{pb, pbkdf2{salt, 0}}, false},
		"PBKDF2, negative":             {identifier{pb, pbkdf2{salt, -1}}, false},
		"PBKDF2, a long salt":          {identifier{pb, pbkdf2{make([]byte, 4000), 1}}, false},
		"scrypt, N":                    {identifier{sc, scrypt{salt, 1 << 30, 8, 1}}, true},
		"scrypt, r":                    {identifier{sc, scrypt{salt, 2, 1 << 28, 1}}, true},
		"scrypt, p":                    {identifier{sc, scrypt{salt, 2, 8, 1 << 30}}, true},
		"scrypt, all the memory often": {identifier{sc, scrypt{salt, 1 << 15, 16, 1 << 14}}, true},
		"scrypt, N no power of two":    {identifier{sc, scrypt{salt, 1000, 8, 1}}, false},
		"scrypt, zero":                 {identifier{sc, scrypt{salt, 0, 8, 1}}, false},
	} {
		_, err := Read("mail.key", build(tt.kdf), withPassword("x"))
		if err == nil || isLimit(err) != tt.limit || namesFile(err, "mail.key") != nil {
			t.Errorf("%s: got %v, want a LimitError %v", what, err, tt.limit)
		}
	}
}

func TestKeyTwice(t *testing.T) {
	t.Parallel()
	p := shared()
	dir := pemFiles(t)
	sec1 := run(t, dir, "", "openssl", "pkey", "-traditional", "-in", "key.pem").Stdout
	c := mustRead(t, "mail.pem", append(p.key.PEM(), sec1...), ReadOptions{})
	wantContents(t, c, [4]int{0, 1, 0, 0})
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, mustRead(t, "ed.key", encodePEM("ED25519 PRIVATE KEY", der), ReadOptions{}), [4]int{0, 1, 0, 0})
}

// TestDSA: a key of an algorithm that has gone is named, in PKCS #8 as in its own PEM block.
func TestDSA(t *testing.T) {
	t.Parallel()
	// SEQUENCE { 0, SEQUENCE { dsa, SEQUENCE { p, q, g } }, OCTET STRING { x } }, RFC 3279 section 2.3.2
	der := []byte{0x30, 0x1e, 2, 1, 0, 0x30, 0x14, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1, 0x30, 9, 2, 1, 23, 2, 1, 11, 2, 1, 4, 4, 3, 2, 1, 7}
	for what, data := range map[string][]byte{"PKCS #8": der, "PKCS #8 in PEM": encodePEM("PRIVATE KEY", der), "its own block": encodePEM("DSA PRIVATE KEY", der)} {
		_, err := Read("old.key", data, ReadOptions{})
		unsupported, ok := errors.AsType[*UnsupportedError](err)
		if !ok || !strings.Contains(unsupported.What, "DSA") || namesFile(err, "old.key") != nil {
			t.Errorf("%s: got %v, want an UnsupportedError that names DSA and the file", what, err)
		}
	}
}
