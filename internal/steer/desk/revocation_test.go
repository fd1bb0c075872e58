package desk

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
)

// stand is a web server on loopback that hands out one list, or none.
type stand struct {
	*httptest.Server
	mu    sync.Mutex
	list  []byte
	asked int
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := new(stand)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked++; s.list == nil {
			http.Error(w, "closed", http.StatusServiceUnavailable)
			return
		}
		w.Write(s.list)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stand) put(list []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = list
}

// checker is one that may ask the stand.
func (s *stand) checker(t *testing.T, dir string) *revocation.Checker {
	t.Helper()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	client, err := fetch.New(fetch.Options{Allow: []netip.Prefix{netip.PrefixFrom(at.Addr(), 32)}, Ports: []uint16{at.Port()}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := revocation.Open(revocation.Options{Dir: filepath.Join(dir, RevocationDir), Fetch: client})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// list is what the authority publishes now; it holds for a day.
func (a *authority) list(t *testing.T, number int64, revoked ...*x509.Certificate) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour)}
	for _, c := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now(), ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// importListed issues a certificate whose list is at the address, and imports it as the lineage "shop" at HTTP.
func (h *house) importListed(t *testing.T, ca *authority, address string) *x509.Certificate {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(77), DNSNames: []string{"mail1.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, CRLDistributionPoints: []string{address}}
	template.Subject.CommonName = "mail1.example.com"
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: ImportFile{"ca.cer", ca.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"shop.cer", der}, {"shop.key", key.PEM().Bytes()}}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Name: "shop", Lineage: "shop"}); err != nil {
		t.Fatal(err)
	}
	h.enable(t, EnableRequest{ID: "shop", Services: "HTTP"})
	return cert
}

// wantShop looks at the certificate, which must not take any time.
func (h *house) wantShop(t *testing.T, status x509cert.Status, part string) {
	t.Helper()
	began := time.Now()
	c := h.named(t, "shop")[0]
	if c.Status != status || !strings.Contains(c.StatusReason, part) {
		t.Errorf("got %s (%s), want %s (%s)", c.Status, c.StatusReason, status, part)
	}
	if took := time.Since(began); took != 0 {
		t.Errorf("looking took %v of waiting, want none", took)
	}
}

// TestRevocationInService: a certificate of another authority, from its first look to its end, with a web server.
func TestRevocationInService(t *testing.T) {
	dir, site := t.TempDir(), newStand(t) // outside of the bubble: its time is the real one
	synctest.Test(t, func(t *testing.T) {
		checker := site.checker(t, dir)
		// settled waits until the checker knows something newer. What Run does with a real web server is no matter of
		// the bubble's time, so it is looked at again and again.
		settled := func(generation uint64) {
			for range 3600 {
				if checker.Generation() != generation {
					return
				}
				time.Sleep(time.Second)
			}
			t.Fatalf("nothing newer than generation %d within an hour", generation)
		}
		h := bubbleHouse(t, dir)
		h.reopen(t, Options{State: h.db, Sealing: h.sealing, Runtime: h.runtime, Health: h.health, Revocation: checker})
		ca := newAuthority(t, "Example CA")
		site.put(ca.list(t, 1))
		cert := h.importListed(t, ca, site.URL+"/ca.crl")

		h.wantShop(t, x509cert.StatusRevocationCheckFailure, "nobody has been asked yet")
		if got := conditionsOf(t, h); !slices.Equal(got, []string{always}) {
			t.Errorf("not asked yet: got %q, want no alarm", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { checker.Run(ctx) })
		settled(0)
		h.wantShop(t, x509cert.StatusValid, "added by hand")

		before := checker.Generation()
		site.put(ca.list(t, 2, cert))
		time.Sleep(12 * time.Hour)
		settled(before)
		h.wantShop(t, x509cert.StatusRevoked, "keyCompromise")
		if got := conditionsOf(t, h); !slices.Equal(got, []string{"!certificateRevoked shop", always}) {
			t.Errorf("revoked: got %q", got)
		}

		// Nothing takes that back but a list that says so, such as one after an error of the authority.
		before = checker.Generation()
		site.put(ca.list(t, 3))
		time.Sleep(12 * time.Hour)
		settled(before)
		h.wantShop(t, x509cert.StatusValid, "added by hand")

		site.put(nil)
		time.Sleep(8 * time.Hour)
		h.wantShop(t, x509cert.StatusValid, "added by hand") // the last good list is kept
		time.Sleep(28 * time.Hour)
		h.wantShop(t, x509cert.StatusRevocationCheckFailure, `the last good data are 2 days old and say "good"`)
		h.wantShop(t, x509cert.StatusRevocationCheckFailure, "status 503")
		if got := conditionsOf(t, h); !slices.Equal(got, []string{always, "revocationUnchecked shop"}) {
			t.Errorf("away for long: got %q", got)
		}

		// Without a server what is on disk is all that is known.
		stop()
		running.Wait()
		h.reopen(t, Options{State: h.db, Sealing: h.sealing})
		h.wantShop(t, x509cert.StatusRevocationCheckFailure, "nobody is asked by this configuration")
		h.close(t)
	})
}

// reopen opens the desk again on the same state.
func (h *house) reopen(t *testing.T, o Options) {
	t.Helper()
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h.Desk = d
}

// TestRevocationKeptWithoutServer: a command finds on disk what the server has fetched.
func TestRevocationKeptWithoutServer(t *testing.T) {
	t.Parallel()
	site := newStand(t)
	h := newHouse(t, nil)
	ca := newAuthority(t, "Example CA")
	site.put(ca.list(t, 1))
	cert := h.importListed(t, ca, site.URL+"/ca.crl")
	c := h.named(t, "shop")[0]
	if c.Status != x509cert.StatusRevocationCheckFailure || !strings.Contains(c.StatusReason, "nobody is asked") {
		t.Errorf("got %s (%s), want that nobody is asked", c.Status, c.StatusReason)
	}
	if _, err := site.checker(t, h.dir).Check(t.Context(), revocation.Query{Cert: cert, Issuer: ca.cert}); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, Options{State: h.db, Sealing: h.sealing})
	if c := h.named(t, "shop")[0]; c.Status != x509cert.StatusValid {
		t.Errorf("got %s (%s), want Valid", c.Status, c.StatusReason)
	}
	site.mu.Lock()
	defer site.mu.Unlock()
	if site.asked != 1 {
		t.Errorf("asked %d times, want once, and not by the desk", site.asked)
	}
}

// TestNoAddressNoQuestion: certificates that name no address are judged without, and nothing is opened for them.
func TestNoAddressNoQuestion(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.revoked = func() (*revocation.Checker, error) {
		t.Error("the revocation data were opened")
		return nil, errFault
	}
	ca := newAuthority(t, "Example CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: ImportFile{"ca.cer", ca.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	files := []ImportFile{{"shop.cer", ca.issue(t, key.Public(), time.Now().AddDate(1, 0, 0), "shop.example.com")}, {"shop.key", key.PEM().Bytes()}}
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: files, Name: "shop", Lineage: "shop"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if c := h.named(t, "shop")[0]; c.Status != x509cert.StatusValid {
			t.Errorf("got %s (%s), want Valid", c.Status, c.StatusReason)
		}
	}
	if _, err := h.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
}
