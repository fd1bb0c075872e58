package keyring

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestBrokenSnapshotLeavesTheOldOneServing breaks a good Input in every way that is checked.
func TestBrokenSnapshotLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	good := func() Input {
		return Input{
			Seq: 1,
			Listeners: []Listener{
				{Name: "pop3s", Bindings: defaultOf("internal")},
				{Name: "imaps", Bindings: []Binding{{Lineage: "mail", Role: RoleDefault}, {Lineage: "web", Role: RoleName}}},
			},
			Lineages: []Lineage{
				newPair(t, "internal", 1, "mail1"), newPair(t, "mail", 1, "mail.example.com"), newPair(t, "web", 1, "www.example.com"),
			},
			Internal: "internal",
		}
	}
	stranger := newECDSA(t, elliptic.P256())
	p224 := newECDSA(t, elliptic.P224())
	cases := []struct {
		name, listener, lineage string
		sentinel                error // nil if there is none
		breakIt                 func(*Input)
	}{
		{"key of another certificate", "imaps", "mail", ErrUnusableMember, func(in *Input) { in.Lineages[1].Members[1].Signer = stranger }},
		{"key of another algorithm", "imaps", "web", ErrUnusableMember, func(in *Input) { in.Lineages[2].Members[0].Signer = stranger }},
		{"no key", "imaps", "mail", ErrUnusableMember, func(in *Input) { in.Lineages[1].Members[0].Signer = nil }},
		{"leaf does not parse", "imaps", "mail", ErrUnusableMember, func(in *Input) { in.Lineages[1].Members[0].Chain[0] = []byte("hello") }},
		{"intermediate does not parse", "imaps", "mail", ErrUnusableMember, func(in *Input) {
			m := &in.Lineages[1].Members[0]
			m.Chain = append(m.Chain, m.Chain[0][:100])
		}},
		{"empty chain", "imaps", "mail", ErrUnusableMember, func(in *Input) { in.Lineages[1].Members[0].Chain = nil }},
		{"no member", "imaps", "mail", ErrUnusableMember, func(in *Input) { in.Lineages[1].Members = nil }},
		{"curve that TLS does not know", "imaps", "mail", ErrUnusableMember, func(in *Input) {
			in.Lineages[1].Members[0] = newTestMember(t, p224, 1, "mail.example.com")
		}},
		{"internal is broken", "", "internal", ErrUnusableMember, func(in *Input) { in.Lineages[0].Members[0].Signer = stranger }},
		{"internal is missing", "", "nowhere", ErrUnknownLineage, func(in *Input) { in.Internal = "nowhere" }},
		{"bound lineage is missing", "imaps", "web", ErrUnknownLineage, func(in *Input) { in.Lineages = in.Lineages[:2] }},
		{"two defaults", "imaps", "", ErrDefaultBinding, func(in *Input) { in.Listeners[1].Bindings[1].Role = RoleDefault }},
		{"no default", "imaps", "", ErrDefaultBinding, func(in *Input) { in.Listeners[1].Bindings[0].Role = RoleName }},
		{"role that nobody knows", "imaps", "web", nil, func(in *Input) { in.Listeners[1].Bindings[1].Role = "spare" }},
		{"two lineages of one name", "", "mail", nil, func(in *Input) { in.Lineages[2].Name = "mail" }},
		{"two listeners of one name", "imaps", "", nil, func(in *Input) { in.Listeners[0].Name = "imaps" }},
		{"listener without a name", "", "", nil, func(in *Input) { in.Listeners[0].Name = "" }},
		{"client certificates of every public authority", "imaps", "", nil, func(in *Input) {
			in.Listeners[1].Clients.Auth = tls.RequireAndVerifyClientCert
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRing(t, good())
			before, _ := r.Served("imaps")
			in := good()
			in.Seq = 2
			c.breakIt(&in)
			err := r.Swap(in)
			broken, ok := errors.AsType[*SnapshotError](err)
			if !ok {
				t.Fatalf("Swap: got %v, want a SnapshotError", err)
			}
			if broken.Listener != c.listener || broken.Lineage != c.lineage {
				t.Errorf("blamed: got %q, %q, want %q, %q", broken.Listener, broken.Lineage, c.listener, c.lineage)
			}
			if c.sentinel != nil && !errors.Is(err, c.sentinel) {
				t.Errorf("got %v, want %v", err, c.sentinel)
			}
			if !strings.Contains(err.Error(), c.listener) || !strings.Contains(err.Error(), c.lineage) {
				t.Errorf("text: got %q, want it to name %q and %q", err, c.listener, c.lineage)
			}
			state := mustShake(t, r.Config("imaps"), modern(""))
			after, _ := r.Served("imaps")
			if r.Seq() != 1 || after.Members[0] != before.Members[0] || state.PeerCertificates[0].PublicKeyAlgorithm != x509.ECDSA {
				t.Errorf("got snapshot %d serving %v, want 1 serving %v", r.Seq(), after, before)
			}
		})
	}
}

func TestUnboundLineageMayBeBroken(t *testing.T) {
	t.Parallel()
	broken := newPair(t, "old", 1, "old.example.com")
	broken.Members[0].Chain = nil
	r := newRing(t, Input{
		Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}},
		Lineages:  []Lineage{broken, newPair(t, "mail", 1, "mail.example.com")},
	})
	mustShake(t, r.Config("imaps"), modern("old.example.com"))
}

func TestExpiredIsServedWithARemark(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cases := []struct {
		name                string
		notBefore, notAfter time.Time
		want                string
	}{
		{"expired", now.AddDate(-1, 0, 0), now.Add(-time.Hour), "expired at"},
		{"not yet valid", now.Add(time.Hour), now.AddDate(1, 0, 0), "not valid before"},
		{"ends soon", now.AddDate(-1, 0, 0), now.Add(36 * time.Hour), "in less than 2 days"},
		{"good", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := newECDSA(t, elliptic.P256())
			der := newTestLeaf(t, key, &x509.Certificate{
				SerialNumber: big.NewInt(1), DNSNames: []string{"mail.example.com"}, NotBefore: c.notBefore, NotAfter: c.notAfter,
			})
			r := newRing(t, Input{
				Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}},
				Lineages:  []Lineage{{Name: "mail", Generation: 1, Members: []Member{{Chain: [][]byte{der}, Signer: key}}}},
			})
			mustShake(t, r.Config("imaps"), modern("mail.example.com"))
			a, err := r.Explain(Question{Listener: "imaps", SNI: "mail.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if c.want == "" {
				want = 0
			}
			if len(a.Warnings) != want || len(a.Taken().Remarks) != want || !strings.Contains(strings.Join(a.Warnings, ""), c.want) {
				t.Errorf("got warnings %q, remarks %q, want %d with %q", a.Warnings, a.Taken().Remarks, want, c.want)
			}
		})
	}
}
