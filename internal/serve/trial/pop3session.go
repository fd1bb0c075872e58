package trial

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// The states of RFC 1939 section 3. UPDATE is what QUIT does on its way out of the second.
type popState int

const (
	authorization popState = iota
	transaction
)

// maxLogins is how many wrong passwords one connection may send.
const maxLogins = 3

// popSession is the command machine of one connection. It is used by one goroutine.
//
// DEVIATION from RFC 1939 section 4: there is no exclusive lock on the maildrop. A session works on a snapshot
// taken at its login, so that several may be open, as with every mail server of today. A message that another
// session removes meanwhile can still be read here.
type popSession struct {
	store *store
	login func(user, password string) error
	out   *bufio.Writer // errors stay in it and show at Flush

	state    popState
	failures int
	user     string
	drop     []*message
	validity uint32
	deleted  map[int]bool // by index in drop
}

func (p *popSession) ok(format string, args ...any) {
	fmt.Fprintf(p.out, "+OK "+format+"\r\n", args...)
}

func (p *popSession) err(text string) {
	fmt.Fprintf(p.out, "-ERR %s\r\n", text)
}

// command answers one line, which has no line end any more. It reports whether another may follow.
func (p *popSession) command(line string) (more bool) {
	name, rest, _ := strings.Cut(line, " ")
	name = strings.ToUpper(name)
	args := strings.Fields(rest)
	switch {
	case name == "QUIT" && len(args) == 0:
		p.quit()
		return false
	case name == "CAPA" && len(args) == 0:
		p.capabilities()
	case p.state == authorization:
		return p.authorize(name, rest)
	case (name == "STAT" || name == "NOOP" || name == "RSET") && len(args) == 0:
		p.plain(name)
	case (name == "LIST" || name == "UIDL") && len(args) == 0:
		p.list(name)
	case (name == "LIST" || name == "UIDL" || name == "RETR" || name == "DELE") && len(args) == 1:
		p.one(name, args[0])
	case name == "TOP" && len(args) == 2:
		p.top(args[0], args[1])
	default:
		p.err("no such command here")
	}
	return true
}

// capabilities answers CAPA, RFC 2449 section 5. There is no STLS: the connection is TLS already.
func (p *popSession) capabilities() {
	p.ok("what this server can do")
	for _, tag := range []string{"USER", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"} {
		fmt.Fprintf(p.out, "%s\r\n", tag)
	}
	p.out.WriteString(".\r\n")
}

func (p *popSession) authorize(name, rest string) (more bool) {
	switch {
	case name == "USER" && rest != "":
		p.user = rest
		p.ok("now the password")
	case name == "PASS" && p.user != "":
		// RFC 1939 section 7: the password is all of the rest, spaces too.
		err := p.login(p.user, rest)
		p.user = ""
		if err != nil {
			p.failures++
			p.err("[AUTH] " + err.Error()) // RFC 3206 section 4
			return p.failures < maxLogins
		}
		p.state = transaction
		p.drop, p.validity = p.store.snapshot(inbox)
		p.deleted = make(map[int]bool)
		count, size := p.total()
		p.ok("%d messages (%d octets)", count, size)
	case name == "PASS":
		p.err("USER comes first")
	default:
		p.err("log in with USER and PASS first")
	}
	return true
}

// total counts what is not marked as deleted.
func (p *popSession) total() (count int, size int64) {
	for i, m := range p.drop {
		if !p.deleted[i] {
			count++
			size += m.popBytes
		}
	}
	return count, size
}

// plain answers the commands that have no argument and one line.
func (p *popSession) plain(name string) {
	switch name {
	case "STAT":
		// RFC 1939 section 5: exactly two numbers.
		count, size := p.total()
		p.ok("%d %d", count, size)
	case "RSET":
		clear(p.deleted)
		p.ok("nothing is marked as deleted")
	case "NOOP":
		p.ok("still here")
	}
}

// number is what LIST and UIDL tell of one message.
func (p *popSession) number(name string, i int) string {
	if name == "UIDL" {
		// RFC 1939 section 7: the identifier lasts across sessions; the validity makes it last across
		// restarts, after which the numbers begin again.
		return fmt.Sprintf("%d %d.%d", i+1, p.validity, p.drop[i].uid)
	}
	return fmt.Sprintf("%d %d", i+1, p.drop[i].popBytes)
}

func (p *popSession) list(name string) {
	count, size := p.total()
	p.ok("%d messages (%d octets)", count, size)
	for i := range p.drop {
		if !p.deleted[i] {
			fmt.Fprintf(p.out, "%s\r\n", p.number(name, i))
		}
	}
	p.out.WriteString(".\r\n")
}

// index finds the message that a client calls by number, or answers that there is none.
func (p *popSession) index(arg string) (i int, ok bool) {
	n, err := strconv.ParseUint(arg, 10, 31)
	i = int(n) - 1
	if err != nil || i < 0 || i >= len(p.drop) || p.deleted[i] {
		p.err("no such message")
		return 0, false
	}
	return i, true
}

func (p *popSession) one(name, arg string) {
	i, ok := p.index(arg)
	if !ok {
		return
	}
	switch name {
	case "RETR":
		p.ok("%d octets", p.drop[i].popBytes)
		p.lines(p.drop[i].raw)
	case "DELE":
		p.deleted[i] = true
		p.ok("message %d is deleted at QUIT", i+1)
	default:
		p.ok("%s", p.number(name, i))
	}
}

func (p *popSession) top(arg, lines string) {
	n, err := strconv.ParseUint(lines, 10, 31)
	if err != nil {
		p.err("not a number of lines")
		return
	}
	i, ok := p.index(arg)
	if !ok {
		return
	}
	header, text := halves(p.drop[i].raw)
	end := 0
	for ; n > 0 && end < len(text); n-- {
		if next := bytes.IndexByte(text[end:], '\n'); next >= 0 {
			end += next + 1
		} else {
			end = len(text)
		}
	}
	p.ok("the header and the first lines")
	p.lines(p.drop[i].raw[:len(header)+end])
}

// lines writes a message as RFC 1939 section 3 has it: each line ended by CRLF, a dot before each that begins
// with one, a single dot at the end. A message that does not end its last line, or ends some with LF alone (an
// IMAP client can store one), is completed here; POP3 cannot say it otherwise, and a client that takes LF for
// a line end would see the final dot too early.
func (p *popSession) lines(raw []byte) {
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if bytes.HasPrefix(line, []byte(".")) {
			p.out.WriteByte('.')
		}
		p.out.Write(line)
		p.out.WriteString("\r\n")
	}
	p.out.WriteString(".\r\n")
}

func (p *popSession) quit() {
	if len(p.deleted) > 0 {
		uids := make(map[imap.UID]bool)
		for i := range p.deleted {
			uids[p.drop[i].uid] = true
		}
		p.store.remove(inbox, uids)
	}
	p.ok("goodbye")
}
