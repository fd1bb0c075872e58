package front

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testUser     = `tri"al@example.test`
	testPassword = `pass "w\o rd`
)

// newCertificate makes a self-signed certificate; inside a bubble it is of the year 2000.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"mail.example.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}

func trusting(cert tls.Certificate) *tls.Config {
	return DirectTrust(func() [][]byte { return cert.Certificate })
}

// journal is a log that a test can look into.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// pipes is a listener of net.Pipe connections, for bubbles.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return nil }

func (p *pipes) dial(from string) net.Conn {
	here, there := net.Pipe()
	if from != "" {
		there = fromAddress{there, net.TCPAddrFromAddrPort(mustAddrPort(from))}
	}
	p.conns <- there
	return here
}

type fromAddress struct {
	net.Conn
	addr net.Addr
}

func (f fromAddress) RemoteAddr() net.Addr { return f.addr }

// fixture is a listener that runs, with what a test may want of it.
type fixture struct {
	*Listener
	log  *journal
	stop func() error // ends the context and waits for Serve
	cert tls.Certificate
	at   string // of a TCP listener
	ln   net.Listener
}

// serve runs l on loopback, or on ln if given.
func serve(t testing.TB, l *Listener, ln net.Listener) *fixture {
	t.Helper()
	f := &fixture{Listener: l, log: &journal{}, cert: newCertificate(t), ln: ln}
	l.Host, l.Log, l.Counters = "mail.example.test", f.log.logger(), &Counters{}
	if l.TLS == nil {
		l.TLS = serverTLS(f.cert)
	}
	if f.ln == nil {
		var err error
		if f.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		f.at = f.ln.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, f.ln) }()
	f.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
		if strings.Contains(f.log.String(), `w\o`) || strings.Contains(f.log.String(), `w\\o`) {
			t.Errorf("the log holds the password")
		}
	})
	return f
}

// client is one end of a conversation.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
}

// dial connects to a fixture on loopback; with TLS at once where that is implicit.
func (f *fixture) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", f.at)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := newClient(t, conn)
	if f.Implicit {
		c.handshake(f.cert)
	}
	return c
}

func (c *client) handshake(cert tls.Certificate) {
	c.t.Helper()
	secure := tls.Client(c.Conn, trusting(cert))
	if err := secure.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.Conn, c.r = secure, bufio.NewReader(secure)
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("sending %q: %v", text, err)
	}
}

// expect reads lines until one matches the last of wants; each want must match one line, in order.
func (c *client) expect(wants ...string) {
	c.t.Helper()
	for _, want := range wants {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %q: got %q, %v", want, line, err)
		}
		if !strings.HasSuffix(line, "\r\n") {
			c.t.Fatalf("line without CR LF: %q", line)
		}
		if !regexp.MustCompile(want).MatchString(strings.TrimSuffix(line, "\r\n")) {
			c.t.Fatalf("got %q, want %q", line, want)
		}
	}
}

func (c *client) ask(text string, wants ...string) {
	c.t.Helper()
	c.send(text)
	c.expect(wants...)
}

// expectEnd checks that nothing more comes and the connection ends.
func (c *client) expectEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		c.t.Fatalf("the connection was not ended: %v", err)
	}
	if len(rest) > 0 {
		c.t.Fatalf("got %q, want the end", rest)
	}
}

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
