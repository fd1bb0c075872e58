package main

import (
	"context"
	"crypto"
	"crypto/x509"
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
)

// signedBefore starts cfssl's responder with a thousand answers in a file, which were signed before, and returns the
// addresses to GET them at.
func (m *measurement) signedBefore(ctx context.Context) (p process, addresses []string, stop func(), err error) {
	dir := filepath.Join(filepath.Dir(m.data), "cfssl")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return process{}, nil, nil, err
	}
	if _, err := authorityFiles(dir); err != nil {
		return process{}, nil, nil, err
	}
	issuer, err := ocspSigner(dir)
	if err != nil {
		return process{}, nil, nil, err
	}
	read := func(name string) []byte {
		b, readErr := os.ReadFile(filepath.Join(dir, name))
		block, _ := pem.Decode(b)
		if readErr != nil || block == nil {
			panic(name) // it was just written
		}
		return block.Bytes
	}
	signer, err := x509.ParseCertificate(read("signer.pem"))
	if err != nil {
		return process{}, nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(read("signer.key"))
	if err != nil {
		return process{}, nil, nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", 9300+m.offset)
	_, port, _ := net.SplitHostPort(addr) // it was just made
	var file strings.Builder
	now := time.Now()
	for n := range int64(1000) {
		serial := big.NewInt(0x1000 + n)
		answer, err := ocsp.CreateResponse(issuer, signer, ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), Certificate: signer}, key)
		if err != nil {
			return process{}, nil, nil, err
		}
		fmt.Fprintln(&file, base64.StdEncoding.EncodeToString(answer))
		question, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: serial}, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
		if err != nil {
			return process{}, nil, nil, err
		}
		addresses = append(addresses, "http://"+addr+"/"+url.PathEscape(base64.StdEncoding.EncodeToString(question)))
	}
	responses := filepath.Join(dir, "responses")
	if err := os.WriteFile(responses, []byte(file.String()), 0o600); err != nil {
		return process{}, nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	// Its log has a line for each answer at its usual level; ours has none, so neither has it.
	p = process{exec.CommandContext(ctx, m.cfssl, "ocspserve", "-port", port, "-responses", responses, "-loglevel", "5")}
	if err := p.Start(); err != nil {
		cancel()
		return process{}, nil, nil, err
	}
	stop = func() {
		cancel()
		p.Wait() // it was told to end
	}
	if err := ready(ctx, http.DefaultClient, addresses[0]); err != nil {
		stop()
		return process{}, nil, nil, err
	}
	return p, addresses, stop, nil
}
