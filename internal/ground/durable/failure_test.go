package durable

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// childFolder is set when the test binary runs itself as a child, because a umask and a file size limit hold for a
// whole process.
const childFolder = "POSTSEAL_DURABLE_TEST_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		os.Exit(child(folder))
	}
	os.Exit(m.Run())
}

// child writes three files under a umask that denies everything and a limit of 4 KiB a file, and prints what failed.
func child(folder string) int {
	syscall.Umask(0o777)
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		os.Stdout.WriteString("setting the limit: " + err.Error())
		return 1
	}
	if err := WriteFile(filepath.Join(folder, "small"), []byte("small"), 0o644); err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	big := make([]byte, 8192)
	for _, err := range []error{
		WriteFile(filepath.Join(folder, "old"), big, 0o600),
		Create(filepath.Join(folder, "big"), big, 0o600),
	} {
		if !errors.Is(err, syscall.EFBIG) {
			os.Stdout.WriteString("want EFBIG, got: ")
		}
		os.Stdout.WriteString(err.Error() + "\n")
	}
	return 0
}

func TestUmaskAndFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	want := "writing " + old + ": file too large\ncreating " + filepath.Join(dir, "big") + ": file too large\n"
	if string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
	wantContent(t, old, "old")
	wantMode(t, filepath.Join(dir, "small"), 0o644)
	wantEntries(t, dir, "old", "small")
}

func TestFailuresLeaveNothing(t *testing.T) {
	t.Parallel()
	t.Run("the folder is not there", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "no", "file")
		err := WriteFile(path, nil, 0o600)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got error %v, want fs.ErrNotExist", err)
		}
		want := "writing " + path + ": opening folder " + filepath.Join(dir, "no") + ": no such file or directory"
		if err == nil || err.Error() != want {
			t.Errorf("got text %v, want %s", err, want)
		}
		wantEntries(t, dir)
	})
	t.Run("a folder is in the way", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "taken")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("x"), 0o600); err == nil {
			t.Error("writing over a folder succeeded")
		}
		if err := Create(path, []byte("x"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got error %v, want fs.ErrExist", err)
		}
		wantEntries(t, dir, "taken")
	})
}

// broken is a disk that notes what is synced and fails at the nth sync, counted from one. At zero it never fails.
func broken(at int, log *[]string) disk {
	return disk{sync: func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		name := "file"
		if info.IsDir() {
			name = "folder " + filepath.Base(f.Name())
		}
		*log = append(*log, name)
		if len(*log) == at {
			return &fs.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
		}
		return f.Sync()
	}}
}

func TestSyncs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		do     func(d disk, root string) error
		syncs  []string
		before string // what a/old, a/new, b/new look like when the change has not happened
		after  string // and when it has
	}{
		{
			"write", func(d disk, root string) error {
				return d.writeFile(filepath.Join(root, "a", "old"), []byte("2"), 0o600)
			},
			[]string{"file", "folder a"}, "a/old=1", "a/old=2",
		},
		{
			"create", func(d disk, root string) error { return d.create(filepath.Join(root, "a", "new"), []byte("2"), 0o600) },
			[]string{"file", "folder a"}, "a/old=1", "a/new=2 a/old=1",
		},
		{
			"rename within a folder", func(d disk, root string) error {
				return d.rename(filepath.Join(root, "a", "old"), filepath.Join(root, "a", "new"))
			},
			[]string{"file", "folder a"}, "a/old=1", "a/new=1",
		},
		{
			"rename across folders", func(d disk, root string) error {
				return d.rename(filepath.Join(root, "a", "old"), filepath.Join(root, "b", "new"))
			},
			[]string{"file", "folder b", "folder a"}, "a/old=1", "b/new=1",
		},
		{
			"remove", func(d disk, root string) error { return d.remove(filepath.Join(root, "a", "old")) },
			[]string{"folder a"}, "a/old=1", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for at := range len(tt.syncs) + 1 {
				root := t.TempDir()
				for _, name := range []string{"a", "b"} {
					if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(root, "a", "old"), []byte("1"), 0o600); err != nil {
					t.Fatal(err)
				}
				var log []string
				err := tt.do(broken(at, &log), root)

				wantSyncs, wantFiles := tt.syncs, tt.after
				if at > 0 {
					wantSyncs = tt.syncs[:at]
					if !errors.Is(err, syscall.EIO) {
						t.Errorf("sync %d fails: got error %v, want EIO", at, err)
					}
					inFolder := strings.HasPrefix(tt.syncs[at-1], "folder")
					if !inFolder {
						wantFiles = tt.before
					}
					if got := err != nil && strings.Contains(err.Error(), "may be lost in a power cut"); got != inFolder {
						t.Errorf("sync %d fails: the error says that the change is visible: %v, want %v: %v", at, got, inFolder, err)
					}
				} else if err != nil {
					t.Errorf("no sync fails: got error %v", err)
				}
				if !slices.Equal(log, wantSyncs) {
					t.Errorf("sync %d fails: synced %v, want %v", at, log, wantSyncs)
				}
				if got := tree(t, root); got != wantFiles {
					t.Errorf("sync %d fails: files %q, want %q", at, got, wantFiles)
				}
			}
		})
	}
}

// tree lists every file below root with its content.
func tree(t *testing.T, root string) string {
	t.Helper()
	var list []string
	for _, folder := range []string{"a", "b"} {
		for _, name := range entries(t, filepath.Join(root, folder)) {
			content, err := os.ReadFile(filepath.Join(root, folder, name))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, folder+"/"+name+"="+string(content))
		}
	}
	return strings.Join(list, " ")
}
