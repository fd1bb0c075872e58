package x509cert

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	thumbprintDigits    = 40 // SHA-1
	minThumbprintDigits = 8  // shorter prefixes would soon be ambiguous
	sha256Digits        = 64
)

// InvalidThumbprintError says why a text is neither a thumbprint nor the beginning of one.
type InvalidThumbprintError struct {
	Text   string // as it was given, shortened when long
	Reason string // what is wrong, for people
}

// Error names the text first.
func (e *InvalidThumbprintError) Error() string {
	return fmt.Sprintf("invalid thumbprint %q: %s", e.Text, e.Reason)
}

// ParseThumbprint takes a thumbprint, or the first 8 digits or more of one, as people paste it: in any case, with
// spaces and colons, with the invisible mark that the Windows dialog copies along, with "SHA1 Fingerprint=" before it
// as openssl prints. It returns hex digits in upper case. The error is an [*InvalidThumbprintError].
func ParseThumbprint(s string) (string, error) {
	digits, reason := thumbprint(s)
	if reason != "" {
		return "", &InvalidThumbprintError{Text: clip(s), Reason: reason}
	}
	return digits, nil
}

// IsThumbprintPrefix reports whether [ParseThumbprint] takes s.
func IsThumbprintPrefix(s string) bool {
	_, reason := thumbprint(s)
	return reason == ""
}

func thumbprint(s string) (digits, reason string) {
	if len(s) > maxInputBytes {
		return "", "longer than 1024 octets"
	}
	if label, rest, found := strings.Cut(s, "="); found && strings.EqualFold(strings.TrimSpace(label), "sha1 fingerprint") {
		s = rest
	}
	digits = strings.Map(func(r rune) rune {
		switch r {
		case ' ', ':', '\t', '\r', '\n', '\u00a0', // separators
			'\u200b', '\u200e', '\u200f', '\u202a', '\u202c', '\ufeff': // invisible: the Windows dialog begins with U+200E
			return -1
		}
		return r
	}, s)
	switch n := len(digits); {
	case strings.Trim(digits, "0123456789abcdefABCDEF") != "":
		return "", "not hex digits"
	case n == sha256Digits:
		return "", "64 digits are a SHA-256 fingerprint; a thumbprint is the SHA-1, 40 digits"
	case n < minThumbprintDigits:
		return "", fmt.Sprintf("%d digits are too few; at least %d", n, minThumbprintDigits)
	case n > thumbprintDigits:
		return "", fmt.Sprintf("%d digits are too many; at most %d", n, thumbprintDigits)
	}
	return strings.ToUpper(digits), ""
}

// Thumbprint returns the SHA-1 of DER as 40 hex digits in upper case: of a certificate, or of a pending request. It
// names a thing; it protects nothing, so it does not matter that SHA-1 can be collided. Whoever compares certificates
// compares them whole.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
