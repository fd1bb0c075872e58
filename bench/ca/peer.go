package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postseal/bench/gauge"
)

// process is a program that answers, with its processor time (proc(5): utime and stime are fields 14 and 15).
type process struct{ *exec.Cmd }

func (p process) Processor() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("reading the processor time: %q", b)
	}
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100, err
}

// stepCA lets step-ca issue the same certificates: a root and an intermediate of the kinds that we have, badger on disk,
// and a provisioner whose key signs a token for each request (JWK), which is how its command line asks.
func (m *measurement) stepCA(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	root, err := authorityFiles(dir)
	if err != nil {
		return err
	}
	x, y := coordinates(key)
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": x, "y": y}
	thumb := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y))
	kid := base64.RawURLEncoding.EncodeToString(thumb[:])
	jwk["kid"] = kid
	addr := fmt.Sprintf("127.0.0.1:%d", 9000+m.offset)
	config, err := json.Marshal(map[string]any{
		"root": filepath.Join(dir, "root.pem"), "crt": filepath.Join(dir, "issuing.pem"), "key": filepath.Join(dir, "issuing.key"), "address": addr, "dnsNames": []string{"127.0.0.1"},
		"db":        map[string]string{"type": "badgerv2", "dataSource": filepath.Join(dir, "db")},
		"authority": map[string]any{"provisioners": []any{map[string]any{"type": "JWK", "name": "bench", "key": jwk}}},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "ca.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	p := process{exec.CommandContext(ctx, m.peer, file)}
	p.Env = append(os.Environ(), "STEPPATH="+dir)
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Wait()                          // that it was told to end is no failure
	defer p.Process.Signal(syscall.SIGTERM) // the numbers are taken
	pool := x509.NewCertPool()
	pool.AddCert(root)
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, ForceAttemptHTTP2: false, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}}}
	defer c.CloseIdleConnections()
	if err := ready(ctx, c, "https://"+addr+"/health"); err != nil {
		return err
	}
	asked := 0
	batch := func(n int) error {
		bodies := make([][]byte, n)
		for i := range bodies {
			name := fmt.Sprintf("n%d.example.com", asked+i)
			csr, err := requestPEM(name)
			if err != nil {
				return err
			}
			ott, err := token(key, kid, name, "https://"+addr+"/1.0/sign")
			if err != nil {
				return err
			}
			if bodies[i], err = json.Marshal(map[string]string{"csr": csr, "ott": ott}); err != nil {
				return err
			}
		}
		asked += n
		return crowd(ctx, c, "https://"+addr+"/1.0/sign", bodies)
	}
	if err := batch(m.batch/10 + 1); err != nil {
		return err
	}
	var values []float64
	for range m.runs {
		used, err := spent(p, func() error { return batch(m.batch) })
		if err != nil {
			return err
		}
		values = append(values, used)
	}
	gauge.Row(m.w, "step-ca, issuance with a token, ms", 0, values)
	return nil
}

// ready waits until step-ca answers.
func ready(ctx context.Context, c *http.Client, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := answerOf(c, get(ctx, address))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-again.C:
		}
	}
}

// token is a one-time token of a JWK provisioner: a JWT, signed with ES256.
func token(key *ecdsa.PrivateKey, kid, name, audience string) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "ES256", "kid": kid, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": "bench", "aud": audience, "sub": name, "sans": []string{name}, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix()})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

func coordinates(key *ecdsa.PrivateKey) (x, y string) {
	raw, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err) // the curve is one that has this form
	}
	return base64.RawURLEncoding.EncodeToString(raw[1:33]), base64.RawURLEncoding.EncodeToString(raw[33:])
}

// authorityFiles makes a root on P-384 and an issuing authority on P-256, as ours has.
func authorityFiles(dir string) (*x509.Certificate, error) {
	sign := func(c, parent *x509.Certificate, curve elliptic.Curve, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		if parent == nil {
			parent, by = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
		if err != nil {
			return nil, nil, err
		}
		made, err := x509.ParseCertificate(der)
		return made, key, err
	}
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	}
	root, rootKey, err := sign(template(1, "Root"), nil, elliptic.P384(), nil)
	if err != nil {
		return nil, err
	}
	issuing, key, err := sign(template(2, "Issuing"), root, elliptic.P256(), rootKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	for name, block := range map[string]*pem.Block{"root.pem": {Type: "CERTIFICATE", Bytes: root.Raw}, "issuing.pem": {Type: "CERTIFICATE", Bytes: issuing.Raw}, "issuing.key": {Type: "EC PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// number is a serial in hex.
func number(serial string) *big.Int {
	n, _ := new(big.Int).SetString(serial, 16) // the book has nothing else
	return n
}
