package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// store is a back end that knows one account. After the login it sends back what it gets.
type store struct {
	able    string      // IMAP capabilities
	upgrade *tls.Config // offered by STARTTLS or STLS; nil: refused
	behind  string      // said in clear behind the go-ahead, from its line end on
	first   string      // instead of the greeting
	logins  atomic.Int64
	closed  atomic.Int64
}

// start runs s on loopback and returns how to reach it.
func (s *store) start(t testing.TB, pop bool, b Backend, cert tls.Certificate) Options {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if b.TLS == TLSImplicit || b.TLS == "" {
				conn = tls.Server(conn, serverTLS(cert))
			}
			go s.session(conn, pop)
		}
	}()
	b.Address = ln.Addr().String()
	return Options{Backend: func(context.Context) (Backend, error) { return b, nil }}
}

// piped is start for a bubble: each dial is a pipe.
func (s *store) piped(pop bool) Options {
	connect := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go s.session(there, pop)
		return here, nil
	}
	return Options{Backend: func(context.Context) (Backend, error) {
		return Backend{Address: "/pipe", TLS: TLSNone, connect: connect}, nil
	}}
}

func (s *store) session(conn net.Conn, pop bool) {
	defer s.closed.Add(1)
	defer func() { conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	upgrade := func() {
		conn = tls.Server(conn, s.upgrade)
		in = bufio.NewReader(conn)
	}
	var ok bool
	if pop {
		ok = s.pop3(func() string { return readLine(in) }, say, upgrade)
	} else {
		ok = s.imap(func(n int) string {
			if n == 0 {
				return readLine(in)
			}
			b := make([]byte, n)
			io.ReadFull(in, b)
			return string(b)
		}, say, upgrade)
	}
	if ok {
		s.logins.Add(1)
		io.Copy(conn, in)
	}
}

func readLine(in *bufio.Reader) string {
	line, err := in.ReadString('\n')
	if err != nil {
		return "\x00" // no command
	}
	return strings.TrimSuffix(line, "\r\n")
}

func (s *store) imap(read func(literal int) string, say func(string, ...any), upgrade func()) bool {
	greeting := s.first
	if greeting == "" {
		greeting = "* OK store ready"
	}
	say("%s", greeting)
	for {
		line := read(0)
		tag, command, ok := strings.Cut(line, " ")
		if !ok {
			return false
		}
		word, args, _ := strings.Cut(command, " ")
		user, password := "", ""
		switch {
		case word == "CAPABILITY":
			say("* CAPABILITY IMAP4rev1 %s\r\n%s OK done", s.able, tag)
			continue
		case word == "STARTTLS" && s.upgrade != nil:
			say("%s OK go%s", tag, s.behind)
			upgrade()
			continue
		case word == "AUTHENTICATE":
			_, message, initial := strings.Cut(args, " ")
			if initial != strings.Contains(s.able, "SASL-IR") {
				say("%s BAD initial response: %v", tag, initial)
				continue
			}
			if !initial {
				say("+ ")
				message = read(0)
			}
			plain, _ := base64.StdEncoding.DecodeString(message)
			parts := strings.Split(string(plain), "\x00")
			if len(parts) == 3 {
				user, password = parts[1], parts[2]
			}
		case word == "LOGIN":
			var values [2]string
			for i := range values {
				values[i], args = loginArgument(args, read, say)
			}
			user, password = values[0], values[1]
		default:
			say("%s BAD what", tag)
			continue
		}
		if user == testUser && password == testPassword || user == "jörg" && password == "grün" {
			say("* CAPABILITY IMAP4rev1 AFTER\r\n%s OK [CAPABILITY IMAP4rev1 AFTER] welcome", tag)
			return true
		}
		say("%s NO [AUTHENTICATIONFAILED] no\x07", tag)
	}
}

// loginArgument takes a quoted string or a literal off args, which may go on in the next line.
func loginArgument(args string, read func(int) string, say func(string, ...any)) (value, rest string) {
	args = strings.TrimPrefix(args, " ")
	if inner, ok := strings.CutPrefix(args, "{"); ok {
		n, _ := strconv.Atoi(strings.TrimSuffix(inner, "}"))
		say("+ go")
		value = read(n)
		return value, read(0)
	}
	for i := 1; i < len(args); i++ {
		switch args[i] {
		case '\\':
			i++
		case '"':
			return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(args[1:i]), args[i+1:]
		}
	}
	return "", ""
}

func (s *store) pop3(read func() string, say func(string, ...any), upgrade func()) bool {
	greeting := s.first
	if greeting == "" {
		greeting = "+OK store ready"
	}
	say("%s", greeting)
	user := ""
	for {
		line := read()
		word, args, _ := strings.Cut(line, " ")
		switch {
		case line == "\x00":
			return false
		case word == "STLS" && s.upgrade != nil:
			say("+OK go%s", s.behind)
			upgrade()
		case word == "USER":
			user = args
			say("+OK")
		case word == "PASS":
			if user == testUser && args == testPassword {
				say("+OK welcome")
				return true
			}
			say("-ERR [AUTH] no\x07")
		default:
			say("-ERR what")
		}
	}
}
