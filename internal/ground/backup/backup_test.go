package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

func newTestKey(t testing.TB) *Key {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKey(Owner{ID: "0123", Name: "Example \"한국\"\n# organisation: other", PublicKey: public})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is a backup of a database that is none, for the key and whoever else.
func sample(t testing.TB, k *Key, database []byte, more ...string) []byte {
	t.Helper()
	to, err := Recipients(append([]string{k.Public().Recipient}, more...))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(database)
	var out bytes.Buffer
	h := Header{ID: "b", Organisation: "Example", OrganisationID: "0123", DatabaseBytes: int64(len(database)), DatabaseSHA256: hex.EncodeToString(sum[:])}
	if err := Write(&out, Content{Header: h, Config: []byte("bind = \"127.0.0.1\"\n"), Database: bytes.NewReader(database)}, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read reads a whole backup.
func read(file []byte, k *Key) (database []byte, err error) {
	a, err := Open(bytes.NewReader(file), k.Identity())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = a.Database(&out)
	return out.Bytes(), err
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	for _, size := range []int{0, 1, 512, 65_536, 200_000} {
		database := bytes.Repeat([]byte{7}, size)
		got, err := read(sample(t, k, database), k)
		if err != nil || !bytes.Equal(got, database) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	a, err := Open(iotest.OneByteReader(bytes.NewReader(sample(t, k, []byte("x")))), k.Identity())
	if err != nil || string(a.Config) != "bind = \"127.0.0.1\"\n" || a.Header.Format != format || !a.Header.WithConfig {
		t.Errorf("got %+v, %v", a, err)
	}
}

// TestEveryCut cuts a backup off everywhere: it is never taken for whole.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	file := sample(t, k, bytes.Repeat([]byte("database"), 20_000))
	for n := 0; n < len(file); n += 997 {
		if _, err := read(file[:n], k); !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNotABackup) {
			t.Errorf("cut off after %d of %d bytes: got %v", n, len(file), err)
		}
	}
	if _, err := read(file[:len(file)-1], k); !errors.Is(err, ErrTruncated) {
		t.Errorf("without the last byte: got %v, want %v", err, ErrTruncated)
	}
	for n := 300; n < len(file); n += 4001 {
		altered := bytes.Clone(file)
		altered[n] ^= 0x40
		if _, err := read(altered, k); !errors.Is(err, ErrAltered) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNotABackup) {
			t.Errorf("byte %d altered: got %v", n, err)
		}
	}
	if _, err := read(append(bytes.Clone(file), 'x'), k); err == nil {
		t.Error("one byte too many was taken for whole")
	}
}

func TestAReaderThatFails(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	fault := errors.New("the stick was pulled")
	file := sample(t, k, bytes.Repeat([]byte("database"), 20_000))
	for _, n := range []int{0, 10, 1000, 70_000} {
		a, err := Open(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(fault)), k.Identity())
		if err == nil {
			err = a.Database(io.Discard)
		}
		if !errors.Is(err, fault) {
			t.Errorf("after %d bytes: got %v, want %v", n, err, fault)
		}
	}
}

func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	k, other := newTestKey(t), newTestKey(t)
	if _, err := read(sample(t, k, nil), other); !errors.Is(err, ErrOtherKey) {
		t.Errorf("got %v, want %v", err, ErrOtherKey)
	}
	if _, err := read(sample(t, k, nil, other.Public().Recipient), other); err != nil {
		t.Errorf("a further recipient: %v", err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Recipients([]string{hybrid.Recipient().String()}); err != nil {
		t.Errorf("a hybrid recipient: %v", err)
	}
	for _, text := range []string{"", "age1", "AGE-SECRET-KEY-1", "ssh-ed25519 AAAA"} {
		if _, err := Recipients([]string{text}); err == nil {
			t.Errorf("%q was taken for a recipient", text)
		}
	}
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	to, err := Recipients([]string{k.Public().Recipient})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "a letter"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(out.Bytes(), k); !errors.Is(err, ErrNotABackup) {
		t.Errorf("got %v, want %v", err, ErrNotABackup)
	}
	if kinds, err := Outer(bytes.NewReader(out.Bytes())); err != nil || !reflect.DeepEqual(kinds, []string{"X25519"}) {
		t.Errorf("from outside: got %v, %v", kinds, err)
	}
	if _, err := Outer(strings.NewReader("a letter")); !errors.Is(err, ErrNotABackup) {
		t.Errorf("from outside: got %v, want %v", err, ErrNotABackup)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	text := k.Marshal()
	got, err := ParseKey(text)
	if err != nil || got.Owner.ID != k.Owner.ID || !got.Owner.PublicKey.Equal(k.Owner.PublicKey) || got.Public().ID() != k.Public().ID() || !got.MadeAt.Equal(k.MadeAt) {
		t.Errorf("got %v, %v, want %v", got, err, k)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "AGE-") && !strings.Contains(line, "organisation: 0123") && !strings.Contains(line, "-key: ") {
			continue
		}
		without := strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")
		if _, err := ParseKey([]byte(without)); !errors.Is(err, ErrNotAKey) {
			t.Errorf("without %.20q: got %v, want %v", line, err, ErrNotAKey)
		}
		cut := strings.Replace(string(text), line, line[:len(line)/2]+"\n", 1)
		if _, err := ParseKey([]byte(cut)); !errors.Is(err, ErrNotAKey) {
			t.Errorf("half of %.20q: got %v, want %v", line, err, ErrNotAKey)
		} else if strings.Contains(err.Error(), line[len(line)/3:len(line)/2]) && len(line) > 40 {
			t.Errorf("the error repeats the line: %v", err)
		}
	}
	for _, print := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", *k), fmt.Sprintf("%#v", k)} {
		if strings.Contains(print, "AGE-SECRET") {
			t.Errorf("a key prints itself: %s", print)
		}
	}
	path := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*keys.FileModeError](second(ReadKey(path))); !ok {
		t.Error("a key that others may read was taken")
	}
}

func second[T any](_ T, err error) error { return err }

func TestStatement(t *testing.T) {
	t.Parallel()
	p := newTestKey(t).Public()
	b, err := p.Statement()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseStatement(b); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, b[1:], b[:len(b)-1], append([]byte(signedAs), "{}"...)} {
		if _, err := ParseStatement(bad); err == nil {
			t.Errorf("%.60q was taken", bad)
		}
	}
}

// TestDebianAge: the recovery key opens a backup without us.
func TestDebianAge(t *testing.T) {
	t.Parallel()
	peers.Need(t, "age", "tar")
	k := newTestKey(t)
	database := bytes.Repeat([]byte("database"), 50_000)
	dir := t.TempDir()
	for name, content := range map[string][]byte{"key": k.Marshal(), "backup.age": sample(t, k, database)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	run("age", "-d", "-i", "key", "-o", "inside.tar", "backup.age")
	if got := string(run("tar", "tf", "inside.tar")); got != headerName+"\n"+configName+"\n"+databaseName+"\n" {
		t.Errorf("inside are %q", got)
	}
	if got := run("tar", "xOf", "inside.tar", databaseName); !bytes.Equal(got, database) {
		t.Errorf("the database has %d bytes, want %d", len(got), len(database))
	}
}

// FuzzParseKey: whatever is in a key file, nothing panics, and what is taken can be written again.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte(newTestKey(f).Marshal()))
	f.Add([]byte("AGE-SECRET-KEY-1\n# recovery-sealing-key: x\n"))
	f.Add([]byte("# organisation-key: AAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKey(data)
		if err != nil {
			return
		}
		if again, err := ParseKey(k.Marshal()); err != nil || again.Public().ID() != k.Public().ID() {
			t.Errorf("got %v, %v", again, err)
		}
	})
}

// FuzzOpen: whatever is in a backup that decrypts, nothing panics and nothing grows beyond its limits.
func FuzzOpen(f *testing.F) {
	k := newTestKey(f)
	f.Add(sample(f, k, []byte("database")))
	f.Add([]byte("age-encryption.org/v1\n-> X25519 x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := Open(bytes.NewReader(data), k.Identity()); err == nil {
			a.Database(io.Discard) // an error or not
		}
		Outer(bytes.NewReader(data)) // the same
	})
}
