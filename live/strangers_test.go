package live

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postseal/internal/peers"
)

// session is a logged-in IMAP session.
type session struct {
	conn *tls.Conn
	r    *bufio.Reader
	n    int
}

func logIn(s *peers.Server) (*session, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: dialTimeout}, "tcp", s.Addr("imaps"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	i := &session{conn: conn, r: bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	if _, err := i.r.ReadString('\n'); err != nil {
		return nil, err
	}
	return i, i.do(fmt.Sprintf("LOGIN trial@example.test %s", s.Password()))
}

// do runs one command and wants OK.
func (i *session) do(command string) error {
	i.n++
	tag := fmt.Sprintf("t%d", i.n)
	if _, err := fmt.Fprintf(i.conn, "%s %s\r\n", tag, command); err != nil {
		return err
	}
	for {
		line, err := i.r.ReadString('\n')
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("%s: %s", command, line)
			}
			return nil
		}
	}
}

// mailPorts are those where strangers may knock.
func mailPorts() []string {
	return []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"}
}

// from dials from one of the many addresses of the loopback network.
func from(host int, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+host/250), byte(1+host%250))}}
	return d.Dial("tcp", addr)
}

// TestSilentConnections opens hundreds of connections that say nothing, from one address and from many. A session
// that is logged in, and clients that come later, do not notice.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	held, err := logIn(s)
	if err != nil {
		t.Fatal(err)
	}
	defer held.conn.Close()
	total := peers.Scale(500, 10000)
	var silent []net.Conn
	defer func() {
		for _, c := range silent {
			c.Close()
		}
	}()
	for i := range total {
		host := 0 // half of them from one address: more than one address may have
		if i%2 == 1 {
			host = 1 + i%1000
		}
		c, err := from(host, s.Addr(mailPorts()[i%len(mailPorts())]))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		silent = append(silent, c)
		if i%(total/10) == 0 {
			if err := held.do("NOOP"); err != nil {
				t.Fatalf("the session that was there, beside %d silent ones: %v", i, err)
			}
		}
	}
	for name, at := range endpoints(s) {
		if _, err := handshake(at); err != nil {
			t.Errorf("%s: a newcomer beside %d silent connections: %v", name, total, err)
		}
	}
	late, err := logIn(s)
	if err != nil {
		t.Fatalf("a login beside %d silent connections: %v", total, err)
	}
	defer late.conn.Close()
	for _, i := range []*session{held, late} {
		if err := i.do("SELECT INBOX"); err != nil {
			t.Error(err)
		}
	}
	if got := s.Command("status"); got.Exit != 0 {
		t.Error(got)
	}
}

// TestGarbage throws bytes at every port: noise, endless lines, NULs, half handshakes, one byte at a time.
func TestGarbage(t *testing.T) {
	t.Parallel()
	s := peers.Postseal(t)
	held, err := logIn(s)
	if err != nil {
		t.Fatal(err)
	}
	defer held.conn.Close()
	noise := make([]byte, 64<<10)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(source.Uint32())
	}
	kinds := map[string][]byte{
		"noise":         noise,
		"endless line":  []byte(strings.Repeat("A", 256<<10)),
		"NULs":          make([]byte, 4096),
		"empty lines":   []byte(strings.Repeat("\r\n", 5000)),
		"bare LF":       []byte(strings.Repeat("NOOP\n", 1000)),
		"client hello":  append([]byte{0x16, 3, 1, 0xff, 0xff}, noise[:1000]...),
		"huge literal":  []byte("a LOGIN {99999999999999999999}\r\n"),
		"nested parens": []byte("a ID " + strings.Repeat("(", 8000) + "\r\n"),
		"http":          []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	}
	var all sync.WaitGroup
	for _, name := range append(mailPorts(), "http", "https", "management") {
		for _, bytes := range kinds {
			all.Go(func() {
				c, err := net.DialTimeout("tcp", s.Addr(name), dialTimeout)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(dialTimeout))
				c.Write(bytes) // being cut off is the right answer to most of this
				c.(*net.TCPConn).CloseWrite()
				for buf := make([]byte, 4096); ; {
					if _, err := c.Read(buf); err != nil {
						break
					}
				}
			})
		}
	}
	all.Wait()
	for _, name := range mailPorts() { // a slow but honest client, one byte at a time
		at := endpoints(s)[name]
		if at.StartTLS == "" {
			continue
		}
		c, err := net.DialTimeout("tcp", at.Addr, dialTimeout)
		if err != nil {
			t.Fatal(err)
		}
		if err := upgrade(byteByByte{c}, at.StartTLS); err != nil {
			t.Errorf("%s, one byte at a time: %v", name, err)
		}
		c.Close()
	}
	if err := held.do("NOOP"); err != nil {
		t.Errorf("the session that was there: %v", err)
	}
	if out := s.Output(); strings.Contains(out, "panic") {
		t.Errorf("the server panicked:\n%s", out)
	}
	if got := s.Command("status"); got.Exit != 0 {
		t.Error(got)
	}
}

// TestLimitsOfTheFileHold: what postseal.toml says about clients before login is what they meet.
func TestLimitsOfTheFileHold(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "postseal.toml")
	if err := os.WriteFile(config, []byte("[limits]\nline-bytes = 100\ncommands = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := peers.Postseal(t, "--config", config)
	for name, said := range map[string]string{
		"a long line":       "CAPA " + strings.Repeat("x", 200) + "\r\n",
		"too many commands": "CAPA\r\nCAPA\r\nCAPA\r\nCAPA\r\n",
	} {
		c, err := net.DialTimeout("tcp", s.Addr("pop3"), dialTimeout)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(dialTimeout))
		if _, err := c.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for buf := make([]byte, 4096); ; {
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				break // the end of what it says
			}
		}
		c.Close()
		if !strings.Contains(got.String(), "-ERR") || strings.Count(got.String(), "STLS") > 2 {
			t.Errorf("%s: got %q, want an error and the end", name, got.String())
		}
	}
}

// byteByByte writes one byte at a time.
type byteByByte struct{ net.Conn }

func (b byteByByte) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestSessionsGoOnAfterSIGTERM: the listeners close, who waits before login is told so, and a session that is logged
// in goes on until it is done or the time for draining is over.
func TestSessionsGoOnAfterSIGTERM(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "postseal.toml")
	if err := os.WriteFile(config, []byte("[limits]\ndrain = \"10s\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := peers.Postseal(t, "--config", config)
	held, err := logIn(s)
	if err != nil {
		t.Fatal(err)
	}
	defer held.conn.Close()
	waiting, err := net.DialTimeout("tcp", s.Addr("pop3"), dialTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	waiting.SetDeadline(time.Now().Add(dialTimeout))
	r := bufio.NewReader(waiting)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "-ERR") {
		t.Errorf("before login: got %q, %v, want a goodbye", line, err)
	}
	if err := held.do("NOOP"); err != nil {
		t.Errorf("a session in use after SIGTERM: %v", err)
	}
	if c, err := net.DialTimeout("tcp", s.Addr("imaps"), time.Second); err == nil {
		c.Close()
		t.Error("a listener takes connections after SIGTERM")
	}
	if err := held.do("LOGOUT"); err != nil {
		t.Errorf("leaving: %v", err)
	}
	held.conn.Close()
	if status := s.Stop(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}
