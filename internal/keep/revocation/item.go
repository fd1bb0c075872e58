package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/fetch"
)

// sourceID names what one item holds: an address and what it is asked about. The issuer is a part of it, so that a
// certificate of one authority cannot put a list under an address that another authority's certificates carry.
type sourceID struct {
	Method Method
	URL    string
	About  string // hex SHA-256 of the issuer's name and key, and of the certificate for OCSP
}

func sourceOf(m Method, address string, q Query) sourceID {
	h := sha256.New()
	h.Write(q.Issuer.RawSubject)
	h.Write(q.Issuer.RawSubjectPublicKeyInfo)
	if m == MethodOCSP {
		h.Write(q.Cert.Raw)
	}
	return sourceID{Method: m, URL: address, About: hex.EncodeToString(h.Sum(nil))}
}

// file is the name of the source's files without their ending.
func (id sourceID) file() string {
	digest := sha256.Sum256([]byte(string(id.Method) + "\x00" + id.URL + "\x00" + id.About))
	return hex.EncodeToString(digest[:])
}

// item is one source and the last good data from it. All of it is guarded by Checker.mu but id, which never changes;
// crl and response are never changed, only replaced.
type item struct {
	id       sourceID
	crl      *CRL      // nil if there is none, or not in memory
	response *response // nil if there is none, or not in memory
	onDisk   bool      // the file is there, and not in memory unless crl or response is
	bytes    int64     // of the file
	used     time.Time // when somebody asked

	fetched    time.Time
	thisUpdate time.Time
	nextUpdate time.Time

	// cert, issuer and signer are those of the query that the data answered: what they are checked against when
	// Run fetches their successor. cert is nil for lists, signer if it was the issuer.
	cert, issuer, signer *x509.Certificate

	// wanted is a question that Kept could not answer, for Run to ask; nil once something was fetched.
	wanted *Query

	failures int
	failing  time.Time // when the first of them was
	lastErr  error
	due      time.Time     // when the data are fetched anew, or asked for again after a failure
	flight   chan struct{} // not nil while somebody fetches; closed at the end
}

// patience is how long a server must have had to answer before its silence counts as a failure.
const patience = time.Second

// maxItems bounds what is remembered. Whoever asks about more certificates than this asks again.
const maxItems = 8192

// item finds or makes the item of a source and notes that it was used.
func (c *Checker) item(id sourceID) *item {
	c.mu.Lock()
	it := c.items[id.file()]
	var gone []*item
	if it == nil {
		it = &item{id: id}
		c.items[id.file()] = it
		gone = c.trimItems(it)
	}
	it.used = time.Now()
	c.mu.Unlock()
	if err := c.remove(gone); err != nil {
		c.log.Error("revocation data not removed from disk", "err", err)
	}
	return it
}

// inForce reports whether the data are in memory and hold now.
func (it *item) inForce(now time.Time) bool {
	if it.crl == nil && it.response == nil {
		return false
	}
	end := it.nextUpdate
	if end.IsZero() {
		end = it.thisUpdate.Add(maxAgeWithoutNext)
	}
	return !now.After(end)
}

// procure sees to it that the item has data in memory that hold, if they can be had. An error does not mean that it has
// none: the last good data stay, and their age is for the reader to judge. Of several callers at once one fetches, in
// his own time, and the others wait.
func (c *Checker) procure(ctx context.Context, it *item, q Query) error {
	for {
		c.mu.Lock()
		now := time.Now()
		if it.inForce(now) {
			c.mu.Unlock()
			return nil
		}
		if it.flight == nil {
			break
		}
		flight := it.flight
		c.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", it.id.URL, context.Cause(ctx))
		}
	}
	it.flight = make(chan struct{})
	c.mu.Unlock()
	err := c.fly(ctx, it, q)
	c.mu.Lock()
	close(it.flight)
	it.flight = nil
	c.mu.Unlock()
	c.poke() // not earlier: Run passes over what is in flight
	return err
}

// fly loads and, if need be, fetches. Only the one who has set it.flight calls it.
func (c *Checker) fly(ctx context.Context, it *item, q Query) error {
	c.mu.Lock()
	onDisk := it.onDisk && it.crl == nil && it.response == nil
	c.mu.Unlock()
	if onDisk {
		c.load(it)
	}
	c.mu.Lock()
	inForce, wait, last := it.inForce(time.Now()), it.failures > 0 && time.Now().Before(it.due), it.lastErr
	c.mu.Unlock()
	if inForce {
		return nil
	}
	if wait {
		return last // asked a moment ago; a server that is down is not asked for every certificate
	}
	return c.fetch(ctx, it, q)
}

var errNobodyAsked = errors.New("nobody is asked by this configuration")

// fetch asks the source, checks the answer, and keeps it. What is not good leaves the item as it was, but for the
// failure.
func (c *Checker) fetch(ctx context.Context, it *item, q Query) error {
	if c.o.Fetch == nil {
		return fmt.Errorf("fetching %s: %w", it.id.URL, errNobodyAsked)
	}
	began := time.Now()
	d, err := c.download(ctx, it, q)
	if err == nil {
		c.keep(ctx, it, d)
		return nil
	}
	// A caller who went away, or had no time left, says nothing about the server. One who waited does: or a thousand
	// certificates that name a server which hangs would wait for it a thousand times.
	if ctx.Err() != nil && (errors.Is(ctx.Err(), context.Canceled) || time.Since(began) < patience) {
		return err
	}
	c.mu.Lock()
	c.failed(it, err)
	failures := it.failures
	c.mu.Unlock()
	c.log.WarnContext(ctx, "revocation data not fetched", "url", it.id.URL, "method", it.id.Method, "failures", failures, "err", err)
	return err
}

// data is an answer that was checked and may be kept.
type data struct {
	crl                    *CRL
	response               *response
	thisUpdate, nextUpdate time.Time
	cert, issuer, signer   *x509.Certificate
}

func (d data) raw() []byte {
	if d.crl != nil {
		return d.crl.raw
	}
	return d.response.raw
}

func (c *Checker) download(ctx context.Context, it *item, q Query) (d data, err error) {
	request := fetch.Request{URL: it.id.URL, MaxBytes: c.o.MaxListBytes}
	var nonce []byte
	if it.id.Method == MethodOCSP {
		// SHA-1 is what responders look their answers up by; see certIDHashes.
		id, err := newCertID(certIDHashes["\x2b\x0e\x03\x02\x1a"], q.Cert, q.Issuer)
		if err != nil {
			return d, err
		}
		if c.o.Nonce {
			nonce = newNonce()
		}
		body, err := ocspRequest(id, nonce)
		if err != nil {
			return d, err
		}
		request = fetch.Request{URL: it.id.URL, Body: body, ContentType: "application/ocsp-request", Accept: "application/ocsp-response", MaxBytes: MaxOCSPBytes}
	}
	answer, err := c.o.Fetch.Do(ctx, request)
	if err != nil {
		return d, err // it names the address
	}
	q.At = time.Now() // an answer is kept if it holds now, whatever time the question was about
	if it.id.Method == MethodOCSP {
		d, err = checkResponse(answer.Body, q, it.id.URL, nonce)
	} else {
		d, err = checkList(ctx, answer.Body, q)
	}
	c.mu.Lock()
	had := it.thisUpdate
	c.mu.Unlock()
	if err == nil && d.thisUpdate.Before(had) {
		// Somebody sends what was true before a revocation.
		err = fmt.Errorf("it is older than the one that is kept, of %s", had.Format(time.RFC3339))
	}
	switch {
	case err == nil:
		return d, nil
	case it.id.Method == MethodOCSP:
		return d, &ResponderTrustError{URL: it.id.URL, Cause: err}
	}
	return d, &ListError{Source: it.id.URL, Cause: err}
}

// checkList reads a fetched list and checks that it may be kept: authentic, usable, and in force.
func checkList(ctx context.Context, der []byte, q Query) (d data, err error) {
	l, err := ParseCRL(der)
	if err != nil {
		return d, err
	}
	e := evaluation{q: q, vouched: map[[32]byte]error{}}
	signer, err := e.authentic(ctx, l)
	if err != nil {
		return d, err
	}
	if l.unusable != "" {
		return d, errors.New(l.unusable)
	}
	if err := e.timely(Finding{ThisUpdate: l.thisUpdate, NextUpdate: l.nextUpdate}); err != nil {
		return d, err
	}
	return data{crl: l, thisUpdate: l.thisUpdate, nextUpdate: l.nextUpdate, issuer: q.Issuer, signer: signer}, nil
}

// checkResponse reads a fetched OCSP response and checks that it may be kept.
func checkResponse(der []byte, q Query, address string, nonce []byte) (d data, err error) {
	r, err := parseResponse(der)
	if err != nil {
		return d, err
	}
	f, _, err := r.judge(q, address, nonce)
	if err != nil {
		return d, err
	}
	return data{response: r, thisUpdate: f.ThisUpdate, nextUpdate: f.NextUpdate, cert: q.Cert, issuer: q.Issuer}, nil
}
