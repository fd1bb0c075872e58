package relay

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"postseal/internal/serve/front"
)

// newQuitter is a mail server that reads a little of a message, says something, and closes its side.
func newQuitter(t testing.TB, say string) front.Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	session := func(conn net.Conn) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		io.WriteString(conn, "220 quitter.test\r\n")
		for {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "DATA"):
				io.WriteString(conn, "354 go on\r\n")
				io.CopyN(io.Discard, r, 100<<10)
				io.WriteString(conn, say)
				// With its side shut, a socket that has nothing unread answers the next octets with a reset; the
				// other side reads what was said first.
				conn.(*net.TCPConn).CloseWrite()
				conn.(*net.TCPConn).CloseRead()
				io.Copy(io.Discard, r)
				return
			default:
				io.WriteString(conn, "250 OK\r\n")
			}
		}
	}
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { session(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return front.Backend{Address: ln.Addr().String(), TLS: front.TLSNone}
}
