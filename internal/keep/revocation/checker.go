package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postseal/internal/ground/fetch"
)

// Method is a way to ask.
type Method string

// The two ways.
const (
	MethodOCSP Method = "ocsp"
	MethodCRL  Method = "crl"
)

// Fetcher asks web servers. [fetch.Client] is one; tests have others that fail when they are told to.
type Fetcher interface {
	// Do returns the whole answer, no larger than r.MaxBytes, or an error that names the address.
	Do(ctx context.Context, r fetch.Request) (*fetch.Response, error)
}

// Options are what an administrator may ask of a checker; [Open] checks them.
type Options struct {
	Dir   string  // where answers are kept over a restart; it is made if it is not there; empty keeps them in memory alone
	Fetch Fetcher // nil asks nobody and lives on what is kept

	Methods []Method // in this order, until one knows; empty means OCSP, then lists
	Lists   *Lists   // lists that are at hand beside those that are fetched; nil means none
	// Nonce asks for answers that were made for the question. Many public responders ignore it, and then the answer
	// is taken without.
	Nonce bool

	MaxListBytes   int64        // of one list; zero means MaxCRLBytes, the most
	MaxDiskBytes   int64        // of all files in Dir; zero means 1 GiB
	MaxMemoryBytes int64        // of lists held ready, though the largest alone may be more; zero means 256 MiB
	Log            *slog.Logger // nil logs nothing
}

// Checker asks the addresses that certificates carry, and remembers. It is safe for use by several goroutines.
type Checker struct {
	o   Options
	log *slog.Logger

	// mu guards items and all that is in them. It is never held across reading, fetching or verifying.
	mu    sync.Mutex
	items map[string]*item
	wake  chan struct{} // of capacity 1: something in items is due earlier than Run knows

	generation atomic.Uint64
}

const (
	defaultDiskBytes   = 1 << 30
	defaultMemoryBytes = 256 << 20
	maxResponders      = 3 // of one certificate
	maxAddresses       = 8 // of lists, of one certificate
)

// Open makes a checker and finds what an earlier one kept in o.Dir. Nothing of that is believed before it has been
// checked again.
func Open(o Options) (*Checker, error) {
	if o.MaxListBytes < 0 || o.MaxListBytes > MaxCRLBytes || o.MaxDiskBytes < 0 || o.MaxMemoryBytes < 0 {
		return nil, fmt.Errorf("opening the revocation cache: a bound is negative or above %d bytes for a list", MaxCRLBytes)
	}
	for _, m := range o.Methods {
		if m != MethodOCSP && m != MethodCRL {
			return nil, fmt.Errorf("opening the revocation cache: %q is no way to ask; there are %s and %s", m, MethodOCSP, MethodCRL)
		}
	}
	o.Methods = slices.Clone(o.Methods)
	if len(o.Methods) == 0 {
		o.Methods = []Method{MethodOCSP, MethodCRL}
	}
	zero := func(n *int64, otherwise int64) {
		if *n == 0 {
			*n = otherwise
		}
	}
	zero(&o.MaxListBytes, MaxCRLBytes)
	zero(&o.MaxDiskBytes, defaultDiskBytes)
	zero(&o.MaxMemoryBytes, defaultMemoryBytes)
	c := &Checker{o: o, log: o.Log, items: map[string]*item{}, wake: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.Dir == "" {
		return c, nil
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the revocation cache: %w", err)
	}
	if err := c.readDir(); err != nil {
		return nil, fmt.Errorf("opening the revocation cache: %w", err)
	}
	return c, nil
}

// Check answers q. It fetches what is not at hand, so it takes as long as the servers and ctx let it. The error is that
// of ctx, or that q is incomplete; that nothing could be learnt is a finding.
func (c *Checker) Check(ctx context.Context, q Query) (Finding, error) {
	if err := q.check(); err != nil {
		return Finding{}, err
	}
	all := Finding{NotOffered: true}
	for _, m := range c.o.Methods {
		var f Finding
		var err error
		if m == MethodOCSP {
			f, err = c.askResponders(ctx, q)
		} else {
			f, err = c.askLists(ctx, q)
		}
		if err != nil {
			return Finding{}, err
		}
		if f.Status != Unknown {
			return f, nil
		}
		all.Problems = append(all.Problems, f.Problems...)
		all.NotOffered = all.NotOffered && f.NotOffered
		all.Disbelieved = all.Disbelieved || f.Disbelieved
		if f.LastStatus != "" {
			all.remember(f.LastStatus, f.LastGoodAge)
		}
	}
	u := unknown(all.Problems)
	all.Status, all.Why = Unknown, u.Why
	return all, nil
}

// askResponders asks the OCSP responders of the certificate one after the other.
func (c *Checker) askResponders(ctx context.Context, q Query) (Finding, error) {
	all := Finding{Status: Unknown, NotOffered: true}
	for i, address := range q.Cert.OCSPServer {
		if i == maxResponders {
			break
		}
		if !isWeb(address) {
			continue
		}
		all.NotOffered = false
		f, err := c.askResponder(ctx, q, address)
		if err == nil {
			return f, nil
		}
		if ctx.Err() != nil {
			return Finding{}, fmt.Errorf("checking revocation: %w", context.Cause(ctx))
		}
		all.Problems = append(all.Problems, err)
		if f.Status != "" && errors.Is(err, ErrOutdated) {
			all.remember(f.Status, q.At.Sub(f.ThisUpdate))
		}
		all.Disbelieved = all.Disbelieved || f.Disbelieved
	}
	return all, nil
}

// ResponderTrustError reports that an OCSP responder answered, and why its answer is not believed.
type ResponderTrustError struct {
	URL   string
	Cause error
}

func (e *ResponderTrustError) Error() string {
	return fmt.Sprintf("OCSP responder %s: %v", e.URL, e.Cause)
}

// Unwrap gives the cause.
func (e *ResponderTrustError) Unwrap() error { return e.Cause }

func (c *Checker) askResponder(ctx context.Context, q Query, address string) (Finding, error) {
	it := c.item(sourceOf(MethodOCSP, address, q))
	d, err := c.obtain(ctx, it, q)
	r := d.response
	if r == nil {
		return Finding{Disbelieved: isDisbelief(err)}, err
	}
	f, delegate, judged := r.judge(q, address, nil)
	if judged == nil {
		if judged = c.checkDelegate(ctx, q, delegate); judged == nil {
			return f, nil
		}
		f = Finding{}
	}
	// What was believed once and has run out since, because nobody answers, is not an answer that is disbelieved.
	f.Disbelieved = !errors.Is(judged, ErrOutdated) || err == nil || isDisbelief(err)
	return f, errors.Join(&ResponderTrustError{URL: address, Cause: judged}, err)
}

// checkDelegate asks the lists whether a responder's certificate was revoked, unless its issuer says that nobody needs
// to. No answer is no objection: RFC 6960 section 4.2.2.2.1 leaves that to us, and such certificates live for weeks.
func (c *Checker) checkDelegate(ctx context.Context, q Query, delegate *x509.Certificate) error {
	if delegate == nil || noCheck(delegate) || !slices.Contains(c.o.Methods, MethodCRL) {
		return nil
	}
	q.Cert = delegate
	f, err := c.askLists(ctx, q)
	if err != nil {
		return err
	}
	if f.Status == Revoked {
		return &SignatureError{Cause: fmt.Errorf("the responder's certificate was revoked on %s", f.RevokedAt.Format(time.RFC3339))}
	}
	return nil
}

// askLists asks the lists that the certificate points to, those at hand, and their deltas.
func (c *Checker) askLists(ctx context.Context, q Query) (Finding, error) {
	points, deltas, err := pointsOf(q.Cert)
	if err != nil {
		return unknown([]error{err}), nil
	}
	g := gathering{c: c, q: q, seen: map[string]bool{}}
	for _, p := range points {
		g.fetchPoint(ctx, p)
	}
	for _, p := range deltas {
		g.fetchPoint(ctx, p)
	}
	for _, l := range slices.Clone(g.lists) {
		for _, p := range l.freshest {
			g.fetchPoint(ctx, p)
		}
	}
	if ctx.Err() != nil {
		return Finding{}, fmt.Errorf("checking revocation: %w", context.Cause(ctx))
	}
	if c.o.Lists != nil {
		g.lists = append(g.lists, c.o.Lists.lists...)
	}
	f, err := evaluate(ctx, q, g.lists)
	if err != nil || f.Status != Unknown {
		return f, err
	}
	u := unknown(append(g.problems, f.Problems...))
	u.LastStatus, u.LastGoodAge = f.LastStatus, f.LastGoodAge
	u.Disbelieved = f.Disbelieved || slices.ContainsFunc(g.problems, isDisbelief)
	u.NotOffered = f.NotOffered && len(g.seen) == 0
	return u, nil
}

// gathering collects the lists for one query.
type gathering struct {
	c        *Checker
	q        Query
	lists    []list
	problems []error
	seen     map[string]bool // addresses
}

// fetchPoint gets the list of one distribution point from the first of its addresses that has it.
func (g *gathering) fetchPoint(ctx context.Context, p point) {
	for _, n := range p.names {
		if !isWeb(n.uri) || g.seen[n.uri] || len(g.seen) == maxAddresses || ctx.Err() != nil {
			continue
		}
		g.seen[n.uri] = true
		it := g.c.item(sourceOf(MethodCRL, n.uri, g.q))
		d, err := g.c.obtain(ctx, it, g.q)
		l := d.crl
		if err != nil {
			g.problems = append(g.problems, err)
		}
		if l != nil {
			g.lists = append(g.lists, list{CRL: l, source: n.uri, stale: err != nil})
			if err == nil {
				return
			}
		}
	}
}

// isWeb reports whether an address can be asked at all; lists over LDAP cannot.
func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// isDisbelief tells an answer that is not believed from no answer.
func isDisbelief(err error) bool {
	_, malformed := errors.AsType[*MalformedError](err)
	_, signature := errors.AsType[*SignatureError](err)
	_, list := errors.AsType[*ListError](err)
	_, responder := errors.AsType[*ResponderTrustError](err)
	return malformed || signature || list || responder
}

// Source is what a checker knows of one address.
type Source struct {
	Method     Method
	URL        string
	Fetched    time.Time // when what is kept was fetched; zero if nothing is
	ThisUpdate time.Time // of what is kept
	NextUpdate time.Time // of what is kept; zero if it does not say
	Failures   int       // in a row since then
	Failing    time.Time // when the first of them was; zero if there is none
	LastError  error     // of the last of them; nil if there is none
	NextTry    time.Time // when Run asks again
}

// Sources are the addresses that are asked, in the order of the alphabet: what a status page shows.
func (c *Checker) Sources() []Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Source
	for _, it := range c.items {
		all = append(all, Source{
			Method: it.id.Method, URL: it.id.URL, Fetched: it.fetched, ThisUpdate: it.thisUpdate, NextUpdate: it.nextUpdate,
			Failures: it.failures, Failing: it.failing, LastError: it.lastErr, NextTry: it.due,
		})
	}
	slices.SortFunc(all, func(a, b Source) int {
		if a.URL != b.URL {
			if a.URL < b.URL {
				return -1
			}
			return 1
		}
		return a.ThisUpdate.Compare(b.ThisUpdate)
	})
	return all
}
