package desk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/ground/listener"
)

// TestKillSetupAtEachStep ends a setup between any two of its effects.
func TestKillSetupAtEachStep(t *testing.T) {
	t.Parallel()
	for step, stored := range map[string]bool{
		stepWrite: false, stepWritten: false, stepCommit: false, stepCommitted: true, stepMove: true, stepMoved: true,
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if got := start(t, "setup", dir, step).drain(t); !slices.Equal(got, []string{"begin"}) {
				t.Fatalf("the child printed %q, it should have ended %s", got, step)
			}
			if got := whole(t, dir) != nil; got != stored {
				t.Errorf("got an organisation %v, want %v", got, stored)
			}
			if step == stepCommit {
				wantSetupSucceeds(t, dir)
			}
		})
	}
}

// TestSetupOnAFullDisk: whichever write finds no room, there is nothing after it, or everything.
func TestSetupOnAFullDisk(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refused, done := 0, 0
	t.Run("limits", func(t *testing.T) {
		for _, kib := range []int{1, 64, 160, 224, 1024} {
			t.Run(strconv.Itoa(kib), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				p := start(t, "setup", dir, stepFull+strconv.Itoa(kib))
				var lines []string
				for p.lines.Scan() {
					lines = append(lines, p.lines.Text())
				}
				p.cmd.Wait() // it fails, mostly
				last := strings.Join(lines, "\n")
				ok := strings.HasSuffix(last, "set up")
				if h := whole(t, dir); h == nil == ok {
					t.Errorf("the child printed %q, there is an organisation: %v", last, h != nil)
				} else if kib == 224 && h == nil {
					wantSetupSucceeds(t, dir)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					done++
				} else {
					refused++
				}
			})
		}
	})
	if refused < 3 || done == 0 {
		t.Errorf("%d setups were refused and %d done: the limits are not where they hurt", refused, done)
	}
}

// TestKillSetup ends a setup at any moment.
func TestKillSetup(t *testing.T) {
	t.Parallel()
	for round := range 8 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := start(t, "setup", dir, "")
			if got := p.line(t); got != "begin" {
				t.Fatalf("the child printed %q", got)
			}
			// A setup takes about as long as making two RSA keys, which nobody can foretell.
			defer time.AfterFunc(rand.N(400*time.Millisecond), func() { p.cmd.Process.Kill() }).Stop()
			done := slices.Contains(p.drain(t), "set up")
			if h := whole(t, dir); h == nil && done {
				t.Error("set up, and there is no organisation")
			}
		})
	}
}

// TestKillChanges ends a process in the middle of its changes: each is there whole or not at all, and what
// was answered is there.
func TestKillChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
	dir := h.dir
	h.close(t)
	for round := range 24 {
		p := start(t, "change", dir, "")
		first := p.line(t) // it has begun
		timer := time.AfterFunc(rand.N(40*time.Millisecond), func() { p.cmd.Process.Kill() })
		lines := append([]string{first}, p.drain(t)...)
		timer.Stop()
		answered, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			t.Fatalf("round %d: the child printed %q", round, lines)
		}
		h := whole(t, dir)
		if h == nil {
			t.Fatalf("round %d: the organisation is gone", round)
		}
		if got := h.db.Seq(); got < answered || got > answered+1 {
			t.Errorf("round %d: the state is at %d, %d was answered", round, got, answered)
		}
		h.wantUniform(t, fmt.Sprintf("round %d", round))
		// Tidy up what the child would have, so that the next one begins as this did.
		h.enable(t, EnableRequest{ID: "one", Services: "SMTP"})
		if strings.Contains(h.picture(t).Lineages, "two ") {
			if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "two"}); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
		h.close(t)
	}
}

// wantUniform checks that the listeners of a service, which every act of the child changes together, have
// one default.
func (h *house) wantUniform(t *testing.T, when string) {
	t.Helper()
	p := h.picture(t)
	for _, group := range [][]listener.Service{{listener.ServiceIMAP, listener.ServicePOP}, {listener.ServiceSMTP}} {
		found := map[string]bool{}
		for _, s := range group {
			for _, name := range s.Listeners() {
				found[p.Default[name]] = true
			}
		}
		if len(found) != 1 {
			t.Errorf("%s: the defaults of %v are %v, want one", when, group, found)
		}
	}
}
