package keyring

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/x509cert"
)

// generation is one step of a lineage, parsed and checked.
type generation struct {
	lineage, friendlyName string
	number                int
	names                 []string  // lower case, without a trailing dot
	members               []*member // never empty; RSA last
}

// member is one certificate, ready to be served.
type member struct {
	cert  *tls.Certificate // shared by handshakes, hence never changed
	leaf  *x509.Certificate
	facts MemberFacts
}

// MemberFacts say which certificate it is, in the words of tables.
type MemberFacts struct {
	Thumbprint string // 40 upper-case hex digits: SHA-1 of the DER
	SHA256     string // 64 lower-case hex digits
	KeyType    string // "ECDSA-P256", "RSA-2048"
	NotBefore  time.Time
	NotAfter   time.Time
}

// newMember checks that in can be served: the chain parses, the key is there and is the leaf's, and TLS can sign with
// it. Dates and names are not checked: those are remarks of [Ring.Explain].
func newMember(in Member) (*member, error) {
	if len(in.Chain) == 0 {
		return nil, errors.New("empty chain")
	}
	if in.Signer == nil {
		return nil, errors.New("no private key")
	}
	var leaf *x509.Certificate
	for i, der := range in.Chain {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("element %d of the chain: %w", i+1, err)
		}
		if i == 0 {
			leaf = cert
		}
	}
	public, ok := in.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("the private key is not that of the certificate")
	}
	m := &member{
		cert: &tls.Certificate{Certificate: slices.Clone(in.Chain), PrivateKey: in.Signer, Leaf: leaf},
		leaf: leaf,
		facts: MemberFacts{
			Thumbprint: x509cert.Thumbprint(leaf.Raw),
			SHA256:     fmt.Sprintf("%x", sha256.Sum256(leaf.Raw)),
			KeyType:    x509cert.KeyType(leaf.PublicKey),
			NotBefore:  leaf.NotBefore,
			NotAfter:   leaf.NotAfter,
		},
	}
	if err := helloOf(ClientModern).SupportsCertificate(m.cert); err != nil {
		return nil, fmt.Errorf("no TLS client can use it: %w", err)
	}
	return m, nil
}

// cost orders the members of a generation: what is cheap to sign with is tried first.
func (m *member) cost() int {
	if m.leaf.PublicKeyAlgorithm == x509.RSA {
		return 1
	}
	return 0
}
