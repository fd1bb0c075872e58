package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// link is a row with its stored hash.
type link struct {
	Row
	hash []byte
}

func trail(n int) []link {
	previous := Begin("s1")
	var all []link
	for i := range n {
		r := Row{Number: int64(i + 1), At: time.UnixMicro(int64(1e15 + i)).UTC(), Who: "root", From: "socket", Act: "enable", Object: fmt.Sprint("mail", i), After: "{}"}
		previous = Hash(previous, "s1", r)
		all = append(all, link{r, previous})
	}
	return all
}

// rehash writes the hash of one row anew, as one who knows how would.
func rehash(all []link, i int) {
	previous := Begin("s1")
	if i > 0 {
		previous = all[i-1].hash
	}
	all[i].hash = Hash(previous, "s1", all[i].Row)
}

func TestWalk(t *testing.T) {
	t.Parallel()
	swap := func(all []link, a, b int) {
		all[a], all[b] = all[b], all[a]
		all[a].Number, all[b].Number = all[b].Number, all[a].Number
	}
	cases := []struct {
		name   string
		tamper func(all []link) []link
		want   []string
	}{
		{"whole", func(all []link) []link { return all }, nil},
		{"none at all", func([]link) []link { return nil }, nil},
		{"content changed", func(all []link) []link { all[3].Who = "nobody"; return all }, []string{"row 4 was changed, or it does not follow row 3"}},
		{"time changed by a microsecond", func(all []link) []link { all[3].At = all[3].At.Add(time.Microsecond); return all }, []string{"row 4 was changed, or it does not follow row 3"}},
		{"a letter moved to the next column", func(all []link) []link { all[3].Who, all[3].From = "roo", "tsocket"; return all }, []string{"row 4 was changed, or it does not follow row 3"}},
		{"content and hash changed", func(all []link) []link { all[3].Who = "nobody"; rehash(all, 3); return all }, []string{"row 5 was changed, or it does not follow row 4"}},
		{"the first row changed", func(all []link) []link { all[0].Act = "x"; return all }, []string{"row 1 was changed, or it does not follow row 0"}},
		{"the first row removed", func(all []link) []link { return all[1:] }, []string{"row 1 is missing"}},
		{"one removed", func(all []link) []link { return slices.Delete(all, 3, 4) }, []string{"row 4 is missing"}},
		{"several removed", func(all []link) []link { return slices.Delete(all, 3, 6) }, []string{"rows 4 to 6 are missing"}},
		{"two changed places", func(all []link) []link { swap(all, 3, 6); return all }, []string{
			"row 4 was moved: it was written as row 7", "row 5 is as it was written, but the row before it is another",
			"row 7 was moved: it was written as row 4", "row 8 is as it was written, but the row before it is another"}},
		{"neighbours changed places", func(all []link) []link { swap(all, 3, 4); return all }, []string{
			"row 4 was moved: it was written as row 5", "row 5 was moved: it was written as row 4", "row 6 is as it was written, but the row before it is another"}},
		{"hash taken away", func(all []link) []link { all[9].hash = nil; return all }, []string{"row 10 has no hash: it was not written by postseal"}},
		{"one put in", func(all []link) []link {
			return append(all, link{Row{Number: 11, Act: "forged"}, bytes.Repeat([]byte{1}, 32)})
		}, []string{"row 11 was changed, or it does not follow row 10"}},
		{"the trail of another server", func(all []link) []link {
			previous := Begin("s2")
			for i := range all {
				previous = Hash(previous, "s2", all[i].Row)
				all[i].hash = previous
			}
			return all
		}, slices.Repeat([]string{"was changed"}, 10)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := NewWalk("s1", 1, Begin("s1"))
			for _, l := range c.tamper(trail(10)) {
				w.Row(l.Row, l.hash)
			}
			got := w.Faults()
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %q", got, c.want)
			}
			for i, f := range got {
				if !strings.Contains(f.Text, c.want[i]) || f.Row == 0 {
					t.Errorf("got %v, want %q", f, c.want[i])
				}
			}
		})
	}
}

// TestWalkIsBounded: a trail of nothing but faults is counted, not collected.
func TestWalkIsBounded(t *testing.T) {
	t.Parallel()
	w := NewWalk("s1", 1, Begin("s1"))
	for i := range 1000 {
		w.Row(Row{Number: int64(i + 1)}, bytes.Repeat([]byte{byte(i)}, 32))
	}
	got := w.Faults()
	if len(got) != maxFaults+1 || got[maxFaults].Text != "950 more rows are wrong" || w.Last() != 1000 {
		t.Errorf("got %d faults, the last %v", len(got), got[len(got)-1])
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMicro(1_700_000_000_123_456).UTC()
	h := &Head{Server: "s1", From: 1, Base: Begin("s1"), Number: 3, Hash: Begin("x"), At: at}
	if err := h.Sign(private); err != nil {
		t.Fatal(err)
	}
	same, err := ParseHead(h.Marshal())
	if err != nil || same.Verify(public) != nil || !same.At.Equal(at) {
		t.Fatalf("got %+v, %v", same, err)
	}
	for name, change := range map[string]func(*Head){
		"server": func(h *Head) { h.Server = "s2" }, "from": func(h *Head) { h.From = 2 }, "base": func(h *Head) { h.Base = nil },
		"number": func(h *Head) { h.Number = 4 }, "hash": func(h *Head) { h.Hash = Begin("y") }, "time": func(h *Head) { h.At = at.Add(time.Microsecond) },
		"signature": func(h *Head) { h.Signature = nil },
	} {
		changed := *same
		if change(&changed); !errors.Is(changed.Verify(public), ErrHeadForged) {
			t.Errorf("%s: a head that was changed passes", name)
		}
	}
	if !errors.Is(same.Verify(nil), ErrHeadForged) {
		t.Error("a head passes without a key")
	}
	good := string(h.Marshal())
	for _, bad := range []string{"", "{}", "null", "[]", good + "x", good + good, strings.Replace(good, `"from":1`, `"from":0`, 1), strings.Replace(good, `"from":1`, `"from":9`, 1),
		strings.Replace(good, `"hash":"`, `"hash":"00`, 1), strings.Replace(good, `"at":"`, `"at":"x`, 1), strings.Replace(good, `{`, `{"more":1,`, 1), good + strings.Repeat(" ", MaxHeadBytes)} {
		if _, err := ParseHead([]byte(bad)); !errors.Is(err, ErrNotAHead) {
			t.Errorf("%.60q: got %v", bad, err)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	h := &Head{Server: "s1", From: 1, Base: Begin("s1"), Number: 3, Hash: Begin("x"), At: time.Unix(1, 0).UTC(), Signature: []byte("x")}
	f.Add(h.Marshal())
	f.Add([]byte(`{"server":"a","from":2,"number":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHead(b)
		if err != nil {
			return
		}
		again, err := ParseHead(h.Marshal())
		if err != nil || !bytes.Equal(again.statement(), h.statement()) {
			t.Errorf("%q: got %v", b, err)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	r := Row{Number: 1, At: time.Unix(1, 0), Who: "root", From: "socket, process 7", Act: "enable", Object: "mail", Before: strings.Repeat("x", 200), After: strings.Repeat("x", 200)}
	previous := Begin("s1")
	for b.Loop() {
		previous = Hash(previous, "s1", r)
	}
}
