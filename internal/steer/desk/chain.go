package desk

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// Path is the chain of a certificate as it was judged, to be drawn.
type Path struct {
	Links    []PathLink   `json:"links"`    // the certificate first
	Complete bool         `json:"complete"` // the last link is what we trust
	Faults   []string     `json:"faults"`   // everything that is wrong, the worst first
	Lints    []trust.Lint `json:"lints"`    // rules of public authorities that it breaks
}

// PathLink is one certificate of a path.
type PathLink struct {
	Subject   string    `json:"subject"`
	SHA256    string    `json:"sha256"`
	KeyType   string    `json:"keyType"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Ended     bool      `json:"ended"`  // past its end, or before its beginning
	Anchor    bool      `json:"anchor"` // trusted by itself
}

// Path returns the chain of the certificate that id means. A request that waits has none.
func (d *Desk) Path(ctx context.Context, id string) (*Path, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	f, err := v.find(id)
	if err != nil {
		return nil, err
	}
	return v.path(f.lineage, f.member)
}

// path judges the chain of a member, which need not be stored yet.
func (v *view) path(l state.Lineage, m state.Member) (*Path, error) {
	p := &Path{Links: []PathLink{}, Faults: []string{}, Lints: []trust.Lint{}}
	if m.Certificate == nil {
		return p, nil
	}
	leaf, err := x509cert.ParseCertificate(m.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", m.Thumbprint, err)
	}
	if own := l.Origin == state.OriginSetup || l.Origin == state.OriginNew; own && x509cert.Inspect(leaf).SelfSigned {
		p.Links = append(p.Links, linkOf(leaf, time.Now()))
		return p, nil
	}
	verdict, err := v.judge.opinionOn(m, "")
	if err != nil {
		return nil, fmt.Errorf("judging certificate %s: %w", m.Thumbprint, err)
	}
	chain := verdict.Chain
	if len(chain) == 0 {
		chain = []*x509.Certificate{leaf}
	}
	for _, cert := range chain {
		p.Links = append(p.Links, linkOf(cert, time.Now()))
	}
	p.Complete = verdict.RootType != x509cert.RootNone
	p.Links[len(p.Links)-1].Anchor = p.Complete
	for _, fault := range verdict.Faults {
		p.Faults = append(p.Faults, fault.Reason)
	}
	p.Lints = append(p.Lints, verdict.Lints...)
	return p, nil
}

func linkOf(cert *x509.Certificate, now time.Time) PathLink {
	facts := x509cert.Inspect(cert)
	return PathLink{Subject: facts.Subject, SHA256: facts.SHA256, KeyType: facts.KeyType, NotBefore: facts.NotBefore, NotAfter: facts.NotAfter,
		Ended: now.Before(facts.NotBefore) || now.After(facts.NotAfter)}
}
