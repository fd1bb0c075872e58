package desk

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"postseal/internal/ground/state"
)

// TestNothingIsLeftOfOldLists: a server that is killed while it forgets a shard, or writes a list, leaves files. Nobody asks for
// them again, so nobody removed them.
func TestNothingIsLeftOfOldLists(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	h.certified(t, tester(), "a.example.com")
	for _, path := range []string{"/pki/servers.crl", "/pki/servers/1.crl", "/pki/root.crl"} {
		h.revokedList(t, path)
	}
	dir := filepath.Join(h.dir, PublishedDir)
	files := func() (names []string) {
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}
	a, _, err := h.authorityNamed(t.Context(), "servers")
	if err != nil {
		t.Fatal(err)
	}
	want := files()
	if len(want) != 3 {
		t.Fatalf("there are %v", want)
	}
	old := time.Now().Add(-2 * stagedFor)
	for name, age := range map[string]time.Time{a.ID + "-7-1.crl": old, "00-1-1.crl": time.Now(), ".postseal-1.tmp": old, ".postseal-2.tmp": time.Now(), "README": old, "x.crl": old} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.TendLists(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = append(want, ".postseal-2.tmp", "README", "x.crl") // being written, and nothing of ours
	slices.Sort(want)
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestOldListsGoWhateverTheDirectoryIsCalled: they were looked for by a pattern, in which the directory was one too.
func TestOldListsGoWhateverTheDirectoryIsCalled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail[1]*")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	template(t, dir)
	h := openHouse(t, dir, newRuntime())
	if err := initialise(h.Desk); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.example.com", "b.example.com"} {
		c := h.certified(t, tester(), name)
		if _, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial}); err != nil {
			t.Fatal(err)
		}
		h.revokedList(t, "/pki/servers.crl")
	}
	all, err := os.ReadDir(filepath.Join(dir, PublishedDir))
	if err != nil || len(all) != 1 {
		t.Errorf("there are %v, %v", all, err)
	}
}

func TestListNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]state.ShardName{"ab-0-17.crl": {AuthorityID: "ab"}, "ab-12-1.crl": {AuthorityID: "ab", Number: 12}, "ab-1.crl": {}, "ab-x-1.crl": {}, "ab-1-1": {}, ".crl": {}} {
		if got, ok := listNamed(name); ok != (want.AuthorityID != "") || ok && got != want {
			t.Errorf("%s: got %v %v, want %v", name, got, ok, want)
		}
	}
}
