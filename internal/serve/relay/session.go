package relay

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"postseal/internal/serve/front"
)

// session is one client's conversation. It belongs to the goroutine of front's Handler; nobody else touches it.
type session struct {
	opts   Options // with defaults
	limits Limits  // opts.Limits
	c      *front.Conn

	helo    string // what the client called itself; empty before EHLO and after STARTTLS
	esmtp   bool   // it said EHLO
	offered offers // what our answer to EHLO offered
	authed  bool   // the back end has accepted a login
	open    bool   // the time to EHLO and STARTTLS is over, the time per command holds

	back *backend // nil while there is no connection
	tx   transaction

	bad    int  // commands that were wrong
	idle   int  // commands since the last that got anywhere
	logins int  // refused ones
	done   bool // close after the answer

	sentAway bool // for a newcomer
}

// run speaks to the client until one of the two has enough.
func (s *session) run(ctx context.Context) {
	defer s.leaveBackend()
	s.say(answer(220, "", s.c.Host()+" ESMTP Postseal "+s.c.ID()))
	for !s.done {
		// RFC 5321 section 4.5.3.2.7: five minutes for a command. Until EHLO and STARTTLS are through, front's time
		// before login ends earlier and counts.
		s.c.SetDeadline(time.Now().Add(s.limits.Command))
		line, err := s.c.ReadLineStrict(maxAuthLineOctets)
		if err != nil {
			s.farewell(err)
			return
		}
		s.line(ctx, line)
	}
}

// farewell says why the session ends, if anybody may still be listening.
func (s *session) farewell(err error) {
	switch {
	case errors.Is(err, front.ErrDraining):
		s.say(answer(421, "4.3.2", s.c.Host()+" shutting down"))
	case errors.Is(err, front.ErrEvicted):
		s.sentAway = true
		s.say(answer(421, "4.3.2", "silent too long while others wait"))
	case errors.Is(err, front.ErrLineTooLong):
		s.say(answer(500, "5.5.2", "line too long"))
	case errors.Is(err, front.ErrBareLF):
		// RFC 5321 section 2.3.8. What a line is was never agreed on, so nothing behind it is read.
		s.opts.Counters.BareLineEnds.Add(1)
		s.say(answer(500, "5.5.2", "lines must end with CR LF"))
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.say(answer(421, "4.4.2", "timeout, closing session "+s.c.ID()))
	}
}

// line runs one command line.
func (s *session) line(ctx context.Context, line []byte) {
	if s.helo == "" && s.idle == s.bad && front.IsHTTP(line) { // no command was a good one so far
		s.closing("4.7.0", "this is SMTP, not HTTP")
		return
	}
	s.idle++
	if s.idle > s.c.Limits().Commands {
		s.closing("4.7.0", "too many commands without mail")
		return
	}
	// AUTH is looked for before anything makes a string of the line: it may hold a password, and a string cannot
	// be cleared.
	if args, ok := cutAuth(line); ok {
		s.auth(ctx, args)
		clear(line)
		return
	}
	if len(line) > maxLineOctets-len(crlf) {
		s.refuse(&refusal{500, "5.5.2", "line too long"})
		return
	}
	cmd, err := parseCommand(line)
	if err != nil {
		s.refuse(err)
		return
	}
	s.command(ctx, cmd)
}

// cutAuth returns what follows the verb AUTH.
func cutAuth(line []byte) ([]byte, bool) {
	const verb = "AUTH"
	if len(line) < len(verb) || !strings.EqualFold(string(line[:len(verb)]), verb) {
		return nil, false
	}
	if len(line) == len(verb) {
		return nil, true
	}
	return line[len(verb)+1:], line[len(verb)] == ' ' || line[len(verb)] == '\t'
}

func (s *session) command(ctx context.Context, cmd command) {
	switch cmd.verb {
	case "EHLO", "HELO":
		s.hello(cmd)
	case "STARTTLS":
		s.startTLS(ctx, cmd.args)
	case "MAIL":
		s.mail(ctx, cmd.args)
	case "RCPT":
		s.rcpt(ctx, cmd.args)
	case "DATA":
		s.data(ctx, cmd.args)
	case "BDAT":
		s.bdat(cmd.args)
	case "RSET":
		s.resetCommand(cmd.args)
	case "NOOP": // RFC 5321 section 4.1.1.9: an argument is ignored
		s.say(answer(250, "2.0.0", "OK"))
	case "QUIT":
		s.say(answer(221, "2.0.0", s.c.Host()+" closing"))
		s.done = true
	case "HELP":
		s.say(answer(214, "2.0.0", "see RFC 5321"))
	case "VRFY", "EXPN":
		// RFC 5321 section 7.3: who has a mailbox here is not told to strangers; 252 promises nothing.
		if cmd.args == "" {
			s.refuse(&refusal{501, "5.5.4", "an argument is wanted"})
			return
		}
		s.say(answer(252, "2.5.0", "cannot verify, but will take a message and try to deliver it"))
	case "SEND", "SOML", "SAML", "TURN", "ETRN", "BURL", "XCLIENT", "XFORWARD":
		s.refuse(&refusal{502, "5.5.1", "command not implemented"})
	default:
		s.refuse(&refusal{500, "5.5.1", "command not recognised"})
	}
}

func (s *session) resetCommand(args string) {
	if args != "" {
		s.refuse(&refusal{501, "5.5.4", "RSET has no argument"})
		return
	}
	s.reset()
	s.say(answer(250, "2.0.0", "OK"))
}

// bdat refuses BDAT, which is not offered (RFC 3030). Its octets follow it without waiting for an answer and must not
// be taken for commands: they are the sender's text, and could be made to look like an envelope. The answer goes out
// first, so that a client that only asks hears it; then as many octets as were announced are thrown away. A size that
// cannot be read or is not worth reading leaves no way to know where commands go on, so the session ends; and before
// EHLO, when no client can believe that we know BDAT, nobody's octets are waited for.
func (s *session) bdat(args string) {
	const most = 1 << 20
	if s.helo == "" {
		s.closing("4.5.0", "say EHLO first, and BDAT is not offered")
		return
	}
	words := strings.Fields(args)
	if len(words) == 0 || len(words) > 2 {
		s.closing("4.5.0", "BDAT is not offered")
		return
	}
	size, err := strconv.ParseUint(words[0], 10, 63)
	if err != nil || size > most {
		s.closing("4.5.0", "BDAT is not offered")
		return
	}
	s.refuse(&refusal{502, "5.5.1", "BDAT is not offered"})
	if s.done || s.c.Flush() != nil {
		s.done = true
		return
	}
	s.c.SetDeadline(time.Now().Add(s.limits.DataBlock))
	for size > 0 {
		p, err := s.c.Peek()
		if err != nil {
			s.farewell(err)
			s.done = true
			return
		}
		n := min(uint64(len(p)), size)
		s.c.Discard(int(n))
		size -= n
	}
	s.c.Spoke()
}

// say queues a reply to the client; front sends it when the next command is not there yet (RFC 2920 section 3.2).
func (s *session) say(r reply) {
	for _, line := range r.wire() {
		s.c.Reply(line)
	}
}

// pass hands on a back end's reply. 421 is its goodbye (RFC 5321 section 3.8) and becomes ours.
func (s *session) pass(r reply) {
	if s.offered.enhanced {
		r = r.withEnhanced()
	}
	s.say(r)
	if r.code == 421 {
		s.done = true
	}
}

// refuse answers a command that is wrong, and ends the session of a client that does not learn from it.
func (s *session) refuse(err error) {
	r := &refusal{451, "4.3.0", "internal error, session " + s.c.ID()}
	if !errors.As(err, &r) {
		s.c.Log().Error("a refusal without a reply", "err", err)
	}
	s.bad++
	if s.bad > s.c.Limits().BadCommands {
		s.closing("4.7.0", "too many errors")
		return
	}
	s.say(r.reply())
}

// closing answers 421 and ends the session.
func (s *session) closing(enhanced, text string) {
	s.say(answer(421, enhanced, text+", closing session "+s.c.ID()))
	s.done = true
}

// leaveBackend ends the connection to the back end, if there is one; politely when it is between transactions.
func (s *session) leaveBackend() {
	if s.back == nil {
		return
	}
	// The client does not wait for our own farewell, nor whoever needs the place of one that was sent away.
	if s.tx.begun || s.c.Flush() != nil || s.sentAway {
		s.back.close()
	} else {
		s.back.quit()
	}
	s.back = nil
}
