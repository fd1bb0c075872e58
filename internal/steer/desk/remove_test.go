package desk

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/state"
)

// TestRemovalIsRefusedByEachUse removes a certificate in each use, and after that what is said to help.
func TestRemovalIsRefusedByEachUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		use      func(h *house) error
		says     string
		services string
		role     string
		free     func(h *house) error
	}{
		"default": {
			func(h *house) error {
				_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "one", Services: "IMAP"})
				return err
			},
			"default of imap (IMAP), default of imaps (IMAP)", "IMAP", "",
			func(h *house) error {
				_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: internalLineage, Services: "IMAP"})
				return err
			},
		},
		"one listener": {
			func(h *house) error {
				_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "one", Services: "SMTP", Listeners: []string{"smtp"}})
				return err
			},
			"default of smtp (SMTP)", "SMTP", "",
			func(h *house) error {
				_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: internalLineage, Services: "SMTP"})
				return err
			},
		},
		"name": {
			func(h *house) error {
				_, err := h.Enable(t.Context(), tester(), EnableRequest{ID: "one", Services: "HTTP", ByName: true})
				return err
			},
			"name of https (HTTP)", "", "",
			func(h *house) error {
				_, err := h.Disable(t.Context(), tester(), DisableRequest{ID: "one", Listener: "https"})
				return err
			},
		},
		"internal": {
			func(h *house) error {
				_, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "one"})
				return err
			},
			"the internal certificate of mail1.example.com", "", RoleInternal,
			func(h *house) error {
				_, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: internalLineage})
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := runningHouse(t)
			h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
			if err := c.use(h); err != nil {
				t.Fatal(err)
			}
			before := h.picture(t)
			for _, r := range []RemoveRequest{{ID: "one"}, {ID: "one", All: true}, {ID: h.named(t, "one")[0].Thumbprint}, {ID: "one", Doing: Doing{DryRun: true}}} {
				_, err := h.Remove(t.Context(), tester(), r)
				e, ok := err.(*InUseError)
				if !ok || strings.Join(e.By, ", ") != c.says || e.Services != c.services || e.Role != c.role || e.Lineage != "one" || !strings.Contains(e.Error(), "one") {
					t.Errorf("%+v: got %v", r, err)
				}
			}
			if !h.picture(t).equal(before) {
				t.Error("a refused removal changed something")
			}
			if err := c.free(h); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "one"}); err != nil {
				t.Errorf("freed: %v", err)
			}
			h.wantServed(t)
		})
	}
}

// TestAPairGoesAsOne removes one member by its thumbprint.
func TestAPairGoesAsOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	secrets := h.count(t, `SELECT count(*) FROM secret`)
	h.make(t, NewRequest{Lineage: "pair", Domains: []string{"pair.example.com"}, Kinds: []string{"ecdsa-p256", "ed25519"}})
	pair := h.named(t, "pair")
	c, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: pair[1].Thumbprint[:12]})
	if err != nil || len(c.Removed) != 2 || !c.Replaces || c.Undo != "" || len(c.Warnings) != 0 {
		t.Errorf("got %+v, %v, want both members gone", c, err)
	}
	for i, m := range pair {
		if !strings.Contains(c.Removed[i], m.Thumbprint) {
			t.Errorf("got %q, want %s named", c.Removed, m.Thumbprint)
		}
	}
	if got := h.count(t, `SELECT count(*) FROM secret`); got != secrets || len(h.named(t, "pair")) != 0 {
		t.Errorf("got %d secrets, want %d", got, secrets)
	}
	if _, err := h.Lineage(t.Context(), "pair"); !is[*UnknownLineageError](err) {
		t.Errorf("the lineage: got %v", err)
	}
}

// TestRemoveGenerations removes the generations of a lineage one by one, and all at once; keys that are
// kept go with the last that has them.
func TestRemoveGenerations(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	secrets := h.count(t, `SELECT count(*) FROM secret`)
	renewed := func(keep bool) {
		h.make(t, NewRequest{Lineage: "line", Domains: []string{"line.example.com"}})
		for range 2 {
			if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "line", KeepKey: keep}); err != nil {
				t.Fatal(err)
			}
		}
	}
	renewed(true)
	for n := range 3 {
		list := h.named(t, "line")
		if got := h.count(t, `SELECT count(*) FROM secret`); len(list) != 3-n || got != secrets+1 {
			t.Errorf("got %d generations and %d secrets, want %d and %d", len(list), got, 3-n, secrets+1)
		}
		oldest := list[len(list)-1]
		if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: oldest.Thumbprint}); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.count(t, `SELECT count(*) FROM secret`); got != secrets {
		t.Errorf("got %d secrets, want %d", got, secrets)
	}
	renewed(false)
	if c, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "line", All: true}); err != nil || len(c.Removed) != 3 {
		t.Errorf("all: got %+v, %v", c, err)
	}
	if got := h.count(t, `SELECT count(*) FROM secret`); got != secrets || len(h.named(t, "line")) != 0 {
		t.Errorf("got %d secrets, want %d", got, secrets)
	}
}

// TestRemoveManagement: its listener closes at once, status names the mending, the rest goes on.
func TestRemoveManagement(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	served := h.shown(t)
	c, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: managementLineage})
	if err != nil || len(c.Warnings) != 1 || len(c.Removed) != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	if got := h.runtime.opened(); len(got) != 9 || slices.Contains(got, "management") {
		t.Errorf("open: got %v, want all but management", got)
	}
	for i, got := range h.shown(t) {
		if want := served[i]; got != want && !strings.HasPrefix(want, "management ") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if _, err := h.Explain(t.Context(), ExplainRequest{Listener: "management"}); err == nil {
		t.Error("explain has something to say of management")
	}
	h.make(t, NewRequest{Lineage: "new", Domains: []string{"mail1.example.com"}, Services: "MANAGEMENT"})
	if got := h.runtime.opened(); !slices.Contains(got, "management") {
		t.Errorf("open: got %v, want management too", got)
	}
	if p := h.picture(t); p.Default["management"] != "new" {
		t.Errorf("got %+v", p)
	}
	if v, err := h.view(t.Context()); err != nil || v.role("management", v.lineages[v.byName["new"]].ID) != state.RoleDefault {
		t.Errorf("got %v", err)
	}
}
