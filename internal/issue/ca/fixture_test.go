package ca

import (
	"context"
	"crypto"
	"crypto/x509/pkix"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

func newKey(t testing.TB, kind keys.Kind) *keys.Private {
	t.Helper()
	k, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hierarchy is a root with its issuing authorities.
type hierarchy struct {
	root    *Issuer
	issuers map[Purpose]*Issuer
}

func newHierarchy(t testing.TB, rootKind, kind keys.Kind) hierarchy {
	t.Helper()
	key := newKey(t, rootKind)
	raw, err := SelfSign(AuthorityOptions{Purpose: PurposeRoot, Subject: pkix.Name{CommonName: "Example Root", Organization: []string{"예시"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	h := hierarchy{root: newIssuer(t, PurposeRoot, raw, key), issuers: map[Purpose]*Issuer{}}
	for _, p := range Purposes() {
		key := newKey(t, kind)
		raw, err := h.root.Certify(AuthorityOptions{Purpose: p, Subject: pkix.Name{CommonName: "Example " + string(p)}, Key: key.Public(), Domains: []string{"example.com", "예시.한국"},
			Networks: []string{"192.0.2.0/24", "2001:db8::/32"}, CRL: "http://pki.example.com/root.crl", Issuers: "http://pki.example.com/root.cer"})
		if err != nil {
			t.Fatal(err)
		}
		h.issuers[p] = newIssuer(t, p, raw, key)
	}
	return h
}

func newIssuer(t testing.TB, p Purpose, raw []byte, signer crypto.Signer) *Issuer {
	t.Helper()
	cert, err := x509cert.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	i, err := NewIssuer(IssuerOptions{Purpose: p, Certificate: cert, Signer: signer, OCSP: "http://pki.example.com/ocsp/" + string(p), Issuers: "http://pki.example.com/" + string(p) + ".cer"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newProfile(t testing.TB, o ProfileOptions) *Profile {
	t.Helper()
	p, err := NewProfile(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// memory is a ledger that forgets nothing and fails when told: the fault comes with the call of that number, before or
// after the write.
type memory struct {
	mu      sync.Mutex
	drafts  map[string]Draft
	issued  map[string][]byte
	calls   int
	failAt  int
	applied bool // the write is done all the same
	fault   error
}

func newMemory() *memory {
	return &memory{drafts: map[string]Draft{}, issued: map[string][]byte{}, failAt: -1}
}

func (m *memory) write(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	fails := m.calls == m.failAt
	m.calls++
	if !fails || m.applied {
		if err := do(); err != nil {
			return err
		}
	}
	if fails {
		return m.fault
	}
	return nil
}

func (m *memory) Plan(_ context.Context, d *Draft) error {
	return m.write(func() error {
		if _, ok := m.drafts[d.Serial]; ok {
			return ErrSerialTaken
		}
		m.drafts[d.Serial] = *d
		return nil
	})
}

func (m *memory) Record(_ context.Context, d *Draft, raw []byte) error {
	return m.write(func() error {
		m.issued[d.Serial] = raw
		return nil
	})
}

func (m *memory) Planned(_ context.Context, serial string) (*Draft, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.drafts[serial]
	if !ok {
		return nil, nil, nil
	}
	d.issuer = nil
	return &d, m.issued[serial], nil
}

// now is a moment inside the lives of the authorities of newHierarchy.
func now() time.Time { return time.Now() }
