package relay

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postseal/internal/serve/front"
)

// mailbox is a back end made of go-smtp's server: somebody else's reading of the same RFCs.
type mailbox struct {
	mu       sync.Mutex
	messages []string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailboxSession{m}, nil }

type mailboxSession struct{ m *mailbox }

func (s *mailboxSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailboxSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user@d.test" || password != secret {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *mailboxSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !strings.HasSuffix(to, "@d.test") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no relaying"}
	}
	return nil
}

func (s *mailboxSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.messages = append(s.m.messages, string(text))
	return nil
}

func (s *mailboxSession) Reset()        {}
func (s *mailboxSession) Logout() error { return nil }

func newMailbox(t *testing.T) (*mailbox, front.Backend) {
	t.Helper()
	m := &mailbox{}
	server := smtp.NewServer(m)
	server.Domain = "behind.test"
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.EnableDSN = true
	server.MaxMessageBytes = 1 << 20
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return m, front.Backend{Address: ln.Addr().String(), TLS: front.TLSNone}
}

// TestThroughToAnotherServer sends with go-smtp's client, through the relay, to go-smtp's server.
func TestThroughToAnotherServer(t *testing.T) {
	t.Parallel()
	m, where := newMailbox(t)
	w := newWorld(t, Submission, where)
	raw := w.secure(t)
	raw.conn.SetDeadline(time.Time{})
	// The client starts its own conversation at the greeting, which is past: it is given one again.
	c := smtp.NewClient(&greeted{Conn: raw.conn})
	defer c.Close()
	if err := c.Hello("client.test"); err != nil {
		t.Fatalf("EHLO: %v", err)
	}
	if err := c.Auth(sasl.NewPlainClient("", "user@d.test", "wrong")); err == nil || !strings.Contains(err.Error(), "535") && !isCode(err, 535) {
		t.Errorf("a wrong password: got %v, want 535", err)
	}
	if err := c.Auth(sasl.NewLoginClient("user@d.test", secret)); err != nil {
		t.Fatalf("AUTH: %v", err)
	}
	message := "Subject: =?utf-8?q?x?=\r\nX-Postseal-Trust: all\r\n\r\nhello\r\n.dot\r\n..\r\n" + strings.Repeat("y", 1500) + "\r\n"
	if err := c.SendMail("user@d.test", []string{"a@d.test", "b@d.test"}, strings.NewReader(message)); err != nil {
		t.Fatalf("sending: %v", err)
	}
	if err := c.SendMail("user@d.test", []string{"a@elsewhere.test"}, strings.NewReader(message)); !isCode(err, 550) {
		t.Errorf("relaying: got %v, want 550", err)
	}
	if err := c.Reset(); err != nil {
		t.Errorf("RSET: %v", err)
	}
	big := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcd\r\n"), 1<<15)...)
	if err := c.SendMail("user@d.test", []string{"a@d.test"}, bytes.NewReader(big)); !isCode(err, 552) {
		t.Errorf("too big: got %v, want 552", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.messages) != 1 {
		t.Fatalf("delivered %d, want 1", len(m.messages))
	}
	head, rest, _ := strings.Cut(m.messages[0], "Subject:")
	if want := strings.Replace(strings.TrimPrefix(message, "Subject:"), "X-Postseal-Trust: all\r\n", "", 1); rest != want {
		t.Errorf("message is %q, want %q", rest, want)
	}
	if !strings.HasPrefix(head, "Received: from client.test") || !strings.Contains(head, "with ESMTPSA") {
		t.Errorf("Received: is %q", head)
	}
}

func isCode(err error, code int) bool {
	e, ok := err.(*smtp.SMTPError)
	return ok && e.Code == code
}

// greeted is a connection that begins with a greeting.
type greeted struct {
	net.Conn
	said bool
}

func (g *greeted) Read(p []byte) (int, error) {
	if !g.said {
		g.said = true
		return copy(p, "220 again\r\n"), nil
	}
	return g.Conn.Read(p)
}
