package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// maxAnswerBytes bounds an answer: 10,000 certificates need some 15 MB.
const maxAnswerBytes = 256 << 20

// Client speaks the management API.
type Client struct {
	http  *http.Client
	base  string      // of a server elsewhere: "https://mail1.example.com:8172"; empty for here
	token keys.Secret // shown to a server elsewhere
}

// Dial returns a client of the server that listens on the Unix socket in dir, or an error when none does.
func Dial(ctx context.Context, dir string) (*Client, error) {
	conn, err := dialSocket(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, dir) },
		DisableKeepAlives: true,
	}}}, nil
}

// Local returns a client of d itself, for when no server runs: the same handler, without a socket.
func Local(d *desk.Desk, who state.Actor) *Client {
	handler := API(d, slog.New(slog.DiscardHandler), func(*http.Request) (state.Actor, error) { return who, nil })
	return &Client{http: &http.Client{Transport: local{handler}}}
}

// local is an http.RoundTripper into a handler.
type local struct{ handler http.Handler }

func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: make(http.Header), status: http.StatusOK}
	l.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// recorder is an http.ResponseWriter into memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

// address is where acts are asked for.
func (c *Client) address() string {
	if c.base == "" {
		return "http://postseal/api/v1/"
	}
	return c.base + "/api/v1/"
}

// authorize shows the token to a server elsewhere.
func (c *Client) authorize(r *http.Request) {
	if len(c.token) > 0 {
		r.Header.Set("Authorization", "Bearer "+string(c.token))
	}
}

// Call runs the act "noun/verb" with a request and reads the answer into answer. A refusal is a
// [*Problem].
func (c *Client) Call(ctx context.Context, act string, request, answer any) error {
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
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if len(got) > maxAnswerBytes {
		return errors.New("reading the server's answer: too large")
	}
	if response.StatusCode != http.StatusOK {
		p := new(Problem)
		if json.Unmarshal(got, p) != nil || p.Text == "" {
			return fmt.Errorf("asking the server: it answered %s", response.Status)
		}
		return p
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// dialTimeout bounds the connection to the Unix socket.
const dialTimeout = 5 * time.Second
