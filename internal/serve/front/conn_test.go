package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// scripted is a connection whose client says everything at once, or as the reader cuts it, and then ends.
type scripted struct {
	net.Conn // nil: what a session must not use panics
	in       io.Reader
	out      bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) RemoteAddr() net.Addr             { return nil }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// scriptedConn is a Conn outside of any Serve.
func scriptedConn(l Listener, in io.Reader) (*Conn, *scripted) {
	l.Limits, l.Counters, l.Log = l.Limits.withDefaults(), &Counters{}, slog.New(slog.DiscardHandler)
	s := &serving{Listener: l, slots: newSlots(l.Limits, l.Counters, nil)}
	raw := &scripted{in: in}
	c := newConn(s, raw)
	c.slot = s.slots.take(netip.Addr{}, func() {})
	return c, raw
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	ten := strings.Repeat("x", 10)
	for _, test := range []struct {
		name, in    string
		line        string
		err         error
		strict      string // its line, where ReadLineStrict differs
		strictError error
	}{
		{name: "CR LF", in: "abc\r\ndef", line: "abc", strict: "abc"},
		{name: "LF", in: "abc\ndef", line: "abc", strict: "abc", strictError: ErrBareLF},
		{name: "empty", in: "\r\n", line: ""},
		{name: "CR within", in: "a\rbc\r\n", line: "a\rbc", strict: "a\rbc", strictError: ErrBareLF},
		{name: "CR twice", in: "abc\r\r\n", line: "abc\r", strict: "abc\r", strictError: ErrBareLF},
		{name: "as long as may be", in: ten + "\r\n", line: ten, strict: ten},
		{name: "one too long", in: ten + "x\r\n", err: ErrLineTooLong, strictError: ErrLineTooLong},
		{name: "endless", in: strings.Repeat(ten, 1000), err: ErrLineTooLong, strictError: ErrLineTooLong},
		{name: "end within", in: "abc", err: io.EOF, strictError: io.EOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, cut := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
				c, _ := scriptedConn(Listener{}, cut(strings.NewReader(test.in)))
				line, err := c.ReadLine(10)
				if string(line) != test.line || !errors.Is(err, test.err) {
					t.Errorf("got %q, %v, want %q, %v", line, err, test.line, test.err)
				}
				c, _ = scriptedConn(Listener{}, cut(strings.NewReader(test.in)))
				line, err = c.ReadLineStrict(10)
				if string(line) != test.strict || !errors.Is(err, test.strictError) {
					t.Errorf("strict: got %q, %v, want %q, %v", line, err, test.strict, test.strictError)
				}
			}
		})
	}
}

func TestReplyIsOneLine(t *testing.T) {
	t.Parallel()
	c, raw := scriptedConn(Listener{}, strings.NewReader(""))
	c.Replyf("a NO %s", "x\r\nb OK fine\x00\x7f\té")
	if _, err := c.Peek(); !errors.Is(err, io.EOF) {
		t.Errorf("Peek: got %v, want EOF", err)
	}
	// Sent because we were about to wait.
	if got, want := raw.out.String(), "a NO x??b OK fine??\té\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPeekAndDiscard(t *testing.T) {
	t.Parallel()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 10<<10)
	c, _ := scriptedConn(Listener{}, bytes.NewReader(sent))
	var got []byte
	biggest := 0
	for {
		data, err := c.Peek()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		biggest = max(biggest, len(data))
		got = append(got, data...)
		c.Discard(len(data))
	}
	if !bytes.Equal(got, sent) {
		t.Error("the data are not those that were sent")
	}
	if biggest != 16<<10 {
		t.Errorf("biggest piece: got %d, want 16 KiB", biggest)
	}
}

// TestBufferForgets: what has been read and cleared is nowhere in the buffer's memory, however it was moved.
func TestBufferForgets(t *testing.T) {
	t.Parallel()
	in := "a NOOP\r\nb LOGIN u secret" + strings.Repeat("s", 3000) + "\r\nc NOOP\r\nd"
	c, _ := scriptedConn(Listener{}, iotest.HalfReader(strings.NewReader(in)))
	for range 3 {
		line, err := c.ReadLine(8000)
		if err != nil {
			t.Fatal(err)
		}
		clear(line)
	}
	if rest := c.in.buf; bytes.Contains(rest, []byte("ss")) {
		t.Errorf("the buffer still holds %q", rest[:200])
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	t.Parallel()
	k, err := parsePlain([]byte(plainOf("user", "password")))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("test", "pointer", k, "value", *k, "in", imapCredentials{"a", k})
	text := fmt.Sprintf("%v %+v %#v %s %x %q %v", k, k, k, k, *k, *k, imapCredentials{"a", k}) + log.String()
	for _, secret := range []string{"password", "70617373", "cGFzc3dvcmQ", "112 97"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
	if !strings.Contains(text, "[credentials]") {
		t.Errorf("nothing stands for the credentials in %s", text)
	}
	user, password := k.user, k.password
	k.wipe()
	if string(user)+string(password) != strings.Repeat("\x00", 12) {
		t.Errorf("after wipe: %q %q", user, password)
	}
}

func TestSlotsByAddress(t *testing.T) {
	t.Parallel()
	for _, pair := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2", true},
	} {
		if got := addressKey(netip.MustParseAddr(pair.a)) == addressKey(netip.MustParseAddr(pair.b)); got != pair.same {
			t.Errorf("%s and %s are one: got %v, want %v", pair.a, pair.b, got, pair.same)
		}
	}
}

func TestLimitsDefaults(t *testing.T) {
	t.Parallel()
	l := Limits{}.withDefaults()
	if l.BeforeLogin != time.Minute || l.Drain != 30*time.Second || l.LineBytes != 8192 || l.AuthLineBytes != 12288 || l.LiteralBytes != 4096 || l.PerAddress != 256 {
		t.Errorf("not the design's numbers: %+v", l)
	}
	if l.Connections < 1 || l.Connections > 1<<19 {
		t.Errorf("connections: got %d", l.Connections)
	}
	if got := (Limits{BeforeLogin: time.Hour, Connections: 7}).withDefaults(); got.BeforeLogin != time.Hour || got.Connections != 7 {
		t.Errorf("what was set has changed: %+v", got)
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	t.Parallel()
	ln := newPipes()
	ln.Close()
	l := &Listener{Name: "imap", Handle: IMAP(Options{})}
	if err := l.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "imap") {
		t.Errorf("got %v, want the listener's error with its name", err)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	var none *Counters
	if got := none.Snapshot(); got != (Count{}) {
		t.Errorf("got %+v, want zeroes", got)
	}
}

func TestStartTLSWithoutConfiguration(t *testing.T) {
	t.Parallel()
	c, raw := scriptedConn(Listener{}, strings.NewReader("a STARTTLS\r\nb CAPABILITY\r\n"))
	IMAP(Options{})(context.Background(), c)
	if got := raw.out.String(); !strings.Contains(got, "a BAD TLS is not available here\r\n") || strings.Contains(got, " STARTTLS") {
		t.Errorf("got %q", got)
	}
}
