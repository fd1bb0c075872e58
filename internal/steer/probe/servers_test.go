package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// standing is an endpoint of a foreign server, known to clients as mail.example.test on the port that it stands for.
func standing(t *testing.T, s *peers.MailServer, listener string) Endpoint {
	t.Helper()
	ports := map[string]uint16{"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "https": 443, "sieve": 4190}
	for _, p := range Places() {
		if p.Port == ports[listener] {
			return Endpoint{Host: "mail.example.test", Port: p.Port, Protocol: p.Protocol, StartTLS: p.StartTLS, ForMail: p.Port == 25, Address: netip.MustParseAddrPort(s.Addr(listener))}
		}
	}
	t.Fatalf("no place for %s", listener)
	return Endpoint{}
}

func all(t *testing.T, s *peers.MailServer) []Endpoint {
	t.Helper()
	var list []Endpoint
	for listener := range s.Ports {
		list = append(list, standing(t, s, listener))
	}
	slices.SortFunc(list, func(a, b Endpoint) int { return int(a.Port) - int(b.Port) })
	return list
}

// TestRealServersInOrder: nothing is wrong with Postfix, Dovecot and nginx as they should be, at any of their ports.
func TestRealServersInOrder(t *testing.T) {
	a := newAuthority(t)
	good := a.files(t, wish{})
	p := a.prober(t, Options{Limit: defaultLimit})
	for name, s := range map[string]*peers.MailServer{
		"postfix": peers.Postfix(t, good, "smtpd_tls_protocols = >=TLSv1.2", "smtpd_tls_mandatory_protocols = >=TLSv1.2"), "dovecot": peers.Dovecot(t, good, "ssl_min_protocol = TLSv1.2"), "nginx": peers.Nginx(t, good, "ssl_protocols TLSv1.2 TLSv1.3;"),
	} {
		r := p.Endpoints(t.Context(), "mail.example.test", all(t, s))
		if r.Verdict != OK || len(r.Endpoints) != len(s.Ports) {
			t.Errorf("%s: got %s at %d of %d endpoints:\n%s", name, r.Verdict, len(r.Endpoints), len(s.Ports), said(r.All()))
		}
		for _, e := range r.Endpoints {
			if got := strings.Join(e.Versions, " "); got != "TLS 1.2 TLS 1.3" {
				t.Errorf("%s at %d: got %s", name, e.Port, got)
			}
			if e.Trust.Machine != "Valid" || e.KeyExchange != "X25519" || len(e.Chain) != 2 {
				t.Errorf("%s at %d: got %+v, %s, %q", name, e.Port, e.Trust, e.KeyExchange, e.Chain)
			}
		}
	}
}

// TestRealServersInDisorder: each fault of a configuration is found where it is.
func TestRealServersInDisorder(t *testing.T) {
	a := newAuthority(t)
	p := a.prober(t, Options{Limit: defaultLimit})
	newer := a.files(t, wish{begins: -41*testDay - 60e9})
	ended := a.files(t, wish{begins: -90 * testDay, ends: -3*testDay - 60e9})
	nginx := peers.Nginx(t, newer)
	dovecot := peers.Dovecot(t, ended, "disable_plaintext_auth = no")
	r := p.Endpoints(t.Context(), "mail.example.test", []Endpoint{
		standing(t, nginx, "https"), standing(t, dovecot, "imaps"), standing(t, dovecot, "imap"), standing(t, dovecot, "pop3"), standing(t, dovecot, "sieve"),
	})
	for port, want := range map[uint16]string{
		443:  "",
		993:  "bad expired",
		143:  "bad expired, bad plainLogin",
		110:  "bad expired, bad plainLogin",
		4190: "bad expired, bad plainLogin",
	} {
		var mine []Finding
		for _, f := range r.All() {
			if f.Port == port && f.Code != CodeStaleCertificate {
				mine = append(mine, f)
			}
		}
		if got := codes(mine, Warn); got != want {
			t.Errorf("at %d: got %q, want %q\n%s", port, got, want, said(mine))
		}
	}
	if !strings.Contains(said(r.Findings), "993, 143, 110 and 4190 still serve the certificate that 443 replaced 41 days ago") {
		t.Errorf("993 and 443: got\n%s", said(r.Findings))
	}

	postfix := peers.Postfix(t, a.files(t, wish{alone: true, names: []string{"other.example.test"}}), "smtpd_tls_auth_only = no", "smtpd_sasl_auth_enable = no", "smtpd_tls_security_level = none")
	for _, c := range []struct{ listener, want string }{
		{"smtp", "warn startTLSMissing"},
		// Postfix 3.7 speaks TLS 1.0 unless it is told not to.
		{"submission", "bad chainIncomplete, bad wrongName, warn oldVersion"},
		{"submissions", "bad chainIncomplete, bad wrongName, warn oldVersion"},
	} {
		r := p.Endpoint(t.Context(), standing(t, postfix, c.listener))
		if got := codes(r.Findings, Warn); got != c.want {
			t.Errorf("Postfix at %s: got %q, want %q\n%s", c.listener, got, c.want, said(r.Findings))
		}
	}
}
