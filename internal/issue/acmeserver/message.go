package acmeserver

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/ca"
)

// read reads and checks a signed message, in this order: what it says of itself, who signed it, whether it is for this
// address and comes for the first time. Bare says that the key itself may stand in it.
func (q *question) read(bare bool) error {
	// RFC 8555 section 6.2: any other type is 415.
	if kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type")); err != nil || kind != "application/jose+json" {
		p := acme.Problemf(acme.Malformed, "want Content-Type: application/jose+json")
		p.Status = http.StatusUnsupportedMediaType
		return p
	}
	body, err := q.body()
	if err != nil {
		return err
	}
	if q.message, err = acme.ParseMessage(body); err != nil {
		return acme.Problemf(acme.Malformed, "%v", err)
	}
	h := q.message.Header
	number, ours := q.s.nonces.made(h.Nonce)
	switch {
	case !ours:
		return acme.Problemf(acme.BadNonce, "the nonce is none of this server's, or an hour old")
	case h.KeyID != "" && h.JWK != nil:
		return acme.Problemf(acme.Malformed, "both kid and jwk") // RFC 8555 section 6.2: mutually exclusive
	case h.KeyID == "" && h.JWK == nil:
		return acme.Problemf(acme.Malformed, "neither kid nor jwk")
	case h.JWK != nil && !bare, h.KeyID != "" && bare && strings.HasSuffix(q.r.URL.Path, "/new-account"):
		return acme.Problemf(acme.Malformed, "this address wants the other of kid and jwk")
	}
	if h.JWK != nil {
		// Whether anybody can find its private half is looked for when it becomes an account's: that takes ten times as long as
		// a signature, and here anybody may ask. Who holds the weak key of a certificate may take it back.
		if q.key, err = acme.ParseKey(h.JWK); err != nil {
			return badKey(err)
		}
	} else if err := q.findAccount(h.KeyID); err != nil {
		return err
	}
	if err := q.message.Verify(q.key); err != nil {
		return signatureProblem(err)
	}
	switch {
	case h.URL != "https://"+q.r.Host+q.r.URL.Path:
		return acme.Problemf(acme.Unauthorized, "the message was signed for another address") // RFC 8555 section 6.4
	case !q.s.nonces.use(number):
		return acme.Problemf(acme.BadNonce, "the nonce was used before")
	case h.KeyID == "":
		return nil
	case q.account.Status != state.ACMEValid:
		return acme.Problemf(acme.Unauthorized, "the account is %s", q.account.Status)
	}
	if wait := q.s.requests.take(q.account.ID); wait > 0 {
		return tooOften("too many requests of this account", wait)
	}
	return nil
}

// body reads the message while there is room for it.
func (q *question) body() ([]byte, error) {
	from := neighbourhood(q.r)
	if !q.s.reading.enter(from) {
		return nil, tooOften("too many messages are being read", retryAfter)
	}
	defer q.s.reading.leave(from)
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxBodyBytes))
	if err != nil {
		p := acme.Problemf(acme.Malformed, "the body is longer than %d octets, or did not come whole", maxBodyBytes)
		p.Status = http.StatusRequestEntityTooLarge
		return nil, p
	}
	return body, nil
}

func badKey(err error) *acme.Problem {
	p := acme.Problemf(acme.BadPublicKey, "%v", err)
	p.Algorithms = acme.Algorithms()
	return p
}

func signatureProblem(err error) *acme.Problem {
	if _, ok := errors.AsType[*acme.AlgorithmError](err); ok {
		p := acme.Problemf(acme.BadSignatureAlgorithm, "%v", err)
		p.Algorithms = acme.Algorithms()
		return p
	}
	return acme.Problemf(acme.Unauthorized, "%v", err)
}

// findAccount reads who signs.
func (q *question) findAccount(kid string) error {
	id, ok := strings.CutPrefix(kid, q.base+"/account/")
	if !ok || len(id) > 64 {
		return acme.Problemf(acme.AccountDoesNotExist, "kid is no address of an account here")
	}
	found, err := q.s.account(q.r.Context(), id)
	if errors.Is(err, state.ErrNotFound) || err == nil && found.row.Authority != q.authority {
		return acme.Problemf(acme.AccountDoesNotExist, "there is no such account")
	}
	q.account, q.key = found.row, found.key
	return err
}

// payload reads what the message says into v.
func (q *question) payload(v any) error {
	if err := acme.ReadJSON(q.message.Payload, v); err != nil {
		return acme.Problemf(acme.Malformed, "payload: %v", err)
	}
	return nil
}

// asGet says whether nothing is said, RFC 8555 section 6.3.
func (q *question) asGet() bool { return len(q.message.Payload) == 0 }

// answer writes an object.
func (q *question) answer(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	q.w.Write(body) // the client is gone when this fails
	return nil
}

// statusOf is the status of HTTP that goes with a problem.
func statusOf(p *acme.Problem) int {
	switch p.Type {
	case acme.ServerInternal:
		return http.StatusInternalServerError
	case acme.RateLimited:
		return http.StatusTooManyRequests
	case acme.Unauthorized, acme.OrderNotReady, acme.ExternalAccountRequired, acme.CAA, acme.RejectedIdentifier, acme.UserActionRequired:
		return http.StatusForbidden
	case acme.AlreadyReplaced:
		return http.StatusConflict // RFC 9773 section 5
	}
	return http.StatusBadRequest // RFC 8555 section 7.3.1: accountDoesNotExist too
}

// limited is a problem with the time at which to come back.
type limited struct {
	*acme.Problem
	wait time.Duration
}

// Error is the problem's.
func (l *limited) Error() string { return l.Problem.Error() }

// tooOften says that something was done too often, RFC 8555 section 6.6.
func tooOften(what string, wait time.Duration) error {
	return &limited{acme.Problemf(acme.RateLimited, "%s; come back in %v", what, wait.Round(time.Second)), wait}
}

// refuse writes the problem that an error is. What is none of the client's business is serverInternal, and in the log.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *acme.Problem
	if l, ok := errors.AsType[*limited](err); ok {
		p = l.Problem
		w.Header().Set("Retry-After", strconv.Itoa(int((l.wait+time.Second-1)/time.Second)))
	} else if problem, ok := errors.AsType[*acme.Problem](err); ok {
		p = problem
	} else if errors.Is(err, ErrNoDirectory) {
		p = notThere()
	} else {
		s.Log.ErrorContext(r.Context(), "answering an ACME client", "path", r.URL.Path, "peer", r.RemoteAddr, "err", err)
		p = acme.Problemf(acme.ServerInternal, "the server could not do it now; its log says why")
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
		if errors.Is(err, ca.ErrOutcomeUnknown) {
			p.Detail = "it is not known whether it was done; look before you ask again"
		}
	}
	if p.Status == 0 {
		copied := *p
		p = &copied
		p.Status = statusOf(p)
	}
	body, marshal := json.Marshal(p)
	if marshal != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(body) // the client is gone when this fails
}

// peer is the address of who asks, without the port.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "?"
	}
	return host
}

// neighbourhood is what limits count for somebody who has no account: his address, or the /64 of it, since whoever has one
// address of IPv6 has all of those.
func neighbourhood(r *http.Request) string {
	a, err := netip.ParseAddr(peer(r))
	if err != nil || !a.Is6() || a.Is4In6() {
		return a.Unmap().String()
	}
	const subnet = 64
	p, err := a.WithZone("").Prefix(subnet)
	if err != nil {
		return a.String()
	}
	return p.String()
}

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
