package desk

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
)

func TestALinkWorksOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	link, err := h.NewLink(t.Context(), tester())
	if err != nil || len(link.Token) != 43 {
		t.Fatalf("got %+v, %v", link, err)
	}
	var wg sync.WaitGroup
	var in atomic.Int32
	for range 8 {
		wg.Go(func() {
			session, expires, err := h.SignIn(t.Context(), link.Token, "192.0.2.1")
			if err != nil {
				if !errors.Is(err, ErrSignInLink) {
					t.Errorf("got %v, want %v", err, ErrSignInLink)
				}
				return
			}
			in.Add(1)
			if who, err := h.Session(t.Context(), session); err != nil || who != "tester" || session == link.Token || expires.IsZero() {
				t.Errorf("got %s, %v", who, err)
			}
		})
	}
	wg.Wait()
	if got := in.Load(); got != 1 {
		t.Errorf("a link gave %d sessions, want 1", got)
	}
	other, err := h.NewLink(t.Context(), tester())
	if err != nil || other.Token == link.Token {
		t.Fatalf("got %+v, %v", other, err)
	}
	// A link is no session, a session no link, and nothing is nobody's.
	if _, err := h.Session(t.Context(), other.Token); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a link as a session: got %v, want %v", err, state.ErrNotFound)
	}
	session, _, err := h.SignIn(t.Context(), other.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", session, "x", strings.Repeat("A", 43), hash(session)} {
		if _, _, err := h.SignIn(t.Context(), token, ""); !errors.Is(err, ErrSignInLink) {
			t.Errorf("%q: got %v, want %v", token, err, ErrSignInLink)
		}
	}
	if _, err := h.Session(t.Context(), hash(session)); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a hash as a session: got %v, want %v", err, state.ErrNotFound)
	}
	if err := h.SignOut(t.Context(), session, tester()); err != nil {
		t.Error(err)
	}
	if _, err := h.Session(t.Context(), session); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("signed out: got %v, want %v", err, state.ErrNotFound)
	}
}

func TestSignInExpires(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		link := func() string {
			l, err := h.NewLink(t.Context(), tester())
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(l.ExpiresAt); got != 15*time.Minute {
				t.Errorf("a link lives %v", got)
			}
			return l.Token
		}
		late, early := link(), link()
		time.Sleep(15*time.Minute - time.Second)
		session, expires, err := h.SignIn(t.Context(), early, "")
		if err != nil || time.Until(expires) != 12*time.Hour {
			t.Errorf("a second before the end: got a session of %v, %v", time.Until(expires), err)
		}
		time.Sleep(time.Second)
		if _, _, err := h.SignIn(t.Context(), late, ""); !errors.Is(err, ErrSignInLink) {
			t.Errorf("at the end: got %v, want %v", err, ErrSignInLink)
		}
		time.Sleep(12*time.Hour - 2*time.Second)
		if who, err := h.Session(t.Context(), session); err != nil || who != "tester" {
			t.Errorf("a second before the end: got %q, %v", who, err)
		}
		time.Sleep(time.Second)
		if _, err := h.Session(t.Context(), session); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("at the end: got %v, want %v", err, state.ErrNotFound)
		}
		link() // the expired ones are forgotten with the next
		if got := h.count(t, `SELECT count(*) FROM sign_in`); got != 1 {
			t.Errorf("got %d tokens in the state, want 1", got)
		}
		h.close(t)
	})
}

// TestTokensAreNotInTheState looks for them in every byte of the directory.
func TestTokensAreNotInTheState(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var tokens []string
	for range 3 {
		link, err := h.NewLink(t.Context(), tester())
		if err != nil {
			t.Fatal(err)
		}
		session, _, err := h.SignIn(t.Context(), link.Token, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, link.Token, session)
	}
	waiting, err := h.NewLink(t.Context(), tester())
	if err != nil {
		t.Fatal(err)
	}
	tokens = append(tokens, waiting.Token)
	found := false
	look := func() {
		for name, content := range files(t, h.dir) {
			for _, token := range tokens {
				if bytes.Contains(content, []byte(token)) {
					t.Errorf("%s holds a token", name)
				}
			}
			found = found || bytes.Contains(content, []byte(hash(waiting.Token)))
		}
	}
	look()
	h.close(t)
	look()
	if !found {
		t.Error("not even the hash is there: the test looks in the wrong place")
	}
}
