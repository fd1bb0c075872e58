package desk

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of acts.
var (
	// ErrDefaultBinding: a default binding can be taken over, not taken away.
	ErrDefaultBinding = errors.New("it is the default binding, which can only be taken over")
	// ErrNotBound: the listener has no binding to that lineage.
	ErrNotBound = errors.New("it is not bound there")
	// ErrLineageExists: a lineage of that name exists.
	ErrLineageExists = errors.New("there is a lineage of that name already")
	// ErrNoPrivateKey: a certificate whose private key we do not hold cannot serve.
	ErrNoPrivateKey = errors.New("its private key is not here")
	// ErrNotCurrent: only the generation in force can be enabled.
	ErrNotCurrent = errors.New("it is not the current generation of its lineage")
	// ErrSignInLink: a sign-in link that was used, has expired, or never was.
	ErrSignInLink = errors.New("the sign-in link was used already, or has expired")
	// ErrManagementClosed: the pages cannot be reached, so a link to them is of no use.
	ErrManagementClosed = errors.New("making a sign-in link: the management listener is not open")
	// ErrAuthCertificate: the auth certificate signs tokens, names no host, and does nothing else.
	ErrAuthCertificate = errors.New("the auth certificate signs tokens and serves no clients")
	// ErrConfirmation: the act replaces or destroys and was not confirmed.
	ErrConfirmation = errors.New("not confirmed, nothing was changed")
)

// UnknownCertificateError reports an ID that means no certificate.
type UnknownCertificateError struct{ ID string }

func (e *UnknownCertificateError) Error() string {
	return fmt.Sprintf("finding certificate %q: there is none with that thumbprint or lineage name", e.ID)
}

// AmbiguousIDError reports an ID that means several certificates.
type AmbiguousIDError struct {
	ID          string
	Thumbprints []string // all that match
}

func (e *AmbiguousIDError) Error() string {
	return fmt.Sprintf("finding certificate %q: %d match: %s", e.ID, len(e.Thumbprints), strings.Join(e.Thumbprints, ", "))
}

// UnknownServerError reports a server that is not in the organisation.
type UnknownServerError struct{ Name string }

func (e *UnknownServerError) Error() string {
	return fmt.Sprintf("server %q: there is no such server in the organisation", clip(e.Name))
}

// UnknownLineageError reports a name that no lineage has.
type UnknownLineageError struct{ Name string }

func (e *UnknownLineageError) Error() string {
	return fmt.Sprintf("lineage %q: there is no such lineage", clip(e.Name))
}

// ListenerServiceError reports a --listener that is not of the given services.
type ListenerServiceError struct {
	Listener string
	Services string
}

func (e *ListenerServiceError) Error() string {
	return fmt.Sprintf("listener %s: it does not belong to the services %s", e.Listener, e.Services)
}

// InUseError reports a certificate that cannot be removed because something uses it.
type InUseError struct {
	Name     string   // friendly name and thumbprint
	Lineage  string   // its lineage
	By       []string // what uses it: "the internal certificate of …", "imaps (IMAP)"
	ByName   []string // listeners with a name binding to it
	Services string   // the services to give to another certificate first, comma-separated; may be empty
	Role     string   // RoleInternal, RoleAuth or empty
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("removing %s: in use as %s", e.Name, strings.Join(e.By, ", "))
}

// ListenError reports a listener that cannot be opened.
type ListenError struct {
	Listener string
	Address  string
	Err      error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("opening listener %s on %s: %v", e.Listener, e.Address, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }
