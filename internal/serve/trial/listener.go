package trial

import (
	"net"
	"sync"
)

// maxConnections bounds one listener. The front ends have limits of their own; this one keeps a program on
// the same machine that goes round them from taking every file descriptor.
const maxConnections = 4096

// listener counts the connections of one port, so that Run can cut and await them. The servers of go-imap and
// go-smtp do not wait for theirs, and go-imap can miss one that was accepted a moment before the end.
type listener struct {
	net.Listener
	most int

	// mu guards shutting and open. It is never held across I/O other than closing.
	mu       sync.Mutex
	shutting bool
	open     map[*conn]struct{}
	serving  sync.WaitGroup // one for each conn that its server has not closed yet
}

func newListener(ln net.Listener, most int) *listener {
	return &listener{Listener: ln, most: most, open: make(map[*conn]struct{})}
}

// Accept returns the next connection. One above the limit is closed without a word: the front end answers its
// client with the temporary error of the protocol.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(raw); c != nil {
			return c, nil
		}
		raw.Close()
	}
}

func (l *listener) admit(raw net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shutting || len(l.open) >= l.most {
		return nil
	}
	c := &conn{Conn: raw, listener: l}
	l.open[c] = struct{}{}
	l.serving.Add(1)
	return c
}

// Close shuts the port; the connections go on. It may be called again.
func (l *listener) Close() error {
	l.mu.Lock()
	again := l.shutting
	l.shutting = true
	l.mu.Unlock()
	if again {
		return nil
	}
	return l.Listener.Close()
}

// shut closes the port and cuts the sockets under the servers' hands; each server then notices and closes.
func (l *listener) shut() {
	l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Conn.Close()
	}
}

// wait returns when every server goroutine has closed its connection, which is the last thing it does.
func (l *listener) wait() { l.serving.Wait() }

type conn struct {
	net.Conn
	listener *listener
	once     sync.Once
}

// Close is the server's: it also says that the server is done with the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.listener.mu.Lock()
		delete(c.listener.open, c)
		c.listener.mu.Unlock()
		c.listener.serving.Done()
	})
	return err
}
