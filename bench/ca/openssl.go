package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"postseal/bench/gauge"
)

// opensslLines is how many certificates the index of openssl's responder has.
const opensslLines = 10_000

// openssl lets openssl's responder answer as many questions, each signed anew, a connection each: it knows nothing else. Its
// authority is of the kinds that we have, its signer has a key on P-256, its index lies in memory.
func (m *measurement) openssl(ctx context.Context) error {
	dir := filepath.Join(filepath.Dir(m.data), "openssl")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := authorityFiles(dir); err != nil {
		return err
	}
	issuer, err := ocspSigner(dir)
	if err != nil {
		return err
	}
	var index strings.Builder
	for n := range opensslLines {
		fmt.Fprintf(&index, "V\t350101000000Z\t\t%X\tunknown\t/CN=n%d.example.com\n", 0x1000+n, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.txt"), []byte(index.String()), 0o600); err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", 9100+m.offset)
	_, port, _ := net.SplitHostPort(addr) // it was just made
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "ocsp", "-port", port, "-index", "index.txt", "-CA", "issuing.pem", "-rsigner", "signer.pem", "-rkey", "signer.key", "-ndays", "1")
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		return err
	}
	p := process{cmd}
	defer p.Wait() // it is ended by cancel
	defer cancel()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(n int) error {
		question, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: big.NewInt(int64(0x1000 + n%opensslLines))}, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
		if err != nil {
			return err
		}
		_, err = answerOf(c, get(ctx, "http://"+addr+"/"+url.PathEscape(base64.StdEncoding.EncodeToString(question))))
		return err
	}
	for tries := 0; ; tries++ {
		err := ask(0)
		if err == nil {
			break
		}
		if tries > 100 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	var values []float64
	for range m.runs {
		used, err := spent(p, func() error {
			for n := range manyAnswers * 1000 {
				if err := ask(n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		values = append(values, used/manyAnswers)
	}
	gauge.Row(m.w, "OCSP, openssl's responder, signed anew, ms", 0, values)
	return nil
}

// ocspSigner makes a delegated signer below the issuing authority of authorityFiles, and returns that one.
func ocspSigner(dir string) (*x509.Certificate, error) {
	read := func(name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(b) // it was just written
		return block.Bytes, nil
	}
	raw, err := read("issuing.pem")
	if err != nil {
		return nil, err
	}
	issuer, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	if raw, err = read("issuing.key"); err != nil {
		return nil, err
	}
	by, err := x509.ParseECPrivateKey(raw)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "OCSP"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, KeyUsage: x509.KeyUsageDigitalSignature}, issuer, key.Public(), by)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	for name, block := range map[string]*pem.Block{"signer.pem": {Type: "CERTIFICATE", Bytes: der}, "signer.key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	return issuer, nil
}

// floor answers as many requests with as many octets and does nothing else: what net/http itself costs, in a process of its
// own (this program, with -floor).
func floor(addr string) error {
	answer := make([]byte, 900)
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(answer) // the client is gone when this fails
	}))
}
