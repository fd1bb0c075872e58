package pages

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"testing"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// tester is who acts in tests.
func tester() state.Actor { return state.Actor{Who: "tester", From: "test"} }

// running is a server whose listeners are all open, but for those in closed, and have a session each.
type running struct {
	desk.Stopped
	closed map[string]bool
	trial  bool
	at     map[string]netip.AddrPort // where a listener is, if not where it is stored
}

func (r running) Address(name string, stored netip.AddrPort) netip.AddrPort {
	if at, ok := r.at[name]; ok {
		return at
	}
	return stored
}

func (running) Running() bool                        { return true }
func (r running) Trial() bool                        { return r.trial }
func (running) CanOpen(string, netip.AddrPort) error { return nil }

func (r running) Sessions(name string) (int64, bool) {
	if r.closed[name] {
		return 0, false
	}
	return int64(len(name)), true
}

func (running) Backend(name string) string {
	switch k, _ := listener.ByName(name); {
	case name == listener.HTTP:
		return "redirect to https"
	case k.Protocol == "http":
		return "own pages"
	}
	return "trial mailbox"
}

// organisation is a desk over a new organisation.
type organisation struct {
	*desk.Desk
	health *health.Set
}

// newOrganisation sets up mail1.example.com as a trial, running. It costs an RSA key or two, so tests that only look
// share one.
func newOrganisation(t testing.TB, runtime running) organisation {
	t.Helper()
	return newOrganisationTold(t, runtime, desk.Noticing{})
}

// newOrganisationTold is one that tells somebody.
func newOrganisationTold(t testing.TB, runtime running, notices desk.Noticing) organisation {
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
	set := new(health.Set)
	d, err := desk.Open(t.Context(), desk.Options{State: db, Sealing: o.Sealing, Runtime: runtime, Health: set, Log: testLog(t), Notices: notices})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return organisation{d, set}
}

// testLog logs into the test.
func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// link makes a sign-in link's token.
func (o organisation) link(t *testing.T) string {
	t.Helper()
	link, err := o.NewLink(context.WithoutCancel(t.Context()), tester())
	if err != nil {
		t.Fatal(err)
	}
	return link.Token
}

// makeCertificate makes a certificate of days and lets it take over services.
func (o organisation) makeCertificate(t *testing.T, name string, days int, services string) {
	t.Helper()
	if _, err := o.New(t.Context(), tester(), desk.NewRequest{Name: name, Domains: []string{"mail.example.com", "mail1.example.com", "*.example.com"},
		Kinds: []string{"ecdsa-p256"}, Days: days, Services: services}); err != nil {
		t.Fatal(err)
	}
}

// withoutTags is the text of a page as it is read, the words of a command beside each other.
func withoutTags(page string) string { return regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, "") }
