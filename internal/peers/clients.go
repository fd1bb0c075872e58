package peers

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// An Endpoint is a TLS service as a client reaches it.
type Endpoint struct {
	Addr       string   // host:port
	StartTLS   string   // smtp, imap, pop3 as openssl names them; empty means TLS from the first byte
	ServerName string   // sent as SNI; empty sends none
	Options    []string // further options of openssl s_client, such as "-tls1_2"
}

// OpenSSL runs openssl with args.
func OpenSSL(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	return Run(t, Command{Args: append([]string{"openssl"}, args...), Stdin: stdin})
}

// SClient makes one handshake with openssl s_client and returns its report; the connection closes after it.
func SClient(t testing.TB, e Endpoint) Result {
	t.Helper()
	args := []string{"s_client", "-connect", e.Addr, "-showcerts"}
	if e.StartTLS != "" {
		args = append(args, "-starttls", e.StartTLS)
	}
	if e.ServerName != "" {
		args = append(args, "-servername", e.ServerName)
	} else {
		args = append(args, "-noservername")
	}
	return OpenSSL(t, "", append(args, e.Options...)...)
}

// Served is the certificate that e shows to OpenSSL. A handshake that does not succeed fails the test.
func Served(t testing.TB, e Endpoint) *x509.Certificate {
	t.Helper()
	r := SClient(t, e)
	block, _ := pem.Decode([]byte(r.Stdout))
	if block == nil {
		t.Fatalf("openssl s_client with %s: got no certificate\n%v", e.Addr, r)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatalf("reading the certificate of %s: %v", e.Addr, err)
	}
	return c
}

// Curl runs curl, quiet but for its errors, with a time limit of its own.
func Curl(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	return Run(t, Command{Args: append([]string{"curl", "--silent", "--show-error", "--max-time", "30"}, args...), Stdin: stdin})
}

// Swaks runs swaks, the SMTP client of people who test mail servers.
func Swaks(t testing.TB, args ...string) Result {
	t.Helper()
	return Run(t, Command{Args: append([]string{"swaks", "--timeout", "30"}, args...)})
}

// Python runs a script with args in sys.argv[1:], without the user's packages and settings: smtplib, imaplib and
// poplib are what we want of it.
func Python(t testing.TB, script string, args ...string) Result {
	t.Helper()
	return Run(t, Command{Args: append([]string{"python3", "-I", "-c", script}, args...)})
}
