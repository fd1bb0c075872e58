package desk

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
)

// TestEnding: by generation, what ends first stands first, all pages together are everything that passes, and a page
// beyond the last is the last.
func TestEnding(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for n, name := range []string{"c", "a", "b"} {
		h.make(t, NewRequest{Lineage: name, Domains: []string{name + ".example.com"}, Days: 10 * (n + 1), Kinds: []string{"ecdsa-p256", "ed25519"}})
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	list := func(r EndingRequest) (names []string, page *EndingPage) {
		t.Helper()
		page, err := h.Ending(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Generations {
			names = append(names, g[0].Lineage)
		}
		return names, page
	}
	everything, page := list(EndingRequest{Size: 100})
	if got := strings.Join(everything[:3], " "); got != "c a b" || page.Count != len(everything) || len(page.Generations[0]) != 2 {
		t.Errorf("got %q, %d of them, %d members", got, page.Count, len(page.Generations[0]))
	}
	var paged []string
	for n := 1; ; n++ {
		names, page := list(EndingRequest{Size: 2, Number: n})
		if page.Number != n {
			if last, _ := list(EndingRequest{Size: 2, Number: page.Number}); !slices.Equal(last, names) {
				t.Errorf("beyond the last: got %q, want %q", names, last)
			}
			break
		}
		paged = append(paged, names...)
	}
	if !slices.Equal(paged, everything) {
		t.Errorf("page by page: got %q, want %q", paged, everything)
	}
	for what, c := range map[string]struct {
		r    EndingRequest
		want string
	}{
		"previous ones too": {EndingRequest{All: true, Filter: Filter{Domain: "a.example.com"}}, "a a"},
		"a name":            {EndingRequest{Filter: Filter{Domain: "b.example.com"}}, "b"},
		"within 15 days":    {EndingRequest{Filter: Filter{ExpiringWithin: 15 * 24 * 60 * 60}}, "c"},
		"a status":          {EndingRequest{Filter: Filter{Status: x509cert.StatusUntrusted}}, "c a b"},
		"no such status":    {EndingRequest{Filter: Filter{Status: x509cert.StatusRevoked}}, ""},
	} {
		c.r.Size = 100
		if names, page := list(c.r); strings.Join(names, " ") != c.want || page.Count != len(names) {
			t.Errorf("%s: got %q, want %q", what, names, c.want)
		}
	}
}
