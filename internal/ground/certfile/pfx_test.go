package certfile

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

var sha1New = sha1.New

// TestPFXOfOpenSSL reads what OpenSSL writes, old and new.
func TestPFXOfOpenSSL(t *testing.T) {
	t.Parallel()
	dir := pemFiles(t)
	tests := map[string]struct {
		args     string
		password string
		with     PasswordUse
	}{
		"as it comes":          {"", testPassword, PasswordGiven},
		"as OpenSSL 1 did":     {"-legacy", testPassword, PasswordGiven},
		"RC2-128":              {"-legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-RC2-40", testPassword, PasswordGiven},
		"RC4":                  {"-legacy -certpbe PBE-SHA1-RC4-128 -keypbe PBE-SHA1-RC4-40", testPassword, PasswordGiven},
		"Triple DES":           {"-legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-2DES", testPassword, PasswordGiven},
		"DES":                  {"-legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-DES", testPassword, PasswordGiven},
		"DES, MD5":             {"-legacy -certpbe PBE-MD5-DES -keypbe PBE-MD5-DES", testPassword, PasswordGiven},
		"AES-128 and 192":      {"-certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha512", testPassword, PasswordGiven},
		"not encrypted":        {"-certpbe NONE -keypbe NONE -macalg sha384", testPassword, PasswordGiven},
		"DES in PBES2":         {"-certpbe DES-EDE3-CBC -keypbe DES-EDE3-CBC -macalg sha224", testPassword, PasswordGiven},
		"one iteration":        {"-noiter", testPassword, PasswordGiven},
		"many iterations":      {"-iter 100000", testPassword, PasswordGiven},
		"other characters":     {"", "pässwörd 비밀번호", PasswordGiven},
		"other characters, 3D": {"-legacy", "pässwörd 비밀번호", PasswordGiven},
		"beyond the BMP":       {"", "key 🔑", PasswordGiven},
		"empty":                {"", "", PasswordEmpty},
		"empty, old":           {"-legacy", "", PasswordEmpty},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			args := []string{"openssl", "pkcs12", "-export", "-inkey", dir + "/key.pem", "-in", dir + "/leaf.pem", "-certfile", dir + "/chain.pem",
				"-name", "Mail 메일", "-passout", "pass:" + tt.password, "-out", "/dev/stdout"}
			r := run(t, dir, "", append(args, strings.Fields(tt.args)...)...)
			asked := 0
			c := mustRead(t, "mail.pfx", []byte(r.Stdout), ReadOptions{Password: func(what string) (keys.Secret, error) {
				asked++
				if what != "mail.pfx" {
					t.Errorf("asked for %q", what)
				}
				return keys.NewSecret(tt.password), nil
			}})
			wantContents(t, c, [4]int{3, 1, 0, 0})
			if b := wantBundle(t, c, shared().bundle); b.FriendlyName != "Mail 메일" || b.Root == nil {
				t.Errorf("got name %q, root %v", b.FriendlyName, b.Root)
			}
			if len(c.Opened) != 1 || c.Opened[0].With != tt.with {
				t.Errorf("got opened %v, want with %s", c.Opened, tt.with)
			}
			if want := min(1, len(tt.password)); asked != want {
				t.Errorf("asked %d times for the password, want %d", asked, want)
			}
		})
	}
}

func TestPFXErrors(t *testing.T) {
	t.Parallel()
	dir := pemFiles(t)
	export := func(args ...string) []byte {
		all := append([]string{"openssl", "pkcs12", "-export", "-inkey", "key.pem", "-in", "leaf.pem", "-passout", "pass:" + testPassword, "-out", "/dev/stdout"}, args...)
		return []byte(run(t, dir, "", all...).Stdout)
	}
	t.Run("no MAC", func(t *testing.T) {
		_, err := Read("mail.pfx", export("-nomac"), withPassword(testPassword))
		if !errors.Is(err, ErrNoMAC) || namesFile(err, "mail.pfx") != nil {
			t.Errorf("got %v, want ErrNoMAC with the file", err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		_, err := Read("mail.pfx", export(), withPassword("wrong"))
		if _, ok := errors.AsType[*PasswordError](err); !ok || namesFile(err, "mail.pfx") != nil {
			t.Errorf("got %v, want a PasswordError with the file", err)
		}
	})
	t.Run("empty password for one that is not", func(t *testing.T) {
		_, err := Read("mail.pfx", export(), withPassword(""))
		if _, ok := errors.AsType[*PasswordError](err); !ok {
			t.Errorf("got %v, want a PasswordError", err)
		}
	})
	t.Run("no password", func(t *testing.T) {
		_, err := Read("mail.pfx", export(), ReadOptions{})
		if _, ok := errors.AsType[*PasswordMissingError](err); !ok || namesFile(err, "mail.pfx") != nil {
			t.Errorf("got %v, want a PasswordMissingError with the file", err)
		}
	})
	t.Run("asking goes wrong", func(t *testing.T) {
		gone := errors.New("the terminal is gone")
		_, err := Read("mail.pfx", export(), ReadOptions{Password: func(string) (keys.Secret, error) { return nil, gone }})
		if !errors.Is(err, gone) {
			t.Errorf("got %v, want %v", err, gone)
		}
	})
	t.Run("too many iterations", func(t *testing.T) {
		cheap := cheapPFX(t)
		salt := bytes.LastIndex(cheap, []byte{2, 1, 1}) // the last INTEGER is the count of the MAC
		dear := slices.Concat(cheap[:salt], []byte{2, 4, 0x7f, 0xff, 0xff, 0xff})
		dear = rebuilt(dear)
		if _, err := Read("mail.pfx", dear, withPassword(testPassword)); !isLimit(err) {
			t.Errorf("got %v, want a LimitError", err)
		}
	})
	t.Run("a MAC of another kind", func(t *testing.T) {
		odd := bytes.Replace(cheapPFX(t), []byte{0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a}, []byte{0x06, 5, 0x2b, 0x0e, 3, 2, 0x1b}, 1)
		_, err := Read("mail.pfx", odd, withPassword(testPassword))
		if u, ok := errors.AsType[*UnsupportedError](err); !ok || !strings.Contains(u.What, "1.3.14.3.2.27") {
			t.Errorf("got %v, want an UnsupportedError with the OID", err)
		}
	})
}

// rebuilt mends the lengths of a PFX whose last INTEGER, that of the MAC, was made three octets longer.
func rebuilt(pfx []byte) []byte {
	e, _, err := frame(append(bytes.Clone(pfx), make([]byte, 16)...))
	if err != nil {
		panic(err)
	}
	content := pfx[len(pfx)-len(e.content)-3:]
	var out []byte
	for i := range 3 {
		e, rest, err := frame(content)
		if i == 2 { // MacData
			out = appendElement(out, e.tag, content[2:])
			break
		}
		if err != nil {
			panic(err)
		}
		out = append(out, content[:len(content)-len(rest)]...)
		content = rest
	}
	return appendElement(nil, []byte{0x30}, out)
}

func isLimit(err error) bool {
	_, ok := errors.AsType[*LimitError](err)
	return ok
}

// TestPFXOfGo reads what another library writes, PBMAC1 included, which OpenSSL 3.0 cannot.
func TestPFXOfGo(t *testing.T) {
	t.Parallel()
	p := shared()
	der := p.key.PKCS8()
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	for what, encoder := range map[string]*pkcs12.Encoder{
		"LegacyRC2": pkcs12.LegacyRC2, "LegacyDES": pkcs12.LegacyDES, "Modern2023": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026,
	} {
		for _, password := range []string{testPassword, "", "비밀번호"} {
			data, err := encoder.Encode(key, p.leaf, []*x509.Certificate{p.inter}, password)
			if err != nil {
				t.Fatal(err)
			}
			c := mustRead(t, what+".p12", data, withPassword(password))
			wantBundle(t, c, p.bundle)
			if _, err := Read(what, data, withPassword("wrong")); password != "" && !errors.As(err, new(*PasswordError)) {
				t.Errorf("%s: got %v, want a PasswordError", what, err)
			}
			if c.Keys[0].LocalKeyID == "" || c.Keys[0].LocalKeyID != c.Certificates[0].LocalKeyID {
				t.Errorf("%s: got local key ids %q and %q", what, c.Keys[0].LocalKeyID, c.Certificates[0].LocalKeyID)
			}
		}
	}
}

// TestEmptyAndAbsentPassword tells the two apart.
func TestEmptyAndAbsentPassword(t *testing.T) {
	t.Parallel()
	for _, p := range noPassphrases() {
		w := pfxWriter{p: p, seal: sealTripleDES, newHash: sha1.New, hash: []int{1, 3, 14, 3, 2, 26}, iterations: 2}
		data, err := w.file(shared().bundle, PFXOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for what, opts := range map[string]ReadOptions{"nobody asked": {}, "empty given": withPassword(""), "one given": withPassword("x")} {
			c := mustRead(t, "mail.pfx", data, opts)
			if len(c.Opened) != 1 || c.Opened[0].With != p.with {
				t.Errorf("%s, %s: got %v", p.with, what, c.Opened)
			}
			wantBundle(t, c, shared().bundle)
		}
	}
}

// TestPFXInBER reads the same file in BER, in every layer that nobody has hashed.
func TestPFXInBER(t *testing.T) {
	t.Parallel()
	ber := toBER(cheapPFX(t))
	if bytes.Equal(ber, cheapPFX(t)) {
		t.Fatal("the file is not in BER")
	}
	wantBundle(t, mustRead(t, "ber.pfx", ber, withPassword(testPassword)), shared().bundle)
	// The layers inside: the list of safes in BER, and encrypted content under an implicit tag in pieces.
	p := shared()
	pass := passphrases(keys.NewSecret(testPassword))[0]
	w := pfxWriter{p: pass, seal: func(p passphrase, plain []byte, n int) (a, c []byte, err error) { return sealPBES2(p, toBER(plain), n) },
		newHash: sha1.New, hash: []int{1, 3, 14, 3, 2, 26}, iterations: 1}
	data, err := w.file(p.bundle, PFXOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantBundle(t, mustRead(t, "ber.pfx", data, withPassword(testPassword)), p.bundle)

	c := mustRead(t, "ber.pfx", data, withPassword(testPassword))
	b := &bags{reader: &reader{contents: &Contents{}}, p: pass, at: Origin{File: "ber.pfx"}}
	safes := safesOf(t, data)
	if bytes.Equal(inPieces(safes), safes) {
		t.Fatal("there is no implicit tag")
	}
	if err := b.readSafes(toBER(inPieces(safes))); err != nil {
		t.Fatal(err)
	}
	wantContents(t, b.contents, [4]int{len(c.Certificates), len(c.Keys), 0, 0})
}

// safesOf is the AuthenticatedSafe of a PFX file.
func safesOf(t testing.TB, pfx []byte) []byte {
	t.Helper()
	s := pfx
	for _, step := range []int{1, 1, 0} { // into PFX, authSafe, [0]
		e, _, err := frame(s)
		if err != nil {
			t.Fatal(err)
		}
		s = e.content
		for range step {
			if _, s, err = frame(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, _, err := frame(s)
	if err != nil {
		t.Fatal(err)
	}
	return e.content
}

// inPieces writes every primitive [0] as a constructed one of octet strings.
func inPieces(der []byte) (out []byte) {
	for len(der) > 0 {
		e, rest, err := frame(der)
		if err != nil {
			panic(err)
		}
		switch {
		case e.tag[0] == 0x80:
			half := len(e.content) / 2
			pieces := appendElement(appendElement(nil, []byte{4}, e.content[:half]), []byte{4}, e.content[half:])
			out = appendElement(out, []byte{0xa0}, pieces)
		case e.constructed():
			out = appendElement(out, e.tag, inPieces(e.content))
		default:
			out = append(out, der[:len(der)-len(rest)]...)
		}
		der = rest
	}
	return out
}

// TestPFXIsReadByOthers writes both profiles for OpenSSL, Java, NSS and another library.
func TestPFXIsReadByOthers(t *testing.T) {
	t.Parallel()
	peers.Need(t, "openssl", "keytool", "certutil", "pk12util", "certtool")
	p := shared()
	rsa := Bundle{Key: p.rsaKey, Leaf: p.rsaLeaf, Chain: []*x509.Certificate{p.inter}}
	for _, profile := range []Profile{ProfileModern, ProfileWindows2016} {
		for _, b := range []Bundle{p.bundle, rsa} {
			for _, password := range []string{testPassword, "pässwörd 비밀"} {
				if password != testPassword && b.Leaf != p.leaf {
					continue
				}
				data, err := PFX(b, PFXOptions{Profile: profile, Password: keys.NewSecret(password), FriendlyName: "post 메일"})
				if err != nil {
					t.Fatal(err)
				}
				c := mustRead(t, "own.pfx", data, withPassword(password))
				if got := wantBundle(t, c, b); got.FriendlyName != "post 메일" {
					t.Errorf("got name %q", got.FriendlyName)
				}
				key, leaf, chain, err := pkcs12.DecodeChain(data, password)
				if own, keyErr := keys.New(key); err != nil || keyErr != nil || !leaf.Equal(b.Leaf) || len(chain) != 1 || !own.Matches(leaf) {
					t.Errorf("%q: another library: %v, %d certificates", profile, err, len(chain))
				}
				dir := writeFiles(t, map[string][]byte{"own.pfx": data})
				args := []string{"openssl", "pkcs12", "-in", "own.pfx", "-nodes", "-passin", "pass:" + password}
				if profile == ProfileWindows2016 {
					args = append(args, "-legacy")
				}
				r := run(t, dir, "", args...)
				again := mustRead(t, "openssl", []byte(r.Stdout), ReadOptions{})
				wantBundle(t, again, b)
				if id := c.Keys[0].LocalKeyID; len(id) != 40 || id != c.Certificates[0].LocalKeyID || !strings.Contains(r.Stdout, "friendlyName: ") {
					t.Errorf("got local key id %q; openssl says\n%s", id, r.Stdout)
				}
				if password != testPassword || b.Leaf == p.leaf && profile != ProfileModern {
					continue // the others start slowly
				}
				r = run(t, dir, "", "keytool", "-list", "-v", "-keystore", "own.pfx", "-storetype", "PKCS12", "-storepass", password)
				for _, want := range []string{"PrivateKeyEntry", "Certificate chain length: 2", "Alias name: post"} {
					if !strings.Contains(r.Stdout, want) {
						t.Errorf("keytool: no %q in\n%s", want, r.Stdout)
					}
				}
				r = run(t, dir, "", "certtool", "--p12-info", "--inder", "--infile", "own.pfx", "--password", password)
				if strings.Count(r.Stdout, "BEGIN CERTIFICATE") != 2 || !strings.Contains(r.Stdout, "PRIVATE KEY") {
					t.Errorf("GnuTLS does not see two certificates and a key:\n%s", r.Stdout)
				}
				run(t, dir, "", "certutil", "-N", "-d", dir, "--empty-password")
				run(t, dir, "", "pk12util", "-i", "own.pfx", "-d", dir, "-W", password)
				if r := run(t, dir, "", "certutil", "-K", "-d", dir); !strings.Contains(r.Stdout, "post 메일") {
					t.Errorf("NSS has no key with our name:\n%s", r.Stdout)
				}
			}
		}
	}
}

// TestPFXOfOthers reads what Java and NSS write, with two keys.
func TestPFXOfOthers(t *testing.T) {
	t.Parallel()
	dir := pemFiles(t)
	p := shared()
	for _, name := range []string{"", "rsa"} {
		run(t, dir, "", "openssl", "pkcs12", "-export", "-inkey", name+"key.pem", "-in", name+"leaf.pem", "-certfile", "inter.pem",
			"-name", "entry"+name, "-passout", "pass:"+testPassword, "-out", name+"in.p12")
		run(t, dir, "", "keytool", "-importkeystore", "-srckeystore", name+"in.p12", "-srcstorepass", testPassword, "-destkeystore", "java.p12",
			"-deststoretype", "PKCS12", "-deststorepass", testPassword, "-noprompt")
	}
	both := func(t *testing.T, file string, data []byte) {
		t.Helper()
		c := mustRead(t, file, data, withPassword(testPassword))
		a, err := Assemble([]*Contents{c}, nil)
		if err != nil || len(a.Bundles) != 2 || len(a.LooseKeys) != 0 {
			t.Fatalf("%s: got %v, %v, want two bundles", file, a, err)
		}
		for _, b := range a.Bundles {
			want := map[string]string{string(p.leafDER): "entry", string(p.rsaLeaf.Raw): "entryrsa"}[string(b.Leaf.Raw)]
			if b.Key == nil || b.FriendlyName != want || len(b.Chain) != 1 || !b.Chain[0].Equal(p.inter) {
				t.Errorf("%s: got %q with key %v and chain of %d, want %q", file, b.FriendlyName, b.Key, len(b.Chain), want)
			}
		}
	}
	both(t, "java.p12", readFile(t, dir, "java.p12"))

	run(t, dir, "", "keytool", "-importkeystore", "-srckeystore", "java.p12", "-srcstorepass", testPassword, "-destkeystore", "java.jks",
		"-deststoretype", "JKS", "-deststorepass", testPassword, "-noprompt")
	both(t, "java.jks", readFile(t, dir, "java.jks"))

	run(t, dir, "", "certutil", "-N", "-d", dir, "--empty-password")
	for _, name := range []string{"", "rsa"} {
		run(t, dir, "", "pk12util", "-i", name+"in.p12", "-d", dir, "-W", testPassword)
	}
	for args, password := range map[string]string{"": "비밀번호 ä", "-c DES-EDE3-CBC -C RC2-CBC": testPassword} {
		all := append([]string{"pk12util", "-o", "nss.p12", "-n", "entry", "-d", dir, "-W", password}, strings.Fields(args)...)
		run(t, dir, "", all...)
		c := mustRead(t, "nss.p12", readFile(t, dir, "nss.p12"), withPassword(password))
		if b := wantBundle(t, c, p.bundle); b.FriendlyName != "entry" {
			t.Errorf("NSS %s: got name %q", args, b.FriendlyName)
		}
	}
}

func TestPFXRefuses(t *testing.T) {
	t.Parallel()
	p := shared()
	if _, err := PFX(p.bundle, PFXOptions{}); !errors.Is(err, ErrExportPassword) {
		t.Errorf("no password: got %v", err)
	}
	if _, err := PFX(p.bundle, PFXOptions{Profile: "new", Password: keys.NewSecret("x")}); !errors.Is(err, ErrUnknownProfile) {
		t.Errorf("unknown profile: got %v", err)
	}
	for _, b := range []Bundle{{Leaf: p.leaf}, {Key: p.otherKey, Leaf: p.leaf}, {Key: p.key}} {
		if _, err := PFX(b, PFXOptions{Password: keys.NewSecret("x")}); !errors.As(err, new(*MismatchError)) {
			t.Errorf("got %v, want a MismatchError", err)
		}
	}
}
