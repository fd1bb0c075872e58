package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestNoOrganisationHere(t *testing.T) {
	t.Parallel()
	t.Run("no directory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "gone")
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrNoOrganisation) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want %v", err, ErrNoOrganisation)
		}
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory was made: %v", err)
		}
	})
	t.Run("an empty directory", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrNoOrganisation) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want %v", err, ErrNoOrganisation)
		}
		wantEntries(t, dir)
	})
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}

// TestDirectoryRefused: each bad directory gets its own error, and nothing is put there.
func TestDirectoryRefused(t *testing.T) {
	t.Parallel()
	t.Run("of another owner", func(t *testing.T) {
		dir := "/" // of root
		if os.Geteuid() == 0 {
			dir = t.TempDir()
			if err := os.Chown(dir, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		for _, create := range []bool{false, true} {
			if _, err := Open(t.Context(), Options{Dir: dir, Create: create}); !errors.Is(err, ErrNotOurs) {
				t.Errorf("got %v, want %v", err, ErrNotOurs)
			}
		}
		if dir != "/" {
			wantEntries(t, dir)
		}
	})
	t.Run("not writable", func(t *testing.T) {
		dir := t.TempDir()
		inner := filepath.Join(dir, "inner")
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			dir:   "opening the data directory: " + ErrDirectory.Error() + ": " + dir + ": permission denied",
			inner: "making the data directory: " + ErrDirectory.Error() + ": mkdir " + inner + ": permission denied",
		} {
			err := withoutPrivileges(t, func() error {
				_, err := Open(t.Context(), Options{Dir: path, Create: true})
				return err
			})
			if !errors.Is(err, ErrDirectory) || err.Error() != want {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		wantEntries(t, dir)
	})
	t.Run("a lock file that cannot be opened", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("elsewhere", filepath.Join(dir, "lock")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir, Create: true}); !errors.Is(err, ErrDirectory) {
			t.Errorf("got %v, want %v", err, ErrDirectory)
		}
		wantEntries(t, dir, "lock")
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{file, filepath.Join(file, "below")} {
			if _, err := Open(t.Context(), Options{Dir: path, Create: true}); !errors.Is(err, ErrDirectory) {
				t.Errorf("%s: got %v, want %v", path, err, ErrDirectory)
			}
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
			t.Errorf("got %s, %v, want it untouched", b, err)
		}
	})
	t.Run("of an empty name", func(t *testing.T) {
		if _, err := Open(t.Context(), Options{}); !errors.Is(err, ErrDirectory) {
			t.Errorf("got %v, want %v", err, ErrDirectory)
		}
	})
}

// withoutPrivileges calls f as root's uid without root's power, or as whoever we are. The thread is not used again.
func withoutPrivileges(t *testing.T, f func() error) error {
	t.Helper()
	answer := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: capabilities belong to the thread, and it ends with the goroutine
		header := struct {
			version uint32
			pid     int32
		}{version: 0x20080522} // _LINUX_CAPABILITY_VERSION_3
		var none [2]struct{ effective, permitted, inheritable uint32 }
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0); errno != 0 {
			answer <- errno
			return
		}
		answer <- f()
	}()
	return <-answer
}

// TestStrangeDirectories: what means something in a URI or in SQL is an ordinary name of a directory.
func TestStrangeDirectories(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"with space", "what?mode=memory", "100%", "%41", "a#b", "a&b=c;d", "it's", `say "x"`, `back\slash`, "new\nline", "한글 – Ünï", "\xff\xfe", ":memory:", "file:x",
		strings.Repeat("long", 60),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, name)
			db := openIn(t, dir)
			if _, err := db.Update(t.Context(), tester, step); err != nil {
				t.Fatal(err)
			}
			if err := db.backup(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			closeDB(t, db)
			db = openWith(t, Options{Dir: dir})
			if got := wantSteps(t, db); got != 1 {
				t.Errorf("got %d changes, want 1", got)
			}
			closeDB(t, db)
			wantEntries(t, parent, name)
			wantEntries(t, dir, "lock", FileName, "backups")
		})
	}
}

func TestLongDirectory(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if real, err := filepath.EvalSymlinks(parent); err != nil || real != parent {
		t.Fatalf("the temporary directory is %s, want no link in %s: %v", real, parent, err)
	}
	const most = maxPathBytes - len("/"+FileName)
	long := parent
	for len(long) < most-101 {
		long += "/" + strings.Repeat("d", 99)
	}
	long += "/" + strings.Repeat("e", most-len(long)-1)
	db := openIn(t, long)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatalf("%d bytes: %v", len(long), err)
	}
	closeDB(t, db)
	if got := wantSteps(t, openIn(t, long)); got != 1 {
		t.Errorf("%d bytes: got %d changes, want 1", len(long), got)
	}
	t.Run("one byte more", func(t *testing.T) {
		if _, err := Open(t.Context(), Options{Dir: long + "e", Create: true}); !errors.Is(err, ErrDirectory) {
			t.Errorf("got %v, want %v", err, ErrDirectory)
		}
		wantEntries(t, filepath.Dir(long), filepath.Base(long))
	})
	t.Run("behind a short link", func(t *testing.T) {
		far := filepath.Join(long, "far")
		if err := os.Mkdir(far, 0o700); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(parent, "link")
		if err := os.Symlink(far, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: link, Create: true}); !errors.Is(err, ErrDirectory) {
			t.Errorf("got %v, want %v", err, ErrDirectory)
		}
		wantEntries(t, far)
	})
}

func TestModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	db := openIn(t, dir)
	if _, err := db.Update(t.Context(), tester, step); err != nil {
		t.Fatal(err)
	}
	if err := db.backup(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, dir, "backups", "lock", FileName, FileName+"-shm", FileName+"-wal")
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if got := info.Mode(); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
		seen++
		return nil
	})
	if err != nil || seen != 7 {
		t.Errorf("saw %d names, %v, want 7", seen, err)
	}
	closeDB(t, db)
	wantEntries(t, dir, "backups", "lock", FileName) // the -wal went into the file
}

// TestDurable: an answered change survives a power cut only with these settings, which no test can cut.
func TestDurable(t *testing.T) {
	t.Parallel()
	db := openIn(t, t.TempDir())
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		var got string
		if err := db.write.QueryRowContext(t.Context(), `PRAGMA `+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", pragma, got, err, want)
		}
	}
}
