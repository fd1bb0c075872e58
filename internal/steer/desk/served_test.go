package desk

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
)

// answering serves the keyring's config for a listener, or another one once other is set, at a port of its own.
func (h *house) answering(t *testing.T, name string, other func() *tls.Config) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			config := other()
			if config == nil {
				config = h.Ring().Config(name)
			}
			if err := tls.Server(conn, config).Handshake(); err != nil {
				t.Logf("handshake: %v", err)
			}
			conn.Close()
		}
	}()
	if h.runtime.at == nil {
		h.runtime.at = map[string]netip.AddrPort{}
	}
	h.runtime.at[name] = ln.Addr().(*net.TCPAddr).AddrPort()
}

func (h *house) notBound() string {
	for _, c := range h.health.List() {
		if c.Code == health.CodeServedNotBound {
			return c.Text
		}
	}
	return ""
}

func TestServedIsNotBound(t *testing.T) {
	h := runningHouse(t)
	h.make(t, NewRequest{Name: "Mail", Lineage: "mail", Domains: []string{"mail.example.com"}, Services: "IMAP"})
	h.make(t, NewRequest{Name: "Shop", Lineage: "shop", Domains: []string{"*.shop.example.com"}})
	h.enable(t, EnableRequest{ID: "shop", Services: "IMAP", Listeners: []string{"imaps"}, ByName: true})
	var foreign atomic.Pointer[tls.Config] // the listener reads it
	h.answering(t, "imaps", foreign.Load)

	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); got != "" {
		t.Fatalf("as it is bound: got %q", got)
	}
	seen, err := h.LastSeen(t.Context())
	if err != nil || len(seen) != 1 || !seen[0].Bound || seen[0].Thumbprint == "" {
		t.Fatalf("what was seen: got %+v, %v", seen, err)
	}

	// Another program has the port.
	foreign.Store(h.Ring().Config("management").Clone())
	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); !strings.Contains(got, "imaps at 127.0.0.1:") || !strings.Contains(got, "is bound") {
		t.Fatalf("another certificate: got %q", got)
	}
	if s, err := h.Status(t.Context()); err != nil || s.State != StateAttention {
		t.Fatalf("status: got %+v, %v", s, err)
	}
	foreign.Store(nil)
	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); got != "" {
		t.Fatalf("mended: got %q", got)
	}

	// The state moves on, the listener does not.
	old := h.Ring().Config("imaps").Clone()
	certificate, err := old.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "", SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}})
	if err != nil {
		t.Fatal(err)
	}
	foreign.Store(certificate)
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "mail"}); err != nil {
		t.Fatal(err)
	}
	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); !strings.Contains(got, "is bound") {
		t.Errorf("the generation before: got %q", got)
	}

	// Nobody listens, though the server thinks so.
	h.runtime.at["imaps"] = netip.MustParseAddrPort("127.0.0.1:1")
	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); !strings.Contains(got, "nobody listens") {
		t.Errorf("nobody listens: got %q", got)
	}

	// A listener that is not wanted is not looked at.
	if _, err := h.SetListener(t.Context(), state.Actor{Who: "tester", From: "test"}, ListenerRequest{Listener: "imaps", Enabled: false}); err != nil {
		t.Fatal(err)
	}
	h.lookAt(t.Context(), "imaps")
	if got := h.notBound(); got != "" {
		t.Errorf("disabled: got %q", got)
	}
	if seen, err := h.LastSeen(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("a disabled listener was seen: %+v, %v", seen, err)
	}
}

func TestOwnEndpointsAreTheEnabledOnes(t *testing.T) {
	h := runningHouse(t)
	own, err := h.Own(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range own.Endpoints {
		if e.Host != own.Server || len(e.Want) == 0 || !e.Address.IsValid() || e.Port == 0 {
			t.Errorf("got %+v", e)
		}
	}
	if len(own.Endpoints) == 0 {
		t.Error("there are none")
	}
}

func TestCheckRequestsAreBounded(t *testing.T) {
	h := newHouse(t, nil)
	for _, r := range []CheckRequest{{}, {Hosts: make([]string, MaxCheckHosts+1)}, {Hosts: []string{"no host"}}, {Domain: "x"}, {Hosts: []string{"localhost:1"}, StartTLS: "ftp"}} {
		if _, err := h.Check(t.Context(), r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	a, err := h.Check(t.Context(), CheckRequest{Hosts: []string{"localhost:1"}, Quick: true})
	if err != nil || len(a.Hosts) != 1 || a.Hosts[0].Verdict != "bad" {
		t.Errorf("got %+v, %v", a, err)
	}
}

// TestEachListenerIsLookedAtOnceInAMinute, as serve asks for, again and again: what was said of it is looked at anew, and a
// difference shows well within five minutes. Nothing is dialled: none is open.
func TestEachListenerIsLookedAtOnceInAMinute(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		defer h.close(t)
		h.runtime.Follow(t.Context(), nil) // all closed: a look clears what was said of it
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.RunServed(ctx, ServedEvery)
		}()
		for round := range 3 {
			for _, l := range listener.Kinds() {
				h.health.Raise(health.Condition{Code: health.CodeServedNotBound, Object: l.Name, Text: "of before"})
			}
			time.Sleep(ServedEvery + time.Second)
			if left := h.notBound(); left != "" {
				t.Errorf("round %d: a minute later nobody has looked at %s", round, left)
			}
		}
		cancel()
		<-done
	})
}
