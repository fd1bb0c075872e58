package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// session is one connection up to the end of its handshake.
type session struct {
	state tls.ConnectionState
	chain []*x509.Certificate // as sent; also of a handshake that failed after the certificates came
	clear *Clear              // nil when TLS begins with the first byte
	conn  *tls.Conn
	close func()
}

// reach connects and speaks what comes before TLS. The caller closes.
func (l *look) reach(ctx context.Context, injected string) (*bounded, *Clear, func(), *fault) {
	conn, done, err := dial(ctx, l.addresses, l.prober.limit)
	if err != nil {
		return nil, nil, nil, l.unreachable(err)
	}
	l.address, l.own = conn.RemoteAddr().String(), sameAddress(conn)
	if !l.endpoint.StartTLS {
		return conn, nil, done, nil
	}
	d := &dialogue{conn: conn, protocol: l.endpoint.Protocol}
	c, f := d.open()
	if f == nil && !c.StartTLS {
		f = &fault{CodeStartTLSMissing, "does not offer STARTTLS: everything is sent in clear"}
	}
	if f == nil {
		f = d.upgrade(injected)
	}
	if f != nil {
		done()
		return nil, c, nil, f
	}
	return conn, c, done, nil
}

// shake makes a handshake with config. A session with a chain may come along with a fault.
func (l *look) shake(ctx context.Context, config *tls.Config, injected string) (*session, *fault) {
	conn, c, done, f := l.reach(ctx, injected)
	s := &session{clear: c, close: done}
	if f != nil {
		return s, f
	}
	config.InsecureSkipVerify = true // what is wrong with the certificate is said afterwards, all of it
	config.ServerName = l.endpoint.Host
	if _, err := netip.ParseAddr(l.endpoint.Host); err == nil {
		config.ServerName = "" // RFC 6066 section 3: an address is never named
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		s.chain = state.PeerCertificates
		return nil
	}
	s.conn = tls.Client(conn, config)
	// The end of ctx breaks the connection (dial); HandshakeContext would start a goroutine more to do the same.
	if err := s.conn.Handshake(); err != nil {
		done()
		return s, l.handshakeFault(err)
	}
	s.state = s.conn.ConnectionState()
	s.chain = s.state.PeerCertificates
	return s, nil
}

// handshakeFault says in words why there was no handshake.
func (l *look) handshakeFault(err error) *fault {
	var record tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, &record):
		return &fault{CodeOtherProtocol, "does not speak TLS here; it sends " + quoted(string(record.RecordHeader[:])) + guess(record.RecordHeader[:])}
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls wraps the alerts of the other side so
		return &fault{CodeTLSFailed, "declines the handshake: " + plain(alert.Err)}
	case errors.Is(err, errTooMuch):
		return &fault{CodeTooMuch, fmt.Sprintf("sends more than %d KiB during the handshake", maxBytes>>10)}
	case isTimeout(err):
		return &fault{CodeTimedOut, "takes the connection, and the handshake did not end in time"}
	case isClosed(err):
		return &fault{CodeClosedEarly, "hangs up during the handshake"}
	}
	text := plain(err)
	if strings.Contains(text, "exceeds maximum") { // crypto/tls has no type for it
		return &fault{CodeChainTooLarge, "sends a larger chain of certificates than any client reads: " + text}
	}
	return &fault{CodeTLSFailed, "the handshake fails: " + text}
}

// guess tells the protocol of a server that speaks first.
func guess(head []byte) string {
	switch s := string(head); {
	case strings.HasPrefix(s, "220"):
		return ", as SMTP does"
	case strings.HasPrefix(s, "* OK"):
		return ", as IMAP does"
	case strings.HasPrefix(s, "+OK"):
		return ", as POP3 does"
	case strings.HasPrefix(s, `"IMPL`):
		return ", as ManageSieve does"
	case strings.HasPrefix(s, "HTTP"):
		return ", as a web server without TLS does"
	case strings.HasPrefix(s, "SSH"):
		return ", as SSH does"
	}
	return ""
}

// plain is the text of an error, safe to print.
func plain(err error) string {
	text := err.Error()
	for _, prefix := range []string{"remote error: ", "local error: ", "tls: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return Visible(text, 200)
}

// everything is what crypto/tls can be made to accept, so that a server with old habits shows its certificate too.
func (p *Prober) everything() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS10, CipherSuites: p.suites}
}

// suitesOf lists all suites, and those among them by name that crypto/tls itself would not offer. Each call of crypto/tls
// makes its tables anew, which a prober of thousands of endpoints does once.
func suitesOf() (all []uint16, weak map[uint16]string) {
	weak = make(map[uint16]string)
	for _, s := range tls.CipherSuites() {
		all = append(all, s.ID)
	}
	for _, s := range tls.InsecureCipherSuites() {
		all = append(all, s.ID)
		weak[s.ID] = s.Name
	}
	return all, weak
}

// suitesFor are the suites of TLS 1.2 in which a server proves itself with RSA, or with ECDSA (RFC 8422 section 2).
func suitesFor(rsa bool) []uint16 {
	if rsa {
		return []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		}
	}
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	}
}
