package desk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
)

// TestSetupFaults fails every write of a setup in both ways: refused, and done with the answer lost. What
// is found after that is no organisation, and then a second setup succeeds; or a whole one, and then a
// second setup is refused.
func TestSetupFaults(t *testing.T) {
	t.Parallel()
	write := func(path string, data []byte, perm os.FileMode) error {
		return errors.Join(durable.WriteFile(path, data, perm), errFault)
	}
	move := func(from, to string) error { return errors.Join(durable.Rename(from, to), errFault) }
	for _, c := range []struct {
		name    string
		fault   faultKind
		change  func(o *SetupOptions)
		err     error // what Setup says
		stored  bool  // there is an organisation
		pending bool  // the sealing key still lies beside its place
	}{
		{"nothing fails", faultNone, func(*SetupOptions) {}, nil, true, false},
		{"write refused", faultNone, func(o *SetupOptions) { o.disk.write = func(string, []byte, os.FileMode) error { return errFault } }, errFault, false, false},
		{"no folder", faultNone, func(o *SetupOptions) { o.Sealing = filepath.Join(filepath.Dir(o.Sealing), "missing", "key") }, fs.ErrNotExist, false, false},
		{"write lost", faultNone, func(o *SetupOptions) { o.disk.write = write }, errFault, false, true},
		{"commit refused", faultRefused, func(*SetupOptions) {}, errFault, false, false},
		{"commit lost", faultLost, func(*SetupOptions) {}, nil, true, false}, // reading back finds it
		{"move refused", faultNone, func(o *SetupOptions) { o.disk.rename = func(string, string) error { return errFault } }, errFault, true, true},
		{"move lost", faultNone, func(o *SetupOptions) { o.disk.rename = move }, errFault, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := &fault{kind: c.fault}
			db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true, Commit: f.commit})
			if err != nil {
				t.Fatal(err)
			}
			o := exampleSetup(dir)
			c.change(&o)
			if err := Setup(t.Context(), db, o, tester()); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(pending(o.Sealing)); errors.Is(err, fs.ErrNotExist) == c.pending {
				t.Errorf("the pending key: got %v, want it there: %v", err, c.pending)
			}
			h := whole(t, dir)
			if h == nil == c.stored {
				t.Fatalf("got an organisation %v, want %v", h != nil, c.stored)
			}
			if h != nil {
				if err := Setup(t.Context(), h.db, exampleSetup(dir), tester()); !errors.Is(err, ErrOrganisationExists) {
					t.Errorf("a second setup: got %v, want %v", err, ErrOrganisationExists)
				}
				h.close(t)
				whole(t, dir)
				return
			}
			wantSetupSucceeds(t, dir)
		})
	}
}

// wantSetupSucceeds sets up in dir and checks what is there then.
func wantSetupSucceeds(t *testing.T, dir string) {
	t.Helper()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	err = Setup(t.Context(), db, exampleSetup(dir), tester())
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if whole(t, dir) == nil {
		t.Error("there is no organisation after a setup")
	}
}

// TestOpenFinishesTheMove fails the one write of Open in both ways.
func TestOpenFinishesTheMove(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(from, to string) error{
		"refused": func(string, string) error { return errFault },
		"lost":    func(from, to string) error { return errors.Join(durable.Rename(from, to), errFault) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			template(t, dir)
			sealing := filepath.Join(dir, "sealing-key")
			if err := durable.Rename(sealing, pending(sealing)); err != nil {
				t.Fatal(err)
			}
			db, err := state.Open(t.Context(), state.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), Options{State: db, Sealing: sealing, disk: disk{rename: rename}})
			if !errors.Is(err, errFault) {
				t.Errorf("got %v, want %v", err, errFault)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if whole(t, dir) == nil {
				t.Error("the organisation is gone")
			}
		})
	}
}

// TestActFaults fails the commit of every act in both ways, under a server that runs. Refused: state,
// keyring and audit trail are as before, and the act succeeds when it is tried again. Answer lost: the act
// has succeeded. After both everything is opened anew and checked.
func TestActFaults(t *testing.T) {
	t.Parallel()
	mine := Doing{}
	acts := map[string]func(context.Context, *Desk) (*Change, error){
		"enable": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.Enable(ctx, tester(), EnableRequest{mine, "one", "IMAP,POP,SMTP", nil, false})
		},
		"enable by name": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.Enable(ctx, tester(), EnableRequest{mine, "one", "IMAP", []string{"imaps"}, true})
		},
		"disable": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.Disable(ctx, tester(), DisableRequest{mine, "named", "imaps"})
		},
		"new": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.New(ctx, tester(), NewRequest{Name: "New", Kinds: []string{"ed25519"}, Lineage: "new"})
		},
		"new with services": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.New(ctx, tester(), NewRequest{Name: "New", Kinds: []string{"ecdsa-p384"}, Services: "HTTP,MANAGEMENT"})
		},
		"set internal": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.SetInternal(ctx, tester(), InternalRequest{ID: "one"})
		},
		"remove": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.Remove(ctx, tester(), RemoveRequest{ID: "one"})
		},
		"remove management": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.Remove(ctx, tester(), RemoveRequest{ID: managementLineage})
		},
		"disable listener": func(ctx context.Context, d *Desk) (*Change, error) {
			return d.SetListener(ctx, tester(), ListenerRequest{Listener: "imap"})
		},
	}
	for name, act := range acts {
		for _, kind := range []faultKind{faultRefused, faultLost} {
			t.Run(fmt.Sprintf("%s %d", name, kind), func(t *testing.T) {
				t.Parallel()
				h := runningHouse(t)
				h.make(t, NewRequest{Lineage: "one", Domains: []string{"one.example.com"}})
				h.make(t, NewRequest{Lineage: "named", Domains: []string{"named.example.com"}})
				h.enable(t, EnableRequest{ID: "named", Services: "IMAP", ByName: true})
				before, audited, seq := h.picture(t), len(h.audit(t)), h.db.Seq()
				served := h.shown(t)

				h.fault.set(kind)
				_, err := act(t.Context(), h.Desk)
				if kind == faultRefused {
					if !errors.Is(err, errFault) {
						t.Errorf("got %v, want %v", err, errFault)
					}
					if got := h.picture(t); !got.equal(before) {
						t.Errorf("refused, and changed from %+v to %+v", before, got)
					}
					if got := len(h.audit(t)); got != audited || h.db.Seq() != seq || h.Ring().Seq() != seq {
						t.Errorf("got %d audit rows, sequence %d, ring %d; want %d, %d, %d", got, h.db.Seq(), h.Ring().Seq(), audited, seq, seq)
					}
					if got := h.shown(t); !slices.Equal(got, served) {
						t.Errorf("refused, and the listeners show %v, want %v", got, served)
					}
					_, err = act(t.Context(), h.Desk)
				}
				if err != nil {
					t.Errorf("got %v", err)
				}
				after := h.picture(t)
				if after.equal(before) || h.db.Seq() != seq+1 || h.Ring().Seq() != seq+1 || len(h.audit(t)) == audited {
					t.Errorf("done, but the picture is %+v, sequence %d, ring %d, %d audit rows", after, h.db.Seq(), h.Ring().Seq(), len(h.audit(t)))
				}
				h.close(t)
				if h = whole(t, h.dir); h == nil {
					t.Fatal("the organisation is gone")
				}
				if got := h.picture(t); !got.equal(after) {
					t.Errorf("opened anew: got %+v, want %+v", got, after)
				}
			})
		}
	}
}

// shown returns what every listener shows to a client, in the order of the listeners.
func (h *house) shown(t *testing.T) (all []string) {
	t.Helper()
	listeners, err := h.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		for _, sni := range []string{"", "named.example.com"} {
			got, err := h.serves(t, l.Listener, client("", sni))
			if err != nil {
				got = "nothing"
			}
			all = append(all, l.Listener+" "+got)
		}
	}
	return all
}

// TestSealingKeyFaults: what can be wrong with the sealing key of an organisation, and what is said.
func TestSealingKeyFaults(t *testing.T) {
	t.Parallel()
	foreign := newHouse(t, func(o *SetupOptions) { o.Organisation = "Other" })
	other, err := os.ReadFile(foreign.sealing)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		damage func(sealing string) error
		want   error
	}{
		"gone":       {durable.Remove, ErrSealingKeyMissing},
		"of another": {func(s string) error { return durable.WriteFile(s, other, 0o600) }, ErrSealingKeyForeign},
		"left by others": {func(s string) error {
			return errors.Join(durable.Remove(s), durable.WriteFile(pending(s), other, 0o600))
		}, ErrSealingKeyMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			template(t, dir)
			sealing := filepath.Join(dir, "sealing-key")
			if err := c.damage(sealing); err != nil {
				t.Fatal(err)
			}
			db, err := state.Open(t.Context(), state.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := Open(t.Context(), Options{State: db, Sealing: sealing}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestSetupRefusesASealingKeyWithoutState: the key may open a backup.
func TestSetupRefusesASealingKeyWithoutState(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"file":          func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			o := exampleSetup(dir)
			if err := put(o.Sealing); err != nil {
				t.Fatal(err)
			}
			if err := Setup(t.Context(), db, o, tester()); !errors.Is(err, ErrSealingKeyExists) {
				t.Errorf("got %v, want %v", err, ErrSealingKeyExists)
			}
			if seq := db.Seq(); seq != 0 {
				t.Errorf("refused, and the state is at %d", seq)
			}
		})
	}
}
