// Package relay answers SMTP clients in front of a mail server and carries their mail to it, command by command.
//
// Passing bytes would be simpler, and wrong: SMTP servers disagree about where a line and a message end, and who
// passes on what he has not understood lets a sender say one thing to the first server and another to the second
// (SMTP smuggling, commands injected ahead of STARTTLS). So every command, every reply and every line of a message
// is read here, judged, and written anew. What is not understood goes no further.
//
// What a newcomer must know:
//   - There are two roles. [Receive] is port 25: strangers bring mail for us, nobody logs in. [Submission] is 587
//     and 465: our own users hand in mail, only after TLS and login. RFC 6409 separates them.
//   - A session is greeting, EHLO, maybe STARTTLS, maybe AUTH, and then transactions: MAIL names the sender, RCPT
//     each recipient, DATA brings the message, which ends with a line of one dot.
//   - The relay keeps nothing. A message is accepted when the mail server behind has accepted it, never before, and
//     the client hears the answer of that server; so the relay cannot lose mail.
//   - It offers clients only what that server offers ([Capabilities]), and connects to it at AUTH or MAIL, not
//     earlier, so that strangers cannot make us open connections by knocking. A session without a login gives way to
//     newcomers whenever it keeps us waiting, in the middle of a message too; see package front.
//
// Normal use: one [Options] per listener, [Options.Probe] once at start, and [SMTP] as the handler of a
// [front.Listener].
//
// The relay adds a Received: field and removes header fields named X-Postseal-*, which only Postseal may write. It
// does not queue, filter spam, check senders, or decide about recipients and passwords: the mail server behind does.
//
// RFCs: 5321 (SMTP), 1870 (SIZE), 2034 and 3463 (enhanced codes), 2920 (PIPELINING), 3207 (STARTTLS), 3461 (DSN),
// 3848 and 6531 (words in Received:, SMTPUTF8), 4954 and 4616 (AUTH PLAIN), 6152 (8BITMIME).
package relay

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"postseal/internal/serve/front"
)

// Role says for whom a listener is.
type Role int

const (
	// Receive is port 25: mail from anybody, for those whom the back end knows. Login is not offered.
	Receive Role = iota
	// Submission is ports 587 and 465: mail from our own users, after TLS and login.
	Submission
)

// Options say how SMTP serves a listener. They are read when SMTP is called and not changed by it.
type Options struct {
	Role Role
	// Host is our full name, said to the back end; clients see the listener's. Empty: "localhost".
	Host string
	// Backend says where the mail server behind is; it is asked for each new connection to it. Any error is a
	// temporary one for the client; nil is front.ErrNoBackend always.
	Backend func(ctx context.Context) (front.Backend, error)
	// Capabilities is what the back end offers; listeners with the same back end share one. Nil: one of its own.
	Capabilities *Capabilities
	Limits       Limits
	Counters     *Counters // nil: counted nowhere
}

// Limits bound what one session may cost. The zero value of every field means the number beside it. The limits of
// [front.Limits] (line lengths, bad commands, failed logins, dialling the back end) hold as well.
type Limits struct {
	MessageBytes   int64 // one message; zero: 50 MiB. A smaller SIZE of the back end counts instead
	HeaderBytes    int   // its header section; zero: 1 MiB
	TextLineOctets int   // one line of it with CRLF; zero: 8,192
	Recipients     int   // of one transaction; zero: 1,000. RFC 5321 section 4.5.3.1.8 asks for at least 100

	Command   time.Duration // wait for a client's command; zero: 5 minutes, RFC 5321 section 4.5.3.2.7
	DataBlock time.Duration // wait for 32 KiB of a message, and for the back end to take some; zero: 3 minutes, section 4.5.3.2.5
	Reply     time.Duration // wait for a back end's reply; zero: 5 minutes, sections 4.5.3.2.2 and 4.5.3.2.3
	DataEnd   time.Duration // wait for its reply to a whole message; zero: 10 minutes, section 4.5.3.2.6
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MessageBytes, 50<<20)
	setDefault(&l.HeaderBytes, 1<<20)
	setDefault(&l.TextLineOctets, 8192)
	setDefault(&l.Recipients, 1000)
	setDefault(&l.Command, 5*time.Minute)
	setDefault(&l.DataBlock, 3*time.Minute)
	setDefault(&l.Reply, 5*time.Minute)
	setDefault(&l.DataEnd, 10*time.Minute)
	return l
}

func setDefault[T ~int | ~int64](v *T, or T) {
	if *v <= 0 {
		*v = or
	}
}

// Counters count what happens to mail. The zero value is ready; every field may be read at any time.
type Counters struct {
	Accepted       atomic.Int64 // messages that the back end has accepted
	Refused        atomic.Int64 // messages refused after DATA, by us or by the back end
	BareLineEnds   atomic.Int64 // messages and commands refused for a CR or LF that stood alone: a broken client, or a smuggler
	Unknown        atomic.Int64 // messages whose answer from the back end was lost; clients send them again
	ReservedFields atomic.Int64 // header fields X-Postseal-* that clients brought and we removed
	Lost           atomic.Int64 // back end connections that ended when they should not have
}

func (o Options) withDefaults() Options {
	o.Limits = o.Limits.withDefaults()
	if o.Host == "" {
		o.Host = "localhost"
	}
	if o.Capabilities == nil {
		o.Capabilities = &Capabilities{}
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	if o.Backend == nil {
		o.Backend = func(context.Context) (front.Backend, error) { return front.Backend{}, front.ErrNoBackend }
	}
	return o
}

// SMTP returns the handler of a listener for smtp, submission or submissions.
func SMTP(opts Options) front.Handler {
	opts = opts.withDefaults()
	return func(ctx context.Context, c *front.Conn) {
		s := &session{opts: opts, c: c, limits: opts.Limits}
		s.run(ctx)
	}
}

// Probe connects to the back end, reads what it offers into Capabilities, and leaves. Call it once at start; from
// then on every connection that a session makes refreshes it. Errors are those of Backend and its Dial, and
// *BackendError.
func (o Options) Probe(ctx context.Context) error {
	o = o.withDefaults()
	b, err := dialBackend(ctx, o, func(ctx context.Context, where front.Backend) (net.Conn, error) { return where.Dial(ctx) })
	if err != nil {
		return err
	}
	b.quit()
	return nil
}
