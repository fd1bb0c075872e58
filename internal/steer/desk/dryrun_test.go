package desk

import (
	"errors"
	"slices"
	"testing"

	"postseal/internal/ground/state"
)

// TestADryRunChangesNothing also says what the act itself then says.
func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
	h.enable(t, EnableRequest{ID: "one", Services: "HTTP", ByName: true})
	before, rows, seq, secrets := h.picture(t), len(h.audit(t)), h.db.Seq(), h.count(t, `SELECT count(*) FROM secret`)
	for name, act := range map[string]func(Doing) (*Change, error){
		"enable": func(d Doing) (*Change, error) {
			return h.Enable(t.Context(), tester(), EnableRequest{d, "one", "IMAP", nil, false})
		},
		"by name": func(d Doing) (*Change, error) {
			return h.Enable(t.Context(), tester(), EnableRequest{d, "one", "IMAP", nil, true})
		},
		"disable": func(d Doing) (*Change, error) {
			return h.Disable(t.Context(), tester(), DisableRequest{d, "one", "https"})
		},
		"set-internal": func(d Doing) (*Change, error) { return h.SetInternal(t.Context(), tester(), InternalRequest{d, "one"}) },
		"listener": func(d Doing) (*Change, error) {
			return h.SetListener(t.Context(), tester(), ListenerRequest{d, "pop3", false})
		},
		"remove": func(d Doing) (*Change, error) {
			return h.Remove(t.Context(), tester(), RemoveRequest{d, managementLineage, false})
		},
		"new": func(d Doing) (*Change, error) {
			return h.New(t.Context(), tester(), NewRequest{Doing: d, Name: "N", Kinds: []string{"ed25519"}, Services: "POP"})
		},
		"renew": func(d Doing) (*Change, error) {
			return h.Renew(t.Context(), tester(), RenewRequest{Doing: d, ID: "one"})
		},
	} {
		preview, err := act(Doing{DryRun: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if preview.Seq != seq {
			t.Errorf("%s: sequence %d, want %d", name, preview.Seq, seq)
		}
		if got := h.count(t, `SELECT count(*) FROM secret`); !h.picture(t).equal(before) || len(h.audit(t)) != rows || h.db.Seq() != seq || got != secrets {
			t.Errorf("%s: a dry run changed something", name)
		}
		if name == "enable" {
			done, err := act(Doing{IfSeq: preview.Seq})
			if err != nil || !slices.EqualFunc(done.Moves, preview.Moves, func(a, b Move) bool { return a.Listener == b.Listener && *a.From == *b.From && *a.To == *b.To }) || done.Undo != preview.Undo {
				t.Errorf("%s: got %+v, %v, shown was %+v", name, done, err, preview)
			}
			if err := h.run(t, done.Undo); err != nil {
				t.Fatal(err)
			}
			if _, err := act(Doing{IfSeq: preview.Seq}); !errors.Is(err, state.ErrStale) {
				t.Errorf("%s at an old sequence: got %v, want %v", name, err, state.ErrStale)
			}
			before, rows, seq = h.picture(t), len(h.audit(t)), h.db.Seq()
		}
	}
}
