package revocation

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"
	"time"
)

const pointA, pointB = "http://crl.example.test/a.crl", "http://crl.example.test/b.crl"

func TestLists(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, "A"), newAuthority(t, "B")
	imposter := newAuthority(t, "A")
	now := time.Now()
	critical := pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	plain := a.leaf(100, nil)
	withPoint := func(p ...pointSpec) *x509.Certificate {
		return a.leaf(100, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{points(false, p...)} })
	}
	atA := withPoint(pointSpec{uri: pointA})
	ca := a.leaf(100, func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true })
	listed := []entrySpec{{serial: 7}, {serial: 100, reason: 1, at: now.Add(-2 * time.Hour)}}
	old := now.Add(-48 * time.Hour)

	for _, c := range []struct {
		name    string
		cert    *x509.Certificate
		lists   [][]byte
		signers []*x509.Certificate
		want    Status
		why     string // part of Why
	}{
		{"not listed", plain, [][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 99}}})}, nil, Good, ""},
		{"an empty list", plain, [][]byte{a.list(listSpec{number: 1})}, nil, Good, ""},
		{"version 1", plain, [][]byte{a.list(listSpec{version1: true})}, nil, Good, ""},
		{"version 1, listed", plain, [][]byte{a.list(listSpec{version1: true, entries: []entrySpec{{serial: 100}}})}, nil, Revoked, ""},
		{"listed", plain, [][]byte{a.list(listSpec{number: 1, entries: listed})}, nil, Revoked, ""},
		{"no list", plain, nil, nil, Unknown, "nothing says"},
		{"the list of another authority", plain, [][]byte{b.list(listSpec{number: 1})}, nil, Unknown, "nothing says"},
		{"signed by an imposter", plain, [][]byte{imposter.list(listSpec{number: 1})}, nil, Unknown, "its signature does not fit"},
		{"an imposter revokes", plain, [][]byte{imposter.list(listSpec{number: 1, entries: listed})}, nil, Unknown, "its signature does not fit"},
		{"an imposter beside the right one", plain, [][]byte{imposter.list(listSpec{number: 1, entries: listed}), a.list(listSpec{number: 1})}, nil, Good, ""},
		{"signed with another key of the authority", plain, [][]byte{imposter.list(listSpec{number: 1})}, []*x509.Certificate{b.cert, imposter.cert}, Good, ""},
		{"run out", plain, [][]byte{a.list(listSpec{number: 1, this: old})}, nil, Unknown, "it has run out"},
		{"run out, listed", plain, [][]byte{a.list(listSpec{number: 1, this: old, entries: []entrySpec{{serial: 100, at: old}}})}, nil, Revoked, "although it has run out"},
		{"run out, on hold", plain, [][]byte{a.list(listSpec{number: 1, this: old, entries: []entrySpec{{serial: 100, reason: 6, at: old}}})}, nil, Unknown, "it has run out"},
		{"from the future", plain, [][]byte{a.list(listSpec{number: 1, this: now.Add(time.Hour)})}, nil, Unknown, "after the time in question"},
		{"no nextUpdate", plain, [][]byte{a.list(listSpec{number: 1, noNext: true})}, nil, Unknown, "until when it holds"},
		{"no nextUpdate, listed", plain, [][]byte{a.list(listSpec{number: 1, noNext: true, entries: listed})}, nil, Revoked, "although"},
		{"no number", plain, [][]byte{a.list(listSpec{})}, nil, Unknown, "it has no number"},
		{"no number, listed", plain, [][]byte{a.list(listSpec{entries: listed})}, nil, Revoked, "although it has no number"},
		{"a critical number", plain, [][]byte{a.list(listSpec{extra: []pkix.Extension{{Id: []int{2, 5, 29, 20}, Critical: true, Value: derInteger(1)}}})}, nil, Unknown, "marked critical"},
		{"an unknown critical extension", plain, [][]byte{a.list(listSpec{number: 1, entries: listed, extra: []pkix.Extension{critical}})}, nil, Unknown, "critical extension 1.2.3 is unknown"},
		{"an unknown extension", plain, [][]byte{a.list(listSpec{number: 1, extra: []pkix.Extension{{Id: []int{1, 2, 3}, Value: []byte{5, 0}}}})}, nil, Good, ""},
		{"an unknown critical extension of another entry", plain, [][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 9, extra: []pkix.Extension{critical}}}})}, nil, Unknown, "of an entry is unknown"},
		{"the newer of two takes back a hold", plain, [][]byte{
			a.list(listSpec{number: 1, this: now.Add(-3 * time.Hour), entries: []entrySpec{{serial: 100, reason: 6}}}), a.list(listSpec{number: 2})}, nil, Good, ""},
		{"the newer of two revokes", plain, [][]byte{a.list(listSpec{number: 1, this: now.Add(-3 * time.Hour)}), a.list(listSpec{number: 2, entries: listed})}, nil, Revoked, ""},
		{"removed from a complete list", plain, [][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 100, reason: 8}}})}, nil, Good, ""},

		{"the part of the certificate", atA, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{uri: pointA}.der()})}, nil, Good, ""},
		{"another part", atA, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{uri: pointB}.der()})}, nil, Unknown, "another part"},
		{"another part beside the right one", atA, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{uri: pointB}.der()}),
			a.list(listSpec{number: 1, scope: scopeSpec{uri: pointA}.der(), entries: listed})}, nil, Revoked, ""},
		{"a part, and the certificate names none", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{uri: pointA}.der()})}, nil, Unknown, "another part"},
		{"a complete list for a certificate with a point", atA, [][]byte{a.list(listSpec{number: 1})}, nil, Good, ""},
		{"only users", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{users: true}.der()})}, nil, Good, ""},
		{"only users, for an authority", ca, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{users: true}.der()})}, nil, Unknown, "does not cover authorities"},
		{"only authorities", ca, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{cas: true}.der()})}, nil, Good, ""},
		{"only authorities, for a user", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{cas: true}.der()})}, nil, Unknown, "authorities only"},
		{"only attribute certificates", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{attrs: true}.der()})}, nil, Unknown, "attribute certificates only"},
		{"users and authorities at once", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{users: true, cas: true}.der()})}, nil, Unknown, "authorities only"},
		{"some reasons", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{reasons: []byte{5, 0x60}}.der()})}, nil, Unknown, "only some of the reasons"},
		{"some reasons, listed", plain, [][]byte{a.list(listSpec{number: 1, entries: listed, scope: scopeSpec{reasons: []byte{5, 0x60}}.der()})}, nil, Revoked, ""},
		{"some reasons and the others", plain, [][]byte{a.list(listSpec{number: 1, scope: scopeSpec{reasons: []byte{5, 0x60}}.der()}),
			a.list(listSpec{number: 1, scope: scopeSpec{reasons: []byte{7, 0x1f, 0x80}}.der()})}, nil, Good, ""},

		{"a delta revokes", plain, [][]byte{a.list(listSpec{number: 5}), a.list(listSpec{number: 6, base: 5, entries: listed})}, nil, Revoked, ""},
		{"a delta says nothing new", plain, [][]byte{a.list(listSpec{number: 5, entries: listed}), a.list(listSpec{number: 6, base: 5})}, nil, Revoked, ""},
		{"a delta removes", plain, [][]byte{a.list(listSpec{number: 5, entries: []entrySpec{{serial: 100, reason: 6}}}),
			a.list(listSpec{number: 6, base: 5, entries: []entrySpec{{serial: 100, reason: 8}}})}, nil, Good, ""},
		{"a delta on a newer base", plain, [][]byte{a.list(listSpec{number: 5}), a.list(listSpec{number: 8, base: 6, entries: listed})}, nil, Good, ""},
		{"a delta older than the list", plain, [][]byte{a.list(listSpec{number: 7}), a.list(listSpec{number: 6, base: 5, entries: listed})}, nil, Good, ""},
		{"a delta alone", plain, [][]byte{a.list(listSpec{number: 6, base: 5})}, nil, Unknown, "which is not at hand"},
		{"a delta makes an old base good", plain, [][]byte{a.list(listSpec{number: 5, this: old}), a.list(listSpec{number: 6, base: 5})}, nil, Good, ""},
		{"an old delta does not", plain, [][]byte{a.list(listSpec{number: 5, this: old}), a.list(listSpec{number: 6, base: 5, this: old})}, nil, Unknown, "run out"},
		{"a delta of another scope", plain, [][]byte{a.list(listSpec{number: 5}), a.list(listSpec{number: 6, base: 5, entries: listed, scope: scopeSpec{users: true}.der()})}, nil, Good, ""},
		{"a delta of an imposter", plain, [][]byte{a.list(listSpec{number: 5}), imposter.list(listSpec{number: 6, base: 5, entries: listed})}, nil, Good, ""},

		{"an indirect list", withPoint(pointSpec{uri: pointA, issuer: b.cert.RawSubject}),
			[][]byte{b.list(listSpec{number: 1, scope: scopeSpec{uri: pointA, indirect: true}.der(), entries: []entrySpec{{serial: 100, issuer: a.cert.RawSubject}}})},
			[]*x509.Certificate{b.cert}, Revoked, ""},
		{"an indirect list, the entry is of another issuer", withPoint(pointSpec{uri: pointA, issuer: b.cert.RawSubject}),
			[][]byte{b.list(listSpec{number: 1, scope: scopeSpec{uri: pointA, indirect: true}.der(), entries: []entrySpec{{serial: 5, issuer: a.cert.RawSubject}, {serial: 100, issuer: b.cert.RawSubject}}})},
			[]*x509.Certificate{b.cert}, Good, ""},
		{"an indirect list, the issuer stands before", withPoint(pointSpec{issuer: b.cert.RawSubject}),
			[][]byte{b.list(listSpec{number: 1, scope: scopeSpec{indirect: true}.der(), entries: []entrySpec{{serial: 1}, {serial: 5, issuer: a.cert.RawSubject}, {serial: 100}}})},
			[]*x509.Certificate{b.cert}, Revoked, ""},
		{"an indirect list, the entry is of the list's issuer", withPoint(pointSpec{issuer: b.cert.RawSubject}),
			[][]byte{b.list(listSpec{number: 1, scope: scopeSpec{indirect: true}.der(), entries: []entrySpec{{serial: 100}, {serial: 5, issuer: a.cert.RawSubject}}})},
			[]*x509.Certificate{b.cert}, Good, ""},
		{"an indirect list that does not say so", withPoint(pointSpec{issuer: b.cert.RawSubject}), [][]byte{b.list(listSpec{number: 1})},
			[]*x509.Certificate{b.cert}, Unknown, "nothing says"},
		{"an indirect list whose signer is not at hand", withPoint(pointSpec{issuer: b.cert.RawSubject}),
			[][]byte{b.list(listSpec{number: 1, scope: scopeSpec{indirect: true}.der()})}, nil, Unknown, "is not at hand"},
		{"entries of others in a list that is not indirect", plain,
			[][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 3, issuer: b.cert.RawSubject}}})}, nil, Unknown, "not indirect"},
		{"twice in one list, first removed", plain, [][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 100, reason: 8}, {serial: 100, reason: 1}}})}, nil, Revoked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := FromCRLs(c.lists)
			if err != nil {
				t.Fatal(err)
			}
			vouch := func(context.Context, *x509.Certificate) error { return nil }
			f, err := l.Check(t.Context(), Query{Cert: c.cert, Issuer: a.cert, Signers: c.signers, Vouch: vouch})
			if err != nil {
				t.Fatal(err)
			}
			if f.Status != c.want || !strings.Contains(f.Why, c.why) {
				t.Errorf("got %s (%s), want %s (%s)", f.Status, f.Why, c.want, c.why)
			}
			if c.want == Unknown && f.Why == "" || c.want == Good && f.Why != "" {
				t.Errorf("the reason for %s is %q", c.want, f.Why)
			}
			if c.want == Revoked && f.RevokedAt.IsZero() {
				t.Error("revoked at no time")
			}
		})
	}
}

// Nobody vouches for a signer, or somebody says no: then his lists mean nothing.
func TestVouch(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t, "A"), newAuthority(t, "A")
	l, err := FromCRLs([][]byte{other.list(listSpec{number: 1})})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Cert: a.leaf(1, nil), Issuer: a.cert, Signers: []*x509.Certificate{other.cert}}
	refused := errors.New("no path to the same anchor")
	for _, c := range []struct {
		vouch func(context.Context, *x509.Certificate) error
		want  Status
		why   string
	}{
		{nil, Unknown, "nobody vouches"},
		{func(context.Context, *x509.Certificate) error { return refused }, Unknown, refused.Error()},
		{func(context.Context, *x509.Certificate) error { return nil }, Good, ""},
	} {
		q.Vouch = c.vouch
		f, err := l.Check(t.Context(), q)
		if err != nil || f.Status != c.want || !strings.Contains(f.Why, c.why) {
			t.Errorf("got %s (%s), %v, want %s (%s)", f.Status, f.Why, err, c.want, c.why)
		}
		if c.want == Unknown && !f.Disbelieved {
			t.Error("an unbelievable list looks as if there was none")
		}
	}
}

func TestKeyNotForLists(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	template := *a.cert
	template.KeyUsage = x509.KeyUsageCertSign
	noLists := a.sign(&template, a.cert, &a.key.PublicKey)
	l, err := FromCRLs([][]byte{a.list(listSpec{number: 1})})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Check(t.Context(), Query{Cert: a.leaf(1, nil), Issuer: noLists})
	if err != nil || f.Status != Unknown || !strings.Contains(f.Why, "not for signing lists") {
		t.Errorf("got %s (%s), %v", f.Status, f.Why, err)
	}
}

// A question about another time is answered for that time.
func TestAt(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	now := time.Now()
	l, err := FromCRLs([][]byte{a.list(listSpec{number: 1, entries: []entrySpec{{serial: 1, reason: 1, at: now.Add(-72 * time.Hour)}}})})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		serial int64
		at     time.Time
		want   Status
	}{
		{1, now, Revoked},
		{1, now.Add(-48 * time.Hour), Revoked}, // before the list was made, after the revocation
		{1, now.Add(-96 * time.Hour), Unknown},
		{1, now.Add(96 * time.Hour), Revoked},
		{2, now, Good},
		{2, now.Add(-48 * time.Hour), Unknown},
		{2, now.Add(96 * time.Hour), Unknown},
	} {
		f, err := l.Check(t.Context(), Query{Cert: a.leaf(c.serial, nil), Issuer: a.cert, At: c.at})
		if err != nil || f.Status != c.want {
			t.Errorf("serial %d at %v: got %s (%s), %v, want %s", c.serial, c.at.Sub(now), f.Status, f.Why, err, c.want)
		}
		if c.want == Unknown && c.at.After(now) && (f.LastStatus != Good || f.LastGoodAge < 96*time.Hour) {
			t.Errorf("the last good data: got %s, %v old", f.LastStatus, f.LastGoodAge)
		}
	}
	if _, err := l.Check(t.Context(), Query{}); err == nil {
		t.Error("an empty question was answered")
	}
}

func TestFromCRLs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	der := a.list(listSpec{number: 1})
	pem := func(kind string, der []byte) string { return pemText(kind, der) }
	for _, c := range []struct {
		name string
		in   []byte
		want int // -1 is an error
	}{
		{"DER", der, 1},
		{"PEM", []byte(pem("X509 CRL", der)), 1},
		{"PEM with words around", []byte("Our list:\n" + pem("X509 CRL", der) + "and another\n" + pem("CERTIFICATE", a.cert.Raw) + pem("X509 CRL", der)), 2},
		{"PEM without a list", []byte(pem("CERTIFICATE", a.cert.Raw)), -1},
		{"PEM with garbage", []byte(pem("X509 CRL", []byte("garbage"))), -1},
		{"garbage", []byte("<html>404</html>"), -1},
		{"nothing", nil, -1},
	} {
		l, err := FromCRLs([][]byte{c.in})
		if c.want < 0 {
			if _, ok := errors.AsType[*MalformedError](err); !ok {
				t.Errorf("%s: got %v, want a *MalformedError", c.name, err)
			}
		} else if err != nil || l.Len() != c.want {
			t.Errorf("%s: got %v, %v, want %d lists", c.name, l, err, c.want)
		}
	}
}
