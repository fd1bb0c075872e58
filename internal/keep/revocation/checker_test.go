package revocation

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"postseal/internal/ground/fetch"
)

// site is a web server whose pages a test changes while it runs.
type site struct {
	*httptest.Server
	asked atomic.Int64

	mu    sync.Mutex
	pages map[string]http.HandlerFunc
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{pages: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		page := s.pages[r.URL.Path]
		s.mu.Unlock()
		if page == nil {
			http.NotFound(w, r)
			return
		}
		page(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) put(path string, page http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page
}

func bytesOf(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.Write(b) }
}

// options are those of a checker that may ask the site.
func (s *site) options(t testing.TB, edit func(*fetch.Options)) Options {
	t.Helper()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	o := fetch.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Ports: []uint16{ap.Port()}, Timeout: 10 * time.Second}
	if edit != nil {
		edit(&o)
	}
	client, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Fetch: client, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func open(t testing.TB, o Options) *Checker {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(t testing.TB, c *Checker, cert, issuer *x509.Certificate) Finding {
	t.Helper()
	f, err := c.Check(t.Context(), Query{Cert: cert, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pointing makes a certificate that carries the addresses; empty ones are left out.
func (a *authority) pointing(serial int64, crl, responder string) *x509.Certificate {
	return a.leaf(serial, func(c *x509.Certificate) {
		if crl != "" {
			c.CRLDistributionPoints = []string{crl}
		}
		if responder != "" {
			c.OCSPServer = []string{responder}
		}
	})
}

func TestCheckList(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, scope: scopeSpec{uri: s.URL + "/a.crl"}.der(), entries: []entrySpec{{serial: 2, reason: 1}}})))
	c := open(t, s.options(t, nil))
	for range 3 {
		if f := ask(t, c, a.pointing(1, s.URL+"/a.crl", ""), a.cert); f.Status != Good || f.Source != s.URL+"/a.crl" {
			t.Errorf("got %s (%s) from %q", f.Status, f.Why, f.Source)
		}
		if f := ask(t, c, a.pointing(2, s.URL+"/a.crl", ""), a.cert); f.Status != Revoked || f.Reason != KeyCompromise {
			t.Errorf("got %s (%s)", f.Status, f.Why)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times, want 1", n)
	}
	if f := ask(t, c, a.leaf(1, nil), a.cert); f.Status != Unknown || !f.NotOffered {
		t.Errorf("a certificate without addresses: got %s, not offered %v", f.Status, f.NotOffered)
	}
	if sources := c.Sources(); len(sources) != 1 || sources[0].URL != s.URL+"/a.crl" || sources[0].Failures != 0 || sources[0].NextTry.IsZero() {
		t.Errorf("sources: got %+v", sources)
	}
}

func TestCheckOCSP(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	r := a.responder(nil)
	s.put("/ocsp", func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil || req.Header.Get("Content-Type") != "application/ocsp-request" {
			w.Write(ocsp.MalformedRequestErrorResponse)
			return
		}
		o := ocsp.Response{Status: ocsp.Good, SerialNumber: q.SerialNumber, Certificate: r.cert}
		switch q.SerialNumber.Int64() {
		case 2:
			o.Status, o.RevokedAt, o.RevocationReason = ocsp.Revoked, time.Now().Add(-time.Hour), ocsp.KeyCompromise
		case 3:
			o.Status = ocsp.Unknown
		case 4:
			w.Write(ocsp.TryLaterErrorResponse)
			return
		}
		w.Write(r.answer(a, o))
	})
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, entries: []entrySpec{{serial: 4}}})))
	c := open(t, s.options(t, nil))
	for serial, want := range map[int64]Status{1: Good, 2: Revoked, 3: Unknown, 4: Unknown} {
		f := ask(t, c, a.pointing(serial, "", s.URL+"/ocsp"), a.cert)
		if f.Status != want {
			t.Errorf("serial %d: got %s (%s), want %s", serial, f.Status, f.Why, want)
		}
	}
	// What the responder does not say, the list does.
	for serial, want := range map[int64]Status{3: Good, 4: Revoked} {
		if f := ask(t, c, a.pointing(serial, s.URL+"/a.crl", s.URL+"/ocsp"), a.cert); f.Status != want || f.Source != s.URL+"/a.crl" {
			t.Errorf("serial %d with a list: got %s (%s), want %s", serial, f.Status, f.Why, want)
		}
	}
	f := ask(t, c, a.pointing(4, "", s.URL+"/ocsp"), a.cert)
	if e, ok := errors.AsType[*ResponderError](errors.Join(f.Problems...)); !ok || e.Status != "tryLater" {
		t.Errorf("got %v, want a *ResponderError tryLater", f.Problems)
	}
}

// A responder whose certificate its issuer has revoked answers nothing.
func TestRevokedResponder(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	r := a.responder(func(c *x509.Certificate) {
		c.ExtraExtensions = nil // no id-pkix-ocsp-nocheck
		c.CRLDistributionPoints = []string{s.URL + "/a.crl"}
	})
	s.put("/ocsp", bytesOf(r.answer(a, ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(1), Certificate: r.cert})))
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, entries: []entrySpec{{serial: 9000, reason: 1}}})))
	f := ask(t, open(t, s.options(t, nil)), a.pointing(1, "", s.URL+"/ocsp"), a.cert)
	if f.Status != Unknown || !strings.Contains(f.Why, "the responder's certificate was revoked") {
		t.Errorf("got %s (%s)", f.Status, f.Why)
	}
}

// Whatever a server does, the answer is Unknown with the reason, in bounded time, and nothing is stored.
func TestRudeServers(t *testing.T) {
	t.Parallel()
	a, imposter := newAuthority(t, "A"), newAuthority(t, "A")
	s := newSite(t)
	good := a.list(listSpec{number: 1})
	chunk := make([]byte, 1<<20)
	for _, c := range []struct {
		name string
		page http.HandlerFunc
		why  string
	}{
		{"not found", http.NotFound, "status 404"},
		{"a page in HTML", bytesOf([]byte("<html>Welcome to our portal</html>")), "it is no DER SEQUENCE"},
		{"nothing", bytesOf(nil), "it is no DER SEQUENCE"},
		{"half a list", bytesOf(good[:len(good)/2]), "it is no DER SEQUENCE"},
		{"a list that has run out", bytesOf(a.list(listSpec{number: 1, this: time.Now().Add(-48 * time.Hour)})), "it has run out"},
		{"a list of an imposter", bytesOf(imposter.list(listSpec{number: 1})), "its signature does not fit"},
		{"a list of another", bytesOf(newAuthority(t, "B").list(listSpec{number: 1})), "not at hand"},
		{"100 MB", func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "larger than"},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(chunk)
			z.Close()
		}, "compressed"},
		{"a redirect loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirect 4"},
		{"a redirect inside", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.2/", http.StatusFound)
		}, "loopback"},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "deadline exceeded"},
		{"less than announced", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write(good)
		}, "unexpected EOF"},
		{"a list instead of a response", bytesOf(good), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "/" + strings.ReplaceAll(c.name, " ", "-")
			s.put(path, c.page)
			o := s.options(t, func(o *fetch.Options) { o.Timeout = 300 * time.Millisecond })
			o.Dir, o.MaxListBytes = t.TempDir(), 1<<20
			checker := open(t, o)
			responder := ""
			list := s.URL + path
			if c.why == "" {
				list, responder = "", list
			}
			f := ask(t, checker, a.pointing(1, list, responder), a.cert)
			if f.Status != Unknown || !strings.Contains(f.Why, c.why) || !strings.Contains(f.Why, s.URL+path) {
				t.Errorf("got %s (%s), want unknown with %q and the address", f.Status, f.Why, c.why)
			}
			if f.NotOffered || f.LastStatus != "" {
				t.Errorf("got not offered %v, last %q", f.NotOffered, f.LastStatus)
			}
			if files, err := os.ReadDir(o.Dir); err != nil || len(files) != 0 {
				t.Errorf("%d files were stored, %v", len(files), err)
			}
			before := s.asked.Load()
			ask(t, checker, a.pointing(2, list, ""), a.cert)
			if n := s.asked.Load() - before; list != "" && n != 0 {
				t.Errorf("the server was asked %d times more a moment later", n)
			}
		})
	}
}

// The last good data stay when a server turns bad, over a restart too, and their age is told once they have run out.
func TestLastGoodData(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 7, this: time.Now().Add(-time.Hour), next: ends, entries: []entrySpec{{serial: 2, reason: 1}}})))
	o := s.options(t, nil)
	o.Dir = filepath.Join(t.TempDir(), "cache")
	good, bad := a.pointing(1, s.URL+"/a.crl", ""), a.pointing(2, s.URL+"/a.crl", "")
	if f := ask(t, open(t, o), good, a.cert); f.Status != Good {
		t.Fatalf("got %s (%s)", f.Status, f.Why)
	}
	s.put("/a.crl", http.NotFound)
	c := open(t, o) // after a restart
	if sources := c.Sources(); len(sources) != 1 || sources[0].Fetched.IsZero() || !sources[0].NextUpdate.Equal(ends) {
		t.Errorf("after a restart: got %+v", sources)
	}
	// The question is about a time after the end of the list, so that the test need not wait for it.
	at := func(cert *x509.Certificate) Finding {
		f, err := c.Check(t.Context(), Query{Cert: cert, Issuer: a.cert, At: ends.Add(24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := at(good); f.Status != Unknown || f.LastStatus != Good || f.LastGoodAge < 24*time.Hour || f.LastGoodAge > 26*time.Hour {
		t.Errorf("run out: got %s (%s), last %s, %v old", f.Status, f.Why, f.LastStatus, f.LastGoodAge)
	}
	if f := at(bad); f.Status != Revoked {
		t.Errorf("run out, revoked: got %s (%s)", f.Status, f.Why)
	}
}

func TestDamagedCache(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	list := a.list(listSpec{number: 1})
	s.put("/a.crl", bytesOf(list))
	s.put("/ocsp", bytesOf(a.answer(a, ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(2)})))
	certs := []*x509.Certificate{a.pointing(1, s.URL+"/a.crl", ""), a.pointing(2, "", s.URL+"/ocsp")}
	imposter := newAuthority(t, "A")
	for name, damage := range map[string]func(b []byte, ending string) []byte{
		"empty":     func([]byte, string) []byte { return nil },
		"truncated": func(b []byte, _ string) []byte { return b[:len(b)-5] },
		"garbage":   func([]byte, string) []byte { return []byte("garbage") },
		"forged": func(b []byte, ending string) []byte {
			if ending == dataEnding {
				return imposter.list(listSpec{number: 9})
			}
			return b
		},
	} {
		for _, ending := range []string{dataEnding, recordEnding} {
			o := s.options(t, nil)
			o.Dir = t.TempDir()
			for _, cert := range certs {
				if f := ask(t, open(t, o), cert, a.cert); f.Status != Good {
					t.Fatalf("got %s (%s)", f.Status, f.Why)
				}
			}
			files, err := filepath.Glob(filepath.Join(o.Dir, "*"+ending))
			if err != nil || len(files) != 2 {
				t.Fatalf("got files %v, %v", files, err)
			}
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, damage(b, ending), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := open(t, o)
			for _, cert := range certs {
				if f := ask(t, c, cert, a.cert); f.Status != Good {
					t.Errorf("%s %s: got %s (%s), want it fetched anew", name, ending, f.Status, f.Why)
				}
			}
		}
	}
}

// An older list than the one that is kept is not taken, however well it is signed.
func TestRollback(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	now := time.Now()
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 2, this: now.Add(-time.Hour), entries: []entrySpec{{serial: 1}}})))
	o := s.options(t, nil)
	o.Dir = t.TempDir()
	cert := a.pointing(1, s.URL+"/a.crl", "")
	ask(t, open(t, o), cert, a.cert)
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, this: now.Add(-2 * time.Hour)})))
	c := open(t, o)
	c.mu.Lock()
	for _, it := range c.items {
		it.due = now
	}
	c.mu.Unlock()
	due, _ := c.due(now)
	c.refresh(t.Context(), due)
	if f := ask(t, c, cert, a.cert); f.Status != Revoked {
		t.Errorf("got %s (%s), want revoked", f.Status, f.Why)
	}
	if sources := c.Sources(); len(sources) != 1 || sources[0].LastError == nil || !strings.Contains(sources[0].LastError.Error(), "older than the one that is kept") {
		t.Errorf("sources: got %+v", sources)
	}
}

func TestDeltaAndSecondAddress(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	freshest := points(true, pointSpec{uri: s.URL + "/delta.crl"})
	s.put("/base.crl", bytesOf(a.list(listSpec{number: 1, extra: []pkix.Extension{freshest}})))
	s.put("/delta.crl", bytesOf(a.list(listSpec{number: 2, base: 1, entries: []entrySpec{{serial: 1, reason: 4}}})))
	cert := a.leaf(1, func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{"ldap://ldap.example.test/x", s.URL + "/gone.crl", s.URL + "/base.crl"}
	})
	if f := ask(t, open(t, s.options(t, nil)), cert, a.cert); f.Status != Revoked || f.Source != s.URL+"/delta.crl" {
		t.Errorf("got %s (%s) from %s", f.Status, f.Why, f.Source)
	}
	s.put("/delta.crl", http.NotFound)
	if f := ask(t, open(t, s.options(t, nil)), cert, a.cert); f.Status != Good {
		t.Errorf("without the delta: got %s (%s)", f.Status, f.Why)
	}
}

// Many callers at once make one request.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	list := a.list(listSpec{number: 1})
	arrived, release := make(chan struct{}), make(chan struct{})
	s.put("/a.crl", func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		w.Write(list)
	})
	c := open(t, s.options(t, nil))
	cert := a.pointing(1, s.URL+"/a.crl", "")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if f, err := c.Check(t.Context(), Query{Cert: cert, Issuer: a.cert}); err != nil || f.Status != Good {
				t.Errorf("got %s (%s), %v", f.Status, f.Why, err)
			}
		})
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Check(ctx, Query{Cert: cert, Issuer: a.cert}); !errors.Is(err, context.Canceled) {
		t.Errorf("one who does not want to wait: got %v, want %v", err, context.Canceled)
	}
	close(release)
	wg.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times, want 1", n)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	a, s := newAuthority(t, "A"), newSite(t)
	o := s.options(t, nil)
	o.Dir, o.MaxDiskBytes, o.MaxMemoryBytes = t.TempDir(), 20_000, 10_000
	c := open(t, o)
	for i := range 20 {
		var entries []entrySpec
		for n := range 100 {
			entries = append(entries, entrySpec{serial: int64(1000 + n)})
		}
		path := fmt.Sprintf("/%d.crl", i)
		s.put(path, bytesOf(a.list(listSpec{number: 1, entries: entries})))
		if f := ask(t, c, a.pointing(1, s.URL+path, ""), a.cert); f.Status != Good {
			t.Fatalf("got %s (%s)", f.Status, f.Why)
		}
	}
	disk, memory := int64(0), int64(0)
	files, err := filepath.Glob(filepath.Join(o.Dir, "*"+dataEnding))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		disk += info.Size()
	}
	for _, it := range c.items {
		memory += it.memory()
	}
	if disk > o.MaxDiskBytes || disk == 0 || memory > o.MaxMemoryBytes || memory == 0 {
		t.Errorf("%d bytes on disk, want at most %d; %d in memory, want at most %d", disk, o.MaxDiskBytes, memory, o.MaxMemoryBytes)
	}
	// What left memory is read from disk again, and what left the disk is asked for again.
	for i := range 20 {
		if f := ask(t, c, a.pointing(1, fmt.Sprintf("%s/%d.crl", s.URL, i), ""), a.cert); f.Status != Good {
			t.Errorf("list %d: got %s (%s)", i, f.Status, f.Why)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"negative":         {MaxDiskBytes: -1},
		"too large a list": {MaxListBytes: MaxCRLBytes + 1},
		"a strange method": {Methods: []Method{"telephone"}},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	a := newAuthority(t, "A")
	f := ask(t, open(t, Options{}), a.pointing(1, "http://crl.example.test/a", "http://ocsp.example.test/"), a.cert)
	if f.Status != Unknown || f.NotOffered || !strings.Contains(f.Why, "nobody is asked") {
		t.Errorf("nobody to ask with: got %s (%s)", f.Status, f.Why)
	}
	l, err := FromCRLs([][]byte{a.list(listSpec{number: 1})})
	if err != nil {
		t.Fatal(err)
	}
	if f := ask(t, open(t, Options{Lists: l}), a.pointing(1, "http://crl.example.test/a", ""), a.cert); f.Status != Good {
		t.Errorf("a list at hand: got %s (%s)", f.Status, f.Why)
	}
}

// A certificate of another authority that carries the same address changes nothing for this one.
func TestForeignCertificate(t *testing.T) {
	t.Parallel()
	a, evil, s := newAuthority(t, "A"), newAuthority(t, "A"), newSite(t)
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, entries: []entrySpec{{serial: 1}}})))
	c := open(t, s.options(t, nil))
	if f := ask(t, c, evil.pointing(1, s.URL+"/a.crl", ""), evil.cert); f.Status != Unknown || !f.Disbelieved {
		t.Errorf("of the other: got %s (%s)", f.Status, f.Why)
	}
	if f := ask(t, c, a.pointing(1, s.URL+"/a.crl", ""), a.cert); f.Status != Revoked {
		t.Errorf("of this: got %s (%s)", f.Status, f.Why)
	}
}

func BenchmarkCheckCached(b *testing.B) {
	a, s := newAuthority(b, "A"), newSite(b)
	s.put("/a.crl", bytesOf(a.list(listSpec{number: 1, entries: []entrySpec{{serial: 5}}})))
	c := open(b, s.options(b, nil))
	q := Query{Cert: a.pointing(1, s.URL+"/a.crl", ""), Issuer: a.cert}
	for b.Loop() {
		if f, err := c.Check(b.Context(), q); err != nil || f.Status != Good {
			b.Fatal(f, err)
		}
	}
}
