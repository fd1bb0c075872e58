package desk

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"
)

// whole checks what must hold of an organisation in dir, whatever happened to it: everything opens,
// everything belongs together, and what is served is what is stored. It returns nil when there is no
// organisation; then there must be nothing at all, and a setup must succeed.
func whole(t *testing.T, dir string) *house {
	t.Helper()
	if nothing(t, dir) {
		return nil
	}
	h := openHouse(t, dir, nil)
	if _, err := os.Lstat(pending(h.sealing)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the pending sealing key is still there: %v", err)
	}
	v, err := h.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.servers) != 1 {
		t.Errorf("got %d servers, want 1", len(v.servers))
	}
	h.wantKeysOpen(t, v)
	for _, id := range []string{v.org.AuthLineage, v.server.InternalLineage} {
		if _, ok := v.lineage(id); !ok {
			t.Errorf("the auth or internal lineage %q is not there", id)
		}
	}
	for _, l := range v.listeners {
		var defaults, all int
		for _, b := range v.bindings {
			if b.Listener == l.Name {
				all++
				if b.Role == state.RoleDefault {
					defaults++
				}
			}
		}
		k, _ := listener.ByName(l.Name)
		if want := min(all, 1); defaults != want || k.Service != "" && k.Service != listener.ServiceManagement && defaults != 1 {
			t.Errorf("%s: got %d default bindings of %d, want %d", l.Name, defaults, all, want)
		}
	}
	h.wantServed(t)
	for i, r := range h.audit(t) {
		if r.Number != int64(i+1) || r.Who != "tester" || r.From != "test" {
			t.Errorf("audit row %d: got %+v", i+1, r)
		}
	}
	return h
}

// nothing reports whether dir holds no organisation, and checks that it then holds no part of one.
func nothing(t *testing.T, dir string) bool {
	t.Helper()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	none := false
	err = db.View(t.Context(), func(tx *state.Tx) error {
		_, err := tx.Organisation()
		if !errors.Is(err, state.ErrNoOrganisation) {
			return err
		}
		none = true
		servers, err := tx.Servers()
		if err != nil {
			return err
		}
		lineages, err := tx.Lineages()
		if n := len(servers) + len(lineages); err == nil && n != 0 {
			err = fmt.Errorf("there is no organisation, but %d servers and lineages", n)
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if none {
		if _, err := os.Lstat(filepath.Join(dir, "sealing-key")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is no organisation, but a sealing key: %v", err)
		}
	}
	return none
}

// wantKeysOpen opens every secret, and checks that each belongs to something.
func (h *house) wantKeysOpen(t *testing.T, v *view) {
	t.Helper()
	used := map[string]bool{v.org.SecretID: true} // a key that is kept serves two generations
	err := h.db.View(t.Context(), func(tx *state.Tx) error {
		key, err := h.signer(tx, v.org.SecretID)
		if err != nil {
			return err
		}
		if pinned, ok := key.Public().(ed25519.PublicKey); !ok || !bytes.Equal(pinned, v.org.PublicKey) {
			t.Error("the organisation key is not the one that is pinned")
		}
		for _, l := range v.lineages {
			if _, ok := l.Current(); !ok {
				t.Errorf("%s has no current generation", l.Name)
			}
			for _, g := range l.Generations {
				for _, m := range g.Members {
					used[m.SecretID] = true
					key, err := h.signer(tx, m.SecretID)
					if err != nil {
						return err
					}
					cert, err := x509cert.ParseCertificate(m.Certificate)
					if err != nil {
						return err
					}
					if !key.Matches(cert) {
						t.Errorf("%s: the key is not that of the certificate", m.Thumbprint)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := h.count(t, `SELECT count(*) FROM secret`); got != len(used) {
		t.Errorf("got %d sealed secrets, want the %d that are used", got, len(used))
	}
}

// wantServed settles and shakes hands with every listener: each shows a member of its default lineage,
// and one without shows nothing.
func (h *house) wantServed(t *testing.T) {
	t.Helper()
	if err := h.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	listeners, err := h.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		if l.Service == "" {
			continue
		}
		got, err := h.serves(t, l.Listener, client(keyring.ClientModern, ""))
		if want := len(l.Thumbprints) > 0; want != (err == nil) || want && !slices.Contains(l.Thumbprints, got) {
			t.Errorf("%s serves %q, %v, want one of %v", l.Listener, got, err, l.Thumbprints)
		}
	}
}
