package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/door"
	"postseal/internal/steer/hint"
)

// succeededAt is where a program asks, before it shows its token, whether a certificate that it does not know
// follows the one that it does.
const succeededAt = "/api/v1/succession"

// Options say how programs elsewhere are answered.
type Options struct {
	Desk    *desk.Desk
	Door    *door.Door // shared with the sign-in of the pages; nil means one of its own
	Log     *slog.Logger
	Metrics http.Handler // at /metrics; nil for none
	// LoopbackMetrics answers /metrics to 127.0.0.1 and ::1 without a token. Behind a reverse proxy on this machine that
	// would be everybody, so a request that says it was passed on needs one all the same.
	LoopbackMetrics bool
}

// Remote returns the handler of the management API for programs elsewhere. It is served over TLS only; each
// request but that for the description shows a token (RFC 6750 section 2.1: in the header, never in the address,
// where logs would keep it). Requests that are none of its own go to pages.
func Remote(o Options, pages http.Handler) http.Handler {
	if o.Door == nil {
		o.Door = new(door.Door)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &remote{Options: o}
	api := serveActs(o.Desk, o.Log, asker{who: r.who, refuse: r.refuse})
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", r.encrypted(api))
	mux.Handle("GET "+succeededAt, r.encrypted(http.HandlerFunc(r.succession)))
	mux.Handle("GET /metrics", r.encrypted(http.HandlerFunc(r.metrics)))
	mux.Handle("POST /sign-in", r.guarded(pages))
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		// Only what is ours goes through the mux: it would clean and redirect the paths of others.
		if strings.HasPrefix(q.URL.Path, "/api/v1/") || q.URL.Path == "/metrics" || q.URL.Path == "/sign-in" && q.Method == http.MethodPost {
			mux.ServeHTTP(w, q)
			return
		}
		pages.ServeHTTP(w, q)
	})
}

type remote struct{ Options }

// seconds rounds up: who comes back at the time that he is told gets in.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// encrypted refuses what did not come over TLS. The management listener is never anything else; this is for the
// day on which somebody mounts the handler elsewhere.
func (r *remote) encrypted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.TLS == nil {
			answer(w, http.StatusForbidden, ProblemOf(ErrInClear))
			return
		}
		h.ServeHTTP(w, q)
	})
}

// peerAddr is the address of who asks; invalid addresses are all counted as one.
func peerAddr(q *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(q.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return ap.Addr()
}

// bearer finds out who shows a token.
func (r *remote) bearer(q *http.Request) (desk.Bearer, error) {
	peer := peerAddr(q)
	if wait := r.Door.Wait(peer); wait > 0 {
		return desk.Bearer{}, &LockedOutError{Wait: wait}
	}
	scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(q.Header.Values("Authorization")) > 1 {
		return desk.Bearer{}, ErrNoToken // no try: browsers and scanners come by
	}
	b, err := r.Desk.Bearer(q.Context(), strings.TrimSpace(token))
	switch {
	case errors.Is(err, desk.ErrTokenInvalid):
		r.Door.Bad(peer)
	case err == nil:
		r.Door.Good(peer)
	}
	return b, err
}

// who is the actor of a request with a token.
func (r *remote) who(q *http.Request) (state.Actor, context.Context, error) {
	b, err := r.bearer(q)
	if err != nil {
		return state.Actor{}, q.Context(), err
	}
	return state.Actor{Who: "token " + b.Name, From: "api " + peerAddr(q).String()}, desk.WithBearer(q.Context(), b), nil
}

// refuse answers a request without a good token (RFC 6750 section 3: a request without one is told the scheme and
// nothing more; one with a bad one, that it is invalid).
func (r *remote) refuse(w http.ResponseWriter, q *http.Request, err error) {
	locked, wait := errors.AsType[*LockedOutError](err)
	switch {
	case wait:
		r.Log.DebugContext(q.Context(), "management request refused", "peer", q.RemoteAddr, "err", err)
		w.Header().Set("Retry-After", strconv.Itoa(seconds(locked.Wait)))
		answer(w, http.StatusTooManyRequests, ProblemOf(err))
		return
	case errors.Is(err, ErrNoToken):
		w.Header().Set("WWW-Authenticate", `Bearer realm="postseal"`)
	case errors.Is(err, desk.ErrTokenInvalid), errors.Is(err, desk.ErrTokenExpired):
		h := hint.For(err)
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="postseal", error="invalid_token", error_description="%s"`, h.Text))
	default:
		r.Log.ErrorContext(q.Context(), "management request failed", "peer", q.RemoteAddr, "err", err)
		answer(w, http.StatusInternalServerError, &Problem{Text: "the server could not read its state; its log says why"})
		return
	}
	r.Log.WarnContext(q.Context(), "management request refused", "peer", q.RemoteAddr, "err", err)
	answer(w, http.StatusUnauthorized, ProblemOf(err))
}

// succession answers strangers. Asking for what is not there is a bad try: each costs a look through everything.
func (r *remote) succession(w http.ResponseWriter, q *http.Request) {
	peer := peerAddr(q)
	if wait := r.Door.Wait(peer); wait > 0 {
		r.refuse(w, q, &LockedOutError{Wait: wait})
		return
	}
	s, err := r.Desk.Succession(q.Context(), q.URL.Query().Get("from"), q.URL.Query().Get("nonce"))
	if err != nil {
		r.Door.Bad(peer)
		answer(w, http.StatusNotFound, ProblemOf(err))
		return
	}
	answer(w, http.StatusOK, s)
}

// metrics answers a token of any scope, and loopback if asked to.
func (r *remote) metrics(w http.ResponseWriter, q *http.Request) {
	if r.Metrics == nil {
		answer(w, http.StatusNotFound, &Problem{Text: "there are no metrics here"})
		return
	}
	if !(r.LoopbackMetrics && peerAddr(q).Unmap().IsLoopback() && !passedOn(q)) {
		if _, err := r.bearer(q); err != nil {
			r.refuse(w, q, err)
			return
		}
	}
	r.Metrics.ServeHTTP(w, q)
}

// passedOn says whether a proxy has left its mark on a request.
func passedOn(q *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if q.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// guarded counts sign-in links that are not good. The pages answer 403 to those, and lead on with 303 from a good one.
func (r *remote) guarded(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		peer := peerAddr(q)
		if wait := r.Door.Wait(peer); wait > 0 {
			r.Log.WarnContext(q.Context(), "sign-in refused", "peer", q.RemoteAddr, "err", &LockedOutError{Wait: wait})
			h := w.Header()
			h.Set("Retry-After", strconv.Itoa(seconds(wait)))
			h.Set("Content-Type", "text/plain; charset=utf-8")
			h.Set("Content-Security-Policy", "default-src 'none'")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprintf(w, "Too many sign-in links that are not good came from your address. Wait %[1]d seconds, then use a new one: postseal admin link\n\n"+
				"이 주소에서 올바르지 않은 로그인 링크가 너무 많이 왔습니다. %[1]d초 기다린 뒤 새 링크를 쓰십시오: postseal admin link\n", seconds(wait))
			return
		}
		seen := &statusSeen{ResponseWriter: w}
		pages.ServeHTTP(seen, q)
		switch seen.status {
		case http.StatusForbidden:
			r.Door.Bad(peer)
		case http.StatusSeeOther:
			r.Door.Good(peer)
		}
	})
}

// statusSeen remembers the status that was answered.
type statusSeen struct {
	http.ResponseWriter
	status int
}

func (s *statusSeen) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusSeen) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// hostPort is where a management listener is, of what people type.
func hostPort(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		return "", &RemoteAddressError{Address: text}
	}
	rest = strings.TrimSuffix(rest, "/")
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = strings.Trim(rest, "[]"), "8172"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/?#@ \\[]%") {
		return "", &RemoteAddressError{Address: text}
	}
	return net.JoinHostPort(strings.ToLower(host), port), nil
}
