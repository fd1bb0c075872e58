package state

import (
	"errors"
	"testing"
	"time"
)

func TestAnchorsAndDistrust(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	after := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	update := func(f func(tx *Tx) error) error {
		_, err := db.Update(t.Context(), Actor{Who: "tester"}, func(tx *Tx) error {
			tx.ActFor("s")
			if err := f(tx); err != nil {
				return err
			}
			return tx.Audit("test", "trust", nil, nil)
		})
		return err
	}
	if err := update(func(tx *Tx) error {
		a := Anchor{SHA256: "aa", Certificate: []byte{1}, Origin: AnchorAdded}
		return errors.Join(tx.AddAnchor(a), tx.AddAnchor(a), tx.AddDistrust(Distrust{ID: "spki bb", Kind: DistrustSPKI, Value: "bb"}),
			tx.AddDistrust(Distrust{ID: "issuer CN=x", Kind: DistrustIssuer, Value: "CN=x"}), tx.AddDistrust(Distrust{ID: "issuer CN=x", Kind: DistrustIssuer, Value: "CN=x", After: after}))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(tx *Tx) error {
		anchors, err := tx.Anchors()
		if err != nil || len(anchors) != 1 || anchors[0].Origin != AnchorAdded || len(anchors[0].Certificate) != 1 {
			t.Errorf("anchors: got %+v, %v", anchors, err)
		}
		list, err := tx.Distrusts()
		if err != nil || len(list) != 2 || !list[0].After.Equal(after) || !list[1].After.IsZero() {
			t.Errorf("distrust: got %+v, %v", list, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(tx *Tx) error{
		"anchor":   func(tx *Tx) error { return tx.RemoveAnchor("cc") },
		"distrust": func(tx *Tx) error { return tx.RemoveDistrust("spki cc") },
	} {
		if err := update(f); !errors.Is(err, ErrNotFound) {
			t.Errorf("removing an unknown %s: got %v, want ErrNotFound", name, err)
		}
	}
	if err := update(func(tx *Tx) error { return errors.Join(tx.RemoveAnchor("aa"), tx.RemoveDistrust("spki bb")) }); err != nil {
		t.Error(err)
	}
}

func TestGenerationsMove(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	member := func(thumbprint string) []Member {
		return []Member{{Algorithm: "ECDSA", Thumbprint: thumbprint, Certificate: []byte{1}}}
	}
	l := Lineage{ID: "l", Name: "mail", Origin: OriginNew, Activation: "auto", KeyAtRenewal: "new", Generations: []Generation{{ID: "1", Number: 1, State: StateCurrent, Members: member("A")}}}
	look := func() string {
		t.Helper()
		states := ""
		if err := db.View(t.Context(), func(tx *Tx) error {
			all, err := tx.Lineages()
			if err != nil {
				return err
			}
			l = all[0]
			for _, g := range l.Generations {
				states += g.ID + " " + g.State + ", "
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return states
	}
	for _, step := range []struct {
		name string
		do   func(tx *Tx) error
		want string
	}{
		{"the first", func(tx *Tx) error { return tx.AddLineage(l) }, "1 current, "},
		{"a next one", func(tx *Tx) error {
			return tx.AddGeneration(l, Generation{ID: "2", Number: 2, State: StateNext, Members: member("B")})
		}, "2 next, 1 current, "},
		{"another next one retires it", func(tx *Tx) error {
			return tx.AddGeneration(l, Generation{ID: "3", Number: 3, State: StateNext, Members: member("C")})
		}, "3 next, 2 retired, 1 current, "},
		{"activate", func(tx *Tx) error { return tx.Activate(l, l.Generations[0]) }, "3 current, 2 retired, 1 previous, "},
		{"roll back", func(tx *Tx) error { return tx.Rollback(l, l.Generations[2]) }, "3 next, 2 retired, 1 current, "},
		{"activate again", func(tx *Tx) error { return tx.Activate(l, l.Generations[0]) }, "3 current, 2 retired, 1 previous, "},
		{"and another", func(tx *Tx) error {
			g := Generation{ID: "4", Number: l.NextNumber(), State: StateNext, Members: member("D")}
			return errors.Join(tx.AddGeneration(l, g), tx.Activate(l, g))
		}, "4 current, 3 previous, 2 retired, 1 retired, "},
		{"a request", func(tx *Tx) error {
			return tx.AddGeneration(l, Generation{ID: "5", Number: 5, State: StatePending, Members: []Member{{Algorithm: "RSA", Thumbprint: "E", Request: []byte{2}}}})
		}, "5 pending, 4 current, 3 previous, 2 retired, 1 retired, "},
		{"its answer", func(tx *Tx) error {
			return errors.Join(tx.Complete(l.Generations[0], Member{Algorithm: "RSA", Thumbprint: "F", Certificate: []byte{3}}), tx.SetGenerationState(l.Generations[0], StateNext))
		}, "5 next, 4 current, 3 previous, 2 retired, 1 retired, "},
	} {
		if _, err := db.Update(t.Context(), Actor{Who: "tester"}, func(tx *Tx) error {
			tx.ActFor("s")
			return errors.Join(step.do(tx), tx.Audit("test", "mail", nil, nil))
		}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := look(); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	if _, err := db.Update(t.Context(), Actor{Who: "tester"}, func(tx *Tx) error {
		tx.ActFor("s")
		return errors.Join(tx.Complete(l.Generations[0], Member{Algorithm: "RSA", Thumbprint: "G", Certificate: []byte{3}}), tx.Audit("test", "mail", nil, nil))
	}); !errors.Is(err, ErrNotFound) {
		t.Errorf("completing twice: got %v, want ErrNotFound", err)
	}
}
