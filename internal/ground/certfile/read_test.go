package certfile

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"postseal/internal/ground/keys"
)

// utf16Text encodes as Windows does; big says which octet is first, mark whether there is a byte order mark.
func utf16Text(text string, big bool, mark string) []byte {
	out := []byte(mark)
	for _, unit := range utf16.Encode([]rune(text)) {
		if big {
			out = append(out, byte(unit>>8), byte(unit))
		} else {
			out = append(out, byte(unit), byte(unit>>8))
		}
	}
	return out
}

// chainPEM are the three certificates of the shared chain, the root first.
func chainPEM() string {
	p := shared()
	return string(slices.Concat(encodePEM(labelCertificate, p.rootDER), encodePEM(labelCertificate, p.interDER), encodePEM(labelCertificate, p.leafDER)))
}

// TestTextForms reads one chain in all the ways in which text comes.
func TestTextForms(t *testing.T) {
	t.Parallel()
	text := chainPEM()
	oneLine := strings.ReplaceAll(text, "\n", "")
	p7b, err := P7B(shared().bundle)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{
		"as it is":                       []byte(text),
		"UTF-8 with a mark":              []byte("\xef\xbb\xbf" + text),
		"UTF-16, little-endian, mark":    utf16Text(text, false, "\xff\xfe"),
		"UTF-16, big-endian, mark":       utf16Text(text, true, "\xfe\xff"),
		"UTF-16, little-endian, no mark": utf16Text(text, false, ""),
		"UTF-16, big-endian, no mark":    utf16Text(text, true, ""),
		"CRLF":                           []byte(strings.ReplaceAll(text, "\n", "\r\n")),
		"CR":                             []byte(strings.ReplaceAll(text, "\n", "\r")),
		"UTF-16 and CRLF":                utf16Text(strings.ReplaceAll(text, "\n", "\r\n"), false, "\xff\xfe"),
		"words around":                   []byte("Bag Attributes: none\nsubject=CN = mail: 예시\n" + strings.ReplaceAll(text, "-----BEGIN", "0 s:CN = x\n-----BEGIN")),
		"beginning with the digit 0":     []byte("0 s:CN = x\n" + text),
		"indented":                       []byte("  " + strings.ReplaceAll(text, "\n", "\n  ")),
		"all in one line":                []byte(oneLine),
		"empty lines":                    []byte(strings.ReplaceAll(text, "\n", "\n\n")),
		"twice":                          []byte(text + text),
		"label of X509":                  []byte(strings.ReplaceAll(text, " CERTIFICATE", " X509 CERTIFICATE")),
		"a trusted one":                  []byte(trusted(text)),
		"parameters beside":              []byte("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n" + text),
		"PKCS #7 labelled so":            append(encodePEM("PKCS7", p7b), encodePEM(labelCertificate, shared().rootDER)...),
		"PKCS #7 labelled CERTIFICATE":   append(encodePEM(labelCertificate, p7b), encodePEM(labelCertificate, shared().rootDER)...),
	} {
		c, err := Read("chain.crt", data, ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		wantContents(t, c, [4]int{3, 0, 0, 0})
		a, err := Assemble([]*Contents{c}, nil)
		if err != nil || len(a.Bundles) != 1 || !a.Bundles[0].Leaf.Equal(shared().leaf) || len(a.Bundles[0].Chain) != 1 || a.Bundles[0].Root == nil {
			t.Errorf("%s: got %+v, %v", what, a, err)
		}
	}
}

// trusted labels the first certificate as OpenSSL's own kind, with what it puts after it.
func trusted(text string) string {
	block, rest := pem.Decode([]byte(text))
	return string(encodePEM("TRUSTED CERTIFICATE", append(block.Bytes, 0x30, 0))) + string(rest)
}

func TestBareBase64(t *testing.T) {
	t.Parallel()
	p := shared()
	p7b, err := P7B(p.bundle)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		der  []byte
		want [4]int
	}{{p.leafDER, [4]int{1, 0, 0, 0}}, {p7b, [4]int{2, 0, 0, 0}}, {p.request, [4]int{0, 0, 1, 0}}, {p.keyDER, [4]int{0, 1, 0, 0}}} {
		text := base64.StdEncoding.EncodeToString(tt.der)
		folded := strings.Join(slices.Collect(chunks(text, 64)), "\r\n") + "\r\n"
		wantContents(t, mustRead(t, "one line", []byte(text), ReadOptions{}), tt.want)
		wantContents(t, mustRead(t, "folded", []byte(folded), ReadOptions{}), tt.want)
		wantContents(t, mustRead(t, "UTF-16", utf16Text(folded, false, "\xff\xfe"), ReadOptions{}), tt.want)
	}
}

func chunks(s string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for ; s != ""; s = s[min(n, len(s)):] {
			if !yield(s[:min(n, len(s))]) {
				return
			}
		}
	}
}

// TestBinaryForms reads each structure alone, in DER and in BER.
func TestBinaryForms(t *testing.T) {
	t.Parallel()
	p := shared()
	p7b, err := P7B(p.bundle)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		data []byte
		want [4]int
	}{
		"certificate":           {p.leafDER, [4]int{1, 0, 0, 0}},
		"certificate, line end": {append(bytes.Clone(p.leafDER), "\r\n"...), [4]int{1, 0, 0, 0}},
		"P7B":                   {p7b, [4]int{2, 0, 0, 0}},
		"P7B in BER":            {looseP7B(p7b), [4]int{2, 0, 0, 0}},
		"request":               {p.request, [4]int{0, 0, 1, 0}},
		"CRL":                   {p.crl, [4]int{0, 0, 0, 1}},
		"PKCS #8":               {p.keyDER, [4]int{0, 1, 0, 0}},
		"PKCS #8 in BER":        {toBER(p.keyDER), [4]int{0, 1, 0, 0}},
	} {
		c, err := Read(what, tt.data, ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		wantContents(t, c, tt.want)
	}
}

// looseP7B writes the frame of a P7B in BER, and leaves the certificates, which are signed, as they are.
func looseP7B(der []byte) []byte {
	var walk func(der []byte, depth int) []byte
	walk = func(der []byte, depth int) (out []byte) {
		for len(der) > 0 {
			e, rest, err := frame(der)
			if err != nil {
				panic(err)
			}
			if depth < 4 && e.constructed() && len(e.content) > 0 {
				out = append(append(out, e.tag...), 0x80)
				out = append(append(out, walk(e.content, depth+1)...), 0, 0)
			} else {
				out = append(out, der[:len(der)-len(rest)]...)
			}
			der = rest
		}
		return out
	}
	return walk(der, 0)
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	data := zipped(t, map[string][]byte{"a/chain.pem": []byte("words\n" + chainPEM())})
	c := mustRead(t, "from reseller.zip", data, ReadOptions{})
	if got, want := c.Certificates[0].From, (Origin{File: "from reseller.zip", Member: "a/chain.pem", Line: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := c.Certificates[0].From.String(), `from reseller.zip, member "a/chain.pem", line 2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	lines := 2 + strings.Count(string(encodePEM(labelCertificate, shared().rootDER)), "\n")
	if got := c.Certificates[1].From.Line; got != lines {
		t.Errorf("got line %d, want %d", got, lines)
	}
	if got := (Origin{File: "a\x1b[31m"}).String(); strings.Contains(got, "\x1b") {
		t.Errorf("got %q, with an escape", got)
	}
}

// TestDamage says what is wrong with files that are not whole.
func TestDamage(t *testing.T) {
	t.Parallel()
	p := shared()
	cert := string(encodePEM(labelCertificate, p.leafDER))
	for what, tt := range map[string]struct {
		data string
		want string
	}{
		"empty":                      {"", "it is empty"},
		"blank":                      {" \r\n\x00", "it is empty"},
		"prose":                      {"Dear customer", "neither PEM nor DER"},
		"no END":                     {cert[:len(cert)-30], "line 1: the block CERTIFICATE has no END"},
		"no END before the next":     {cert + "\n" + cert[:200] + "\n" + cert, "has no END"},
		"END of another":             {strings.Replace(cert, "END CERTIFICATE", "END X509 CRL", 1), "has the END of another"},
		"END alone":                  {cert[100:], "an END without a BEGIN"},
		"BEGIN without its end":      {"-----BEGIN CERTIFICATE\n" + cert, "line 1: a BEGIN line without its end"},
		"not base64":                 {strings.Replace(cert, "MII", "M!I", 1), "is not base64"},
		"padding gone":               {string(bytes.ReplaceAll(encodePEM(labelCertificate, append(bytes.Clone(p.leafDER), make([]byte, 2-len(p.leafDER)%3)...)), []byte("="), nil)), ""},
		"nothing in it":              {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is empty"},
		"other blocks only":          {"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", "only a block DH PARAMETERS"},
		"a public key":               {string(encodePEM(labelCertificate, p.leaf.RawSubjectPublicKeyInfo)), "a public key alone"},
		"no structure we know":       {"\x30\x03\x02\x01\x05", "a structure that is neither"},
		"two after another":          {string(p.leafDER) + string(p.interDER), "octets follow after its end"},
		"cut off":                    {string(p.leafDER[:100]), "octets are missing"},
		"indefinite, cut off":        {string(looseP7B(mustP7B(t)))[:100], "cut off"},
		"JCEKS":                      {"\xce\xce\xce\xce\x00\x00\x00\x02", "a keystore of type JCEKS is not supported"},
		"ZIP cut off":                {"PK\x03\x04xxxx", "the ZIP file is damaged"},
		"SSH key":                    {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "OPENSSH PRIVATE KEY is not supported"},
		"enveloped":                  {"\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x02\x30\x00", "PKCS #7 of type envelopedData is not supported"},
		"P7B with nothing":           {"\x30\x1e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x11\x30\x0f\x02\x01\x01\x31\x00\x30\x06\x06\x01\x00\x05\x00\x00\x00\x31\x00", ""},
		"request, signature damaged": {string(append(bytes.Clone(p.request[:len(p.request)-1]), p.request[len(p.request)-1]^1)), "verifying a request"},
	} {
		_, err := Read("mail.crt", []byte(tt.data), ReadOptions{})
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		if e := namesFile(err, "mail.crt"); e != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it (%v)", what, err, tt.want, e)
		}
	}
}

func mustP7B(t testing.TB) []byte {
	t.Helper()
	der, err := P7B(shared().bundle)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestLimits hands over too much of everything.
func TestLimits(t *testing.T) {
	t.Parallel()
	p := shared()
	block := "-----BEGIN X-----\nAAAA\n-----END X-----\n"
	manyKeys := []byte{}
	for range maxKeys + 1 {
		k, err := keys.Generate(keys.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		manyKeys = append(manyKeys, k.PEM()...)
	}
	for what, data := range map[string][]byte{
		"100 MB":                      make([]byte, 100<<20),
		"1,000 deep":                  nested(1000, true),
		"1,000 deep, indefinite":      nested(1000, false),
		"1,000 deep in a certificate": encodePEM(labelCertificate, nested(1000, true)),
		"blocks":                      []byte(strings.Repeat(block, maxBlocks+1)),
		"keys":                        manyKeys,
		"a long certificate":          appendElement(nil, []byte{0x30}, slices.Concat(appendElement(nil, []byte{0x30}, []byte{0xa0, 0, 2, 1, 1}), []byte{0x30, 0}, appendElement(nil, []byte{3}, make([]byte, 70<<10)))),
		"a long request":              appendElement(nil, []byte{0x30}, slices.Concat(appendElement(nil, []byte{0x30}, []byte{2, 1, 0, 0x30, 0, 0x30, 0, 0xa0, 0}), []byte{0x30, 0}, appendElement(nil, []byte{3}, make([]byte, 70<<10)))),
	} {
		_, err := Read("large.crt", data, ReadOptions{})
		if !isLimit(err) || namesFile(err, "large.crt") != nil {
			t.Errorf("%s: got %v, want a LimitError with the file", what, err)
		}
	}
	if _, err := Read("deep.crt", nested(maxNesting, false), ReadOptions{}); isLimit(err) || err == nil {
		t.Errorf("%d levels: got %v, want another error", maxNesting, err)
	}
	text := strings.Repeat(string(encodePEM(labelCertificate, p.leafDER)), 5000)
	wantContents(t, mustRead(t, "often", []byte(text), ReadOptions{}), [4]int{1, 0, 0, 0})
}

// TestTruncated cuts every form at every octet: there is an error that names the file, or less than before.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for what, data := range samples(t) {
		whole := mustRead(t, what, data, withPassword(testPassword))
		pieces := len(whole.Certificates) + len(whole.Keys) + len(whole.Requests) + len(whole.CRLs)
		for n := range data {
			c, err := Read(what, data[:n], withPassword(testPassword))
			if err != nil {
				if e := namesFile(err, what); e != nil {
					t.Fatalf("%s cut at %d: %v", what, n, e)
				}
				continue
			}
			got := len(c.Certificates) + len(c.Keys) + len(c.Requests) + len(c.CRLs)
			text := strings.HasPrefix(what, "text")
			if !text || got > pieces || got == pieces && !isBlank(bytes.Trim(data[n:], "\x00")) {
				t.Fatalf("%s cut at %d of %d: got %d of %d pieces and no error", what, n, len(data), got, pieces)
			}
		}
	}
}

// samples is one file of each form, for tests that damage them. Names that begin with "text" may be cut between blocks.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	p := shared()
	pass := passphrases(keys.NewSecret(testPassword))[0]
	algorithm, sealed, err := sealPBES2(pass, p.keyDER, 1)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := encryptedKey(algorithm, sealed)
	text := string(p.key.PEM()) + chainPEM()
	return map[string][]byte{
		"certificate":   p.leafDER,
		"request":       p.request,
		"CRL":           p.crl,
		"key":           p.keyDER,
		"encrypted key": encrypted,
		"P7B":           mustP7B(t),
		"P7B in BER":    looseP7B(mustP7B(t)),
		"PFX":           cheapPFX(t),
		"PFX in BER":    toBER(cheapPFX(t)),
		"JKS":           jks(t, testPassword, testPassword),
		"ZIP":           zipped(t, map[string][]byte{"mail.pfx": cheapPFX(t), "chain.crt": []byte(chainPEM())}),
		"text":          []byte(text),
		"text, UTF-16":  utf16Text(text, false, "\xff\xfe"),
	}
}

func encryptedKey(algorithm, ciphertext []byte) []byte {
	return appendElement(nil, []byte{0x30}, append(bytes.Clone(algorithm), appendElement(nil, []byte{4}, ciphertext)...))
}

// TestMutated changes octets: never a panic, and no error without the file's name.
func TestMutated(t *testing.T) {
	t.Parallel()
	for what, data := range samples(t) {
		step := max(1, len(data)/300)
		for at := 0; at < len(data); at += step {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				changed := bytes.Clone(data)
				changed[at] ^= flip
				if _, err := Read(what, changed, withPassword(testPassword)); err != nil {
					if e := namesFile(err, what); e != nil {
						t.Fatalf("%s changed at %d: %v", what, at, e)
					}
				}
			}
		}
	}
}

func zipped(t testing.TB, members map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, data := range members {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if strings.HasPrefix(name, "stored") {
			header.Method = zip.Store
		}
		f, err := w.CreateHeader(header)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestZIP(t *testing.T) {
	t.Parallel()
	p := shared()
	c := mustRead(t, "order.zip", zipped(t, map[string][]byte{
		"mail_example_com.crt":    encodePEM(labelCertificate, p.leafDER),
		"bundle/My CA.p7b":        mustP7B(t),
		"bundle/":                 nil,
		"README.txt":              []byte("Thank you for your order."),
		"empty.txt":               {},
		"__MACOSX/._mail.crt":     []byte("-----BEGIN nonsense"),
		".DS_Store":               []byte("Bud1"),
		"keys/._x":                nil,
		"mail.pfx":                cheapPFX(t),
		`..\..\windows\inter.cer`: p.interDER,
	}), withPassword(testPassword))
	wantBundle(t, c, p.bundle)
	if len(c.Ignored) != 2 {
		t.Errorf("got ignored %v, want README.txt and empty.txt", c.Ignored)
	}

	for what, tt := range map[string]struct {
		members map[string][]byte
		want    string
	}{
		"nothing of ours":    {map[string][]byte{"README": []byte("hello")}, "no certificate"},
		"a ZIP in it":        {map[string][]byte{"in.zip": zipped(t, map[string][]byte{"a.crt": p.leafDER})}, `member "in.zip": a ZIP file in a ZIP file`},
		"a bomb":             {map[string][]byte{"big.crt": make([]byte, 2<<20)}, `member "big.crt": more than`},
		"more than all":      {map[string][]byte{"stored 1": bytes.Repeat([]byte{0xff}, 9<<20), "stored 2": bytes.Repeat([]byte{0xfe}, 9<<20)}, "more than"},
		"a damaged one":      {map[string][]byte{"a.crt": p.leafDER[:50]}, `member "a.crt": it is cut off`},
		"no password for it": {map[string][]byte{"a.pfx": cheapPFX(t)}, `member "a.pfx": it is under a password`},
	} {
		_, err := Read("order.zip", zipped(t, tt.members), ReadOptions{})
		if err == nil || namesFile(err, "order.zip") != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", what, err, tt.want)
		}
	}
	many := map[string][]byte{}
	for i := range maxMembers + 1 {
		many[fmt.Sprint(i)] = nil
	}
	if _, err := Read("order.zip", zipped(t, many), ReadOptions{}); !isLimit(err) {
		t.Errorf("many members: got %v, want a LimitError", err)
	}
	twice := bytes.ReplaceAll(zipped(t, map[string][]byte{"aaaa.crt": p.leafDER, "bbbb.crt": p.interDER}), []byte("bbbb.crt"), []byte("aaaa.crt"))
	if _, err := Read("order.zip", twice, ReadOptions{}); err == nil || !strings.Contains(err.Error(), "two members have this name") {
		t.Errorf("two of one name: got %v", err)
	}

	dir := writeFiles(t, map[string][]byte{"mail.crt": p.leafDER})
	run(t, dir, "", "python3", "-I", "-c", "import zipfile; z = zipfile.ZipFile('py.zip', 'w', zipfile.ZIP_DEFLATED); z.write('mail.crt', 'sub/mail.crt'); z.close()")
	wantContents(t, mustRead(t, "py.zip", readFile(t, dir, "py.zip"), ReadOptions{}), [4]int{1, 0, 0, 0})
}

func TestPasswordFromFile(t *testing.T) {
	t.Parallel()
	for what, data := range map[string][]byte{
		"plain": []byte("pässwörd"), "line end": []byte("pässwörd\n"), "CRLF": []byte("pässwörd\r\nmore"), "mark": []byte("\xef\xbb\xbfpässwörd"),
		"UTF-16": utf16Text("pässwörd\r\n", false, "\xff\xfe"), "UTF-16, big": utf16Text("pässwörd", true, "\xfe\xff"),
		"NUL": []byte("pässwörd\x00"),
	} {
		if got, want := PasswordFromFile(data), "pässwörd"; string(got.Bytes()) != want {
			t.Errorf("%s: got %q, want %q", what, got.Bytes(), want)
		}
	}
	if got := PasswordFromFile(nil); got == nil || len(got) > 0 {
		t.Errorf("empty: got %v, want an empty password and not nil", got == nil)
	}
	if got := PasswordFromFile(utf16Text("password", false, "")); string(got.Bytes()) != "password" {
		t.Errorf("UTF-16 without a mark: got %q", got.Bytes())
	}
}

// TestSecretsDoNotPrint prints everything that Read and Assemble return.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c := mustRead(t, "mail.pfx", cheapPFX(t), withPassword(testPassword))
	a, err := Assemble([]*Contents{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *PasswordError
	if _, err := Read("mail.pfx", cheapPFX(t), withPassword("wrong one")); !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	scalar := shared().keyDER[36:60]
	for _, v := range []any{c.Keys, a.Bundles[0].Key, a.LooseKeys, wrong, PFXOptions{Password: keys.NewSecret(testPassword)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, testPassword) || strings.Contains(text, fmt.Sprintf("%x", scalar)) || strings.Contains(text, strings.Trim(fmt.Sprint(scalar), "[]")) {
				t.Errorf("%s of %T shows a secret", verb, v)
			}
		}
	}
}
