// Package courier carries messages to people and programs: mail through a configured server, and a web hook.
//
// A newcomer must know that neither way tells for sure. A mail server that takes a message and whose answer is lost has
// perhaps taken it (RFC 1047), and people who get everything twice stop reading. So an attempt has three outcomes: nil is
// done, [ErrOutcomeUnknown] is perhaps, anything else is not done. Each message has an id, in Message-ID and in the
// header Postseal-Delivery, which is the same when the same message is sent again, so that a receiver can tell; a web
// hook can be relied on to look at it, so there perhaps is not done.
//
// [NewMail] and [NewHook] check options; Deliver makes one attempt, and never tries again: whoever calls keeps the queue.
// Mail is sent only under TLS whose certificate is verified, by the name of the server (RFC 9325 section 3.2 and
// RFC 6125), except on loopback, where mode none is allowed. A web hook goes through the address policy of package
// fetch. Nothing here is stored.
package courier

import (
	"context"
	"errors"
)

// ErrOutcomeUnknown: the message may have been taken.
var ErrOutcomeUnknown = errors.New("nobody knows whether it was taken")

// Message is one message, in the form that people read and the one for programs.
type Message struct {
	ID      string // the same for the same contents
	Subject string
	Text    string // lines of UTF-8
	JSON    []byte
	// Language of Text: "en" or "ko".
	Language string
}

// Channel is a way to people or programs.
type Channel interface {
	// Name is "mail" or "webhook": rows are kept under it.
	Name() string
	// To says where it leads, without secrets.
	To() string
	// Reports says whether the Monday report goes here.
	Reports() bool
	// Deliver makes one attempt. See the package comment for its outcomes.
	Deliver(ctx context.Context, m Message) error
}
