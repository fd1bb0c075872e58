package probe

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

const testDay = 24 * time.Hour

func TestCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		name string
		wish wish
		by   *authority
		want string // of what needs attention
		text string // that one finding says
	}{
		{"good", wish{}, a, "", ""},
		{"RSA", wish{rsaBits: 2048}, a, "", ""},
		{"ended", wish{begins: -91 * testDay, ends: -3*testDay - time.Hour}, a, "bad expired", "3 days ago"},
		{"not begun", wish{begins: 2*testDay + time.Hour}, a, "bad notYetValid", "2 days from now"},
		{"ends soon", wish{begins: -85 * testDay, ends: 5*testDay + time.Hour}, a, "warn endsSoon", "in 5 days"},
		{"a short life ends soon when a sixth is left", wish{begins: -4 * testDay, ends: 2 * testDay}, a, "", ""},
		{"another name", wish{names: []string{"other.example.test"}}, a, "bad wrongName", `not for "mail.example.test", only for other.example.test`},
		{"a wildcard", wish{names: []string{"*.example.test"}}, a, "", ""},
		{"self-signed", wish{selfSigned: true}, a, "bad selfSigned", "self-signed"},
		{"an authority that nobody knows", wish{}, other, "bad chainIncomplete", `"CN=Test Root"`},
		{"an unknown root that is sent", wish{withRoot: true}, other, "bad untrusted", "not trusted here"},
		{"without the intermediate", wish{alone: true}, a, "bad chainIncomplete", `sends no certificate of "CN=Test Intermediate"`},
		{"out of order", wish{withRoot: true, reversed: true}, a, "warn chainOrder", ""},
		{"a key of 1024 bits", wish{rsaBits: 1024}, a, "bad weakKey", "1024 bits"},
		{"ended, for another, of nobody", wish{begins: -91 * testDay, ends: -time.Hour, names: []string{"x.test"}, selfSigned: true}, a, "bad expired, bad selfSigned, bad wrongName", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			where := serveTLS(t, with(c.by.issue(t, c.wish)))
			r := a.prober(t, Options{}).Endpoint(t.Context(), at(where))
			if got := codes(r.Findings, Warn); got != c.want {
				t.Errorf("got %s, want %s\n%s", got, c.want, said(r.Findings))
			}
			if !strings.Contains(said(r.Findings), c.text) {
				t.Errorf("nothing says %q:\n%s", c.text, said(r.Findings))
			}
			if want := map[bool]Severity{true: Bad, false: OK}[strings.Contains(c.want, "bad")]; r.Verdict != want && c.want != "" && !strings.HasPrefix(c.want, "warn") {
				t.Errorf("verdict: got %s, want %s", r.Verdict, want)
			}
		})
	}
}

func TestVersionsAndKeys(t *testing.T) {
	a := newAuthority(t)
	ecdsa, rsa := a.issue(t, wish{}), a.issue(t, wish{rsaBits: 2048})
	for _, c := range []struct {
		name                     string
		config                   *tls.Config
		versions, keys, findings string
		postQuantum              bool
	}{
		{"today", with(ecdsa, rsa), "TLS 1.2 TLS 1.3", "ECDSA-P256 RSA-2048", "", true},
		{"ECDSA alone", with(ecdsa), "TLS 1.2 TLS 1.3", "ECDSA-P256", "info onlyECDSA", true},
		{"TLS 1.3 alone", &tls.Config{Certificates: []tls.Certificate{ecdsa}, MinVersion: tls.VersionTLS13}, "TLS 1.3", "ECDSA-P256", "", true},
		{"TLS 1.2 alone", &tls.Config{Certificates: []tls.Certificate{rsa}, MaxVersion: tls.VersionTLS12}, "TLS 1.2", "RSA-2048", "info noTLS13, info notPostQuantum", false},
		{"everything old", &tls.Config{Certificates: []tls.Certificate{rsa}, MinVersion: tls.VersionTLS10}, "TLS 1.0 TLS 1.1 TLS 1.2 TLS 1.3", "RSA-2048", "warn oldVersion", true},
		{"nothing new", &tls.Config{Certificates: []tls.Certificate{rsa}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "TLS 1.0 TLS 1.1", "RSA-2048", "bad onlyOldVersions, info notPostQuantum", false},
		{"an old key exchange", &tls.Config{Certificates: []tls.Certificate{rsa}, CurvePreferences: []tls.CurveID{tls.CurveP256}}, "TLS 1.2 TLS 1.3", "RSA-2048", "info notPostQuantum", false},
		{"no forward secrecy", &tls.Config{Certificates: []tls.Certificate{rsa}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, "TLS 1.2", "RSA-2048", "info noTLS13, info notPostQuantum, warn weakCipher", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := a.prober(t, Options{}).Endpoint(t.Context(), at(serveTLS(t, c.config)))
			if got := strings.Join(r.Versions, " "); got != c.versions {
				t.Errorf("versions: got %s, want %s", got, c.versions)
			}
			if got := strings.Join(r.KeyTypes, " "); got != c.keys {
				t.Errorf("keys: got %s, want %s", got, c.keys)
			}
			if got := codes(r.Findings, Info); got != c.findings {
				t.Errorf("findings: got %s, want %s\n%s", got, c.findings, said(r.Findings))
			}
			if r.PostQuantum != c.postQuantum {
				t.Errorf("post-quantum: got %v with %s", r.PostQuantum, r.KeyExchange)
			}
		})
	}
}

// TestBothKindsOfCertificateAreJudged: the one that clients of today do not get may be the one that was forgotten.
func TestBothKindsOfCertificateAreJudged(t *testing.T) {
	a := newAuthority(t)
	where := serveTLS(t, with(a.issue(t, wish{}), a.issue(t, wish{rsaBits: 2048, begins: -100 * testDay, ends: -9*testDay - time.Hour})))
	r := a.prober(t, Options{}).Endpoint(t.Context(), at(where))
	if got := codes(r.Findings, Warn); got != "bad expired" || !strings.Contains(said(r.Findings), "RSA-2048 certificate ended") {
		t.Errorf("got %s\n%s", got, said(r.Findings))
	}
	quick := a.prober(t, Options{Quick: true}).Endpoint(t.Context(), at(where))
	if quick.Verdict != OK || len(quick.KeyTypes) != 1 || len(quick.Versions) != 1 {
		t.Errorf("a quick look saw more than one handshake shows: %+v", quick)
	}
}

func TestStaleCertificate(t *testing.T) {
	a := newAuthority(t)
	newer := a.issue(t, wish{begins: -41*testDay - time.Hour, ends: 49 * testDay})
	older := a.issue(t, wish{begins: -70 * testDay, ends: 20 * testDay})
	elsewhere := a.issue(t, wish{names: []string{"www.example.test"}, begins: -testDay})
	https, imaps, other := at(serveTLS(t, with(newer))), at(serveTLS(t, with(older))), at(serveTLS(t, with(elsewhere)))
	https.Port, other.Port = 443, 465
	r := a.prober(t, Options{}).Endpoints(t.Context(), "mail.example.test", []Endpoint{imaps, https, other})
	var got string
	for _, f := range r.Findings {
		got += f.Text
	}
	if want := "993 still serves the certificate that 443 replaced 41 days ago"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	both := at(serveTLS(t, with(a.issue(t, wish{names: []string{"mail.example.test", "www.example.test"}, begins: -testDay}))))
	both.Port = 25
	if r := a.prober(t, Options{}).Endpoints(t.Context(), "mail.example.test", []Endpoint{https, both}); codes(r.Findings, Info) != "info differentCertificates" || !strings.Contains(said(r.Findings), "443 serves an older certificate for the name than 25") {
		t.Errorf("certificates of two programs: got %s", said(r.Findings))
	}
	if r := a.prober(t, Options{}).Endpoints(t.Context(), "mail.example.test", []Endpoint{https, https}); len(r.Findings) > 0 {
		t.Errorf("one certificate at two ports: got %s", said(r.Findings))
	}
}

func TestWhatIsBoundIsCompared(t *testing.T) {
	a := newAuthority(t)
	served := a.issue(t, wish{})
	e := at(serveTLS(t, with(served)))
	p := a.prober(t, Options{Quick: true})
	e.Want = []string{"0000000000000000000000000000000000000000", thumbprintOf(served)}
	if r := p.Endpoint(t.Context(), e); r.Verdict != OK {
		t.Errorf("what is bound: %s", said(r.Findings))
	}
	e.Want = e.Want[:1]
	if r := p.Endpoint(t.Context(), e); codes(r.Findings, Bad) != "bad servedNotBound" {
		t.Errorf("something else: %s", said(r.Findings))
	}
	e.Names = []string{"imap.example.test", "mail.example.test"}
	if r := p.Endpoint(t.Context(), e); !strings.Contains(said(r.Findings), "namesMissing: the certificate lacks imap.example.test\n") {
		t.Errorf("a further name: %s", said(r.Findings))
	}
}

func TestOurAnchorsAreToldFromTheMachines(t *testing.T) {
	a, world := newAuthority(t), newAuthority(t)
	p := world.prober(t, Options{Quick: true, Organisation: a.verifier(t)})
	r := p.Endpoint(t.Context(), at(serveTLS(t, with(a.issue(t, wish{})))))
	if r.Verdict != OK || r.Trust.Machine != "Untrusted" || r.Trust.Organisation != "Valid" || !strings.Contains(said(r.Findings), "organisationOnly") {
		t.Errorf("got %s, %+v\n%s", r.Verdict, r.Trust, said(r.Findings))
	}
	r = p.Endpoint(t.Context(), at(serveTLS(t, with(a.issue(t, wish{selfSigned: true})))))
	if codes(r.Findings, Warn) != "bad selfSigned" {
		t.Errorf("of nobody: %s", said(r.Findings))
	}
}

func TestAskedByAddress(t *testing.T) {
	a := newAuthority(t)
	p := a.prober(t, Options{Quick: true})
	for name, want := range map[string]string{"mail.example.test": "info askedByAddress", "127.0.0.1": ""} {
		e := at(serveTLS(t, with(a.issue(t, wish{names: []string{name}}))))
		e.Host = "127.0.0.1"
		if r := p.Endpoint(t.Context(), e); codes(r.Findings, Info) != want {
			t.Errorf("a certificate for %s: got %s", name, said(r.Findings))
		}
	}
}

func TestEveryCodeHasAdvice(t *testing.T) {
	for _, code := range Codes() {
		if advice()[code] == "" || strings.HasSuffix(advice()[code], ".") {
			t.Errorf("%s: advice %q", code, advice()[code])
		}
	}
	if got, want := len(advice()), len(Codes()); got != want {
		t.Errorf("%d codes have advice, %d are known", got, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := New(Options{Limit: -1}); err == nil {
		t.Error("a negative limit was taken")
	}
	if _, err := New(Options{Organisation: newAuthority(t).verifier(t)}); err == nil {
		t.Error("an organisation without a machine was taken")
	}
}
