package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postseal/bench/gauge"
)

// server is one that is measured.
type server struct {
	directory string
	processor func() (float64, error)
	stop      func() error
}

// built returns the program, or builds it; empty if it cannot be had.
func built(ctx context.Context, w io.Writer, have, module, dir string) string {
	if have != "" {
		return have
	}
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(w, "left out, it cannot be built: %s: %v\n%s", module, err, out)
		return ""
	}
	name, _, _ := strings.Cut(path.Base(module), "@")
	return filepath.Join(dir, name)
}

func (m measurement) startPostseal(ctx context.Context, dir string, p *prover) (*server, error) {
	data := filepath.Join(dir, "data")
	for _, args := range [][]string{
		{"setup", "--domain", "example.test", "--host", "mail1.example.test", "--bind", "127.0.0.1", "--mode", "front"},
		{"ca", "init", "--pki-host", fmt.Sprintf("127.0.0.1:%d", 80+m.offset)},
	} {
		if out, err := exec.CommandContext(ctx, m.binary, append(args, "--data", data)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	config := fmt.Sprintf("[acme]\nopen = \"server\"\norders-per-hour = 1000000\nnetworks = [\"127.0.0.0/8\"]\nresolver = %q\nhttp-port = %d\n", p.resolver, p.httpPort)
	if err := os.WriteFile(filepath.Join(data, "postseal.toml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s, _, err := gauge.Start(ctx, m.binary, data, m.offset)
	if err != nil {
		return nil, err
	}
	return &server{fmt.Sprintf("https://127.0.0.1:%d/acme/servers/directory", 443+m.offset), s.Processor, s.Stop}, nil
}

// run starts a peer and waits until its directory answers.
func run(ctx context.Context, cmd *exec.Cmd, directory string) (*server, error) {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		cmd.Process.Signal(syscall.SIGKILL) // its data are thrown away
		cmd.Wait()
		return nil
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: time.Second}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range 1500 {
		if r, err := client.Get(directory); err == nil {
			r.Body.Close()
			return &server{directory, func() (float64, error) { return gauge.Processor(cmd.Process.Pid) }, stop}, nil
		}
		select {
		case <-ctx.Done():
			return nil, stop()
		case <-again.C:
		}
	}
	stop()
	return nil, fmt.Errorf("%s does not answer:\n%s", cmd.Path, output.Bytes())
}

func startPebble(ctx context.Context, program, dir string, p *prover) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	management, err := freeAddress()
	if err != nil {
		return nil, err
	}
	a, err := newAuthority(dir)
	if err != nil {
		return nil, err
	}
	config := map[string]any{"pebble": map[string]any{"listenAddress": address, "managementListenAddress": management, "certificate": a.intermediate, "privateKey": a.key,
		"httpPort": p.httpPort, "tlsPort": 1, "externalAccountBindingRequired": false, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "x", "validityPeriod": 7776000}}}}
	file := filepath.Join(dir, "pebble.json")
	if err := writeJSON(file, config); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-config", file, "-dnsserver", p.resolver)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	return run(ctx, cmd, "https://"+address+"/dir")
}

func startStepCA(ctx context.Context, program, dir string, p *prover) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	a, err := newAuthority(dir)
	if err != nil {
		return nil, err
	}
	config := map[string]any{"root": a.root, "crt": a.intermediate, "key": a.key, "address": address, "dnsNames": []string{"127.0.0.1"},
		"db":        map[string]string{"type": "badgerv2", "dataSource": filepath.Join(dir, "db")},
		"authority": map[string]any{"provisioners": []map[string]any{{"type": "ACME", "name": "acme"}}}}
	file := filepath.Join(dir, "ca.json")
	if err := writeJSON(file, config); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, file, "--resolver", p.resolver, "--insecure", "--acme-http-port", fmt.Sprint(p.httpPort))
	cmd.Env = append(os.Environ(), "STEPPATH="+dir)
	return run(ctx, cmd, "https://"+address+"/acme/acme/directory")
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func writeJSON(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// authority are the files of an authority for a peer.
type authority struct{ root, intermediate, key string }

func newAuthority(dir string) (*authority, error) {
	a := &authority{filepath.Join(dir, "root.crt"), filepath.Join(dir, "intermediate.crt"), filepath.Join(dir, "intermediate.key")}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature, DNSNames: []string{"localhost"}}
	}
	root := template("Example Root")
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template("Example Intermediate"), root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	for file, block := range map[string]*pem.Block{a.root: {Type: "CERTIFICATE", Bytes: rootDER}, a.intermediate: {Type: "CERTIFICATE", Bytes: der}, a.key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	return a, nil
}
