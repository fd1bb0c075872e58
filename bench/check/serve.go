package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// place is the address of endpoint i: a host of its own on loopback, so that nothing is shared between them.
func place(i int) string { return fmt.Sprintf("127.9.%d.%d", i/250, i%250+1) }

const port = "28443"

// serveAll listens at n addresses until ctx ends. The list of hosts appears when all of them do.
func serveAll(ctx context.Context, dir string, n int) error {
	root, rootKey, err := certify("Bench Root", nil, nil, nil)
	if err != nil {
		return err
	}
	var hosts bytes.Buffer
	for i := range n {
		leaf, key, err := certify("Bench", net.ParseIP(place(i)), root, rootKey)
		if err != nil {
			return err
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(place(i), port))
		if err != nil {
			return err
		}
		config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}}
		go accept(ln, config)
		fmt.Fprintln(&hosts, net.JoinHostPort(place(i), port))
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	if err := os.WriteFile(filepath.Join(dir, "root.pem"), text, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.new"), hosts.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "hosts.new"), filepath.Join(dir, "hosts")); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func accept(ln net.Listener, config *tls.Config) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			s := tls.Server(conn, config)
			if s.Handshake() == nil {
				io.Copy(io.Discard, s) // until the client goes
			}
		}()
	}
}

// certify makes a certificate; a nil parent makes a root.
func certify(name string, ip net.IP, parent *x509.Certificate, by crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	if parent == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, by = c, key
	} else {
		c.IPAddresses, c.KeyUsage, c.ExtKeyUsage = []net.IP{ip}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}
