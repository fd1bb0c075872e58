package admin

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// tester is who acts in tests.
func tester() state.Actor { return state.Actor{Who: "tester", From: "test"} }

// running is a server that runs and has opened nothing.
type running struct{ desk.Stopped }

func (running) Running() bool                        { return true }
func (running) CanOpen(string, netip.AddrPort) error { return nil }

// organisation is a desk over a new organisation.
type organisation struct{ *desk.Desk }

// newOrganisation sets up mail1.example.com as a trial, running. It costs an RSA key or two, so tests that only look
// share one.
func newOrganisation(t *testing.T, runtime running) organisation {
	t.Helper()
	dir := t.TempDir()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	o := desk.SetupOptions{Organisation: "Example", Domains: []string{"example.com"}, Host: "mail1.example.com", Trial: true,
		Mode: desk.ModeFront, Sealing: filepath.Join(dir, "sealing-key")}
	if err := desk.Setup(t.Context(), db, o, tester()); err != nil {
		t.Fatal(err)
	}
	d, err := desk.Open(t.Context(), desk.Options{State: db, Sealing: o.Sealing, Runtime: runtime, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return organisation{d}
}

// testLog logs into the test.
func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// makeCertificate makes a certificate of days and lets it take over services.
func (o organisation) makeCertificate(t *testing.T, name string, days int, services string) {
	t.Helper()
	if _, err := o.New(t.Context(), tester(), desk.NewRequest{Name: name, Domains: []string{"mail.example.com", "mail1.example.com", "*.example.com"},
		Kinds: []string{"ecdsa-p256"}, Days: days, Services: services}); err != nil {
		t.Fatal(err)
	}
}
