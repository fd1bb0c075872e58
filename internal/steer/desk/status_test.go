package desk

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// conditionsOf returns "code object" of everything that status says, attention marked with "!".
func conditionsOf(t *testing.T, h *house) []string {
	t.Helper()
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range s.Attention {
		all = append(all, fmt.Sprintf("!%s %s", c.Code, c.Object))
		if c.Severity != health.Attention || c.Text == "" {
			t.Errorf("attention: got %+v", c)
		}
	}
	for _, c := range s.Information {
		all = append(all, fmt.Sprintf("%s %s", c.Code, c.Object))
		if c.Severity != health.Information || c.Text == "" {
			t.Errorf("information: got %+v", c)
		}
	}
	want := StateOK
	if len(s.Attention) > 0 {
		want = StateAttention
	}
	if s.State != want {
		t.Errorf("got state %q, want %q", s.State, want)
	}
	return all
}

// always is what every organisation is told in this release.
const always = "noRecoveryKey "

func TestStatusOfANewServer(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if got := conditionsOf(t, h); !slices.Equal(got, []string{always}) {
		t.Errorf("running: got %q, want only %q", got, always)
	}
	s, err := h.Status(t.Context())
	if err != nil || s.Organisation != "Example" || s.Server != "mail1.example.com" || s.Trial || !s.Running || len(s.Listeners) != 10 || len(s.Certificates) != 4 {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, l := range s.Listeners {
		if l.State != ListenerOpen || l.Port < 10000 || l.Sessions != 7 || l.Backend == "" {
			t.Errorf("running: got %+v", l)
		}
	}
	if !slices.IsSortedFunc(s.Certificates, func(a, b Certificate) int { return a.NotAfter.Compare(b.NotAfter) }) {
		t.Error("the certificate that ends first is not the first")
	}

	stopped := newHouse(t, nil)
	if got := conditionsOf(t, stopped); !slices.Equal(got, []string{"!serverNotRunning ", always}) {
		t.Errorf("stopped: got %q", got)
	}
	beside := newHouse(t, func(o *SetupOptions) { o.Mode = "" })
	views, err := beside.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range views {
		if want := map[bool]string{true: ListenerStopped, false: ListenerDisabled}[l.Listener == "management"]; l.State != want {
			t.Errorf("beside: %s is %s, want %s", l.Listener, l.State, want)
		}
		if l.Listener == "management" && l.Address != "127.0.0.1" || l.Listener != "management" && l.Address != "*" {
			t.Errorf("beside: %s is at %s", l.Listener, l.Address)
		}
	}
}

// TestConditionsComeAndGo provokes every condition and mends it.
func TestConditionsComeAndGo(t *testing.T) {
	t.Parallel()
	nothing := func(*testing.T, *house) {}
	seen := map[health.Code]bool{
		health.CodeServerNotRunning:          true, // TestStatusOfANewServer
		health.CodeNoRecoveryKey:             true, // TestStatusOfANewServer, TestRecoveryConditions
		health.CodeRecoveryUntested:          true, // TestRecoveryConditions
		health.CodeRecoveryUnsigned:          true, // TestAForgedRecoveryKey
		health.CodeRecoveryIncomplete:        true, // TestRecoveryConditions
		health.CodeNoBackup:                  true, // TestRecoveryConditions
		health.CodeBackupOld:                 true, // TestRecoveryConditions
		health.CodeServedNotBound:            true, // TestServedIsNotBound
		health.CodeAuditBroken:               true, // TestNothingIsSignedOverAFault
		health.CodeAuditUnsigned:             true, // TestHeadFaults
		health.CodeAuthorityUntended:         true, // TestTendingFailsAloud
		health.CodeRootListEnding:            true, // TestCeremony
		health.CodeRevocationUnsaid:          true, // TestRevokeWithTheRootOut
		health.CodeSecurityModuleUnreachable: true, // TestAModuleThatDoesNotSign
		health.CodeCertificateExpired:        true, // TestEndings
		health.CodeCertificateEnding:         true, // TestEndings
		health.CodeSnapshotRefused:           true, // TestAStateThatCannotBeServed
		health.CodeTokenEnding:               true, // TestATokenEnds
		health.CodeAuditNotSent:              true, // TestAuditIsNotSent
		health.CodeNoticeNotSent:             true, // TestAWebHookThatNeverTakes
		health.CodeListenerClosed:            true, // the runtime raises it
		health.CodeRenewalFailed:             true, // the renewal engine raises it
		health.CodeRenewalWaiting:            true, // TestARenewalThatWaits
		health.CodeCertificateUntrusted:      true, // TestDistrustCountsAtOnce
		health.CodeCertificateRevoked:        true, // TestRevocationInService
		health.CodeRevocationUnchecked:       true, // TestRevocationInService
		health.CodeClientsObject:             true, // TestObjectionsAreShownAfterwards
	}
	cases := []struct {
		name     string
		house    func(*testing.T) *house
		provoke  func(*testing.T, *house)
		want     []string
		mend     func(*testing.T, *house)
		afterAll []string
	}{
		{"management without certificate", runningHouse, func(t *testing.T, h *house) {
			if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
				t.Fatal(err)
			}
		}, []string{"!managementWithoutCertificate management", always}, func(t *testing.T, h *house) {
			h.make(t, NewRequest{Lineage: "m", Services: "MANAGEMENT"})
		}, []string{always}},
		{"listener without certificate", runningHouse, func(t *testing.T, h *house) {
			internal, err := h.view(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			h.store(t, func(tx *state.Tx) error { return tx.Unbind(h.server, "imaps", internal.server.InternalLineage) })
		}, []string{"!listenerWithoutCertificate imaps", always}, func(t *testing.T, h *house) {
			h.enable(t, EnableRequest{ID: internalLineage, Services: "IMAP"})
		}, []string{always}},
		{"a disabled listener needs none", runningHouse, func(t *testing.T, h *house) {
			if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "management"}); err != nil {
				t.Fatal(err)
			}
		}, []string{always}, nothing, []string{always}},
		{"name not covered", runningHouse, func(t *testing.T, h *house) {
			h.make(t, NewRequest{Lineage: "other", Domains: []string{"other.example.com"}, Services: "HTTP"})
		}, []string{"nameNotCovered https", always}, func(t *testing.T, h *house) {
			h.make(t, NewRequest{Lineage: "wild", Domains: []string{"*.example.com"}, Services: "HTTP"})
		}, []string{always}},
		{"no back end", runningHouse, func(_ *testing.T, h *house) { h.runtime.backend = "" },
			[]string{"!noBackend ", always}, func(_ *testing.T, h *house) { h.runtime.backend = "x" }, []string{always}},
		{"trial mailbox", runningHouse, func(_ *testing.T, h *house) { h.runtime.trial = true },
			[]string{always, "trialMailbox "}, func(_ *testing.T, h *house) { h.runtime.trial = false }, []string{always}},
		{"trial not served", func(t *testing.T) *house {
			h := newHouse(t, func(o *SetupOptions) { o.Trial = true })
			h.close(t)
			return openHouse(t, h.dir, newRuntime())
		}, nothing, []string{"!trialNotServed ", always}, func(_ *testing.T, h *house) { h.runtime.trial = true }, []string{always, "trialMailbox "}},
		{"no auth certificate", runningHouse, func(t *testing.T, h *house) { h.exec(t, `UPDATE organisation SET auth_lineage_id = NULL`) },
			[]string{"!authCertificateMissing ", always}, func(t *testing.T, h *house) {
				h.exec(t, `UPDATE organisation SET auth_lineage_id = (SELECT id FROM lineage WHERE name = 'auth')`)
			}, []string{always}},
		{"learnt while running", runningHouse, func(_ *testing.T, h *house) {
			h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imap", Text: "in use"})
		}, []string{"!listenerClosed imap", always}, func(_ *testing.T, h *house) { h.health.Clear(health.CodeListenerClosed, "imap") }, []string{always}},
		{"the list of a root whose key is elsewhere", authorityHouse, func(t *testing.T, h *house) {
			h.exec(t, `UPDATE authority SET secret_id = NULL WHERE purpose = 'root'`)
		}, []string{"!rootListEnding root", always}, func(t *testing.T, h *house) {
			h.exec(t, `UPDATE revocation_shard SET next_update = 4102444800000000 WHERE authority_id = (SELECT id FROM authority WHERE purpose = 'root')`)
		}, []string{always}},
		// What finds it is a program of its own: see zlint_test.go.
		{"zlint finds something", authorityHouse, func(t *testing.T, h *house) {
			h.exec(t, `INSERT INTO zlint_finding (kind, id, lint, severity, details, subject, ends_at, found_at) VALUES ('made', '1', 'e_x', 'error', '', 'certificate 1', 4102444800000000, 1)`)
		}, []string{"!zlintFinds e_x", always}, func(t *testing.T, h *house) {
			if _, err := h.AcceptZLint(t.Context(), tester(), ZLintRequest{Lint: "e_x", Reason: "it is right"}); err != nil {
				t.Fatal(err)
			}
		}, []string{always}},
		// What raises it asks the module: see securitymodule.go.
		{"a security module that does not sign", runningHouse, func(_ *testing.T, h *house) {
			h.health.Raise(health.Condition{Code: health.CodeSecurityModuleUnreachable, Severity: health.Attention, Text: "it does not answer"})
		}, []string{"!securityModuleUnreachable ", always}, func(_ *testing.T, h *house) { h.health.Clear(health.CodeSecurityModuleUnreachable, "") }, []string{always}},
		// What raises it looks over the wire: served_test.go.
		{"seen over the wire", runningHouse, func(_ *testing.T, h *house) {
			h.health.Raise(health.Condition{Code: health.CodeServedNotBound, Severity: health.Attention, Object: "imaps", Text: "another certificate"})
		}, []string{"!servedNotBound imaps", always}, func(_ *testing.T, h *house) { h.health.Clear(health.CodeServedNotBound, "imaps") }, []string{always}},
	}
	for _, c := range cases {
		for _, w := range c.want {
			code, _, _ := strings.Cut(strings.TrimPrefix(w, "!"), " ")
			seen[health.Code(code)] = true
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := c.house(t)
			c.provoke(t, h)
			if got := conditionsOf(t, h); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			c.mend(t, h)
			if got := conditionsOf(t, h); !slices.Equal(got, c.afterAll) {
				t.Errorf("mended: got %q, want %q", got, c.afterAll)
			}
		})
	}
	for _, code := range health.Codes() {
		if !seen[code] {
			t.Errorf("no test provokes %s", code)
		}
	}
}

// bubbleHouse makes an organisation inside a bubble, where certificates begin in the year 2000. It runs in
// a bubble.
func bubbleHouse(t *testing.T, dir string) *house {
	t.Helper()
	h := &house{dir: dir, sealing: filepath.Join(dir, "sealing-key"), runtime: newRuntime(), health: new(health.Set), fault: new(fault)}
	var err error
	if h.db, err = state.Open(t.Context(), state.Options{Dir: dir, Create: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(t) })
	if err := Setup(t.Context(), h.db, exampleSetup(dir), tester()); err != nil {
		t.Fatal(err)
	}
	if h.Desk, err = Open(t.Context(), Options{State: h.db, Sealing: h.sealing, Runtime: h.runtime, Health: h.health}); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestEndings: a certificate in use calls for a person 30 days before its end and after it; one that
// nothing uses does not.
func TestEndings(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "idle", Domains: []string{"mail1.example.com"}, Days: 60})
		h.make(t, NewRequest{Lineage: "named", Domains: []string{"mail1.example.com"}, Days: 95})
		h.make(t, NewRequest{Lineage: "pair", Domains: []string{"mail1.example.com"}, Days: 110, Kinds: []string{"ecdsa-p256", "ed25519"}, Services: "POP"})
		h.enable(t, EnableRequest{ID: "named", Services: "HTTP", ByName: true})
		began := h.named(t, "pair")[0].NotBefore
		for _, c := range []struct {
			after time.Duration
			want  []string
		}{
			{64 * 24 * time.Hour, nil},
			{65*24*time.Hour + time.Second, []string{"!certificateEnding named"}},
			{80*24*time.Hour + time.Second, []string{"!certificateEnding named", "!certificateEnding pair"}}, // two members, said once
			{95*24*time.Hour - time.Second, []string{"!certificateEnding named", "!certificateEnding pair"}},
			{95*24*time.Hour + time.Second, []string{"!certificateEnding pair", "!certificateExpired named"}},
			{110*24*time.Hour + time.Second, []string{"!certificateExpired named", "!certificateExpired pair"}},
		} {
			time.Sleep(time.Until(began.Add(c.after)))
			if got := conditionsOf(t, h); !slices.Equal(got, append(c.want, always)) {
				t.Errorf("after %v: got %q, want %q", c.after, got, c.want)
			}
		}
		for _, x := range h.named(t, "pair") {
			if x.Status != "DateInvalid" || !strings.Contains(x.StatusReason, "ended at") {
				t.Errorf("got %s, %s", x.Status, x.StatusReason)
			}
		}
		if c := h.enable(t, EnableRequest{ID: "pair", Services: "IMAP"}); !strings.Contains(strings.Join(c.Warnings, "; "), "clients will refuse it: it ended at") {
			t.Errorf("enabling what has ended: got warnings %q", c.Warnings)
		}
		h.enable(t, EnableRequest{ID: internalLineage, Services: "IMAP,POP"})
		if _, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "named", Listener: "https"}); err != nil {
			t.Fatal(err)
		}
		if got := conditionsOf(t, h); !slices.Equal(got, []string{always}) {
			t.Errorf("replaced: got %q", got)
		}
		// The defaults: nobody renews them here.
		time.Sleep(time.Until(began.AddDate(5, 0, 0)) + time.Hour)
		want := []string{"!certificateExpired auth", "!certificateExpired " + internalLineage, always}
		if got := conditionsOf(t, h); !slices.Equal(got, want) {
			t.Errorf("after five years: got %q, want %q", got, want)
		}
		h.close(t)
	})
}

// TestARenewalThatWaits calls for a person when the generation in force is due, until it is activated.
func TestARenewalThatWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		h.make(t, NewRequest{Lineage: "line", Domains: []string{"mail1.example.com"}, Days: 300, Services: "HTTP"})
		began := h.named(t, "line")[0].NotBefore
		if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "line", NoActivate: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(began.AddDate(0, 0, 200)) - time.Second)
		if got := conditionsOf(t, h); !slices.Equal(got, []string{always}) {
			t.Errorf("before it is due: got %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := conditionsOf(t, h); !slices.Equal(got, []string{"!renewalWaiting line", always}) {
			t.Errorf("due: got %q", got)
		}
		if _, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: "line"}); err != nil {
			t.Fatal(err)
		}
		if got := conditionsOf(t, h); !slices.Equal(got, []string{always}) {
			t.Errorf("activated: got %q", got)
		}
		h.close(t)
	})
}

// TestAStateThatCannotBeServed leaves what is served, says so, and is mended by enabling another.
func TestAStateThatCannotBeServed(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "broken", Domains: []string{"broken.example.com"}})
	h.make(t, NewRequest{Lineage: "other", Domains: []string{"other.example.com"}})
	// The key of another certificate, as if a row had been mixed up.
	h.exec(t, `UPDATE member SET secret_id = (SELECT secret_id FROM member WHERE thumbprint = $2) WHERE thumbprint = $1`,
		h.named(t, "broken")[0].Thumbprint, h.named(t, "other")[0].Thumbprint)
	served, seq := h.shown(t), h.Ring().Seq()

	c, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "broken", Services: "IMAP"})
	if err != nil || !strings.Contains(strings.Join(c.Warnings, "; "), "the server goes on serving what it served before") {
		t.Errorf("got %+v, %v, want a warning", c, err)
	}
	for range 2 {
		if got := h.shown(t); !slices.Equal(got, served) || h.Ring().Seq() != seq {
			t.Errorf("got %q, want what was served before: %q", got, served)
		}
		if got := conditionsOf(t, h); !slices.Contains(got, "!snapshotRefused ") {
			t.Errorf("got %q, want snapshotRefused", got)
		}
		if err := h.Settle(t.Context()); err == nil {
			t.Error("settled")
		}
	}
	// Whatever else is changed meanwhile is stored and waits too.
	h.enable(t, EnableRequest{ID: "other", Services: "POP"})
	if got := h.shown(t); !slices.Equal(got, served) {
		t.Errorf("got %q, want %q", got, served)
	}
	if c := h.enable(t, EnableRequest{ID: internalLineage, Services: "IMAP"}); strings.Contains(strings.Join(c.Warnings, "; "), "stored, but") {
		t.Errorf("mended: got warnings %q", c.Warnings)
	}
	if got := conditionsOf(t, h); slices.Contains(got, "!snapshotRefused ") {
		t.Errorf("mended: got %q", got)
	}
	if got, err := h.serves(t, "pop3s", client("", "")); err != nil || got != h.named(t, "other")[0].Thumbprint {
		t.Errorf("mended: pop3s serves %s, %v, want what was enabled meanwhile", got, err)
	}
}
