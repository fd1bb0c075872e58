package probe

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// script answers lines in clear: after says what comes after a line that begins with the key; "" is the greeting. At an
// answer that ends in "<TLS>" the handshake begins, with what was read before it thrown away as is right.
func script(t *testing.T, config *tls.Config, after map[string]string) func(net.Conn) {
	t.Helper()
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		line := ""
		for {
			for begin, answer := range after {
				if begin == "" != (line == "") || !strings.HasPrefix(line, begin) {
					continue
				}
				text, secure := strings.CutSuffix(answer, "<TLS>")
				io.WriteString(conn, text)
				if secure {
					tls.Server(conn, config).Handshake()
					return
				}
			}
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
		}
	}
}

// smtpAt is an SMTP endpoint with STARTTLS.
func smtpAt(t *testing.T, do func(net.Conn)) Endpoint {
	e := at(serve(t, do))
	e.Port, e.Protocol, e.StartTLS = 587, SMTP, true
	return e
}

func hang(conn net.Conn) { io.Copy(io.Discard, conn) }

// TestRudeServers: whatever a stranger does, there is an end and a sentence.
func TestRudeServers(t *testing.T) {
	a := newAuthority(t)
	good := with(a.issue(t, wish{}))
	large := a.issue(t, wish{})
	for len(large.Certificate)*len(a.middle.Raw) < 10<<20 {
		large.Certificate = append(large.Certificate, large.Certificate[1:]...)
		large.Certificate = append(large.Certificate, a.middle.Raw)
	}
	greeting := map[string]string{"": "220 mail.example.test ESMTP\r\n"}
	ehlo := func(answer string, more ...string) map[string]string {
		m := map[string]string{"": greeting[""], "EHLO": answer}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name     string
		implicit bool
		do       func(net.Conn)
		want     string // the worst finding
		text     string
	}{
		{"hangs before the greeting", false, hang, "bad timedOut", "its greeting did not come in time"},
		{"hangs before the handshake", true, hang, "bad timedOut", "the handshake did not end in time"},
		{"closes at once", false, func(net.Conn) {}, "bad closedEarly", "hangs up before its greeting"},
		{"closes at once, TLS", true, func(net.Conn) {}, "bad closedEarly", "hangs up during the handshake"},
		{"an endless line", false, func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, strings.Repeat("2", 4096)); err != nil {
					return
				}
			}
		}, "bad tooMuch", "without an end instead of its greeting"},
		{"endless lines", false, func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "220-welcome\r\n"); err != nil {
					return
				}
			}
		}, "bad tooMuch", "sends more than 200 lines instead of its greeting"},
		{"one byte at a time", false, func(c net.Conn) {
			io.WriteString(c, "2")
			io.WriteString(c, "2")
			hang(c)
		}, "bad timedOut", `sends so slowly that its greeting did not come in time; so far it sent "22"`},
		{"speaks IMAP where SMTP is asked", false, script(t, nil, map[string]string{"": "* OK IMAP4rev1 ready\r\n"}), "bad otherProtocol", "speaks IMAP, not SMTP"},
		{"speaks SSH", false, script(t, nil, map[string]string{"": "SSH-2.0-OpenSSH_9.2\r\n"}), "bad otherProtocol", "speaks SSH, not SMTP"},
		{"speaks SMTP where TLS is asked", true, script(t, nil, greeting), "bad otherProtocol", "as SMTP does"},
		{"refuses with its greeting", false, script(t, nil, map[string]string{"": "554 go away\r\n"}), "bad refusesService", `"554 go away"`},
		{"moves the cursor", false, script(t, nil, map[string]string{"": "554 \x1b[2J\x07\u202egood\r\n"}), "bad refusesService", `"554 \x1b[2J\x07\u{202e}good"`},
		{"knows no EHLO", false, script(t, nil, ehlo("502 no\r\n")), "bad startTLSMissing", "refuses EHLO"},
		{"has no STARTTLS", false, script(t, nil, ehlo("250 mail\r\n")), "bad startTLSMissing", "does not offer STARTTLS"},
		{"refuses STARTTLS", false, script(t, nil, ehlo("250-mail\r\n250 STARTTLS\r\n", "STARTTLS", "454 TLS not available\r\n")), "bad startTLSRefused", `with "454 TLS not available"`},
		{"leads STARTTLS elsewhere", false, script(t, nil, ehlo("250-mail\r\n250 STARTTLS\r\n", "STARTTLS", "551 try other.example.test\r\n")), "bad startTLSRefused", "instead of beginning TLS"},
		{"answers STARTTLS with clear text", false, script(t, good, ehlo("250-mail\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n250 OK\r\n")), "bad startTLSExtra", `"250 OK`},
		{"takes passwords in clear", false, script(t, good, ehlo("250-mail\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n<TLS>")), "bad plainLogin", "takes passwords in clear"},
		{"a challenge is no password", false, script(t, good, ehlo("250-mail\r\n250-AUTH CRAM-MD5 SCRAM-SHA-256\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\n<TLS>")), "", ""},
		{"a chain of 10 MB", true, func(conn net.Conn) { tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{large}}).Handshake() }, "bad chainTooLarge", "larger chain of certificates than any client reads"},
		{"records without end", true, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 5))
			for { // empty records of change cipher spec, then of handshake
				if _, err := c.Write([]byte{22, 3, 3, 0, 1, 2, 22, 3, 3, 0, 1, 0}); err != nil {
					return
				}
			}
		}, "bad tlsFailed", ""},
		{"an alert", true, func(c net.Conn) {
			c.Read(make([]byte, 1024))
			c.Write([]byte{21, 3, 3, 0, 2, 2, 40})
			hang(c)
		}, "bad tlsFailed", "declines the handshake: handshake failure"},
		{"nothing in common", true, func(conn net.Conn) {
			tls.Server(conn, &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP521}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, io.EOF }}).Handshake()
		}, "bad tlsFailed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := smtpAt(t, c.do)
			if c.implicit {
				e.StartTLS = false
			}
			limit := 10 * time.Second
			if strings.Contains(c.want, "timedOut") {
				limit = 300 * time.Millisecond
			}
			r := a.prober(t, Options{Limit: limit}).Endpoint(t.Context(), e)
			if got := codes(r.Findings, Bad); got != c.want {
				t.Errorf("got %q, want %q\n%s", got, c.want, said(r.Findings))
			}
			if !strings.Contains(said(r.Findings), c.text) {
				t.Errorf("nothing says %q:\n%s", c.text, said(r.Findings))
			}
		})
	}
}

// TestAllProtocols speaks each protocol as far as TLS, with and without logins in clear.
func TestAllProtocols(t *testing.T) {
	a := newAuthority(t)
	good := with(a.issue(t, wish{}))
	for _, c := range []struct {
		name, protocol string
		after          map[string]string
		want           string
	}{
		{"IMAP", IMAP, map[string]string{"": "* OK ready\r\n", "a1": "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n", "a2": "a2 OK go\r\n<TLS>"}, ""},
		{"IMAP with LOGIN", IMAP, map[string]string{"": "* OK ready\r\n", "a1": "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", "a2": "a2 OK go\r\n<TLS>"}, "bad plainLogin"},
		{"IMAP with AUTH=PLAIN", IMAP, map[string]string{"": "* OK ready\r\n", "a1": "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN\r\na1 OK done\r\n", "a2": "a2 OK go\r\n<TLS>"}, "bad plainLogin"},
		{"IMAP, logged in already", IMAP, map[string]string{"": "* PREAUTH hello\r\n"}, "bad startTLSMissing"},
		{"IMAP, busy", IMAP, map[string]string{"": "* BYE too many\r\n"}, "bad refusesService"},
		{"IMAP that is none", IMAP, map[string]string{"": "* OK ready\r\n", "a1": "a1 BAD what\r\n"}, "bad otherProtocol"},
		{"IMAP, no to STARTTLS", IMAP, map[string]string{"": "* OK ready\r\n", "a1": "* CAPABILITY STARTTLS LOGINDISABLED\r\na1 OK\r\n", "a2": "a2 NO [REFERRAL imap://x.test/] there\r\n"}, "bad startTLSRefused"},
		{"POP3", POP3, map[string]string{"": "+OK ready\r\n", "CAPA": "+OK\r\nSTLS\r\nSASL\r\n.\r\n", "STLS": "+OK go\r\n<TLS>"}, ""},
		{"POP3 with USER", POP3, map[string]string{"": "+OK ready\r\n", "CAPA": "+OK\r\nSTLS\r\nUSER\r\n.\r\n", "STLS": "+OK go\r\n<TLS>"}, "bad plainLogin"},
		{"POP3 with SASL PLAIN", POP3, map[string]string{"": "+OK ready\r\n", "CAPA": "+OK\r\nSTLS\r\nSASL CRAM-MD5 PLAIN\r\n.\r\n", "STLS": "+OK go\r\n<TLS>"}, "bad plainLogin"},
		{"POP3 without CAPA", POP3, map[string]string{"": "+OK ready\r\n", "CAPA": "-ERR\r\n", "USER": "-ERR TLS first\r\n", "STLS": "+OK go\r\n<TLS>"}, ""},
		{"POP3 without CAPA, with USER", POP3, map[string]string{"": "+OK ready\r\n", "CAPA": "-ERR\r\n", "USER": "+OK\r\n", "STLS": "+OK go\r\n<TLS>"}, "bad plainLogin"},
		{"POP3, refusing", POP3, map[string]string{"": "-ERR busy\r\n"}, "bad refusesService"},
		{"ManageSieve", Sieve, map[string]string{"": "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n", "STARTTLS": "OK \"go\"\r\n<TLS>"}, ""},
		{"ManageSieve with PLAIN", Sieve, map[string]string{"": "\"SASL\" \"PLAIN\"\r\n\"STARTTLS\"\r\nOK\r\n", "STARTTLS": "OK\r\n<TLS>"}, "bad plainLogin"},
		{"ManageSieve that is none", Sieve, map[string]string{"": "220 hello\r\n"}, "bad otherProtocol"},
		{"ManageSieve, refusing", Sieve, map[string]string{"": "BYE \"busy\"\r\n"}, "bad refusesService"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := smtpAt(t, script(t, good, c.after))
			e.Protocol = c.protocol
			r := a.prober(t, Options{}).Endpoint(t.Context(), e)
			if got := codes(r.Findings, Warn); got != c.want {
				t.Errorf("got %q, want %q\n%s", got, c.want, said(r.Findings))
			}
		})
	}
}

// TestInjection shows a server with the fault, which reads on in the buffer from before TLS, and one without.
func TestInjection(t *testing.T) {
	a := newAuthority(t)
	good := with(a.issue(t, wish{}))
	for _, protocol := range Protocols() {
		for _, faulty := range []bool{true, false} {
			t.Run(protocol+map[bool]string{true: " with the fault", false: " without"}[faulty], func(t *testing.T) {
				t.Parallel()
				e := smtpAt(t, careless(protocol, good, faulty))
				e.Protocol = protocol
				r := a.prober(t, Options{}).Endpoint(t.Context(), e)
				if got, want := codes(r.Findings, Bad), map[bool]string{true: "bad startTLSInjection"}[faulty]; got != want {
					t.Errorf("got %q, want %q\n%s", got, want, said(r.Findings))
				}
			})
		}
	}
}

// careless speaks a protocol well enough, and forgets nothing when TLS begins if it is faulty.
func careless(protocol string, config *tls.Config, faulty bool) func(net.Conn) {
	words := map[string]struct{ greeting, capability, start, other, end string }{
		SMTP:  {"220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n", "250 OK\r\n", "221 bye\r\n"},
		IMAP:  {"* OK x\r\n", "* CAPABILITY STARTTLS LOGINDISABLED\r\n%t OK\r\n", "%t OK go\r\n", "%t OK\r\n", "* BYE\r\n%t OK\r\n"},
		POP3:  {"+OK x\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK go\r\n", "-ERR what\r\n", "+OK bye\r\n"},
		Sieve: {"\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK\r\n", "OK\r\n", "OK go\r\n", "OK (TAG \"injected\")\r\n", "BYE\r\n"},
	}[protocol]
	return func(conn net.Conn) {
		var out io.Writer = conn
		in := bufio.NewReader(conn)
		io.WriteString(out, words.greeting)
		secure := false
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fields := strings.Fields(line)
			tag, answer := "", words.other
			if protocol == IMAP {
				tag, fields = fields[0], fields[1:]
			}
			switch fields[0] {
			case "EHLO", "CAPABILITY", "CAPA":
				answer = words.capability
			case "STARTTLS", "STLS":
				answer = words.start
			case "QUIT", "LOGOUT":
				answer = words.end
			}
			io.WriteString(out, strings.ReplaceAll(answer, "%t", tag))
			if answer == words.start && !secure {
				secure = true
				rest := make([]byte, in.Buffered())
				io.ReadFull(in, rest)
				s := tls.Server(conn, config)
				if s.Handshake() != nil {
					return
				}
				out = s
				if !faulty {
					rest = nil
				}
				in = bufio.NewReader(io.MultiReader(strings.NewReader(string(rest)), s))
			}
		}
	}
}

func TestAnInterruptedLookEnds(t *testing.T) {
	e := smtpAt(t, hang)
	ctx, cancel := contextWithCancel(t)
	p := newAuthority(t).prober(t, Options{Limit: time.Minute})
	done := make(chan Result)
	go func() { done <- p.Endpoint(ctx, e) }()
	cancel()
	if r := <-done; r.Verdict != Bad {
		t.Errorf("got %s", said(r.Findings))
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := at(ln.Addr().(*net.TCPAddr).AddrPort())
	ln.Close()
	p := newAuthority(t).prober(t, Options{})
	if r := p.Endpoint(t.Context(), e); codes(r.Findings, Bad) != "bad unreachable" || !strings.Contains(said(r.Findings), "refused") {
		t.Errorf("asked for: %s", said(r.Findings))
	}
	e.Optional = true
	if r := p.Endpoint(t.Context(), e); r.State != StateClosed || len(r.Findings) > 0 {
		t.Errorf("one of the nine: %s, %s", r.State, said(r.Findings))
	}
}
