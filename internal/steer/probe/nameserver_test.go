package probe

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// talker is a connection on which somebody talks whatever is said to him.
type talker struct {
	net.Conn
	r io.Reader
}

func (t talker) Read(p []byte) (int, error)  { return t.r.Read(p) }
func (t talker) Write(p []byte) (int, error) { return len(p), nil }
func (t talker) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// nameServer answers questions of the kinds A and MX from records by "name KIND", and says of other names that there are
// none. It returns its address.
func nameServer(t *testing.T, records map[string][]string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buffer := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := answerTo(buffer[:n], records); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func answerTo(question []byte, records map[string][]string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	name := q.Name.String()
	name = name[:len(name)-1]
	m.RCode = dnsmessage.RCodeNameError
	for key := range records {
		if key == name+" A" || key == name+" MX" {
			m.RCode = dnsmessage.RCodeSuccess
		}
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: uint32(time.Minute / time.Second)}
	switch q.Type {
	case dnsmessage.TypeA:
		for _, a := range records[name+" A"] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()}})
		}
	case dnsmessage.TypeMX:
		for i, mx := range records[name+" MX"] {
			if mx != "." {
				mx += "."
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.MXResource{Pref: uint16(i), MX: dnsmessage.MustNewName(mx)}})
		}
	}
	return m.Pack()
}
