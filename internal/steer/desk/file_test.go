package desk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// pemBytes returns the DER of the first PEM block.
func pemBytes(t *testing.T, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no PEM: %q", text)
	}
	return block.Bytes
}

// authority signs what tests ask.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: fmt.Appendf(nil, "the key of %s", name)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// answer issues a certificate for a request, for these names; until says when it ends.
func (a *authority) answer(t *testing.T, csr []byte, until time.Time, names ...string) []byte {
	t.Helper()
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		t.Fatal(err)
	}
	return a.issue(t, request.PublicKey, until, names...)
}

func (a *authority) issue(t *testing.T, public any, until time.Time, names ...string) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inAYear() time.Time { return time.Now().AddDate(1, 0, 0) }

// TestARequestIsAnswered walks a request to a served certificate, over a restart, and its renewal.
func TestARequestIsAnswered(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Mail", Domains: []string{"mail.example.com", "imap.example.com"}, Lineage: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	pending := h.named(t, "Mail")
	if len(pending) != 1 || pending[0].Status != x509cert.StatusPendingRequest || pending[0].SelfSigned || pending[0].Thumbprint != asked.Requests[0].Thumbprint || pending[0].RootType != x509cert.RootUnknown {
		t.Fatalf("pending: got %+v", pending)
	}
	if _, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "mail", Services: "IMAP"}); !errors.Is(err, ErrPending) {
		t.Errorf("enabling a request: got %v", err)
	}
	dir := h.dir
	h.close(t)
	h = openHouse(t, dir, newRuntime())
	again, err := h.Export(t.Context(), tester(), ExportRequest{ID: "mail"})
	if err != nil || string(again.Data) != asked.Requests[0].PEM || again.Secret {
		t.Errorf("the request exported again: got %+v, %v", again, err)
	}
	leaf := ca.answer(t, asked.Requests[0].DER, inAYear(), "mail.example.com")
	change, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"answer.cer", leaf}, {"ca.cer", ca.cert.Raw}}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(change.Warnings, "; "), "left out imap.example.com") {
		t.Errorf("nobody is told that a name is missing: %q", change.Warnings)
	}
	done := h.named(t, "Mail")
	if len(done) != 1 || done[0].State != "current" || !done[0].HasPrivateKey || len(done[0].Services) != 0 || done[0].Status != x509cert.StatusUntrusted {
		t.Fatalf("answered: got %+v", done)
	}
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: ImportFile{"ca.cer", ca.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	if c := h.named(t, "Mail")[0]; c.Status != x509cert.StatusValid || c.RootType != x509cert.RootRegistry {
		t.Errorf("with its authority trusted: got %s (%s), %s", c.Status, c.StatusReason, c.RootType)
	}
	h.enable(t, EnableRequest{ID: "mail", Services: "IMAP"})
	// The next generation is asked of another authority, and the binding stays.
	other := newAuthority(t, "Other CA")
	next, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Mail", Domains: []string{"mail.example.com"}, Lineage: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	leaf = other.answer(t, next.Requests[0].DER, inAYear(), "mail.example.com")
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"next.cer", leaf}}}); err != nil {
		t.Fatal(err)
	}
	if got := statesOf(t, h, "mail"); got != "2 current, 1 previous" {
		t.Errorf("renewed: got %s", got)
	}
	if c := h.named(t, "Mail")[0]; !slices.Contains(c.Services, "IMAP") || c.Thumbprint != x509cert.Thumbprint(leaf) {
		t.Errorf("after a renewal by another authority IMAP is served by %+v", c)
	}
}

func TestImportRefusesAndRemembers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	good := ca.issue(t, key.Public(), inAYear(), "shop.example.com")
	ended := ca.issue(t, key.Public(), time.Now().Add(-time.Minute), "shop.example.com")
	keyFile := ImportFile{"shop.key", key.PEM().Bytes()}
	before := len(h.certificates(t))
	for name, c := range map[string]struct {
		files []ImportFile
		want  error
	}{
		"no key":     {[]ImportFile{{"shop.cer", good}}, ErrNoMatchingKey},
		"has ended":  {[]ImportFile{{"shop.cer", ended}, keyFile}, ErrImportEnded},
		"no files":   {nil, ErrNothingToImport},
		"a key only": {[]ImportFile{keyFile}, ErrNothingToImport},
	} {
		if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: c.files}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	stranger, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"shop.cer", good}, {"other.key", stranger.PEM().Bytes()}}})
	if _, ok := errors.AsType[*certfile.MismatchError](err); !ok || !strings.Contains(err.Error(), "shop.cer") || !strings.Contains(err.Error(), "other.key") {
		t.Errorf("a key of something else: got %v, want both files named", err)
	}
	if got := len(h.certificates(t)); got != before {
		t.Errorf("refused imports left %d certificates", got-before)
	}
	files := []ImportFile{{"shop.cer", good}, keyFile}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Exportable: true, Lineage: "shop"}); err != nil {
		t.Fatal(err)
	}
	seq := h.db.Seq()
	c, err := h.Import(t.Context(), tester(), ImportRequest{Files: files})
	if err != nil || h.db.Seq() != seq || len(c.Warnings) != 1 {
		t.Errorf("the same again: got %+v, %v, and the state moved from %d to %d", c, err, seq, h.db.Seq())
	}
	if c := h.named(t, "shop.example.com"); len(c) != 1 || len(c[0].Services) != 0 {
		t.Errorf("importing bound something: %+v", c)
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "open", Domains: []string{"open.example.com"}, Exportable: true, Kinds: []string{"ecdsa-p256"}})
	password := NewPassword(keys.NewSecret("secret"))
	for name, c := range map[string]struct {
		r    ExportRequest
		want error
	}{
		"not exportable":      {ExportRequest{ID: internalLineage, Password: password, Confirm: true}, ErrNotExportable},
		"not exportable, pem": {ExportRequest{ID: internalLineage, Format: FormatPEM, Confirm: true}, ErrNotExportable},
		"no password":         {ExportRequest{ID: "open", Confirm: true}, certfile.ErrExportPassword},
		"empty password":      {ExportRequest{ID: "open", Confirm: true, Password: NewPassword(keys.NewSecret(""))}, certfile.ErrExportPassword},
		"not confirmed":       {ExportRequest{ID: "open", Password: password}, ErrConfirmation},
	} {
		if got, err := h.Export(t.Context(), tester(), c.r); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
	for _, format := range []string{FormatDER, FormatP7B, FormatPEM} {
		got, err := h.Export(t.Context(), tester(), ExportRequest{ID: internalLineage, Format: format, NoKey: true})
		if err != nil || got.Secret || len(got.Data) == 0 || strings.Contains(string(got.Data), "PRIVATE KEY") {
			t.Errorf("%s without key: got %v", format, err)
		}
	}
	got, err := h.Export(t.Context(), tester(), ExportRequest{ID: "open", Password: password, Confirm: true})
	if err != nil || !got.Secret {
		t.Fatal(err)
	}
	back, err := certfile.Read("open.pfx", got.Data, certfile.ReadOptions{Password: func(string) (keys.Secret, error) { return keys.NewSecret("secret"), nil }})
	if err != nil || len(back.Keys) != 1 || len(back.Certificates) != 1 || back.Keys[0].FriendlyName != "open" {
		t.Errorf("read back: got %+v, %v", back, err)
	}
}

func TestDistrustCountsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Test CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	leaf := ca.issue(t, key.Public(), inAYear(), "shop.example.com")
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Lineage: "shop", Files: []ImportFile{{"shop.cer", leaf}, {"shop.key", key.PEM().Bytes()}, {"ca.cer", ca.cert.Raw}}}); err != nil {
		t.Fatal(err)
	}
	status := func() x509cert.Status {
		t.Helper()
		d, err := h.Certificate(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return d.Status
	}
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: ImportFile{"ca.cer", ca.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != x509cert.StatusValid {
		t.Fatalf("trusted: got %s", got)
	}
	if d, err := h.Certificate(t.Context(), "shop"); err != nil || !slices.ContainsFunc(d.Lints, func(l string) bool { return strings.HasPrefix(l, "BR ") }) {
		t.Errorf("a certificate of our own authority: got the lints %q, %v, want some", d.Lints, err)
	}
	h.enable(t, EnableRequest{ID: "shop", Services: "HTTP"})
	file := ImportFile{"shop.cer", leaf}
	for name, r := range map[string]DistrustRequest{
		"by issuer":      {Issuer: "CN=Test CA"},
		"by certificate": {File: &file},
		"by date":        {Issuer: "CN=Test CA", After: time.Now().Add(-2 * time.Hour)},
	} {
		c, err := h.AddDistrust(t.Context(), tester(), r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := status(); got != x509cert.StatusUntrusted {
			t.Errorf("%s: got %s, want Untrusted", name, got)
		}
		if got := conditionsOf(t, h); !slices.Contains(got, "!certificateUntrusted shop") {
			t.Errorf("%s: it serves, and status says %q", name, got)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(c.Undo, "postseal trust remove '"), "'")
		if _, err := h.ForgetTrust(t.Context(), tester(), ForgetRequest{ID: id}); err != nil {
			t.Errorf("%s: undoing with %q: %v", name, c.Undo, err)
		}
		if got := status(); got != x509cert.StatusValid {
			t.Errorf("%s, undone: got %s", name, got)
		}
	}
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: file}); !errors.Is(err, ErrNotAnAuthority) {
		t.Errorf("trusting a server's certificate: got %v", err)
	}
	for _, r := range []DistrustRequest{{}, {SPKI: "zz"}, {SPKI: strings.Repeat("a", 64), Issuer: "CN=x"}, {SPKI: strings.Repeat("a", 64), After: time.Now()}} {
		if _, err := h.AddDistrust(t.Context(), tester(), r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}

// TestDistrustIsNotNarrowedByMoreOfIt: everything of an issuer was distrusted, and then what he issued after a date; what
// he had issued before was trusted again, and nothing said so.
func TestDistrustIsNotNarrowedByMoreOfIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	early, late := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		name    string
		r       DistrustRequest
		changes bool
		after   time.Time // in force then
		undo    string
	}{
		{"late", DistrustRequest{Issuer: "CN=O'Old", After: late}, true, late, `postseal trust remove 'issuer CN=O'\\''Old'`},
		{"late again", DistrustRequest{Issuer: "CN=O'Old", After: late}, false, late, ""},
		{"early", DistrustRequest{Issuer: "CN=O'Old", After: early}, true, early, `postseal trust remove 'issuer CN=O'\\''Old' && postseal trust distrust --issuer 'CN=O'\\''Old' --after 2026-10-01T00:00:00Z`},
		{"late after early", DistrustRequest{Issuer: "CN=O'Old", After: late}, false, early, ""},
		{"everything", DistrustRequest{Issuer: "CN=O'Old"}, true, time.Time{}, `postseal trust remove 'issuer CN=O'\\''Old' && postseal trust distrust --issuer 'CN=O'\\''Old' --after 2026-01-01T00:00:00Z`},
		{"late after everything", DistrustRequest{Issuer: "CN=O'Old", After: late}, false, time.Time{}, ""},
		{"everything again", DistrustRequest{Issuer: "CN=O'Old"}, false, time.Time{}, ""},
	} {
		c, err := h.AddDistrust(t.Context(), tester(), step.r)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		nothing := len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0], "nothing to change: ") && !c.Replaces && len(c.Removed) == 0
		if nothing == step.changes || c.Undo != strings.ReplaceAll(step.undo, `\\`, `\`) {
			t.Errorf("%s: got %+v", step.name, c)
		}
		v, err := h.Trust(t.Context())
		if err != nil || len(v.Distrust) != 1 || !v.Distrust[0].After.Equal(step.after) {
			t.Errorf("%s: in force is %+v, %v, want after %v", step.name, v.Distrust, err, step.after)
		}
	}
}
