package revocation

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"
)

// errNotAskedYet says why nothing is known: the first question was just noted.
var errNotAskedYet = errors.New("nobody has been asked yet")

// Kept answers q as Check does, but from memory and disk alone: it never waits for the network. What it misses is noted,
// and [Checker.Run] fetches it; [Checker.Generation] then changes.
func (c *Checker) Kept(ctx context.Context, q Query) (Finding, error) {
	q.kept = true
	return c.Check(ctx, q)
}

// Generation changes whenever an answer of [Checker.Kept] may be another than before, other than by the passing of time.
func (c *Checker) Generation() uint64 { return c.generation.Load() }

// obtain returns the item's data, and an error if they are not such as hold now: the last good data stay, and their age
// is for the reader to judge.
func (c *Checker) obtain(ctx context.Context, it *item, q Query) (data, error) {
	if q.kept {
		return c.lookUp(it, q)
	}
	err := c.procure(ctx, it, q)
	c.mu.Lock()
	defer c.mu.Unlock()
	return data{crl: it.crl, response: it.response}, err
}

// lookUp is obtain without the network.
func (c *Checker) lookUp(it *item, q Query) (data, error) {
	c.mu.Lock()
	unread := it.onDisk && it.crl == nil && it.response == nil
	if unread && it.flight != nil {
		// Somebody fetches its successor and may take long. What is on disk is read beside him.
		beside := &item{id: it.id, cert: it.cert, issuer: it.issuer, signer: it.signer}
		c.mu.Unlock()
		return c.readBeside(beside)
	}
	if unread {
		it.flight = make(chan struct{})
		c.mu.Unlock()
		c.load(it)
		c.mu.Lock()
		close(it.flight)
		it.flight = nil
	}
	defer c.mu.Unlock()
	d := data{crl: it.crl, response: it.response}
	now := time.Now()
	if it.inForce(now) {
		c.poke() // it may have been passed over while it was read
		return d, nil
	}
	if c.o.Fetch == nil {
		return d, &unaskedError{URL: it.id.URL, Cause: errNobodyAsked}
	}
	if it.issuer == nil {
		again := q
		again.kept, again.At = false, time.Time{}
		it.wanted = &again
	}
	if it.failures == 0 {
		it.due = now
	}
	c.poke()
	if it.lastErr != nil {
		return d, it.lastErr
	}
	return d, &unaskedError{URL: it.id.URL, Cause: errNotAskedYet}
}

// readBeside reads the data of a copy of an item.
func (c *Checker) readBeside(it *item) (data, error) {
	der, err := readBounded(filepath.Join(c.o.Dir, it.id.file()+dataEnding), c.limitOf(it.id))
	var d data
	if err == nil {
		d, err = it.recheck(der)
	}
	if err != nil {
		return data{}, err
	}
	it.crl, it.response, it.thisUpdate, it.nextUpdate = d.crl, d.response, d.thisUpdate, d.nextUpdate
	if !it.inForce(time.Now()) {
		return d, &unaskedError{URL: it.id.URL, Cause: errNotAskedYet}
	}
	return d, nil
}

// limitOf is the most that the data of a source may take.
func (c *Checker) limitOf(id sourceID) int64 {
	if id.Method == MethodCRL {
		return c.o.MaxListBytes
	}
	return MaxOCSPBytes
}

// unaskedError says of an address why nothing is known from it, although it did not fail.
type unaskedError struct {
	URL   string
	Cause error
}

func (e *unaskedError) Error() string { return e.URL + ": " + e.Cause.Error() }

// Unwrap gives the cause.
func (e *unaskedError) Unwrap() error { return e.Cause }

// changed is called with mu held when d takes the place of what the item has.
func (c *Checker) changed(it *item, d data, now time.Time) {
	same := it.inForce(now)
	switch {
	case !same:
	case d.crl != nil:
		same = it.crl == d.crl
	default:
		same = it.response != nil && it.response.says(it.cert, it.issuer) == d.response.says(d.cert, d.issuer)
	}
	if !same {
		c.generation.Add(1)
	}
}

// failed is called with mu held when an item could not be fetched. The reason of an unknown status is another then; who
// has data that hold does not notice.
func (c *Checker) failed(it *item, err error) {
	it.failures++
	it.failing = cmp.Or(it.failing, time.Now())
	first := it.lastErr == nil || it.lastErr.Error() != err.Error()
	it.lastErr = err
	it.due = time.Now().Add(backoff(it.failures))
	if first && !it.inForce(time.Now()) {
		c.generation.Add(1)
	}
}
