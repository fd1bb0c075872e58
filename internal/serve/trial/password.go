package trial

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
)

// passwordFile is the name in the data directory.
const passwordFile = "trial-password"

const (
	passwordLetters = "abcdefghijkmnpqrstuvwxyz23456789" // 32: no l, o, 0 or 1, which people misread
	passwordLength  = 20                                 // 100 bits
	maxPassword     = 128                                // octets; with PASS and CRLF it fits a POP3 line
)

// ErrPasswordUnusable is returned by [Password] and [New] for a password that is not 1 to 128 printable ASCII
// characters on one line.
var ErrPasswordUnusable = errors.New("the password is not one line of 1 to 128 printable ASCII characters")

// Password returns the trial account's password. It is kept in dir/trial-password, mode 0600, and made there
// if it is not there yet. If from is not empty, the password in that file is taken instead and kept, so that
// dir/trial-password is always the one in force. A file that others may read or write is a *keys.FileModeError.
func Password(dir, from string) (keys.Secret, error) {
	kept := filepath.Join(dir, passwordFile)
	if from == "" {
		secret, err := readPassword(kept)
		if !errors.Is(err, fs.ErrNotExist) {
			return secret, err
		}
		secret = makePassword()
		return secret, keepPassword(kept, secret)
	}
	secret, err := readPassword(from)
	if err != nil {
		return nil, err
	}
	if old, err := readPassword(kept); err == nil && bytes.Equal(old.Bytes(), secret.Bytes()) {
		return secret, nil
	}
	return secret, keepPassword(kept, secret)
}

func keepPassword(path string, secret keys.Secret) error {
	if err := durable.WriteFile(path, append(bytes.Clone(secret.Bytes()), '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the trial password: %w", err)
	}
	return nil
}

func readPassword(path string) (keys.Secret, error) {
	// Without O_NONBLOCK a named pipe would hold the start up until somebody writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the trial password: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the trial password: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the trial password from %s: not a regular file", path)
	}
	if info.Mode().Perm()&0o066 != 0 {
		return nil, fmt.Errorf("trial password: %w", &keys.FileModeError{Path: path, Mode: info.Mode().Perm()})
	}
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("reading the trial password: %w", err)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	secret := keys.Secret(data)
	if err := checkPassword(secret); err != nil {
		return nil, fmt.Errorf("reading the trial password from %s: %w", path, err)
	}
	return secret, nil
}

// checkPassword refuses what one of the four protocols cannot carry: control characters end lines or fields
// (RFC 4616 section 2 divides by NUL), and IMAP LOGIN takes no octet above 127 in a quoted string.
func checkPassword(secret keys.Secret) error {
	notPrintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(secret) == 0 || len(secret) > maxPassword || bytes.ContainsFunc(secret.Bytes(), notPrintable) {
		return ErrPasswordUnusable
	}
	return nil
}

func makePassword() keys.Secret {
	secret := make(keys.Secret, passwordLength)
	rand.Read(secret) // it never fails: the process ends instead
	for i, b := range secret {
		secret[i] = passwordLetters[b%32] // 256 is a multiple of 32: every letter is as likely
	}
	return secret
}
