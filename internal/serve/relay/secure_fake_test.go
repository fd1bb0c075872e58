package relay

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"postseal/internal/serve/front"
)

// secureFake is a mail server that wants STARTTLS before anything else, and offers AUTH only after.
type secureFake struct {
	backend front.Backend
	behind  string // said in clear behind the go-ahead

	mu    sync.Mutex
	heard []string // verbs of the last connection
}

func newSecureFake(t testing.TB) *secureFake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := newTLS(t)
	f := &secureFake{backend: front.Backend{
		Address: ln.Addr().String(),
		TLS:     front.TLSStartTLS,
		Config:  front.DirectTrust(func() [][]byte { return config.Certificates[0].Certificate }),
	}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				f.session(conn, config)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return f
}

func (f *secureFake) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heard
}

func (f *secureFake) session(conn net.Conn, config *tls.Config) {
	f.mu.Lock()
	f.heard = nil
	f.mu.Unlock()
	hear := func(word string) {
		f.mu.Lock()
		f.heard = append(f.heard, word)
		f.mu.Unlock()
	}
	r, w, secure := bufio.NewReader(conn), io.Writer(conn), false
	io.WriteString(w, "220 fake.test\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		hear(verb)
		switch {
		case verb == "STARTTLS":
			io.WriteString(w, "220 go\r\n"+f.behind)
			c := tls.Server(conn, config)
			if c.Handshake() != nil {
				return
			}
			hear("TLS")
			r, w, secure = bufio.NewReader(c), c, true
		case verb == "EHLO" && secure:
			io.WriteString(w, "250-fake.test\r\n250 AUTH PLAIN\r\n")
		case verb == "EHLO":
			io.WriteString(w, "250-fake.test\r\n250 STARTTLS\r\n")
		case verb == "AUTH" && secure:
			io.WriteString(w, "235 2.7.0 welcome\r\n")
		default:
			io.WriteString(w, "530 5.7.0 TLS first\r\n")
		}
	}
}

func TestBackEndThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	injecting := newSecureFake(t)
	injecting.behind = "250-evil.test\r\n250 AUTH PLAIN\r\n"
	stripped := newFake(t, nil, nil).backend()
	stripped.TLS, stripped.Config = front.TLSStartTLS, injecting.backend.Config
	foreign := newSecureFake(t).backend
	foreign.Config = injecting.backend.Config // trusts another certificate
	busy := newFake(t, nil, func(string) reply { return answer(554, "", "no service") }).backend()
	http := newFake(t, nil, func(string) reply { return reply{999, []string{"what?"}} }).backend()
	for _, tc := range []struct {
		name  string
		where front.Backend
		step  string // of *BackendError; empty: another error
	}{
		{"more in clear behind its go-ahead", injecting.backend, "STARTTLS"},
		{"STARTTLS not offered", stripped, "STARTTLS"},
		{"another certificate", foreign, ""},
		{"554 as greeting", busy, "greeting"},
		{"no SMTP", http, "greeting"},
		{"nobody there", front.Backend{Address: "127.0.0.1:1", TLS: front.TLSNone}, ""},
	} {
		err := probe(t, tc.where)
		failed, ok := errors.AsType[*BackendError](err)
		if err == nil || ok != (tc.step != "") || ok && failed.Step != tc.step {
			t.Errorf("%s: got %v, want step %q", tc.name, err, tc.step)
		}
	}
	if err := probe(t, foreign); !errors.Is(err, front.ErrNotPublished) {
		t.Errorf("another certificate: got %v, want %v", err, front.ErrNotPublished)
	}
}
