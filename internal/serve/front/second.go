package front

import (
	"context"
	"errors"
	"net"
	"sync"
)

var errNoFile = errors.New("the server holds as many connections as it may, and nobody can be sent away")

// Dial connects to a session's back end as [Backend.Dial] does, but takes the second file of the session from
// the pool first, and gives it back when the connection is closed. Every back end of a session is dialled with
// this: what the pool does not know of, it cannot keep room for.
func (c *Conn) Dial(ctx context.Context, b Backend) (net.Conn, error) {
	connect := b.connect
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	b.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !c.slot.more() {
			return nil, errNoFile
		}
		conn, err := connect(ctx, network, address)
		if err != nil {
			c.slot.less()
			return nil, err
		}
		return &second{Conn: conn, slot: c.slot}, nil
	}
	return b.Dial(ctx)
}

// second is a session's other connection.
type second struct {
	net.Conn
	slot *slot
	once sync.Once
}

// Close closes the connection and gives its file back.
func (s *second) Close() error {
	err := s.Conn.Close()
	s.once.Do(s.slot.less)
	return err
}

// CloseWrite closes our direction alone, where the connection can.
func (s *second) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return s.Close()
}
