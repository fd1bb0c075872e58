package keyring

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
)

// TestExplainAgreesWithHandshakes asks and shakes hands for every listener, name and client of the matrix.
func TestExplainAgreesWithHandshakes(t *testing.T) {
	t.Parallel()
	in := matrixInput(t)
	r := newRing(t, in)
	names := []string{
		"", "mail.example.com", "imap.example.com", "IMAP.example.com", "tie.example.com", "both.example.com", "webmail.example.com",
		"a.b.example.com", "example.com", "www.example.net", "rsa.example.com", "elliptic.example.com", "mail1", strings.Repeat("a", 300),
	}
	clients := map[ClientKind]func(string) *tls.Config{ClientModern: modern, ClientRSAOnly: rsaOnly, "": modern}
	for _, l := range in.Listeners {
		for _, sni := range names {
			for kind, client := range clients {
				t.Run(fmt.Sprintf("%s/%.20s/%s", l.Name, sni, kind), func(t *testing.T) {
					t.Parallel()
					a, err := r.Explain(Question{Listener: l.Name, SNI: sni, Client: kind})
					if err != nil {
						t.Fatal(err)
					}
					state, clientErr, serverErr := shake(t, r.Config(l.Name), client(sni))
					if failed := clientErr != nil || serverErr != nil; failed != a.Fails {
						t.Fatalf("fails: got %v (%v, %v), Explain says %v", failed, clientErr, serverErr, a.Fails)
					}
					if a.Fails {
						return
					}
					if got := x509cert.Thumbprint(state.PeerCertificates[0].Raw); got != a.Member.Thumbprint {
						t.Errorf("served: got %s, Explain says %s", got, a.Member.Thumbprint)
					}
					if got := serving(in, state.PeerCertificates[0]); got != a.Taken().Lineage {
						t.Errorf("served: got %q, Explain says %q", got, a.Taken().Lineage)
					}
				})
			}
		}
	}
}

// TestExplainInWords holds the sentences that an administrator reads.
func TestExplainInWords(t *testing.T) {
	t.Parallel()
	r := newRing(t, matrixInput(t))
	cases := []struct {
		name string
		ask  Question
		want string // role lineage: why, for each candidate; then the member; then the warnings
	}{
		{"tie among names", Question{Listener: "imaps", SNI: "Tie.example.com."}, `
name wild: not taken: "tie.example.com" fits only its wildcard, and "newer" has the exact name
name newer: taken: "tie.example.com" is one of its names
default mail: not taken: "newer" has a name for "tie.example.com"
name older: not taken: "newer" has a name for "tie.example.com" too and was bound later
the client can use its ECDSA-P256 key, which is tried first`},
		{"tie with the default, old client", Question{Listener: "imaps", SNI: "both.example.com", Client: ClientRSAOnly}, `
name wild: not taken: "both.example.com" fits only its wildcard, and "mail" has the exact name
name newer: not taken: none of its names fits "both.example.com"
default mail: taken: "both.example.com" is one of its names
name older: not taken: "mail" has a name for "both.example.com" too and was bound later
the client cannot use the ECDSA-P256 key, but the RSA-2048 key`},
		{"wildcard", Question{Listener: "imaps", SNI: "webmail.example.com"}, `
name wild: taken: "webmail.example.com" fits its wildcard, and no binding has the exact name
name newer: not taken: none of its names fits "webmail.example.com"
default mail: not taken: "wild" has a name for "webmail.example.com"
name older: not taken: none of its names fits "webmail.example.com"
the client can use its ECDSA-P256 key, which is tried first`},
		{"no name, port 25, old client", Question{Listener: "smtp", Client: ClientRSAOnly}, `
name rsa: not taken: the client names no host, and only the default answers then
default elliptic: not taken: the client names no host, and this is the default, but the client can use none of its keys
fallback internal: taken: on this port any encryption is better than none
the client cannot use the ECDSA-P256 key, but the RSA-2048 key`},
		{"unknown name", Question{Listener: "pop3s", SNI: "www.example.net"}, `
name rsa: not taken: none of its names fits "www.example.net"
default elliptic: taken: no binding has a name for "www.example.net", and this is the default
it is the only certificate of its generation, and the client can use its ECDSA-P384 key
"www.example.net" is not a name of the certificate served, so a client that looks at names will refuse it`},
		{"an address as a name", Question{Listener: "pop3s", SNI: "192.0.2.1"}, `
name rsa: not taken: what the client names cannot be a host, and only the default answers then
default elliptic: taken: the client names something that cannot be a host, and this is the default
it is the only certificate of its generation, and the client can use its ECDSA-P384 key
the client names something that cannot be a host name`},
		{"nothing that the client can use", Question{Listener: "submission", Client: ClientRSAOnly}, `
default edwards: taken: the client names no host, and this is the default
the client can use no key that this listener has, so the handshake fails`},
		{"fallback that is not needed", Question{Listener: "smtp"}, `
name rsa: not taken: the client names no host, and only the default answers then
default elliptic: taken: the client names no host, and this is the default
fallback internal: not taken: it is only for clients that can use nothing else here
it is the only certificate of its generation, and the client can use its ECDSA-P384 key`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := r.Explain(c.ask)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, x := range a.Candidates {
				fmt.Fprintf(&got, "\n%s %s: %s", x.Role, x.Lineage, x.Why)
			}
			for _, line := range append([]string{a.MemberWhy}, a.Warnings...) {
				got.WriteString("\n" + line)
			}
			if got.String() != c.want {
				t.Errorf("got:%s\n\nwant:%s", got.String(), c.want)
			}
			if a.Seq != 5 || a.Listener != c.ask.Listener {
				t.Errorf("got %d, %q, want 5, %q", a.Seq, a.Listener, c.ask.Listener)
			}
		})
	}
	if _, err := r.Explain(Question{Listener: "imaps", Client: "martian"}); err == nil {
		t.Error("a kind of client that nobody knows: got no error")
	}
}
