package front

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
)

type upgradeTest struct {
	name, command, goAhead string
	handle                 Handler
	injections             []string // sent in one segment with the command
	answer                 []string
}

func upgradeTests() []upgradeTest {
	return []upgradeTest{
		{
			name: "imap", command: "a STARTTLS\r\n", goAhead: `^a OK `, handle: IMAP(Options{}),
			injections: []string{"b NOOP\r\n", "b ", "\x16\x03\x01", strings.Repeat("x", 5000)},
			answer:     []string{`^a BAD data behind STARTTLS$`, `^\* BYE `},
		},
		{
			name: "pop3", command: "STLS\r\n", goAhead: `^\+OK `, handle: POP3(Options{}),
			injections: []string{"CAPA\r\n", "CA", "\r\n", strings.Repeat("x", 5000)},
			answer:     []string{`^-ERR data behind STLS$`},
		},
	}
}

// TestPlaintextBehindSTARTTLS is CVE-2011-0411: a command sent in clear, whole or half, with the one that
// asks for TLS.
func TestPlaintextBehindSTARTTLS(t *testing.T) {
	t.Parallel()
	for _, test := range upgradeTests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, &Listener{Name: test.name, Handle: test.handle}, nil)
			for _, injection := range test.injections {
				c := f.dial(t)
				c.expect(`.`)
				c.ask(test.command+injection, test.answer...)
				if len(injection) < 100 { // with more, closing resets the connection; that is an end as well
					c.expectEnd()
				}
			}
			if got, want := f.Counters.Injected.Load(), int64(len(test.injections)); got != want {
				t.Errorf("injected: got %d, want %d", got, want)
			}
			if got := f.Counters.HandshakeFailures.Load(); got != 0 {
				t.Errorf("handshakes were begun: %d", got)
			}
		})
	}
}

// TestPlaintextAfterSTARTTLS: what comes in clear after the go-ahead is part of the handshake and breaks it;
// no answer but TLS's own alert is given.
func TestPlaintextAfterSTARTTLS(t *testing.T) {
	t.Parallel()
	for _, test := range upgradeTests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, &Listener{Name: test.name, Handle: test.handle}, nil)
			c := f.dial(t)
			c.expect(`.`)
			c.ask(test.command, test.goAhead)
			c.send(test.injections[0])
			if err := tls.Client(c.Conn, trusting(f.cert)).Handshake(); err == nil {
				t.Fatal("the handshake went through behind plaintext")
			}
			rest, err := io.ReadAll(c.r)
			if bytes.Contains(rest, []byte("OK")) {
				t.Errorf("got %q, %v", rest, err)
			}
			if err := f.stop(); err != nil {
				t.Fatal(err)
			}
			if got := f.Counters.HandshakeFailures.Load(); got != 1 {
				t.Errorf("handshake failures: got %d, want 1", got)
			}
		})
	}
}

// TestHalfCommandAcrossSTARTTLS: the beginning of a command in clear and its end in TLS make no command, even
// when the beginning arrives before the command that asks for TLS.
func TestHalfCommandAcrossSTARTTLS(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "pop3", Handle: POP3(Options{})}, nil)
	c := f.dial(t)
	c.expect(`^\+OK `)
	c.ask("USER someone\r\n", `^-ERR `) // a name told in clear is not kept
	c.ask("STLS\r\n", `^\+OK `)
	c.handshake(f.cert)
	c.ask("PASS p\r\n", `^-ERR USER first$`)
	c.ask("PA\r\n", `^-ERR unknown before login$`)
}

func TestLimitsAreNotResetBySTARTTLS(t *testing.T) {
	t.Parallel()
	f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), Limits: Limits{BadCommands: 2}}, nil)
	c := f.dial(t)
	c.expect(`^\* OK `)
	c.ask("a X\r\nb X\r\n", `^a BAD `, `^b BAD `)
	c.ask("c STARTTLS\r\n", `^c OK `)
	c.handshake(f.cert)
	c.ask("d X\r\n", `^d BAD `, `^\* BYE too many bad commands$`)
	c.expectEnd()
}

func TestNoTLSToOffer(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	// An empty configuration stands for "no certificate": the handshake cannot succeed, and says so in TLS.
	f := serve(t, &Listener{Name: "imap", Handle: IMAP(Options{}), TLS: &tls.Config{}}, nil)
	c := f.dial(t)
	c.expect(`^\* OK `)
	c.ask("a STARTTLS\r\n", `^a OK `)
	if err := tls.Client(c.Conn, trusting(cert)).Handshake(); err == nil {
		t.Error("a handshake without a certificate went through")
	}
}
