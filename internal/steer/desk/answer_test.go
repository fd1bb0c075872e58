package desk

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// below makes an authority that another one has signed.
func (a *authority) below(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte(name)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func pemText(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// utf16le is how the certificate snap-in of Windows and PowerShell save text.
func utf16le(text []byte) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(string(text))) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAnswersInEveryForm: whatever an authority sends completes the request, with the whole chain.
func TestAnswersInEveryForm(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Answer Root")
	issuing := root.below(t, "Answer Issuing")
	stranger := newAuthority(t, "Stranger")
	h := newHouse(t, nil)
	h.trusts(t, root)
	p7b := func(ders ...[]byte) []byte {
		var certs []*x509.Certificate
		for _, der := range ders {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, cert)
		}
		data, err := certfile.P7B(certfile.Bundle{Leaf: certs[0], Chain: certs[1:]})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for n, c := range []struct {
		name string
		make func(leaf []byte) []ImportFile
		want string // of the warnings; empty for none
	}{
		// The first ones bring the whole chain; the issuer is known from then on, so the order matters.
		{"the issuer is missing", func(leaf []byte) []ImportFile { return []ImportFile{{"a.cer", leaf}} }, "the chain stops: the certificate of CN=Answer Issuing is missing"},
		{"PEM, in order", func(leaf []byte) []ImportFile { return []ImportFile{{"a.pem", pemText(leaf, issuing.cert.Raw)}} }, ""},
		{"DER, completed from what is known", func(leaf []byte) []ImportFile { return []ImportFile{{"a.cer", leaf}} }, ""},
		{"PEM, the root first and a stranger between", func(leaf []byte) []ImportFile {
			return []ImportFile{{"a.pem", pemText(root.cert.Raw, stranger.cert.Raw, leaf, issuing.cert.Raw, leaf)}}
		}, ""},
		{"P7B", func(leaf []byte) []ImportFile {
			return []ImportFile{{"a.p7b", p7b(issuing.cert.Raw, leaf, root.cert.Raw)}}
		}, ""},
		{"P7B in PEM", func(leaf []byte) []ImportFile {
			return []ImportFile{{"a.p7c", pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: p7b(leaf)})}}
		}, ""},
		{"UTF-16", func(leaf []byte) []ImportFile { return []ImportFile{{"a.cer", utf16le(pemText(leaf))}} }, ""},
		{"a byte order mark and CRLF", func(leaf []byte) []ImportFile {
			return []ImportFile{{"a.cer", append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(pemText(leaf), []byte("\n"), []byte("\r\n"))...)}}
		}, ""},
		{"ZIP of a reseller", func(leaf []byte) []ImportFile {
			return []ImportFile{{"a.zip", zipped(t, map[string][]byte{"mail/mail.crt": pemText(leaf), "mail/chain.ca-bundle": pemText(issuing.cert.Raw, root.cert.Raw), "mail/README.txt": []byte("thank you")})}}
		}, ""},
		{"two files", func(leaf []byte) []ImportFile { return []ImportFile{{"ca.cer", root.cert.Raw}, {"a.cer", leaf}} }, ""},
	} {
		lineage := "answer-" + string(rune('a'+n))
		asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Answer", Domains: []string{"mail.example.com"}, Lineage: lineage})
		if err != nil {
			t.Fatal(err)
		}
		leaf := issuing.answer(t, asked.Requests[0].DER, inAYear(), "mail.example.com")
		change, err := h.Import(t.Context(), tester(), ImportRequest{Files: c.make(leaf)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(change.Warnings, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got warnings %q, want %q", c.name, got, c.want)
		}
		d, err := h.Certificate(t.Context(), lineage)
		if err != nil || d.Thumbprint != x509cert.Thumbprint(leaf) || d.State != state.StateCurrent || !d.HasPrivateKey || d.RootType != x509cert.RootRegistry && c.want == "" {
			t.Errorf("%s: got %+v, %v", c.name, d, err)
			continue
		}
		if c.want == "" && len(d.Chain) != 2 {
			t.Errorf("%s: the chain is %q, want the leaf and its issuer", c.name, d.Chain)
		}
	}
}

// TestARenewalsAnswerWaits unless the lineage activates by itself; then it can be undone.
func TestARenewalsAnswerWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Renewal CA")
	h.trusts(t, ca)
	h.bring(t, ca, "mail", func(*x509.Certificate) {})
	h.enable(t, EnableRequest{ID: "mail", Services: "IMAP"})
	if _, err := h.SetLineage(t.Context(), tester(), LineageRequest{Lineage: "mail", Activation: ActivationApprove}); err != nil {
		t.Fatal(err)
	}
	renew := func(r RenewRequest) (*AskAnswer, *Change) {
		t.Helper()
		asked, err := h.RenewByRequest(t.Context(), tester(), r)
		if err != nil {
			t.Fatal(err)
		}
		leaf := ca.answer(t, asked.Requests[0].DER, inAYear(), "mail.example.com")
		change, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"next.cer", leaf}}})
		if err != nil {
			t.Fatal(err)
		}
		return asked, change
	}
	_, change := renew(RenewRequest{ID: "mail"})
	if got := statesOf(t, h, "mail"); got != "2 next, 1 current" || change.Replaces || !strings.HasPrefix(change.Undo, "postseal cert remove ") {
		t.Errorf("with approval: got %s and %+v", got, change)
	}
	if _, err := h.SetLineage(t.Context(), tester(), LineageRequest{Lineage: "mail", Activation: ActivationAuto}); err != nil {
		t.Fatal(err)
	}
	_, change = renew(RenewRequest{ID: "mail"})
	if got := statesOf(t, h, "mail"); !strings.HasPrefix(got, "3 current") || !change.Replaces || change.Undo != "postseal cert rollback mail" {
		t.Errorf("by itself: got %s and %+v", got, change)
	}
	if c := h.named(t, "mail.example.com")[0]; !slices.Contains(c.Services, "IMAP") {
		t.Errorf("the binding did not stay: %+v", c)
	}
}

// publicOf is the public key of the current generation of a lineage.
func publicOf(t *testing.T, h *house, id string) []byte {
	t.Helper()
	d, err := h.Certificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509cert.ParseCertificate(pemBytes(t, d.PEM))
	if err != nil {
		t.Fatal(err)
	}
	return cert.RawSubjectPublicKeyInfo
}

// TestRenewByRequest: the same names, subject and kinds of keys, one request for each member; a new key unless asked
// otherwise; and nothing in force changes.
func TestRenewByRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail.example.com", "*.example.com", "192.0.2.1"}, Subject: "CN=mail.example.com,O=Example,C=KR", Kinds: []string{"ecdsa-p384", "rsa-2048"}, Services: "IMAP"})
	before, key := h.db.Seq(), publicOf(t, h, "mail")
	preview, err := h.RenewByRequest(t.Context(), tester(), RenewRequest{Doing: Doing{DryRun: true}, ID: "mail"})
	if err != nil || len(preview.Requests) != 0 || h.db.Seq() != before {
		t.Fatalf("dry run: got %+v, %v", preview, err)
	}
	asked, err := h.RenewByRequest(t.Context(), tester(), RenewRequest{ID: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	if len(asked.Requests) != 2 || asked.Requests[0].KeyType != "ECDSA-P384" || asked.Requests[1].KeyType != "RSA-2048" || len(asked.Moves) != 0 || asked.Replaces {
		t.Errorf("got %+v", asked)
	}
	for _, r := range asked.Requests {
		csr, err := x509.ParseCertificateRequest(r.DER)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(csr.DNSNames, []string{"mail.example.com", "*.example.com"}) || len(csr.IPAddresses) != 1 || x509cert.SubjectText(csr.Subject) != "CN=mail.example.com,O=Example,C=KR" {
			t.Errorf("got names %q, %v, subject %q", csr.DNSNames, csr.IPAddresses, x509cert.SubjectText(csr.Subject))
		}
		if bytes.Equal(csr.RawSubjectPublicKeyInfo, key) {
			t.Error("the key is the old one")
		}
	}
	if got := statesOf(t, h, "mail"); got != "2 pending, 1 current" {
		t.Errorf("got %s", got)
	}
	if asked.Undo != "postseal cert remove "+asked.Requests[0].Thumbprint {
		t.Errorf("undo: got %q", asked.Undo)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: asked.Requests[0].Thumbprint}); err != nil {
		t.Fatal(err)
	}
	if got := statesOf(t, h, "mail"); got != "1 current" {
		t.Errorf("undone: got %s", got)
	}

	kept, err := h.RenewByRequest(t.Context(), tester(), RenewRequest{ID: "mail", KeepKey: true})
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(kept.Requests[0].DER)
	if err != nil || !bytes.Equal(csr.RawSubjectPublicKeyInfo, key) {
		t.Errorf("--keep-key: another key, %v", err)
	}
	// A second request takes the place of the first, and says so.
	again, err := h.RenewByRequest(t.Context(), tester(), RenewRequest{ID: "mail"})
	if err != nil || !strings.Contains(strings.Join(again.Warnings, "; "), "generation 2, a request that waited for its answer, is retired") {
		t.Errorf("a second request: got %q, %v", again.Warnings, err)
	}
	for id, want := range map[string]error{"auth": ErrAuthCertificate} {
		if _, err := h.RenewByRequest(t.Context(), tester(), RenewRequest{ID: id}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", id, err, want)
		}
	}
	// The key that another generation holds is not removed with the request that kept it.
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "mail"}); err != nil {
		t.Error(err)
	}
}

// TestTwoMembersAreAnsweredApart: a generation is ready when its last member is.
func TestTwoMembersAreAnsweredApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Pair CA")
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Pair", Domains: []string{"mail.example.com"}, Kinds: []string{"ecdsa-p256", "rsa-2048"}, Lineage: "pair"})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"1 pending", "1 current"} {
		leaf := ca.answer(t, asked.Requests[n].DER, inAYear(), "mail.example.com")
		if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"a.cer", leaf}}}); err != nil {
			t.Fatal(err)
		}
		if got := statesOf(t, h, "pair"); got != want {
			t.Errorf("after answer %d: got %s, want %s", n+1, got, want)
		}
	}
}

// TestWeakKeysDoNotComeIn: the error names the file.
func TestWeakKeysDoNotComeIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Weak CA")
	x, y := elliptic.P384().ScalarBaseMult([]byte{7})
	weak := &ecdsa.PublicKey{Curve: elliptic.P384(), X: x, Y: y}
	_, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"weak.cer", ca.issue(t, weak, inAYear(), "mail.example.com")}}})
	if e, ok := errors.AsType[*keys.WeakKeyError](err); !ok || !e.Public || !strings.Contains(err.Error(), "weak.cer") {
		t.Errorf("a public key with the scalar 7: got %v", err)
	}
	// An issuer with such a key is named: it is for its authority to replace.
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 9))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Guessed"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: inAYear(), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	own, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	leaf := (&authority{issuer, key}).issue(t, own.Public(), inAYear(), "mail.example.com")
	c, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"a.pem", pemText(leaf, der)}, {"a.key", own.PEM().Bytes()}}})
	if err != nil || !strings.Contains(strings.Join(c.Warnings, "; "), "its issuer CN=Guessed: public key ECDSA-P256 must not be used") {
		t.Errorf("an issuer with the scalar 9: got %+v, %v", c, err)
	}
}

// TestThePreviousGenerationRetiresAtItsEnd, and not before.
func TestThePreviousGenerationRetiresAtItsEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail1.example.com"}, Days: 30, Services: "IMAP"})
		time.Sleep(10 * 24 * time.Hour)
		if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "mail"}); err != nil {
			t.Fatal(err)
		}
		runEngine(t, h, 19*24*time.Hour)
		if got := statesOf(t, h, "mail"); got != "2 current, 1 previous" {
			t.Errorf("a day before its end: got %s", got)
		}
		runEngine(t, h, 3*24*time.Hour)
		if got := statesOf(t, h, "mail"); got != "2 current, 1 retired" {
			t.Errorf("after its end: got %s", got)
		}
		rows := h.audit(t)
		if last := rows[len(rows)-1]; last.Act != "retire" || last.Object != "mail" {
			t.Errorf("the audit trail ends with %+v", last)
		}
		if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: "mail"}); !errors.Is(err, ErrNoPrevious) {
			t.Errorf("rolling back to it: got %v", err)
		}
		h.close(t)
	})
}

// TestActivatingWithoutAName: a next generation that names less is put in force only after that was said.
func TestActivatingWithoutAName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail.example.com", "imap.example.com"}, Exportable: true})
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetLineage(t.Context(), tester(), LineageRequest{Lineage: "mail", Activation: ActivationApprove}); err != nil {
		t.Fatal(err)
	}
	leaf := newAuthority(t, "CA").issue(t, key.Public(), inAYear(), "MAIL.example.com")
	file := ImportFile{"next.pem", append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), key.PEM().Bytes()...)}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{file}, Lineage: "mail"}); err != nil {
		t.Fatal(err)
	}
	c, err := h.Activate(t.Context(), tester(), ActivateRequest{Doing: Doing{DryRun: true}, ID: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "generation 2 does not name imap.example.com, which the one in force does"; !slices.Contains(c.Warnings, want) {
		t.Errorf("got %q, want %q", c.Warnings, want)
	}
}
