package courier

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postseal/internal/peers"
)

// sink is a real SMTP server that keeps what it takes.
type sink struct {
	mu      sync.Mutex
	taken   []string
	refuse  error // at DATA's end
	secure  bool  // the last session had TLS
	offered []string
}

func (s *sink) NewSession(c *smtp.Conn) (smtp.Session, error) { return &sinkSession{s, c}, nil }

type sinkSession struct {
	*sink
	c *smtp.Conn
}

func (s *sinkSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *sinkSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "postseal" || password != "s3cret" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}
func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}
func (s *sinkSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, s.secure = s.c.TLSConnectionState()
	if s.refuse != nil {
		return s.refuse
	}
	s.taken = append(s.taken, string(text))
	return nil
}
func (s *sinkSession) Reset()        {}
func (s *sinkSession) Logout() error { return nil }

// serve runs a sink; implicit has TLS from the first byte.
func (s *sink) serve(t *testing.T, config *tls.Config, implicit bool) string {
	t.Helper()
	server := smtp.NewServer(s)
	server.Domain, server.AllowInsecureAuth = "sink.test", config == nil
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if implicit {
		ln = tls.NewListener(ln, config)
	} else {
		server.TLSConfig = config
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return address
}

func message() Message {
	return Message{ID: "0123", Subject: "[Postseal mail1] certificate ends\r\nBcc: thief@example.com", Text: "a line\n.\n한글 줄\n" + strings.Repeat("x", 2000) + "\n", Language: "ko"}
}

// TestMail sends over each way of TLS, with a login, and reads what arrived as another program would.
func TestMail(t *testing.T) {
	t.Parallel()
	authority := peers.NewAuthority(t)
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(authority.RootFile)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	pair := func(name string) *tls.Config {
		c := authority.Certificate(name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		cert, err := tls.LoadX509KeyPair(c.ChainFile, c.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := password + "-wrong"
	if err := os.WriteFile(wrong, []byte("other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := password + "-open"
	if err := os.WriteFile(open, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		config   *tls.Config
		implicit bool
		change   func(*MailOptions)
		want     string // in the error; empty: taken
	}{
		{"starttls", pair("localhost"), false, func(*MailOptions) {}, ""},
		{"implicit", pair("localhost"), true, func(o *MailOptions) { o.TLS = Implicit }, ""},
		{"none on loopback", nil, false, func(o *MailOptions) {
			o.TLS, o.Server = NoTLS, strings.Replace(o.Server, "localhost", "127.0.0.1", 1)
		}, ""},
		{"no TLS offered", nil, false, func(*MailOptions) {}, "STARTTLS"},
		{"a certificate of another name", pair("other.test"), false, func(*MailOptions) {}, "other.test"},
		{"nobody trusts it", pair("localhost"), false, func(o *MailOptions) { o.RootCAs = x509.NewCertPool() }, "unknown authority"},
		{"a wrong password", pair("localhost"), false, func(o *MailOptions) { o.PasswordFile = wrong }, "login as postseal"},
		{"a password that others read", pair("localhost"), false, func(o *MailOptions) { o.PasswordFile = open }, "0644"},
		{"one recipient unknown", pair("localhost"), false, func(o *MailOptions) { o.To = append(o.To, "nobody@example.com") }, "recipient nobody@example.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := new(sink)
			_, port, err := net.SplitHostPort(s.serve(t, c.config, c.implicit))
			if err != nil {
				t.Fatal(err)
			}
			o := MailOptions{Server: "localhost:" + port, From: "postseal@example.com", To: []string{"a@example.com", "b@example.com"}, Username: "postseal", PasswordFile: password, RootCAs: roots, Timeout: 10 * time.Second}
			c.change(&o)
			m, err := NewMail(o)
			if err != nil {
				t.Fatal(err)
			}
			err = m.Deliver(t.Context(), message())
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrOutcomeUnknown) || strings.Contains(err.Error(), "s3cret") || len(s.taken) > 0 {
					t.Errorf("got %v, %d messages; want %q", err, len(s.taken), c.want)
				}
				return
			}
			if err != nil || len(s.taken) != 1 || s.secure != (c.config != nil) {
				t.Fatalf("got %v, %d messages, TLS %v", err, len(s.taken), s.secure)
			}
			wantReadable(t, s.taken[0])
		})
	}
}

// wantReadable reads a message with the standard library.
func wantReadable(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 998 { // RFC 5322 section 2.1.1
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	got, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[Postseal mail1] certificate ends") || got.Header.Get("Bcc") != "" || got.Header.Get("Message-Id") != "<0123@example.com>" || got.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("got the subject %q, %v, header %v", subject, err, got.Header)
	}
	body, err := io.ReadAll(decoded(got))
	if err != nil || !strings.Contains(string(body), "한글 줄\r\n") || !strings.HasPrefix(string(body), "a line\r\n.\r\n") {
		t.Errorf("got %.100q, %v", body, err)
	}
}

// TestOutcomes: a server that is told the end of the message and hangs up has perhaps taken it; every fault before that
// is none.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script []string // answers, one for each line; "-" hangs up
		doubt  bool
	}{
		{"at the greeting", []string{"-"}, false},
		{"at the sender", []string{"220 x", "250 x", "-"}, false},
		{"before the data", []string{"220 x", "250 x", "250 x", "250 x", "-"}, false},
		{"after the data", []string{"220 x", "250 x", "250 x", "250 x", "354 x", "-"}, true},
		{"refused after the data", []string{"220 x", "250 x", "250 x", "250 x", "354 x", "554 5.7.1 no"}, false},
		{"nonsense after the data", []string{"220 x", "250 x", "250 x", "250 x", "354 x", "?"}, true},
		{"nothing after the data", []string{"220 x", "250 x", "250 x", "250 x", "354 x", ""}, true},
		{"taken, and then gone", []string{"220 x", "250 x", "250 x", "250 x", "354 x", "250 x", "-"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, err := NewMail(MailOptions{Server: "127.0.0.1:25", TLS: NoTLS, From: "p@example.com", To: []string{"a@example.com"}, Timeout: time.Second,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go rude(theirs, c.script)
					return ours, nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Deliver(t.Context(), message())
			if taken := strings.HasPrefix(c.name, "taken"); (err == nil) != taken || errors.Is(err, ErrOutcomeUnknown) != c.doubt {
				t.Errorf("got %v, want doubt %v", err, c.doubt)
			}
		})
	}
}

// rude answers by a script; an empty answer waits until the other end is gone.
func rude(c net.Conn, script []string) {
	defer c.Close()
	in := bufio.NewReader(c)
	data := false
	for i, answer := range script {
		for i > 0 {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if !data || line == ".\r\n" {
				break
			}
		}
		switch answer {
		case "-":
			return
		case "":
			io.Copy(io.Discard, in)
			return
		}
		data = strings.HasPrefix(answer, "354")
		fmt.Fprintf(c, "%s\r\n", answer)
	}
}

func TestMailOptions(t *testing.T) {
	t.Parallel()
	good := MailOptions{Server: "mail.example.com:587", From: "p@example.com", To: []string{"a@example.com"}}
	if m, err := NewMail(good); err != nil || m.o.TLS != StartTLS {
		t.Fatalf("got %v", err)
	}
	for name, change := range map[string]func(*MailOptions){
		"no port":                   func(o *MailOptions) { o.Server = "mail.example.com" },
		"no host":                   func(o *MailOptions) { o.Server = ":25" },
		"plain to another machine":  func(o *MailOptions) { o.TLS = NoTLS },
		"plain to a name":           func(o *MailOptions) { o.TLS, o.Server = NoTLS, "localhost:25" },
		"an unknown word":           func(o *MailOptions) { o.TLS = "ssl" },
		"no sender":                 func(o *MailOptions) { o.From = "" },
		"nobody":                    func(o *MailOptions) { o.To = nil },
		"a line end in an address":  func(o *MailOptions) { o.To = []string{"a@example.com\r\nRCPT TO:<b@example.com>"} },
		"too many":                  func(o *MailOptions) { o.To = make([]string, 51) },
		"a name without a password": func(o *MailOptions) { o.Username = "u" },
		"a password without a name": func(o *MailOptions) { o.PasswordFile = "f" },
	} {
		o := good
		change(&o)
		if _, err := NewMail(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else if _, ok := errors.AsType[*MailError](err); !ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if m, err := NewMail(MailOptions{Server: "mail.example.com:465", From: "p@example.com", To: []string{"a@example.com"}}); err != nil || m.o.TLS != Implicit {
		t.Errorf("port 465: got %v, %v", m, err)
	}
}
