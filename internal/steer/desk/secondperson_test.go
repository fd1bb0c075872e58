package desk

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"postseal/internal/ground/state"
)

// TestWhoAskedMakesNoSecondPerson: tokens that a token has made, and theirs, are one person with it; tokens that an
// administrator has made are not.
func TestWhoAskedMakesNoSecondPerson(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	token := func(name, maker string) {
		t.Helper()
		if _, err := h.NewToken(t.Context(), state.Actor{Who: maker, From: "test"}, TokenRequest{Name: name, Scope: ScopeAdmin}); err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range [][2]string{{"kim", "root"}, {"lee", "root"}, {"helper", "token kim"}, {"helper-2", "token helper"}, {"gone", "token kim"}, {"orphan", "token gone"}, {"ring", "token ring-2"}, {"ring-2", "token ring"}} {
		token(made[0], made[1])
	}
	if _, err := h.RevokeToken(t.Context(), tester(), TokenNameRequest{Name: "gone"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		asked, agrees string
		good          bool
	}{
		{"root", "root", false},
		{"root", "token kim", true},
		{"token kim", "root", true},
		{"token kim", "token kim", false},
		{"token kim", "token lee", true},
		{"token kim", "token helper", false},
		{"token kim", "token helper-2", false},
		{"token helper-2", "token kim", false},
		{"token helper", "token helper-2", false},
		{"token helper", "token lee", true},
		{"token kim", "token orphan", false},
		{"token gone", "token lee", false},
		{"token ring", "token lee", false},
	} {
		err := h.secondPerson(t.Context(), tt.asked, tt.agrees)
		if (err == nil) != tt.good || !tt.good && !errors.Is(err, ErrSamePerson) {
			t.Errorf("%s asked, %s agrees: got %v", tt.asked, tt.agrees, err)
		}
	}
	held, err := h.Certify(t.Context(), state.Actor{Who: "token kim"}, CertifyRequest{Profile: "code-signing", CSR: newCSR(t, "build.example.com")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Approve(t.Context(), state.Actor{Who: "token helper"}, Decision{ID: held.Waiting}); !errors.Is(err, ErrSamePerson) {
		t.Errorf("got %v", err)
	}
}

// TestApprovedAtOnce: one who agrees twice, or two who agree at once, get one certificate.
func TestApprovedAtOnce(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	for n := range 3 {
		held, err := h.Certify(t.Context(), tester(), CertifyRequest{Profile: "code-signing", CSR: newCSR(t, fmt.Sprintf("build%d.example.com", n))})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		answers := make([]error, 6)
		for i := range answers {
			all.Go(func() {
				_, answers[i] = h.Approve(t.Context(), state.Actor{Who: fmt.Sprint("second ", i%2)}, Decision{ID: held.Waiting})
			})
		}
		all.Wait()
		done := 0
		for _, err := range answers {
			if err == nil {
				done++
			} else if !errors.Is(err, ErrDecided) {
				t.Errorf("got %v", err)
			}
		}
		if got := h.count(t, `SELECT count(*) FROM issuance`); done != 1 || got != n+1 {
			t.Errorf("%d were told that it is issued, %d certificates for %d requests", done, got, n+1)
		}
	}
}
