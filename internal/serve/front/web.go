package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// What a web client may cost; a page of ours is small and answered at once.
const (
	webHeader      = 10 * time.Second // to send the head of a request
	webBlock       = 5 * time.Second  // to send 32 KiB of its body, or what is left of it
	webRead        = time.Minute      // to send all of it
	webWrite       = 2 * time.Minute  // to take the answer
	webIdle        = time.Minute      // between two requests
	webLife        = time.Hour        // of one connection, however busy
	webHeaderBytes = 16 << 10
)

// What one connection of HTTP/2 may have under way. RFC 9113 section 6.5.2 advises no fewer than 100 streams; net/http has 250
// with a megabyte, and the connections of one address had a gigabyte.
const (
	webStreams     = 100
	webWindowBytes = 256 << 10 // that were sent and are not read, of all streams
	webStreamBytes = 64 << 10  // of one
)

// Web is a listener for web pages: what [Listener] is for mail.
type Web struct {
	Name     string       // as in spec/cli.md: "http", "https", "management"
	TLS      *tls.Config  // for ServeHTTPS
	Handler  http.Handler // for ServeHTTPS; nil: everything is 404
	Limits   Limits       // only Connections, PerAddress and Drain count here
	Pool     *Pool        // as of Listener. Management has another than the ports of strangers, so that it is there when they are full
	Counters *Counters    // nil: counts nowhere
	Log      *slog.Logger // nil: no log
	// TargetPort is the port that ServeRedirect sends to; zero: 443. With a port offset it is 443 plus that.
	TargetPort uint16
	// Plain answers what ServeRedirect does not redirect: addresses below PlainPrefix. Nil: nothing.
	Plain http.Handler
}

// PlainPrefix begins the addresses that are answered without TLS: what is fetched there is signed, and fetching it over
// TLS could itself need it (RFC 5280 section 8).
const PlainPrefix = "/pki/"

// ServeHTTPS serves w.Handler over TLS until ctx ends, then lets requests finish for Limits.Drain. Which
// versions of HTTP are spoken is told by w.TLS (NextProtos). It returns an error only when ln failed by itself.
func ServeHTTPS(ctx context.Context, ln net.Listener, w Web) error {
	if w.TLS == nil {
		ln.Close()
		return fmt.Errorf("serving %s: %w", w.Name, ErrNoTLS)
	}
	if w.Handler == nil {
		w.Handler = http.NotFoundHandler()
	}
	return w.serve(ctx, ln)
}

// ServeRedirect answers every request with a redirect to the same name and path over HTTPS, except what w.Plain answers.
func ServeRedirect(ctx context.Context, ln net.Listener, w Web) error {
	w.TLS = nil
	w.Handler = redirect(w.TargetPort)
	if w.Plain != nil {
		elsewhere := w.Handler
		w.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, PlainPrefix) {
				w.Plain.ServeHTTP(rw, r)
				return
			}
			elsewhere.ServeHTTP(rw, r)
		})
	}
	return w.serve(ctx, ln)
}

func (w Web) serve(ctx context.Context, ln net.Listener) error {
	if w.Counters == nil {
		w.Counters = &Counters{}
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	w.Log = w.Log.With("listener", w.Name)
	w.Limits = w.Limits.withDefaults()
	slots := newSlots(w.Limits, w.Counters, w.Pool)
	limited := &limitedListener{door: door{Listener: ln, name: w.Name, pool: slots.pool, log: w.Log}, ctx: ctx, slots: slots, counters: w.Counters}
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           w.guarded(),
		ReadHeaderTimeout: webHeader,
		ReadTimeout:       webRead,
		WriteTimeout:      webWrite,
		IdleTimeout:       webIdle,
		MaxHeaderBytes:    webHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: webStreams, MaxReceiveBufferPerConnection: webWindowBytes, MaxReceiveBufferPerStream: webStreamBytes},
		ErrorLog:          slog.NewLogLogger(countingHandler{w.Log.Handler(), w.Counters}, slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, webConnKey{}, webConnOf(conn))
		},
		ConnState: stateOf,
	}
	var accepting net.Listener = limited
	if w.TLS != nil {
		accepting = tls.NewListener(limited, w.TLS)
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = server.Serve(accepting)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		server.Close()
		return fmt.Errorf("serving %s: %w", w.Name, failed)
	}
	// Connections without a request would hold Shutdown up for five seconds.
	slots.evictUnheard()
	last, stop := context.WithTimeout(requests, w.Limits.Drain)
	defer stop()
	if err := server.Shutdown(last); err != nil {
		w.Log.InfoContext(ctx, "closing requests that did not end", "err", err)
		cancel()
		server.Close()
	}
	<-ended
	return nil
}

// guarded keeps a panic within its request, where net/http would only log it as noise, ends connections that
// would be kept alive for ever, and lets those be sent away whose request does not come to its end.
func (w Web) guarded() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				w.Counters.Panics.Add(1)
				w.Log.ErrorContext(r.Context(), "panic in a request", "panic", p, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		c, ok := r.Context().Value(webConnKey{}).(*webConn)
		if ok && time.Since(c.accepted) > webLife {
			rw.Header().Set("Connection", "close")
		}
		if ok && r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
			r = c.awaitBody(rw, r)
		}
		w.Handler.ServeHTTP(rw, r)
	})
}

// redirect sends to the same name and path at port over HTTPS.
func redirect(port uint16) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // there is nothing more to ask here
		// Host is the client's own word, sent back to it alone; but only a name or an address, or it could be
		// made to point elsewhere ("me@other").
		host := (&url.URL{Host: r.Host}).Hostname()
		addr, err := netip.ParseAddr(host)
		switch {
		case err == nil && addr.Is6():
			host = "[" + addr.WithZone("").String() + "]"
		case err != nil && !plainHost(host):
			http.Error(w, "this server speaks HTTPS", http.StatusBadRequest)
			return
		}
		if port != 0 && port != 443 {
			host += ":" + strconv.Itoa(int(port))
		}
		target := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		// 308 keeps the method: what was posted in clear is posted again, in TLS.
		http.Redirect(w, r, target.String(), http.StatusPermanentRedirect)
	})
}

func plainHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for _, c := range []byte(host) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// countingHandler counts failed handshakes among the complaints of net/http, which are internet noise.
type countingHandler struct {
	slog.Handler
	counters *Counters
}

// Enabled says yes always, since what is not shown is still counted.
func (countingHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle counts the record and passes it on if its level is wanted.
func (h countingHandler) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "TLS handshake error") {
		h.counters.HandshakeFailures.Add(1)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	constant := slog.NewRecord(r.Time, r.Level, "web server", r.PC)
	constant.AddAttrs(slog.String("err", r.Message))
	return h.Handler.Handle(ctx, constant)
}
