package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postseal/bench/gauge"
)

const clients = 16 // at once

// server is a process whose processor time can be read.
type server interface{ Processor() (float64, error) }

// spent is what a server uses while do runs, in milliseconds.
func spent(s server, do func() error) (float64, error) {
	before, err := s.Processor()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := s.Processor()
	return 1000 * (after - before), err
}

// issuing measures batches, after one that warms up.
func (m *measurement) issuing(ctx context.Context, s *gauge.Server, what string) error {
	if err := m.issue(ctx, m.batch/10+1); err != nil {
		return err
	}
	var values []float64
	for range m.runs {
		used, err := spent(s, func() error { return m.issue(ctx, m.batch) })
		if err != nil {
			return err
		}
		values = append(values, used)
	}
	gauge.Row(m.w, what, 0, values)
	return nil
}

// issue asks for n certificates over the management socket.
func (m *measurement) issue(ctx context.Context, n int) error {
	requests := make([][]byte, n)
	for i := range requests {
		name := fmt.Sprintf("n%d.example.com", m.asked+i)
		der, err := request(name)
		if err != nil {
			return err
		}
		if requests[i], err = json.Marshal(map[string]any{"csr": map[string]any{"name": name, "data": der}}); err != nil {
			return err
		}
	}
	m.asked += n
	socket := m.socket()
	defer socket.CloseIdleConnections()
	return crowd(ctx, &http.Client{Transport: socket}, "http://postseal/api/v1/ca/certify", requests)
}

// socket reaches the management socket.
func (m *measurement) socket() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: clients, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(m.data, "postseal.sock"))
	}}
}

// request makes a key and a request, which is not measured.
func request(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, key)
}

func requestPEM(name string) (string, error) {
	der, err := request(name)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), err
}

// crowd sends the requests, as many at once as there are clients, and wants 2xx of each.
func crowd(ctx context.Context, c *http.Client, url string, bodies [][]byte) error {
	var next atomic.Int64
	var all errgroup.Group
	for range clients {
		all.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(bodies)); i = next.Add(1) - 1 {
				if err := post(ctx, c, url, bodies[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func post(ctx context.Context, c *http.Client, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	_, err = answerOf(c, r)
	return err
}

// answerOf reads an answer that must be good.
func answerOf(c *http.Client, r *http.Request) ([]byte, error) {
	response, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(io.LimitReader(response.Body, 256<<20))
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %.300s", r.URL, response.Status, got)
	}
	return got, err
}
