package admin

import (
	"fmt"
	"time"

	"postseal/internal/steer/desk"
)

// ScopeError reports a token that does not reach as far as an act.
type ScopeError struct {
	Act        string
	Has, Needs desk.Scope
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("%s takes a token of the scope %s, and this one has %s", e.Act, e.Needs, e.Has)
}

// RemoteAddressError reports an address that is none of a management listener.
type RemoteAddressError struct{ Address string }

func (e *RemoteAddressError) Error() string {
	return fmt.Sprintf("--remote %q: want https://HOST or https://HOST:PORT", e.Address)
}

// PinError reports a server whose certificate is not the one that was pinned, and that cannot show that it
// follows it.
type PinError struct {
	Address          string
	Pinned, Presents string // SHA-256 in hex
}

func (e *PinError) Error() string {
	return fmt.Sprintf("speaking to %s: its certificate has the SHA-256 %s, and pinned is %s", e.Address, e.Presents, e.Pinned)
}

// UnpinnedError reports a server that nobody has vouched for yet.
type UnpinnedError struct{ Address, Presents string }

func (e *UnpinnedError) Error() string {
	return fmt.Sprintf("speaking to %s: it is not known here; its certificate has the SHA-256 %s", e.Address, e.Presents)
}

// PinsError reports a file of pins that cannot be used.
type PinsError struct {
	Path string
	Line int // 0 when not known
	Err  error
}

func (e *PinsError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("reading the pinned servers %s, line %d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("keeping the pinned servers %s: %v", e.Path, e.Err)
}

func (e *PinsError) Unwrap() error { return e.Err }

// HintName names the error for package hint.
func (*ScopeError) HintName() string { return "admin.ScopeError" }

// HintName names the error for package hint.
func (*RemoteAddressError) HintName() string { return "admin.RemoteAddressError" }

// HintName names the error for package hint.
func (*PinError) HintName() string { return "admin.PinError" }

// HintName names the error for package hint.
func (*UnpinnedError) HintName() string { return "admin.UnpinnedError" }

// HintName names the error for package hint.
func (*PinsError) HintName() string { return "admin.PinsError" }

// LockedOutError reports an address that must wait.
type LockedOutError struct{ Wait time.Duration }

func (e *LockedOutError) Error() string {
	return fmt.Sprintf("too many bad tokens or sign-in links: wait %d seconds", seconds(e.Wait))
}

// HintName names the error for package hint.
func (*LockedOutError) HintName() string { return "admin.LockedOutError" }

// FingerprintError reports a fingerprint that is none.
type FingerprintError struct{ Err error }

func (e *FingerprintError) Error() string { return "--fingerprint: " + e.Err.Error() }

func (e *FingerprintError) Unwrap() error { return e.Err }

// HintName names the error for package hint.
func (*FingerprintError) HintName() string { return "admin.FingerprintError" }

// sentinel is an error that needs no data, and says its name to package hint.
type sentinel struct{ name, text string }

func (s *sentinel) Error() string { return s.text }

// HintName names the error for package hint.
func (s *sentinel) HintName() string { return s.name }

// Errors of requests over the network.
var (
	// ErrNoToken: a request over the network without a token.
	ErrNoToken error = &sentinel{"admin.ErrNoToken", "a token is missing: the header Authorization must say Bearer and a token"}
	// ErrBusy: a request that takes much memory or many connections, while as many others as we have room for are served.
	ErrBusy error = &sentinel{"admin.ErrBusy", "as many requests of this size as there is room for are being served"}
	// ErrInClear: the API was asked without TLS, which would show the token to everybody on the way.
	ErrInClear error = &sentinel{"admin.ErrInClear", "the management API is spoken over TLS only"}
)
