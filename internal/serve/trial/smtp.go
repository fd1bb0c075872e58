package trial

import (
	"errors"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	// smtpTimeout is RFC 5321 section 4.5.3.2's for a command. go-smtp applies it to all of a message too.
	smtpTimeout = 5 * time.Minute
	// smtpLine is far above the 1,000 octets of RFC 5321 section 4.5.3.1.6: the relay in front decides what is
	// too long, and whatever it lets through is kept.
	smtpLine = 1 << 20
	// smtpRecipients is RFC 5321 section 4.5.3.1.8's; there are two addresses to choose from.
	smtpRecipients = 100
)

// newSMTPServer makes one of the two servers on which mail comes in: with login nil the one for strangers,
// which offers no AUTH, else the one that takes nothing before it. Their connections are TLS already. CHUNKING
// is always offered by go-smtp.
func newSMTPServer(m *Mailbox, login func(user, password string) error) *smtp.Server {
	protocol := SMTP
	if login != nil {
		protocol = Submission
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		inner := &smtpSession{store: m.store, account: m.account}
		if login == nil {
			return inner, nil
		}
		return &submissionSession{smtpSession: inner, login: login}, nil
	}))
	// The library puts this before "ESMTP Service Ready" in the greeting and nowhere else.
	server.Domain = m.host + " Postseal trial mailbox, for trying only,"
	server.MaxMessageBytes = maxMessageBytes
	server.MaxRecipients = smtpRecipients
	server.MaxLineLength = smtpLine
	server.ReadTimeout = smtpTimeout
	server.WriteTimeout = smtpTimeout
	server.ErrorLog = libraryLog{log: m.log, protocol: protocol}
	return server
}

// What a sender is told. The texts are generic; RFC 3463 sections 3.2, 3.4 and 3.8 name the codes.
var (
	replyRelay = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relay denied"}
	replyNoBox = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox here"}
	replyFull  = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "the trial mailbox is full"}
	replyLogin = &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication required"}
)

// smtpSession takes mail for the account from anybody.
type smtpSession struct {
	store   *store
	account *account
}

func (s *smtpSession) Mail(_ string, opts *smtp.MailOptions) error {
	// RFC 1870 section 6.1: a message that would be refused for its announced size is refused before it is sent.
	if opts != nil && s.store.room(opts.Size) != nil {
		return replyFull
	}
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case s.account.owns(to):
		return nil
	case s.account.serves(to):
		return replyNoBox
	}
	return replyRelay
}

// Data delivers once, however many of the account's addresses were named.
//
// DEVIATION from RFC 5321 section 4.4: no Return-Path field is put in front, so that a newcomer who compares
// finds the message that was sent, with the relay's Received field and nothing else.
func (s *smtpSession) Data(r io.Reader) error {
	_, err := s.store.receive(inbox, r, &imap.AppendOptions{})
	if errors.Is(err, errFull) {
		return replyFull
	}
	return err
}

func (s *smtpSession) Reset() {}

func (s *smtpSession) Logout() error { return nil }

// submissionSession takes mail after a login only. It is for the same mailbox: there is no way out of here.
type submissionSession struct {
	*smtpSession
	login    func(user, password string) error
	loggedIn bool
}

func (s *submissionSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *submissionSession) Auth(mechanism string) (sasl.Server, error) {
	if mechanism != sasl.Plain {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return sasl.NewPlainServer(func(identity, user, password string) error {
		// RFC 4616 section 2: acting for somebody else is refused; there is nobody else.
		if (identity != "" && identity != user) || s.login(user, password) != nil {
			return smtp.ErrAuthFailed
		}
		s.loggedIn = true
		return nil
	}), nil
}

func (s *submissionSession) Mail(from string, opts *smtp.MailOptions) error {
	if !s.loggedIn {
		return replyLogin
	}
	return s.smtpSession.Mail(from, opts)
}
