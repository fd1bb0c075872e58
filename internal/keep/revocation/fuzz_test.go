package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// fuzzLists are lists of every shape that the other tests know.
func fuzzLists(f *testing.F) [][]byte {
	a := newAuthority(f, "A")
	critical := pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	return [][]byte{
		a.list(listSpec{number: 1}),
		a.list(listSpec{version1: true, entries: []entrySpec{{serial: 1}}}),
		a.list(listSpec{number: 1, noNext: true, entries: []entrySpec{{serial: -1}, {serial: 128, reason: 1}}}),
		a.list(listSpec{number: 2, base: 1, entries: []entrySpec{{serial: 5, reason: 8}}}),
		a.list(listSpec{number: 1, scope: scopeSpec{uri: pointA, users: true, reasons: []byte{1, 0x60}}.der()}),
		a.list(listSpec{number: 1, scope: scopeSpec{indirect: true}.der(), entries: []entrySpec{{serial: 5, issuer: a.cert.RawSubject}, {serial: 6}}}),
		a.list(listSpec{number: 1, extra: []pkix.Extension{critical, points(true, pointSpec{uri: pointA})}, entries: []entrySpec{{serial: 5, extra: []pkix.Extension{critical}}}}),
		goList(f, a, 7, x509.RevocationListEntry{SerialNumber: big.NewInt(1 << 40), RevocationTime: time.Now(), ReasonCode: 9}),
	}
}

// What both parsers take has the same entries, and each of them is found.
func FuzzCRL(f *testing.F) {
	for _, der := range fuzzLists(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := ParseCRL(bytes.Clone(der))
		if err != nil {
			return
		}
		n := 0
		for e := range c.All() {
			n++
			key := c.issuerKey
			if e.Issuer != nil {
				if key, err = nameKey(e.Issuer); err != nil {
					t.Fatalf("the issuer of an entry: %v", err)
				}
			}
			if _, ok := c.find(e.Serial, key); !ok {
				t.Errorf("serial %x is listed and not found", e.Serial)
			}
		}
		if n != c.Len() {
			t.Errorf("%d entries, Len says %d", n, c.Len())
		}
		want, err := x509.ParseRevocationList(der)
		if err != nil || len(want.Raw) != len(der) {
			return
		}
		same(t, c, want)
	})
}

// What both parsers take says the same of the first certificate.
func FuzzOCSP(f *testing.F) {
	a := newAuthority(f, "A")
	r := a.responder(nil)
	for _, o := range []ocsp.Response{
		{Status: ocsp.Good, SerialNumber: big.NewInt(1)},
		{Status: ocsp.Unknown, SerialNumber: big.NewInt(300), Certificate: r.cert},
		{Status: ocsp.Revoked, SerialNumber: big.NewInt(1), RevokedAt: time.Now(), RevocationReason: 6},
		{Status: ocsp.Good, SerialNumber: big.NewInt(1), NextUpdate: time.Unix(1, 0)},
	} {
		signer := a
		if o.Certificate != nil {
			signer = r
		}
		f.Add(signer.answer(a, o))
	}
	f.Add(ocsp.TryLaterErrorResponse)
	statuses := map[int]Status{ocsp.Good: Good, ocsp.Revoked: Revoked, ocsp.Unknown: Unknown}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := parseResponse(bytes.Clone(der))
		if err != nil {
			return
		}
		if _, _, err := got.judge(Query{Cert: r.cert, Issuer: a.cert, At: time.Now()}, "fuzz", nil); err == nil && got.answers[0].id.hash == 0 {
			t.Error("an answer about nobody was believed")
		}
		want, err := ocsp.ParseResponse(der, nil)
		if err != nil || len(got.answers) == 0 {
			return
		}
		first := got.answers[0]
		if first.status != statuses[want.Status] || !bytes.Equal(first.id.serial, serialContents(want.SerialNumber)) || !first.thisUpdate.Equal(want.ThisUpdate) || !first.nextUpdate.Equal(want.NextUpdate) {
			t.Errorf("got %s for %x from %v to %v, want %d for %x from %v to %v", first.status, first.id.serial, first.thisUpdate, first.nextUpdate, want.Status, want.SerialNumber, want.ThisUpdate, want.NextUpdate)
		}
	})
}
