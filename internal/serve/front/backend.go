package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

var (
	// ErrNoBackend means that nothing is configured behind a service; clients get their protocol's temporary
	// error.
	ErrNoBackend = errors.New("no back end")
	// ErrBackendInClear means that a back end on another machine would be reached without TLS.
	ErrBackendInClear = errors.New("a back end without TLS must be on this machine")
	// ErrNotPublished means that a back end showed a certificate which is not published in the organisation.
	ErrNotPublished = errors.New("not a certificate published in the organisation")
)

// BackendTLS says how a back end is reached.
type BackendTLS string

// The values are those of `backend set --tls`.
const (
	TLSImplicit BackendTLS = "implicit" // TLS from the first byte
	TLSStartTLS BackendTLS = "starttls" // the protocol's upgrade, without which nothing is said
	TLSNone     BackendTLS = "none"     // clear: loopback and Unix sockets only
)

// Backend says where the mail server behind is and how to reach it.
type Backend struct {
	Address string      // host:port, or the absolute path of a Unix socket
	TLS     BackendTLS  // empty: implicit
	Config  *tls.Config // for implicit and starttls; carries the verification, as DirectTrust's does

	connect func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer; tests dial pipes
}

// Dial connects and, where TLS is implicit, makes the handshake. With starttls the protocol's code asks for
// TLS and then calls Secure. The deadline of ctx bounds both and stays on the connection.
func (b Backend) Dial(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(b.Address, "/") {
		network = "unix"
	}
	if b.TLS == TLSNone && !b.local() {
		return nil, fmt.Errorf("dialling back end %s: %w", b.Address, ErrBackendInClear)
	}
	connect := b.connect
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	conn, err := connect(ctx, network, b.Address)
	if err != nil {
		return nil, fmt.Errorf("dialling back end: %w", err) // net's error names the address
	}
	if b.TLS != TLSImplicit && b.TLS != "" {
		return conn, nil
	}
	secure, err := b.Secure(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// Secure makes conn a TLS connection. Nothing may have been read from it beyond the back end's go-ahead.
func (b Backend) Secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if b.Config == nil {
		return nil, fmt.Errorf("dialling back end %s: %w", b.Address, ErrNoTLS)
	}
	defer bound(ctx, conn)()
	secure := tls.Client(conn, b.Config)
	if err := secure.HandshakeContext(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("TLS handshake with back end %s: %w", b.Address, err)
	}
	return secure, nil
}

// bound gives conn the deadline of ctx and closes it should ctx end before; the function it returns lets go
// of conn, and says whether it is still open.
func bound(ctx context.Context, conn net.Conn) func() bool {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline) // fails only on a closed connection, which the next read tells
	}
	return context.AfterFunc(ctx, func() { conn.Close() })
}

// local reports whether what is sent to b stays on this machine.
func (b Backend) local() bool {
	if strings.HasPrefix(b.Address, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(b.Address)
	if err != nil {
		return false
	}
	// "localhost" is left out: what a resolver says about it is not ours to know.
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// DirectTrust verifies a peer by its certificate alone: byte for byte one of those that published returns,
// in DER. Names, dates and issuers do not matter; what the organisation has published is what it trusts.
// published is called for each connection, so a renewal counts at once.
func DirectTrust(published func() [][]byte) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The usual verification wants an authority and a name; ours, in VerifyConnection, runs always, on
		// resumption too.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return ErrNotPublished
			}
			leaf := state.PeerCertificates[0].Raw
			if !slices.ContainsFunc(published(), func(known []byte) bool { return slices.Equal(known, leaf) }) {
				return ErrNotPublished
			}
			return nil
		},
	}
}
