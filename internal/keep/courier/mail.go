package courier

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postseal/internal/ground/keys"
)

// Ways of TLS to a mail server.
const (
	StartTLS = "starttls" // RFC 3207, and without it nothing is sent
	Implicit = "implicit" // RFC 8314 section 3.3
	NoTLS    = "none"     // on loopback only
)

// MailError reports an option of mail that cannot be used.
type MailError struct{ Key, Reason string }

func (e *MailError) Error() string { return "notices." + e.Key + ": " + e.Reason }

// MailOptions say how mail is sent; [NewMail] checks them.
type MailOptions struct {
	Server       string   // HOST:PORT
	TLS          string   // see the constants; empty means StartTLS, or Implicit on port 465
	From         string   // address
	To           []string // addresses, at least one
	Username     string   // empty: no login
	PasswordFile string   // of mode 0600; read for each attempt, so that it can be changed
	Host         string   // who we are, in EHLO
	RootCAs      *x509.CertPool
	Timeout      time.Duration // of a whole attempt; zero means two minutes
	// Dial opens the connection; nil means the network. Tests in fake time give a pipe.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Mail sends through a mail server.
type Mail struct {
	o    MailOptions
	host string
}

const (
	maxRecipients   = 50
	maxPassword     = 4 << 10
	mailTimeout     = 2 * time.Minute
	implicitTLSPort = "465"
)

// NewMail checks o. Nothing is opened before the first message.
func NewMail(o MailOptions) (*Mail, error) {
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil || host == "" || port == "" {
		return nil, &MailError{"smtp", `want "HOST:PORT"`}
	}
	if o.TLS == "" {
		o.TLS = StartTLS
		if port == implicitTLSPort {
			o.TLS = Implicit
		}
	}
	switch o.TLS {
	case StartTLS, Implicit:
	case NoTLS:
		if !loopback(host) {
			return nil, &MailError{"tls", `"none" is for a server on this machine, at 127.0.0.1 or ::1`}
		}
	default:
		return nil, &MailError{"tls", `want "starttls", "implicit" or "none"`}
	}
	if o.From, err = address(o.From); err != nil {
		return nil, &MailError{"from", "want an address like postseal@example.com"}
	}
	if len(o.To) == 0 || len(o.To) > maxRecipients {
		return nil, &MailError{"to", fmt.Sprintf("want 1 to %d addresses", maxRecipients)}
	}
	to := make([]string, len(o.To))
	for i, a := range o.To {
		if to[i], err = address(a); err != nil {
			return nil, &MailError{"to", "want addresses like admin@example.com"}
		}
	}
	o.To = to
	if (o.Username == "") != (o.PasswordFile == "") {
		return nil, &MailError{"username", "goes with password-file, and that with it"}
	}
	if o.Timeout == 0 {
		o.Timeout = mailTimeout
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Host == "" {
		o.Host = "localhost"
	}
	return &Mail{o: o, host: host}, nil
}

// loopback says whether a host is written as an address of this machine. A name may lead anywhere tomorrow.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// address is a bare one: no name, no line ends, ASCII.
func address(text string) (string, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return "", err
	}
	for _, r := range a.Address {
		if r <= ' ' || r > '~' {
			return "", errors.New("not ASCII")
		}
	}
	return a.Address, nil
}

// Name is "mail".
func (m *Mail) Name() string { return "mail" }

// To names the recipients and the server.
func (m *Mail) To() string { return strings.Join(m.o.To, ", ") + " via " + m.o.Server }

// Reports is true: people read mail.
func (m *Mail) Reports() bool { return true }

// Deliver sends a message to all recipients. One that the server refuses fails the whole attempt before anything is
// sent: otherwise the others would get it again with each further attempt.
func (m *Mail) Deliver(ctx context.Context, msg Message) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	err := m.deliver(ctx, msg)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrOutcomeUnknown) {
		err = fmt.Errorf("%w: %v", context.Cause(ctx), err) // %v: what the network said while we hung up
	}
	if err != nil {
		return fmt.Errorf("sending mail through %s: %w", m.o.Server, err)
	}
	return nil
}

func (m *Mail) deliver(ctx context.Context, msg Message) error {
	c, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close() // after QUIT, or after a fault
	if m.o.Username != "" {
		password, err := keys.ReadSecretFile(m.o.PasswordFile, maxPassword)
		if err != nil {
			return err
		}
		defer password.Wipe()
		if err := c.Auth(sasl.NewPlainClient("", m.o.Username, strings.TrimRight(string(password.Bytes()), "\r\n"))); err != nil {
			return fmt.Errorf("login as %s: %w", m.o.Username, err)
		}
	}
	if err := c.Mail(m.o.From, nil); err != nil {
		return fmt.Errorf("sender %s: %w", m.o.From, err)
	}
	for _, to := range m.o.To {
		if err := c.Rcpt(to, nil); err != nil {
			return fmt.Errorf("recipient %s: %w", to, err)
		}
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(m.compose(msg)); err != nil {
		return err // without its last line nothing is taken
	}
	if _, err := data.CloseWithResponse(); err != nil {
		if _, refused := errors.AsType[*smtp.SMTPError](err); refused {
			return err
		}
		// RFC 1047: the end of the message is sent, and nobody has said what became of it.
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	c.Quit() // it was taken; how the session ends changes nothing
	return nil
}

// dial connects and, as configured, has TLS.
func (m *Mail) dial(ctx context.Context) (*smtp.Client, error) {
	conn, err := m.o.Dial(ctx, "tcp", m.o.Server)
	if err != nil {
		return nil, err
	}
	// The client sets deadlines of its own for each command; this one is for all of them. ctx ends with the attempt.
	context.AfterFunc(ctx, func() { conn.Close() })
	config := &tls.Config{ServerName: m.host, RootCAs: m.o.RootCAs, MinVersion: tls.VersionTLS12}
	var c *smtp.Client
	switch m.o.TLS {
	case Implicit:
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		c = smtp.NewClient(secure)
	case StartTLS:
		if c, err = smtp.NewClientStartTLS(conn, config); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	default:
		c = smtp.NewClient(conn)
	}
	c.CommandTimeout, c.SubmissionTimeout = m.o.Timeout, m.o.Timeout
	if err := c.Hello(m.o.Host); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// compose writes a message (RFC 5322), its text in quoted-printable or, where that would be longer, base64.
func (m *Mail) compose(msg Message) []byte {
	var b bytes.Buffer
	domain := m.o.From[strings.LastIndexByte(m.o.From, '@')+1:]
	header := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	header("From", "Postseal <"+m.o.From+">")
	header("To", strings.Join(m.o.To, ",\r\n "))
	header("Date", time.Now().Format(time.RFC1123Z))
	header("Message-ID", "<"+msg.ID+"@"+domain+">")
	header("Subject", encodedWords(msg.Subject))
	header("Auto-Submitted", "auto-generated") // RFC 3834 section 5: no vacation message comes back
	header("MIME-Version", "1.0")
	header("Content-Type", `text/plain; charset="utf-8"`)
	header("Content-Language", msg.Language)
	text := strings.ReplaceAll(msg.Text, "\n", "\r\n")
	if msg.Language == "ko" {
		header("Content-Transfer-Encoding", "base64")
		b.WriteString("\r\n")
		for rest := base64.StdEncoding.EncodeToString([]byte(text)); rest != ""; {
			n := min(76, len(rest))
			b.WriteString(rest[:n] + "\r\n")
			rest = rest[n:]
		}
		return b.Bytes()
	}
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text)) // a buffer does not fail
	w.Close()
	return b.Bytes()
}

// encodedWords encodes a subject (RFC 2047), folded at the words so that no line is too long.
func encodedWords(subject string) string {
	subject = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, subject)
	return strings.ReplaceAll(mime.BEncoding.Encode("utf-8", subject), "?= =?", "?=\r\n =?")
}
