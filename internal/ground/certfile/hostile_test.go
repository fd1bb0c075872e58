package certfile

import (
	"archive/zip"
	"bytes"
	"crypto/hmac"
	"encoding/asn1"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/unicode/norm"

	"postseal/internal/ground/keys"
)

// pfxAround writes a PFX whose safes are these, with a good MAC.
func pfxAround(password string, safes []byte) []byte {
	p := passphrases(keys.NewSecret(password))[0]
	return pfxWithMAC(safes, macOf(p, safes))
}

func macOf(p passphrase, safes []byte) []byte {
	mac := hmac.New(sha1New, pkcs12Hash(sha1New, purposeMAC, pkcs12Input{p.bmp, []byte("salt"), 1}, 20))
	mac.Write(safes)
	return mac.Sum(nil)
}

func pfxWithMAC(safes, mac []byte) []byte {
	var file cryptobyte.Builder
	file.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1Int64(3)
		addData(s, safes)
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
					s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26})
					s.AddASN1NULL()
				})
				s.AddASN1OctetString(mac)
			})
			s.AddASN1OctetString([]byte("salt"))
			s.AddASN1Int64(1)
		})
	})
	return file.BytesOrPanic()
}

// bagsOf is one safe with a certificate in each bag, in the clear.
func bagsOf(bags func(s *cryptobyte.Builder)) []byte {
	var safe, safes cryptobyte.Builder
	safe.AddASN1(cbasn1.SEQUENCE, bags)
	safes.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) { addData(s, safe.BytesOrPanic()) })
	return safes.BytesOrPanic()
}

// TestPFXContradicts: what is signed by the MAC is all that is read, and an attribute that says two things says nothing.
func TestPFXContradicts(t *testing.T) {
	t.Parallel()
	p := shared()
	pass := passphrases(keys.NewSecret(testPassword))[0]
	one := bagsOf(func(s *cryptobyte.Builder) { addCertBag(s, p.leafDER, nil) })
	two := bagsOf(func(s *cryptobyte.Builder) { addCertBag(s, p.interDER, nil) })
	wantContents(t, mustRead(t, "one.pfx", pfxAround(testPassword, one), withPassword(testPassword)), [4]int{1, 0, 0, 0})
	_, err := Read("two.pfx", pfxWithMAC(two, macOf(pass, one)), withPassword(testPassword))
	if _, ok := errors.AsType[*PasswordError](err); !ok || namesFile(err, "two.pfx") != nil {
		t.Errorf("a MAC of other content: got %v, want a PasswordError with the file", err)
	}
	more := append(pfxAround(testPassword, one), two...)
	if _, err := Read("more.pfx", more, withPassword(testPassword)); err == nil || namesFile(err, "more.pfx") != nil {
		t.Errorf("more behind the MAC: got %v", err)
	}
	attributes := func(names ...string) []byte {
		return bagsOf(func(s *cryptobyte.Builder) {
			addCertBag(s, p.leafDER, func(s *cryptobyte.Builder) {
				for _, name := range names {
					addAttributes(s, []byte(name), name)
				}
			})
		})
	}
	c := mustRead(t, "same.pfx", pfxAround(testPassword, attributes("mail", "mail")), withPassword(testPassword))
	if got := c.Certificates[0].FriendlyName; got != "mail" {
		t.Errorf("the same name twice: got %q", got)
	}
	_, err = Read("names.pfx", pfxAround(testPassword, attributes("mail", "web")), withPassword(testPassword))
	if _, ok := errors.AsType[*FormatError](err); !ok || namesFile(err, "names.pfx") != nil {
		t.Errorf("two names: got %v, want a FormatError with the file", err)
	}
	var leaf cryptobyte.Builder
	addCertBag(&leaf, p.leafDER, nil)
	deep := leaf.BytesOrPanic()
	for range 1000 {
		deep = nestedSafe(deep)
	}
	if _, err := Read("deep.pfx", pfxAround(testPassword, bagsOf(func(s *cryptobyte.Builder) { s.AddBytes(deep) })), withPassword(testPassword)); err == nil || namesFile(err, "deep.pfx") != nil {
		t.Errorf("1,000 safes in one another: got %v", err)
	}
}

// nestedSafe is a bag that holds a safe with one bag.
func nestedSafe(bag []byte) []byte {
	var s cryptobyte.Builder
	addBag(&s, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}, func(s *cryptobyte.Builder) {
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) { s.AddBytes(bag) })
	}, nil)
	return s.BytesOrPanic()
}

// TestPasswordInOtherEncodings: the same letters, written in another way than the program that made the file did, open
// it if a program is known to write so; else the password is wrong, and the error says so and names the file.
func TestPasswordInOtherEncodings(t *testing.T) {
	t.Parallel()
	p := shared()
	const typed = "pässwörd é"
	safes := bagsOf(func(s *cryptobyte.Builder) { addCertBag(s, p.leafDER, nil) })
	bmp := func(text string, nul bool) passphrase { return passphrase{bmp: bmpString(text, nul)} }
	latin := passphrases(keys.NewSecret("p\xe4ssw\xf6rd \xe9"))[0]
	for what, tt := range map[string]struct {
		made passphrase
		ok   bool
	}{
		"UTF-16 with NUL":          {bmp(norm.NFC.String(typed), true), true},
		"taken apart (NFD)":        {bmp(norm.NFD.String(typed), true), true},
		"UTF-8, octet for octet":   {passphrase{bmp: eachOctet(typed)}, true},
		"Latin-1":                  {latin, true},
		"UTF-16 without NUL":       {bmp(typed, false), false},
		"UTF-16, octets exchanged": {passphrase{bmp: swapped(bmpString(typed, true))}, false},
		"another":                  {bmp("passwort e", true), false},
	} {
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			_, err := Read("mail.pfx", pfxWithMAC(safes, macOf(tt.made, safes)), withPassword(form.String(typed)))
			_, wrong := errors.AsType[*PasswordError](err)
			switch {
			case what == "UTF-8, octet for octet" && form == norm.NFD: // the octets are others
			case tt.ok && err != nil:
				t.Errorf("%s: got %v", what, err)
			case !tt.ok && (!wrong || namesFile(err, "mail.pfx") != nil):
				t.Errorf("%s: got %v, want a PasswordError with the file", what, err)
			}
		}
	}
	// PBES2 takes octets: UTF-8 by its standard, and Latin-1 from programs that did not ask.
	for what, octets := range map[string]string{"UTF-8": norm.NFC.String(typed), "NFD": norm.NFD.String(typed), "Latin-1": "p\xe4ssw\xf6rd \xe9"} {
		algorithm, sealed, err := sealPBES2(passphrase{utf8: []byte(octets)}, p.keyDER, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read("mail.key", encryptedKey(algorithm, sealed), withPassword(typed)); err != nil {
			t.Errorf("an encrypted key under %s: %v", what, err)
		}
	}
}

func eachOctet(text string) []byte {
	var b []byte
	for i := range len(text) {
		b = append(b, 0, text[i])
	}
	return append(b, 0, 0)
}

func swapped(b []byte) []byte {
	b = bytes.Clone(b)
	for i := 0; i+1 < len(b); i += 2 {
		b[i], b[i+1] = b[i+1], b[i]
	}
	return b
}

// TestTwoLeavesOneKey: a key that was kept at a renewal belongs to both certificates.
func TestTwoLeavesOneKey(t *testing.T) {
	t.Parallel()
	p := shared()
	again := issue("mail.example.com", p.inter, p.key, p.interKey)
	text := slices.Concat([]byte(p.key.PEM()), encodePEM(labelCertificate, p.leafDER), encodePEM(labelCertificate, again.Raw), encodePEM(labelCertificate, p.interDER))
	a, err := Assemble([]*Contents{mustRead(t, "both.pem", text, ReadOptions{})}, nil)
	if err != nil || len(a.Bundles) != 2 {
		t.Fatalf("got %v, %v, want two bundles", a, err)
	}
	for _, b := range a.Bundles {
		if b.Key == nil || !b.Key.Matches(b.Leaf) || len(b.Chain) != 1 {
			t.Errorf("%s: got key %v and a chain of %d", b.LeafFrom, b.Key, len(b.Chain))
		}
	}
}

// TestHostileArchives: a ZIP file is a list of names and octets to us, and nothing in it is a path or a link.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	p := shared()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	link := &zip.FileHeader{Name: "leaf.crt"}
	link.SetMode(fs.ModeSymlink | 0o777)
	for _, m := range []struct {
		header *zip.FileHeader
		data   string
	}{
		{link, "/etc/ssl/private/ssl-cert-snakeoil.key"},
		{&zip.FileHeader{Name: "../../../../etc/inter.crt"}, string(p.interDER)},
		{&zip.FileHeader{Name: "/etc/root.crt"}, string(p.rootDER)},
		{&zip.FileHeader{Name: "a\x1b[2J\nb.crt"}, "nothing"},
	} {
		f, err := w.CreateHeader(m.header)
		if err == nil {
			_, err = f.Write([]byte(m.data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := mustRead(t, "order.zip", out.Bytes(), ReadOptions{})
	wantContents(t, c, [4]int{2, 0, 0, 0})
	if len(c.Ignored) != 2 || strings.ContainsAny(c.Ignored[1].String(), "\x1b\n") {
		t.Errorf("got ignored %q, want the link and the odd name", c.Ignored)
	}
}

// hostile is what asks for more than it is worth: deep, long, and much from little.
func hostile(t testing.TB) map[string][]byte {
	t.Helper()
	p := shared()
	p7b := mustP7B(t)
	deepP7B := p7b
	for range 1000 { // a P7B where a certificate should be
		deepP7B = p7bAround(deepP7B)
	}
	zips := zipped(t, map[string][]byte{"a.crt": encodePEM(labelCertificate, p.leafDER)})
	for range 10 {
		zips = zipped(t, map[string][]byte{"in.zip": zips})
	}
	pieces := append([]byte{0x24, 0x80}, bytes.Repeat([]byte{4, 1, 7}, 2<<20)...)
	signatures := appendElement(nil, []byte{0x30}, slices.Concat(appendElement(nil, []byte{0x30}, p.leafDER[:200]), bytes.Repeat([]byte{5, 0}, 4<<20)))
	return map[string][]byte{
		"100 MB of nothing":           make([]byte, 100<<20),
		"100 MB of text":              bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n"), 100<<20/28),
		"16 MB of BEGIN":              bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n"), MaxBytes/28),
		"16 MB of headers":            append([]byte("-----BEGIN CERTIFICATE-----\n"), append(bytes.Repeat([]byte("a: b\n"), MaxBytes/6), "-----END CERTIFICATE-----\n"...)...),
		"16 MB of one line":           []byte("-----BEGIN CERTIFICATE-----" + strings.Repeat("A", MaxBytes-100) + "-----END CERTIFICATE-----"),
		"8 MB of UTF-16":              append([]byte{0xff, 0xfe}, bytes.Repeat([]byte{'-', 0}, 4<<20)...),
		"6 MB of pieces":              slices.Concat([]byte{0x30, 0x80}, pieces, make([]byte, 4)),
		"8 MB of elements":            signatures,
		"1,000 deep":                  nested(1000, true),
		"1,000 deep, indefinite":      nested(1000, false),
		"1,000,000 deep, indefinite":  nested(1_000_000, false),
		"a P7B in a P7B, 1,000 deep":  deepP7B,
		"PEM in ZIP in ZIP, 10 deep":  zips,
		"a bomb":                      zipped(t, map[string][]byte{"big.crt": make([]byte, 64<<20)}),
		"many bombs":                  zipped(t, map[string][]byte{"1": make([]byte, 60<<10), "2": make([]byte, 60<<10), "stored 3": make([]byte, 15<<20), "stored 4": make([]byte, 15<<20)}),
		"a length of four gigabytes":  {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 0},
		"a JKS of 2^31 entries":       append([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0x7f, 0xff, 0xff, 0xff}, make([]byte, 40)...),
		"a key under 2^31 iterations": dearKey(t),
		"100 MB of JKS":               slices.Concat([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1}, make([]byte, 100<<20)),
		"16 MB of JKS entries":        slices.Concat([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0xff, 0xff, 0xff}, bytes.Repeat(slices.Concat([]byte{0, 0, 0, 2}, make([]byte, 16)), 800_000)),
		"100 MB of ZIP":               slices.Concat([]byte("PK\x03\x04"), make([]byte, 100<<20)),
		"16 MB of ZIP":                slices.Concat([]byte("PK\x03\x04"), bytes.Repeat([]byte("PK\x01\x02PK\x05\x06"), 2_000_000)),
		"ZIP in ZIP, 1,000 deep":      deepZIP(t),
		"100 MB of PFX":               appendElement(nil, []byte{0x30}, slices.Concat([]byte{2, 1, 3, 0x30, 0, 0x30, 0}, make([]byte, 100<<20))),
		"100 MB of a request":         around(p.request, 100<<20),
		"16 MB of a request":          around(p.request, MaxBytes-1000),
		"a request, 1,000 deep":       signedAround(slices.Concat(elementsOf(p.request, 3), appendElement(nil, []byte{0xa0}, nested(1000, true)))),
		"100 MB of a CRL":             around(p.crl, 100<<20),
		"a CRL, 1,000 deep":           signedAround(slices.Concat(elementsOf(p.crl, 5), appendElement(nil, []byte{0xa0}, nested(1000, true)))),
		"a certificate, 1,000 deep":   signedAround(slices.Concat(elementsOf(p.leafDER, 7), appendElement(nil, []byte{0xa3}, nested(1000, true)))),
	}
}

// elementsOf are the first elements of what is signed in a structure.
func elementsOf(der []byte, n int) []byte {
	outer, _, err := frame(der)
	if err != nil {
		panic(err)
	}
	tbs, _, err := frame(outer.content)
	if err != nil {
		panic(err)
	}
	rest := tbs.content
	for range n {
		if _, rest, err = frame(rest); err != nil {
			panic(err)
		}
	}
	return tbs.content[:len(tbs.content)-len(rest)]
}

// signedAround is what a certificate, a request or a CRL looks like, around what is signed.
func signedAround(signed []byte) []byte {
	algorithm := []byte{0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}
	return appendElement(nil, []byte{0x30}, slices.Concat(appendElement(nil, []byte{0x30}, signed), algorithm, []byte{3, 1, 0}))
}

// around makes the first elements of a request or a CRL long.
func around(der []byte, length int) []byte {
	return signedAround(slices.Concat(elementsOf(der, 2), appendElement(nil, []byte{0x30}, make([]byte, length)), []byte{0xa0, 0}))
}

// deepZIP has one member that is not compressed, and so on.
func deepZIP(t testing.TB) []byte {
	t.Helper()
	in := zipped(t, map[string][]byte{"stored a.crt": shared().leafDER})
	for range 999 {
		in = zipped(t, map[string][]byte{"stored": in})
	}
	return in
}

// p7bAround is a P7B with one certificate, which is whatever is given.
func p7bAround(certificate []byte) []byte {
	var s cryptobyte.Builder
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2})
		s.AddASN1(explicit0, func(s *cryptobyte.Builder) {
			s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
				s.AddASN1Int64(1)
				s.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
				s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) { s.AddASN1ObjectIdentifier(oidData()) })
				s.AddASN1(explicit0, func(s *cryptobyte.Builder) { s.AddBytes(certificate) })
				s.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	return s.BytesOrPanic()
}

// dearKey is an encrypted key whose password costs 2^31 - 1 iterations.
func dearKey(t testing.TB) []byte {
	t.Helper()
	pass := passphrases(keys.NewSecret(testPassword))[0]
	algorithm, sealed, err := sealPBES2(pass, shared().keyDER, 1)
	if err != nil {
		t.Fatal(err)
	}
	return mendedCount(encryptedKey(algorithm, sealed))
}

// mendedCount puts 2^31 - 1 in the place of the count of PBKDF2, which is the one INTEGER of PBES2.
func mendedCount(der []byte) []byte {
	var mend func(der []byte) []byte
	mend = func(der []byte) []byte {
		var out []byte
		for len(der) > 0 {
			e, rest, err := frame(der)
			if err != nil {
				panic(err)
			}
			switch {
			case e.constructed():
				out = appendElement(out, e.tag, mend(e.content))
			case e.tag[0] == 2:
				out = appendElement(out, e.tag, []byte{0x7f, 0xff, 0xff, 0xff})
			default:
				out = appendElement(out, e.tag, e.content)
			}
			der = rest
		}
		return out
	}
	return mend(der)
}

// TestHostileMemory reads them all: an error that names the file, and memory in proportion to what may be read at all.
// It counts what the whole process allocates, so it does not run beside others.
func TestHostileMemory(t *testing.T) {
	const most = 6 * MaxBytes // slices that grow are allocated twice over
	for what, data := range hostile(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read("hostile.bin", data, withPassword(testPassword))
		runtime.ReadMemStats(&after)
		if err == nil || namesFile(err, "hostile.bin") != nil {
			t.Errorf("%s: got %v, want an error with the file", what, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > most {
			t.Errorf("%s: %d MB were allocated (%v)", what, used>>20, err)
		}
	}
}
