package desk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/peers"
)

// fallingBook puts lines into the book of servers, one of them revoked before for a reason of its own, and one that ended.
func fallingBook(t *testing.T, h *house, lines int) {
	t.Helper()
	h.certified(t, tester(), "first.example.com")
	h.exec(t, fmt.Sprintf(`INSERT INTO issuance (serial, authority_id, shard, profile, requester, subject, key_id, not_before, not_after, certificate, planned_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d), one AS (SELECT * FROM issuance)
		SELECT printf('40%%030x', i), authority_id, 1, profile, requester, subject, printf('%%064x', i), not_before, CASE WHEN i = 3 THEN not_before ELSE not_after END, certificate, planned_at + i FROM n, one`, lines-1))
	if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: fmt.Sprintf("40%030x", 7), Reason: "keyCompromise"}); err != nil {
		t.Fatal(err)
	}
}

// wantFallenBook says whether all of them are revoked, each once, and lists and the book agree.
func (h *house) wantFallenBook(t *testing.T, lines int) {
	t.Helper()
	for query, want := range map[string]int{
		`SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND reason = 0`:   lines - 2,
		`SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND reason = 1`:   1,
		`SELECT count(DISTINCT revocation) FROM issuance`:                             lines - 1,
		`SELECT count(*) FROM authority_revocation WHERE serial = ''`:                 0,
		`SELECT count(*) FROM authority_revocation`:                                   1,
		`SELECT count(*) FROM authority WHERE state = 'revoked' AND name = 'servers'`: 1,
	} {
		if got := h.count(t, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	for _, path := range []string{"/pki/servers.crl", "/pki/servers/1.crl"} {
		if n := len(h.crlSerials(t, path)); n != lines-1 {
			t.Errorf("%s has %d, want %d", path, n, lines-1)
		}
	}
	if n := len(h.crlSerials(t, "/pki/root.crl")); n != 1 {
		t.Errorf("the root's list has %d", n)
	}
}

// childFalls revokes the authority servers, one line at a time, and prints a word for each commit.
func childFalls(ctx context.Context, dir string) error {
	db, err := state.Open(ctx, state.Options{Dir: dir, Commit: func(commit func() error) error {
		defer fmt.Println("commit")
		return commit()
	}})
	if err != nil {
		return err
	}
	d, err := Open(ctx, Options{State: db, Sealing: filepath.Join(dir, "sealing-key"), below: 1})
	if err != nil {
		return err
	}
	_, err = d.RevokeAuthority(ctx, tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise"})
	return err
}

// TestKillWhileAnAuthorityFalls kills whoever revokes an authority, again and again: it issues nothing from the first commit
// on, nothing is revoked twice, whoever asks again goes on, and the server does so by itself.
func TestKillWhileAnAuthorityFalls(t *testing.T) {
	t.Parallel()
	lines, rounds := peers.Scale(60, 1000), peers.Scale(3, 12)
	h := authorityHouse(t)
	fallingBook(t, h, lines)
	dir := h.dir
	h.close(t)
	for round := range rounds {
		p := start(t, "fall", dir, "")
		for range 5 + round {
			if p.line(t) == "" {
				t.Fatal("the child has ended by itself")
			}
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait() // killed
	}
	h = openHouse(t, dir, newRuntime())
	if left := h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NULL`); left < 2 || left >= lines-1 {
		t.Errorf("%d are left: it was not killed in the middle", left)
	}
	if _, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "a.example.com")}); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("it issues: %v", err)
	}
	if change, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "superseded", Doing: Doing{DryRun: true}}); err != nil || len(change.Removed) != 1 {
		t.Errorf("the preview: %+v, %v", change, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.RunAuthority(ctx) }()
	for left := 1; left > 0; {
		left = h.count(t, `SELECT count(*) FROM authority_revocation WHERE serial = ''`)
	}
	cancel()
	<-done
	h.wantFallenBook(t, lines)
	if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "superseded"}); !errors.Is(err, state.ErrAuthorityRevoked) {
		t.Errorf("again: %v", err)
	}
}

// TestTwoFinishWhatFalls: the server goes on while whoever asked is still at it. Nothing is revoked twice.
func TestTwoFinishWhatFalls(t *testing.T) {
	t.Parallel()
	const lines = 60
	h := authorityHouse(t)
	fallingBook(t, h, lines)
	h.reopen(t, Options{State: h.db, Sealing: h.sealing, Health: h.health, Runtime: h.runtime, below: 2})
	done := make(chan error)
	for range 3 {
		go func() {
			_, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise"})
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil && !errors.Is(err, state.ErrAuthorityRevoked) {
			t.Error(err)
		}
	}
	h.wantFallenBook(t, lines)
}

// TestAFallThatFailsIsSeen: a full disk in the middle is a condition, and a minute later it is tried again.
func TestAFallThatFailsIsSeen(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		bubbleHouse(t, dir).close(t)
		h := openHouse(t, dir, newRuntime())
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		h.reopen(t, Options{State: h.db, Sealing: h.sealing, Health: h.health, Runtime: h.runtime, below: 2})
		for n := range 6 {
			certify(t, h, fmt.Sprintf("n%d.example.com", n))
		}
		h.fault.setAfter(faultRefused, 1)
		if _, err := h.RevokeAuthority(t.Context(), tester(), RevokeAuthorityRequest{Name: "servers", Reason: "superseded"}); !errors.Is(err, errFault) {
			t.Fatalf("got %v", err)
		}
		raised := func() bool {
			return slices.Contains(conditionsOf(t, h), "!authorityUntended revoked")
		}
		h.fault.set(faultRefused)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.RunAuthority(ctx) }()
		synctest.Wait()
		if !raised() {
			t.Error("nobody is told")
		}
		h.fault.set(faultNone)
		time.Sleep(time.Minute)
		synctest.Wait()
		if raised() {
			t.Error("it is said after it was done")
		}
		if n := h.count(t, `SELECT count(*) FROM issuance WHERE revoked_at IS NULL`); n != 0 {
			t.Errorf("%d are left", n)
		}
		cancel()
		<-done
	})
}

// TestAFallingAuthorityIsOnNoListOfItsOwn: the wish stands in the table of what was revoked, and on no list.
func TestAFallingAuthorityIsOnNoListOfItsOwn(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	h.store(t, func(tx *state.Tx) error { return tx.RevokeAuthority(a.ID, 2) })
	if all := h.revokedList(t, "/pki/servers.crl").RevokedCertificateEntries; len(all) != 0 {
		t.Errorf("it names %v", all)
	}
	if all, err := h.fallen(t.Context(), a.ID); err != nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}
}
