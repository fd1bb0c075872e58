package backup

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
)

// crafted is a backup as anybody can write it who knows the public half of the key: h, and then what the tar file has.
func crafted(t testing.TB, k *Key, h Header, rest []byte) []byte {
	t.Helper()
	head, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	to, err := Recipients([]string{k.Public().Recipient})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		t.Fatal(err)
	}
	plain := tar.NewWriter(w)
	if err = plain.WriteHeader(&tar.Header{Name: headerName, Mode: 0o600, Size: int64(len(head))}); err == nil {
		_, err = plain.Write(head)
	}
	if err = errors.Join(err, plain.Flush()); err == nil {
		_, err = w.Write(rest)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// ustar is one entry of a tar file, of any type.
func ustar(kind byte, name, content string) []byte {
	block := make([]byte, 512)
	copy(block, name)
	copy(block[100:], "0000600\x000000000\x000000000\x00")
	copy(block[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", len(content)))
	block[156] = kind
	copy(block[257:], "ustar\x0000")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	block = append(block, content...)
	return append(block, make([]byte, -len(block)&511)...)
}

// counted counts, and holds nothing.
type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// TestASparseDatabaseIsNotUnfolded: a file of two kilobytes that says that it is all holes would fill the disk.
func TestASparseDatabaseIsNotUnfolded(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	const holes = 1 << 30
	record := func(key, value string) string {
		for n := len(key) + len(value) + 3; ; n++ {
			if text := fmt.Sprintf("%d %s=%s\n", n, key, value); len(text) == n {
				return text
			}
		}
	}
	pax := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", databaseName) + record("GNU.sparse.realsize", fmt.Sprint(holes))
	rest := append(ustar('x', "pax", pax), ustar('0', databaseName, "0\n"+strings.Repeat("\x00", 510))...)
	data := crafted(t, k, Header{Format: format, DatabaseBytes: holes}, append(rest, make([]byte, 1024)...))
	a, err := Open(bytes.NewReader(data), k.Identity())
	if err != nil {
		t.Fatal(err)
	}
	var out counted
	if err := a.Database(&out); !errors.Is(err, ErrNotABackup) || out.n != 0 {
		t.Errorf("a backup of %d bytes unfolded to %d: %v", len(data), out.n, err)
	}
}

// TestADatabaseOfAnotherSizeIsNotRead: what the header says is what is written to the disk at most.
func TestADatabaseOfAnotherSizeIsNotRead(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	data := crafted(t, k, Header{Format: format, DatabaseBytes: 10}, append(ustar('0', databaseName, strings.Repeat("x", 4096)), make([]byte, 1024)...))
	a, err := Open(bytes.NewReader(data), k.Identity())
	if err != nil {
		t.Fatal(err)
	}
	var out counted
	if err := a.Database(&out); !errors.Is(err, ErrAltered) || out.n != 0 {
		t.Errorf("wrote %d bytes: %v", out.n, err)
	}
}

// TestAHeaderCannotMoveTheCursor: whoever wrote the backup wrote what the terminal shows of it.
func TestAHeaderCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	k := newTestKey(t)
	for name, h := range map[string]Header{
		"organisation": {Format: format, Organisation: "Example\x1b[2J"},
		"server":       {Format: format, Server: "mail\u202e1"},
		"release":      {Format: format, Release: "v1\r"},
		"id":           {Format: format, ID: "1\n2"},
		"recovery":     {Format: format, RecoveryID: "\u009b"},
		"newer":        {Format: format + 1, Release: "v2\x1b[2J"},
	} {
		_, err := Open(bytes.NewReader(crafted(t, k, h, nil)), k.Identity())
		newer, isNewer := errors.AsType[*NewerError](err)
		switch {
		case name == "newer":
			if !isNewer || strings.ContainsFunc(newer.Error(), unseen) {
				t.Errorf("%s: got %q", name, err)
			}
		case !errors.Is(err, ErrNotABackup):
			t.Errorf("%s: got %v, want %v", name, err, ErrNotABackup)
		}
	}
	h := Header{Format: format, Organisation: "한빛 메일 & Co.", Server: "mail1.example.com", Release: "v1.0.0"}
	if _, err := Open(bytes.NewReader(crafted(t, k, h, nil)), k.Identity()); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("a good one: %v", err)
	}
}
