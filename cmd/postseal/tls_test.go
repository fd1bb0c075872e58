package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

// cmdTLS connects to a listener of this script's server and prints the thumbprint of the certificate that it serves.
//
//	tls LISTENER [sni NAME] [rsa-only]
func cmdTLS(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 1 {
		ts.Fatalf("usage: tls LISTENER [sni NAME] [rsa-only]")
	}
	client := &tls.Config{InsecureSkipVerify: true} // the script compares the thumbprint
	for rest := args[1:]; len(rest) > 0; {
		switch {
		case rest[0] == "rsa-only":
			client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			rest = rest[1:]
		case rest[0] == "sni" && len(rest) > 1:
			client.ServerName = rest[1]
			rest = rest[2:]
		default:
			ts.Fatalf("tls: unknown word %q", rest[0])
		}
	}
	secure := secured(ts, args[0], client)
	fmt.Fprintln(ts.Stdout(), x509cert.Thumbprint(secure.ConnectionState().PeerCertificates[0].Raw))
	ts.Check(secure.Close())
}

// secured connects to a listener of this script's server, up to the end of the handshake.
func secured(ts *testscript.TestScript, name string, client *tls.Config) *tls.Conn {
	k, _ := listener.ByName(name)
	conn, err := net.DialTimeout("tcp", address(ts, name), patience)
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Check(conn.SetDeadline(time.Now().Add(patience)))
	if k.Upgrade == "starttls" {
		ts.Check(startTLS(conn, k.Protocol))
	}
	secure := tls.Client(conn, client)
	ts.Check(secure.Handshake())
	return secure
}

// cmdTalk connects to a mail listener with TLS, sends lines, each after the answer to the one before, and prints the
// answers.
//
//	talk LISTENER LINE...
func cmdTalk(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: talk LISTENER LINE...")
	}
	secure := secured(ts, args[0], &tls.Config{InsecureSkipVerify: true}) // only the words count here
	in := bufio.NewReader(secure)
	k, _ := listener.ByName(args[0])
	if k.Upgrade == "implicit" {
		_, err := in.ReadString('\n')
		ts.Check(err)
	}
	end := map[string]*regexp.Regexp{"smtp": regexp.MustCompile(`^\d{3} `), "imap": regexp.MustCompile(`^a `), "pop3": regexp.MustCompile(`^[+-]`)}[k.Protocol]
	for _, line := range args[1:] {
		_, err := io.WriteString(secure, line+"\r\n")
		ts.Check(err)
		for answer := ""; !end.MatchString(answer); {
			answer, err = in.ReadString('\n')
			ts.Check(err)
			fmt.Fprintln(ts.Stdout(), strings.TrimSpace(answer))
		}
	}
	ts.Check(secure.Close())
}

// startTLS speaks a protocol in clear up to the point where the handshake begins.
func startTLS(conn net.Conn, protocol string) error {
	steps := map[string][][2]string{ // what is sent after a line, and what the line begins with
		"smtp": {{"220 ", "EHLO client.test\r\n"}, {"250 ", "STARTTLS\r\n"}, {"220 ", ""}},
		"imap": {{"* OK", "a STARTTLS\r\n"}, {"a OK", ""}},
		"pop3": {{"+OK", "STLS\r\n"}, {"+OK", ""}},
	}[protocol]
	in := bufio.NewReader(conn)
	for _, step := range steps {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return fmt.Errorf("waiting for %q: %w", step[0], err)
			}
			if strings.HasPrefix(line, step[0]) {
				break
			}
		}
		if _, err := io.WriteString(conn, step[1]); err != nil {
			return err
		}
	}
	return nil
}
