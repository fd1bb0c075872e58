package live

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"postseal/internal/peers"
)

// enroller gets certificates over ACME and does not give up: when the server dies it goes on with the order that it has.
type enroller struct {
	*acme.Client
	pages *sync.Map
}

// pursue brings one order on as far as it goes, and returns the certificate. at keeps the order's address between calls.
func (e *enroller) pursue(ctx context.Context, name string, csr []byte, at *string) ([][]byte, error) {
	if *at == "" {
		o, err := e.AuthorizeOrder(ctx, acme.DomainIDs(name))
		if err != nil {
			return nil, err
		}
		*at = o.URI
	}
	o, err := e.GetOrder(ctx, *at)
	if err != nil {
		return nil, err
	}
	if o.Status == acme.StatusPending {
		for _, z := range o.AuthzURLs {
			if err := e.prove(ctx, z); err != nil {
				return nil, err
			}
		}
	}
	switch o.Status {
	case acme.StatusPending, acme.StatusReady:
		certificate, _, err := e.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
		return certificate, err
	case acme.StatusProcessing: // WaitOrder takes an order that is ready for one that waits for the client
		if o, err = e.WaitOrder(ctx, *at); err != nil {
			return nil, err
		}
	}
	if o.CertURL == "" {
		return nil, fmt.Errorf("the order is %s", o.Status)
	}
	return e.FetchCert(ctx, o.CertURL, true)
}

func (e *enroller) prove(ctx context.Context, at string) error {
	z, err := e.GetAuthorization(ctx, at)
	if err != nil || z.Status == acme.StatusValid {
		return err
	}
	n := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == "http-01" })
	if n < 0 {
		return fmt.Errorf("no http-01 in %+v", z)
	}
	page, err := e.HTTP01ChallengeResponse(z.Challenges[n].Token)
	if err != nil {
		return err
	}
	e.pages.Store(e.HTTP01ChallengePath(z.Challenges[n].Token), page)
	if _, err := e.Accept(ctx, z.Challenges[n]); err != nil {
		return err
	}
	_, err = e.WaitAuthorization(ctx, at)
	return err
}

// TestKillWhileEnrolling kills the server while clients enrol, again and again, and starts it anew. Each client goes on
// with its order and gets its certificate; the book has one line for each order and nothing unfinished; no serial stands
// in two certificates.
func TestKillWhileEnrolling(t *testing.T) {
	t.Parallel()
	names := peers.NewNameServer(t)
	names.Set(t, "*.example.test", "A", "127.0.0.1")
	var pages sync.Map
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page, ok := pages.Load(r.URL.Path); ok {
			w.Write([]byte(page.(string)))
		}
	}))
	defer web.Close()
	s := peers.Postseal(t)
	succeeds(t, s.Command("ca", "init", "--pki-host", s.Addr("http")))
	s.Stop(syscall.SIGTERM)
	config := fmt.Sprintf("[acme]\nopen = \"server\"\norders-per-hour = 100000\nnetworks = [\"127.0.0.0/8\"]\nresolver = %q\nhttp-port = %d\n", names.Address, web.Listener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(filepath.Join(s.Data, "postseal.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the trial server's certificate signs itself
	defer transport.CloseIdleConnections()
	e := &enroller{&acme.Client{Key: key, DirectoryURL: "https://" + s.Addr("https") + "/acme/servers/directory", HTTPClient: &http.Client{Transport: transport, Timeout: 20 * time.Second}}, &pages}
	if _, err := e.Register(t.Context(), &acme.Account{}, acme.AcceptTOS); err != nil {
		t.Fatal(err)
	}
	all, kills := peers.Scale(48, 2000), peers.Scale(3, 20)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	got := make(chan *x509.Certificate, all)
	up := make(chan struct{}) // closed while the server runs; another one after each kill
	var mu sync.Mutex         // guards up
	close(up)
	running := func() chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		return up
	}
	var clients sync.WaitGroup
	for c := range 6 {
		clients.Go(func() {
			for n := c; n < all; n += 6 {
				cert, err := e.one(ctx, fmt.Sprintf("n%d.example.test", n), running)
				if err != nil {
					t.Errorf("certificate %d: %v", n, err)
					return
				}
				got <- cert
			}
		})
	}
	serials := map[string]bool{}
	for n := range all {
		select {
		case cert := <-got:
			serial := fmt.Sprintf("%x", cert.SerialNumber)
			if serials[serial] {
				t.Errorf("serial %s was given twice", serial)
			}
			serials[serial] = true
		case <-ctx.Done():
			t.Fatalf("after %d certificates: %v", n, ctx.Err())
		}
		if every := all / (kills + 1); (n+1)%every == 0 && (n+1)/every <= kills {
			next := make(chan struct{})
			mu.Lock()
			up = next
			mu.Unlock()
			s.Stop(syscall.SIGKILL)
			s.Start()
			close(next)
		}
	}
	clients.Wait()
	var book []struct {
		Serial string   `json:"serial"`
		Status string   `json:"status"`
		Names  []string `json:"names"`
	}
	decode(t, s.Command("ca", "list", "--limit", fmt.Sprint(2*all), "--json"), &book)
	seen := map[string]int{}
	for _, line := range book {
		if line.Status != "issued" {
			t.Errorf("%s is %s", line.Serial, line.Status)
		}
		for _, name := range line.Names {
			seen[name]++
		}
		delete(serials, line.Serial)
	}
	if len(serials) != 0 {
		t.Errorf("%d certificates were handed out that are not in the book", len(serials))
	}
	for n := range all {
		if name := fmt.Sprintf("n%d.example.test", n); seen[name] != 1 {
			t.Errorf("%s stands in %d lines of the book, want 1", name, seen[name])
		}
	}
}

// one gets a certificate, whatever happens to the server.
func (e *enroller) one(ctx context.Context, name string, running func() chan struct{}) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	var at string
	for {
		ders, err := e.pursue(ctx, name, csr, &at)
		if err == nil {
			return x509.ParseCertificate(ders[0])
		}
		if ctx.Err() != nil {
			return nil, err
		}
		select { // it was killed: go on when it runs again
		case <-running():
		case <-ctx.Done():
			return nil, err
		}
	}
}
