package certfile

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	keystore "github.com/pavlo-v-chernykh/keystore-go/v4"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

// judged are files that are the same in each run, so that their mutants are, and what is needed to sign those anew.
type judged struct {
	key                                             *keys.Private
	certificate, request, crl, pkcs8, p7b, pfx, jks []byte
	clear                                           []byte // the safes of a PFX without encryption
}

// newJudged makes them from randomness that is always the same, so not beside other tests.
func newJudged(t *testing.T) (j judged) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1)
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2056, 1, 1, 0, 0, 0, 0, time.UTC)
	must := func(der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var err error
	if j.key, err = keys.Generate(keys.ECDSAP256); err != nil {
		t.Fatal(err)
	}
	policy, err := x509.OIDFromInts([]uint64{2, 5, 29, 32, 0})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(200), Subject: pkix.Name{CommonName: "mail.example.com", Organization: []string{"Test"}},
		NotBefore: from, NotAfter: to, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		DNSNames: []string{"mail.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CRLDistributionPoints: []string{"http://crl.example.com/1.crl"}, Policies: []x509.OID{policy},
		PermittedDNSDomains: []string{"example.com"}, PermittedDNSDomainsCritical: true, OCSPServer: []string{"http://ocsp.example.com"},
	}
	j.certificate = must(x509.CreateCertificate(rand.Reader, template, template, j.key.Public(), j.key))
	leaf, err := x509.ParseCertificate(j.certificate)
	if err != nil {
		t.Fatal(err)
	}
	j.request = must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: template.Subject, DNSNames: template.DNSNames}, j.key))
	j.crl = must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: to,
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: from, ReasonCode: 1}}}, leaf, j.key))
	j.pkcs8 = j.key.PKCS8()
	bundle := Bundle{Key: j.key, Leaf: leaf}
	j.p7b = must(P7B(bundle))
	w := pfxWriter{p: passphrases(keys.NewSecret(testPassword))[0], seal: sealPBES2, newHash: sha1New, hash: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, iterations: 1}
	j.pfx = must(w.file(bundle, PFXOptions{FriendlyName: "Mail"}))
	j.clear = bagsOf(func(s *cryptobyte.Builder) {
		addCertBag(s, j.certificate, func(s *cryptobyte.Builder) { addAttributes(s, []byte{1}, "Mail") })
		addBag(s, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}, func(s *cryptobyte.Builder) { s.AddBytes(j.pkcs8) },
			func(s *cryptobyte.Builder) { addAttributes(s, []byte{1}, "Mail") })
	})
	store := keystore.New()
	err = store.SetPrivateKeyEntry("mail", keystore.PrivateKeyEntry{CreationTime: from, PrivateKey: bytes.Clone(j.pkcs8),
		CertificateChain: []keystore.Certificate{{Type: "X509", Content: j.certificate}}}, []byte(testPassword))
	var out bytes.Buffer
	if err = errors.Join(err, store.Store(&out, []byte(testPassword))); err != nil {
		t.Fatal(err)
	}
	j.jks = out.Bytes()
	return j
}

// each changes the octets of all files, where a signature or a digest is made anew over what was damaged.
func each(files []peers.Mutant, change func([]byte) []byte) []peers.Mutant {
	for i := range files {
		files[i].Data = change(files[i].Data)
	}
	return files
}

// signedRequest is a PKCS #10 request around a CertificationRequestInfo.
func (j judged) signedRequest(t *testing.T, info []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(info)
	signature, err := j.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	var s cryptobyte.Builder
	s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddBytes(info)
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2})
		})
		s.AddASN1BitString(signature)
	})
	return s.BytesOrPanic()
}

// takenAs reads a file as an administrator's, and wants one of a kind in it.
func takenAs(count func(*Contents) int) func(peers.Mutant) error {
	return func(f peers.Mutant) error {
		c, err := cheapRead(f.Data)
		if err == nil && count(c) == 0 {
			return &FormatError{At: Origin{File: "fuzzed"}, Reason: "none of its kind in it"}
		}
		return err
	}
}

func certificatesIn(c *Contents) int { return len(c.Certificates) }
func requestsIn(c *Contents) int     { return len(c.Requests) }

// TestOpenSSLAgrees damages each form and asks OpenSSL. What it takes and we refuse, or the other way round, has its
// reason in a list.
func TestOpenSSLAgrees(t *testing.T) {
	peers.Need(t, "python3", "openssl")
	j := newJudged(t)
	pass := passphrases(keys.NewSecret(testPassword))[0]
	info := func(der []byte) []byte { return j.signedRequest(t, der) }
	mac := func(safes []byte) []byte { return pfxWithMAC(safes, macOf(pass, safes)) }
	request, err := x509.ParseCertificateRequest(j.request)
	if err != nil {
		t.Fatal(err)
	}
	n := peers.Scale(600, 3000)
	inside := append(append(ofCertificates(), unread()...), unknownKey())
	for _, tt := range []struct {
		name, form string
		files      []peers.Mutant
		count      func(*Contents) int
		reasons    []peers.Difference
		also       []peers.Difference // which another form is held to need
	}{
		{"certificate", "certificate", peers.Mutants(j.certificate, 3*n), certificatesIn, append(ofCertificates(), behindItsEnd(), badPieces(), unknownKey()), unread()},
		{"request", "request", each(peers.Mutants(request.RawTBSCertificateRequest, n), info), requestsIn, ofRequests(), nil},
		{"request around", "request", peers.Mutants(j.request, n), requestsIn, aroundRequests(), nil},
		{"key", "key", peers.Mutants(j.pkcs8, n), func(c *Contents) int { return len(c.Keys) }, append(ofKeys(), behindItsEnd()), nil},
		{"P7B", "P7B", peers.Mutants(j.p7b, n), certificatesIn, ofP7B(), inside},
		{"P7B in BER", "P7B", peers.OctetMutants(looseP7B(j.p7b), n), certificatesIn, append(unread()[:2], behindItsEnd()), inside},
		{"PFX", "PFX", peers.Mutants(j.pfx, n), certificatesIn, ofPFX(), nil},
		{"PFX in BER", "PFX", peers.OctetMutants(toBER(j.pfx), n), certificatesIn, []peers.Difference{behindItsEnd(), badPieces()}, nil},
		{"PFX safes", "PFX", each(peers.Mutants(j.clear, n), mac), certificatesIn, inSafes(), inside},
		{"PFX encrypted", "PFX", each(peers.Mutants(safesOf(t, j.pfx), n), mac), certificatesIn, inEncryptedSafes(), inside},
		{"PEM", "PEM", peers.TextMutants(encodePEM(labelCertificate, j.certificate), n), certificatesIn, ofPEM(), inside},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs := peers.OpenSSLTakes(t, tt.form, testPassword, tt.files)
			peers.Trial{Files: tt.files, Theirs: theirs, Ours: takenAs(tt.count), Differences: tt.reasons, Also: append(tt.also, rare()...)}.Run(t)
		})
	}
}

// TestJavaAgrees does the same with Java's keystore, its digest made anew, since else no damage gets behind it.
func TestJavaAgrees(t *testing.T) {
	peers.Need(t, "java")
	j := newJudged(t)
	digest := func(body []byte) []byte {
		h := sha1.New()
		fmt.Fprintf(h, "%s%s%s", jksPassword(keys.NewSecret(testPassword)), jksWords, body)
		return h.Sum(slices.Clip(body))
	}
	files := each(peers.OctetMutants(j.jks[:len(j.jks)-sha1.Size], peers.Scale(400, 10_000)), digest)
	peers.Trial{Files: files, Theirs: peers.JavaTakes(t, testPassword, files), Ours: takenAs(certificatesIn),
		Differences: ofJKS(), Also: append(append(ofCertificates(), unread()...), unknownKey())}.Run(t)
}
