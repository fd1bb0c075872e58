package trial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/ground/keys"
)

func writeFile(t *testing.T, path, content string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPasswordIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Password(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != passwordLength || strings.Trim(string(first.Bytes()), passwordLetters) != "" {
		t.Errorf("made %q", first.Bytes())
	}
	again, err := Password(dir, "")
	if err != nil || string(again.Bytes()) != string(first.Bytes()) {
		t.Errorf("the second time: %q, %v, want %q", again.Bytes(), err, first.Bytes())
	}
	path := filepath.Join(dir, "trial-password")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != string(first.Bytes())+"\n" {
		t.Errorf("the file has %q, %v", content, err)
	}
	other, err := Password(t.TempDir(), "")
	if err != nil || string(other.Bytes()) == string(first.Bytes()) {
		t.Errorf("two organisations have the same password, %v", err)
	}
}

func TestPasswordFromAFile(t *testing.T) {
	t.Parallel()
	dir, from := t.TempDir(), writeFile(t, filepath.Join(t.TempDir(), "own"), "my own words\r\n", 0o400)
	if _, err := Password(dir, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := Password(dir, from); err != nil || string(got.Bytes()) != "my own words" {
			t.Errorf("got %q, %v", got.Bytes(), err)
		}
	}
	if got, err := Password(dir, ""); err != nil || string(got.Bytes()) != "my own words" {
		t.Errorf("afterwards without the flag: %q, %v", got.Bytes(), err)
	}
}

func TestPasswordFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unusable := func(err error) bool { return errors.Is(err, ErrPasswordUnusable) }
	exposed := func(err error) bool { _, ok := errors.AsType[*keys.FileModeError](err); return ok }
	some := func(err error) bool { return err != nil }
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want func(error) bool
	}{
		"empty":            {writeFile(t, filepath.Join(dir, "a"), "", 0o600), unusable},
		"only a line end":  {writeFile(t, filepath.Join(dir, "b"), "\n", 0o600), unusable},
		"two lines":        {writeFile(t, filepath.Join(dir, "c"), "a\nb\n", 0o600), unusable},
		"a NUL":            {writeFile(t, filepath.Join(dir, "d"), "a\x00b", 0o600), unusable},
		"not ASCII":        {writeFile(t, filepath.Join(dir, "e"), "caf\u00e9", 0o600), unusable},
		"too long":         {writeFile(t, filepath.Join(dir, "f"), strings.Repeat("x", 129), 0o600), unusable},
		"group may read":   {writeFile(t, filepath.Join(dir, "g"), "good", 0o640), exposed},
		"others may write": {writeFile(t, filepath.Join(dir, "h"), "good", 0o602), exposed},
		"not there":        {filepath.Join(dir, "nothing"), func(err error) bool { return errors.Is(err, fs.ErrNotExist) }},
		"a folder":         {dir, some},
		"a named pipe":     {pipe, some},
	} {
		data := t.TempDir()
		if _, err := Password(data, c.path); !c.want(err) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(data, passwordFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a password was kept all the same", name)
		}
	}
}

func TestKeptPasswordThatOthersCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(dir, passwordFile), "known to all\n", 0o644)
	_, err := Password(dir, "")
	if e, ok := errors.AsType[*keys.FileModeError](err); !ok || e.Path != path || e.Mode != 0o644 {
		t.Errorf("got %v", err)
	}
}
