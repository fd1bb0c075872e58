package desk

import (
	"math/rand/v2"
	"strings"
	"testing"

	"postseal/internal/ground/listener"
)

// TestUndoRestores does random acts, each followed by the command that it says undoes it, and compares
// what is bound to what.
func TestUndoRestores(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ids := []string{internalLineage, managementLineage, "one", "two", "three"}
	for _, id := range ids[2:] {
		h.make(t, NewRequest{Lineage: id, Domains: []string{id + ".example.com"}})
	}
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	undone := 0
	for n := range 100 {
		before := h.picture(t)
		c, what, err := randomAct(t, h, pick, r)
		if err != nil {
			if after := h.picture(t); !after.equal(before) {
				t.Fatalf("seed %d, act %d, %s was refused (%v) and changed %+v to %+v", seed, n, what, err, before, after)
			}
			continue
		}
		if c.Undo == "" {
			if after := h.picture(t); !after.equal(before) {
				t.Fatalf("seed %d, act %d, %s: changed %+v to %+v and names no undo", seed, n, what, before, after)
			}
			continue
		}
		if r.IntN(3) == 0 {
			continue // let it be, so that the next act meets another state
		}
		if err := h.run(t, c.Undo); err != nil {
			t.Fatalf("seed %d, act %d, %s, then %q: %v", seed, n, what, c.Undo, err)
		}
		if after := h.picture(t); !after.equal(before) {
			t.Fatalf("seed %d, act %d, %s, then %q:\ngot  %+v\nwant %+v", seed, n, what, c.Undo, after, before)
		}
		undone++
	}
	if undone < 25 {
		t.Errorf("only %d acts were undone", undone)
	}
	h.wantServed(t)
}

// randomAct does an act that can be undone.
func randomAct(t *testing.T, h *house, pick func([]string) string, r *rand.Rand) (*Change, string, error) {
	ids := []string{internalLineage, managementLineage, "one", "two", "three"}
	id := pick(ids)
	var services []string
	for _, s := range listener.Services() {
		if r.IntN(2) == 0 {
			services = append(services, string(s))
		}
	}
	list := strings.Join(services, ",")
	var only []string
	if names, err := listenersOf(list, nil); err == nil && r.IntN(2) == 0 {
		for _, name := range names {
			if r.IntN(2) == 0 {
				only = append(only, name)
			}
		}
	}
	switch r.IntN(8) {
	case 0, 1, 2:
		c, err := h.Enable(t.Context(), tester(), EnableRequest{Doing{}, id, list, only, false})
		return c, "enable " + id + " " + list + " " + strings.Join(only, " "), err
	case 3, 4:
		c, err := h.Enable(t.Context(), tester(), EnableRequest{Doing{}, id, list, only, true})
		return c, "enable by name " + id + " " + list + " " + strings.Join(only, " "), err
	case 5:
		at := pick(listener.Names())
		c, err := h.Disable(t.Context(), tester(), DisableRequest{Doing{}, id, at})
		return c, "disable " + id + " " + at, err
	case 6:
		c, err := h.SetInternal(t.Context(), tester(), InternalRequest{Doing{}, id})
		return c, "set-internal " + id, err
	}
	if r.IntN(2) == 0 {
		at := pick(listener.Names())
		c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Doing{}, at, r.IntN(2) == 0})
		return c, "listener " + at, err
	}
	c, err := h.New(t.Context(), tester(), NewRequest{Name: "New", Kinds: []string{"ed25519"}, Domains: []string{pick(ids) + ".test"}, Services: list})
	return c, "new " + list, err
}

// run runs commands as an undo line names them.
func (h *house) run(t *testing.T, line string) error {
	t.Helper()
	for command := range strings.SplitSeq(line, " && ") {
		words := strings.Fields(command)
		if len(words) < 4 || words[0] != "postseal" {
			t.Fatalf("no command: %q", command)
		}
		act, id, flags := words[1]+" "+words[2], words[3], words[4:]
		services, listeners, byName := "", []string(nil), false
		for i := 0; i < len(flags); i++ {
			switch flags[i] {
			case "--services":
				i++
				services = flags[i]
			case "--listener":
				i++
				listeners = append(listeners, flags[i])
			case "--sni-only":
				byName = true
			default:
				t.Fatalf("unknown flag in %q", command)
			}
		}
		var err error
		switch act {
		case "cert enable":
			_, err = h.Enable(t.Context(), tester(), EnableRequest{ID: id, Services: services, Listeners: listeners, ByName: byName})
		case "cert disable":
			_, err = h.Disable(t.Context(), tester(), DisableRequest{ID: id, Listener: listeners[0]})
		case "cert set-internal":
			_, err = h.SetInternal(t.Context(), tester(), InternalRequest{ID: id})
		case "cert remove":
			_, err = h.Remove(t.Context(), tester(), RemoveRequest{ID: id})
		case "listener enable", "listener disable":
			_, err = h.SetListener(t.Context(), tester(), ListenerRequest{Listener: id, Enabled: act == "listener enable"})
		default:
			t.Fatalf("unknown command: %q", command)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
