package certfile

import (
	"errors"
	"fmt"
)

// ErrNoMAC says that a PFX file has no integrity check (RFC 7292 section 4). Whoever had it in his hands may have
// exchanged the key in it, and a wrong password would give rubbish instead of an error.
var ErrNoMAC = errors.New("the PFX file has no MAC, so nobody can tell whether it has been changed")

// ErrExportPassword says that a PFX file was to be written without a password.
var ErrExportPassword = errors.New("a PFX file needs a password that is not empty")

// FormatError says that a file, or a part of it, cannot be read as what it seems to be.
type FormatError struct {
	At     Origin
	Reason string // one clause, for people
}

// Error names the place first.
func (e *FormatError) Error() string { return fmt.Sprintf("reading %s: %s", e.At, e.Reason) }

// LimitError says that a file asks for more than we give to a stranger.
type LimitError struct {
	At    Origin
	What  string // what there is too much of, with its unit
	Limit int64
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("reading %s: more than %d %s", e.At, e.Limit, e.What)
}

// UnsupportedError says that a file is whole, as far as one can see, but uses something that we do not read.
type UnsupportedError struct {
	At   Origin
	What string // the algorithm or the structure by name, or by OID if it has none here
}

// Error names what is not supported.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("reading %s: %s is not supported", e.At, e.What)
}

// PasswordError says that no form of the password opens a file. A damaged file looks the same.
type PasswordError struct {
	At Origin
}

// Error names the file.
func (e *PasswordError) Error() string {
	return fmt.Sprintf("reading %s: the password is wrong, or the file is damaged", e.At)
}

// PasswordMissingError says that a file is under a password and none was given.
type PasswordMissingError struct {
	At Origin
}

// Error names the file.
func (e *PasswordMissingError) Error() string {
	return fmt.Sprintf("reading %s: it is under a password and none was given", e.At)
}

// MismatchError says that a private key belongs to none of the certificates beside it.
type MismatchError struct {
	Key         Origin
	Certificate Origin // the certificate that has no key, or that claims to belong to this one
}

// Error names both.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the private key of %s does not belong to the certificate of %s", e.Key, e.Certificate)
}

func formatErrorf(at Origin, format string, args ...any) error {
	return &FormatError{At: at, Reason: fmt.Sprintf(format, args...)}
}
