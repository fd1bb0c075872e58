package front

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
)

// IMAPRefusal is [Listener].Refusal for IMAP.
const IMAPRefusal = "* BYE [UNAVAILABLE] too many connections, try again later"

// IMAP answers IMAP clients until they have logged in at the back end, then passes bytes.
//
// Before login it knows CAPABILITY, NOOP, ID, LOGOUT, STARTTLS, LOGIN and AUTHENTICATE PLAIN. It announces
// IMAP4rev1 without LITERAL+ or LITERAL-, since what it announces may be remembered after the login, when
// the back end alone answers; a literal of that kind is understood all the same.
func IMAP(o Options) Handler {
	return func(ctx context.Context, c *Conn) {
		s := &imapSession{Conn: c, options: o, limits: c.Limits()}
		s.greet()
		for s.command(ctx) {
		}
	}
}

type imapSession struct {
	*Conn
	options Options
	limits  Limits
	// Counted over the whole session, STARTTLS does not reset them.
	commands, bad, refused int
}

func (s *imapSession) greet() {
	s.Replyf("* OK [CAPABILITY %s] %s Postseal ready, session %s", s.capabilities(), s.Host(), s.ID())
}

func (s *imapSession) capabilities() string {
	if _, secure := s.TLS(); secure {
		return "IMAP4rev1 ID SASL-IR AUTH=PLAIN"
	}
	// RFC 9051 section 6.2.3: no LOGIN in clear, and said so before a client tries.
	if s.CanStartTLS() {
		return "IMAP4rev1 ID SASL-IR STARTTLS LOGINDISABLED"
	}
	return "IMAP4rev1 ID SASL-IR LOGINDISABLED"
}

// command reads and answers one command; false ends the session.
func (s *imapSession) command(ctx context.Context) bool {
	line, err := s.ReadLine(s.limits.AuthLineBytes)
	if err != nil {
		s.goodbye(err)
		return false
	}
	// From here on every path clears the line before it reads on: it may hold a password.
	if s.commands++; s.commands > s.limits.Commands {
		clear(line)
		s.Reply("* BYE too many commands before login")
		return false
	}
	tag, name, args := splitIMAP(line)
	switch {
	case s.commands == s.bad+1 && IsHTTP(line):
		clear(line)
		s.Reply("* BYE this is IMAP, not HTTP")
		return false
	case tag == "":
		return s.skipLiteral(line) && s.badCommand("*", "no command that this server understands")
	case len(line) > s.limits.LineBytes && name != "AUTHENTICATE":
		return s.skipLiteral(line) && s.badCommand(tag, "line too long")
	}
	switch name {
	case "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS":
		if len(args) > 0 {
			return s.skipLiteral(line) && s.badCommand(tag, "no arguments expected")
		}
	case "LOGIN":
		return s.login(ctx, tag, args)
	}
	switch name {
	case "CAPABILITY":
		s.Reply("* CAPABILITY " + s.capabilities())
	case "NOOP":
	case "LOGOUT":
		s.Reply("* BYE logging out")
		s.Reply(tag + " OK LOGOUT completed")
		return false
	case "ID":
		if _, _, announced := lastLiteral(args); announced {
			return s.skipLiteral(line) && s.badCommand(tag, "no literals in ID")
		}
		s.Reply(`* ID ("name" "Postseal")`)
	case "STARTTLS":
		return s.startTLS(ctx, tag)
	case "AUTHENTICATE":
		return s.authenticate(ctx, tag, args)
	default:
		return s.skipLiteral(line) && s.badCommand(tag, "unknown before login")
	}
	s.Reply(tag + " OK " + name + " completed")
	return true
}

// goodbye answers what ReadLine returned, where there is somebody to answer.
func (s *imapSession) goodbye(err error) {
	switch {
	case errors.Is(err, ErrDraining):
		s.Reply("* BYE [UNAVAILABLE] server is stopping, try again")
	case errors.Is(err, ErrEvicted):
		s.Reply("* BYE [UNAVAILABLE] silent too long, others are waiting")
	case errors.Is(err, ErrLineTooLong):
		s.Reply("* BYE line too long")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.Reply("* BYE no login in time")
	}
}

// badCommand answers BAD; false when that was once too often.
func (s *imapSession) badCommand(tag, why string) bool {
	s.Reply(tag + " BAD " + why)
	if s.bad++; s.bad > s.limits.BadCommands {
		s.Reply("* BYE too many bad commands")
		return false
	}
	return true
}

func (s *imapSession) startTLS(ctx context.Context, tag string) bool {
	err := s.StartTLS(ctx, tag+" OK begin TLS negotiation")
	switch {
	case errors.Is(err, ErrNoTLS):
		// RFC 9051 section 6.2.1: STARTTLS within TLS is BAD.
		return s.badCommand(tag, "TLS is not available here")
	case errors.Is(err, ErrPlaintextInjected):
		s.Reply(tag + " BAD data behind STARTTLS")
		s.Reply("* BYE data behind STARTTLS")
	}
	return err == nil
}

// inClear refuses a login without TLS, before the client is asked for any secret it has not sent yet.
func (s *imapSession) inClear(tag string) bool {
	if _, secure := s.TLS(); secure {
		return false
	}
	// RFC 9051 section 7.1: PRIVACYREQUIRED.
	s.Reply(tag + " NO [PRIVACYREQUIRED] start TLS first")
	return true
}

func (s *imapSession) login(ctx context.Context, tag string, args []byte) bool {
	if _, secure := s.TLS(); !secure {
		return s.skipLiteral(args) && s.inClear(tag)
	}
	r := &imapArguments{session: s, rest: args}
	k := &credentials{user: r.astring(s.limits.LiteralBytes)}
	r.space()
	k.password = r.astring(s.limits.LiteralBytes)
	defer k.wipe()
	r.end()
	switch {
	case r.gone:
		return false
	case r.wrong != "":
		return s.badCommand(tag, r.wrong)
	}
	return s.carry(ctx, tag, k)
}

func (s *imapSession) authenticate(ctx context.Context, tag string, args []byte) bool {
	mechanism, initial, hasInitial := bytes.Cut(args, []byte{' '})
	_, secure := s.TLS()
	_, _, announced := lastLiteral(args)
	switch {
	case !secure:
		return s.skipLiteral(args) && s.inClear(tag)
	case !bytes.EqualFold(mechanism, []byte("PLAIN")):
		if !s.skipLiteral(args) {
			return false
		}
		s.Reply(tag + " NO [CANNOT] only PLAIN")
		return true
	case announced: // RFC 9051 section 6.2.2: base64 or "="
		return s.skipLiteral(args) && s.badCommand(tag, "no literals in AUTHENTICATE")
	}
	if !hasInitial {
		s.Reply("+ ")
		line, err := s.ReadMore(s.limits.AuthLineBytes)
		if err != nil {
			s.goodbye(err)
			return false
		}
		initial = line
	}
	// RFC 9051 section 6.2.2: the client cancels with a line of "*", and the answer is BAD.
	if !hasInitial && string(initial) == "*" {
		return s.badCommand(tag, "AUTHENTICATE cancelled")
	}
	k, err := parsePlain(initial)
	clear(initial)
	if err != nil {
		return s.badCommand(tag, "not a PLAIN message")
	}
	defer k.wipe()
	return s.carry(ctx, tag, k)
}

// carry logs in at the back end and, if that says yes, passes bytes until the session is over.
func (s *imapSession) carry(ctx context.Context, tag string, k *credentials) bool {
	if err := s.Flush(); err != nil {
		return false
	}
	got, err := s.options.logIn(ctx, s.Conn, k.user, func(ctx context.Context, b Backend, d *dialogue) (answer, error) {
		return imapLogin(ctx, b, d, imapCredentials{tag: tag, credentials: k})
	})
	k.wipe()
	if err != nil {
		s.Replyf("%s NO [UNAVAILABLE] mailbox unavailable, try again later, session %s", tag, s.ID())
		return true
	}
	if got.conn == nil {
		s.refused++
		delay(ctx, s.refused)
	}
	for _, line := range got.lines {
		s.Reply(line)
	}
	switch {
	case got.conn != nil:
		s.LoggedIn()
		if err := s.Splice(got.conn); err != nil {
			s.Log().DebugContext(ctx, "passing bytes", "err", err)
		}
		return false
	case s.refused >= s.limits.Logins:
		s.Reply("* BYE too many refused logins")
		return false
	}
	return true
}

// splitIMAP takes a command line apart: tag SP command [SP arguments]. An empty tag means it is none. The
// name is in upper case.
func splitIMAP(line []byte) (tag, name string, args []byte) {
	first, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(first) == 0 || len(first) > 100 || !isTag(first) {
		return "", "", nil
	}
	word, args, _ := bytes.Cut(rest, []byte{' '})
	if len(word) == 0 || len(word) > 32 {
		return string(first), "", rest
	}
	return string(first), strings.ToUpper(string(word)), args
}

// isTag is the tag of RFC 9051 section 9: ASTRING-CHAR without "+". Stricter than that, it has no "<" and ">":
// we repeat the tag, and a browser that was led here must not find markup of somebody else's in our answer.
func isTag(b []byte) bool {
	for _, c := range b {
		if !isAstring(c) || c == '+' || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// isAstring is ASTRING-CHAR of RFC 9051 section 9, ASCII only as the grammar has it.
func isAstring(c byte) bool {
	return c > ' ' && c < 0x7f && !strings.ContainsRune(`(){%*"\`, rune(c))
}
