package desk

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

// TestImportNamesBothFiles: what is wrong with a key or with its certificate is an error of its own, and it names both
// files, because the administrator has to find out which of them to change.
func TestImportNamesBothFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	good, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	oddDER, err := x509.MarshalPKCS8PrivateKey(odd)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func(public any, until time.Time) []byte { return ca.issue(t, public, until, "shop.example.com") }
	pfx, err := certfile.PFX(certfile.Bundle{Key: good, Leaf: parsed(t, leaf(good.Public(), inAYear()))}, certfile.PFXOptions{Password: keys.NewSecret("right")})
	if err != nil {
		t.Fatal(err)
	}
	seq := h.db.Seq()
	for name, c := range map[string]struct {
		cert, key []byte
		is        func(error) bool
	}{
		"not its key":       {leaf(good.Public(), inAYear()), stranger.PEM(), isA[*certfile.MismatchError]},
		"weak":              {leaf(&small.PublicKey, inAYear()), x509.MarshalPKCS1PrivateKey(small), isA[*keys.WeakKeyError]},
		"unsupported curve": {leaf(&odd.PublicKey, inAYear()), oddDER, isA[*certfile.UnsupportedError]},
		"ended":             {leaf(good.Public(), time.Now().Add(-time.Minute)), good.PEM(), func(err error) bool { return errors.Is(err, ErrImportEnded) }},
		"wrong password":    {ca.cert.Raw, pfx, isA[*certfile.PasswordError]},
		"damaged":           {leaf(good.Public(), inAYear()), good.PKCS8()[:50], isA[*certfile.FormatError]},
	} {
		_, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"shop.cer", c.cert}, {"shop.key", c.key}}, Password: NewPassword(keys.NewSecret("wrong"))})
		if err == nil || !c.is(err) || !strings.Contains(err.Error(), "shop.cer") || !strings.Contains(err.Error(), "shop.key") {
			t.Errorf("%s: got %v, want an error of its own that names both files", name, err)
		}
	}
	if got := h.db.Seq(); got != seq {
		t.Errorf("refused imports moved the state from %d to %d", seq, got)
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func parsed(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestDamagedImportStoresNothing cuts every form in many places and changes octets: the state is what it was, and the
// error names the file.
func TestDamagedImportStoresNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	h.trusts(t, ca)
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	b := certfile.Bundle{Key: key, Leaf: parsed(t, ca.issue(t, key.Public(), inAYear(), "shop.example.com")), Chain: []*x509.Certificate{ca.cert}}
	// The windows2016 profile costs the fewest iterations.
	pfx, err := certfile.PFX(b, certfile.PFXOptions{Profile: certfile.ProfileWindows2016, Password: keys.NewSecret("right")})
	if err != nil {
		t.Fatal(err)
	}
	p7b, err := certfile.P7B(b)
	if err != nil {
		t.Fatal(err)
	}
	block := func(label string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
	}
	text := block("CERTIFICATE", b.Leaf.Raw)
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Asked", Domains: []string{"asked.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	answer := ca.answer(t, asked.Requests[0].DER, inAYear(), "asked.example.com")
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, data := range map[string][]byte{"mail.pfx": pfx, "chain.p7b": p7b} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	password := NewPassword(keys.NewSecret("right"))
	content := func(name string, data []byte) string {
		c, err := certfile.Read(name, data, certfile.ReadOptions{Password: func(string) (keys.Secret, error) { return password.Secret(), nil }})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, cert := range c.Certificates {
			all = append(all, string(cert.Raw))
		}
		for _, key := range c.Keys {
			all = append(all, string(key.Private.PKCS8()))
		}
		slices.Sort(all) // the order in a ZIP file is its directory's
		return strings.Join(all, "")
	}
	seq := h.db.Seq()
	for name, data := range map[string][]byte{
		"mail.pfx": pfx, "chain.p7b": p7b, "leaf.pem": text, "leaf.cer": b.Leaf.Raw, "answer.cer": answer, "mail.key": key.PKCS8(),
		"order.zip": archive.Bytes(), "request.csr": asked.Requests[0].DER,
	} {
		for n := range peers.Scale(20, 500) {
			at := len(data) * n / peers.Scale(20, 500)
			if name == "leaf.pem" && n == 0 {
				at = 1 // nothing at all is an empty file, tried elsewhere
			}
			for what, damaged := range map[string][]byte{"cut": data[:at], "with an octet changed": flipped(data, at)} {
				r := ImportRequest{Doing: Doing{DryRun: true}, Files: []ImportFile{{name, damaged}}, Password: password}
				if change, err := h.Import(t.Context(), tester(), r); err == nil {
					if content(name, damaged) == content(name, data) {
						continue // times and names in a ZIP file, parameters that mean nothing
					}
					// Another identifier of the issuer's key means another issuer, who is not here: that is said.
					where := bytes.Index(data, ca.cert.SubjectKeyId)
					if name == "answer.cer" && what != "cut" && where-20 < at && at < where+len(ca.cert.SubjectKeyId) && strings.Contains(strings.Join(change.Warnings, ""), "could not be checked") {
						continue
					}
					t.Errorf("%s %s at %d: would be stored", name, what, at)
				}
				r.DryRun = false
				_, err := h.Import(t.Context(), tester(), r)
				if h.db.Seq() != seq {
					t.Fatalf("%s %s at %d: something was stored", name, what, at)
				}
				if err == nil || !strings.Contains(err.Error(), name) && !errors.Is(err, ErrNothingToImport) {
					t.Errorf("%s %s at %d: got %v, want an error that names the file", name, what, at, err)
				}
			}
		}
	}
}

// TestDamagedAnswerWithoutItsIssuer: nobody can see the damage, so the administrator hears that nobody looked, and which
// certificate would let him.
func TestDamagedAnswerWithoutItsIssuer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Asked", Domains: []string{"asked.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	answer := ca.answer(t, asked.Requests[0].DER, inAYear(), "asked.example.com")
	damaged := flipped(answer, len(answer)-1) // the signature is last
	file := ImportFile{"answer.cer", damaged}
	for what, with := range map[string]ImportFile{"beside it": {"ca.cer", ca.cert.Raw}, "in the same file": {"both.pem", pemText(damaged, ca.cert.Raw)}} {
		_, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{file, with}})
		if e, ok := errors.AsType[*certfile.SignatureError](err); !ok || !strings.Contains(err.Error(), "answer.cer") || e.Issuer != "CN=Test CA" {
			t.Errorf("its issuer %s: got %v, want a SignatureError", what, err)
		}
	}
	change, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{file}})
	if want := "the chain stops: the certificate of CN=Test CA is missing; import it too, or clients will not trust this one; without it the signature of answer.cer could not be checked"; err != nil || !slices.Contains(change.Warnings, want) {
		t.Errorf("got %+v, %v, want the warning %q", change, err, want)
	}
}

func flipped(data []byte, at int) []byte {
	changed := bytes.Clone(data)
	changed[at] ^= 0x20
	return changed
}

// TestImportJoinsALineage: the next generation comes from a file, of another kind of key, and the binding stays.
func TestImportJoinsALineage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	for n, kind := range []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.Ed25519, keys.RSA4096} {
		key, err := keys.Generate(kind)
		if err != nil {
			t.Fatal(err)
		}
		text := slices.Concat(key.PEM().Bytes(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.issue(t, key.Public(), inAYear(), "shop.example.com")}))
		change, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"shop.pem", text}}, Lineage: "shop"})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if n == 0 {
			if len(change.Moves) != 0 {
				t.Errorf("importing bound something: %+v", change.Moves)
			}
			h.enable(t, EnableRequest{ID: "shop", Services: "IMAP"})
		}
		list := h.named(t, "shop.example.com")
		if c := list[0]; c.Generation != n+1 || c.State != "current" || c.KeyType != kind.Label() || n > 0 && !slices.Contains(c.Services, "IMAP") {
			t.Errorf("%s: got generation %d, %s, %s, services %v", kind, c.Generation, c.State, c.KeyType, c.Services)
		}
	}
	if got, want := statesOf(t, h, "shop"), "4 current, 3 previous, 2 retired, 1 retired"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestImportOfManyFiles: an error about one of many files does not repeat them all.
func TestImportOfManyFiles(t *testing.T) {
	t.Parallel()
	r := ImportRequest{}
	for i := range 100 {
		r.Files = append(r.Files, ImportFile{Name: fmt.Sprintf("%d.pem", i)})
	}
	if got, want := r.together(ErrNothingToImport).Error(), "importing 0.pem, 1.pem, 2.pem, 3.pem and 96 more: "+ErrNothingToImport.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Files = []ImportFile{{Name: "a\x1b[2J.pem"}, {Name: "b\n.pem"}}
	if got := r.together(ErrNothingToImport).Error(); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("got %q, which moves the cursor", got)
	}
}

// TestAnImportThatNobodyWaitsForEnds: thousands of files under a dear password went on after whoever sent them had gone.
func TestAnImportThatNobodyWaitsForEnds(t *testing.T) {
	ctx, gone := context.WithCancel(t.Context())
	gone()
	r := ImportRequest{Files: []ImportFile{{Name: "a.pem", Data: []byte("no certificate")}}}
	if _, err := r.read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
