package front

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
)

// POP3Refusal is [Listener].Refusal for POP3; the code is of RFC 3206 section 4.
const POP3Refusal = "-ERR [SYS/TEMP] too many connections, try again later"

// POP3 answers POP3 clients until they have logged in at the back end, then passes bytes.
//
// Before login it knows CAPA, STLS, USER, PASS, AUTH PLAIN, NOOP and QUIT. Its greeting has no timestamp, so
// there is no APOP, which needs the password in clear on the server.
func POP3(o Options) Handler {
	return func(ctx context.Context, c *Conn) {
		s := &pop3Session{Conn: c, options: o, limits: c.Limits()}
		s.Replyf("+OK %s Postseal ready, session %s", s.Host(), s.ID())
		for s.command(ctx) {
		}
		clear(s.user)
	}
}

type pop3Session struct {
	*Conn
	options Options
	limits  Limits
	user    []byte // of USER, for the next PASS; nil: none
	// Counted over the whole session, STLS does not reset them.
	commands, bad, refused int
}

// command reads and answers one command; false ends the session.
func (s *pop3Session) command(ctx context.Context) bool {
	line, err := s.ReadLine(s.limits.AuthLineBytes)
	if err != nil {
		s.goodbye(err)
		return false
	}
	if s.commands++; s.commands > s.limits.Commands {
		clear(line)
		s.Reply("-ERR too many commands before login")
		return false
	}
	if s.commands == s.bad+1 && IsHTTP(line) {
		clear(line)
		s.Reply("-ERR this is POP3, not HTTP")
		return false
	}
	word, args, hasArgs := bytes.Cut(line, []byte{' '})
	name := strings.ToUpper(string(word[:min(len(word), 8)]))
	if len(line) > s.limits.LineBytes && name != "AUTH" {
		clear(line)
		return s.badCommand("line too long")
	}
	switch {
	case name == "USER" || name == "PASS" || name == "AUTH":
	case hasArgs:
		clear(line)
		return s.badCommand("unknown before login")
	}
	switch name {
	case "CAPA":
		s.capabilities()
	case "NOOP":
		s.Reply("+OK")
	case "QUIT":
		s.Reply("+OK bye")
		return false
	case "STLS":
		return s.startTLS(ctx)
	case "USER":
		return s.setUser(args)
	case "PASS":
		return s.pass(ctx, args)
	case "AUTH":
		return s.authenticate(ctx, args, hasArgs)
	default:
		clear(line)
		return s.badCommand("unknown before login")
	}
	return true
}

// goodbye answers what ReadLine returned, where there is somebody to answer.
func (s *pop3Session) goodbye(err error) {
	switch {
	case errors.Is(err, ErrDraining):
		s.Reply("-ERR [SYS/TEMP] server is stopping, try again")
	case errors.Is(err, ErrEvicted):
		s.Reply("-ERR [SYS/TEMP] silent too long, others are waiting")
	case errors.Is(err, ErrLineTooLong):
		s.Reply("-ERR line too long")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.Reply("-ERR no login in time")
	}
}

// badCommand answers -ERR; false when that was once too often.
func (s *pop3Session) badCommand(why string) bool {
	s.Reply("-ERR " + why)
	if s.bad++; s.bad > s.limits.BadCommands {
		s.Reply("-ERR too many bad commands")
		return false
	}
	return true
}

// capabilities lists what holds before login (RFC 2449 section 5); the rest is the back end's to say. STLS is
// listed exactly when it can be used: Python's poplib starts TLS only then.
func (s *pop3Session) capabilities() {
	s.Reply("+OK capabilities follow")
	if s.CanStartTLS() {
		s.Reply("STLS")
	}
	if _, secure := s.TLS(); secure {
		s.Reply("USER")
		s.Reply("SASL PLAIN")
	}
	s.Reply("RESP-CODES")
	s.Reply("AUTH-RESP-CODE")
	s.Reply(".")
}

func (s *pop3Session) startTLS(ctx context.Context) bool {
	clear(s.user)
	s.user = nil // RFC 2595 section 4: nothing said before counts
	err := s.StartTLS(ctx, "+OK begin TLS negotiation")
	switch {
	case errors.Is(err, ErrNoTLS):
		return s.badCommand("TLS is not available here")
	case errors.Is(err, ErrPlaintextInjected):
		s.Reply("-ERR data behind STLS")
	}
	return err == nil
}

// inClear refuses a login without TLS.
func (s *pop3Session) inClear(secret []byte) bool {
	if _, secure := s.TLS(); secure {
		return false
	}
	clear(secret)
	s.Reply("-ERR [SYS/PERM] start TLS first (STLS)")
	return true
}

func (s *pop3Session) setUser(name []byte) bool {
	switch {
	case s.inClear(name):
		return true
	case len(name) == 0 || !oneLine(name):
		return s.badCommand("USER needs a name")
	}
	clear(s.user)
	s.user = bytes.Clone(name)
	s.Reply("+OK")
	return true
}

func (s *pop3Session) pass(ctx context.Context, password []byte) bool {
	defer clear(password) // nothing is read from the client until then
	switch {
	case s.inClear(password):
		return true
	case s.user == nil:
		return s.badCommand("USER first")
	case len(password) == 0 || !oneLine(password):
		return s.badCommand("PASS needs a password")
	}
	// The rest of the line is the password, spaces and all: RFC 1939 section 7.
	k := &credentials{user: s.user, password: bytes.Clone(password)}
	clear(password)
	s.user = nil
	return s.carry(ctx, k)
}

// authenticate is AUTH of RFC 5034 section 4.
func (s *pop3Session) authenticate(ctx context.Context, args []byte, hasArgs bool) bool {
	mechanism, initial, hasInitial := bytes.Cut(args, []byte{' '})
	switch {
	case s.inClear(args):
		return true
	case !hasArgs: // not in the RFC, but asked by old clients
		s.Reply("+OK mechanisms follow")
		s.Reply("PLAIN")
		s.Reply(".")
		return true
	case !bytes.EqualFold(mechanism, []byte("PLAIN")):
		clear(args)
		return s.badCommand("only PLAIN")
	}
	if !hasInitial {
		s.Reply("+ ")
		line, err := s.ReadMore(s.limits.AuthLineBytes)
		if err != nil {
			s.goodbye(err)
			return false
		}
		if string(line) == "*" {
			return s.badCommand("AUTH cancelled")
		}
		initial = line
	}
	k, err := parsePlain(initial)
	clear(initial)
	if err != nil {
		return s.badCommand("not a PLAIN message")
	}
	return s.carry(ctx, k)
}

// carry logs in at the back end and, if that says yes, passes bytes until the session is over. It clears k.
func (s *pop3Session) carry(ctx context.Context, k *credentials) bool {
	defer k.wipe()
	switch {
	// The back end gets USER and PASS, which are lines and have no third part.
	case k.actsForAnother():
		return s.badCommand("[AUTH] acting for another user is not possible here")
	case !oneLine(k.user) || !oneLine(k.password):
		return s.badCommand("[AUTH] not a name and password that POP3 can carry")
	}
	if err := s.Flush(); err != nil {
		return false
	}
	got, err := s.options.logIn(ctx, s.Conn, k.user, func(ctx context.Context, b Backend, d *dialogue) (answer, error) {
		return pop3Login(ctx, b, d, k)
	})
	k.wipe()
	if err != nil {
		// RFC 3206 section 4: SYS/TEMP keeps clients from asking for another password.
		s.Replyf("-ERR [SYS/TEMP] mailbox unavailable, try again later, session %s", s.ID())
		return true
	}
	if got.conn == nil {
		s.refused++
		delay(ctx, s.refused)
	}
	for _, line := range got.lines {
		s.Reply(line)
	}
	if got.conn != nil {
		s.LoggedIn()
		if err := s.Splice(got.conn); err != nil {
			s.Log().DebugContext(ctx, "passing bytes", "err", err)
		}
		return false
	}
	return s.refused < s.limits.Logins
}

// oneLine reports whether b can be the rest of a POP3 line without becoming two.
func oneLine(b []byte) bool { return !bytes.ContainsAny(b, "\x00\r\n") }
