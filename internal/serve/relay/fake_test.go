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

// fake is a mail server that does what a test tells it. It is as careless as the worst of its kind: every dot
// between any two line ends is the end of a message to it, and what follows is a command.
type fake struct {
	ehlo   []string                   // extensions
	answer func(command string) reply // nil or the zero reply: the usual; code -1: close without a word

	ln net.Listener
	wg sync.WaitGroup

	// mu guards what follows.
	mu       sync.Mutex
	conns    []net.Conn
	commands []string // without RSET, QUIT
	messages []string // as delivered: with stuffed dots, without the end
	dialled  int
}

var die = reply{code: -1}

var everything = []string{"PIPELINING", "8BITMIME", "SIZE 10000000", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "AUTH PLAIN LOGIN", "STARTTLS", "VRFY", "X-OWN"}

func newFake(t testing.TB, ehlo []string, answer func(string) reply) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{ehlo: ehlo, answer: answer, ln: ln}
	f.wg.Go(f.serve)
	t.Cleanup(func() {
		ln.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func (f *fake) backend() front.Backend {
	return front.Backend{Address: f.ln.Addr().String(), TLS: front.TLSNone}
}

func (f *fake) serve() {
	for {
		conn, err := f.ln.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.dialled++
		f.mu.Unlock()
		f.wg.Go(func() { f.session(conn) })
	}
}

func (f *fake) session(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	say := func(command string, usual reply) bool {
		out := usual
		if f.answer != nil {
			if own := f.answer(command); own.code != 0 {
				out = own
			}
		}
		if out.code < 0 {
			return false
		}
		_, err := io.WriteString(conn, strings.Join(out.wire(), "\r\n")+"\r\n")
		return err == nil && out.code != 421
	}
	if !say("greeting", answer(220, "", "fake.test ESMTP")) {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(line, " ")
		if verb != "RSET" && verb != "QUIT" && verb != "EHLO" {
			f.mu.Lock()
			f.commands = append(f.commands, line)
			f.mu.Unlock()
		}
		usual := answer(250, "2.0.0", "OK")
		switch verb {
		case "EHLO":
			f.mu.Lock()
			usual = reply{250, append([]string{"fake.test"}, f.ehlo...)}
			f.mu.Unlock()
		case "AUTH":
			usual = answer(235, "2.7.0", "welcome")
		case "DATA":
			usual = answer(354, "", "go on")
		case "QUIT":
			say(line, answer(221, "2.0.0", "bye"))
			return
		}
		if !say(line, usual) {
			return
		}
		if verb == "DATA" && (f.answer == nil || f.answer("DATA").code == 0) {
			text, ok := carelessData(r)
			if !ok {
				return
			}
			f.mu.Lock()
			f.messages = append(f.messages, text)
			f.mu.Unlock()
			if !say("dot", answer(250, "2.6.0", "delivered")) {
				return
			}
		}
	}
}

// carelessData reads to the first thing that any server ever took for the end of a message.
func carelessData(r *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", false
		}
		b.WriteByte(c)
		s := b.String()
		if len(s) > 8 {
			s = s[len(s)-8:]
		}
		for _, before := range []string{"\r\n", "\n", "\r"} {
			for _, after := range []string{"\r\n", "\n"} {
				if strings.HasSuffix(s, before+"."+after) {
					return strings.TrimSuffix(b.String(), "."+after), true
				}
			}
		}
		if strings.HasSuffix(s, "\r.\r") || strings.HasSuffix(s, "\n.\r") {
			if next, err := r.Peek(1); err == nil && next[0] != '\n' {
				return strings.TrimSuffix(b.String(), ".\r"), true
			}
		}
	}
}

func (f *fake) seen() (commands, messages []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...), append([]string(nil), f.messages...)
}

// lose takes an extension away.
func (f *fake) lose(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []string
	for _, e := range f.ehlo {
		if !strings.HasPrefix(e, name) {
			left = append(left, e)
		}
	}
	f.ehlo = left
}

func (f *fake) dials() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialled
}

// hangUp ends all connections, as a server that restarts.
func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}
