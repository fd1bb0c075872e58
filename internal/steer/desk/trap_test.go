package desk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"
)

// The traps: what administrators of Exchange have complained of for fifteen years, each with a test that bears its
// number. Those of which the machinery is not here yet (8 and 9, ACME clients; 15, many servers) come with it.

// TestTrap01TheAuthCertificateRenewsByItself, and where it cannot, everybody is told before it ends.
func TestTrap01TheAuthCertificateRenewsByItself(t *testing.T) {
	dir, second := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		runEngine(t, h, 4*365*24*time.Hour)
		if got := statesOf(t, h, "auth"); got != "2 current, 1 previous" {
			t.Errorf("after four years of five: got %s", got)
		}
		h.close(t)

		idle := bubbleHouse(t, second) // nothing renews here
		time.Sleep(5*365*24*time.Hour - 10*24*time.Hour)
		if got := conditionsOf(t, idle); !slices.Contains(got, "!certificateEnding auth") {
			t.Errorf("ten days before its end: got %q", got)
		}
		time.Sleep(20 * 24 * time.Hour)
		if got := conditionsOf(t, idle); !slices.Contains(got, "!certificateExpired auth") {
			t.Errorf("after its end: got %q", got)
		}
		idle.close(t)
	})
}

// TestTrap02ARenewalStrandsNoService: another issuer, another subject, another key, and STARTTLS goes on.
func TestTrap02ARenewalStrandsNoService(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.bring(t, newAuthority(t, "First CA"), "mail", func(*x509.Certificate) {})
	h.enable(t, EnableRequest{ID: "mail", Services: "SMTP,IMAP"})
	h.bring(t, newAuthority(t, "Second CA, R13"), "mail", func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "mail.example.com", Organization: []string{"Renamed"}}
	})
	d, err := h.Certificate(t.Context(), "mail")
	if err != nil || d.Generation != 2 || !strings.Contains(d.Issuer, "R13") {
		t.Fatalf("got %+v, %v", d, err)
	}
	for _, listener := range []string{"smtp", "submission", "submissions", "imap", "imaps"} {
		if got, err := h.serves(t, listener, client("", "mail.example.com")); err != nil || got != d.Thumbprint {
			t.Errorf("%s serves %s, %v, want the new generation", listener, got, err)
		}
	}
}

// TestTrap03AnybodyCanSeeWhichCertificateSMTPPresents: explain says what the handshake does, and why not the others.
func TestTrap03AnybodyCanSeeWhichCertificateSMTPPresents(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "shop", Domains: []string{"shop.example.com"}})
	h.enable(t, EnableRequest{ID: "shop", Services: "SMTP", ByName: true})
	for _, sni := range []string{"", "shop.example.com", "mail1.example.com"} {
		for _, kind := range []keyring.ClientKind{keyring.ClientModern, keyring.ClientRSAOnly} {
			e, err := h.Explain(t.Context(), ExplainRequest{Listener: "smtp", SNI: sni, Client: string(kind)})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := h.serves(t, "smtp", client(kind, sni)); err != nil || got != e.Thumbprint {
				t.Errorf("%q, %s: served %s, %v; explained %s", sni, kind, got, err, e.Thumbprint)
			}
			for _, c := range e.Candidates {
				if c.Why == "" {
					t.Errorf("%q, %s: %s has no reason", sni, kind, c.Lineage)
				}
			}
		}
	}
}

// TestTrap04TheOldCertificateCanBeRemoved although another one has its issuer and subject: what is bound is a lineage.
func TestTrap04TheOldCertificateCanBeRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Same CA")
	h.bring(t, ca, "old", func(*x509.Certificate) {})
	h.bring(t, ca, "new", func(*x509.Certificate) {})
	h.enable(t, EnableRequest{ID: "old", Services: "SMTP"})
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "old"}); !is[*InUseError](err) {
		t.Errorf("removing what serves: got %v", err)
	}
	h.enable(t, EnableRequest{ID: "new", Services: "SMTP"})
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "old"}); err != nil {
		t.Errorf("removing the old one: %v", err)
	}
}

// TestTrap05InternalTransportIsItsOwnVerb: enabling for SMTP leaves the internal certificate alone, and asks nothing
// that could be misunderstood; making internal leaves the bindings alone.
func TestTrap05InternalTransportIsItsOwnVerb(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail1.example.com"}, Kinds: []string{"rsa-2048"}})
	internal := func() string {
		t.Helper()
		for _, c := range h.certificates(t) {
			if d, err := h.Certificate(t.Context(), c.Thumbprint); err == nil && slices.Contains(d.Roles, RoleInternal) {
				return c.Lineage
			}
		}
		return ""
	}
	h.enable(t, EnableRequest{ID: "mail", Services: "SMTP"})
	if got := internal(); got != internalLineage {
		t.Errorf("enabling for SMTP made %s internal", got)
	}
	before := h.picture(t).Default
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "mail"}); err != nil {
		t.Fatal(err)
	}
	if got := internal(); got != "mail" {
		t.Errorf("internal is %s", got)
	}
	if after := h.picture(t).Default; after["smtp"] != before["smtp"] || after["imaps"] != internalLineage {
		t.Errorf("making internal moved bindings: %v", after)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "mail"}); !is[*InUseError](err) {
		t.Errorf("removing the internal certificate: got %v", err)
	}
}

// TestTrap06ABindingCannotBeLost: a default can be taken over and not taken away, so nothing stands without.
func TestTrap06ABindingCannotBeLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: internalLineage, Listener: "https"}); !errors.Is(err, ErrDefaultBinding) {
		t.Errorf("disabling a default: got %v", err)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: internalLineage, All: true}); !is[*InUseError](err) {
		t.Errorf("removing what serves: got %v", err)
	}
	// The one exception closes its listener, and status names the command that mends it.
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
		t.Fatal(err)
	}
	if got := conditionsOf(t, h); !slices.Contains(got, "!managementWithoutCertificate management") {
		t.Errorf("got %q", got)
	}
}

// TestTrap07CertificatesComeAndGoAsBytes: no path of the server is ever asked for, or opened.
func TestTrap07CertificatesComeAndGoAsBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der := newAuthority(t, "CA").issue(t, key.Public(), inAYear(), "mail.example.com")
	if _, err := h.Import(t.Context(), tester(), ImportRequest{Lineage: "mail", Files: []ImportFile{{`\\server\share\is never opened.pfx`, der}, {"/nor/is/this", key.PEM().Bytes()}}}); err != nil {
		t.Fatal(err)
	}
	out, err := h.Export(t.Context(), tester(), ExportRequest{ID: "mail", Format: FormatDER})
	if err != nil || string(out.Data) != string(der) {
		t.Errorf("what came as bytes does not leave as bytes: %v", err)
	}
}

// TestTrap10AKeyIsCheckedWhenItComesIn: what could not serve is refused at once, by the name of its file.
func TestTrap10AKeyIsCheckedWhenItComesIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	der := newAuthority(t, "CA").issue(t, &key.PublicKey, inAYear(), "mail.example.com")
	_, err = h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{{"mail.cer", der}, {"mail.key", text}}})
	if !is[*certfile.UnsupportedError](err) || !strings.Contains(err.Error(), "mail.key") {
		t.Errorf("a key on P-521: got %v", err)
	}
}

// TestTrap11AWildcardServesPOPAndIMAP by the command that serves everything else.
func TestTrap11AWildcardServesPOPAndIMAP(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	c := h.make(t, NewRequest{Lineage: "wild", Domains: []string{"*.example.com"}, Kinds: []string{"rsa-2048"}, Services: "POP,IMAP"})
	if !strings.Contains(strings.Join(c.Notes, "; "), "old POP and IMAP clients take no wildcard") {
		t.Errorf("the price is not said: %q", c.Notes)
	}
	for _, listener := range []string{"pop3", "pop3s", "imap", "imaps"} {
		if got, err := h.serves(t, listener, client("", "imap.example.com")); err != nil || got != h.named(t, "wild")[0].Thumbprint {
			t.Errorf("%s serves %s, %v", listener, got, err)
		}
	}
}

// TestTrap12UncheckedIsNotRevoked, and stops nobody.
func TestTrap12UncheckedIsNotRevoked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Far CA")
	h.trusts(t, ca)
	h.bring(t, ca, "mail", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example.invalid/ca.crl"} })
	d, err := h.Certificate(t.Context(), "mail")
	if err != nil || d.Status != x509cert.StatusRevocationCheckFailure || strings.Contains(d.StatusReason, "revoked it") {
		t.Fatalf("got %s (%s), %v", d.Status, d.StatusReason, err)
	}
	c := h.enable(t, EnableRequest{ID: "mail", Services: "IMAP"})
	if got := strings.Join(c.Warnings, "; "); !strings.Contains(got, "RevocationCheckFailure: ") || strings.Contains(got, "clients will refuse") {
		t.Errorf("got warnings %q", got)
	}
}

// TestTrap13WhatIsMissingIsSaid, in words: the key, the answer, the activation.
func TestTrap13WhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "keyless", Domains: []string{"mail.example.com"}})
	h.exec(t, `UPDATE member SET secret_id = NULL WHERE thumbprint = $1`, h.named(t, "keyless")[0].Thumbprint)
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Asked", Domains: []string{"mail.example.com"}, Lineage: "asked"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"keyless": "its private key is not here", asked.Requests[0].Thumbprint: "its authority has not answered yet"} {
		if _, err := h.Enable(t.Context(), tester(), EnableRequest{ID: id, Services: "SMTP"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("enabling %s: got %v, want %q", id, err, want)
		}
	}
	if _, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: asked.Requests[0].Thumbprint}); !errors.Is(err, ErrPending) {
		t.Errorf("activating a request: got %v", err)
	}
}

// TestTrap14TheUntrustedOneIsNotChosenInSilence: of two certificates for SMTP the one that was enabled last is served,
// and if nobody outside trusts it that is said before and after.
func TestTrap14TheUntrustedOneIsNotChosenInSilence(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Good CA")
	h.trusts(t, ca)
	h.bring(t, ca, "good", func(*x509.Certificate) {})
	h.make(t, NewRequest{Lineage: "own", Domains: []string{"mail.example.com"}, Kinds: []string{"rsa-2048"}})
	h.enable(t, EnableRequest{ID: "good", Services: "SMTP"})
	c := h.enable(t, EnableRequest{ID: "own", Services: "SMTP"})
	if !strings.Contains(strings.Join(c.Warnings, "; "), "smtp, submission, submissions: clients from outside will not trust it") {
		t.Errorf("before: got %q", c.Warnings)
	}
	e, err := h.Explain(t.Context(), ExplainRequest{Listener: "smtp"})
	if err != nil || !strings.Contains(strings.Join(e.Warnings, "; "), "clients from outside will not trust it") {
		t.Errorf("after: got %+v, %v", e, err)
	}
	if h.enable(t, EnableRequest{ID: "good", Services: "SMTP"}); len(h.named(t, "own")[0].Objections) != 0 {
		t.Error("it serves nothing any more, and there are objections")
	}
}

// TestTrap16ANoticeGoesWithItsCertificate.
func TestTrap16ANoticeGoesWithItsCertificate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail1.example.com"}, Days: 30, Services: "IMAP"})
		time.Sleep(25 * 24 * time.Hour)
		if got := conditionsOf(t, h); !slices.Contains(got, "!certificateEnding mail") {
			t.Fatalf("five days before its end: got %q", got)
		}
		h.enable(t, EnableRequest{ID: internalLineage, Services: "IMAP"})
		if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "mail"}); err != nil {
			t.Fatal(err)
		}
		if got := conditionsOf(t, h); slices.ContainsFunc(got, func(c string) bool { return strings.HasSuffix(c, " mail") }) {
			t.Errorf("it is gone, and its notice stays: %q", got)
		}
		h.close(t)
	})
}

// TestTrap17NoFalseAlarms: what serves nothing calls for nobody, and what has no names on purpose lacks none.
func TestTrap17NoFalseAlarms(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "idle", Domains: []string{"elsewhere.example.net"}, Days: 10})
		time.Sleep(20 * 24 * time.Hour)
		for _, c := range conditionsOf(t, h) {
			if strings.HasSuffix(c, " idle") || strings.HasSuffix(c, " auth") || strings.HasPrefix(c, "nameNotCovered") {
				t.Errorf("a false alarm: %s", c)
			}
		}
		h.close(t)
	})
}

// TestTrap18LongNamesAreNoLimit: issuer and subject of far more than 256 characters serve like any other.
func TestTrap18LongNamesAreNoLimit(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	long := strings.Repeat("Very Long Unit ", 30)
	ca := newAuthority(t, "CA of "+long)
	h.bring(t, ca, "mail", func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "mail.example.com", Organization: []string{long}}
	})
	h.enable(t, EnableRequest{ID: "mail", Services: "SMTP"})
	d, err := h.Certificate(t.Context(), "mail")
	if err != nil || len(d.Issuer) < 256 || len(d.Subject) < 256 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if got, err := h.serves(t, "smtp", client("", "")); err != nil || got != d.Thumbprint {
		t.Errorf("smtp serves %s, %v", got, err)
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "mail"}); err != nil {
		t.Errorf("as the internal certificate: %v", err)
	}
}

// TestTrap19NothingElseSignsTokens: no act makes another certificate the auth certificate, and the auth certificate
// serves no clients. (What replaces it comes with the tokens.)
func TestTrap19NothingElseSignsTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ca := newAuthority(t, "Public CA")
	h.bring(t, ca, "public", func(*x509.Certificate) {})
	if _, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "auth", Services: "HTTP"}); !errors.Is(err, ErrAuthCertificate) {
		t.Errorf("enabling the auth certificate: got %v", err)
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "auth"}); !errors.Is(err, ErrAuthCertificate) {
		t.Errorf("making it internal: got %v", err)
	}
	key, err := keys.Generate(keys.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	der := ca.issue(t, key.Public(), inAYear(), "mail.example.com")
	_, err = h.Import(t.Context(), tester(), ImportRequest{Lineage: "auth", Files: []ImportFile{{"a.cer", der}, {"a.key", key.PEM().Bytes()}}})
	if !errors.Is(err, ErrAuthCertificate) {
		t.Errorf("a public certificate as the next auth certificate: got %v", err)
	}
}
