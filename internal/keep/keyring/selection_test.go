package keyring

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
)

// matrixInput has a listener for every way of choosing. Every lineage has other keys, so that a client can tell which
// one it got.
func matrixInput(t testing.TB) Input {
	t.Helper()
	return Input{
		Seq: 5,
		Listeners: []Listener{
			{Name: "imaps", Bindings: []Binding{
				{Lineage: "older", Role: RoleName},
				{Lineage: "mail", Role: RoleDefault},
				{Lineage: "newer", Role: RoleName},
				{Lineage: "wild", Role: RoleName},
			}},
			{Name: "pop3s", Bindings: []Binding{{Lineage: "elliptic", Role: RoleDefault}, {Lineage: "rsa", Role: RoleName}}},
			{Name: "smtp", Opportunistic: true, Bindings: []Binding{{Lineage: "elliptic", Role: RoleDefault}, {Lineage: "rsa", Role: RoleName}}},
			{Name: "submission", Bindings: defaultOf("edwards")},
		},
		Lineages: []Lineage{
			newPair(t, "internal", 1, "mail1", "mail1.example.com"),
			newPair(t, "mail", 1, "mail.example.com", "both.example.com", "late.example.com"),
			newPair(t, "older", 1, "imap.example.com", "tie.example.com", "both.example.com"),
			newPair(t, "newer", 1, "tie.example.com", "pop.example.com", "late.example.com"),
			newPair(t, "wild", 1, "*.example.com", "*.com", "192.0.2.1"),
			newSingle(t, "elliptic", newECDSA(t, elliptic.P384()), "elliptic.example.com"),
			newSingle(t, "rsa", rsaKey(), "rsa.example.com"),
			newSingle(t, "edwards", newEd25519(t), "edwards.example.com"),
		},
		Internal: "internal",
	}
}

// serving finds which lineage of in a client saw.
func serving(in Input, leaf *x509.Certificate) (lineage string) {
	for _, l := range in.Lineages {
		for _, m := range l.Members {
			if string(m.Chain[0]) == string(leaf.Raw) {
				return l.Name
			}
		}
	}
	return ""
}

func TestSelection(t *testing.T) {
	t.Parallel()
	in := matrixInput(t)
	r := newRing(t, in)
	const ec, rsa = x509.ECDSA, x509.RSA
	cases := []struct {
		name, listener, sni string
		client              func(string) *tls.Config
		lineage             string // empty: the handshake must fail
		algorithm           x509.PublicKeyAlgorithm
	}{
		{"no name gets the default", "imaps", "", modern, "mail", ec},
		{"unknown name gets the default", "imaps", "www.example.net", modern, "mail", ec},
		{"name of the default", "imaps", "mail.example.com", modern, "mail", ec},
		{"exact name beats a wildcard", "imaps", "imap.example.com", modern, "older", ec},
		{"capitals", "imaps", "IMAP.Example.COM", modern, "older", ec},
		{"a name bound before the default took over goes second", "imaps", "both.example.com", modern, "mail", ec},
		{"a name bound after the default goes first", "imaps", "late.example.com", modern, "newer", ec},
		{"the newest goes first among name bindings", "imaps", "tie.example.com", modern, "newer", ec},
		{"wildcard", "imaps", "webmail.example.com", modern, "wild", ec},
		{"wildcard stands for one label", "imaps", "a.b.example.com", modern, "mail", ec},
		{"wildcard needs its label", "imaps", "example.com", modern, "mail", ec},
		{"names of another listener do not count", "pop3s", "imap.example.com", modern, "elliptic", ec},
		{"name longer than a name can be", "imaps", strings.Repeat("a.", 130) + "example.com", modern, "mail", ec},
		{"sign for kelvin is no k", "imaps", "\u212a.example.com", modern, "mail", ec},
		{"old client gets RSA", "imaps", "", rsaOnly, "mail", rsa},
		{"old client gets RSA by name", "imaps", "tie.example.com", rsaOnly, "newer", rsa},
		{"old client and no RSA here", "pop3s", "", rsaOnly, "", 0},
		{"old client and an RSA lineage by name", "pop3s", "rsa.example.com", rsaOnly, "rsa", rsa},
		{"old client and Ed25519", "submission", "", rsaOnly, "", 0},
		{"new client and Ed25519", "submission", "", modern, "edwards", x509.Ed25519},
		{"port 25 gives an old client the internal certificate", "smtp", "", rsaOnly, "internal", rsa},
		{"port 25 gives an old client RSA if it is there", "smtp", "rsa.example.com", rsaOnly, "rsa", rsa},
		{"port 25 gives a new client what is bound", "smtp", "", modern, "elliptic", ec},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			state, err, serverErr := shake(t, r.Config(c.listener), c.client(c.sni))
			if c.lineage == "" {
				if err == nil || serverErr == nil {
					t.Errorf("got %v, %v, want a failed handshake", err, serverErr)
				}
				return
			}
			if err != nil || serverErr != nil {
				t.Fatalf("handshake: got client error %v, server error %v, want none", err, serverErr)
			}
			leaf := state.PeerCertificates[0]
			if got := serving(in, leaf); got != c.lineage || leaf.PublicKeyAlgorithm != c.algorithm {
				t.Errorf("got %v of %q, want %v of %q", leaf.PublicKeyAlgorithm, got, c.algorithm, c.lineage)
			}
		})
	}
}

// TestPort25FallsBackToAnyKeyOfTheInternalCertificate is the case that is turned round: RSA is bound, and the client
// has everything else.
func TestPort25FallsBackToAnyKeyOfTheInternalCertificate(t *testing.T) {
	t.Parallel()
	in := matrixInput(t)
	in.Listeners = []Listener{{Name: "smtp", Opportunistic: true, Bindings: defaultOf("rsa")}}
	client := modern("")
	client.MaxVersion = tls.VersionTLS12
	client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	state := mustShake(t, newRing(t, in).Config("smtp"), client)
	if got := serving(in, state.PeerCertificates[0]); got != "internal" {
		t.Errorf("got %q, want internal", got)
	}
}

func TestPort25WithoutInternalCertificateFailsProperly(t *testing.T) {
	t.Parallel()
	in := matrixInput(t)
	in.Internal = ""
	if _, err, serverErr := shake(t, newRing(t, in).Config("smtp"), rsaOnly("")); err == nil || serverErr == nil {
		t.Errorf("got %v, %v, want a failed handshake", err, serverErr)
	}
}

// sniSeeds are what strangers send.
var sniSeeds = []string{
	"", ".", "..", "mail.example.com", "MAIL.example.com.", "tie.example.com", "both.example.com", "x.example.com", ".example.com",
	"*.example.com", "a.b.example.com", "example.com", "x.com", "192.0.2.1", "::1", "a b.example.com", "xn--vv4b606a.example.com",
	"\x00", "\xff\xfe.example.com", "\u212a.example.com", "under_score.example.com", "-.example.com", "x..example.com",
	strings.Repeat("a", 253-len(".example.com")) + ".example.com", strings.Repeat("a", 60000),
}

// FuzzServerName holds the index that handshakes use against a plain walk over all bindings with x509cert.Match.
func FuzzServerName(f *testing.F) {
	if len(sniSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, sni := range sniSeeds {
		f.Add(sni)
	}
	r := newRing(f, matrixInput(f))
	p := r.current.Load().ports["imaps"]
	indexed := len(p.byName)
	f.Fuzz(func(t *testing.T, sni string) {
		want, best := p.standard, fitNone
		for _, c := range p.candidates { // in order of preference
			for _, pattern := range c.generation.names {
				own := fitNone
				if x509cert.Match(pattern, sni) {
					own = fitExact
					if strings.HasPrefix(pattern, "*") {
						own = fitWildcard
					}
				}
				if own > best {
					want, best = c, own
				}
			}
		}
		name := cleanName(sni)
		got, how := p.candidateFor(name)
		if got != want || how != best {
			t.Errorf("%q: got %q (%v), want %q (%v)", sni, got.generation.lineage, how, want.generation.lineage, best)
		}
		for _, c := range p.candidates {
			if own := c.fit(name); own > how {
				t.Errorf("%q: %q fits better (%v) than what was chosen (%v)", sni, c.generation.lineage, own, how)
			}
		}
		if tag := p.ticketTag(sni); len(tag) > len(ticketMark)+len(ticketDigest{})+253 {
			t.Errorf("%q: tag of %d bytes", sni, len(tag))
		}
		a, err := r.Explain(Question{Listener: "imaps", SNI: sni})
		if err != nil || a.Taken().Lineage != want.generation.lineage {
			t.Errorf("%q: Explain got %v, %v, want %q", sni, a.Taken().Lineage, err, want.generation.lineage)
		}
		if len(p.byName) != indexed {
			t.Errorf("%q: the index has grown to %d names", sni, len(p.byName))
		}
	})
}
