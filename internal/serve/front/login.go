package front

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

// Options are what IMAP and POP3 need to know beyond their listener.
type Options struct {
	// Backend says where the client's mail is; called at each login, so a change counts at once. It may
	// return ErrNoBackend; nil means the same. Clients then get their protocol's temporary error.
	Backend func(ctx context.Context) (Backend, error)
}

// credentials are what a client logs in with. They are cleared after use and print as nothing.
type credentials struct{ authz, user, password []byte }

func (k *credentials) wipe() {
	clear(k.authz)
	clear(k.user)
	clear(k.password)
}

// Format keeps every verb of fmt from the secret.
func (credentials) Format(f fmt.State, _ rune) { io.WriteString(f, "[credentials]") }

// LogValue keeps log/slog from it.
func (credentials) LogValue() slog.Value { return slog.StringValue("[credentials]") }

var errNotPlain = errors.New("not a PLAIN message")

// parsePlain reads the message of RFC 4616 section 2 from its base64 form: authzid NUL authcid NUL passwd.
// "=" is the empty message of RFC 4959 section 3, which PLAIN does not know.
func parsePlain(encoded []byte) (*credentials, error) {
	message := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(message, encoded)
	if err != nil {
		clear(message)
		return nil, errNotPlain // its cause would quote the secret's offset, no more: not worth keeping
	}
	parts := bytes.Split(message[:n], []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 {
		clear(message)
		return nil, errNotPlain
	}
	return &credentials{authz: parts[0], user: parts[1], password: parts[2]}, nil
}

// plain is the inverse of parsePlain. The caller clears it.
func (k *credentials) plain() []byte {
	message := bytes.Join([][]byte{k.authz, k.user, k.password}, []byte{0})
	defer clear(message)
	encoded := make([]byte, base64.StdEncoding.EncodedLen(len(message)))
	base64.StdEncoding.Encode(encoded, message)
	return encoded
}

// actsForAnother reports whether the client asks to be somebody else than who it proves to be.
func (k *credentials) actsForAnother() bool {
	return len(k.authz) > 0 && !bytes.Equal(k.authz, k.user)
}

// answer is what a back end said to a login.
type answer struct {
	lines []string // for the client; the last one is the final answer
	conn  net.Conn // logged in; nil when the answer is no
}

// carry logs in on a connection that has just been dialled.
type carry func(ctx context.Context, b Backend, d *dialogue) (answer, error)

// logIn dials the back end and lets do log user in there. An error means that nobody could say yes or no; it
// is logged here, since the client must not see what it says.
func (o Options) logIn(ctx context.Context, c *Conn, user []byte, do carry) (answer, error) {
	until := time.Now().Add(c.Limits().Backend)
	if budget := c.Budget(); !budget.IsZero() && budget.Before(until) {
		until = budget
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	got, b, err := o.attempt(ctx, c, do)
	if err != nil {
		c.Counters().BackendFailures.Add(1)
		level := slog.LevelWarn
		if errors.Is(err, ErrNoBackend) {
			level = slog.LevelInfo // as configured; strangers who try shall not fill the log with warnings
		}
		c.log.Log(ctx, level, "no login: the back end cannot answer", "backend", b.Address, "err", err)
		return answer{}, err
	}
	if got.conn == nil {
		c.Counters().LoginFailures.Add(1)
		c.log.InfoContext(ctx, "login refused by the back end", "backend", b.Address)
		return got, nil
	}
	c.Counters().Logins.Add(1)
	// Only now the name is logged: in a refused login it may be a password in the wrong field.
	c.log.InfoContext(ctx, "logged in", "backend", b.Address, "user", string(user))
	return got, nil
}

func (o Options) attempt(ctx context.Context, c *Conn, do carry) (answer, Backend, error) {
	if o.Backend == nil {
		return answer{}, Backend{}, ErrNoBackend
	}
	b, err := o.Backend(ctx)
	if err != nil {
		return answer{}, b, err
	}
	conn, err := c.Dial(ctx, b)
	if err != nil {
		return answer{}, b, err
	}
	letGo := bound(ctx, conn)
	d := &dialogue{conn: conn}
	defer d.in.wipe()
	got, err := do(ctx, b, d)
	switch {
	case !letGo() && err == nil:
		err = context.Cause(ctx)
	case err == nil && got.conn != nil:
		return got, b, nil
	}
	conn.Close()
	return got, b, err
}

// delay holds back the answer to a refused login, longer each time: a guesser pays, a typing mistake hardly.
func delay(ctx context.Context, refused int) {
	wait(ctx, time.Duration(refused)*time.Second)
}
