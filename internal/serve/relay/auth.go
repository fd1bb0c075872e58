package relay

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"postseal/internal/serve/front"
)

var (
	errAuthSyntax = &refusal{501, "5.5.2", "cannot decode the login"}
	errCancelled  = &refusal{501, "5.7.0", "login cancelled"}
)

// auth is RFC 4954. The client's PLAIN or LOGIN is read here and goes to the back end as PLAIN: it alone knows
// accounts. args and every copy that we make are cleared; nothing of them is logged.
func (s *session) auth(ctx context.Context, args []byte) {
	defer clear(args)
	_, secure := s.c.TLS()
	switch {
	case s.opts.Role != Submission:
		s.refuse(&refusal{502, "5.5.1", "AUTH is not offered here"})
		return
	case !secure:
		// RFC 4954 section 6: 538 tells the client that the mechanism wants encryption first.
		s.refuse(&refusal{538, "5.7.11", "must issue a STARTTLS command first"})
		return
	case s.helo == "":
		s.refuse(&refusal{503, "5.5.1", "say EHLO first"})
		return
	case s.authed:
		s.refuse(&refusal{503, "5.5.1", "already logged in"})
		return
	case !s.offered.auth:
		s.refuse(&refusal{502, "5.5.1", "AUTH is not offered"})
		return
	}
	message, err := s.credentials(args)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		s.refuse(refused)
		return
	case err != nil:
		s.farewell(err)
		s.done = true
		return
	}
	defer clear(message)
	s.login(ctx, message)
}

// credentials reads one SASL exchange and returns it as a PLAIN message. Errors are *refusal or the connection's.
func (s *session) credentials(args []byte) ([]byte, error) {
	mechanism, initial, _ := bytes.Cut(bytes.Trim(args, " \t"), []byte(" "))
	switch strings.ToUpper(string(mechanism)) {
	case "PLAIN":
		message, err := s.response(initial, "")
		if err != nil {
			return nil, err
		}
		if !isPlain(message) {
			clear(message)
			return nil, errAuthSyntax
		}
		return message, nil
	case "LOGIN":
		// Never standardised, and the only mechanism of many devices. The prompts are base64 of "Username:" and
		// "Password:"; some clients compare them.
		user, err := s.response(initial, "VXNlcm5hbWU6")
		if err != nil {
			return nil, err
		}
		defer clear(user)
		password, err := s.response(nil, "UGFzc3dvcmQ6")
		if err != nil {
			return nil, err
		}
		defer clear(password)
		message := make([]byte, 0, len(user)+len(password)+2)
		message = append(append(append(append(message, 0), user...), 0), password...)
		if !isPlain(message) {
			clear(message)
			return nil, errAuthSyntax
		}
		return message, nil
	}
	return nil, &refusal{504, "5.5.4", "mechanism not known, there are PLAIN and LOGIN"}
}

// response is the client's decoded answer to a prompt: the initial one if there is any, else it is asked for.
func (s *session) response(initial []byte, prompt string) ([]byte, error) {
	line := initial
	if len(line) == 0 {
		s.c.Reply("334 " + prompt)
		s.c.SetDeadline(time.Now().Add(s.limits.Command))
		var err error
		if line, err = s.c.ReadMore(maxAuthLineOctets); err != nil {
			return nil, err
		}
		if string(line) == "*" { // RFC 4954 section 4
			return nil, errCancelled
		}
	} else if string(line) == "=" { // RFC 4954 section 4: an initial response of no octets
		return []byte{}, nil
	}
	defer clear(line)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil {
		clear(out)
		return nil, errAuthSyntax
	}
	return out[:n], nil
}

// isPlain checks the form of RFC 4616 section 2: [authzid] NUL authcid NUL passwd, UTF-8, the last two not empty.
func isPlain(message []byte) bool {
	parts := bytes.Split(message, []byte{0})
	return len(parts) == 3 && len(parts[1]) > 0 && len(parts[2]) > 0 && utf8.Valid(message)
}

// login asks the back end about a PLAIN message, which is cleared.
func (s *session) login(ctx context.Context, message []byte) {
	temporary := func() {
		s.c.Counters().BackendFailures.Add(1)
		s.say(answer(454, "4.7.0", "cannot check the login now, session "+s.c.ID()))
	}
	if s.back == nil {
		if lost, err := s.dial(ctx); err != nil {
			temporary()
			return
		} else if lost != "" {
			s.closing("4.3.2", "the mail server has changed what it offers")
			return
		}
	}
	r, err := s.back.authPlain(message, s.c.Limits().Backend)
	if err == nil && r.class() == 3 {
		err = errConfused
	}
	if err != nil {
		s.backendLost(ctx, "AUTH", err)
		temporary()
		return
	}
	switch {
	case r.positive():
		s.authed = true
		s.idle = 0
		s.pastStart()
		s.c.LoggedIn()
		s.c.Counters().Logins.Add(1)
		s.pass(r)
	case r.class() == 5:
		s.loginRefused(ctx, r)
	default:
		s.pass(r)
	}
}

// loginRefused lets every further attempt wait longer, and ends the session after the last. The back end's own
// answer goes first: it is what the client shows to its user.
func (s *session) loginRefused(ctx context.Context, r reply) {
	s.logins++
	s.c.Counters().LoginFailures.Add(1)
	s.c.Log().InfoContext(ctx, "login refused by the back end", "reply", r.code, "attempt", s.logins)
	timer := time.NewTimer(time.Duration(s.logins) * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	s.pass(r)
	if s.logins >= s.c.Limits().Logins && !s.done {
		s.closing("4.7.0", "too many refused logins")
	}
}

// dial connects to the back end. lost names an extension that this client was offered and that is there no more.
func (s *session) dial(ctx context.Context) (lost string, err error) {
	within, cancel := context.WithTimeout(ctx, s.c.Limits().Backend)
	defer cancel()
	b, err := dialBackend(within, s.opts, s.c.Dial)
	if err != nil {
		level := s.c.Log().WarnContext
		if errors.Is(err, front.ErrNoBackend) {
			level = s.c.Log().DebugContext // known from the start, and shown in status
		}
		level(ctx, "back end not available", "err", err)
		return "", err
	}
	if s.esmtp {
		if lost = s.offered.lost(b.offers); lost != "" {
			s.c.Log().WarnContext(ctx, "back end lost an extension", "extension", lost)
			b.quit()
			return lost, nil
		}
	}
	b.watch(ctx)
	s.back = b
	return "", nil
}

// backendLost ends a connection that broke or cannot be believed any more.
func (s *session) backendLost(ctx context.Context, step string, err error) {
	s.opts.Counters.Lost.Add(1)
	s.c.Log().WarnContext(ctx, "back end lost", "step", step, "err", err, "timeout", errors.Is(err, os.ErrDeadlineExceeded))
	s.back.close()
	s.back = nil
}
