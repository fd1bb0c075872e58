package revocation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// mostWait is the longest that kept data are not asked for again. Many lists hold for a month and are made anew
	// every day, and it is the new one that revokes.
	mostWait  = 12 * time.Hour
	leastWait = 5 * time.Minute // for a server that goes on sending what has nearly run out
	// forgetAfter is how long data are fetched anew that nobody asks for.
	forgetAfter = 30 * 24 * time.Hour
	// fetchers is how many servers Run asks at a time, so that one that hangs does not hold up the others.
	fetchers = 4

	firstBackoff = time.Minute
	mostBackoff  = time.Hour
)

// backoff is how long to wait after n failures in a row: a minute, doubled each time, at most an hour, and a quarter
// more or less so that servers do not come back all at once.
func backoff(n int) time.Duration {
	d := mostBackoff
	if n < 7 {
		d = min(firstBackoff<<(n-1), mostBackoff)
	}
	return d*3/4 + rand.N(d/2)
}

// refreshAt is when the successor of the data is fetched: in the fourth quarter of the time for which they hold, and
// not later than mostWait after they were fetched.
func (it *item) refreshAt(now time.Time) time.Time {
	if it.fetched.After(now) {
		return now // the clock was ahead then; whatever is counted from that moment would keep us waiting for it
	}
	end := it.nextUpdate
	if end.IsZero() {
		end = it.thisUpdate.Add(maxAgeWithoutNext)
	}
	span := max(end.Sub(it.thisUpdate), 0)
	at := it.thisUpdate.Add(span*3/4 + rand.N(span/8+1))
	if latest := it.fetched.Add(mostWait*7/8 + rand.N(mostWait/8)); at.After(latest) {
		at = latest
	}
	if !at.After(it.fetched) {
		// They were fetched late, or the server had nothing newer: half of what is left, and again half of that.
		at = it.fetched.Add(end.Sub(it.fetched) / 2)
	}
	if earliest := it.fetched.Add(leastWait); at.Before(earliest) {
		at = earliest
	}
	if at.Before(now) {
		at = now
	}
	return at
}

// poke tells Run that something may be due earlier than it knows.
func (c *Checker) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run fetches what is kept anew before it runs out, and forgets what nobody has asked about for 30 days. It blocks
// until ctx ends, and returns its cause. It need not run: without it, Check
// fetches what has run out, and Kept knows nothing new.
func (c *Checker) Run(ctx context.Context) error {
	for {
		due, next := c.due(time.Now())
		c.refresh(ctx, due)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(due) > 0 {
			continue
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		case <-c.wake:
			timer.Stop()
		}
	}
}

// due are the items to fetch now, and when to look again if there are none. Items that nobody uses are forgotten.
func (c *Checker) due(now time.Time) (due []*item, next time.Time) {
	next = now.Add(mostWait)
	var gone []*item
	c.mu.Lock()
	for key, it := range c.items {
		switch {
		case it.flight != nil || it.issuer == nil && it.wanted == nil: // somebody is at it, or there is nothing to ask for
			if it.flight == nil && now.Sub(it.used) > forgetAfter {
				delete(c.items, key)
			}
		case now.Sub(it.used) > forgetAfter:
			delete(c.items, key)
			gone = append(gone, it)
		case !it.due.After(now):
			due = append(due, it)
		case it.due.Before(next):
			next = it.due
		}
	}
	c.mu.Unlock()
	if err := c.remove(gone); err != nil {
		c.log.Error("revocation data not removed from disk", "err", err)
	}
	return due, next
}

// refresh fetches the items, a few at a time, and returns when all are done.
func (c *Checker) refresh(ctx context.Context, due []*item) {
	var wg sync.WaitGroup
	places := make(chan struct{}, fetchers)
	for _, it := range due {
		c.mu.Lock()
		if it.flight != nil {
			c.mu.Unlock()
			continue // somebody was faster
		}
		it.flight = make(chan struct{})
		q := it.query()
		if it.issuer == nil {
			q = *it.wanted
		}
		c.mu.Unlock()
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if it.onDisk && it.crl == nil && it.response == nil {
				c.load(it) // the times of the record are not signed, and what is fetched must not be older
			}
			// The error is in the item and in the log.
			err := c.fetch(ctx, it, q)
			c.mu.Lock()
			if err != nil && !it.due.After(time.Now()) {
				it.due = time.Now().Add(backoff(1)) // nobody is asked by this configuration
			}
			close(it.flight)
			it.flight = nil
			c.mu.Unlock()
		})
	}
	wg.Wait()
}
