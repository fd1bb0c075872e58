package keys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// writeTestFile writes a file with exactly this mode, whatever the umask is.
func writeTestFile(t *testing.T, data []byte, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	p := testKey(t, ECDSAP256)
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700} {
		got, err := ReadFile(writeTestFile(t, p.PEM(), mode))
		if err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		} else if !bytes.Equal(got.PKCS8(), p.PKCS8()) {
			t.Errorf("mode %04o: another key", mode)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(writeTestFile(t, p.PEM(), 0o600), link); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(link); err != nil {
		t.Errorf("through a link: %v", err)
	}
}

func TestReadRefusesModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o640, 0o440, 0o660, 0o620, 0o604, 0o602, 0o644, 0o666, 0o460} {
		path := writeTestFile(t, testKey(t, ECDSAP256).PEM(), mode)
		want := fmt.Sprintf("reading %s: mode %04o lets others than the owner read or write it", path, mode)
		for name, err := range map[string]error{"key": second(ReadFile(path)), "sealing": second(ReadSealingFile(path))} {
			e, ok := errors.AsType[*FileModeError](err)
			if !ok {
				t.Errorf("%s, mode %04o: got %v, want a FileModeError", name, mode, err)
				continue
			}
			if e.Path != path || e.Mode != mode || e.Error() != want {
				t.Errorf("%s: got %v, want %s", name, e, want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	long := writeTestFile(t, make([]byte, maxFileBytes+1), 0o600)
	nowhere := filepath.Join(dir, "nowhere")
	for path, want := range map[string]string{
		pipe: "not a regular file", folder: "not a regular file", long: "more than", nowhere: "no such file or directory",
	} {
		for name, err := range map[string]error{"key": second(ReadFile(path)), "sealing": second(ReadSealingFile(path))} {
			if err == nil || !strings.HasPrefix(err.Error(), "reading "+path+": ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want the path and %q", name, err, want)
			}
			if path == nowhere && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: got %v, want fs.ErrNotExist", name, err)
			}
		}
	}
	exact := append(testKey(t, ECDSAP256).PEM(), bytes.Repeat([]byte("\n"), maxFileBytes)...)[:maxFileBytes]
	if _, err := ReadFile(writeTestFile(t, exact, 0o600)); err != nil {
		t.Errorf("a file of exactly the limit: %v", err)
	}
}

func TestAccessControlLists(t *testing.T) {
	t.Parallel()
	type entry struct {
		tag, perm uint16
		id        uint32
	}
	const nobody = 1<<32 - 1
	list := func(version uint32, entries ...entry) []byte {
		b := binary.LittleEndian.AppendUint32(nil, version)
		for _, e := range entries {
			b = binary.LittleEndian.AppendUint16(b, e.tag)
			b = binary.LittleEndian.AppendUint16(b, e.perm)
			b = binary.LittleEndian.AppendUint32(b, e.id)
		}
		return b
	}
	owner, mask := entry{0x01, 4, nobody}, entry{0x10, 4, nobody}
	group, others := entry{0x04, 0, nobody}, entry{0x20, 0, nobody}
	me := entry{0x02, 4, 1000}
	credential := list(2, owner, me, group, mask, others)
	tests := []struct {
		name string
		acl  []byte
		want bool
	}{
		{"a credential of systemd for us", credential, false},
		{"for another user", list(2, owner, entry{0x02, 4, 1001}, group, mask, others), true},
		{"another user named without rights", list(2, owner, me, entry{0x02, 1, 1001}, group, mask, others), false},
		{"the owning group reads", list(2, owner, me, entry{0x04, 4, nobody}, mask, others), true},
		{"a named group writes", list(2, owner, me, group, entry{0x08, 2, 7}, mask, others), true},
		{"others read", list(2, owner, me, group, mask, entry{0x20, 4, nobody}), true},
		{"an unknown tag", list(2, owner, entry{0x40, 0, 0}), true},
		{"an unknown version", list(3, owner, me, group, mask, others), true},
		{"cut off", credential[:len(credential)-1], true},
		{"empty", nil, true},
	}
	for _, tt := range tests {
		if got := aclGrantsOthers(tt.acl, 1000); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
