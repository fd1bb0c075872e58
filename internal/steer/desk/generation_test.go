package desk

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// runEngine runs the renewal engine for a time; it runs in a bubble.
func runEngine(t *testing.T, h *house, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	h.RunRenewals(ctx, slog.New(slog.DiscardHandler))
}

// statesOf returns the generations of a lineage as "2 current, 1 previous".
func statesOf(t *testing.T, h *house, lineage string) string {
	t.Helper()
	l, err := h.Lineage(t.Context(), lineage)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, g := range l.Generations {
		states = append(states, string(rune('0'+g.Generation))+" "+g.State)
	}
	return strings.Join(states, ", ")
}

func TestRenewKeepsTheKeyWhenAsked(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "mail", Domains: []string{"mail1.example.com"}, Services: "IMAP"})
	keyOf := func(state string) string {
		t.Helper()
		list, err := h.Certificates(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(c Certificate) bool { return c.Lineage == "mail" && c.State == state })
		d, err := h.Certificate(t.Context(), list[i].Thumbprint)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509cert.ParseCertificate(pemBytes(t, d.PEM))
		if err != nil {
			t.Fatal(err)
		}
		return string(cert.RawSubjectPublicKeyInfo)
	}
	first := keyOf(state.StateCurrent)
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "mail", KeepKey: true}); err != nil {
		t.Fatal(err)
	}
	if keyOf(state.StateCurrent) != first {
		t.Error("--keep-key made another key")
	}
	if _, err := h.SetLineage(t.Context(), tester(), LineageRequest{Lineage: "mail", KeyAtRenewal: "keep"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "mail"}); err != nil {
		t.Fatal(err)
	}
	if keyOf(state.StateCurrent) != first {
		t.Error("a lineage that keeps its key got another")
	}
	// The kept key is that of three certificates: what a thief of an old one could do is what he could with this.
	for _, c := range h.named(t, "mail") {
		d, err := h.Certificate(t.Context(), c.Thumbprint)
		if err != nil || !strings.Contains(strings.Join(d.Thief, "\n"), "imaps") {
			t.Errorf("generation %d: a thief: got %q, %v", c.Generation, d.Thief, err)
		}
	}
	// The key stays as long as one of them does.
	old := h.named(t, "mail")
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: old[len(old)-1].Thumbprint}); err != nil {
		t.Fatal(err)
	}
	if err := h.Settle(t.Context()); err != nil {
		t.Errorf("after removing an old certificate of the same key: %v", err)
	}
}

func TestRollbackIsNotUndoneByTheEngine(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		time.Sleep(4 * 365 * 24 * time.Hour)
		runEngine(t, h, time.Hour)
		if got := statesOf(t, h, internalLineage); got != "2 current, 1 previous" {
			t.Fatalf("renewed: got %s", got)
		}
		if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: internalLineage}); err != nil {
			t.Fatal(err)
		}
		runEngine(t, h, 30*24*time.Hour)
		if got := statesOf(t, h, internalLineage); got != "2 next, 1 current" {
			t.Errorf("a month after the roll-back: got %s", got)
		}
		if got := conditionsOf(t, h); !slices.Contains(got, "!renewalWaiting "+internalLineage) {
			t.Errorf("nobody is told that a generation waits: %q", got)
		}
		if _, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: internalLineage}); err != nil {
			t.Fatal(err)
		}
		if got := statesOf(t, h, internalLineage); got != "2 current, 1 previous" {
			t.Errorf("activated: got %s", got)
		}
		h.close(t)
	})
}

func TestADefaultThatWantsApprovalIsMadeInTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		if _, err := h.SetLineage(t.Context(), tester(), LineageRequest{Lineage: internalLineage, Activation: "approve"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * 365 * 24 * time.Hour)
		runEngine(t, h, 24*time.Hour)
		if got := statesOf(t, h, internalLineage); got != "2 next, 1 current" {
			t.Errorf("got %s, want a next generation that waits", got)
		}
		if got := conditionsOf(t, h); !slices.Contains(got, "!renewalWaiting "+internalLineage) {
			t.Errorf("nobody is told: %q", got)
		}
		h.close(t)
	})
}

func TestAFailedRenewalIsAConditionUntilItIsDone(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.health.Raise(health.Condition{Code: health.CodeRenewalFailed, Severity: health.Attention, Object: internalLineage, Text: "no"})
	if got := conditionsOf(t, h); !slices.Contains(got, "!renewalFailed "+internalLineage) {
		t.Fatalf("got %q", got)
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: internalLineage}); err != nil {
		t.Fatal(err)
	}
	if got := conditionsOf(t, h); slices.Contains(got, "!renewalFailed "+internalLineage) {
		t.Errorf("renewed by hand, and the condition stays: %q", got)
	}
}

func TestALineageNameMeansTheGenerationInForce(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: managementLineage, NoActivate: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage}); err != nil {
		t.Fatal(err)
	}
	h.make(t, NewRequest{Lineage: "spare", Domains: []string{"mail1.example.com"}})
	if got := statesOf(t, h, managementLineage); got != "2 next" {
		t.Fatalf("got %s", got)
	}
	if _, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: managementLineage}); err != nil {
		t.Errorf("activating what waits by the name of its lineage: %v", err)
	}
}

func TestActivateAndRollbackRefuse(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: "auth"}); !errors.Is(err, ErrNoPrevious) {
		t.Errorf("no previous generation: got %v", err)
	}
	if _, err := h.Rollback(t.Context(), tester(), RollbackRequest{Lineage: "nobody"}); err == nil {
		t.Error("an unknown lineage was rolled back")
	}
	c, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: "auth"})
	if err != nil || len(c.Warnings) != 1 {
		t.Errorf("activating what is in force: got %+v, %v", c, err)
	}
	asked, err := h.Ask(t.Context(), tester(), AskRequest{Name: "Mail", Domains: []string{"mail.example.com"}, Lineage: "asked"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Activate(t.Context(), tester(), ActivateRequest{ID: asked.Requests[0].Thumbprint}); !errors.Is(err, ErrPending) {
		t.Errorf("activating a request: got %v", err)
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: asked.Requests[0].Thumbprint}); err == nil {
		t.Error("a pending request was renewed")
	}
}
