package probe

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
)

// TestARevokedCertificate: the list that a certificate names is asked for over HTTP when that is wanted, and what nobody can
// tell is said so, more or less loudly.
func TestARevokedCertificate(t *testing.T) {
	a := newAuthority(t)
	var list []byte // set before anybody asks
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(list) }))
	defer lists.Close()
	where := netip.MustParseAddrPort(strings.TrimPrefix(lists.URL, "http://"))
	revoked, good, lost := a.issue(t, wish{list: lists.URL + "/a.crl"}), a.issue(t, wish{list: lists.URL + "/a.crl"}), a.issue(t, wish{list: "http://127.0.0.1:1/a.crl"})
	var err error
	list, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.Leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Minute), ReasonCode: 1}}}, a.middle, a.middleKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mode trust.Mode
		want map[*x509.Certificate]string
	}{
		"off":  {trust.ModeOff, map[*x509.Certificate]string{revoked.Leaf: "", good.Leaf: "", lost.Leaf: ""}},
		"soft": {trust.ModeSoft, map[*x509.Certificate]string{revoked.Leaf: "bad revoked", good.Leaf: "", lost.Leaf: ""}},
		"hard": {trust.ModeHard, map[*x509.Certificate]string{revoked.Leaf: "bad revoked, warn revocationUnknown", good.Leaf: "warn revocationUnknown", lost.Leaf: "warn revocationUnknown"}},
	} {
		client, err := fetch.New(fetch.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{where.Port(), 1}})
		if err != nil {
			t.Fatal(err)
		}
		checker, err := revocation.Open(revocation.Options{Fetch: client})
		if err != nil {
			t.Fatal(err)
		}
		v, err := trust.New(trust.Options{Anchors: []trust.Anchor{{Cert: a.root, From: x509cert.RootThirdParty}}, Revocation: &trust.Checker{Checker: checker}})
		if err != nil {
			t.Fatal(err)
		}
		p := a.prober(t, Options{Quick: true, Machine: v, Revocation: c.mode})
		for _, one := range []struct {
			served *x509.Certificate
			result Result
		}{
			{revoked.Leaf, p.Endpoint(t.Context(), at(serveTLS(t, with(revoked))))}, {good.Leaf, p.Endpoint(t.Context(), at(serveTLS(t, with(good))))},
			{lost.Leaf, p.Endpoint(t.Context(), at(serveTLS(t, with(lost))))},
		} {
			if got := codes(one.result.Findings, Warn); got != c.want[one.served] {
				t.Errorf("%s, %x: got %q, want %q:\n%s", name, one.served.SerialNumber, got, c.want[one.served], said(one.result.Findings))
			}
			unknown := strings.Contains(said(one.result.Findings), string(CodeRevocationUnknown))
			if want := c.mode != trust.ModeOff; one.served == lost.Leaf && unknown != want {
				t.Errorf("%s: a list that nobody can fetch is said: got %v, want %v", name, unknown, want)
			}
		}
	}
}
