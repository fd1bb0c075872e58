package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"postseal/internal/peers"
)

// TestOpenSSLTakesTheSame damages a list and an answer and asks OpenSSL. What it takes and we refuse, or the other way round, has
// its reason in a list.
func TestOpenSSLTakesTheSame(t *testing.T) {
	peers.Need(t, "python3", "openssl")
	cryptotest.SetGlobalRandom(t, 1) // the same files in each run
	a := newAuthority(t, "A")
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A"}, NotBefore: from, NotAfter: from.AddDate(10, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	a.cert = a.sign(template, template, &a.key.PublicKey)
	list := a.list(listSpec{this: from, next: from.AddDate(0, 1, 0), number: 7, scope: scopeSpec{uri: pointA, indirect: true}.der(), entries: []entrySpec{
		{serial: 5, at: from, reason: 1}, {serial: 300, at: from, issuer: a.cert.RawSubject}}})
	answer := a.answer(a, ocsp.Response{Status: ocsp.Revoked, SerialNumber: big.NewInt(5), RevokedAt: from, RevocationReason: 1, Certificate: a.cert, ThisUpdate: from, NextUpdate: from.AddDate(0, 0, 1)})
	n := peers.Scale(600, 3000)
	for _, tt := range []struct {
		form    string
		whole   []byte
		ours    func(peers.Mutant) error
		reasons []peers.Difference
	}{
		{"CRL", list, func(f peers.Mutant) error { _, err := ParseCRL(f.Data); return err }, ofLists()},
		{"OCSP response", answer, func(f peers.Mutant) error { _, err := parseResponse(f.Data); return err }, ofAnswers()},
	} {
		t.Run(tt.form, func(t *testing.T) {
			files := peers.Mutants(tt.whole, n)
			peers.Trial{Files: files, Theirs: peers.OpenSSLTakes(t, tt.form, "", files), Ours: tt.ours, Differences: tt.reasons}.Run(t)
		})
	}
}

func says(texts ...string) func(error) bool {
	return func(err error) bool {
		for _, text := range texts {
			if strings.Contains(err.Error(), text) {
				return true
			}
		}
		return false
	}
}

func ofLists() []peers.Difference {
	return []peers.Difference{
		{Name: "a list that is no DER", Why: "a million entries are walked by one form of length, and signed are the octets of DER", RFC: "RFC 5280 section 5.1.1", Refused: says("it is no DER SEQUENCE of the right length", "the entries are no SEQUENCE",
			"is malformed: ", "the issuer is malformed", "the issuer: a part of a distinguished name is no SET", "entry 0 is malformed", "entry 1 is malformed", "the signature is malformed",
			"the issuer: ", "a serial number is no DER INTEGER", "the extensions of an entry are no SEQUENCE", "something behind the entries that is no extensions", "its version is neither 1 nor 2")},
		{Name: "a time of a list that is none", Why: "two readers would read two times", RFC: "RFC 5280 section 5.1.2.4", Refused: says("is no DER time")},
		{Name: "a malformed issuingDistributionPoint", Why: "a list of unknown scope says nothing of a certificate that it does not name", RFC: "RFC 5280 section 5.2.5",
			Refused: says("the issuing distribution point is malformed", "the name of a distribution point", "the list: a name is malformed", "there is no name", "the list: an attribute of a distinguished name is malformed")},
		{Name: "a malformed certificateIssuer", Why: "whose certificate an entry revokes, would be a guess", RFC: "RFC 5280 section 5.3.3", Refused: says("a certificate issuer")},
		{Name: "two signature algorithms of a list", Why: "the one inside is signed, the one outside is used", RFC: "RFC 5280 section 5.1.1.2", Refused: says("the algorithm of the signature stands there in two ways")},
		{Name: "an extension of a list or an entry twice", Why: "which of the two counts, would be a guess", RFC: "RFC 5280 section 4.2", Refused: says("stands there twice")},
		{Name: "an extension of a list or an entry that is no DER", Why: "it might be the one that forbids to use the list", RFC: "RFC 5280 section 5.2", Refused: says("an extension is malformed", "the extensions are no SEQUENCE")},
		{Name: "a malformed reasonCode", Why: "whether a certificate is on hold or gone, would be a guess", RFC: "RFC 5280 section 5.3.1", Refused: says("a reason is malformed")},
		{Name: "a malformed cRLNumber", Why: "of two lists the newer one counts", RFC: "RFC 5280 section 5.2.3", Refused: says("the number of a list is malformed")},
		{Name: "a list of version 1 with extensions", Why: "who knows version 1 would not see them", RFC: "RFC 5280 section 5.1.2.1", Refused: says("a list of version 1 has extensions")},
		{Name: "an identifier or a text in a list that cannot be read", Why: "names of issuers and identifiers are compared, not shown: octets that match nothing do no harm", Taken: func(f peers.Mutant) bool {
			_, err := x509.ParseRevocationList(f.Data)
			return err != nil
		}},
	}
}

func ofAnswers() []peers.Difference {
	return []peers.Difference{
		{Name: "an answer that is no DER", Why: "nothing behind its end, and one form of length: what is signed is DER", RFC: "RFC 6960 section 4.2.1", Refused: says("it is no OCSPResponse", "the basic response is malformed", "is no SET", "is no SEQUENCE",
			"it holds no answer", "a CertID is malformed", "a certificate of the responder is malformed",
			"the responder is malformed", "the responder's certificates are no SEQUENCE", "the responder: ", "the algorithm of the signature is malformed", "a reason is malformed", "the status of an answer is malformed")},
		{Name: "a time of an answer that is none", Why: "two readers would read two times", RFC: "RFC 6960 section 4.2.2.1", Refused: says("the time or the answers are malformed", "the times of an answer are malformed", "is no DER time", "a revocation is malformed")},
		{Name: "a responder's certificate that cannot be read", Why: "it cannot sign for us; the authority itself may have signed", RFC: "RFC 6960 section 4.2.2.2", Taken: func(f peers.Mutant) bool {
			r, err := parseResponse(f.Data)
			return err == nil && len(r.certs) == 0
		}},
		{Name: "an identifier in an answer that cannot be read", Why: "names and identifiers are compared, not shown: octets that match nothing do no harm", Taken: func(f peers.Mutant) bool {
			_, err := ocsp.ParseResponse(f.Data, nil)
			return err != nil
		}},
	}
}

// TestDifferencesAreTold: who wonders why a list is refused finds the reason in docs/deviations.md.
func TestDifferencesAreTold(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/deviations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(ofLists(), ofAnswers()...) {
		if !strings.Contains(string(text), "| "+d.Name+" |") {
			t.Errorf("docs/deviations.md has no row\n| %s | %s | %s |", d.Name, d.Why, d.RFC)
		}
	}
}

// TestHostileMemory: what is too long or too deep is refused, and costs memory in proportion to what may be read at all. It
// counts what the whole process allocates, so it does not run beside others.
func TestHostileMemory(t *testing.T) {
	a := newAuthority(t, "A")
	element := func(tag byte, content []byte) []byte {
		n := len(content)
		return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	short := func(tag byte, content []byte) []byte { // in DER
		var b cryptobyte.Builder
		b.AddASN1(asn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(content) })
		return b.BytesOrPanic()
	}
	deep := []byte{}
	for range 1000 {
		deep = short(0x30, deep)
	}
	list := func(extra []byte) []byte {
		return a.list(listSpec{number: 1, scope: extra})
	}
	for what, data := range map[string][]byte{
		"100 MB of nothing":             make([]byte, 100<<20),
		"100 MB of elements":            short(0x30, append(short(0x30, bytes.Repeat([]byte{5, 0}, 50<<20)), 0x30, 0, 3, 1, 0)),
		"more than is read":             make([]byte, MaxCRLBytes+1),
		"a length of BER":               element(0x30, make([]byte, 100)),
		"1,000 deep":                    deep,
		"an extension 1,000 deep":       list(deep),
		"an answer 1,000 deep":          append(short(0x30, append([]byte{10, 1, 0}, short(0xa0, deep)...)), 0),
		"an answer with 1,000 in a box": short(0x30, append([]byte{10, 1, 0}, short(0xa0, short(0x30, append([]byte{6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1}, short(4, deep)...)))...)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, crlErr := ParseCRL(data)
		_, ocspErr := parseResponse(data)
		runtime.ReadMemStats(&after)
		if crlErr == nil || ocspErr == nil {
			t.Errorf("%s: as a list: %v, as an answer: %v; want both refused", what, crlErr, ocspErr)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d MB were allocated", what, used>>20)
		}
	}
}
