package hsm

import (
	"crypto"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/ground/keys"
)

// shelf is a driver in memory whose next calls can be made to fail.
type shelf struct {
	held   map[string]crypto.Signer
	broken bool // every call fails
	closed int
}

var errBroken = errors.New("CKR_DEVICE_REMOVED")

func (s *shelf) generate(kind keys.Kind, r Ref) (crypto.Signer, error) {
	if s.broken {
		return nil, errBroken
	}
	key, err := keys.Generate(kind)
	if err == nil {
		s.held[r.ID()] = key
	}
	return moody{key, s}, err
}

func (s *shelf) find(r Ref) (crypto.Signer, error) {
	key, ok := s.held[r.ID()]
	if s.broken || !ok {
		return nil, map[bool]error{true: errBroken}[s.broken]
	}
	return moody{key, s}, nil
}

func (s *shelf) list() ([]Found, error) { return nil, nil }
func (s *shelf) close() error           { s.closed++; return nil }

// moody is a key whose module may be gone.
type moody struct {
	crypto.Signer
	shelf *shelf
}

func (m moody) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if m.shelf.broken {
		return nil, errBroken
	}
	return m.Signer.Sign(random, digest, o)
}

// newModule is a module on drivers that opener returns, one for each opening.
func newModule(t *testing.T, opener func(pin string) (driver, error)) *Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(path, []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{Library: "/lib/module.so", Token: "vault", PINFile: path})
	if err != nil {
		t.Fatal(err)
	}
	m.open = func(_ Options, pin keys.Secret) (driver, error) { return opener(string(pin)) }
	return m
}

// TestComesBack: a module that was away is opened again, by the signature that finds it gone.
func TestComesBack(t *testing.T) {
	t.Parallel()
	held := make(map[string]crypto.Signer)
	var opened []*shelf
	m := newModule(t, func(string) (driver, error) {
		opened = append(opened, &shelf{held: held})
		return opened[len(opened)-1], nil
	})
	r, err := NewRef("vault", "root")
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.Generate(keys.ECDSAP256, r)
	if err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, 32)
	for range 2 {
		opened[len(opened)-1].broken = true
		if _, err := key.Sign(nil, digest, crypto.SHA256); err != nil {
			t.Errorf("after it was away: %v", err)
		}
	}
	if len(opened) != 3 || opened[0].closed != 1 || opened[2].closed != 0 {
		t.Errorf("opened %d times, want 3, each closed that has failed", len(opened))
	}

	other, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	held[r.ID()] = other
	opened[2].broken = true
	if _, err := key.Sign(nil, digest, crypto.SHA256); !errors.Is(err, ErrNoKey) {
		t.Errorf("another key in its place: got %v, want ErrNoKey", err)
	}
	delete(held, r.ID())
	if _, err := m.Signer(r); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is gone: got %v, want ErrNoKey", err)
	}
}

// TestStaysAway: what stays broken is tried twice and no more.
func TestStaysAway(t *testing.T) {
	t.Parallel()
	held := make(map[string]crypto.Signer)
	var opened []*shelf
	broken := false
	m := newModule(t, func(string) (driver, error) {
		opened = append(opened, &shelf{held: held, broken: broken})
		return opened[len(opened)-1], nil
	})
	r, err := NewRef("vault", "root")
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.Generate(keys.ECDSAP384, r)
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	opened[0].broken = true
	if _, err := key.Sign(nil, make([]byte, 48), crypto.SHA384); !errors.Is(err, ErrUnreachable) || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want ErrUnreachable and its cause", err)
	}
	if len(opened) != 2 {
		t.Errorf("opened %d times, want 2", len(opened))
	}
}

// TestRefusedPIN: three refusals lock most tokens, so there is one, until the file says something else.
func TestRefusedPIN(t *testing.T) {
	t.Parallel()
	tried := 0
	m := newModule(t, func(pin string) (driver, error) {
		if tried++; pin != "5678" {
			return nil, ErrPIN
		}
		return &shelf{}, nil
	})
	for range 5 {
		if _, err := m.List(); !errors.Is(err, ErrPIN) {
			t.Errorf("got %v, want ErrPIN", err)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d times, want 1", tried)
	}
	if err := os.WriteFile(m.o.PINFile, []byte("5678"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.List(); err != nil {
		t.Errorf("with another PIN: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"nothing":          {},
		"a relative path":  {Library: "module.so", Token: "a", PINFile: "b"},
		"no token":         {Library: "/module.so", PINFile: "b"},
		"a token too long": {Library: "/module.so", Token: "123456789012345678901234567890123", PINFile: "b"},
		"no PIN":           {Library: "/module.so", Token: "a"},
	} {
		if _, err := New(o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: got %v, want ErrOptions", name, err)
		}
	}
	m := newModule(t, func(string) (driver, error) { return &shelf{}, nil })
	if _, err := m.Generate(keys.Ed25519, Ref{token: "vault"}); !errors.Is(err, ErrKind) {
		t.Errorf("got %v, want ErrKind", err)
	}
	if _, err := m.Signer(Ref{token: "other"}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a key in another token: got %v, want ErrUnreachable", err)
	}
}
