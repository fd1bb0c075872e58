package admin

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"

	"postseal/internal/ground/backup"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// headHeader carries what a stream is, as JSON in base64: a name may have any letters.
const headHeader = "Postseal-Head"

// stream is an answer of bytes that is too long to hold. began is called before the first of them.
type stream func(w io.Writer, began func(head any)) error

// streaming makes an act of a method that writes a backup.
func streaming(f func(context.Context, state.Actor, desk.BackupRequest, io.Writer, func(backup.Header)) error) act {
	a := act{scope: desk.ScopeAdmin, request: reflect.TypeFor[desk.BackupRequest](), answer: reflect.TypeFor[stream](), method: runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()}
	a.run = func(ctx context.Context, who state.Actor, body []byte) (any, error) {
		var request desk.BackupRequest
		if err := decode(body, &request); err != nil {
			return nil, err
		}
		return stream(func(w io.Writer, began func(any)) error {
			return f(ctx, who, request, w, func(h backup.Header) { began(h) })
		}), nil
	}
	return a
}

// answer sends the stream. What is refused before the first byte is a [Problem] as ever; after it there is
// only one way to tell the client that the rest is missing: the connection breaks off.
func (s stream) answer(w http.ResponseWriter, failed func(error)) {
	started := false
	err := s(w, func(head any) {
		started = true
		if b, err := json.Marshal(head); err == nil {
			w.Header().Set(headHeader, base64.StdEncoding.EncodeToString(b))
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	})
	if err == nil {
		return
	}
	failed(err)
	if started {
		panic(http.ErrAbortHandler)
	}
	p := ProblemOf(err)
	answer(w, statusOf(err, p), p)
}

// errCutOff: the server broke off in the middle of its answer; it knows why.
var errCutOff = errors.New("the answer broke off; the log of the server says why")

// Stream runs an act that answers with bytes, copies them to w, and reads into head what they are. A refusal
// is a [*Problem], before the first byte.
func (c *Client) Stream(ctx context.Context, act string, request any, w io.Writer, head any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address()+act, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	c.authorize(r)
	if l, ok := c.http.Transport.(local); ok {
		return l.stream(r, w, head)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response.Status, response.Body)
	}
	if err := readHead(response.Header, head); err != nil {
		return err
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errCutOff
		}
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// refusal reads a Problem.
func refusal(status string, body io.Reader) error {
	got, err := io.ReadAll(io.LimitReader(body, maxRequestBytes))
	p := new(Problem)
	if err != nil || json.Unmarshal(got, p) != nil || p.Text == "" {
		return fmt.Errorf("asking the server: it answered %s", status)
	}
	return p
}

func readHead(h http.Header, head any) error {
	b, err := base64.StdEncoding.DecodeString(h.Get(headHeader))
	if err == nil {
		err = json.Unmarshal(b, head)
	}
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// stream answers into w itself, without a socket and without holding the bytes.
func (l local) stream(r *http.Request, w io.Writer, head any) (err error) {
	p := &passing{recorder: recorder{header: make(http.Header), status: http.StatusOK}, to: w}
	defer func() {
		switch v := recover(); {
		case v == nil:
		case v == http.ErrAbortHandler:
			err = fmt.Errorf("making the answer: %w", errors.Join(p.failed, errCutOff))
		default:
			panic(v)
		}
	}()
	l.handler.ServeHTTP(p, r)
	if p.status != http.StatusOK {
		return refusal(http.StatusText(p.status), &p.body)
	}
	return readHead(p.header, head)
}

// passing is a recorder that passes the bytes of a good answer on.
type passing struct {
	recorder
	to     io.Writer
	failed error
}

func (p *passing) Write(b []byte) (int, error) {
	if p.status != http.StatusOK {
		return p.recorder.Write(b)
	}
	n, err := p.to.Write(b)
	if err != nil {
		p.failed = err
	}
	return n, err
}
