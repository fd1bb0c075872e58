package admin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/ground/durable"
)

// Pins is a file of the servers that a user knows: one a line, HOST:PORT and the SHA-256 of its certificate. It
// is to be read and mended with an editor; a line that begins with # says something to people.
type Pins struct{ Path string }

// maxPinsBytes bounds the file: some 10,000 servers.
const maxPinsBytes = 1 << 20

// pinsHead stands at the top of a new file.
const pinsHead = "# Servers that postseal --remote knows: HOST:PORT and the SHA-256 of the certificate of management.\n"

// ParseFingerprint reads a SHA-256 as people paste it: hex, in either case, with or without colons, spaces, or the
// word sha256 before it.
func ParseFingerprint(text string) (string, error) {
	low := strings.ToLower(strings.TrimSpace(text))
	for _, word := range []string{"sha256:", "sha-256:", "sha256 fingerprint=", "sha256="} {
		low = strings.TrimPrefix(low, word)
	}
	low = strings.NewReplacer(":", "", " ", "").Replace(low)
	if b, err := hex.DecodeString(low); err != nil || len(b) != 32 {
		return "", fmt.Errorf("%q is no SHA-256: want 64 hex digits", text)
	}
	return low, nil
}

func (p Pins) read() ([]string, error) {
	info, err := os.Stat(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxPinsBytes) {
		err = fmt.Errorf("not a regular file of at most %d bytes", maxPinsBytes)
	}
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		err = fmt.Errorf("others may write to it (mode %04o)", info.Mode().Perm())
	}
	if err != nil {
		return nil, &PinsError{Path: p.Path, Err: err}
	}
	text, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, &PinsError{Path: p.Path, Err: err}
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// Get returns what is pinned of a server; empty for nothing.
func (p Pins) Get(address string) (string, error) {
	lines, err := p.read()
	if err != nil {
		return "", err
	}
	for i, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") || words[0] != address {
			continue
		}
		pin, err := ParseFingerprint(strings.Join(words[1:], ""))
		if err != nil {
			return "", &PinsError{Path: p.Path, Line: i + 1, Err: err}
		}
		return pin, nil
	}
	return "", nil
}

// Set pins a server, instead of what was pinned before.
func (p Pins) Set(address, fingerprint string) error {
	lines, err := p.read()
	if err != nil {
		return err
	}
	if lines == nil {
		lines = []string{strings.TrimSuffix(pinsHead, "\n")}
	}
	line := address + " " + fingerprint
	at := slices.IndexFunc(lines, func(l string) bool { words := strings.Fields(l); return len(words) > 0 && words[0] == address })
	if at >= 0 {
		lines[at] = line
	} else {
		lines = append(lines, line)
	}
	if err := os.MkdirAll(filepath.Dir(p.Path), 0o700); err != nil {
		return &PinsError{Path: p.Path, Err: err}
	}
	if err := durable.WriteFile(p.Path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return &PinsError{Path: p.Path, Err: err}
	}
	return nil
}
