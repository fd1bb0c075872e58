package desk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/ground/backup"
)

// paused is where a backup goes; between its bytes others do something.
type paused struct {
	bytes.Buffer
	meanwhile func()
}

func (p *paused) Write(b []byte) (int, error) {
	if p.meanwhile != nil {
		p.meanwhile()
		p.meanwhile = nil
	}
	return p.Buffer.Write(b)
}

// TestServedAndChangedDuringABackup: while the bytes of a backup travel, clients shake hands and administrators
// change; the backup is of the moment before.
func TestServedAndChangedDuringABackup(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	key := h.recoverable(t)
	h.make(t, NewRequest{Lineage: "before", Services: "IMAP", Domains: []string{"before.example.com"}})
	out := &paused{meanwhile: func() {
		h.make(t, NewRequest{Lineage: "during", Services: "IMAP", Domains: []string{"during.example.com"}})
		want := h.named(t, "during")[0].Thumbprint
		if got, err := h.serves(t, "imaps", client("", "")); err != nil || got != want {
			t.Errorf("during the backup: got %s, %v, want %s", got, err, want)
		}
	}}
	var head backup.Header
	if err := h.Backup(t.Context(), tester(), BackupRequest{}, out, func(got backup.Header) { head = got }); err != nil {
		t.Fatal(err)
	}
	if out.meanwhile != nil {
		t.Fatal("nothing happened during the backup")
	}
	dir := filepath.Join(t.TempDir(), "restored")
	checked, err := RestoreBackup(t.Context(), reading(out.Bytes(), key), RestoreOptions{Dir: dir})
	if err != nil || !checked.Whole || checked.Lineages != head.Lineages {
		t.Fatalf("got %+v, %v", checked, err)
	}
	recoverIn(t, dir, key)
	restored := openHouse(t, dir, newRuntime())
	if len(restored.named(t, "before")) != 1 || len(restored.named(t, "during")) != 0 {
		t.Errorf("restored: got %+v", restored.certificates(t))
	}
}

// broken takes n bytes and then fails.
type broken struct{ n int }

func (b *broken) Write(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errFault
	}
	return len(p), nil
}

// TestABackupThatBreaksOff: wherever the taker goes away, the error says so, nothing is left in the data directory, and
// the bytes that it has are refused as cut off.
func TestABackupThatBreaksOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key := h.recoverable(t)
	whole := h.backedUp(t)
	for _, n := range []int{0, 1, 300, len(whole) / 2, len(whole) - 1} {
		if err := h.Backup(t.Context(), tester(), BackupRequest{}, &broken{n}, nil); !errors.Is(err, errFault) {
			t.Errorf("%d bytes: got %v", n, err)
		}
		if _, err := VerifyBackup(t.Context(), reading(whole[:n], key), t.TempDir()); !errors.Is(err, backup.ErrTruncated) && !errors.Is(err, backup.ErrNotABackup) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(h.dir, ".snapshot-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := VerifyBackup(t.Context(), Reading{Source: io.MultiReader(bytes.NewReader(whole), bytes.NewReader([]byte("x")))}, os.TempDir()); err == nil {
		t.Error("a backup without a key opens")
	}
}
