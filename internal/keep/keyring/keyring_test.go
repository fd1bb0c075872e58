package keyring

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
)

func TestNothingInForce(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	for name, config := range map[string]*tls.Config{"listener": r.Config("imaps"), "internal": r.Internal()} {
		if _, err, serverErr := shake(t, config, modern("")); err == nil || !errors.Is(serverErr, ErrNoCertificate) {
			t.Errorf("%s before the first swap: got %v, %v, want an error and %v", name, err, serverErr, ErrNoCertificate)
		}
	}
	if got := r.Seq(); got != -1 {
		t.Errorf("Seq: got %d, want -1", got)
	}
	if got := r.InternalLeaves(); len(got) != 0 {
		t.Errorf("InternalLeaves: got %d, want none", len(got))
	}
	config := r.Config("imaps")
	mustSwap(t, r, Input{Listeners: []Listener{{Name: "imaps"}}})
	if _, _, err := shake(t, config, modern("")); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("without binding: got %v, want %v", err, ErrNoCertificate)
	}
	if _, ok := r.Served("imaps"); ok {
		t.Error("Served: got something for a listener without binding")
	}
	if _, err := r.Explain(Question{Listener: "imaps"}); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("Explain: got %v, want %v", err, ErrNoCertificate)
	}
	if _, err := r.Explain(Question{Listener: "nntp"}); !errors.Is(err, ErrUnknownListener) {
		t.Errorf("Explain: got %v, want %v", err, ErrUnknownListener)
	}

	// The configuration taken before the first swap is good after it, and ends with the binding.
	pair := newPair(t, "mail", 1, "mail.example.com")
	mustSwap(t, r, Input{Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}}, Lineages: []Lineage{pair}})
	mustShake(t, config, modern(""))
	mustSwap(t, r, Input{})
	if _, _, err := shake(t, config, modern("")); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("after the listener has gone: got %v, want %v", err, ErrNoCertificate)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	r := newRing(t, Input{
		Listeners: []Listener{{Name: "https", NextProtos: []string{"h2", "http/1.1"}, Bindings: defaultOf("mail")}},
		Lineages:  []Lineage{newPair(t, "mail", 1, "mail.example.com")},
	})
	client := modern("mail.example.com")
	client.NextProtos = []string{"http/1.1", "h2"}
	state := mustShake(t, r.Config("https"), client)
	if state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("got %#x, %q, %v, want TLS 1.3, h2, X25519MLKEM768", state.Version, state.NegotiatedProtocol, state.CurveID)
	}
	for name, old := range map[string]*tls.Config{
		"TLS 1.1":    {InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"static RSA": {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		"CBC":        {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}},
	} {
		if _, err, _ := shake(t, r.Config("https"), old); err == nil {
			t.Errorf("%s: got a handshake, want none", name)
		}
	}
}

func TestInternal(t *testing.T) {
	t.Parallel()
	pair := newPair(t, "internal", 3, "mail1")
	r := newRing(t, Input{
		Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}},
		Lineages:  []Lineage{pair, newPair(t, "mail", 1, "mail.example.com")},
		Internal:  "internal",
	})
	leaves := r.InternalLeaves()
	if len(leaves) != 2 || !bytes.Equal(leaves[0], pair.Members[1].Chain[0]) || !bytes.Equal(leaves[1], pair.Members[0].Chain[0]) {
		t.Errorf("InternalLeaves: got %d leaves, want the P-256 and the RSA one", len(leaves))
	}
	state := mustShake(t, r.Internal(), modern("mail.example.com"))
	if !bytes.Equal(state.PeerCertificates[0].Raw, leaves[0]) {
		t.Error("the internal configuration serves something else than the internal certificate")
	}
}

func TestServed(t *testing.T) {
	t.Parallel()
	pair := newPair(t, "mail", 4, "Mail.Example.COM.", "*.example.com")
	r := newRing(t, Input{Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}}, Lineages: []Lineage{pair}})
	got, ok := r.Served("imaps")
	if !ok || got.Lineage != "mail" || got.FriendlyName != "the mail" || got.Generation != 4 {
		t.Errorf("got %+v, %v", got, ok)
	}
	if want := "[mail.example.com *.example.com]"; fmt.Sprint(got.Names) != want {
		t.Errorf("names: got %v, want %v", got.Names, want)
	}
	if len(got.Members) != 2 || got.Members[0].KeyType != "ECDSA-P256" || got.Members[1].KeyType != "RSA-2048" {
		t.Errorf("members: got %+v, want ECDSA and RSA", got.Members)
	}
	if len(got.Members[0].Thumbprint) != 40 || got.Members[0].Thumbprint != strings.ToUpper(got.Members[0].Thumbprint) {
		t.Errorf("thumbprint: got %q, want 40 upper-case digits", got.Members[0].Thumbprint)
	}
}

func TestLogTellsWhatCameIntoForce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := New(Options{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	in := Input{Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}}, Lineages: []Lineage{newPair(t, "mail", 1, "mail.example.com")}}
	mustSwap(t, r, in)
	mustSwap(t, r, in)
	if got := strings.Count(out.String(), "certificate in force"); got != 1 {
		t.Errorf("got %d lines, want 1 for two swaps of the same:\n%s", got, out.String())
	}
	in.Listeners[0].Bindings = nil
	mustSwap(t, r, in)
	if !strings.Contains(out.String(), "no certificate in force") {
		t.Errorf("got no line for the listener that lost its binding:\n%s", out.String())
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	t.Parallel()
	key := newECDSA(t, elliptic.P256())
	in := Input{Lineages: []Lineage{newSingle(t, "mail", key, "mail.example.com")}}
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secret := new(big.Int).SetBytes(raw).String()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		fmt.Fprintf(&out, verb, in)
		fmt.Fprintf(&out, verb, in.Lineages[0].Members[0])
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "lineages", in.Lineages, "member", in.Lineages[0].Members[0])
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "lineages", in.Lineages, "member", in.Lineages[0].Members[0])
	if err := json.NewEncoder(&out).Encode(in.Lineages); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), secret) || !strings.Contains(out.String(), redacted) {
		t.Errorf("got a printed key, want %q:\n%s", redacted, out.String())
	}
}

// TestClientPolicy shows that clients are asked, verified and refused as the listener says.
func TestClientPolicy(t *testing.T) {
	t.Parallel()
	pair := newPair(t, "mail", 1, "mail.example.com")
	key := newECDSA(t, elliptic.P256())
	peer := newTestLeaf(t, key, &x509.Certificate{
		SerialNumber: big.NewInt(1), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	})
	cert, err := x509.ParseCertificate(peer)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(cert)
	errStranger := errors.New("stranger")
	cases := []struct {
		name   string
		policy ClientPolicy
		shown  bool // the client has a certificate
		want   bool // the handshake succeeds
	}{
		{"not asked", ClientPolicy{}, false, true},
		{"asked, none shown", ClientPolicy{Auth: tls.RequireAnyClientCert}, false, false},
		{"asked and shown", ClientPolicy{Auth: tls.RequireAnyClientCert}, true, true},
		{"known authority", ClientPolicy{Auth: tls.RequireAndVerifyClientCert, CAs: known}, true, true},
		{"unknown authority", ClientPolicy{Auth: tls.RequireAndVerifyClientCert, CAs: x509.NewCertPool()}, true, false},
		{"refused by Verify", ClientPolicy{Auth: tls.RequireAnyClientCert, Verify: func(tls.ConnectionState) error { return errStranger }}, true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRing(t, Input{Listeners: []Listener{{Name: "edge", Clients: c.policy, Bindings: defaultOf("mail")}}, Lineages: []Lineage{pair}})
			client := modern("")
			if c.shown {
				client.Certificates = []tls.Certificate{{Certificate: [][]byte{peer}, PrivateKey: key}}
			}
			_, _, err := shake(t, r.Config("edge"), client)
			if (err == nil) != c.want {
				t.Errorf("got %v, want success %v", err, c.want)
			}
			if c.policy.Verify != nil && !errors.Is(err, errStranger) {
				t.Errorf("got %v, want %v", err, errStranger)
			}
		})
	}
}
