package revocation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority is a CA of a test.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newAuthority makes a self-signed CA that is valid for ten years around now.
func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().AddDate(-5, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a.cert = a.sign(template, template, &a.key.PublicKey)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// leaf makes a certificate; edit may change the template first.
func (a *authority) leaf(serial int64, edit func(*x509.Certificate)) *x509.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{"mail.example.test"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if edit != nil {
		edit(template)
	}
	return a.sign(template, a.cert, &newKey(a.t).PublicKey)
}

// entrySpec is an entry of a list that a test writes by hand.
type entrySpec struct {
	serial int64
	at     time.Time // zero means an hour ago
	reason int       // -1 writes none, 0 is left out too
	issuer []byte    // DER Name for certificateIssuer
	extra  []pkix.Extension
}

// listSpec is a list that a test writes by hand, because crypto/x509 cannot write the odd ones.
type listSpec struct {
	version1   bool
	issuer     []byte // DER Name; nil is the signer's
	this, next time.Time
	noNext     bool
	number     int64 // 0 writes none
	base       int64 // 0 is no delta
	scope      []byte
	extra      []pkix.Extension
	entries    []entrySpec
}

// list signs a hand-made list. Times that are zero become an hour ago and in a day.
func (a *authority) list(s listSpec) []byte {
	a.t.Helper()
	if s.this.IsZero() {
		s.this = time.Now().Add(-time.Hour)
	}
	if s.next.IsZero() {
		s.next = s.this.Add(24 * time.Hour)
	}
	if s.issuer == nil {
		s.issuer = a.cert.RawSubject
	}
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier([]int{1, 2, 840, 10045, 4, 3, 2})
		})
	}
	var tbs cryptobyte.Builder
	tbs.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if !s.version1 {
			b.AddASN1Int64(1)
		}
		algorithm(b)
		b.AddBytes(s.issuer)
		b.AddASN1UTCTime(s.this)
		if !s.noNext {
			b.AddASN1UTCTime(s.next)
		}
		if len(s.entries) > 0 {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range s.entries {
					addEntry(b, e)
				}
			})
		}
		if s.version1 {
			return
		}
		extensions := s.extra
		if s.number != 0 {
			extensions = append(extensions, pkix.Extension{Id: []int{2, 5, 29, 20}, Value: derInteger(s.number)})
		}
		if s.base != 0 {
			extensions = append(extensions, pkix.Extension{Id: []int{2, 5, 29, 27}, Critical: true, Value: derInteger(s.base)})
		}
		if s.scope != nil {
			extensions = append(extensions, pkix.Extension{Id: []int{2, 5, 29, 28}, Critical: true, Value: s.scope})
		}
		if len(extensions) > 0 {
			b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
		}
	})
	return a.seal(tbs.BytesOrPanic(), algorithm)
}

func (a *authority) seal(tbs []byte, algorithm func(*cryptobyte.Builder)) []byte {
	a.t.Helper()
	digest := sha256.Sum256(tbs)
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		algorithm(b)
		b.AddASN1BitString(signature)
	})
	return b.BytesOrPanic()
}

func addEntry(b *cryptobyte.Builder, e entrySpec) {
	if e.at.IsZero() {
		e.at = time.Now().Add(-time.Hour)
	}
	extensions := e.extra
	if e.reason > 0 {
		extensions = append(extensions, pkix.Extension{Id: []int{2, 5, 29, 21}, Value: []byte{10, 1, byte(e.reason)}})
	}
	if e.issuer != nil {
		extensions = append(extensions, pkix.Extension{Id: []int{2, 5, 29, 29}, Critical: true, Value: directoryNames(e.issuer)})
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(e.serial)
		b.AddASN1UTCTime(e.at)
		if len(extensions) > 0 {
			addExtensions(b, extensions)
		}
	})
}

func addExtensions(b *cryptobyte.Builder, extensions []pkix.Extension) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range extensions {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

func derInteger(n int64) []byte {
	var b cryptobyte.Builder
	b.AddASN1Int64(n)
	return b.BytesOrPanic()
}

// directoryNames is a GeneralNames with one directoryName.
func directoryNames(name []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(name) })
	})
	return b.BytesOrPanic()
}

// scopeSpec is an IssuingDistributionPoint.
type scopeSpec struct {
	uri                         string
	users, cas, indirect, attrs bool
	reasons                     []byte // contents of the BIT STRING
}

func (s scopeSpec) der() []byte {
	var b cryptobyte.Builder
	flag := func(b *cryptobyte.Builder, number uint8, set bool) {
		if set {
			b.AddASN1(asn1.Tag(number).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
		}
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if s.uri != "" {
			b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addFullName(b, s.uri) })
		}
		flag(b, 1, s.users)
		flag(b, 2, s.cas)
		if s.reasons != nil {
			b.AddASN1(asn1.Tag(3).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(s.reasons) })
		}
		flag(b, 4, s.indirect)
		flag(b, 5, s.attrs)
	})
	return b.BytesOrPanic()
}

func addFullName(b *cryptobyte.Builder, uris ...string) {
	b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		for _, u := range uris {
			b.AddASN1(asn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
		}
	})
}

// pointSpec is a DistributionPoint.
type pointSpec struct {
	uri     string
	reasons []byte
	issuer  []byte // DER Name
}

// points is the extension with distribution points, or with those of the deltas.
func points(deltas bool, specs ...pointSpec) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, s := range specs {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				if s.uri != "" {
					b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addFullName(b, s.uri) })
				}
				if s.reasons != nil {
					b.AddASN1(asn1.Tag(1).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(s.reasons) })
				}
				if s.issuer != nil {
					b.AddASN1(asn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(s.issuer) })
					})
				}
			})
		}
	})
	id := []int{2, 5, 29, 31}
	if deltas {
		id = []int{2, 5, 29, 46}
	}
	return pkix.Extension{Id: id, Value: b.BytesOrPanic()}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
