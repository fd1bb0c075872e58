package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// responder makes the holder of a new certificate that may answer for a, unless edit makes it another.
func (a *authority) responder(edit func(*x509.Certificate)) *authority {
	a.t.Helper()
	r := &authority{t: a.t, key: newKey(a.t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(9000), Subject: pkix.Name{CommonName: "Responder"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}},
	}
	if edit != nil {
		edit(template)
	}
	r.cert = a.sign(template, a.cert, &r.key.PublicKey)
	return r
}

// answer is a response of signer about a certificate of issuer, made by x/crypto. Times that are zero become an hour
// ago and in an hour.
func (a *authority) answer(issuer *authority, o ocsp.Response) []byte {
	a.t.Helper()
	if o.ThisUpdate.IsZero() {
		o.ThisUpdate = time.Now().Add(-time.Hour)
	}
	if o.NextUpdate.IsZero() {
		o.NextUpdate = o.ThisUpdate.Add(2 * time.Hour)
	}
	if o.NextUpdate.Year() < 1990 {
		o.NextUpdate = time.Time{}
	}
	der, err := ocsp.CreateResponse(issuer.cert, a.cert, o, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func TestOCSPResponse(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, "A"), newAuthority(t, "B")
	twin := newAuthority(t, "A") // the name of a, another key
	leaf := a.leaf(100, nil)
	good := ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(100)}
	with := func(r *authority) ocsp.Response { o := good; o.Certificate = r.cert; return o }
	edited := func(edit func(*ocsp.Response)) ocsp.Response { o := good; edit(&o); return o }
	delegate := a.responder(nil)
	notForOCSP := a.responder(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })
	expired := a.responder(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-30 * time.Minute) })
	ofB := b.responder(nil)
	ofTwin := twin.responder(nil)
	old := time.Now().Add(-48 * time.Hour)

	for _, c := range []struct {
		name string
		der  []byte
		want Status // of the finding, if there is no error
		why  string // part of the error
	}{
		{"good, of the authority", a.answer(a, good), Good, ""},
		{"good, SHA-256", a.answer(a, edited(func(o *ocsp.Response) { o.IssuerHash = crypto.SHA256 })), Good, ""},
		{"revoked", a.answer(a, edited(func(o *ocsp.Response) {
			o.Status, o.RevokedAt, o.RevocationReason = ocsp.Revoked, time.Now().Add(-time.Hour), ocsp.KeyCompromise
		})), Revoked, ""},
		{"unknown", a.answer(a, edited(func(o *ocsp.Response) { o.Status = ocsp.Unknown })), "", "does not know the certificate"},
		{"a delegate", delegate.answer(a, with(delegate)), Good, ""},
		{"a delegate without his certificate", delegate.answer(a, good), "", "not at hand"},
		{"a delegate that is not for OCSP", notForOCSP.answer(a, with(notForOCSP)), "", "not for OCSP"},
		{"an expired delegate", expired.answer(a, with(expired)), "", "expired"},
		{"a delegate of another authority", ofB.answer(a, with(ofB)), "", "of another issuer"},
		{"a delegate of a twin", ofTwin.answer(a, with(ofTwin)), "", "the responder's certificate"},
		{"another authority", b.answer(a, with(b)), "", "of another issuer"},
		{"a twin", twin.answer(a, good), "", "its signature does not fit"},
		{"the same serial number of another authority", a.answer(b, good), "", "about another certificate"},
		{"the same serial number of a twin", a.answer(twin, good), "", "about another certificate"},
		{"another serial number", a.answer(a, edited(func(o *ocsp.Response) { o.SerialNumber = big.NewInt(101) })), "", "about another certificate"},
		{"run out", a.answer(a, edited(func(o *ocsp.Response) { o.ThisUpdate = old })), "", "it has run out"},
		{"run out, revoked", a.answer(a, edited(func(o *ocsp.Response) {
			o.ThisUpdate, o.Status, o.RevokedAt, o.RevocationReason = old, ocsp.Revoked, old, ocsp.Superseded
		})), Revoked, ""},
		{"from the future", a.answer(a, edited(func(o *ocsp.Response) { o.ThisUpdate = time.Now().Add(time.Hour) })), "", "after the time in question"},
		{"no nextUpdate", a.answer(a, edited(func(o *ocsp.Response) { o.NextUpdate = time.Unix(1, 0) })), Good, ""},
		{"no nextUpdate and old", a.answer(a, edited(func(o *ocsp.Response) { o.ThisUpdate, o.NextUpdate = old, time.Unix(1, 0) })), "", "it has run out"},
		{"ends before it begins", a.answer(a, edited(func(o *ocsp.Response) { o.NextUpdate = old })), "", "ends before it begins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseResponse(c.der)
			if err != nil {
				t.Fatal(err)
			}
			f, _, err := r.judge(Query{Cert: leaf, Issuer: a.cert, At: time.Now()}, "test", nil)
			switch {
			case c.why == "" && (err != nil || f.Status != c.want):
				t.Errorf("got %s, %v, want %s", f.Status, err, c.want)
			case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
				t.Errorf("got %s, %v, want an error with %q", f.Status, err, c.why)
			}
			if c.want == Revoked && (f.RevokedAt.IsZero() || f.Reason == "") {
				t.Errorf("revoked at %v, reason %q", f.RevokedAt, f.Reason)
			}
		})
	}
}

func TestOCSPStatuses(t *testing.T) {
	t.Parallel()
	for der, want := range map[string]string{
		string(ocsp.TryLaterErrorResponse):         "tryLater",
		string(ocsp.UnauthorizedErrorResponse):     "unauthorized",
		string(ocsp.InternalErrorErrorResponse):    "internalError",
		string(ocsp.MalformedRequestErrorResponse): "malformedRequest",
		string(ocsp.SigRequredErrorResponse):       "sigRequired",
	} {
		_, err := parseResponse([]byte(der))
		if e, ok := errors.AsType[*ResponderError](err); !ok || e.Status != want {
			t.Errorf("%x: got %v, want %s", der, err, want)
		}
	}
	for _, der := range []string{"", "\x30\x00", "\x30\x03\x0a\x01\x00", "\x30\x03\x0a\x01\x04", "<html>", "\x30\x80\x00\x00"} {
		if _, err := parseResponse([]byte(der)); err == nil {
			t.Errorf("%x: accepted", der)
		}
	}
	if _, err := parseResponse(make([]byte, MaxOCSPBytes+1)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("too large: got %v", err)
	}
}

func TestTruncatedOCSP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	r := a.responder(nil)
	der := r.answer(a, ocsp.Response{Status: ocsp.Revoked, SerialNumber: big.NewInt(1), Certificate: r.cert, RevokedAt: time.Now(), RevocationReason: 1})
	for n := range len(der) {
		_, err := parseResponse(der[:n])
		if _, ok := errors.AsType[*MalformedError](err); !ok {
			t.Fatalf("%d of %d bytes: got %v, want a *MalformedError", n, len(der), err)
		}
	}
	if _, err := parseResponse(append(bytes.Clone(der), 0)); err == nil {
		t.Error("a byte behind the response was not noticed")
	}
	// Every byte that is changed is an error or a wrong signature, or it is in a place that is not signed.
	q := Query{Cert: a.leaf(1, nil), Issuer: a.cert, At: time.Now()}
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 0x20
		parsed, err := parseResponse(changed)
		if err != nil {
			continue
		}
		if f, _, err := parsed.judge(q, "test", nil); err == nil && f.Status != Revoked {
			t.Errorf("byte %d changed: %s", i, f.Status)
		}
	}
}

func TestCriticalExtensionOfAnswer(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	for critical, want := range map[bool]string{true: "critical extension 1.2.3 is unknown", false: "<nil>"} {
		_, err := parseResponse(a.answer(a, ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(1),
			ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Critical: critical, Value: []byte{5, 0}}}}))
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("critical %v: got %v, want %s", critical, err, want)
		}
	}
}

func TestOCSPRequest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "A")
	leaf := a.leaf(1<<40, nil)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		id, err := newCertID(h, leaf, a.cert)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ocspRequest(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ocsp.CreateRequest(leaf, a.cert, &ocsp.RequestOptions{Hash: h})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%v: got %x, want %x", h, got, want)
		}
		with, err := ocspRequest(id, newNonce())
		if err != nil || len(with) < len(got)+32 {
			t.Errorf("with a nonce: %d bytes, %v", len(with), err)
		}
	}
}
