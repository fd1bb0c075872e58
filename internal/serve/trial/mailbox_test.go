package trial

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"postseal/internal/ground/keys"
)

const testPassword = "correct horse"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestTLS returns the configuration of a server and of a client that trusts it alone.
func newTestTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"mail.example.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: pool, ServerName: "mail.example.test"}
}

type harness struct {
	*Mailbox
	client *tls.Config
	stop   func() error // ends Run and returns its error; later calls return nil
}

// startMailbox runs a mailbox until the end of the test.
func startMailbox(t *testing.T) *harness {
	t.Helper()
	server, client := newTestTLS(t)
	m, err := New(Options{Password: keys.NewSecret(testPassword), TLS: server})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx); close(done) }()
	h := &harness{Mailbox: m, client: client, stop: func() error { cancel(); return <-done }}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	return h
}

func (h *harness) dial(t *testing.T, protocol string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", h.Addr(protocol), h.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *harness) imap(t *testing.T) *imapclient.Client {
	t.Helper()
	c := imapclient.New(h.dial(t, IMAP), nil)
	t.Cleanup(func() { c.Close() })
	if err := c.Login(DefaultAddress, testPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *harness) smtp(t *testing.T, protocol string) *smtp.Client {
	t.Helper()
	c := smtp.NewClient(h.dial(t, protocol))
	t.Cleanup(func() { c.Close() })
	if protocol == Submission {
		if err := c.Auth(sasl.NewPlainClient("", DefaultAddress, testPassword)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// sendRaw speaks SMTP by hand: go-smtp's client ends the last line of a message by itself.
func (h *harness) sendRaw(t *testing.T, message []byte) {
	t.Helper()
	c := textproto.NewConn(h.dial(t, SMTP))
	ask := func(code int, line string) {
		t.Helper()
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(code); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	ask(220, "")
	ask(250, "EHLO client.test")
	ask(250, "MAIL FROM:<> BODY=8BITMIME")
	ask(250, "RCPT TO:<"+DefaultAddress+">")
	ask(354, "DATA")
	stuffed := bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(message, []byte(".")) {
		stuffed = append([]byte("."), stuffed...)
	}
	if _, err := c.W.Write(append(stuffed, ".\r\n"...)); err != nil {
		t.Fatal(err)
	}
	if err := c.W.Flush(); err != nil {
		t.Fatal(err)
	}
	ask(250, "")
	ask(221, "QUIT")
}

// popClient is a POP3 client that returns errors, so that refusals can be tested too.
type popClient struct{ *textproto.Conn }

func (h *harness) pop(t *testing.T) popClient {
	t.Helper()
	p := popClient{textproto.NewConn(h.dial(t, POP3))}
	if line, err := p.ReadLine(); err != nil || !strings.HasPrefix(line, "+OK ") {
		t.Fatalf("greeting %q, %v", line, err)
	}
	return p
}

func (h *harness) popIn(t *testing.T) popClient {
	t.Helper()
	p := h.pop(t)
	p.want(t, "USER "+DefaultAddress, "+OK")
	p.want(t, "PASS "+testPassword, "+OK")
	return p
}

// want sends a command and returns the answer, which must begin as told.
func (p popClient) want(t *testing.T, command, begin string) string {
	t.Helper()
	if err := p.PrintfLine("%s", command); err != nil {
		t.Fatal(err)
	}
	line, err := p.ReadLine()
	if err != nil || !strings.HasPrefix(line, begin) {
		t.Fatalf("%s: got %q, %v, want %q", command, line, err, begin)
	}
	return line
}

// multi is want for an answer of several lines, returned with the dots undone and the ends of line as sent.
func (p popClient) multi(t *testing.T, command string) []byte {
	t.Helper()
	p.want(t, command, "+OK")
	var got []byte
	for {
		line, err := p.R.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if string(line) == ".\r\n" {
			return got
		}
		got = append(got, bytes.TrimPrefix(line, []byte("."))...)
	}
}

func fetchAll(t *testing.T, c *imapclient.Client, section *imap.FetchItemBodySection) [][]byte {
	t.Helper()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	buffers, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, b := range buffers {
		all = append(all, b.FindBodySection(section))
	}
	return all
}

var awkward = map[string]string{
	"plain":                 "From: a@b.test\r\nSubject: one\r\n\r\nhello\r\n",
	"dots":                  "Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.first\r\nin.side\r\n. \r\n",
	"a dot first of all":    ".not: a field\r\n\r\nx\r\n",
	"8-bit":                 "Subject: \xec\x95\x88\r\n\r\n\xff\xfe\x80 caf\xc3\xa9\r\n",
	"no header":             "just a line\r\nand another\r\n",
	"no body":               "Subject: alone\r\n",
	"header, empty line":    "Subject: x\r\n\r\n",
	"begins with CRLF":      "\r\nbody only\r\n",
	"begins with a space":   " folded: nothing\r\n\r\nbody\r\n",
	"odd fields":            "subject :spaces\r\nX-Empty:\r\nX-Fold: a\r\n\tb  \r\n\r\nbody\r\n",
	"long line":             "Subject: long\r\n\r\n" + strings.Repeat("x", 70000) + "\r\n",
	"nothing but empty":     "\r\n\r\n\r\n",
	"NUL":                   "Subject: nul\r\n\r\na\x00b\r\n",
	"empty":                 "",
	"looks like protocols":  "A1 OK done\r\n* 1 EXPUNGE\r\n-ERR no\r\nQUIT\r\n",
	"multipart of nothing":  "Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n",
	"many lines, a dot end": strings.Repeat("line\r\n", 3000) + ".\r\n",
}

func TestSameOctetsOverEveryProtocol(t *testing.T) {
	t.Parallel()
	for name, message := range awkward {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startMailbox(t)
			h.sendRaw(t, []byte(message))
			c := h.imap(t)
			if got := fetchAll(t, c, &imap.FetchItemBodySection{}); len(got) != 1 || string(got[0]) != message {
				t.Errorf("IMAP returned %.200q, want %.200q", got, message)
			}
			header := fetchAll(t, c, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true})
			text := fetchAll(t, c, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Peek: true})
			if got := string(header[0]) + string(text[0]); got != message {
				t.Errorf("IMAP header and text together are %.200q, want %.200q", got, message)
			}
			p := h.popIn(t)
			if got := p.multi(t, "RETR 1"); string(got) != message {
				t.Errorf("POP3 returned %.200q, want %.200q", got, message)
			}
			if got, want := p.want(t, "LIST 1", "+OK"), fmt.Sprintf("+OK 1 %d", len(message)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := p.multi(t, "TOP 1 1000000"); string(got) != message {
				t.Errorf("POP3 TOP of everything returned %.200q, want %.200q", got, message)
			}
			// What a mail program asks for when it opens the folder must not break over any of them.
			buffers, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
				Envelope: true, RFC822Size: true, InternalDate: true, Flags: true, UID: true,
				BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
			}).Collect()
			if err != nil || len(buffers) != 1 || buffers[0].RFC822Size != int64(len(message)) || buffers[0].BodyStructure == nil {
				t.Errorf("overview: %+v, %v", buffers, err)
			}
		})
	}
}

func TestUnfinishedLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stored, pop string }{
		"no end of line":        {"Subject: x\r\n\r\nend", "Subject: x\r\n\r\nend\r\n"},
		"ends with CR":          {"Subject: x\r\n\r\nend\r", "Subject: x\r\n\r\nend\r\n"},
		"LF alone":              {"Subject: x\n\n.\nend\n", "Subject: x\r\n\r\n.\r\nend\r\n"},
		"CR alone":              {"a\rb\r\n", "a\rb\r\n"},
		"two CR":                {"a\r\r\n", "a\r\r\n"},
		"a dot without its end": {"x\r\n.", "x\r\n.\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startMailbox(t)
			client := h.imap(t)
			appendMessage(t, client, "INBOX", c.stored)
			if got := fetchAll(t, client, &imap.FetchItemBodySection{}); string(got[0]) != c.stored {
				t.Errorf("IMAP returned %q, want %q", got[0], c.stored)
			}
			p := h.popIn(t)
			if got := p.multi(t, "RETR 1"); string(got) != c.pop {
				t.Errorf("POP3 returned %q, want %q", got, c.pop)
			}
			if got, want := p.want(t, "STAT", "+OK"), "+OK 1 "+strconv.Itoa(len(c.pop)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func appendMessage(t *testing.T, c *imapclient.Client, folder, message string) *imap.AppendData {
	t.Helper()
	data, err := tryAppend(c, folder, message)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tryAppend(c *imapclient.Client, folder, message string) (*imap.AppendData, error) {
	cmd := c.Append(folder, int64(len(message)), nil)
	_, writeErr := cmd.Write([]byte(message))
	closeErr := cmd.Close()
	data, err := cmd.Wait()
	if err != nil {
		return nil, err
	}
	return data, errors.Join(writeErr, closeErr)
}

func TestRunEndsWithOpenSessions(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	idle := h.imap(t)
	if _, err := idle.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Idle(); err != nil {
		t.Fatal(err)
	}
	h.popIn(t)
	h.smtp(t, Submission)
	h.dial(t, IMAP)
	for _, protocol := range []string{IMAP, POP3, SMTP, Submission} {
		silent, err := net.Dial("tcp", h.Addr(protocol)) // never begins its handshake
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	if err := h.stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if _, err := tls.Dial("tcp", h.Addr(SMTP), h.client); err == nil {
		t.Error("the port is still open")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	server, _ := newTestTLS(t)
	m, err := New(Options{Password: keys.NewSecret("x"), TLS: server})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Addr(IMAP); got != "" {
		t.Errorf("before Listen the address is %q", got)
	}
	if err := m.Listen(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, protocol := range []string{IMAP, POP3, SMTP, Submission} {
		addr := m.Addr(protocol)
		if !strings.HasPrefix(addr, "127.0.0.1:") || seen[addr] {
			t.Errorf("%s listens on %q", protocol, addr)
		}
		seen[addr] = true
	}
	if got := m.Addr("gopher"); got != "" {
		t.Errorf("an unknown protocol has the address %q", got)
	}
	m.Close()
	if _, err := tls.Dial("tcp", m.Addr(IMAP), &tls.Config{}); err == nil {
		t.Error("the port is open after Close")
	}
	if err := m.Run(t.Context()); err == nil {
		t.Error("Run served on closed ports")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	server, _ := newTestTLS(t)
	good := Options{Password: keys.NewSecret("x"), TLS: server}
	for name, spoil := range map[string]func(*Options){
		"no password":            func(o *Options) { o.Password = nil },
		"a password of 2 lines":  func(o *Options) { o.Password = keys.NewSecret("a\nb") },
		"no TLS":                 func(o *Options) { o.TLS = nil },
		"an address without @":   func(o *Options) { o.Address = "trial" },
		"an address of two @":    func(o *Options) { o.Address = "a@b@c" },
		"an address with spaces": func(o *Options) { o.Address = "a b@c" },
	} {
		opts := good
		spoil(&opts)
		if _, err := New(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPasswordIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const password = "hunter2hunter2"
	server, _ := newTestTLS(t)
	opts := Options{Password: keys.NewSecret(password), TLS: server}
	m, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "opts", opts.Password, "mailbox", m)
	octets := strings.Trim(fmt.Sprint([]byte(password)), "[]")
	hex := fmt.Sprintf("%x", password)
	for _, v := range []any{opts.Password, m, m.account, *m.account} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
	}
	for _, bad := range []string{password, octets, hex} {
		if strings.Contains(log.String(), bad) {
			t.Errorf("%q is in %s", bad, log.String())
		}
	}
}
