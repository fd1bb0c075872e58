package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// entries lists a folder, so that a test can say that nothing else is in it.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func wantEntries(t *testing.T, folder string, want ...string) {
	t.Helper()
	if got := entries(t, folder); !slices.Equal(got, want) {
		t.Errorf("folder holds %v, want %v", got, want)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), got, want)
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %v, want %v", filepath.Base(path), got, want)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	for _, perm := range []os.FileMode{0o600, 0o400, 0o640, 0o644, 0o666} {
		t.Run(fmt.Sprintf("new with mode %04o", perm), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := WriteFile(path, []byte("one"), perm); err != nil {
				t.Fatal(err)
			}
			wantContent(t, path, "one")
			wantMode(t, path, perm)
			wantEntries(t, dir, "file")
		})
	}
	t.Run("replaces content and mode", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte("a longer old content"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, "new")
		wantMode(t, path, 0o600)
		wantEntries(t, dir, "file")
	})
	t.Run("an open reader keeps the old file", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "file")
		if err := WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := WriteFile(path, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(f); err != nil {
			t.Fatal(err)
		}
		if got.String() != "old" {
			t.Errorf("the open reader got %q, want %q", got.String(), "old")
		}
	})
	t.Run("a symbolic link is replaced, its target is not touched", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
		if err := os.WriteFile(target, []byte("target"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(link, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantContent(t, target, "target")
		wantContent(t, link, "new")
	})
	t.Run("the longest name there can be", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		name := strings.Repeat("n", 255)
		if err := WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantEntries(t, dir, name)
	})
}

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("makes a new file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := Create(path, []byte("one"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, "one")
		wantMode(t, path, 0o600)
		wantEntries(t, dir, "file")
	})
	t.Run("refuses an existing file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
			t.Fatal(err)
		}
		err := Create(path, []byte("new"), 0o600)
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("got error %v, want fs.ErrExist", err)
		}
		if want := "creating " + path + ": file exists"; err == nil || err.Error() != want {
			t.Errorf("got text %v, want %s", err, want)
		}
		wantContent(t, path, "old")
		wantEntries(t, dir, "file")
	})
	t.Run("refuses a dangling link", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "link")
		if err := os.Symlink(filepath.Join(dir, "nowhere"), path); err != nil {
			t.Fatal(err)
		}
		if err := Create(path, []byte("new"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got error %v, want fs.ErrExist", err)
		}
		wantEntries(t, dir, "link")
	})
	t.Run("one of many wins", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = Create(path, fmt.Appendf(nil, "%02d", i), 0o600) })
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won >= 0:
				t.Errorf("callers %d and %d both succeeded", won, i)
			case err == nil:
				won = i
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("caller %d: got error %v, want fs.ErrExist", i, err)
			}
		}
		wantContent(t, path, fmt.Sprintf("%02d", won))
		wantEntries(t, dir, "file")
	})
}

func TestRename(t *testing.T) {
	t.Parallel()
	t.Run("into another folder, over a file", func(t *testing.T) {
		t.Parallel()
		from, to := t.TempDir(), t.TempDir()
		old, new := filepath.Join(from, "old"), filepath.Join(to, "new")
		for path, content := range map[string]string{old: "moved", new: "replaced"} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Rename(old, new); err != nil {
			t.Fatal(err)
		}
		wantContent(t, new, "moved")
		wantEntries(t, from)
		wantEntries(t, to, "new")
	})
	t.Run("a folder and a named pipe", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "b"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			if err := Rename(filepath.Join(dir, name), filepath.Join(dir, name+"2")); err != nil {
				t.Error(err)
			}
		}
		wantEntries(t, dir, "a2", "b2")
	})
	t.Run("a file that is not there", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := Rename(filepath.Join(dir, "no"), filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got error %v, want fs.ErrNotExist", err)
		}
		wantEntries(t, dir)
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, dir)
	err := Remove(path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
	if want := "removing " + path + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got text %v, want %s", err, want)
	}
}
