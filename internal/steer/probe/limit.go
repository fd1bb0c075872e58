package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	// maxBytes bounds what is read from one connection. The largest chains of certificates in use have some 20 kB;
	// crypto/tls itself gives up above 256 KiB.
	maxBytes = 512 << 10
	// maxClearBytes bounds what is read before TLS, in at most maxClearLines lines.
	maxClearBytes = 64 << 10
	maxClearLines = 200
	maxLineBytes  = 4 << 10
	// defaultLimit is the time of one connection: postscreen lets strangers wait six seconds for its greeting.
	defaultLimit = 10 * time.Second
	// connectShare is the part of it in which one address must take the connection, so that there is time for the next.
	connectShare = 2
	maxAddresses = 4 // of one name
)

// errTooMuch says that a server sends more than a client needs.
var errTooMuch = errors.New("more than a client reads")

// bounded is a connection with an end: in time, by its deadline, and in bytes.
type bounded struct {
	net.Conn
	left int
}

// Read reads, until the bytes are used up.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// dial connects to the first of addresses that takes the connection. Everything on it ends with limit, or with ctx.
func dial(ctx context.Context, addresses []netip.AddrPort, limit time.Duration) (*bounded, func(), error) {
	end := time.Now().Add(limit)
	var first error
	for i, a := range addresses {
		share := limit
		if i < len(addresses)-1 {
			share = limit / connectShare
		}
		d := net.Dialer{Timeout: min(share, time.Until(end)), KeepAlive: -1}
		from := strange(a.Addr())
		conn, err := d.DialTCP(ctx, "tcp", from, a)
		if from.IsValid() && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EINVAL)) { // no second address here
			conn, err = d.DialTCP(ctx, "tcp", netip.AddrPort{}, a)
		}
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		if err := conn.SetDeadline(end); err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
		stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) // a closed one has no deadline
		return &bounded{Conn: conn, left: maxBytes}, func() { stop(); conn.Close() }, nil
	}
	return nil, nil, first
}

// strange is the address to come from; the zero value leaves it to the system. Servers trust their own address more than others:
// Dovecot takes passwords in clear from it whatever is configured. A stranger never has it, so over loopback we come from
// another one.
func strange(to netip.Addr) netip.AddrPort {
	if !to.Is4() || !to.IsLoopback() {
		return netip.AddrPort{}
	}
	from := netip.AddrFrom4([4]byte{127, 0, 0, 2})
	if to == from {
		from = netip.AddrFrom4([4]byte{127, 0, 0, 3})
	}
	return netip.AddrPortFrom(from, 0)
}

// sameAddress says whether both ends of a connection have one address.
func sameAddress(c net.Conn) bool {
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	remote, remoteErr := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && remoteErr == nil && local.Addr().Unmap() == remote.Addr().Unmap()
}

// isTimeout says whether an answer did not come in time.
func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// isClosed says whether the other side hung up.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err)
}

// isReset says whether the other side tore the connection down.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isNotFound says whether a name server says that there is no such record.
func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
