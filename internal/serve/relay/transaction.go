package relay

import "context"

// transaction is one mail transaction (RFC 5321 section 3.3). The zero value is none.
type transaction struct {
	begun bool // the back end has accepted MAIL
	utf8  bool // with SMTPUTF8
	tried int  // recipients that were named
	rcpts int  // of these, accepted by the back end
	only  string
}

// reset ends a transaction on both sides. A back end that does not even take RSET is left; the next MAIL finds out.
func (s *session) reset() {
	if s.tx.begun && s.back != nil {
		r, err := s.back.command("RSET", s.limits.Reply)
		if err != nil || !r.positive() {
			s.back.close()
			s.back = nil
		}
	}
	s.tx = transaction{}
}

// mail is RFC 5321 section 4.1.1.2.
func (s *session) mail(ctx context.Context, args string) {
	_, secure := s.c.TLS()
	switch {
	case s.helo == "":
		s.refuse(&refusal{503, "5.5.1", "say EHLO first"})
		return
	case s.opts.Role == Submission && !secure:
		s.refuse(&refusal{530, "5.7.0", "must issue a STARTTLS command first"}) // RFC 3207 section 4
		return
	case s.opts.Role == Submission && !s.authed:
		s.refuse(&refusal{530, "5.7.0", "authentication required"}) // RFC 4954 section 6
		return
	case s.tx.begun:
		s.refuse(&refusal{503, "5.5.1", "a transaction is open already"})
		return
	}
	from, params, err := parseMail(args, s.offered)
	if err != nil {
		s.refuse(err)
		return
	}
	if s.offered.size && params.size > s.offered.sizeMax {
		s.refuse(errTooBig) // RFC 1870 section 6.1: before a single octet is sent
		return
	}
	r, ok := s.mailToBackend(ctx, "MAIL FROM:"+from.String()+params.arguments())
	if !ok {
		return
	}
	if r.positive() {
		s.tx = transaction{begun: true, utf8: params.utf8}
		s.pastStart()
	}
	s.pass(r)
}

// mailToBackend sends MAIL over the connection that is there or a new one. It has answered the client when it
// returns false.
func (s *session) mailToBackend(ctx context.Context, line string) (reply, bool) {
	// A connection that has stood idle may have ended in the meantime. For a client that did not log in, a new one
	// is as good; a login cannot be repeated, since we have not kept it.
	for reused := s.back != nil; ; reused = false {
		if s.back == nil {
			if s.authed {
				s.closing("4.4.2", "connection to the mail server lost, log in again")
				return reply{}, false
			}
			lost, err := s.dial(ctx)
			switch {
			case err != nil:
				s.c.Counters().BackendFailures.Add(1)
				s.say(answer(451, "4.3.2", "mail server not available, session "+s.c.ID()))
				return reply{}, false
			case lost != "":
				// The client builds on an offer that is gone. Only a new EHLO can mend that.
				s.closing("4.3.2", "the mail server has changed what it offers")
				return reply{}, false
			}
		}
		r, err := s.back.command(line, s.limits.Reply)
		if err == nil && r.class() == 3 {
			err = errConfused
		}
		if err == nil && !(r.code == 421 && reused && !s.authed) {
			return r, true
		}
		if err == nil {
			s.back.close()
			s.back = nil
			continue
		}
		s.backendLost(ctx, "MAIL", err)
		if !reused {
			s.closing("4.4.2", "connection to the mail server lost")
			return reply{}, false
		}
	}
}

// rcpt is RFC 5321 section 4.1.1.3.
func (s *session) rcpt(ctx context.Context, args string) {
	switch {
	case !s.tx.begun:
		s.refuse(&refusal{503, "5.5.1", "say MAIL first"})
		return
	case s.tx.rcpts >= s.limits.Recipients:
		// RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest in another transaction.
		s.say(answer(452, "4.5.3", "too many recipients"))
		return
	}
	s.tx.tried++
	to, params, err := parseRcpt(args, s.offered, s.tx.utf8)
	if err != nil {
		s.refuse(err)
		return
	}
	r, ok := s.inTransaction(ctx, "RCPT", "RCPT TO:"+to.String()+params.arguments())
	if !ok {
		return
	}
	if r.positive() {
		s.idle = 0
		s.tx.rcpts++
		s.tx.only = to.String()
	}
	s.pass(r)
}

// inTransaction sends a command in the middle of a transaction. A connection that is lost here takes the transaction
// with it, and only a new session makes that clear to a client that has sent its next commands already.
func (s *session) inTransaction(ctx context.Context, step, line string) (reply, bool) {
	r, err := s.back.command(line, s.limits.Reply)
	if err == nil && r.class() == 3 && step != "DATA" {
		err = errConfused
	}
	if err != nil {
		s.backendLost(ctx, step, err)
		s.closing("4.4.2", "connection to the mail server lost")
		return reply{}, false
	}
	return r, true
}

// data is RFC 5321 section 4.1.1.4.
func (s *session) data(ctx context.Context, args string) {
	switch {
	case args != "":
		s.refuse(&refusal{501, "5.5.4", "DATA has no argument"})
		return
	case !s.tx.begun || s.tx.tried == 0:
		s.refuse(&refusal{503, "5.5.1", "say MAIL and RCPT first"})
		return
	case s.tx.rcpts == 0:
		s.refuse(&refusal{554, "5.5.1", "no valid recipients"}) // RFC 5321 section 3.3
		return
	}
	r, ok := s.inTransaction(ctx, "DATA", "DATA")
	if !ok {
		return
	}
	if r.code != 354 {
		if r.class() < 4 {
			s.backendLost(ctx, "DATA", errConfused)
			s.closing("4.4.2", "connection to the mail server lost")
			return
		}
		s.pass(r)
		if s.c.Buffered() > 0 && !s.done {
			// RFC 2920 section 3.1: DATA is the last of a group. A client that did not wait for the 354 has sent
			// its message, which must not be taken for commands now.
			s.closing("4.7.0", "message sent before it was asked for")
		}
		return
	}
	s.say(answer(354, "", "end with a line of one dot"))
	s.message(ctx)
	s.tx = transaction{}
}
