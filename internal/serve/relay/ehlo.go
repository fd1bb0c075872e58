package relay

import (
	"context"
	"errors"
	"strconv"

	"postseal/internal/serve/front"
)

// hello answers EHLO and HELO. RFC 5321 section 4.1.4: either also does what RSET does.
func (s *session) hello(cmd command) {
	name, err := parseHello(cmd.args)
	if err != nil {
		s.refuse(err)
		return
	}
	s.reset()
	s.helo, s.esmtp, s.offered = name, cmd.verb == "EHLO", offers{}
	_, secure := s.c.TLS()
	if secure {
		s.pastStart()
	}
	if !s.esmtp {
		s.say(answer(250, "", s.c.Host()))
		return
	}
	o := s.opts.Capabilities.forRole(s.opts.Role, s.limits.MessageBytes)
	o.auth = o.auth && secure
	s.offered = o
	lines := []string{s.c.Host(), "PIPELINING"}
	add := func(offered bool, line string) {
		if offered {
			lines = append(lines, line)
		}
	}
	add(o.eightBitMIME, "8BITMIME")
	add(o.size, "SIZE "+strconv.FormatInt(o.sizeMax, 10))
	add(o.smtpUTF8, "SMTPUTF8")
	add(o.dsn, "DSN")
	add(o.enhanced, "ENHANCEDSTATUSCODES")
	add(s.c.CanStartTLS(), "STARTTLS")
	add(o.auth, "AUTH PLAIN LOGIN")
	s.say(reply{250, lines})
}

// startTLS is RFC 3207.
func (s *session) startTLS(ctx context.Context, args string) {
	switch _, secure := s.c.TLS(); {
	case args != "":
		s.refuse(&refusal{501, "5.5.4", "STARTTLS has no argument"})
		return
	case secure:
		s.refuse(&refusal{503, "5.5.1", "TLS is active already"})
		return
	case !s.c.CanStartTLS():
		s.refuse(&refusal{502, "5.5.1", "STARTTLS is not offered"})
		return
	}
	err := s.c.StartTLS(ctx, "220 2.0.0 go ahead")
	switch {
	case errors.Is(err, front.ErrPlaintextInjected): // front has counted it
		s.say(answer(554, "5.5.1", "nothing may follow STARTTLS before the handshake"))
		s.done = true
	case err != nil:
		s.done = true
	}
	// RFC 3207 section 4.2: everything known from before is forgotten, a transaction begun in clear with it.
	s.leaveBackend()
	s.tx = transaction{}
	s.helo, s.esmtp, s.offered = "", false, offers{}
}

// pastStart ends the time that a client has to EHLO and STARTTLS in all.
func (s *session) pastStart() {
	if !s.open {
		s.open = true
		s.c.EndBudget()
	}
}
