package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
)

// shelf is a [revocation.Fetcher] with one list for each address.
type shelf map[string][]byte

func (s shelf) Do(_ context.Context, r fetch.Request) (*fetch.Response, error) {
	if s[r.URL] == nil {
		return nil, errors.New("connection refused")
	}
	return &fetch.Response{URL: r.URL, Body: s[r.URL]}, nil
}

// TestChecker: what a chain is worth by what its authorities publish. Lists are kept only if they hold now.
func TestChecker(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fresh := func(l *x509.RevocationList) {
		l.ThisUpdate, l.NextUpdate = now.Add(-time.Hour), now.Add(time.Hour)
		for i := range l.RevokedCertificateEntries {
			l.RevokedCertificateEntries[i].RevocationTime = now.Add(-2 * time.Hour)
		}
	}
	long := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-24*time.Hour), now.Add(24*time.Hour) }
	at := func(address string) change {
		return changes(long, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{address} })
	}
	root := newRoot(t, "Root", long)
	ca := root.between(t, "CA", long)
	lost := root.between(t, "Lost", at("http://crl.example.com/root"))
	good, bad := ca.leaf(t, "a.example.com", at("http://crl.example.com/ca")), ca.leaf(t, "b.example.com", at("http://crl.example.com/ca"))
	away, quiet := ca.leaf(t, "c.example.com", at("http://crl.example.com/away")), ca.leaf(t, "d.example.com", long)
	directory := ca.leaf(t, "e.example.com", at("ldap:///CN=CA?certificateRevocationList"))
	lying := ca.leaf(t, "f.example.com", at("http://crl.example.com/stranger"))
	below := lost.leaf(t, "g.example.com", long)
	checker, err := revocation.Open(revocation.Options{Fetch: shelf{
		"http://crl.example.com/ca": ca.crlOf(t, fresh, bad), "http://crl.example.com/root": root.crlOf(t, fresh, lost.cert),
		"http://crl.example.com/stranger": newRoot(t, "Stranger", long).crlOf(t, fresh),
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, Options{Anchors: []Anchor{{Cert: root.cert, From: x509cert.RootRegistry}}, Known: certs(ca, lost), Revocation: &Checker{Checker: checker}})
	valid, failure, revoked := x509cert.StatusValid, x509cert.StatusRevocationCheckFailure, x509cert.StatusRevoked
	for _, tt := range []struct {
		what                string
		leaf                *x509.Certificate
		soft, offered, hard x509cert.Status
		part                string // of the reason under ModeOffered
	}{
		{"not on the list", good, valid, valid, failure, ""}, // hard wants to know of the issuer too
		{"on the list", bad, revoked, revoked, revoked, "keyCompromise"},
		{"nobody answers", away, valid, failure, failure, "connection refused"},
		{"no address", quiet, valid, valid, failure, ""},
		{"no address on the web", directory, valid, failure, failure, "nobody is named who could be asked"},
		{"somebody else's list", lying, failure, failure, failure, "its issuer"},
		{"the issuer is revoked", below, revoked, revoked, revoked, `"CN=Lost" was revoked`},
	} {
		for mode, status := range map[Mode]x509cert.Status{ModeSoft: tt.soft, ModeHard: tt.hard, ModeOff: valid} {
			want(t, tt.what+", "+string(mode), v.Verify(t.Context(), Question{Leaf: tt.leaf, Mode: mode}), status, "")
		}
		want(t, tt.what, v.Verify(t.Context(), Question{Leaf: tt.leaf, Mode: ModeOffered}), tt.offered, tt.part)
	}
	if _, err := ParseMode(string(ModeOffered)); err == nil {
		t.Errorf("%q was taken for a word of --revocation", ModeOffered)
	}

	empty, err := revocation.Open(revocation.Options{Fetch: shelf{}})
	if err != nil {
		t.Fatal(err)
	}
	only := &Checker{Checker: empty, KeptOnly: true}
	got := v.Verify(t.Context(), Question{Leaf: good, Mode: ModeOffered, Revocation: only})
	want(t, "nothing kept", got, failure, "nobody has been asked yet")
}
