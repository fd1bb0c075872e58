package main

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
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/crypto/acme"
	"golang.org/x/sync/errgroup"
)

// prover is the name server and the web server that proofs are looked for at: every name is this machine.
type prover struct {
	resolver string // ADDRESS:PORT
	httpPort int
	names    []*dns.Server
	web      *http.Server

	mu    sync.Mutex
	pages map[string]string
}

func newProver() (*prover, error) {
	p := &prover{pages: map[string]string{}}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		packets.Close()
		return nil, err
	}
	p.resolver, p.httpPort = packets.LocalAddr().String(), ln.Addr().(*net.TCPAddr).Port
	streams, err := net.Listen("tcp", packets.LocalAddr().String()) // Pebble asks over TCP
	if err != nil {
		packets.Close()
		ln.Close()
		return nil, err
	}
	p.names = []*dns.Server{{PacketConn: packets, Handler: dns.HandlerFunc(answer)}, {Listener: streams, Handler: dns.HandlerFunc(answer)}}
	p.web = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	for _, s := range p.names {
		go s.ActivateAndServe() // all three end with close
	}
	go p.web.Serve(ln)
	return p, nil
}

func (p *prover) close() {
	for _, s := range p.names {
		s.Shutdown()
	}
	p.web.Close()
}

func answer(w dns.ResponseWriter, m *dns.Msg) {
	r := new(dns.Msg)
	r.SetReply(m)
	if q := m.Question[0]; q.Qtype == dns.TypeA {
		r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)}}
	}
	w.WriteMsg(r) // whoever asked asks again
}

// ServeHTTP shows a proof.
func (p *prover) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	page := p.pages[r.URL.Path]
	p.mu.Unlock()
	w.Write([]byte(page)) // whoever asked asks again
}

// client is an account.
type client struct {
	*acme.Client
	p      *prover
	orders *orders
}

// orders carries requests, and adds to the answers of Pebble what the client needs to go on: the address of the order.
type orders struct {
	http.Transport
	byFinalize sync.Map
}

// RoundTrip carries one.
func (o *orders) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.Transport.RoundTrip(r)
	if at, ok := o.byFinalize.Load(r.URL.String()); ok && err == nil && answer.Header.Get("Location") == "" {
		answer.Header.Set("Location", at.(string))
	}
	return answer, err
}

func newClient(ctx context.Context, directory string, p *prover) (*client, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// The servers are our own processes; their certificates are of nobody's.
	o := &orders{Transport: http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: atOnce}}
	c := &client{&acme.Client{Key: key, DirectoryURL: directory, HTTPClient: &http.Client{Transport: o, Timeout: time.Minute}}, p, o}
	_, err = c.Register(ctx, &acme.Account{}, acme.AcceptTOS)
	return c, err
}

// atOnce is how many orders are under way.
const atOnce = 16

// enrol gets n certificates.
func (c *client) enrol(ctx context.Context, series string, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { return c.one(ctx, fmt.Sprintf("%s%d.example.test", series, i)) })
	}
	return g.Wait()
}

func (c *client) one(ctx context.Context, name string) error {
	o, err := c.AuthorizeOrder(ctx, acme.DomainIDs(name))
	if err != nil {
		return fmt.Errorf("ordering: %w", err)
	}
	c.orders.byFinalize.Store(o.FinalizeURL, o.URI)
	for _, at := range o.AuthzURLs {
		z, err := c.GetAuthorization(ctx, at)
		if err != nil {
			return fmt.Errorf("reading what is to be proved: %w", err)
		}
		n := slices.IndexFunc(z.Challenges, func(x *acme.Challenge) bool { return x.Type == "http-01" })
		if n < 0 {
			return fmt.Errorf("no http-01 for %s", name)
		}
		proof, err := c.HTTP01ChallengeResponse(z.Challenges[n].Token)
		if err != nil {
			return err
		}
		c.p.mu.Lock()
		c.p.pages[c.HTTP01ChallengePath(z.Challenges[n].Token)] = proof
		c.p.mu.Unlock()
		if _, err := c.Accept(ctx, z.Challenges[n]); err != nil {
			return fmt.Errorf("asking for the proof: %w", err)
		}
		if _, err := c.WaitAuthorization(ctx, at); err != nil {
			return fmt.Errorf("proving %s: %w", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return err
	}
	_, _, err = c.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
	return err
}
