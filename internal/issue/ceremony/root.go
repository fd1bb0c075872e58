package ceremony

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
)

// Root is a root with its key.
type Root struct {
	cert *x509.Certificate
	key  *keys.Private
}

// Certificate is the root's own.
func (r *Root) Certificate() *x509.Certificate { return r.cert }

// Key is the root's private key, for whoever takes it in.
func (r *Root) Key() *keys.Private { return r.key }

// Subject is the name of an organisation's root or issuing authority.
func Subject(organisation, what string) pkix.Name {
	return pkix.Name{Organization: []string{organisation}, CommonName: organisation + " " + what}
}

// MakeRoot makes the root that a request wants. plan, if not nil, is as in ca.AuthorityOptions.
func MakeRoot(r *Request, plan func(ca.Planned) error) (*Root, error) {
	if len(r.Root) > 0 {
		return nil, bad("it asks a root that is there, not a new one")
	}
	kind, err := keys.ParseKind(r.RootKey)
	if err != nil {
		return nil, bad("%v", err)
	}
	key, err := keys.Generate(kind)
	if err != nil {
		return nil, err
	}
	raw, err := ca.SelfSign(ca.AuthorityOptions{Purpose: ca.PurposeRoot, Subject: Subject(r.Organisation, "Root CA"), Plan: plan}, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &Root{cert, key}, nil
}

// NewRoot puts a root's certificate and key together.
func NewRoot(cert *x509.Certificate, key *keys.Private) (*Root, error) {
	if !key.Matches(cert) {
		return nil, bad("the key belongs to another certificate")
	}
	if _, err := rootOf(cert.Raw); err != nil {
		return nil, err
	}
	return &Root{cert, key}, nil
}

// OpenRoot reads the file of a root: a PFX, or anything else that package certfile reads with one certificate and its key.
func OpenRoot(name string, data []byte, password keys.Secret) (*Root, error) {
	c, err := certfile.Read(name, data, certfile.ReadOptions{Password: func(string) (keys.Secret, error) { return password, nil }})
	if err != nil {
		return nil, err
	}
	for _, k := range c.Keys {
		for _, cert := range c.Certificates {
			if bytes.Equal(cert.RawSubject, cert.RawIssuer) && k.Private.Matches(cert.Certificate) {
				return NewRoot(cert.Certificate, k.Private)
			}
		}
	}
	return nil, bad("%s holds no root with its key", name)
}

// Seal writes the root's file: a PFX under a password.
func (r *Root) Seal(password keys.Secret) ([]byte, error) {
	return certfile.PFX(certfile.Bundle{Leaf: r.cert, Key: r.key}, certfile.PFXOptions{Password: password, FriendlyName: r.cert.Subject.CommonName})
}

// fits says whether a root is the one that a request asks.
func (r *Root) fits(q *Request) error {
	if len(q.Root) > 0 && !bytes.Equal(q.Root, r.cert.Raw) {
		return bad("the request asks another root, SHA-256 %s; this one is %s", digest(q.Root), digest(r.cert.Raw))
	}
	if time.Now().After(r.cert.NotAfter) {
		return fmt.Errorf("the root has ended on %s: %w", r.cert.NotAfter.UTC().Format(time.DateOnly), ca.ErrIssuer)
	}
	return nil
}
