package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/serve/front"
)

// logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newTLS makes a server configuration with a fresh certificate.
func newTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour), DNSNames: []string{"mx.example.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// world is a running relay in front of a back end.
type world struct {
	addr     string
	opts     Options
	front    *front.Counters
	counters *Counters
	log      *logBuffer
	stop     context.CancelFunc // begins to drain
}

// newWorld serves a role in front of a back end. fix changes what is served.
func newWorld(t testing.TB, role Role, where front.Backend, fix ...func(*Options, *front.Listener)) *world {
	t.Helper()
	w := &world{front: &front.Counters{}, counters: &Counters{}, log: &logBuffer{}}
	w.opts = Options{
		Role:         role,
		Host:         "mx.example.test",
		Backend:      func(context.Context) (front.Backend, error) { return where, nil },
		Capabilities: &Capabilities{},
		Counters:     w.counters,
	}
	l := &front.Listener{
		Name:     "smtp",
		Host:     "mx.example.test",
		TLS:      newTLS(t),
		Counters: w.front,
		Log:      slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range fix {
		f(&w.opts, l)
	}
	l.Handle = SMTP(w.opts)
	if where.Address != "" {
		if err := w.opts.Probe(t.Context()); err != nil {
			t.Fatalf("probing the back end: %v", err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	done := make(chan error)
	go func() { done <- l.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return w
}

// client is the other end of a session.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

// dial connects and takes the greeting.
func (w *world) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn)
	c.expect("220 mx.example.test ESMTP Postseal ")
	return c
}

// secure dials, makes TLS and says EHLO.
func (w *world) secure(t testing.TB) *client {
	t.Helper()
	c := w.dial(t)
	c.do("EHLO client.test", "250-")
	c.do("STARTTLS", "220 ")
	c.startTLS()
	c.do("EHLO client.test", "250-")
	return c
}

func (c *client) startTLS() {
	c.t.Helper()
	secure := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.conn, c.r = secure, bufio.NewReader(secure)
}

// send writes bytes as they are.
func (c *client) send(s string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(s)); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

// reply reads one reply, all its lines.
func (c *client) reply() string {
	c.t.Helper()
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("reading a reply after %q: %v", b.String(), err)
		}
		if !strings.HasSuffix(line, "\r\n") || len(line) < 6 {
			c.t.Fatalf("reply line %q", line)
		}
		b.WriteString(line)
		if line[3] == ' ' {
			return b.String()
		}
	}
}

// expect reads a reply that begins as wanted.
func (c *client) expect(prefix string) string {
	c.t.Helper()
	got := c.reply()
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("got %q, want %q", got, prefix)
	}
	return got
}

// do sends a command and reads a reply that begins as wanted.
func (c *client) do(command, prefix string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	got := c.reply()
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("%s: got %q, want %q", command, got, prefix)
	}
	return got
}

// closed waits for the end of the connection and fails if anything else comes.
func (c *client) closed() {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err == nil {
		c.t.Fatalf("got %q, want the end of the connection", line)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.t.Fatalf("the connection is still open: %v", err)
	}
}
