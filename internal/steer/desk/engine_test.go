package desk

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// TestTheDefaultsRenewByThemselves runs a server's renewal engine for six years.
func TestTheDefaultsRenewByThemselves(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		sealing := filepath.Join(dir, "sealing-key")
		if err := Setup(t.Context(), db, SetupOptions{Domains: []string{"example.com"}, Host: "mail1.example.com", Mode: ModeFront, Sealing: sealing}, tester()); err != nil {
			t.Fatal(err)
		}
		d, err := Open(t.Context(), Options{State: db, Sealing: sealing, Runtime: &running{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := serving(t, d, "imaps")
		for year := range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 365*24*time.Hour)
			d.RunRenewals(ctx, slog.New(slog.DiscardHandler))
			cancel()
			s, err := d.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range s.Certificates {
				if c.Status != x509cert.StatusValid {
					t.Errorf("after year %d %s is %s", year+1, c.Name, c.Status)
				}
			}
		}
		list, err := d.Certificates(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		count := func(name, state string) (n int) {
			for _, c := range list {
				if c.Name == name && c.State == state {
					n++
				}
			}
			return n
		}
		for _, name := range []string{NameInternal, NameAuth} {
			members := map[string]int{NameInternal: 2, NameAuth: 1}[name]
			// The first generation, of five years, has come to its end in the sixth.
			if current, retired := count(name, state.StateCurrent), count(name, state.StateRetired); current != members || retired != members {
				t.Errorf("%s: %d current and %d retired members, want %d of each", name, current, retired, members)
			}
		}
		if got := count(NameManagement, state.StateCurrent) + count(NameManagement, state.StatePrevious); got != 1 {
			t.Errorf("the management certificate lives ten years, and there are %d", got)
		}
		if after := serving(t, d, "imaps"); after == before {
			t.Error("imaps still serves the first generation")
		}
	})
}

// serving is the thumbprint of what a listener serves by default.
func serving(t *testing.T, d *Desk, listener string) string {
	t.Helper()
	s, ok := d.Ring().Served(listener)
	if !ok {
		t.Fatalf("%s serves nothing", listener)
	}
	return s.Members[0].Thumbprint
}

// running is a runtime that runs and opens nothing.
type running struct{ Stopped }

func (*running) Running() bool { return true }
