// Package trial is a mail server for one account that lives in memory: something real for the front ends to
// stand in front of while a newcomer tries Postseal out. Nothing in it survives the process.
//
// A mail server speaks four protocols, and so does this one, each on a loopback port of its own with TLS from
// the first byte: SMTP takes mail from strangers for the account and for nobody else, submission does the same
// after a login, IMAP and POP3 hand the messages out. All four work on one [Mailbox]. What SMTP was given is
// what IMAP and POP3 return, octet for octet: no Return-Path and no Received field is added here, because the
// relay in front adds the trace.
//
// Normal use: read or make the password with [Password], then [New], [Mailbox.Listen], give each
// [Mailbox.Addr] to the front end as its back end, and [Mailbox.Run] until the context ends. The front ends
// reach it as they reach any other back end, with direct trust in the certificate of Options.TLS.
//
// It does not relay, queue, filter or store to disk, has no second account, and is never started unless asked
// for. It keeps its own folders rather than those of go-imap's imapmemserver, because that one rewrites the
// header of what it returns, offers no way to read a message for POP3, and has no limit.
//
// IMAP is RFC 3501 (the protocol of go-imap's server), POP3 is RFC 1939 with RFC 2449 and RFC 3206, SMTP is
// RFC 5321 with RFC 4954.
package trial

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"postseal/internal/ground/keys"
)

// The protocols that [Mailbox.Addr] knows.
const (
	IMAP       = "imap"
	POP3       = "pop3"
	SMTP       = "smtp"
	Submission = "submission"
)

// DefaultAddress is the trial account.
const DefaultAddress = "trial@example.test"

const (
	// maxMessageBytes is announced by SMTP (SIZE) and IMAP (APPENDLIMIT).
	maxMessageBytes = 25 << 20
	// handshakeTimeout bounds the TLS handshake where the protocol library does not.
	handshakeTimeout = 30 * time.Second
)

// Options are what a caller chooses. The zero value is refused: it has no password and no certificate.
type Options struct {
	Address  string       // the account; empty means DefaultAddress
	Password keys.Secret  // as from Password; never empty
	TLS      *tls.Config  // what every listener serves; never nil, copied by New
	Host     string       // the name in greetings; empty means mail.example.test
	Log      *slog.Logger // nil means no log
}

// Mailbox is the account, its messages and the four servers over them. Make one with [New].
type Mailbox struct {
	account *account
	tls     *tls.Config
	host    string
	log     *slog.Logger
	store   *store

	// mu guards listeners, which is empty before Listen.
	mu        sync.Mutex
	listeners map[string]*listener
}

// New checks opts and makes an empty mailbox. It opens no port.
func New(opts Options) (*Mailbox, error) {
	acct, err := newAccount(cmp.Or(opts.Address, DefaultAddress), opts.Password)
	if err != nil {
		return nil, err
	}
	if opts.TLS == nil {
		return nil, errors.New("trial mailbox: no TLS configuration")
	}
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Mailbox{
		account:   acct,
		tls:       opts.TLS.Clone(),
		host:      cmp.Or(opts.Host, "mail.example.test"),
		log:       log,
		store:     newStore(defaultLimits),
		listeners: make(map[string]*listener),
	}, nil
}

// Listen opens the four loopback ports, each chosen by the system. Connections wait until Run. A second call
// does nothing. After an error none is open.
func (m *Mailbox) Listen() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.listeners) > 0 {
		return nil
	}
	opened := make(map[string]*listener)
	for _, protocol := range []string{IMAP, POP3, SMTP, Submission} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, l := range opened {
				l.shut()
			}
			return fmt.Errorf("listening for the trial mailbox's %s: %w", protocol, err)
		}
		opened[protocol] = newListener(ln, maxConnections)
	}
	m.listeners = opened
	return nil
}

// Addr is the "127.0.0.1:port" of one protocol, and empty before Listen or for a protocol that is not ours.
func (m *Mailbox) Addr(protocol string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listeners[protocol]
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Close shuts the ports and cuts every connection. Run does it by itself: Close is for the caller that has
// called Listen and then gives up.
func (m *Mailbox) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		l.shut()
	}
}

// Run serves until ctx ends, then cuts every connection, waits for all of its goroutines and returns nil. It
// calls Listen if nobody has. A listener that dies earlier ends all four and is the error. Run is called once.
func (m *Mailbox) Run(ctx context.Context) error {
	if err := m.Listen(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	login := func(user, password string) error { return m.account.login(ctx, user, password) }

	imapServer := newIMAPServer(ctx, m, login)
	popServer := &popServer{store: m.store, login: login, host: m.host, log: m.log}
	receive := newSMTPServer(m, nil)
	submit := newSMTPServer(m, login)
	for protocol, serve := range map[string]func(net.Listener) error{
		IMAP:       imapServer.Serve,
		POP3:       popServer.Serve,
		SMTP:       receive.Serve,
		Submission: submit.Serve,
	} {
		l := m.listeners[protocol]
		group.Go(func() error {
			err := serve(tls.NewListener(l, m.tls))
			if ctx.Err() != nil {
				return nil // our own doing: the ports are shut because ctx has ended
			}
			return fmt.Errorf("serving %s of the trial mailbox at %s: %w", protocol, l.Addr(), cmp.Or(err, net.ErrClosed))
		})
	}
	m.log.InfoContext(ctx, "trial mailbox is open", "account", m.account.address,
		"imap", m.Addr(IMAP), "pop3", m.Addr(POP3), "smtp", m.Addr(SMTP), "submission", m.Addr(Submission))
	group.Go(func() error {
		<-ctx.Done()
		m.Close()
		return nil
	})
	err := group.Wait()

	// The accept loops are gone, so nobody is added any more. First the connections, then what go-smtp still
	// does after it has closed one.
	for _, l := range m.listeners {
		l.wait()
	}
	return errors.Join(err, receive.Shutdown(context.Background()), submit.Shutdown(context.Background()))
}
