package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"postseal/internal/steer/desk"
)

// answering serves a handler on a socket in a new directory and returns a client of it.
func answering(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	dir := t.TempDir()
	l, err := ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l) // ends with Close below
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return dial(t, dir)
}

// TestTheClientBelievesNothing that is no answer of ours.
func TestTheClientBelievesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"a page":        {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "reading the server's answer"},
		"nothing":       {func(http.ResponseWriter, *http.Request) {}, "reading the server's answer"},
		"another type":  {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"a":1}`)) }, "reading the server's answer"},
		"two documents": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("[] []")) }, "reading the server's answer"},
		"an error page": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, "it answered 502"},
		"no text": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte("{}"))
		}, "it answered 409"},
		"not found": {http.NotFound, "it answered 404"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			w.Write([]byte("["))
		}, "reading the server's answer"},
		"gone": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "asking the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []desk.Certificate
			err := answering(t, c.handler).Call(t.Context(), "cert/list", Nothing{}, &list)
			if err == nil || !strings.Contains(err.Error(), c.says) || len(list) != 0 {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestAProblemComesThrough(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusBadRequest, &Problem{Text: "no", Hint: "do", Usage: true})
	})
	p, ok := errors.AsType[*Problem](c.Call(t.Context(), "cert/list", Nothing{}, nil))
	if !ok || *p != (Problem{Text: "no", Hint: "do", Usage: true}) {
		t.Errorf("got %+v", p)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does net/http watch the connection
		cancel()
		<-r.Context().Done() // the client is gone
	})
	if err := c.Call(ctx, "cert/list", Nothing{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := Dial(ctx, t.TempDir()); err == nil {
		t.Error("dialled")
	}
	if err := c.Call(t.Context(), "cert/list", func() {}, nil); err == nil {
		t.Error("a request that cannot be written was sent")
	}
}
