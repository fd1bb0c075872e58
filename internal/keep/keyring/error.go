package keyring

import (
	"errors"
	"fmt"
)

// ErrNoCertificate says that nothing is bound to the listener (or to the ring's internal certificate), so there is
// nothing to serve. Handshakes fail with it, and so does [Ring.Explain].
var ErrNoCertificate = errors.New("no certificate is bound")

// ErrUnknownListener says that the snapshot in force has no listener of that name.
var ErrUnknownListener = errors.New("no such listener")

// ErrUnknownLineage says that a binding, or the internal certificate, names a lineage that is not there.
var ErrUnknownLineage = errors.New("no such lineage")

// ErrDefaultBinding says that a listener with bindings has no default one, or more than one.
var ErrDefaultBinding = errors.New("want exactly one default binding")

// ErrUnusableMember says that a member of a generation cannot be served: its key is missing or is not the leaf's, the
// chain does not parse, or TLS has no signature for its kind of key.
var ErrUnusableMember = errors.New("certificate cannot be served")

// A SnapshotError says why a snapshot was not taken into force. The one before goes on serving.
type SnapshotError struct {
	Listener string // empty if the fault lies with no listener
	Lineage  string // empty if the fault lies with no lineage
	Err      error  // the cause, mostly one of this package's sentinels with details; never nil
}

// Error names the listener and the lineage as far as they are known, then the cause.
func (e *SnapshotError) Error() string {
	text := ""
	if e.Listener != "" {
		text += fmt.Sprintf("listener %q: ", e.Listener)
	}
	if e.Lineage != "" {
		text += fmt.Sprintf("lineage %q: ", e.Lineage)
	}
	return text + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }
