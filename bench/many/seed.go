package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	perFile   = 100 // keys; a file may hold no more
	perImport = 10  // files
)

// An authority issues the certificates of the organisation.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// seed fills the organisation: it trusts a root, and holds count certificates.
func (m *measurement) seed(ctx context.Context) error {
	root, err := issueCA(nil, "Bench Root")
	if err != nil {
		return err
	}
	var below []authority
	for _, name := range []string{"Bench Issuing 1", "Bench Issuing 2"} {
		ca, err := issueCA(&root, name)
		if err != nil {
			return err
		}
		below = append(below, ca)
	}
	dir, err := os.MkdirTemp("", "postseal-bench-files-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	anchor := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(anchor, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}), 0o600); err != nil {
		return err
	}
	if _, err := m.run(ctx, "trust", "add", anchor, "--yes"); err != nil {
		return err
	}
	var files []string
	for made := 0; made < m.count; made += perFile {
		var text []byte
		for i := made; i < min(made+perFile, m.count); i++ {
			one, err := bundle(below[i%len(below)], fmt.Sprintf("host%05d.example.com", i))
			if err != nil {
				return err
			}
			text = append(text, one...)
		}
		for _, ca := range below {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
		}
		name := filepath.Join(dir, fmt.Sprintf("%05d.pem", made))
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return err
		}
		if files = append(files, name); len(files) < perImport && made+perFile < m.count {
			continue
		}
		if _, err := m.run(ctx, append([]string{"cert", "import", "--yes"}, files...)...); err != nil {
			return err
		}
		files = nil
	}
	return nil
}

// issueCA makes an authority below parent; nil makes a root.
func issueCA(parent *authority, name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	if parent == nil {
		parent = &authority{template, key}
	}
	cert, err := issue(*parent, template, &key.PublicKey)
	return authority{cert, key}, err
}

// bundle makes a certificate for name and returns it with its key, in PEM.
func bundle(ca authority, name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := issue(ca, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "www." + name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...), nil
}

func issue(ca authority, template *x509.Certificate, public *ecdsa.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().AddDate(0, 3, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
