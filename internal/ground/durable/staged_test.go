package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestStage: a file in parts is there when it is whole, and never before.
func TestStage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	begin := func(parts ...string) *Staged {
		t.Helper()
		s, err := Stage(path, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			if _, err := s.Write([]byte(p)); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	s := begin("one ", "two")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit: got %v", err)
	}
	if err := errors.Join(s.Commit(false), s.Discard()); err != nil { // Discard after Commit does nothing
		t.Fatal(err)
	}
	wantContent(t, path, "one two")
	wantMode(t, path, 0o640)
	if err := begin("three").Commit(false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: got %v", err)
	}
	wantContent(t, path, "one two")
	s = begin("four")
	if err := errors.Join(s.Discard(), s.Discard()); err != nil {
		t.Error(err)
	}
	wantContent(t, path, "one two")
	if err := begin("five").Commit(true); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "five")
	wantEntries(t, dir, "file")
	if _, err := Stage(filepath.Join(dir, "no", "file"), 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
	s = begin("six")
	if err := s.f.Close(); err != nil { // as a disk that takes no more
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("seven")); err == nil {
		t.Error("a write to a closed file succeeded")
	}
	if err := s.Commit(true); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a file with a hole: got %v", err)
	}
	wantContent(t, path, "five")
	wantEntries(t, dir, "file")
}

// TestStageSyncs: when the file cannot be synced it does not appear; when the folder cannot, it has, and the error
// says that it may be lost.
func TestStageSyncs(t *testing.T) {
	t.Parallel()
	for _, replace := range []bool{true, false} {
		for at, want := range []string{"2", "1", "2"} {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if replace {
				if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var log []string
			s, err := broken(at, &log).stage(path, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte("2")); err != nil {
				t.Fatal(err)
			}
			err = s.Commit(replace)
			if (at > 0) != errors.Is(err, syscall.EIO) {
				t.Errorf("sync %d fails: got %v", at, err)
			}
			if at == 1 && !replace {
				wantEntries(t, dir)
				continue
			}
			wantContent(t, path, want)
			wantEntries(t, dir, "file")
			if at == 0 && !slices.Equal(log, []string{"file", "folder " + filepath.Base(dir)}) {
				t.Errorf("synced %v", log)
			}
		}
	}
}
