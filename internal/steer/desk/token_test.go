package desk

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/state"
)

func TestTokenRequestsAreChecked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for name, c := range map[string]struct {
		request TokenRequest
		want    error
	}{
		"no name":       {TokenRequest{}, ErrTokenName},
		"capitals":      {TokenRequest{Name: "CI"}, ErrTokenName},
		"long":          {TokenRequest{Name: strings.Repeat("a", 41)}, ErrTokenName},
		"a line":        {TokenRequest{Name: "a\nb"}, ErrTokenName},
		"over-broad":    {TokenRequest{Name: "a", Scope: "everything"}, new(UnknownScopeError)},
		"two scopes":    {TokenRequest{Name: "a", Scope: "read,admin"}, new(UnknownScopeError)},
		"too long":      {TokenRequest{Name: "a", ExpiresIn: 398*86400 + 1}, ErrTokenLife},
		"for ever":      {TokenRequest{Name: "a", ExpiresIn: 1 << 62}, ErrTokenLife},
		"already ended": {TokenRequest{Name: "a", ExpiresIn: -1}, ErrTokenLife},
	} {
		seq := h.State().Seq()
		_, err := h.NewToken(t.Context(), tester(), c.request)
		_, unknown := errors.AsType[*UnknownScopeError](err)
		_, wantUnknown := c.want.(*UnknownScopeError)
		if err == nil || unknown != wantUnknown || !wantUnknown && !errors.Is(err, c.want) || h.State().Seq() != seq {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := h.NewToken(t.Context(), tester(), TokenRequest{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.NewToken(t.Context(), tester(), TokenRequest{Name: "a"}); err == nil {
		t.Error("a second one of that name")
	}
	if _, err := h.RevokeToken(t.Context(), tester(), TokenNameRequest{Name: "b"}); err == nil {
		t.Error("revoked what is not there")
	}
	for i, have := range Scopes() {
		for j, want := range append(Scopes(), "", "everything") {
			if got := have.Allows(want); got != (j <= i) {
				t.Errorf("%s allows %s: got %v", have, want, got)
			}
		}
	}
	if Scope("").Allows("") || Scope("everything").Allows(ScopeRead) {
		t.Error("a scope that is none allows something")
	}
}

// TestATokenEnds by itself, says so before, and its last use is kept to some minutes.
func TestATokenEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := bubbleHouse(t, dir)
		token, err := h.NewToken(t.Context(), tester(), TokenRequest{Name: "ci", Scope: ScopeOperate})
		if err != nil || token.ExpiresAt.Sub(time.Now().Truncate(time.Microsecond)) != TokenLife || len(token.Token) != tokenBytes {
			t.Fatalf("got %+v, %v", token, err)
		}
		used := func() time.Time {
			t.Helper()
			list, err := h.Tokens(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("got %+v, %v", list, err)
			}
			return list[0].UsedAt
		}
		seq := h.State().Seq()
		if !used().IsZero() {
			t.Error("it was used before it was")
		}
		for _, wait := range []time.Duration{0, time.Minute, usedEvery} {
			before := used()
			time.Sleep(wait)
			b, err := h.Bearer(t.Context(), token.Token)
			if err != nil || b.Name != "ci" || b.Scope != ScopeOperate || !b.ExpiresAt.Equal(token.ExpiresAt) {
				t.Fatalf("got %+v, %v", b, err)
			}
			if moved := !used().Equal(before); moved != (wait != time.Minute) {
				t.Errorf("after %v: the last use moved: %v", wait, moved)
			}
		}
		if h.State().Seq() != seq {
			t.Error("a use counts as a change")
		}
		time.Sleep(time.Until(token.ExpiresAt) - tokenEnding - time.Second)
		if got := conditionsOf(t, h); slices.Contains(got, "tokenEnding ci") {
			t.Errorf("early: got %q", got)
		}
		time.Sleep(time.Minute)
		if got := conditionsOf(t, h); !slices.Contains(got, "tokenEnding ci") {
			t.Errorf("got %q, want a reminder", got)
		}
		time.Sleep(time.Until(token.ExpiresAt) - time.Microsecond)
		if _, err := h.Bearer(t.Context(), token.Token); err != nil {
			t.Errorf("at the end: %v", err)
		}
		time.Sleep(time.Microsecond)
		if _, err := h.Bearer(t.Context(), token.Token); !errors.Is(err, ErrTokenExpired) {
			t.Errorf("ended: got %v, want %v", err, ErrTokenExpired)
		}
		if _, err := h.RevokeToken(t.Context(), tester(), TokenNameRequest{Name: "ci"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Bearer(t.Context(), token.Token); !errors.Is(err, ErrTokenInvalid) {
			t.Errorf("revoked: got %v, want %v", err, ErrTokenInvalid)
		}
		if got := conditionsOf(t, h); slices.Contains(got, "tokenEnding ci") {
			t.Errorf("revoked: got %q", got)
		}
		h.close(t)
	})
}

// TestATokenMadeWithATokenEndsNoLater: or a stolen one would live for ever.
func TestATokenMadeWithATokenEndsNoLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	maker := Bearer{Name: "maker", Scope: ScopeAdmin, ExpiresAt: time.Now().Add(24 * time.Hour)}
	ctx := WithBearer(t.Context(), maker)
	if _, err := h.NewToken(ctx, state.Actor{Who: "token maker"}, TokenRequest{Name: "heir"}); !errors.Is(err, ErrTokenOutlives) {
		t.Errorf("got %v, want %v", err, ErrTokenOutlives)
	}
	if _, err := h.NewToken(ctx, state.Actor{Who: "token maker"}, TokenRequest{Name: "heir", ExpiresIn: 3600}); err != nil {
		t.Error(err)
	}
}

// TestNoLinkByAToken: a session has no end but its own, so none comes from a token, which may be revoked tomorrow.
func TestNoLinkByAToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	before := h.db.Seq()
	ctx := WithBearer(t.Context(), Bearer{Name: "ci", Scope: ScopeAdmin, ExpiresAt: time.Now().Add(time.Hour)})
	if link, err := h.NewLink(ctx, tester()); link != nil || !errors.Is(err, ErrLinkByToken) || h.db.Seq() != before {
		t.Errorf("got %v, %v", link, err)
	}
	if _, err := h.NewLink(t.Context(), tester()); err != nil {
		t.Error(err)
	}
}
