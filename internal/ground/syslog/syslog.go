// Package syslog sends records to a collector in the format of RFC 5424.
//
// A collector is named by a URL: unix:/dev/log (the machine's own), udp://HOST:514, or tcp://HOST:601. Over UDP a
// record is a datagram (RFC 5426 section 3.1), and nobody knows whether it arrived. Over TCP records are counted
// (RFC 6587 section 3.4.1), because a line end inside one would cut it. Neither is encrypted: the way to a
// collector on another machine belongs into a network of your own, or through a local relay that speaks TLS.
//
// No transport of syslog has answers, so a record counts as sent when the kernel has taken it. What is in the
// kernel when a TCP connection breaks is lost, unless the next write shows it: then the caller sends again what he
// sent in that call.
package syslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrSink: a collector's address is none.
var ErrSink = errors.New(`want "unix:/dev/log", "udp://HOST:PORT" or "tcp://HOST:PORT"`)

// timeouts of a collector on the network.
const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
)

// maxDatagram is what every receiver should take (RFC 5424 section 6.1).
const maxDatagram = 2048

// Record is one thing to be told.
type Record struct {
	At      time.Time
	Kind    string // MSGID: what sort of record, "cert-renew"
	Message string // printable ASCII
}

// Options say who tells whom.
type Options struct {
	Sink string // where the collector is; see the package comment
	Host string // HOSTNAME: who we are
	PID  int
}

// Sender sends records. It is used by one goroutine.
type Sender struct {
	network, address string
	host             string
	pid              int
	conn             net.Conn // nil before the first record, and after a fault
	counted          bool     // octets are counted: a stream
}

// New checks o. Nothing is opened before the first record.
func New(o Options) (*Sender, error) {
	s := &Sender{host: header(o.Host, 255), pid: o.PID}
	u, err := url.Parse(o.Sink)
	if err != nil {
		return nil, fmt.Errorf("audit.syslog %q: %w", o.Sink, ErrSink)
	}
	switch u.Scheme {
	case "unix":
		s.network, s.address = "unixgram", strings.TrimPrefix(o.Sink, "unix:")
		s.address = "/" + strings.TrimLeft(s.address, "/")
		if s.address == "/" {
			return nil, fmt.Errorf("audit.syslog %q: %w", o.Sink, ErrSink)
		}
	case "udp", "tcp":
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || port == 0 || u.Hostname() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("audit.syslog %q: %w", o.Sink, ErrSink)
		}
		s.network, s.address, s.counted = u.Scheme, u.Host, u.Scheme == "tcp"
	default:
		return nil, fmt.Errorf("audit.syslog %q: %w", o.Sink, ErrSink)
	}
	return s, nil
}

// Fits says how long a message may be so that the record arrives whole.
func (s *Sender) Fits() int {
	if s.counted {
		return 32 << 10
	}
	return maxDatagram - 400 // the header: 255 of the host name, and the rest
}

// Send sends records, all or, with an error, perhaps some. ctx ends the wait for a connection.
func (s *Sender) Send(ctx context.Context, records []Record) error {
	if s.conn == nil {
		conn, err := s.dial(ctx)
		if err != nil {
			return fmt.Errorf("sending to syslog %s: %w", s.address, err)
		}
		s.conn = conn
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return s.broken(err)
	}
	if s.counted && s.gone() {
		return s.broken(errors.New("the collector has closed the connection"))
	}
	for _, r := range records {
		frame := s.format(r)
		if s.counted {
			frame = append(strconv.AppendInt(nil, int64(len(frame)), 10), append([]byte{' '}, frame...)...)
		}
		if _, err := s.conn.Write(frame); err != nil {
			return s.broken(err)
		}
	}
	if s.counted && s.gone() {
		return s.broken(errors.New("the collector has closed the connection"))
	}
	return nil
}

// dial connects; the machine's own socket is of datagrams or, with some daemons, a stream.
func (s *Sender) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, s.network, s.address)
	if err != nil && s.network == "unixgram" {
		if stream, streamErr := d.DialContext(ctx, "unix", s.address); streamErr == nil {
			s.counted = true
			return stream, nil
		}
	}
	return conn, err
}

// gone says whether the other end of a stream has closed it. A collector never says anything, so whatever can be
// read is the end.
func (s *Sender) gone() bool {
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return true
	}
	_, err := s.conn.Read(make([]byte, 1))
	timeout, ok := errors.AsType[net.Error](err)
	return err != nil && !(ok && timeout.Timeout())
}

func (s *Sender) broken(err error) error {
	return errors.Join(fmt.Errorf("sending to syslog %s: %w", s.address, err), s.Close())
}

// Close closes the connection, if there is one.
func (s *Sender) Close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}

// priority is "log audit" (13) times 8 and "notice" (5): RFC 5424 section 6.2.1.
const priority = 13*8 + 5

// format writes a record. There is no structured data: it would need a number that IANA gave us (section 7.2.2), so
// the message is JSON.
func (s *Sender) format(r Record) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>1 %s %s postseal %d %s - %s", priority, r.At.UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, s.pid, header(r.Kind, 32), r.Message)
	return b.Bytes()
}

// header makes a field of the header: printable ASCII without spaces, "-" for nothing (section 6).
func header(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}
