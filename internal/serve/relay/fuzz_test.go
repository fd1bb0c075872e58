package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// all is every extension that we know.
var all = offers{eightBitMIME: true, size: true, sizeMax: 1 << 40, smtpUTF8: true, dsn: true, enhanced: true, auth: true}

var commandSeeds = []string{
	"EHLO client.test", "noop", "MAIL FROM:<>", "MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+2B AUTH=<>",
	"RCPT TO:<@one,@two:\"quo\\\"ted @\"@[IPv6:::1]> NOTIFY=NEVER ORCPT=rfc822;a+40b", "RCPT TO:<Postmaster>", "RCPT TO:<한글@예.test>",
	"MAIL FROM:<\"a.b\"@c_d.e>", "MAIL FROM:<a@[127.0.0.1]> X=\x7f", "RCPT TO:<\"\"@b>",
}

// FuzzCommand: what a client says is taken only in a form that reads the same to everybody.
func FuzzCommand(f *testing.F) {
	for _, s := range commandSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := parseCommand(line)
		if err != nil {
			return
		}
		if cmd.verb == "" || strings.Trim(cmd.verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Fatalf("verb %q", cmd.verb)
		}
		for _, utf8 := range []bool{false, true} {
			from, mail, err := parseMail(cmd.args, all)
			if err == nil {
				text := "FROM:" + from.String() + mail.arguments()
				checkLine(t, text, mail.utf8)
				again, mailAgain, err := parseMail(text, all)
				if mailAgain.size > 0 {
					mailAgain.size -= headroomOctets
				}
				if err != nil || again != from || mailAgain != mail {
					t.Fatalf("%q reads again as %v %v, %v", text, again, mailAgain, err)
				}
			}
			to, rcpt, err := parseRcpt(cmd.args, all, utf8)
			if err == nil {
				text := "TO:" + to.String() + rcpt.arguments()
				checkLine(t, text, utf8)
				again, rcptAgain, err := parseRcpt(text, all, utf8)
				if err != nil || again != to || rcptAgain != rcpt {
					t.Fatalf("%q reads again as %v %v, %v", text, again, rcptAgain, err)
				}
			}
		}
	})
}

func checkLine(t *testing.T, text string, utf8 bool) {
	t.Helper()
	if strings.ContainsAny(text, "\r\n\x00\x7f\t") || !utf8 && !isASCII(text) {
		t.Fatalf("goes to the back end: %q", text)
	}
}

var dataSeeds = []string{
	".\r\n", "a\r\n.\r\nQUIT\r\n", "..\r\n.\r\n", ".a\r\n.\r\n", "a\n.\n", "a\r\n.\r\r\n.\r\n", "a\r.\r\n.\r\n", "\r\n.\n\r\n.\r\n", "a\x00\r\n.\r\n",
	"Subject: x\r\n\r\nb\r\n.\r\n", "\r\r\n.\r\n", ".\r\r\n.\r\n", "\r\n\r\n.\r\nNOOP",
}

// slowData is the rule in its plainest form: the message ends at the first "." alone between two CRLF.
func slowData(input string) (message string, taken int, complete, good bool) {
	raw := input
	if strings.HasPrefix(input, ".\r\n") {
		raw, taken, complete = "", 3, true
	} else if i := strings.Index(input, "\r\n.\r\n"); i >= 0 {
		raw, taken, complete = input[:i+2], i+5, true
	}
	if !complete {
		return "", len(input), false, false
	}
	for line := range strings.SplitAfterSeq(raw, "\r\n") {
		text := strings.TrimSuffix(line, "\r\n")
		if strings.ContainsAny(text, "\r\n\x00") {
			return "", taken, true, false
		}
		message += strings.TrimPrefix(line, ".")
	}
	return message, taken, true, true
}

// FuzzData: however the input is cut, the reader finds what slowData finds, and what is written comes out the same.
func FuzzData(f *testing.F) {
	for _, s := range dataSeeds {
		f.Add([]byte(s), []byte{})
		f.Add([]byte(s), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		f.Add([]byte(s), []byte{1, 0, 2, 1, 1, 0, 3})
	}
	f.Fuzz(func(t *testing.T, input, sizes []byte) {
		want, taken, complete, good := slowData(string(input))
		in := &chunks{input: bytes.Clone(input), sizes: sizes}
		d := &dataReader{in: in, maxOctets: 1 << 30, maxLine: 1 << 30}
		var wire bytes.Buffer
		w := bufio.NewWriter(&wire)
		out := &dataWriter{w: w}
		var message strings.Builder
		err := error(nil)
		for err == nil {
			var p []byte
			if p, err = d.next(); err == nil {
				message.Write(p)
				out.Write(p)
			}
		}
		var refused *refusal
		if errors.As(err, &refused) {
			if complete && good {
				t.Fatalf("%q refused: %v", input, err)
			}
			if err = d.skip(1 << 30); err == nil {
				err = io.EOF
			}
		} else if complete && !good {
			t.Fatalf("%q taken", input)
		}
		if complete != errors.Is(err, io.EOF) || in.taken != taken {
			t.Fatalf("%q: got %v after %d, want complete %v after %d", input, err, in.taken, complete, taken)
		}
		if !good {
			w.Flush()
			if strings.Contains("\r\n"+wire.String(), "\r\n.\r\n") {
				t.Fatalf("%q: an end went out in %q", input, wire.String())
			}
			return
		}
		if message.String() != want {
			t.Fatalf("%q: got %q, want %q", input, message.String(), want)
		}
		if err := out.finish(); err != nil {
			t.Fatal(err)
		}
		again, n, ok, _ := slowData(wire.String())
		if again != want || n != wire.Len() || !ok {
			t.Fatalf("%q: written as %q", want, wire.String())
		}
	})
}

var replySeeds = []string{
	"250 OK\r\n", "250-one\r\n250 two\r\n", "250\r\n", "250-a\r\n550 b\r\n", "199 x\r\n", "25x y\r\n", "250 tab\there \x00\xff\r\n", "354 \n", "250-\r\n250 \r\n",
}

// FuzzReply: whatever a back end says, a client gets printable lines that read the same again.
func FuzzReply(f *testing.F) {
	for _, s := range replySeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r, err := readReply(bufio.NewReader(bytes.NewReader(input)))
		if err != nil {
			return
		}
		for _, r := range []reply{r, r.withEnhanced()} {
			wire := strings.Join(r.wire(), "\r\n") + "\r\n"
			again, err := readReply(bufio.NewReader(strings.NewReader(wire)))
			if err != nil || again.String() != r.String() || len(again.lines) != len(r.lines) {
				t.Fatalf("%q reads again as %v, %v", wire, again, err)
			}
			for _, line := range r.wire() {
				if len(line) > maxReplyOctets-2 || strings.Trim(line, printable) != "" {
					t.Fatalf("line %q", line)
				}
			}
		}
	})
}

// printable is ASCII from space to tilde.
var printable = func() string {
	b := make([]byte, 0, 95)
	for c := byte(' '); c <= '~'; c++ {
		b = append(b, c)
	}
	return string(b)
}()

var headerSeeds = []string{
	"Subject: x\r\n\r\nbody\r\n", "X-Postseal-A: 1\r\n 2\r\nB: 3\r\n\r\nX-Postseal-C: body\r\n", "no header\r\n", "\r\nbody\r\n", "From a@b\r\nX-Postseal-A: 1\r\nB: 2\r\n\r\n",
	"A: 1\r\nbad line\r\nX-Postseal-A: 1\r\n", "x-postseal-a\t : 1\r\n", " folded first\r\n", "X-Postseal-A 1\r\nX-Postseal-B: 2\r\n", ":x\r\n", ">From x\r\n y\r\n",
}

// slowHeader is headerFilter on a whole message.
func slowHeader(message string) string {
	var out strings.Builder
	lines := strings.SplitAfter(message, "\r\n")
	fields, drop, mbox := 0, false, false
	for i, line := range lines {
		rest := strings.Join(lines[i:], "")
		name, ok := fieldName([]byte(line))
		switch {
		case line == "":
			return out.String()
		case line == "\r\n":
			return out.String() + rest
		case fields > 0 && strings.ContainsAny(line[:1], " \t"):
		case ok:
			fields++
			drop = strings.HasPrefix(name, "x-postseal-")
		case fields == 0 && !mbox && strings.HasPrefix(strings.TrimPrefix(line, ">"), "From "):
			mbox = true
			continue
		default:
			return out.String() + "\r\n" + rest
		}
		if !drop {
			out.WriteString(line)
		}
	}
	return out.String()
}

// FuzzHeader: however a message is cut, no reserved field gets through, and nothing else is lost.
func FuzzHeader(f *testing.F) {
	for _, s := range headerSeeds {
		f.Add([]byte(s), []byte{})
		f.Add([]byte(s), bytes.Repeat([]byte{0}, 40))
		f.Add([]byte(s), []byte{3, 0, 5, 1, 1})
	}
	f.Fuzz(func(t *testing.T, text, sizes []byte) {
		// The filter sees only what dataReader lets through.
		message, _, complete, good := slowData(stuffed(string(text)) + ".\r\n")
		if !complete || !good || len(message) > maxFieldName {
			return
		}
		d := &dataReader{in: &chunks{input: []byte(stuffed(message) + ".\r\n"), sizes: sizes}, maxOctets: 1 << 30, maxLine: 1 << 30}
		var got bytes.Buffer
		h := &headerFilter{w: &got, maxOctets: 1 << 30}
		err := error(nil)
		for err == nil {
			var p []byte
			if p, err = d.next(); err == nil {
				_, err = h.Write(p)
			}
		}
		if errors.Is(err, errLoop) {
			return
		}
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%q: %v", message, err)
		}
		if want := slowHeader(message); got.String() != want {
			t.Fatalf("%q: got %q, want %q", message, got.String(), want)
		}
		// A reader that knows only the empty line finds none either.
		head, _, _ := strings.Cut("\r\n"+got.String(), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if name, ok := fieldName([]byte(line)); ok && strings.HasPrefix(name, reservedPrefix) {
				t.Fatalf("%q: %q passed", message, line)
			}
		}
	})
}

func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	for name, seeds := range map[string][]string{"command": commandSeeds, "data": dataSeeds, "reply": replySeeds, "header": headerSeeds} {
		if len(seeds) < 5 {
			t.Errorf("%s has %d seeds", name, len(seeds))
		}
	}
}
