package certfile

import (
	"bytes"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
)

// fuzzRead seeds a target with samples whose names begin so, and reads. What comes out must be something, an error must
// name the file, and what was read is written and read again.
func fuzzRead(f *testing.F, names ...string) {
	seeds := 0
	for what, data := range samples(f) {
		for _, name := range names {
			if strings.HasPrefix(what, name) {
				f.Add(data)
				seeds++
			}
		}
	}
	if seeds == 0 {
		f.Fatal("there is no seed")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cheapRead(data)
		if err != nil {
			if e := namesFile(err, "fuzzed"); e != nil {
				t.Fatal(e)
			}
			return
		}
		a, err := Assemble([]*Contents{c}, nil)
		if err != nil {
			return
		}
		for _, b := range a.Bundles {
			text, err := PEM(b, PEMOptions{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Read("again", text, ReadOptions{})
			if err != nil || !bytes.Equal(again.Certificates[0].Raw, b.Leaf.Raw) || len(again.Certificates) != 1+len(b.Chain) || (len(again.Keys) == 1) != (b.Key != nil) {
				t.Fatalf("written and read again: %v", err)
			}
		}
	})
}

// cheapRead is Read with little left to spend on password hashes, so that a mutated count costs no seconds.
func cheapRead(data []byte) (*Contents, error) {
	r := &reader{opts: withPassword(testPassword), contents: &Contents{}, spent: maxIterations - 10_000}
	return r.contents, r.read(data, Origin{File: "fuzzed"})
}

func FuzzPFX(f *testing.F)     { fuzzRead(f, "PFX") }
func FuzzJKS(f *testing.F)     { fuzzRead(f, "JKS") }
func FuzzPEM(f *testing.F)     { fuzzRead(f, "text") }
func FuzzP7B(f *testing.F)     { fuzzRead(f, "P7B") }
func FuzzRequest(f *testing.F) { fuzzRead(f, "request") }
func FuzzCRL(f *testing.F)     { fuzzRead(f, "CRL", "certificate") }
func FuzzKey(f *testing.F)     { fuzzRead(f, "key", "encrypted key") }
func FuzzZIP(f *testing.F)     { fuzzRead(f, "ZIP") }
func FuzzUTF16(f *testing.F)   { fuzzRead(f, "text, UTF-16") }

// FuzzSafes reads what is behind the MAC of a PFX, which a sender who knows the password can make as he likes.
func FuzzSafes(f *testing.F) {
	f.Add(safesOf(f, cheapPFX(f)))
	f.Add(toBER(inPieces(safesOf(f, cheapPFX(f)))))
	pass := passphrases(keys.NewSecret(testPassword))[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &bags{reader: &reader{contents: &Contents{}, spent: maxIterations - 10_000}, p: pass, at: Origin{File: "fuzzed"}}
		if err := b.readSafes(data); err != nil {
			if e := namesFile(err, "fuzzed"); e != nil {
				t.Fatal(e)
			}
		}
	})
}

// FuzzJKSStructure reads a keystore without its digest, which no mutation would survive.
func FuzzJKSStructure(f *testing.F) {
	f.Add(jks(f, testPassword, testPassword))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 {
			return
		}
		r := &reader{contents: &Contents{}}
		entries, _, err := r.parseJKS(data, Origin{File: "fuzzed"})
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.key != nil {
				if err := r.readJKSKey(e, jksPassword(keys.NewSecret(testPassword)), Label{}); err != nil && namesFile(err, "fuzzed") != nil {
					t.Fatal(namesFile(err, "fuzzed"))
				}
			}
		}
	})
}

// FuzzToDER: what comes out is DER, and stays as it is.
func FuzzToDER(f *testing.F) {
	f.Add(toBER(shared().leafDER))
	f.Add(shared().leafDER)
	f.Add(nested(5, false))
	f.Add([]byte{0x24, 0x80, 0x24, 0x80, 4, 1, 1, 0, 0, 4, 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		der, err := toDER(data)
		if err != nil {
			return
		}
		e, rest, err := scan(der, 0)
		if err != nil || len(rest) > 0 || !e.der {
			t.Fatalf("got % x, which is not DER: %v", der, err)
		}
		again, err := toDER(der)
		if err != nil || !bytes.Equal(again, der) {
			t.Fatalf("got % x from % x: %v", again, der, err)
		}
	})
}

func TestToDER(t *testing.T) {
	t.Parallel()
	for _, der := range [][]byte{shared().leafDER, shared().keyDER, cheapPFX(t)} {
		got, err := toDER(toBER(der))
		if err != nil || !bytes.Equal(got, der) {
			t.Errorf("there and back: %d octets from %d: %v", len(got), len(der), err)
		}
	}
	for what, data := range map[string][]byte{
		"a string of something else":  {0x24, 3, 2, 1, 1},
		"indefinite primitive":        {0x04, 0x80, 0, 0},
		"a tag without end":           {0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
		"a length of nine octets":     {0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0},
		"a length without its octets": {0x30, 0x82, 1},
		"only a tag":                  {0x30},
		"more after it":               {0x30, 0, 0x30, 0},
	} {
		if der, err := toDER(data); err == nil {
			t.Errorf("%s: got % x", what, der)
		}
	}
	if der, err := toDER([]byte{0x30, 0x80, 0x3f, 0x81, 0x01, 0x02, 5, 0, 0, 0}); err != nil || !bytes.Equal(der, []byte{0x30, 6, 0x3f, 0x81, 0x01, 0x02, 5, 0}) {
		t.Errorf("a long tag: got % x, %v", der, err)
	}
}
