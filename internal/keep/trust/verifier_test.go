package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"testing"
	"time"

	"postseal/internal/ground/x509cert"
)

func TestStatuses(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	ca := root.between(t, "CA", nil)
	stranger := newRoot(t, "Stranger", nil)
	good := ca.leaf(t, "mail.example.com", nil)
	old := ca.leaf(t, "mail.example.com", expired)
	pointed := ca.leaf(t, "mail.example.com", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example.com/a"} })
	lists := func(revoked ...*x509.Certificate) *CRLs {
		return NewCRLs(root.crlOf(t, nil), ca.crlOf(t, nil, revoked...))
	}
	forged := *good
	forged.Raw = bytes.Clone(good.Raw)
	forged.Raw[len(forged.Raw)-1] ^= 1
	broken, err := x509.ParseCertificate(forged.Raw)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		what   string
		q      Question
		status x509cert.Status
		part   string
	}{
		{"good", Question{Leaf: good, Intermediates: certs(ca)}, x509cert.StatusValid, `trusted through "CN=Root" added by hand`},
		{"with root and strangers in the chain", Question{Leaf: good, Intermediates: certs(stranger, root, ca)}, x509cert.StatusValid, ""},
		{"name", Question{Leaf: good, Intermediates: certs(ca), Name: "mail.example.com"}, x509cert.StatusValid, ""},
		{"other name", Question{Leaf: good, Intermediates: certs(ca), Name: "www.example.com"}, x509cert.StatusInvalid, "not for"},
		{"without the intermediate", Question{Leaf: good}, x509cert.StatusUntrusted, `its chain needs "CN=CA"`},
		{"expired", Question{Leaf: old, Intermediates: certs(ca)}, x509cert.StatusDateInvalid, "the certificate expired on 2026-11-23 11:59 UTC"},
		{"expired, asked of before", Question{Leaf: old, Intermediates: certs(ca), At: at.Add(-time.Hour)}, x509cert.StatusValid, ""},
		{"not yet", Question{Leaf: good, Intermediates: certs(ca), At: at.AddDate(0, -2, 0)}, x509cert.StatusDateInvalid, "is not valid before"},
		{"expired and untrusted", Question{Leaf: old}, x509cert.StatusDateInvalid, "expired"},
		{"expired, untrusted and of another name", Question{Leaf: old, Name: "a.example"}, x509cert.StatusInvalid, "not for"},
		{"forged", Question{Leaf: broken, Intermediates: certs(ca)}, x509cert.StatusInvalid, "signature"},
		{"revoked", Question{Leaf: good, Intermediates: certs(ca), Revocation: lists(good)}, x509cert.StatusRevoked, "revoked on 2026-11-23 10:00 UTC (keyCompromise)"},
		{"revoked, and nobody asked", Question{Leaf: good, Intermediates: certs(ca), Revocation: lists(good), Mode: ModeOff}, x509cert.StatusValid, ""},
		{"revoked and expired", Question{Leaf: old, Intermediates: certs(ca), Revocation: lists(old)}, x509cert.StatusRevoked, "revoked"},
		{"revoked and of another name", Question{Leaf: good, Intermediates: certs(ca), Revocation: lists(good), Name: "a.example"}, x509cert.StatusInvalid, "not for"},
		{"the issuer is revoked", Question{Leaf: good, Intermediates: certs(ca), Revocation: NewCRLs(root.crlOf(t, nil, ca.cert), ca.crlOf(t, nil))}, x509cert.StatusRevoked, `the issuer "CN=CA" was revoked`},
		{"not revoked, hard", Question{Leaf: good, Intermediates: certs(ca), Revocation: lists(), Mode: ModeHard}, x509cert.StatusValid, ""},
		{"nobody knows, hard", Question{Leaf: good, Intermediates: certs(ca), Mode: ModeHard}, x509cert.StatusRevocationCheckFailure, "could not be checked: there is nobody to ask"},
		{"nobody knows, soft", Question{Leaf: pointed, Intermediates: certs(ca)}, x509cert.StatusValid, "whether it is revoked is not known: there is nobody to ask"},
		{"nobody knows and untrusted", Question{Leaf: pointed, Mode: ModeHard}, x509cert.StatusUntrusted, ""},
		{"holes in the lists", Question{Leaf: good, Intermediates: []*x509.Certificate{nil, ca.cert, {}}, Roots: []*x509.Certificate{{}, root.cert, nil}}, x509cert.StatusValid, ""},
		{"only holes for roots", Question{Leaf: good, Intermediates: certs(ca), Roots: []*x509.Certificate{nil}}, x509cert.StatusUntrusted, ""},
		{"a purpose without a rule", Question{Leaf: good, Intermediates: certs(ca), Purpose: x509cert.UsageCodeSigning}, x509cert.StatusInvalid, "nobody can say"},
		{"no certificate", Question{}, x509cert.StatusInvalid, "there is no certificate"},
		{"nothing is trusted", Question{Leaf: good, Intermediates: certs(ca, root), Roots: certs()}, x509cert.StatusUntrusted, "ends at"},
		{"roots replaced", Question{Leaf: good, Intermediates: certs(ca), Roots: certs(stranger)}, x509cert.StatusUntrusted, ""},
		{"the root itself", Question{Leaf: root.cert}, x509cert.StatusValid, "one of the certificates"},
		{"a stranger's root", Question{Leaf: stranger.cert}, x509cert.StatusUntrusted, "self-signed"},
		{"an intermediate as root", Question{Leaf: good, Intermediates: certs(root), Roots: certs(ca)}, x509cert.StatusValid, ""},
	}
	v := newVerifier(t, Options{Anchors: []Anchor{{Cert: root.cert, From: x509cert.RootRegistry}}})
	for _, tt := range tests {
		if tt.q.At.IsZero() {
			tt.q.At = at
		}
		got := v.Verify(t.Context(), tt.q)
		want(t, tt.what, got, tt.status, tt.part)
		if unchecked := got.Unchecked != ""; unchecked != (tt.what == "nobody knows, soft") {
			t.Errorf("%s: got unchecked %q", tt.what, got.Unchecked)
		}
	}
	// Known intermediates complete a chain, and now is the default.
	live := ca.leaf(t, "a.example.com", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	})
	knowing := newVerifier(t, Options{Anchors: []Anchor{{Cert: root.cert, From: x509cert.RootEnterprise}}, Known: certs(ca)})
	got := knowing.Verify(t.Context(), Question{Leaf: live})
	want(t, "completed", got, x509cert.StatusValid, "of the organisation's own authority")
	if got.RootType != x509cert.RootEnterprise || len(got.Chain) != 3 || got.Chain[0] != live || got.Chain[2] != root.cert {
		t.Errorf("got %v and %d certificates, want Enterprise and leaf, CA, root", got.RootType, len(got.Chain))
	}
	// Interrupted is neither good nor bad.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "interrupted", v.Verify(ctx, Question{Leaf: good, Intermediates: certs(ca), At: at}), x509cert.StatusUnknown, "interrupted")
	if got := Pending(); got.Status != x509cert.StatusPendingRequest || got.RootType != x509cert.RootUnknown {
		t.Errorf("got %v, %v, want a pending request of unknown root", got.Status, got.RootType)
	}
}

// TestDirect: published certificates are trusted byte for byte, for themselves alone.
func TestDirect(t *testing.T) {
	t.Parallel()
	own := newRoot(t, "mail1", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	issuing := newRoot(t, "mail2", nil)
	v := newVerifier(t, Options{Anchors: []Anchor{
		{Cert: own.cert, From: x509cert.RootRegistry, Direct: true}, {Cert: issuing.cert, From: x509cert.RootNone, Direct: true},
	}})
	got := v.Verify(t.Context(), Question{Leaf: own.cert, At: at})
	want(t, "published", got, x509cert.StatusValid, "trusted inside the organisation only")
	if got.RootType != x509cert.RootRegistry || len(got.Chain) != 1 {
		t.Errorf("got %v and %d certificates, want Registry and itself", got.RootType, len(got.Chain))
	}
	want(t, "expired", v.Verify(t.Context(), Question{Leaf: own.cert, At: at.AddDate(6, 0, 0)}), x509cert.StatusDateInvalid, "expired")
	twin := newRoot(t, "mail1", nil)
	want(t, "of the same name", v.Verify(t.Context(), Question{Leaf: twin.cert, At: at}), x509cert.StatusUntrusted, "self-signed")
	want(t, "issued by a published one", v.Verify(t.Context(), Question{Leaf: issuing.leaf(t, "a.example", nil), At: at}), x509cert.StatusUntrusted, "")
}

// TestRootTypes: ours come before the system's when both have the root.
func TestRootTypes(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "Root", nil)
	leaf := root.leaf(t, "a.example.com", nil)
	for _, from := range []x509cert.RootType{x509cert.RootThirdParty, x509cert.RootRegistry, x509cert.RootGroupPolicy, x509cert.RootEnterprise} {
		v := newVerifier(t, Options{Anchors: []Anchor{{Cert: root.cert, From: x509cert.RootThirdParty}, {Cert: root.cert, From: from}}})
		if got := v.Verify(t.Context(), Question{Leaf: leaf, At: at}); got.RootType != from || got.Status != x509cert.StatusValid {
			t.Errorf("got %v, %v, want %v", got.Status, got.RootType, from)
		}
	}
	if _, err := New(Options{Anchors: []Anchor{{Cert: &x509.Certificate{}}}}); err == nil {
		t.Error("an anchor without DER was taken")
	}
	if _, err := New(Options{Known: []*x509.Certificate{nil}}); err == nil {
		t.Error("a known intermediate that is none was taken")
	}
}

func TestSystemAnchors(t *testing.T) {
	anchors, err := SystemAnchors()
	if err != nil {
		t.Fatal(err)
	}
	if len(anchors) < 50 {
		t.Errorf("got %d roots, want those of the system", len(anchors))
	}
	for _, a := range anchors {
		if a.From != x509cert.RootThirdParty || a.Direct {
			t.Errorf("%s: got %v, want ThirdParty", a.Cert.Subject, a.From)
		}
	}
	t.Setenv("SSL_CERT_FILE", t.TempDir()+"/none.pem")
	if _, err := SystemAnchors(); err == nil {
		t.Error("a store that is not there was read")
	}
}
