package trial

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func TestPOP3Conversation(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	h.sendRaw(t, []byte("Subject: one\r\n\r\na\r\n.b\r\nc\r\n"))
	h.sendRaw(t, []byte("Subject: two\r\n\r\n"))
	p := h.pop(t)
	for _, command := range []string{"STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0", "UIDL", "AUTH PLAIN", "STLS", "", "USER", "PASS x"} {
		p.want(t, command, "-ERR")
	}
	for _, line := range []string{"USER\r\n", "TOP\r\n", "UIDL\r\n", "PIPELINING\r\n", "RESP-CODES\r\n", "AUTH-RESP-CODE\r\n"} {
		if got := p.multi(t, "CAPA"); !bytes.Contains(got, []byte(line)) {
			t.Errorf("CAPA %q has no %q", got, line)
		}
	}
	p.want(t, "user "+DefaultAddress, "+OK")
	p.want(t, "pass "+testPassword, "+OK 2 messages")
	p.want(t, "STAT", "+OK 2 42")
	if got, want := string(p.multi(t, "LIST")), "1 26\r\n2 16\r\n"; got != want {
		t.Errorf("LIST: got %q, want %q", got, want)
	}
	if got, want := string(p.multi(t, "TOP 1 0")), "Subject: one\r\n\r\n"; got != want {
		t.Errorf("TOP 1 0: got %q, want %q", got, want)
	}
	if got, want := string(p.multi(t, "TOP 1 2")), "Subject: one\r\n\r\na\r\n.b\r\n"; got != want {
		t.Errorf("TOP 1 2: got %q, want %q", got, want)
	}
	for _, command := range []string{"RETR 0", "RETR 3", "RETR -1", "RETR +1x", "RETR 99999999999999999999", "RETR", "RETR 1 2", "TOP 1", "TOP 1 -1", "TOP 1 x", "TOP 9 1", "STAT 1", "UIDL 9", "XYZZY", "USER x", "LIST 1 2"} {
		p.want(t, command, "-ERR")
	}
	p.want(t, "DELE 1", "+OK")
	p.want(t, "DELE 1", "-ERR")
	p.want(t, "RETR 1", "-ERR")
	p.want(t, "STAT", "+OK 1 16")
	p.want(t, "RSET", "+OK")
	p.want(t, "STAT", "+OK 2 42")
	p.want(t, "NOOP", "+OK")
	p.want(t, "DELE 2", "+OK")
	p.Close() // without QUIT

	p = h.popIn(t)
	uids := string(p.multi(t, "UIDL"))
	p.want(t, "DELE 1", "+OK")
	if got := strings.Count(string(p.multi(t, "UIDL")), "\r\n"); got != 1 {
		t.Errorf("UIDL lists %d messages after DELE, want 1", got)
	}
	p.want(t, "QUIT", "+OK")

	p = h.popIn(t)
	_, second, _ := strings.Cut(strings.Split(uids, "\r\n")[1], " ")
	if got, want := p.want(t, "UIDL 1", "+OK"), "+OK 1 "+second; got != want {
		t.Errorf("the identifier of the second message became %q, want %q", got, want)
	}
}

func TestPOP3SessionKeepsItsSnapshot(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	h.sendRaw(t, []byte("Subject: one\r\n\r\n"))
	a, b := h.popIn(t), h.popIn(t)
	a.want(t, "DELE 1", "+OK")
	a.want(t, "QUIT", "+OK")
	h.sendRaw(t, []byte("Subject: two\r\n\r\n"))
	b.want(t, "STAT", "+OK 1 16")
	if got, want := string(b.multi(t, "RETR 1")), "Subject: one\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.want(t, "DELE 1", "+OK")
	b.want(t, "QUIT", "+OK") // the message is gone already, and the new one must stay
	h.popIn(t).want(t, "STAT", "+OK 1 16")
}

func TestPOP3Pipelining(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	p := h.pop(t)
	if _, err := fmt.Fprintf(p.W, "USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n", DefaultAddress, testPassword); err != nil {
		t.Fatal(err)
	}
	if err := p.W.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if line, err := p.ReadLine(); err != nil || !strings.HasPrefix(line, "+OK") {
			t.Errorf("got %q, %v", line, err)
		}
	}
}

func TestPOP3EndlessLine(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	p := h.pop(t)
	// Not one octet more than is read: closing over unread ones resets the connection and may lose the answer.
	if _, err := p.W.WriteString(strings.Repeat("x", popLine)); err != nil {
		t.Fatal(err)
	}
	if err := p.W.Flush(); err != nil {
		t.Fatal(err)
	}
	if line, err := p.ReadLine(); err != nil || line != "-ERR the line is too long" {
		t.Errorf("got %q, %v", line, err)
	}
	if line, err := p.ReadLine(); err == nil {
		t.Errorf("the connection goes on with %q", line)
	}
}

func TestPOP3WrongPasswords(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	p := h.pop(t)
	for range maxLogins {
		p.want(t, "USER "+DefaultAddress, "+OK")
		p.want(t, "PASS wrong", "-ERR [AUTH]")
	}
	if line, err := p.ReadLine(); err == nil {
		t.Errorf("the connection goes on with %q", line)
	}
}

// popSeeds are conversations for the fuzzer, which also run as a test of their own.
var popSeeds = []string{
	"USER trial@example.test\r\nPASS secret\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nRSET\r\nDELE 2\r\nNOOP\r\nQUIT\r\n",
	"CAPA\r\nUSER x\r\nPASS secret\r\nPASS secret\r\nUSER a\nPASS wrong\nUSER b\nPASS wrong\nUSER c\nPASS wrong\nCAPA\r\n",
	"STAT\r\nRETR 1\r\nQUIT now\r\nQUIT\r\nSTAT\r\n",
	"USER a\r\nPASS secret\r\nRETR 0\r\nRETR 4294967297\r\nTOP 1 99999999999\r\nLIST 3\r\nDELE  1 \r\nTOP  3  1 \r\n",
	"\r\n\n \x00\r\nUSER %s%n\r\nPASS secret\r\nUIDL %d\r\n+OK\r\n.\r\n",
	strings.Repeat("x", 600) + "\r\nSTAT\r\n",
}

func FuzzPOP3Commands(f *testing.F) {
	if len(popSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range popSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, conversation string) {
		s := newStore(defaultLimits)
		for _, raw := range []string{"Subject: a\r\n\r\n.x\r\n", "", "no end .\n.\n.."} {
			if _, err := s.receive(inbox, strings.NewReader(raw), &imap.AppendOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		p := &popSession{store: s, out: w, login: func(_, password string) error {
			if password != "secret" {
				return errors.New("wrong")
			}
			return nil
		}}
		for _, line := range strings.Split(conversation, "\n") {
			before := p.state
			out.Reset()
			more := p.command(strings.TrimSuffix(line, "\r"))
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			checkPOP3Answer(t, line, out.String(), before)
			if !more {
				break
			}
		}
		left, _ := s.snapshot(inbox)
		if len(left) < 3 && !strings.Contains(strings.ToUpper(conversation), "QUIT") {
			t.Errorf("%d of 3 messages are left without a QUIT", len(left))
		}
	})
}

// checkPOP3Answer holds one answer against RFC 1939 section 3.
func checkPOP3Answer(t *testing.T, line, answer string, state popState) {
	t.Helper()
	first, rest, ok := strings.Cut(answer, "\r\n")
	positive := strings.HasPrefix(first, "+OK")
	if !ok || (!positive && !strings.HasPrefix(first, "-ERR ")) || strings.ContainsAny(first, "\r\n") {
		t.Fatalf("%q: answered %q", line, answer)
	}
	if rest == "" {
		return
	}
	if !positive {
		t.Fatalf("%q: a refusal of several lines: %q", line, answer)
	}
	if rest != ".\r\n" && !strings.HasSuffix(rest, "\r\n.\r\n") {
		t.Fatalf("%q: no final dot: %q", line, answer)
	}
	if body := strings.TrimSuffix(rest, ".\r\n"); strings.HasPrefix(body, ".\r\n") || strings.Contains(body, "\n.\r\n") || strings.Contains(body, "\n.\n") {
		t.Fatalf("%q: a final dot inside: %q", line, answer)
	}
	if state == authorization && !strings.EqualFold(strings.TrimSpace(line), "CAPA") {
		t.Fatalf("%q: answered before the login: %q", line, answer)
	}
}
