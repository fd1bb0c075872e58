package desk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
)

// TestPages goes through the list in pages of every size, with and without the state in memory: together the pages are
// the list, each begins where the one before ended, and each knows how many follow.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, name := range []string{"b", "a", "c", "zz"} {
		h.make(t, NewRequest{Lineage: name + "-example-com", Domains: []string{name + ".example.com"}, Kinds: []string{"ecdsa-p256", "ed25519"}})
	}
	if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: "a-example-com"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Ask(t.Context(), tester(), AskRequest{Name: "asked", Domains: []string{"asked.example.com"}}); err != nil {
		t.Fatal(err)
	}
	all, err := h.Certificates(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(all, func(a, b Certificate) int {
		return spot{a.Lineage, a.Generation, algorithmOf(a)}.compare(spot{b.Lineage, b.Generation, algorithmOf(b)})
	}) || len(all) < 10 {
		t.Fatalf("got %d certificates, or not in order", len(all))
	}
	for size := 1; size <= len(all)+1; size++ {
		for _, warm := range []bool{false, true} {
			var got []string
			after := ""
			for pages := 0; ; pages++ {
				if pages > len(all) {
					t.Fatalf("pages of %d do not end", size)
				}
				if !warm {
					h.kept.forget()
				}
				page, err := h.Page(t.Context(), Filter{Limit: size, After: after})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page.Certificates {
					got = append(got, c.Thumbprint)
				}
				if want := len(all) - len(got); page.More != want || (page.Next == "") != (want == 0) {
					t.Fatalf("pages of %d, in memory %v: after %d certificates %d more and next %q, want %d more", size, warm, len(got), page.More, page.Next, want)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if want := printsOf(all); !slices.Equal(got, want) {
				t.Errorf("pages of %d, in memory %v:\n%v, want\n%v", size, warm, got, want)
			}
		}
	}
}

// TestPagesOfSome: a filter comes before the page, and a page may begin behind any certificate, also behind one that is
// gone.
func TestPagesOfSome(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, name := range []string{"a", "b", "c", "d"} {
		h.make(t, NewRequest{Lineage: name + "-example-com", Domains: []string{name + ".example.com"}, Kinds: []string{"ecdsa-p256", "ed25519"}})
	}
	names := func(f Filter) string {
		t.Helper()
		page, err := h.Page(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range page.Certificates {
			all = append(all, c.Lineage+" "+algorithmOf(c))
		}
		if page.Next != "" {
			all = append(all, "next "+page.Next)
		}
		return strings.Join(all, ", ")
	}
	b := h.named(t, "b-example-com")
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{Domain: "c.example.com", Limit: 1}, "c-example-com ECDSA, next c-example-com/1/ECDSA"},
		{Filter{Domain: "c.example.com", Limit: 1, After: "c-example-com/1/ECDSA"}, "c-example-com Ed25519"},
		{Filter{Domain: "c.example.com", Limit: 2}, "c-example-com ECDSA, c-example-com Ed25519"},
		{Filter{Status: x509cert.StatusUntrusted, Limit: 3, After: "a-example-com/1/Ed25519"}, "b-example-com ECDSA, b-example-com Ed25519, c-example-com ECDSA, next c-example-com/1/ECDSA"},
		{Filter{Limit: 2, After: b[0].Thumbprint}, "b-example-com Ed25519, c-example-com ECDSA, next c-example-com/1/ECDSA"},
		{Filter{Limit: 1, After: "bb/1/ECDSA"}, "c-example-com ECDSA, next c-example-com/1/ECDSA"},
		{Filter{Limit: 3, After: "zzz/1/ECDSA"}, ""},
		{Filter{ExpiringWithin: 1, Limit: 1}, ""},
	} {
		if got := names(c.f); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.f, got, c.want)
		}
	}
	if _, err := h.Page(t.Context(), Filter{Limit: 1, After: "0123456789abcdef"}); err == nil {
		t.Error("behind a certificate that is not there: got a page")
	}
	if _, err := h.Page(t.Context(), Filter{Limit: -1}); err == nil {
		t.Error("a page of -1: got one")
	}
}

// TestKeptFacts: what is kept of one certificate is not told of another with its thumbprint (SHA-1 can be collided),
// and nobody can change it.
func TestKeptFacts(t *testing.T) {
	t.Parallel()
	ring := func(name string) []byte {
		key, err := keys.Generate(keys.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		der, err := selfsigned.Create(selfsigned.Options{Names: []string{name}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var k keptState
	one := state.Member{Thumbprint: "SAME", Certificate: ring("one.example.com")}
	two := state.Member{Thumbprint: "SAME", Certificate: ring("two.example.com")}
	for range 2 {
		for _, c := range []struct {
			m    state.Member
			want string
		}{{one, "one.example.com"}, {one, "one.example.com"}, {two, "two.example.com"}} {
			facts, err := k.of(c.m)
			if err != nil || facts.Names[0] != c.want {
				t.Fatalf("got %v, %v, want %s", facts.Names, err, c.want)
			}
			facts.Names[0], facts.Usages[0] = "changed", "changed"
			if _, names, err := k.outline(c.m); err != nil || names[0] != c.want {
				t.Fatalf("outline: got %v, %v, want %s", names, err, c.want)
			}
		}
	}
	for i := range 1000 {
		if _, err := k.of(state.Member{Thumbprint: fmt.Sprint(i), Certificate: one.Certificate}); err != nil || len(k.facts) > k.mostFacts() {
			t.Fatalf("%d facts kept (%v), want at most %d", len(k.facts), err, k.mostFacts())
		}
	}
}

// TestStatusOfMany: a status lists every generation in use and, of the others, those that end first, and counts the rest.
func TestStatusOfMany(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	const many = maxCertificates + 40
	if _, err := h.State().Update(t.Context(), tester(), func(tx *state.Tx) error {
		for i := range many {
			name := fmt.Sprintf("n%03d", i)
			der, err := selfsigned.Create(selfsigned.Options{Names: []string{name + ".example.com"}, Days: 1000 - i}, key)
			if err != nil {
				return err
			}
			if err := tx.AddLineage(state.Lineage{ID: newID(), Name: name, FriendlyName: name, Origin: state.OriginImport, Activation: ActivationAuto, KeyAtRenewal: KeyNew,
				Generations: []state.Generation{{ID: newID(), Number: 1, State: state.StateCurrent, Members: []state.Member{{Algorithm: "ECDSA", Thumbprint: x509cert.Thumbprint(der), Certificate: der}}}}}); err != nil {
				return err
			}
		}
		tx.ActFor(h.server)
		return tx.Audit("many", "", nil, nil)
	}); err != nil {
		t.Fatal(err)
	}
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := printsOf(s.Certificates)
	for _, l := range s.Listeners {
		for _, thumbprint := range l.Thumbprints {
			if !slices.Contains(got, thumbprint) {
				t.Errorf("%s serves %s, which is not in the status", l.Listener, thumbprint)
			}
		}
	}
	lineages := make(map[string]bool)
	for _, c := range s.Certificates {
		lineages[c.Lineage] = true
	}
	if s.More != 40 || lineages["n000"] || !lineages[fmt.Sprintf("n%03d", many-1)] {
		t.Errorf("got %d more, the first %v and the last %v; want 40, the last only", s.More, lineages["n000"], lineages[fmt.Sprintf("n%03d", many-1)])
	}
}

func algorithmOf(c Certificate) string {
	kind, _, _ := strings.Cut(c.KeyType, "-")
	return kind
}

func printsOf(list []Certificate) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.Thumbprint)
	}
	return all
}
