package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// message takes the message from the client to the back end and answers. Nothing of it is kept but the piece in hand.
func (s *session) message(ctx context.Context) {
	in := &dataReader{in: s.c, maxOctets: s.maxMessage(), maxLine: s.limits.TextLineOctets, newBlock: func() {
		s.c.SetDeadline(time.Now().Add(s.limits.DataBlock))
		s.c.Spoke() // whoever sends on is not silent; without a login, whoever stops for longest goes
	}}
	out := &dataWriter{w: bufio.NewWriterSize(&timedWriter{s.back, s.limits.DataBlock}, 16<<10)}
	filter := &headerFilter{w: out, maxOctets: s.limits.HeaderBytes}
	_, err := out.Write(s.trace().received())
	for err == nil {
		var piece []byte
		if piece, err = in.next(); err == nil {
			_, err = filter.Write(piece)
		}
	}
	if filter.removed > 0 {
		s.opts.Counters.ReservedFields.Add(int64(filter.removed))
		s.c.Log().InfoContext(ctx, "reserved header fields removed", "fields", filter.removed)
	}
	var refused *refusal
	var broken *writeError
	switch {
	case errors.Is(err, io.EOF):
		s.finish(ctx, out, in.octets)
	case errors.As(err, &refused):
		s.abort(ctx, in, refused)
	case errors.As(err, &broken):
		s.interrupted(ctx, in, err)
	default: // the client is gone or too slow
		s.back.close()
		s.back = nil
		s.farewell(err)
		s.done = true
	}
}

// finish sends the final dot and passes on what the back end says to it: the one moment at which responsibility for
// the message changes hands (RFC 5321 section 6.1).
func (s *session) finish(ctx context.Context, out *dataWriter, octets int64) {
	err := out.finish()
	var r reply
	if err == nil {
		if err = s.back.conn.SetReadDeadline(time.Now().Add(s.limits.DataEnd)); err == nil {
			r, err = readReply(s.back.r)
		}
	}
	if err == nil && r.class() == 3 {
		err = errConfused
	}
	if err != nil {
		// Whether the message was delivered is not known. The client is told to try again, and a recipient may get
		// it twice: RFC 5321 section 4.5.3.2.6 and RFC 1047 know no better, and once too often beats never.
		s.opts.Counters.Unknown.Add(1)
		s.backendLost(ctx, "end of data", err)
		s.say(answer(451, "4.4.2", "answer of the mail server lost, try again, session "+s.c.ID()))
		return
	}
	if r.positive() {
		s.opts.Counters.Accepted.Add(1)
		s.idle = 0
	} else {
		s.opts.Counters.Refused.Add(1)
	}
	s.c.Log().InfoContext(ctx, "message relayed", "octets", octets, "recipients", s.tx.rcpts, "reply", r.String())
	s.pass(r)
}

// abort takes a message back that may not go on: the connection to the back end ends without a final dot, so nothing
// is delivered there. The rest is read to its true end, so that it is not taken for commands.
func (s *session) abort(ctx context.Context, in *dataReader, why *refusal) {
	s.back.close()
	s.back = nil
	s.opts.Counters.Refused.Add(1)
	if why == errLineEnd {
		s.opts.Counters.BareLineEnds.Add(1)
	}
	s.c.Log().InfoContext(ctx, "message refused", "code", why.code, "reason", why.text, "octets", in.octets)
	s.drainMessage(in, why.reply())
}

// interrupted is for a back end that stops taking a message. What it said before it went, as "too big", is worth more
// to the client than our guess.
func (s *session) interrupted(ctx context.Context, in *dataReader, err error) {
	why := answer(451, "4.4.2", "connection to the mail server lost, try again, session "+s.c.ID())
	if s.back.conn.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		if r, err := readReply(s.back.r); err == nil && r.class() > 3 {
			why = r
		}
	}
	s.opts.Counters.Refused.Add(1)
	s.backendLost(ctx, "message", err)
	s.drainMessage(in, why)
}

// drainMessage reads on to the end of the message and answers. A client that ends its message in its own way, with
// LF alone, waits for the answer while we wait for the end: when its time is up, it still hears why.
func (s *session) drainMessage(in *dataReader, why reply) {
	err := in.skip(s.limits.MessageBytes)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errTooBig) {
		s.pass(why)
	}
	if err != nil {
		s.done = true
	}
}

// maxMessage is the size that this client may send.
func (s *session) maxMessage() int64 {
	if s.offered.size {
		return s.offered.sizeMax
	}
	return s.limits.MessageBytes
}

// trace is what is known about this transaction.
func (s *session) trace() trace {
	state, secure := s.c.TLS()
	t := trace{
		helo: s.helo,
		peer: s.c.Remote().Addr(),
		host: s.c.Host(),
		with: transmission{esmtp: s.esmtp, utf8: s.tx.utf8, tls: secure, auth: s.authed}.String(),
		id:   s.c.ID(),
		at:   time.Now(),
	}
	if secure {
		t.tls = describeTLS(state)
	}
	if s.tx.rcpts == 1 {
		t.rcpt = s.tx.only
	}
	return t
}

// writeError marks what went wrong on the back end's side of a message.
type writeError struct{ err error }

func (e *writeError) Error() string { return "writing to the back end: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// timedWriter gives the back end its time for each piece (RFC 5321 section 4.5.3.2.5).
type timedWriter struct {
	back   *backend
	within time.Duration
}

func (w *timedWriter) Write(p []byte) (int, error) {
	err := w.back.conn.SetWriteDeadline(time.Now().Add(w.within))
	n := 0
	if err == nil {
		n, err = w.back.conn.Write(p)
	}
	if err != nil {
		return n, &writeError{err}
	}
	return n, nil
}
