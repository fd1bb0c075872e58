package desk

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
)

// bring imports a certificate of an authority with its key, in a lineage; change alters what is issued.
func (h *house) bring(t *testing.T, ca *authority, lineage string, change func(*x509.Certificate)) *Change {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "mail.example.com"}, DNSNames: []string{"mail.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: inAYear(),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Import(t.Context(), tester(), ImportRequest{Lineage: lineage, Files: []ImportFile{{lineage + ".cer", der}, {lineage + ".key", key.PEM().Bytes()}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trusts adds an authority.
func (h *house) trusts(t *testing.T, ca *authority) {
	t.Helper()
	if _, err := h.AddAnchors(t.Context(), tester(), AnchorRequest{File: ImportFile{"ca.cer", ca.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
}

// TestGuards: each reason for which clients will refuse a certificate is said before it is enabled, asks, and stands
// afterwards wherever the certificate does.
func TestGuards(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Guard CA")
	unchanged := func(*x509.Certificate) {}
	for _, c := range []struct {
		name     string
		issue    func(*x509.Certificate)
		trusted  bool
		enable   EnableRequest
		want     string // nothing: no warning, and no question beyond what is replaced
		severity string // of the condition afterwards: "!" for attention; empty for none
	}{
		{"good", unchanged, true, EnableRequest{Services: "IMAP"}, "", ""},
		{"good, by name", unchanged, true, EnableRequest{Services: "IMAP", ByName: true}, "", ""},
		{"not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, true, EnableRequest{Services: "IMAP"}, "clients will refuse it: it is not valid before", "!clientsObject guarded"},
		{"for clients only", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, true, EnableRequest{Services: "POP"}, "wrong purpose: it is not for servers (serverAuth), only for clientAuth", "!clientsObject guarded"},
		{"for clients only, by name", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, true, EnableRequest{Services: "POP", ByName: true}, "wrong purpose", "!clientsObject guarded"},
		{"a key that must not sign", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, true, EnableRequest{Services: "POP"}, "signing handshakes is not among it", "!clientsObject guarded"},
		{"any purpose", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, true, EnableRequest{Services: "POP"}, "", ""},
		{"no usual name", func(c *x509.Certificate) { c.DNSNames = []string{"shop.example.com"} }, true, EnableRequest{Services: "SMTP"}, "it holds no name that clients use here, such as mail1.example.com, mail.example.com", "nameNotCovered smtp"},
		{"no usual name, by name", func(c *x509.Certificate) { c.DNSNames = []string{"shop.example.com"} }, true, EnableRequest{Services: "SMTP", ByName: true}, "", ""},
		{"the wrong service's name", func(c *x509.Certificate) { c.DNSNames = []string{"pop.example.com"} }, true, EnableRequest{Services: "IMAP"}, "it holds no name", "nameNotCovered imap"},
		{"the domain itself", func(c *x509.Certificate) { c.DNSNames = []string{"example.com"} }, true, EnableRequest{Services: "HTTP"}, "", ""},
		{"a wildcard", func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }, true, EnableRequest{Services: "IMAP"}, "", ""},
		{"a common name only", func(c *x509.Certificate) { c.DNSNames = nil }, true, EnableRequest{Services: "IMAP"}, "it has mail.example.com as common name only", "nameNotCovered imap"},
		{"no name at all, by name", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "A Thing" }, true, EnableRequest{Services: "IMAP", ByName: true}, "it holds no name of a host", "nameNotCovered imap"},
		{"untrusted, outside", unchanged, false, EnableRequest{Services: "SMTP"}, "clients from outside will not trust it: ", "!certificateUntrusted guarded"},
		{"untrusted, outside, by name", unchanged, false, EnableRequest{Services: "HTTP", ByName: true}, "clients from outside will not trust it: ", "!certificateUntrusted guarded"},
		{"untrusted, management", func(c *x509.Certificate) { c.DNSNames = []string{"mail1.example.com"} }, false, EnableRequest{Services: "MANAGEMENT"}, "", "!certificateUntrusted guarded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			if c.trusted {
				h.trusts(t, ca)
			}
			h.bring(t, ca, "guarded", c.issue)
			c.enable.ID, c.enable.DryRun = "guarded", true
			preview := h.enable(t, c.enable)
			if got := preview.Replaces; got != (!c.enable.ByName || c.want != "") {
				t.Errorf("it asks: %v", got)
			}
			said := func(where string, texts []string) {
				t.Helper()
				joined := strings.Join(texts, "; ")
				if c.want != "" && !strings.Contains(joined, c.want) {
					t.Errorf("%s: got %q, want it to say %q", where, joined, c.want)
				}
				for _, other := range []string{"clients will refuse", "wrong purpose", "no name", "common name only", "not trust it"} {
					if c.want == "" && strings.Contains(joined, other) {
						t.Errorf("%s: got %q, want nothing of the kind", where, joined)
					}
				}
			}
			said("the preview", preview.Warnings)
			c.enable.DryRun = false
			done := h.enable(t, c.enable)
			said("the answer", done.Warnings)
			if !c.enable.ByName && done.Undo == "" {
				t.Error("there is no undo")
			}

			certificates := h.certificates(t)
			i := slices.IndexFunc(certificates, func(x Certificate) bool { return x.Lineage == "guarded" })
			said("the list", certificates[i].Objections)
			d, err := h.Certificate(t.Context(), "guarded")
			if err != nil {
				t.Fatal(err)
			}
			said("the details", d.Objections)
			said("its bindings", d.Bindings[0].Objections)
			listeners, err := h.Listeners(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			services, err := h.Services(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range d.Bindings {
				i := slices.IndexFunc(listeners, func(l ListenerView) bool { return l.Listener == b.Listener })
				said("listener "+b.Listener, listeners[i].Objections)
				for _, s := range services {
					for _, l := range s.Listeners {
						if l.Listener == b.Listener {
							said("service "+string(s.Service), l.Objections)
						}
					}
				}
			}
			sni := ""
			if c.enable.ByName {
				sni = "mail.example.com"
			}
			e, err := h.Explain(t.Context(), ExplainRequest{Listener: d.Bindings[0].Listener, SNI: sni})
			if err != nil {
				t.Fatal(err)
			}
			if taken := slices.IndexFunc(e.Candidates, func(x Candidate) bool { return x.Taken && x.Lineage == "guarded" }); taken >= 0 && !strings.Contains(c.want, "not valid before") {
				said("the explanation", e.Warnings)
				said("its candidate", e.Candidates[taken].Remarks)
			} else if taken >= 0 && !strings.Contains(strings.Join(e.Warnings, " "), "is not valid before") {
				t.Errorf("the explanation: got %q", e.Warnings)
			}
			got := conditionsOf(t, h)
			found := slices.ContainsFunc(got, func(x string) bool {
				return x == c.severity || c.severity == "" && (strings.Contains(x, "clientsObject") || strings.Contains(x, "nameNotCovered"))
			})
			if found != (c.severity != "") {
				t.Errorf("status: got %q, want %q", got, c.severity)
			}
		})
	}
}

// TestObjectionsAreShownAfterwards: a self-signed certificate that was enabled for outsiders is a reminder, and what
// nobody from outside meets is none.
func TestObjectionsAreShownAfterwards(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "own", Domains: []string{"mail1.example.com"}, Services: "IMAP,MANAGEMENT"})
	if got := conditionsOf(t, h); !slices.Contains(got, "clientsObject own") {
		t.Errorf("got %q, want a reminder", got)
	}
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Information {
		if c.Code == health.CodeClientsObject && !strings.HasPrefix(c.Text, `imap, imaps: "own": clients from outside will not trust it`) {
			t.Errorf("got %q", c.Text)
		}
	}
	// The same behind a loopback address, as in a trial: nobody from outside is there.
	running := runningHouse(t)
	c := running.make(t, NewRequest{Lineage: "own", Domains: []string{"mail1.example.com"}, Kinds: []string{"rsa-2048"}, Services: "IMAP"})
	if got := conditionsOf(t, running); len(c.Warnings) != 0 || slices.Contains(got, "clientsObject own") {
		t.Errorf("on a loopback address: got %q and %q", c.Warnings, got)
	}
}

// TestTheDefaultsAreNoGuardsBusiness: a fresh server has nothing to object to, wherever it answers.
func TestTheDefaultsAreNoGuardsBusiness(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, c := range h.certificates(t) {
		if len(c.Objections) != 0 || c.Status != "Valid" {
			t.Errorf("%s: got %s and %q", c.Name, c.Status, c.Objections)
		}
	}
	if c := h.enable(t, EnableRequest{ID: internalLineage, Services: "MANAGEMENT"}); len(c.Warnings) != 0 {
		t.Errorf("enabling a default: got %q", c.Warnings)
	}
}

// TestWhatIsPreviewedIsWhatIsSaid: cert new has no certificate yet when it previews.
func TestWhatIsPreviewedIsWhatIsSaid(t *testing.T) {
	t.Parallel()
	for _, r := range []NewRequest{
		{Name: "x", Domains: []string{"shop.example.net", "192.0.2.1"}, Kinds: []string{"ecdsa-p256"}, Services: "SMTP,HTTP,MANAGEMENT"},
		{Name: "x", Domains: []string{"*.example.com"}, Kinds: []string{"rsa-2048"}, Services: "IMAP,POP"},
		{Name: "x", Domains: []string{"mail.example.com"}, Subject: "O=No Common Name", Kinds: []string{"rsa-2048"}},
	} {
		h := newHouse(t, nil)
		r.DryRun = true
		preview, err := h.New(t.Context(), tester(), r)
		if err != nil {
			t.Fatal(err)
		}
		r.DryRun = false
		done, err := h.New(t.Context(), tester(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(preview.Warnings, done.Warnings) || !slices.Equal(preview.Notes, done.Notes) || preview.Replaces != done.Replaces {
			t.Errorf("%v: previewed %q, %q, %v; done %q, %q, %v", r.Domains, preview.Warnings, preview.Notes, preview.Replaces, done.Warnings, done.Notes, done.Replaces)
		}
	}
}

// TestGenerationsAreGuarded: what an activation, an answer or a roll-back puts in force at bound listeners is said too.
func TestGenerationsAreGuarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Guard CA")
	h.trusts(t, ca)
	h.bring(t, ca, "mail", func(*x509.Certificate) {})
	h.enable(t, EnableRequest{ID: "mail", Services: "IMAP"})
	c := h.bring(t, ca, "mail", func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	if !c.Replaces || !strings.Contains(strings.Join(c.Warnings, "; "), "imap, imaps: wrong purpose") {
		t.Errorf("an import that comes into force by itself: got %q", c.Warnings)
	}
	if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: "mail"}); err != nil {
		t.Fatal(err)
	}
	again, err := h.Activate(t.Context(), tester(), ActivateRequest{Doing: Doing{DryRun: true}, ID: "mail"})
	if err != nil || !again.Replaces || !strings.Contains(strings.Join(again.Warnings, "; "), "wrong purpose") {
		t.Errorf("an activation: got %+v, %v", again, err)
	}
	// A next generation that lacks the names clients were shown, and holds no usual one either.
	h.bring(t, ca, "odd", func(x *x509.Certificate) { x.DNSNames = []string{"shop.example.net"} })
	h.enable(t, EnableRequest{ID: "odd", Services: "POP"})
	kept := h.bring(t, ca, "odd", func(x *x509.Certificate) { x.DNSNames = []string{"shop.example.net", "more.example.net"} })
	if strings.Contains(strings.Join(kept.Warnings, "; "), "no name") {
		t.Errorf("the same names again: got %q", kept.Warnings)
	}
	lost := h.bring(t, ca, "odd", func(x *x509.Certificate) { x.DNSNames = []string{"other.example.net"} })
	if !strings.Contains(strings.Join(lost.Warnings, "; "), "pop3, pop3s: it holds no name that clients use here") {
		t.Errorf("other names: got %q", lost.Warnings)
	}
}

// TestOpeningAListenerIsGuarded: what nobody met while a listener was closed is said when it opens.
func TestOpeningAListenerIsGuarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: listener.IMAPS}); err != nil {
		t.Fatal(err)
	}
	h.make(t, NewRequest{Lineage: "own", Domains: []string{"mail.example.com"}})
	closed := h.enable(t, EnableRequest{ID: "own", Services: "IMAP", Listeners: []string{listener.IMAPS}, ByName: true})
	if closed.Replaces || !strings.Contains(strings.Join(closed.Warnings, "; "), "not trust it") {
		t.Errorf("at a closed listener: got %+v, want it said and no question", closed)
	}
	opening, err := h.SetListener(t.Context(), tester(), ListenerRequest{Doing: Doing{DryRun: true}, Listener: listener.IMAPS, Enabled: true})
	if err != nil || !opening.Replaces || !strings.Contains(strings.Join(opening.Warnings, "; "), "imaps: own, bound by name: clients from outside will not trust it") {
		t.Errorf("opening it: got %+v, %v", opening, err)
	}
	plain, err := h.SetListener(t.Context(), tester(), ListenerRequest{Doing: Doing{DryRun: true}, Listener: listener.POP3S})
	if err != nil || len(plain.Warnings) != 1 {
		t.Errorf("closing another: got %+v, %v", plain, err)
	}
}

// TestEndedIsSaid: dates, in a bubble.
func TestEndedIsSaid(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "short", Domains: []string{"mail1.example.com"}, Days: 2, Services: "POP"})
		time.Sleep(49 * time.Hour)
		c := h.enable(t, EnableRequest{ID: "short", Services: "IMAP", ByName: true})
		if !c.Replaces || !strings.Contains(strings.Join(c.Warnings, "; "), "imap, imaps: clients will refuse it: it ended at") {
			t.Errorf("got %+v", c)
		}
		if got := h.named(t, "short")[0].Objections; len(got) != 1 || !strings.HasPrefix(got[0], "imap, imaps, pop3, pop3s: clients will refuse it: it ended") {
			t.Errorf("the list: got %q", got)
		}
		h.close(t)
	})
}

// TestAThiefIsToldOfEverything: names, wildcards, places, roles, another lineage with the same key, and files.
func TestAThiefIsToldOfEverything(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Thief CA")
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	for lineage, names := range map[string][]string{"one": {"*.example.com", "example.com"}, "two": {"mail.example.net"}} {
		der := ca.issue(t, key.Public(), inAYear(), names...)
		if _, err := h.Import(t.Context(), tester(), ImportRequest{Lineage: lineage, Name: "Name of " + lineage, Exportable: true, Files: []ImportFile{{"a.cer", der}, {"a.key", key.PEM().Bytes()}}}); err != nil {
			t.Fatal(err)
		}
	}
	h.enable(t, EnableRequest{ID: "one", Services: "IMAP"})
	h.enable(t, EnableRequest{ID: "two", Services: "SMTP"})
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "two"}); err != nil {
		t.Fatal(err)
	}
	d, err := h.Certificate(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	thief := strings.Join(d.Thief, "\n")
	for _, want := range []string{
		"pose as *.example.com, example.com to clients", "any host directly under example.com", "imaps (port 993)", "do the same with two: it has this key too",
		"smtp (port 25)", "mail of partners", "direct trust", "exportable",
	} {
		if !strings.Contains(thief, want) {
			t.Errorf("got %q, want it to say %q", thief, want)
		}
	}
}
