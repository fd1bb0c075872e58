package acmeserver

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/challenge"
)

// Authority is what issues. Its methods may be called from many goroutines.
type Authority interface {
	// Offer returns what is issued for a purpose now. [ErrNoDirectory]: nothing is.
	Offer(ctx context.Context, authority string) (*Offer, error)
	// Certify takes a request through the steps of docs/issuance.md. An error that wraps [ca.ErrOutcomeUnknown] says that
	// it may be there.
	Certify(ctx context.Context, a Ask) error
	// Chain returns the PEM of the authority that issued a certificate and of those above it, one after the other.
	Chain(ctx context.Context, i state.Issuance) (string, error)
	// Finish goes on with what was planned and not recorded.
	Finish(ctx context.Context, serial string) error
	// TakeBack revokes a certificate. One that was revoked is [state.ErrExists].
	TakeBack(ctx context.Context, who state.Actor, serial string, reason int) error
	// SharedKey opens the key of an external account binding.
	SharedKey(ctx context.Context, secretID string) (keys.Secret, error)
}

// ErrNoDirectory says that nothing is issued for that purpose.
var ErrNoDirectory = errors.New("there is no ACME directory of that name")

// Offer is what an authority issues.
type Offer struct {
	Issuer   *ca.Issuer
	Profiles map[string]*ca.Profile
	CAA      []string // domains by which CAA records name us
}

// Ask is a request whose names are proved.
type Ask struct {
	Purpose   string // of the authority
	Profile   string
	PublicKey crypto.PublicKey
	Names     []string
	Requester string
	Who       state.Actor
	// Planned is called within the transaction that plans a serial.
	Planned func(tx *state.Tx, serial string) error
}

// Options say what a server works on.
type Options struct {
	State     *state.DB
	Server    string // id of this server, for the audit trail
	Authority Authority
	Validator *challenge.Validator
	// Known says whether this server is called so. A message that was signed for another server must not be taken here. It
	// is asked after an Offer was made.
	Known func(host string) bool
	// OpenProfile is the profile of accounts that show no key. Empty: each must show one.
	OpenProfile string
	// OrdersPerHour bounds the orders of one account. Zero means 300.
	OrdersPerHour int
	Log           *slog.Logger
}

// The bounds.
const (
	maxBodyBytes      = 64 << 10
	defaultOrders     = 300
	failuresPerHour   = 60 // validations and requests (PKCS #10) of one account that failed
	requestsPerOrder  = 40 // messages of one account, for each order that it may make; a patient client needs ten
	accountsPerHour   = 20 // of one address
	maxChecking       = 64 // validations at once
	maxCheckingOfOne  = 16 // of one account
	waitForValidation = time.Second
	orderLife         = 24 * time.Hour
	retryAfter        = 3 * time.Second
)

// Server answers ACME clients. Only [New] makes one.
type Server struct {
	Options
	nonces *nonces
	judge  *keys.PublicJudge

	orders, renewals, failures, registrations, requests limit
	reading                                             reading

	proofs   proofs
	accounts accounts
	pending  pending
}

// New makes a server.
func New(o Options) (*Server, error) {
	switch {
	case o.State == nil || o.Authority == nil || o.Validator == nil || o.Known == nil:
		return nil, errors.New("acmeserver: internal error: want a state, an authority, a validator and names")
	case o.OrdersPerHour < 0:
		return nil, fmt.Errorf("acme: %d orders an hour", o.OrdersPerHour)
	}
	if o.OrdersPerHour == 0 {
		o.OrdersPerHour = defaultOrders
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{Options: o, nonces: newNonces(), judge: keys.NewQuickPublicJudge(),
		orders: limit{perHour: float64(o.OrdersPerHour)}, renewals: limit{perHour: float64(o.OrdersPerHour)}, requests: limit{perHour: float64(requestsPerOrder * o.OrdersPerHour)},
		failures: limit{perHour: failuresPerHour}, registrations: limit{perHour: accountsPerHour}}, nil
}

// tidyEvery is how often old orders are looked for.
const tidyEvery = time.Hour

// Run writes down what was proved, and tidies, until ctx ends; then it waits for validations that are under way.
func (s *Server) Run(ctx context.Context) {
	keep := time.NewTicker(time.Second)
	defer keep.Stop()
	var tidied time.Time
	for {
		if now := time.Now(); now.Sub(tidied) >= tidyEvery || now.Before(tidied) {
			tidied = now
			s.tidy(ctx)
		}
		select {
		case <-keep.C:
			now := time.Now()
			s.keepProofs(ctx, now, now.Add(-proofAge))
		case <-ctx.Done():
			s.proofs.running.Wait()
			now := time.Now()
			s.keepProofs(context.WithoutCancel(ctx), now, now.Add(time.Nanosecond)) // what was found out this moment too
			return
		}
	}
}

// How long orders are kept after their end. What an order has renewed is remembered as long as a certificate lives.
const (
	keepUnused = time.Hour
	keepUsed   = 400 * 24 * time.Hour
)

func (s *Server) tidy(ctx context.Context) {
	var n int64
	now := time.Now()
	err := s.State.Keep(ctx, func(tx *state.Tx) (err error) {
		n, err = tx.TidyACME(now.Add(-keepUnused), now.Add(-keepUsed))
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "forgetting old orders", "err", err)
	}
	if n > 0 {
		s.Log.InfoContext(ctx, "old orders forgotten", "orders", n)
	}
}

// Prefix begins the addresses of every directory.
const Prefix = "/acme/"

// Handler answers what is below [Prefix]. It must be served over TLS (RFC 8555 section 6.1).
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.TLS == nil {
			s.refuse(w, r, acme.Problemf(acme.Malformed, "ACME is spoken over TLS"))
			return
		}
		authority, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
		if !ok || r.URL.RawQuery != "" {
			s.refuse(w, r, notThere())
			return
		}
		offer, err := s.Authority.Offer(r.Context(), authority)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if !s.Known(r.Host) {
			p := acme.Problemf(acme.Malformed, "this server is not called %q", clip(r.Host))
			p.Status = http.StatusMisdirectedRequest
			s.refuse(w, r, p)
			return
		}
		q := &question{s: s, w: w, r: r, authority: authority, offer: offer, base: "https://" + r.Host + Prefix + authority}
		if rest != "directory" {
			w.Header().Set("Link", "<"+q.base+`/directory>;rel="index"`)
		}
		if err := q.route(rest); err != nil {
			s.refuse(w, r, err)
		}
	})
}

// question is one request on its way. It belongs to one goroutine.
type question struct {
	s         *Server
	w         http.ResponseWriter
	r         *http.Request
	authority string // the purpose: it outlives a roll-over
	offer     *Offer
	base      string // of the directory's addresses

	message *acme.Message
	key     *acme.Key // that signed
	account state.ACMEAccount
}

func notThere() *acme.Problem {
	p := acme.Problemf(acme.Malformed, "there is nothing here")
	p.Status = http.StatusNotFound
	return p
}

// route finds what answers.
func (q *question) route(rest string) error {
	parts := strings.Split(rest, "/")
	read := q.r.Method == http.MethodGet || q.r.Method == http.MethodHead
	switch {
	case rest == "directory" && read:
		return q.directory()
	case rest == "new-nonce" && read:
		q.w.Header().Set("Replay-Nonce", q.s.nonces.fresh())
		if q.r.Method == http.MethodGet {
			q.w.WriteHeader(http.StatusNoContent) // RFC 8555 section 7.2
		}
		return nil
	case len(parts) == 2 && parts[0] == "renewal-info" && read:
		return q.renewalInfo(parts[1])
	}
	post := map[string]struct {
		parts int
		bare  bool // the key itself may sign, without an account
		f     func(parts []string) error
	}{
		"new-account": {1, true, q.newAccount}, "new-order": {1, false, q.newOrder}, "key-change": {1, false, q.keyChange}, "revoke-cert": {1, true, q.revoke},
		"account": {2, false, q.accountAt}, "orders": {2, false, q.ordersOf}, "order": {2, false, q.orderAt}, "finalize": {2, false, q.finalize},
		"authz": {3, false, q.authorizationAt}, "challenge": {4, false, q.challengeAt}, "cert": {2, false, q.certificate},
	}
	at, ok := post[parts[0]]
	if !ok || len(parts) != at.parts {
		return notThere()
	}
	if q.r.Method != http.MethodPost {
		// RFC 8555 section 6.3: GET is for the directory and nonces.
		q.w.Header().Set("Allow", http.MethodPost)
		p := acme.Problemf(acme.Malformed, "want POST")
		p.Status = http.StatusMethodNotAllowed
		return p
	}
	q.w.Header().Set("Replay-Nonce", q.s.nonces.fresh())
	if err := q.read(at.bare); err != nil {
		return err
	}
	return at.f(parts[1:])
}

// directory tells where everything is, RFC 8555 section 7.1.1.
func (q *question) directory() error {
	d := acme.Directory{NewNonce: q.base + "/new-nonce", NewAccount: q.base + "/new-account", NewOrder: q.base + "/new-order", RevokeCert: q.base + "/revoke-cert",
		KeyChange: q.base + "/key-change", RenewalInfo: q.base + "/renewal-info",
		Meta: acme.DirectoryMeta{ExternalAccountRequired: q.s.OpenProfile == "", CAAIdentities: q.offer.CAA, Profiles: map[string]string{}}}
	for name, p := range q.offer.Profiles {
		d.Meta.Profiles[name] = fmt.Sprintf("lives %d days", p.Options().Life/(24*time.Hour))
	}
	// It changes when a profile does, or never. RFC 8555 section 7.1.1 has clients ask for it before everything else.
	q.w.Header().Set("Cache-Control", "max-age=300")
	return q.answer(http.StatusOK, d)
}

// requester is how the book names an account.
func requester(account string) string { return "acme " + account }

// who is the actor of an account in the audit trail.
func (q *question) who() state.Actor {
	return state.Actor{Who: requester(q.account.ID), From: "acme " + peer(q.r)}
}

// owns says whether a line of the book is the account's.
func (q *question) owns(i state.Issuance) bool { return i.Requester == requester(q.account.ID) }

// proofs are what was found out about names and is not written down yet.
type proofs struct {
	running sync.WaitGroup

	// mu guards what follows. It is not held while anything is asked or written.
	mu       sync.Mutex
	byOrder  map[string]*proof
	checking int            // validations under way
	ofOne    map[string]int // by account
}
