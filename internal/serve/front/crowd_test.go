package front

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/internal/peers"
)

// TestSilentCrowd: 500 connections that say nothing, from the same address, and one that logs in. A soak has
// 10,000, one listener after the other, since both ends of each are files of this process.
func TestSilentCrowd(t *testing.T) {
	t.Parallel()
	crowd := peers.Scale(500, 10000)
	cert := newCertificate(t)
	s := &store{able: "AUTH=PLAIN SASL-IR"}
	for _, implicit := range []bool{false, true} {
		name := map[bool]string{false: "imap", true: "imaps"}[implicit]
		t.Run(name, func(t *testing.T) {
			f := serve(t, &Listener{Name: name, Implicit: implicit, Handle: IMAP(s.start(t, false, Backend{Config: trusting(cert)}, cert)), Refusal: IMAPRefusal}, nil)
			for range crowd {
				conn, err := net.Dial("tcp", f.at)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
			}
			for range 3 {
				began := time.Now()
				c := f.dial(t)
				c.expect(`^\* OK `)
				if !implicit {
					c.ask("a STARTTLS\r\n", `^a OK `)
					c.handshake(f.cert)
				}
				c.ask("x AUTHENTICATE PLAIN "+plainOf(testUser, testPassword)+"\r\n", `^\* CAP`, `^x OK `)
				c.ask("hello\r\n", `^hello$`)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the login took %v", took)
				}
			}
			if got := f.Counters.Current.Load(); got > 300 {
				t.Errorf("%d sessions are open, want about 256", got)
			}
			if got := f.Counters.Refused.Load(); got != 0 {
				t.Errorf("refused: got %d, want 0", got)
			}
		})
	}
}

// TestByteAtATime: the slowest way to say the right things still works, inside TLS too.
func TestByteAtATime(t *testing.T) {
	t.Parallel()
	s := &store{}
	f := serve(t, &Listener{Name: "pop3", Handle: POP3(s.start(t, true, Backend{TLS: TLSNone}, newCertificate(t)))}, nil)
	c := f.dial(t)
	c.Conn = byteWise{c.Conn}
	c.expect(`^\+OK `)
	c.ask("CAPA\r\n", `^\+OK `, `^STLS$`, `^RESP-CODES$`, `^AUTH-RESP-CODE$`, `^\.$`)
	c.ask("STLS\r\n", `^\+OK `)
	c.handshake(f.cert)
	for _, b := range "USER " + testUser + "\r\nPASS " + testPassword + "\r\nRETR 1\r\n" {
		c.send(string(b))
	}
	c.expect(`^\+OK$`, `^\+OK welcome$`, `^RETR 1$`)
}

// byteWise writes each byte by itself.
type byteWise struct{ net.Conn }

func (b byteWise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestEndless: no line and no garbage is ever too long for us to hang up.
func TestEndless(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]Handler{"imap": IMAP(Options{}), "pop3": POP3(Options{})} {
		for what, piece := range map[string]string{
			"line":          strings.Repeat("x", 1<<10),
			"garbage":       "\x00\xff\r\n\x80\n",
			"empty lines":   strings.Repeat("\r\n", 100),
			"good commands": "NOOP\r\na NOOP\r\n",
			"literals":      "a LOGIN {1+}\r\nx",
			"TLS":           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				f := serve(t, &Listener{Name: name, Handle: handle}, nil)
				c := f.dial(t)
				go func() {
					for {
						if _, err := io.WriteString(c.Conn, piece); err != nil {
							return
						}
					}
				}()
				n, err := io.Copy(io.Discard, c.r)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection was not ended")
				}
				if n > 16<<10 {
					t.Errorf("answered %d bytes", n)
				}
			})
		}
	}
}

// TestGarbageInsteadOfTLS: garbage where TLS is implicit is counted and answered by nothing but an alert.
func TestGarbageInsteadOfTLS(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "imaps", Implicit: true, Handle: IMAP(Options{}), Refusal: IMAPRefusal}, nil)
	for _, garbage := range []string{"a NOOP\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x04xxxx"} {
		conn, err := net.Dial("tcp", f.at)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		c.send(garbage)
		if got, _ := io.ReadAll(c.r); strings.Contains(string(got), "BYE") {
			t.Errorf("%q got %q", garbage, got)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	conn, err := net.Dial("tcp", f.at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, old).Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	// Until the server has closed it: it counts before, and counts nothing any more once it is stopping.
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	f.stop()
	if got := f.Counters.HandshakeFailures.Load(); got != 4 {
		t.Errorf("handshake failures: got %d, want 4", got)
	}
}
