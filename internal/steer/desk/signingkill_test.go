package desk

import (
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/peers"
)

// childRollsOver gives the authority of the servers one successor after another, and prints the name of each.
func childRollsOver(ctx context.Context, dir string) error {
	db, err := state.Open(ctx, state.Options{Dir: dir})
	if err != nil {
		return err
	}
	d, err := Open(ctx, Options{State: db, Sealing: filepath.Join(dir, "sealing-key"), Runtime: newRuntime()})
	if err != nil {
		return err
	}
	for {
		name, err := activeServers(ctx, d)
		if err != nil {
			return err
		}
		if _, err := d.Rollover(ctx, tester(), RolloverRequest{Name: name}); err != nil {
			return err
		}
		fmt.Println(name)
	}
}

// activeServers is the one authority that issues for servers.
func activeServers(ctx context.Context, d *Desk) (string, error) {
	all, _, err := d.authorities(ctx)
	if err != nil {
		return "", err
	}
	name := ""
	for _, a := range all {
		if a.Purpose == string(ca.PurposeServers) && a.State == state.AuthorityActive {
			if name != "" {
				return "", fmt.Errorf("%s and %s are both in force", name, a.Name)
			}
			name = a.Name
		}
	}
	if name == "" {
		return "", ErrNoAuthority
	}
	return name, nil
}

// TestKillWhileSigningAuthorities kills a server that signs authorities, again and again: each that is there was written
// down before it was signed, what was written down and not signed was given to nobody, and one issues, always.
func TestKillWhileSigningAuthorities(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(*SetupOptions) {})
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	dir := h.dir
	h.close(t)
	rounds := peers.Scale(3, 30)
	for round := range rounds {
		p := start(t, "roll over", dir, "")
		for range 3 + round%4 {
			if p.line(t) == "" {
				t.Fatal("the child has ended by itself")
			}
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for p.lines.Scan() {
			// what it had printed before it died
		}
		p.cmd.Wait() // killed
	}
	next := openHouse(t, dir, nil)
	if _, err := activeServers(t.Context(), next.Desk); err != nil {
		t.Error(err)
	}
	next.certified(t, tester(), "a.example.com")
	all, _, err := next.authorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var plans []state.AuthorityPlan
	if err := next.db.View(t.Context(), func(tx *state.Tx) (err error) {
		plans, err = tx.AuthorityPlans()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	recorded, unfinished := map[string]string{}, 0
	for _, p := range plans {
		if p.Certificate == nil {
			unfinished++
			continue
		}
		recorded[p.Serial] = string(p.Certificate)
	}
	for _, a := range all {
		cert, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		serial := ca.SerialText(cert.SerialNumber)
		if recorded[serial] != string(a.Certificate) {
			t.Errorf("%s was signed and not written down", a.Name)
		}
		delete(recorded, serial)
	}
	if len(recorded) > 0 {
		t.Errorf("%d certificates are recorded and no authority's", len(recorded))
	}
	if unfinished > rounds {
		t.Errorf("%d plans are unfinished after %d kills", unfinished, rounds)
	}
	t.Logf("%d authorities, killed %d times, %d plans without a certificate", len(all), rounds, unfinished)
}
