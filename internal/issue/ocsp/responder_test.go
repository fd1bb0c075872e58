package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
	"postseal/internal/peers"
)

// world is an authority with one certificate and a responder.
type world struct {
	root, issuer, leaf *x509.Certificate
	authority          *ca.Issuer
	key                *keys.Private
	answers            *book
	responder          *Responder
}

// book is a source. What it does not hold was not issued.
type book struct {
	asked  atomic.Int64
	answer atomic.Pointer[map[string]Answer]
	fault  error
}

func (b *book) Answer(_ context.Context, _ string, serial []byte) (Answer, error) {
	b.asked.Add(1)
	return (*b.answer.Load())[string(serial)], b.fault
}

func (b *book) set(serial []byte, a Answer) {
	m := map[string]Answer{string(serial): a}
	b.answer.Store(&m)
}

func newKey(t testing.TB, kind keys.Kind) *keys.Private {
	t.Helper()
	k, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t testing.TB, kind keys.Kind) world {
	t.Helper()
	parse := func(raw []byte, err error) *x509.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509cert.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	rootKey, key := newKey(t, kind), newKey(t, kind)
	w := world{key: newKey(t, kind), answers: new(book)}
	w.root = parse(ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: pkix.Name{CommonName: "Root"}}, rootKey))
	root, err := ca.NewIssuer(ca.IssuerOptions{Purpose: ca.PurposeRoot, Certificate: w.root, Signer: rootKey})
	if err != nil {
		t.Fatal(err)
	}
	w.issuer = parse(root.Certify(ca.AuthorityOptions{Purpose: ca.PurposeServers, Subject: pkix.Name{CommonName: "Servers"}, Key: key.Public(), Domains: []string{"example.com"}}))
	if w.authority, err = ca.NewIssuer(ca.IssuerOptions{Purpose: ca.PurposeServers, Certificate: w.issuer, Signer: key}); err != nil {
		t.Fatal(err)
	}
	p, err := ca.NewProfile(ca.ProfileOptions{Name: "server", Domains: []string{"example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.New(w.authority, ledger{}).Issue(t.Context(), p, ca.Request{PublicKey: newKey(t, keys.ECDSAP256).Public(), Names: []string{"a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	w.leaf = issued.Certificate
	w.answers.set(w.leaf.SerialNumber.Bytes(), Answer{Status: Good})
	if w.responder, err = NewResponder("servers", w.issuer, w.signer(t), w.answers, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) signer(t testing.TB) *Signer {
	t.Helper()
	cert, err := w.authority.CertifyResponder(w.key.Public(), time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(cert, w.key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ledger forgets everything: what it is given is not the matter of these tests.
type ledger struct{}

func (ledger) Plan(context.Context, *ca.Draft) error           { return nil }
func (ledger) Record(context.Context, *ca.Draft, []byte) error { return nil }
func (ledger) Planned(context.Context, string) (*ca.Draft, []byte, error) {
	return nil, nil, nil
}

func (w world) question(t testing.TB, h crypto.Hash) []byte {
	t.Helper()
	q, err := ocsp.CreateRequest(w.leaf, w.issuer, &ocsp.RequestOptions{Hash: h})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func serve(h http.Handler, method, target string, body []byte) *http.Response {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenSSLAsks: openssl's own client, by GET and POST, with and without a nonce, with SHA-1 and SHA-256, for good,
// revoked and unknown.
func TestOpenSSLAsks(t *testing.T) {
	t.Parallel()
	for _, kind := range []keys.Kind{keys.ECDSAP256, keys.RSA2048} {
		w := newWorld(t, kind)
		server := httptest.NewServer(w.responder)
		t.Cleanup(server.Close)
		dir := t.TempDir()
		file := func(name string, certs ...*x509.Certificate) string {
			var text []byte
			for _, c := range certs {
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		base := []string{"openssl", "ocsp", "-issuer", file("issuer.pem", w.issuer), "-CAfile", file("root.pem", w.root), "-verify_other", file("issuer.pem", w.issuer), "-url", server.URL}
		for _, tt := range []struct {
			answer Answer
			want   string
		}{
			{Answer{Status: Good}, ": good"},
			{Answer{Status: Revoked, RevokedAt: time.Now().Add(-time.Minute), Reason: crl.KeyCompromise}, ": revoked"},
			{Answer{}, ": unknown"},
		} {
			w.answers.set(w.leaf.SerialNumber.Bytes(), tt.answer)
			w.responder.Forget(w.leaf.SerialNumber.Bytes())
			for _, more := range [][]string{{"-sha1", "-cert", file("leaf.pem", w.leaf)}, {"-sha256", "-cert", file("leaf.pem", w.leaf)}, {"-no_nonce", "-cert", file("leaf.pem", w.leaf)}} {
				got := peers.Run(t, peers.Command{Args: append(append([]string{}, base...), more...)})
				text := got.Stdout + got.Stderr
				if got.Exit != 0 || !strings.Contains(text, "Response verify OK") || !strings.Contains(text, tt.want) || tt.answer.Status == Revoked && !strings.Contains(text, "Reason: keyCompromise") {
					t.Errorf("%s, %v: got %v, want %s", kind, more, got, tt.want)
				}
			}
		}
	}
}

// TestGETIsForCaches: an answer without a nonce is the same octets for everybody, and says how long it may be kept.
func TestGETIsForCaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keys.ECDSAP256)
	text := base64.StdEncoding.EncodeToString(w.question(t, crypto.SHA1))
	var first []byte
	var z peers.ZLints
	defer z.Report(t, nil)
	for _, target := range []string{"/ocsp/servers/" + url.PathEscape(text), "/" + url.PathEscape(text), "/ocsp/servers/" + strings.ReplaceAll(text, "+", "%2B"), "/" + url.QueryEscape(text)} {
		r := serve(w.responder, http.MethodGet, target, nil)
		got := body(t, r)
		if first == nil {
			first = got
			z.Answer(t, "an answer", got)
		}
		answer, err := ocsp.ParseResponseForCert(got, w.leaf, w.issuer)
		if err != nil || answer.Status != ocsp.Good || !bytes.Equal(got, first) {
			t.Errorf("%s: got %v, %v", target, answer, err)
		}
		if c := r.Header.Get("Cache-Control"); !strings.Contains(c, "max-age=") || r.Header.Get("ETag") == "" || r.Header.Get("Expires") == "" {
			t.Errorf("%s: got %v", target, r.Header)
		}
	}
	if n := w.answers.asked.Load(); n != 1 {
		t.Errorf("the source was asked %d times, want once", n)
	}
	for target, want := range map[string]bool{"/Mail/Main/" + url.PathEscape(text): true, "/" + strings.Repeat("M/", 500) + url.PathEscape(text): false} {
		if got := body(t, serve(w.responder, http.MethodGet, target, nil)); bytes.Equal(got, first) != want || !want && !bytes.Equal(got, malformedRequest) {
			t.Errorf("%.20s: got %x", target, got[:min(len(got), 8)])
		}
	}
	if r := serve(w.responder, http.MethodHead, "/"+url.PathEscape(text), nil); len(body(t, r)) != 0 || r.StatusCode != http.StatusOK {
		t.Errorf("HEAD: got %v", r)
	}
}

// TestARevocationIsSaidAtOnce: what was kept is thrown away, also if it was being made just then.
func TestARevocationIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keys.ECDSAP256)
	q := w.question(t, crypto.SHA1)
	ask := func() int {
		t.Helper()
		answer, err := ocsp.ParseResponseForCert(body(t, serve(w.responder, http.MethodPost, "/", q)), w.leaf, w.issuer)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status
	}
	if got := ask(); got != ocsp.Good {
		t.Fatalf("got %d, want good", got)
	}
	serial := w.leaf.SerialNumber.Bytes()
	w.answers.set(serial, Answer{Status: Revoked, RevokedAt: time.Now()})
	w.responder.Forget(serial)
	if got := ask(); got != ocsp.Revoked {
		t.Errorf("got %d, want revoked", got)
	}
	w.responder.remember(&answered{id: "x", serial: "y", made: time.Now()}, w.responder.forgot-1)
	if _, ok := w.responder.kept["x"]; ok {
		t.Error("an answer that was asked for before the revocation was kept")
	}
}

// TestItIsMadeAnewInTime: halfway through its freshness an answer is made again, and one from the future too.
func TestItIsMadeAnewInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keys.ECDSAP256)
		q := w.question(t, crypto.SHA1)
		for _, tt := range []struct {
			wait time.Duration
			want int64
		}{{0, 1}, {staleBefore - time.Second, 1}, {time.Second, 2}, {staleBefore / 2, 2}, {staleBefore, 3}} {
			time.Sleep(tt.wait)
			answer, err := ocsp.ParseResponseForCert(body(t, serve(w.responder, http.MethodPost, "/", q)), w.leaf, w.issuer)
			if err != nil || w.answers.asked.Load() != tt.want || !answer.NextUpdate.After(time.Now().Add(staleBefore-time.Second)) {
				t.Errorf("after %v more: asked %d times, want %d; %v, %v", tt.wait, w.answers.asked.Load(), tt.want, answer, err)
			}
		}
	})
}

// TestStrangers: what cannot be answered gets a short refusal that nobody keeps.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keys.ECDSAP256)
	foreign := newWorld(t, keys.ECDSAP256)
	q := w.question(t, crypto.SHA1)
	for what, tt := range map[string]struct {
		body []byte
		want []byte
	}{
		"nothing":             {nil, malformedRequest},
		"garbage":             {[]byte("good?"), malformedRequest},
		"cut":                 {q[:len(q)-1], malformedRequest},
		"more behind it":      {append(append([]byte{}, q...), 0), malformedRequest},
		"too long":            {make([]byte, MaxRequestBytes+1), malformedRequest},
		"another's authority": {foreign.question(t, crypto.SHA1), unauthorized},
		"a hash nobody uses":  {w.question(t, crypto.SHA384), unauthorized},
	} {
		r := serve(w.responder, http.MethodPost, "/", tt.body)
		if got := body(t, r); !bytes.Equal(got, tt.want) || r.Header.Get("Cache-Control") != "no-store" || r.StatusCode != http.StatusOK {
			t.Errorf("%s: got %x, %v, want %x", what, got, r.Header, tt.want)
		}
	}
	for _, target := range []string{"/", "/M", "/%%%", "/" + strings.Repeat("M", 3*MaxRequestBytes)} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: target}
		rec := httptest.NewRecorder()
		w.responder.ServeHTTP(rec, r)
		if !bytes.Equal(rec.Body.Bytes(), malformedRequest) {
			t.Errorf("GET %.20s: got %x", target, rec.Body.Bytes())
		}
	}
	if r := serve(w.responder, http.MethodPut, "/", q); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PUT: got %d", r.StatusCode)
	}
	w.answers.fault = errors.New("the database is away")
	if got := body(t, serve(w.responder, http.MethodPost, "/", q)); !bytes.Equal(got, tryLater) {
		t.Errorf("source away: got %x, want tryLater", got)
	}
	w.answers.fault = nil
	w.responder.SetSigner(nil)
	if got := body(t, serve(w.responder, http.MethodPost, "/", q)); !bytes.Equal(got, tryLater) {
		t.Errorf("no signer: got %x, want tryLater", got)
	}
}

// TestOneCertificateIsKeptInFewWays: what nobody reads in a question must not make it another question, or a stranger who
// knows one certificate fills the memory with answers about it.
func TestOneCertificateIsKeptInFewWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keys.ECDSAP256)
	ask := func(parameters []byte, zeros int) []byte {
		var b cryptobyte.Builder
		within := func(f func(b *cryptobyte.Builder)) func(*cryptobyte.Builder) {
			return func(b *cryptobyte.Builder) { b.AddASN1(der.SEQUENCE, f) }
		}
		within(within(within(within(within(func(b *cryptobyte.Builder) { // to the CertID
			within(func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}) // SHA-1
				b.AddBytes(parameters)
			})(b)
			b.AddASN1OctetString(w.responder.hashes[crypto.SHA1][0])
			b.AddASN1OctetString(w.responder.hashes[crypto.SHA1][1])
			b.AddASN1(der.INTEGER, func(b *cryptobyte.Builder) {
				b.AddBytes(append(make([]byte, zeros), w.leaf.SerialNumber.Bytes()...))
			})
		})))))(&b)
		return body(t, serve(w.responder, http.MethodPost, "/", b.BytesOrPanic()))
	}
	for _, tt := range []struct {
		name       string
		parameters []byte
		zeros      int
		good       bool
	}{
		{"no parameters", nil, 0, true},
		{"NULL", []byte{5, 0}, 0, true},
		{"two NULLs", []byte{5, 0, 5, 0}, 0, false},
		{"a text as parameters", append([]byte{4, 100}, make([]byte, 100)...), 0, false},
		{"a number with a zero before it", nil, 1, false},
		{"a number with three", nil, 3, false},
	} {
		got := ask(tt.parameters, tt.zeros)
		answer, err := ocsp.ParseResponseForCert(got, w.leaf, w.issuer)
		if good := err == nil && answer.Status == ocsp.Good; good != tt.good || !good && !bytes.Equal(got, malformedRequest) {
			t.Errorf("%s: got %x, %v", tt.name, got[:min(len(got), 8)], err)
		}
	}
	if n := len(w.responder.kept); n != 2 {
		t.Errorf("%d answers are kept, want 2", n)
	}
}

// TestNewSigner refuses what others would not believe.
func TestNewSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keys.ECDSAP256)
	if _, err := NewSigner(w.leaf, w.key); !errors.Is(err, ErrSigner) {
		t.Errorf("a server's certificate: got %v, want ErrSigner", err)
	}
	cert, err := w.authority.CertifyResponder(w.key.Public(), time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSigner(cert, newKey(t, keys.ECDSAP256)); !errors.Is(err, ErrSigner) {
		t.Errorf("another's key: got %v, want ErrSigner", err)
	}
}

func FuzzParseRequest(f *testing.F) {
	w := newWorld(f, keys.ECDSAP256)
	f.Add(w.question(f, crypto.SHA1))
	f.Add(w.question(f, crypto.SHA256))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRequest(raw)
		if err != nil {
			return
		}
		if len(r.Questions) == 0 || len(r.Questions) > maxQuestions || len(r.Nonce) > maxNonce {
			t.Errorf("%d questions, a nonce of %d octets", len(r.Questions), len(r.Nonce))
		}
		for _, id := range r.Questions {
			if len(id.Serial) == 0 || !bytes.Contains(raw, id.raw) {
				t.Errorf("serial %x, raw %x", id.Serial, id.raw)
			}
		}
	})
}

func BenchmarkCached(b *testing.B) { benchmark(b, true) }

func BenchmarkFresh(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, cached bool) {
	w := newWorld(b, keys.ECDSAP256)
	q := w.question(b, crypto.SHA1)
	for b.Loop() {
		if !cached {
			w.responder.Forget(w.leaf.SerialNumber.Bytes())
		}
		w.responder.answer(b.Context(), q)
	}
}
