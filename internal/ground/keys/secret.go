package keys

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password, a private key in DER or anything else that must not be seen. It prints as "[secret]".
//
// Make one with [NewSecret] and open it with [Secret.Bytes]; those two names are what a reviewer searches for. It is
// a byte slice: copying it shares the bytes.
//
// There is one gap. fmt cannot call a method on what it reaches through a field that is not exported, at whatever
// depth and even behind a pointer; it prints the bytes instead. A struct that keeps a Secret therefore keeps it as a
// func() Secret, into which no printer can walk, or has a Format method of its own.
type Secret []byte

const redactedSecret = "[secret]"

// NewSecret copies v, so that the caller may overwrite his own bytes.
func NewSecret[T ~string | ~[]byte](v T) Secret {
	return append(make(Secret, 0, len(v)), v...)
}

// Bytes returns the secret itself, not a copy: after [Secret.Wipe] it is zero.
func (s Secret) Bytes() []byte { return s }

// Wipe overwrites the secret with zeros. It shortens the time in which a memory dump shows it; copies that the
// runtime or a library made on the way are out of our reach.
func (s Secret) Wipe() { clear(s) }

// String returns "[secret]".
func (s Secret) String() string { return redactedSecret }

// GoString returns "[secret]".
func (s Secret) GoString() string { return redactedSecret }

// Format writes "[secret]", whatever the verb.
func (s Secret) Format(st fmt.State, verb rune) { writeRedacted(st, redactedSecret) }

// LogValue returns "[secret]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redactedSecret) }

// MarshalText returns "[secret]". A secret is not stored by encoding what holds it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redactedSecret), nil }

// MarshalJSON returns "[secret]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSecret + `"`), nil }

// writeRedacted is the body of every Format method of this package. An error has nowhere to go: fmt looks at the
// errors of its own writer.
func writeRedacted(st fmt.State, text string) { io.WriteString(st, text) }
