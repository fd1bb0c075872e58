package hsm

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// These bound the name of a token, which PKCS #11 gives 32 octets, and that of a key.
const (
	maxToken = 32
	maxLabel = 64
	maxURI   = 1024
)

// Ref names a key in a token. Only [NewRef] and [ParseRef] make one; it is comparable.
type Ref struct {
	token, label string
	id           [16]byte
}

// ErrRef says that a text names no key of ours.
var ErrRef = errors.New("not the address of a key in a security module")

// NewRef names a key that is yet to be made. Its id is drawn, so that no two keys have one.
func NewRef(token, label string) (Ref, error) {
	r := Ref{token: token, label: label}
	rand.Read(r.id[:]) // never fails, crypto/rand
	return r, r.check()
}

func (r Ref) check() error {
	switch {
	case !printable(r.token, maxToken):
		return fmt.Errorf("token: want 1 to %d printable ASCII characters: %w", maxToken, ErrRef)
	case !printable(r.label, maxLabel):
		return fmt.Errorf("name of the key: want 1 to %d printable ASCII characters: %w", maxLabel, ErrRef)
	}
	return nil
}

func printable(text string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

// Token is the label of the token that holds the key.
func (r Ref) Token() string { return r.token }

// Label is what the key is called there (CKA_LABEL), for people.
func (r Ref) Label() string { return r.label }

// ID is CKA_ID of both halves, in hex. It finds the key.
func (r Ref) ID() string { return hex.EncodeToString(r.id[:]) }

// String writes the URI, RFC 7512 section 2.3, as other tools take it.
func (r Ref) String() string {
	var id strings.Builder
	for _, b := range r.id {
		fmt.Fprintf(&id, "%%%02x", b)
	}
	return "pkcs11:token=" + escape(r.token) + ";object=" + escape(r.label) + ";id=" + id.String() + ";type=private"
}

// escape leaves the unreserved characters of a URI. RFC 7512 section 2.3 lets more stand; nobody needs it.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// ParseRef reads what String writes, with the attributes in any order. Another attribute is refused: we could not tell
// what it asks for. The error wraps [ErrRef].
func ParseRef(text string) (Ref, error) {
	var r Ref
	path, ok := strings.CutPrefix(text, "pkcs11:")
	if !ok || len(text) > maxURI {
		return Ref{}, ErrRef
	}
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(path, ";") {
		name, escaped, _ := strings.Cut(part, "=")
		value, err := url.PathUnescape(escaped)
		if err != nil || seen[name] { // RFC 7512 section 2.3: no attribute twice
			return Ref{}, ErrRef
		}
		seen[name] = true
		switch {
		case name == "token":
			r.token = value
		case name == "object":
			r.label = value
		case name == "id" && len(value) == len(r.id):
			copy(r.id[:], value)
		case name == "type" && value == "private":
		default:
			return Ref{}, ErrRef
		}
	}
	if !seen["id"] || !seen["type"] {
		return Ref{}, ErrRef
	}
	if err := r.check(); err != nil {
		return Ref{}, err
	}
	return r, nil
}
