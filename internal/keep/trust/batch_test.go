package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"postseal/internal/ground/x509cert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certPEM(c *x509.Certificate) string { return pemOf("CERTIFICATE", c.Raw) }

func lineOf(t testing.TB, fields map[string]any) string {
	t.Helper()
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// answers runs a batch and returns one answer for each line.
func answers(t testing.TB, v *Verifier, in io.Reader) []batchAnswer {
	t.Helper()
	var out bytes.Buffer
	if err := v.VerifyBatch(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	var list []batchAnswer
	for line := range strings.Lines(out.String()) {
		var a batchAnswer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, a)
	}
	return list
}

func TestVerifyBatch(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	ca := root.between(t, "CA", nil)
	leaf := ca.leaf(t, "a.example.com", nil)
	base := func(more map[string]any) map[string]any {
		m := map[string]any{"id": "x", "leaf": certPEM(leaf), "chain": []string{certPEM(ca.cert)}, "roots": []string{certPEM(root.cert)}, "at": at.Format(time.RFC3339)}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	tests := []struct {
		line   string
		id     string
		status x509cert.Status
		part   string
	}{
		{lineOf(t, base(nil)), `"x"`, x509cert.StatusValid, "trusted through"},
		{lineOf(t, base(map[string]any{"id": 7})), `7`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"comment": "not for us"})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"leaf": certPEM(leaf) + certPEM(ca.cert), "chain": nil})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"chain": []string{certPEM(ca.cert) + certPEM(root.cert)}})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"roots": nil})), `"x"`, x509cert.StatusUntrusted, ""},
		{lineOf(t, base(map[string]any{"roots": []string{}})), `"x"`, x509cert.StatusUntrusted, ""},
		{lineOf(t, base(map[string]any{"chain": []string{}})), `"x"`, x509cert.StatusUntrusted, "needs"},
		{lineOf(t, base(map[string]any{"chain": []string{"none"}})), `"x"`, x509cert.StatusUntrusted, "a part of the chain cannot be read"},
		{lineOf(t, base(map[string]any{"chain": []string{pemOf("CERTIFICATE", []byte{1}), certPEM(ca.cert)}})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"roots": []string{"none"}})), `"x"`, x509cert.StatusUntrusted, "a root cannot be read"},
		{lineOf(t, base(map[string]any{"leaf": "none"})), `"x"`, x509cert.StatusInvalid, "the certificate cannot be read: no certificate in PEM"},
		{lineOf(t, base(map[string]any{"leaf": pemOf("CERTIFICATE", []byte{1})})), `"x"`, x509cert.StatusInvalid, "cannot be read"},
		{lineOf(t, base(map[string]any{"name": "a.example.com", "purpose": "serverAuth", "profile": "rfc5280", "revocation": "off"})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"name": "b.example.com"})), `"x"`, x509cert.StatusInvalid, "not for"},
		{lineOf(t, base(map[string]any{"purpose": "emailProtection"})), `"x"`, x509cert.StatusInvalid, "is not for emailProtection"},
		{lineOf(t, base(map[string]any{"purpose": "tea"})), `"x"`, x509cert.StatusInvalid, `"tea" is no purpose`},
		{lineOf(t, base(map[string]any{"profile": "tea"})), `"x"`, x509cert.StatusInvalid, "no profile"},
		{lineOf(t, base(map[string]any{"revocation": "tea"})), `"x"`, x509cert.StatusInvalid, "no revocation mode"},
		{lineOf(t, base(map[string]any{"at": "tomorrow"})), `"x"`, x509cert.StatusInvalid, "no time"},
		{lineOf(t, base(map[string]any{"at": "2040-01-01T00:00:00.5+09:00"})), `"x"`, x509cert.StatusDateInvalid, "expired"},
		{lineOf(t, base(map[string]any{"revocation": "hard"})), `"x"`, x509cert.StatusRevocationCheckFailure, "nobody to ask"},
		{lineOf(t, base(map[string]any{"revocation": "hard", "crls": []string{}})), `"x"`, x509cert.StatusRevocationCheckFailure, "no CRL of"},
		{lineOf(t, base(map[string]any{"crls": []string{pemOf("X509 CRL", ca.crlOf(t, nil, leaf))}})), `"x"`, x509cert.StatusRevoked, "revoked on"},
		{lineOf(t, base(map[string]any{"revocation": "hard", "crls": []string{pemOf("X509 CRL", ca.crlOf(t, nil)) + pemOf("X509 CRL", root.crlOf(t, nil))}})), `"x"`, x509cert.StatusValid, ""},
		{lineOf(t, base(map[string]any{"crls": []string{"none"}})), `"x"`, x509cert.StatusInvalid, "crls[0]: no CRL in PEM"},
		{lineOf(t, map[string]any{"id": "y"}), `"y"`, x509cert.StatusInvalid, "cannot be read"},
		{`{"id": "z", "leaf": 7}` + "\n", `"z"`, x509cert.StatusInvalid, "no question in JSON"},
		{"[]\n", `null`, x509cert.StatusInvalid, "no question in JSON"},
		{"{\n", `null`, x509cert.StatusInvalid, "line 30: no question"},
		{strings.Repeat("x", MaxBatchLineBytes+2) + "\n", `null`, x509cert.StatusInvalid, "longer than 16 MiB"},
		{lineOf(t, base(nil)), `"x"`, x509cert.StatusValid, ""},
	}
	var in strings.Builder
	for _, tt := range tests {
		in.WriteString(tt.line)
	}
	got := answers(t, newVerifier(t, Options{}), strings.NewReader(in.String()))
	if len(got) != len(tests) {
		t.Fatalf("got %d answers, want %d", len(got), len(tests))
	}
	for i, tt := range tests {
		want(t, fmt.Sprintf("line %d", i+1), Verdict{Status: got[i].Status, Reason: got[i].Reason}, tt.status, tt.part)
		if string(got[i].ID) != tt.id {
			t.Errorf("line %d: got the id %s, want %s", i+1, got[i].ID, tt.id)
		}
	}
	// Blank lines are no questions, and the last one needs no line feed.
	if got := answers(t, newVerifier(t, Options{}), strings.NewReader("\n  \r\n"+strings.TrimSpace(lineOf(t, base(nil))))); len(got) != 1 {
		t.Errorf("got %d answers, want 1", len(got))
	}
}

// TestBatchOrder: many at once, answered in order, byte by byte of input.
func TestBatchOrder(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	leaf := root.leaf(t, "a.example.com", nil)
	var in strings.Builder
	const n = 100
	for i := range n {
		line := map[string]any{"id": i, "leaf": certPEM(leaf), "roots": []string{certPEM(root.cert)}, "at": at.Format(time.RFC3339)}
		if i%3 == 0 {
			line["leaf"] = ""
		}
		in.WriteString(lineOf(t, line))
	}
	got := answers(t, newVerifier(t, Options{}), iotest.OneByteReader(strings.NewReader(in.String())))
	for i := range got {
		wanted := x509cert.StatusValid
		if i%3 == 0 {
			wanted = x509cert.StatusInvalid
		}
		if string(got[i].ID) != fmt.Sprint(i) || got[i].Status != wanted {
			t.Errorf("answer %d: got %s, %v (%s), want %v", i, got[i].ID, got[i].Status, got[i].Reason, wanted)
		}
	}
	if len(got) != n {
		t.Errorf("got %d answers, want %d", len(got), n)
	}
}

type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestBatchEnds: a broken reader, a broken writer and an ended context end the batch, with their error and no goroutine.
func TestBatchEnds(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Options{})
	lines := strings.Repeat("{}\n", 1000)
	if err := v.VerifyBatch(t.Context(), strings.NewReader(lines), &brokenWriter{3}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want that of the writer", err)
	}
	var out bytes.Buffer
	broken := io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := v.VerifyBatch(t.Context(), broken, &out); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("got %v and %q, want that of the reader after one answer", err, out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.VerifyBatch(ctx, strings.NewReader(lines), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
}

// TestPKITSBatch: the suite by way of the batch, for all cases without settings, which the batch has no words for.
func TestPKITSBatch(t *testing.T) {
	t.Parallel()
	read := func(dir, name, ext string) []byte {
		der, err := os.ReadFile(filepath.Join(pkitsDir, dir, name+ext))
		if err != nil {
			t.Fatalf("%v; run: apt-get install --yes python3-cryptography-vectors   (or: make deps)", err)
		}
		return der
	}
	var in strings.Builder
	var cases []pkitsCase
	for _, c := range pkitsCases(t) {
		if c.settings != "" {
			continue
		}
		cases = append(cases, c)
		var chain, lists []string
		for _, name := range c.certs {
			chain = append(chain, pemOf("CERTIFICATE", read("certs", name, ".crt")))
		}
		for _, name := range c.crls {
			lists = append(lists, pemOf("X509 CRL", read("crls", name, ".crl")))
		}
		in.WriteString(lineOf(t, map[string]any{
			"id": c.section + c.title, "leaf": chain[len(chain)-1], "chain": chain[:len(chain)-1], "crls": lists,
			"roots": []string{pemOf("CERTIFICATE", read("certs", "TrustAnchorRootCertificate", ".crt"))}, "at": "2020-01-01T00:00:00Z", "revocation": "hard",
		}))
	}
	got := answers(t, newVerifier(t, Options{}), strings.NewReader(in.String()))
	if len(got) != len(cases) || len(cases) < 200 {
		t.Fatalf("got %d answers, want %d", len(got), len(cases))
	}
	for i, c := range cases {
		_, differs := pkitsDiffer[c.section]
		if valid := got[i].Status == x509cert.StatusValid; (valid == c.valid) == differs {
			t.Errorf("%s %s: got %v (%s), want valid %v", c.section, c.title, got[i].Status, got[i].Reason, c.valid)
		}
	}
}

func FuzzBatchLine(f *testing.F) {
	root := newRoot(f, "Root", nil)
	leaf := root.leaf(f, "a.example.com", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example.com/1"} })
	whole := map[string]any{
		"id": "a", "leaf": certPEM(leaf), "chain": []string{}, "roots": []string{certPEM(root.cert)}, "at": at.Format(time.RFC3339), "name": "a.example.com",
		"crls": []string{pemOf("X509 CRL", root.crlOf(f, crlExt(true, pointDER("http://crl.example.com/1"), extIssuingPoint...)))}, "revocation": "hard",
	}
	seeds := []string{lineOf(f, whole), `{"id": [1], "leaf": ""}`, `{`, `null`, `{"id": null, "at": "x"}`, "\xff"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	v := newVerifier(f, Options{Distrust: &Distrust{}})
	f.Fuzz(func(t *testing.T, text []byte) {
		line := bytes.ReplaceAll(text, []byte("\n"), nil)
		out := v.answerLine(t.Context(), line, 1, false)
		var a batchAnswer
		if err := json.Unmarshal(out, &a); err != nil || bytes.Count(out, []byte("\n")) != 1 {
			t.Fatalf("got %q, want one line of JSON: %v", out, err)
		}
		if x509cert.First(a.Status) != a.Status || a.Reason == "" {
			t.Errorf("got %v (%s), want a status and a reason", a.Status, a.Reason)
		}
	})
}

// FuzzCRL: whatever a list holds, it makes no certificate good that it does not cover.
func FuzzCRL(f *testing.F) {
	root := newRoot(f, "Root", nil)
	leaf := root.leaf(f, "a.example.com", nil)
	seeds := [][]byte{
		root.crlOf(f, nil, leaf), root.crlOf(f, crlExt(true, pointDER("http://a", 1, 4), extIssuingPoint...), leaf), {0x30, 0},
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	stranger := newRoot(f, "Root", nil)
	other := stranger.leaf(f, "a.example.com", nil)
	f.Fuzz(func(t *testing.T, der []byte) {
		link := Link{Cert: other, Issuer: stranger.cert, Above: certs(stranger), At: at}
		if got := NewCRLs(der).Check(t.Context(), link); got.State != StateUnknown || got.Why == "" {
			t.Errorf("got %v of a list that %s did not sign", got, stranger.cert.Subject)
		}
	})
}
