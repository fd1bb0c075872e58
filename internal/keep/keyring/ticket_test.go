package keyring

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// oneSession remembers the last session and offers it to every server and for every name, as a client might that
// wants to get in where it should not.
type oneSession struct{ session *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) {
	return o.session, o.session != nil
}

func (o *oneSession) Put(_ string, session *tls.ClientSessionState) { o.session = session }

// versions runs a test for each version of TLS that we speak.
func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

func resuming(version uint16, sni string, cache tls.ClientSessionCache) *tls.Config {
	client := modern(sni)
	client.MinVersion, client.MaxVersion, client.ClientSessionCache = version, version, cache
	return client
}

func ticketInput(t *testing.T, generation int) Input {
	t.Helper()
	return Input{
		Seq: int64(generation),
		Listeners: []Listener{
			{Name: "imaps", Bindings: defaultOf("mail")},
			{Name: "pop3s", Bindings: defaultOf("mail")},
			{Name: "smtp", Opportunistic: true, Bindings: defaultOf("mail")},
			{Name: "edge", Clients: ClientPolicy{Auth: tls.RequestClientCert}, Bindings: defaultOf("mail")},
		},
		Lineages: []Lineage{newPair(t, "mail", generation, "mail.example.com", "*.example.com")},
		Internal: "mail",
	}
}

// TestResumption says which second connection may go without a full handshake. In every case a control connection
// shows first that the ticket is good where it was issued.
func TestResumption(t *testing.T) {
	t.Parallel()
	const sni = "mail.example.com"
	cases := []struct {
		name    string
		sni     string                        // of the second connection
		between func(*testing.T, *Ring)       // what happens between the two; nil for nothing
		config  func(r *Ring) *tls.Config     // of the second connection; nil for the same
		adapt   func(*testing.T, *oneSession) // what the client does to its session; nil for nothing
		want    bool
	}{
		{name: "same again", sni: sni, want: true},
		{name: "same name in capitals", sni: "MAIL.example.com", want: true},
		{name: "swap of something else", sni: sni, want: true, between: func(t *testing.T, r *Ring) {
			p := r.current.Load().ports["imaps"].candidates[0].generation
			in := Input{Seq: 9, Listeners: []Listener{{Name: "imaps", Bindings: []Binding{
				{Lineage: "mail", Role: RoleDefault}, {Lineage: "web", Role: RoleName},
			}}}, Lineages: []Lineage{newPair(t, "web", 1, "www.example.com"), {Name: "mail", Generation: p.number, Names: p.names}}}
			for _, m := range p.members {
				in.Lineages[1].Members = append(in.Lineages[1].Members, Member{Chain: m.cert.Certificate, Signer: m.cert.PrivateKey.(crypto.Signer)})
			}
			mustSwap(t, r, in)
		}},
		{name: "swap of the generation", sni: sni, between: func(t *testing.T, r *Ring) { mustSwap(t, r, ticketInput(t, 2)) }},
		{name: "lineage made again with the same generation", sni: sni, between: func(t *testing.T, r *Ring) { mustSwap(t, r, ticketInput(t, 1)) }},
		{name: "another listener", sni: sni, config: func(r *Ring) *tls.Config { return r.Config("pop3s") }},
		{name: "the internal configuration", sni: sni, config: func(r *Ring) *tls.Config { return r.Internal() }},
		{name: "listener that asks for client certificates", sni: sni, config: func(r *Ring) *tls.Config { return r.Config("edge") }},
		{name: "another name of the same certificate", sni: "imap.example.com"},
		{name: "no name", sni: ""},
		{name: "rotation", sni: sni, between: func(_ *testing.T, r *Ring) { r.RotateTickets() }},
		{name: "changed ticket", sni: sni, adapt: func(t *testing.T, cache *oneSession) {
			ticket, state, err := cache.session.ResumptionState()
			if err != nil {
				t.Fatal(err)
			}
			ticket = append([]byte(nil), ticket...)
			ticket[len(ticket)/2] ^= 1
			if cache.session, err = tls.NewResumptionState(ticket, state); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			versions(t, func(t *testing.T, version uint16) {
				r := newRing(t, ticketInput(t, 1))
				cache := &oneSession{}
				mustShake(t, r.Config("imaps"), resuming(version, sni, cache))
				if state := mustShake(t, r.Config("imaps"), resuming(version, sni, cache)); !state.DidResume {
					t.Fatal("control: got a full handshake, want a resumed one")
				}
				if c.between != nil {
					c.between(t, r)
				}
				if c.adapt != nil {
					c.adapt(t, cache)
				}
				config := r.Config("imaps")
				if c.config != nil {
					config = c.config(r)
				}
				state := mustShake(t, config, resuming(version, c.sni, cache))
				if state.DidResume != c.want {
					t.Errorf("resumed: got %v, want %v", state.DidResume, c.want)
				}
				if served := int64(generationSeen(state)); !c.want && r.Seq() < 9 && served != r.Seq() {
					t.Errorf("generation: got %d, want %d", served, r.Seq())
				}
			})
		})
	}
}

func TestNoTicketsOnPort25NorForClientCertificates(t *testing.T) {
	t.Parallel()
	for _, listener := range []string{"smtp", "edge"} {
		t.Run(listener, func(t *testing.T) {
			t.Parallel()
			versions(t, func(t *testing.T, version uint16) {
				r := newRing(t, ticketInput(t, 1))
				cache := &oneSession{}
				for i := range 2 {
					if state := mustShake(t, r.Config(listener), resuming(version, "mail.example.com", cache)); state.DidResume {
						t.Errorf("connection %d was resumed", i+1)
					}
				}
				if cache.session != nil {
					t.Error("the client got a ticket")
				}
			})
		})
	}
}

// TestTicketKeysRotateByTime lives in a bubble, where days pass at once.
func TestTicketKeysRotateByTime(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{25 * time.Hour, true}, {8 * 24 * time.Hour, false}} {
		t.Run(fmt.Sprint(c.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRing(t, ticketInput(t, 1))
				cache := &oneSession{}
				client := resuming(tls.VersionTLS13, "mail.example.com", cache)
				mustShake(t, r.Config("imaps"), client)
				ticket := cache.session
				time.Sleep(25 * time.Hour)
				mustShake(t, r.Config("imaps"), resuming(tls.VersionTLS13, "mail.example.com", nil)) // a new key is made now
				time.Sleep(c.after - 25*time.Hour)
				cache.session = ticket
				if state := mustShake(t, r.Config("imaps"), client); state.DidResume != c.want {
					t.Errorf("resumed after %v: got %v, want %v", c.after, state.DidResume, c.want)
				}
			})
		})
	}
}
