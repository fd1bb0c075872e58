package revocation

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func mustParse(t testing.TB, der []byte) *CRL {
	t.Helper()
	c, err := ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same fails the test unless both parsers find the same entries.
func same(t *testing.T, c *CRL, want *x509.RevocationList) {
	t.Helper()
	i := 0
	for e := range c.All() {
		if i == len(want.RevokedCertificateEntries) {
			t.Fatalf("there are more than %d entries", i)
		}
		w := want.RevokedCertificateEntries[i]
		if !bytes.Equal(e.Serial, serialContents(w.SerialNumber)) || !e.RevokedAt.Equal(w.RevocationTime) || e.Reason != reasonOf(byte(w.ReasonCode)) {
			t.Errorf("entry %d: got %x %v %v, want %x %v %v", i, e.Serial, e.RevokedAt, e.Reason, w.SerialNumber, w.RevocationTime, w.ReasonCode)
		}
		i++
	}
	if i != len(want.RevokedCertificateEntries) {
		t.Errorf("got %d entries, want %d", i, len(want.RevokedCertificateEntries))
	}
	if !c.ThisUpdate().Equal(want.ThisUpdate) || !c.NextUpdate().Equal(want.NextUpdate) {
		t.Errorf("got %v to %v, want %v to %v", c.ThisUpdate(), c.NextUpdate(), want.ThisUpdate, want.NextUpdate)
	}
	if !bytes.Equal(c.RawIssuer(), want.RawIssuer) {
		t.Errorf("the issuers differ")
	}
	if (c.Number() == nil) != (want.Number == nil) || want.Number != nil && c.Number().Cmp(want.Number) != 0 {
		t.Errorf("number %v, want %v", c.Number(), want.Number)
	}
}

func goList(t testing.TB, a *authority, number int64, entries ...x509.RevocationListEntry) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: entries,
	}, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestListOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Go")
	long, _ := new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffff", 16)
	var entries []x509.RevocationListEntry
	for i, serial := range []*big.Int{big.NewInt(300), big.NewInt(127), big.NewInt(128), long, big.NewInt(2)} {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now().Add(-time.Duration(i) * time.Hour), ReasonCode: i})
	}
	entries[0].ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 24}, Value: []byte("\x18\x0f20260101000000Z")}} // invalidityDate
	der := goList(t, a, 1<<40, entries...)
	c := mustParse(t, der)
	want, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	same(t, c, want)
	if err := c.verify(a.cert); err != nil {
		t.Errorf("the signature: %v", err)
	}
	other := newAuthority(t, "Go")
	if err := c.verify(other.cert); err == nil {
		t.Error("the signature fits another key")
	}
	for _, e := range entries {
		if got, ok := c.Lookup(e.SerialNumber); !ok || got.Reason != reasonOf(byte(e.ReasonCode)) {
			t.Errorf("serial %x: got %v, %v", e.SerialNumber, got.Reason, ok)
		}
	}
	for _, absent := range []int64{0, 1, 3, -128, 255, 44, 1 << 40} {
		if _, ok := c.Lookup(big.NewInt(absent)); ok {
			t.Errorf("serial %d is listed", absent)
		}
	}
}

// Every byte that is missing, and every one that is too much, is an error and not a panic.
func TestTruncatedList(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Short")
	der := a.list(listSpec{number: 3, scope: scopeSpec{uri: "http://crl.example.test/1", indirect: true, reasons: []byte{1, 0x60}}.der(),
		entries: []entrySpec{{serial: 5, reason: 1}, {serial: 700, issuer: a.cert.RawSubject}}})
	mustParse(t, der)
	for n := range len(der) {
		_, err := ParseCRL(der[:n])
		if _, ok := errors.AsType[*MalformedError](err); !ok {
			t.Fatalf("%d of %d bytes: got %v, want a *MalformedError", n, len(der), err)
		}
	}
	if _, err := ParseCRL(append(bytes.Clone(der), 0)); err == nil {
		t.Error("a byte behind the list was not noticed")
	}
}

func TestMalformedList(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Malformed")
	number := pkix.Extension{Id: []int{2, 5, 29, 20}, Value: derInteger(1)}
	var many []pkix.Extension
	for i := range 70 {
		many = append(many, pkix.Extension{Id: []int{2, 5, 29, 1000 + i}, Value: []byte{5, 0}})
	}
	for name, s := range map[string]listSpec{
		"a number twice":           {number: 1, extra: []pkix.Extension{number}},
		"a negative number":        {number: -1},
		"too many extensions":      {extra: many},
		"a malformed scope":        {number: 1, scope: []byte{0x30, 3, 1, 1}},
		"an entry's reason twice":  {number: 1, entries: []entrySpec{{serial: 1, reason: 1, extra: []pkix.Extension{{Id: []int{2, 5, 29, 21}, Value: []byte{10, 1, 1}}}}}},
		"a reason that is no ENUM": {number: 1, entries: []entrySpec{{serial: 1, extra: []pkix.Extension{{Id: []int{2, 5, 29, 21}, Value: []byte{2, 1, 1}}}}}},
		"version 1 with reasons":   {version1: true, entries: []entrySpec{{serial: 1, reason: 1}}},
	} {
		if _, err := ParseCRL(a.list(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// A thousand SEQUENCEs in one another, and 100 MB of nothing.
	deep := bytes.Repeat([]byte{0x30, 0x80}, 1000)
	if _, err := ParseCRL(deep); err == nil {
		t.Error("indefinite lengths: accepted")
	}
	if _, err := ParseCRL(make([]byte, 100<<20)); err == nil {
		t.Error("100 MB of zeros: accepted")
	}
	if _, err := ParseCRL(nil); err == nil || !strings.HasPrefix(err.Error(), "reading the list: ") {
		t.Errorf("nothing: got %v", err)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"491231235959Z": "2049-12-31T23:59:59Z", "500101000000Z": "1950-01-01T00:00:00Z", "240229120000Z": "2024-02-29T12:00:00Z",
		"20500101000000Z": "2050-01-01T00:00:00Z",
		"230229120000Z":   "", "2402291200Z": "", "240229120000+0100": "", "241301000000Z": "", "240100000000Z": "", "240431000000Z": "",
		"240101240000Z": "", "240101006000Z": "", "24010100000aZ": "", "2401010000000": "", "": "",
	} {
		tag := byte(0x17)
		if len(text) == 15 {
			tag = 0x18
		}
		ok := validTime(tag, []byte(text))
		if ok != (want != "") {
			t.Errorf("%q is valid: %v, want %v", text, ok, want != "")
		} else if got := ""; ok {
			if got = timeOf([]byte(text), tag == 0x17).Format(time.RFC3339); got != want {
				t.Errorf("%q = %s, want %s", text, got, want)
			}
		}
	}
}

// element must take and refuse what cryptobyte does, or two readers of one list see two lists.
func TestElement(t *testing.T) {
	t.Parallel()
	long := func(head string, n int) []byte { return append([]byte(head), make([]byte, n)...) }
	for _, der := range [][]byte{
		nil, {0x30}, {0x30, 0}, {0x30, 1}, {0x30, 1, 0}, {0x30, 1, 0, 0}, {0x1f, 0}, {0x3f, 0x81, 0}, {0x30, 0x80, 0, 0}, {0x30, 0x81},
		long("\x30\x7f", 127), long("\x30\x81\x7f", 127), long("\x30\x81\x80", 128), long("\x30\x81\x80", 127), long("\x30\x82\x00\x80", 128),
		long("\x30\x82\x01\x00", 256), long("\x30\x83\x01\x00\x00", 65536), long("\x30\x84\x01\x00\x00\x00", 10),
		long("\x30\x84\xff\xff\xff\xff", 10), long("\x30\x85\x01\x00\x00\x00\x00", 10), {0x30, 0xff, 0}, {0x9f, 0}, {0x04, 2, 1, 2},
	} {
		s := cryptobyte.String(der)
		var want cryptobyte.String
		var wantTag asn1.Tag
		wantOK := s.ReadAnyASN1(&want, &wantTag)
		tag, start, end, ok := element(der, 0)
		if ok != wantOK || ok && (tag != byte(wantTag) || !bytes.Equal(der[start:end], want)) {
			t.Errorf("%.10x: got %v, want %v", der, ok, wantOK)
		}
	}
}

// A name relative to the issuer matches the same name written out (RFC 5280 section 4.2.1.13).
func TestRelativeName(t *testing.T) {
	t.Parallel()
	base := newAuthority(t, "Base").cert.RawSubject
	part := []byte("\x30\x08\x06\x03\x55\x04\x03\x0c\x01a")
	full, err := appendRDN(base, part)
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(tag byte, b []byte) []byte { return append([]byte{tag, byte(len(b))}, b...) }
	relative, err := readPointName(wrap(0xa1, part), base)
	if err != nil {
		t.Fatal(err)
	}
	written, err := readPointName(wrap(0xa0, wrap(0xa4, full)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !shareName(relative, written) {
		t.Errorf("got %q, want %q", relative[0].key, written[0].key)
	}
	for name, der := range map[string][]byte{"no name": wrap(0xa0, nil), "another kind": wrap(0xa2, part), "no SET": wrap(0xa1, []byte{5, 0}), "nothing": nil} {
		if _, err := readPointName(der, base); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSerialContents(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "\x00", 1: "\x01", 127: "\x7f", 128: "\x00\x80", 255: "\x00\xff", 256: "\x01\x00", -1: "\xff", -128: "\x80", -129: "\xff\x7f", -256: "\xff\x00"} {
		if got := serialContents(big.NewInt(n)); string(got) != want {
			t.Errorf("serialContents(%d) = %x, want %x", n, got, want)
		}
	}
}

func TestNameKey(t *testing.T) {
	t.Parallel()
	name := func(tag byte, value string) []byte {
		atv := append([]byte{0x06, 3, 0x55, 4, 3, tag, byte(len(value))}, value...)
		return append([]byte{0x30, byte(len(atv) + 4), 0x31, byte(len(atv) + 2), 0x30, byte(len(atv))}, atv...)
	}
	key := func(der []byte) string {
		k, err := nameKey(der)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	want := key(name(0x13, "Example CA"))
	for _, same := range [][]byte{name(0x0c, "example ca"), name(0x13, "  EXAMPLE   CA "), name(0x1e, "\x00E\x00x\x00a\x00m\x00p\x00l\x00e\x00 \x00C\x00A")} {
		if key(same) != want {
			t.Errorf("%q does not match", same)
		}
	}
	for _, other := range [][]byte{name(0x13, "ExampleCA"), name(0x04, "Example CA"), name(0x13, "Example CB"), {0x30, 0}} {
		if key(other) == want {
			t.Errorf("%q matches", other)
		}
	}
}
