package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"strings"
)

// injection is a command that travels in clear in the segment of STARTTLS, and what is asked afterwards within TLS. A
// server that keeps what it has read answers the first within TLS too (CVE-2011-0411), and then answered says so: it
// looks at the lines within TLS. Neither command does anything.
type injection struct {
	command, after string
	answered       func(line string) bool
	last           func(line string) bool
}

func injections() map[string]injection {
	starts := func(prefix string) func(string) bool {
		return func(line string) bool { return strings.HasPrefix(line, prefix) }
	}
	return map[string]injection{
		SMTP: {"NOOP\r\n", "QUIT\r\n", starts("250"), starts("221")},
		IMAP: {"i1 NOOP\r\n", "i2 LOGOUT\r\n", starts("i1 "), starts("i2 ")},
		// A command that nobody knows gets -ERR, QUIT never does.
		POP3:  {"XINJECTED\r\n", "QUIT\r\n", starts("-ERR"), starts("+OK")},
		Sieve: {"NOOP \"injected\"\r\n", "LOGOUT\r\n", func(line string) bool { return strings.Contains(line, "injected") }, starts("BYE")},
	}
}

// injectable says whether the endpoint answers within TLS a command that came before it. Whatever else happens, a broken
// handshake above all, is the resistance that is wanted.
func (l *look) injectable(ctx context.Context) bool {
	i, ok := injections()[l.endpoint.Protocol]
	if !ok || !l.endpoint.StartTLS {
		return false
	}
	s, f := l.shake(ctx, &tls.Config{MinVersion: tls.VersionTLS10}, i.command)
	if f != nil {
		return false
	}
	defer s.close()
	if _, err := io.WriteString(s.conn, i.after); err != nil {
		return false
	}
	lines := bufio.NewScanner(io.LimitReader(s.conn, maxClearBytes))
	for n := 0; n < maxClearLines && lines.Scan(); n++ {
		if i.answered(lines.Text()) {
			return true
		}
		if i.last(lines.Text()) {
			return false
		}
	}
	return false
}
