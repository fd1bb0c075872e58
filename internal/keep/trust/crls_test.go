package trust

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/x509cert"
)

func number(n int64) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.Number = big.NewInt(n) }
}

func crlExt(critical bool, value []byte, id ...int) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// The extensions of RFC 5280 section 5.2.
var (
	extCRLNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
	extDeltaIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	extIssuingPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}
)

func tagged(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

// pointDER is an IssuingDistributionPoint: a URI, a flag by its tag (0 for none), and a second one.
func pointDER(uri string, flags ...uint8) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if uri != "" {
			b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) { addGeneral(b, general{kind: kindURI, value: uri}) })
			})
		}
		for _, f := range flags {
			b.AddASN1(tagged(f), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
		}
	})
	return b.BytesOrPanic()
}

// TestCRLs: what lists of one's own say, soft and hard. PKITS has the rest.
func TestCRLs(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	const here, there = "http://crl.example.com/1", "http://crl.example.com/2"
	leaf := root.leaf(t, "a.example.com", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{here} })
	mute := newRoot(t, "Mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	silent := mute.leaf(t, "a.example.com", nil)
	stranger := newRoot(t, "Stranger", nil)
	impostor := newRoot(t, "Root", nil)
	stale := func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = at.AddDate(0, 0, -9), at.AddDate(0, 0, -2) }
	critical := changesCRL(number(7), crlExt(true, []byte{5, 0}, 1, 2, 3))
	valid, failure, revoked := x509cert.StatusValid, x509cert.StatusRevocationCheckFailure, x509cert.StatusRevoked
	tests := []struct {
		what       string
		lists      [][]byte
		soft, hard x509cert.Status
		part       string // of the reason under ModeHard
	}{
		{"none", nil, valid, failure, `no CRL of "CN=Root" covers it`},
		{"not on it", [][]byte{root.crlOf(t, nil)}, valid, valid, ""},
		{"on it", [][]byte{root.crlOf(t, nil, leaf)}, revoked, revoked, "keyCompromise"},
		{"its serial number on a stranger's", [][]byte{stranger.crlOf(t, nil, leaf)}, valid, failure, "no CRL of"},
		{"an impostor's", [][]byte{impostor.crlOf(t, nil, leaf)}, failure, failure, "list 1: its signature does not fit"},
		{"an impostor's and a good one", [][]byte{impostor.crlOf(t, nil, leaf), root.crlOf(t, nil)}, valid, valid, ""},
		{"too old, not on it", [][]byte{root.crlOf(t, stale)}, valid, failure, `it held until 2026-11-21T12:00:00Z; the last good data are 9 days old and say "good"`},
		{"too old, on it", [][]byte{root.crlOf(t, stale, leaf)}, revoked, revoked, ""},
		{"from the future", [][]byte{root.crlOf(t, func(l *x509.RevocationList) { l.ThisUpdate = at.Add(time.Hour) })}, valid, failure, "after the time in question"},
		{"revoked later than asked", [][]byte{root.crlOf(t, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].RevocationTime = at.Add(time.Minute)
		}, leaf)}, valid, valid, ""},
		{"unknown critical extension", [][]byte{root.crlOf(t, critical)}, failure, failure, "critical extension 1.2.3"},
		{"unknown critical extension, on it", [][]byte{root.crlOf(t, critical, leaf)}, failure, failure, "critical extension"},
		{"of authorities only", [][]byte{root.crlOf(t, crlExt(true, pointDER("", 2), extIssuingPoint...))}, valid, failure, "authorities only"},
		{"of others only", [][]byte{root.crlOf(t, crlExt(true, pointDER("", 1), extIssuingPoint...))}, valid, valid, ""},
		{"its partition", [][]byte{root.crlOf(t, crlExt(true, pointDER(here), extIssuingPoint...))}, valid, valid, ""},
		{"its partition, on it", [][]byte{root.crlOf(t, crlExt(true, pointDER(here), extIssuingPoint...), leaf)}, revoked, revoked, ""},
		{"another partition, on it", [][]byte{root.crlOf(t, crlExt(true, pointDER(there), extIssuingPoint...), leaf)}, valid, failure, "another part"},
		{"malformed scope", [][]byte{root.crlOf(t, crlExt(true, []byte{0x30, 1}, extIssuingPoint...))}, failure, failure, "list 1: reading the list: the issuing"},
		{"garbage", [][]byte{{0x30, 0}}, failure, failure, "list 1: reading the list"},
		{"garbage beside a good one", [][]byte{{0x30, 0}, root.crlOf(t, nil)}, valid, valid, ""},
		{"octets after it", [][]byte{append(root.crlOf(t, nil), 0)}, failure, failure, "of the right length"},
		{"added by a delta", [][]byte{root.crlOf(t, number(7)), root.deltaOf(t, 7, 8, leaf)}, revoked, revoked, ""},
		{"a delta of a later base", [][]byte{root.crlOf(t, number(7)), root.deltaOf(t, 9, 10, leaf)}, valid, valid, ""},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			q := Question{Leaf: leaf, Roots: certs(root), Revocation: NewCRLs(tt.lists...), Mode: ModeHard}
			want(t, "hard", judge(t, q), tt.hard, tt.part)
			q.Mode = ModeSoft
			want(t, "soft", judge(t, q), tt.soft, "")
		})
	}
	mute.cert.KeyUsage |= x509.KeyUsageCRLSign // for this moment: crypto/x509 refuses to sign otherwise
	list := mute.crlOf(t, nil)
	mute.cert.KeyUsage = x509.KeyUsageCertSign
	want(t, "no right to sign lists", judge(t, Question{Leaf: silent, Roots: certs(mute), Revocation: NewCRLs(list)}), failure, "is not for signing lists")
}

func changesCRL(all ...func(*x509.RevocationList)) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		for _, f := range all {
			f(l)
		}
	}
}

func (m *maker) deltaOf(t *testing.T, base, n int64, revoked ...*x509.Certificate) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1Int64(base)
	return m.crlOf(t, changesCRL(number(n), crlExt(true, b.BytesOrPanic(), extDeltaIndicator...)), revoked...)
}

// TestExtensionTwice: RFC 5280 section 4.2 forbids it. crypto/x509 writes the number once itself.
func TestExtensionTwice(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	leaf := root.leaf(t, "a.example.com", nil)
	lists := NewCRLs(root.crlOf(t, crlExt(true, []byte{2, 1, 7}, extCRLNumber...)))
	got := judge(t, Question{Leaf: leaf, Roots: certs(root), Revocation: lists})
	want(t, "twice", got, x509cert.StatusRevocationCheckFailure, "stands there twice")
}

// TestNoRevAvail: RFC 9608, the authority will never say, and that is an answer.
func TestNoRevAvail(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	leaf := root.leaf(t, "a.example.com", ext(false, []byte{5, 0}, extNoRevAvail...))
	want(t, "hard", judge(t, Question{Leaf: leaf, Roots: certs(root), Mode: ModeHard}), x509cert.StatusValid, "")
}

// A teller answers what it is told to.
type teller struct{ finding Finding }

func (s teller) Check(context.Context, Link) Finding { return s.finding }

// TestModes: what could not be checked is neither revoked nor silently good.
func TestModes(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	leaf := root.leaf(t, "a.example.com", func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example.com"} })
	tests := []struct {
		finding   Finding
		soft      x509cert.Status
		unchecked string
		hard      x509cert.Status
	}{
		{Finding{State: StateGood}, x509cert.StatusValid, "", x509cert.StatusValid},
		{Finding{State: StateRevoked, Since: at, Reason: "superseded"}, x509cert.StatusRevoked, "", x509cert.StatusRevoked},
		{Finding{State: StateUnknown, Why: "nobody answered"}, x509cert.StatusValid, "nobody answered", x509cert.StatusRevocationCheckFailure},
		{Finding{State: StateUnknown, Why: "a lie", Refused: true}, x509cert.StatusRevocationCheckFailure, "", x509cert.StatusRevocationCheckFailure},
		{Finding{Why: "the zero value"}, x509cert.StatusValid, "the zero value", x509cert.StatusRevocationCheckFailure},
		{Finding{State: "godo", Why: "a misspelt word"}, x509cert.StatusValid, "a misspelt word", x509cert.StatusRevocationCheckFailure},
	}
	for _, tt := range tests {
		v := newVerifier(t, Options{Anchors: []Anchor{{Cert: root.cert, From: x509cert.RootRegistry}}, Revocation: teller{tt.finding}})
		for mode, status := range map[Mode]x509cert.Status{"": tt.soft, ModeSoft: tt.soft, ModeHard: tt.hard, ModeOff: x509cert.StatusValid} {
			got := v.Verify(t.Context(), Question{Leaf: leaf, At: at, Mode: mode})
			want(t, string(mode), got, status, "")
			if mode == ModeSoft && got.Unchecked != tt.unchecked {
				t.Errorf("got unchecked %q, want %q", got.Unchecked, tt.unchecked)
			}
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	if m, err := ParseMode(""); m != ModeSoft || err != nil {
		t.Errorf("got %v, %v, want soft", m, err)
	}
	if p, err := ParseProfile(""); p != ProfileRFC5280 || err != nil {
		t.Errorf("got %v, %v, want rfc5280", p, err)
	}
	if p, err := ParsePurpose(""); p != x509cert.UsageAny || err != nil {
		t.Errorf("got %v, %v, want any", p, err)
	}
	for _, err := range []error{second(ParseMode("Soft")), second(ParseProfile("x")), second(ParsePurpose("codeSigning"))} {
		var word *InvalidWordError
		if !errors.As(err, &word) || len(word.Known) < 2 {
			t.Errorf("got %v, want an *InvalidWordError", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
