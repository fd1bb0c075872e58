// Package door slows down those who try tokens and sign-in links.
//
// Both have 256 random bits, so nobody guesses one; what is kept small is the work that trying costs us, and the
// noise. An address (IPv6: its /64, which is one customer) that shows [Tries] bad ones is locked out for a minute,
// then two, four and so on up to an hour, and starts anew after a quiet day. All strangers together have
// [TriesOfAll] a minute; an address that has shown a good one in the last day does not count among them, so they
// cannot keep an administrator out. Nothing here stands before the Unix socket: whoever sits at the machine gets
// in, always.
//
// What is remembered is bounded: [Remembered] addresses, the longest quiet one is forgotten first.
//
// Behind a reverse proxy all have its address. They share one lock then: the proxy must do this work itself.
package door

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// The limits.
const (
	Tries      = 10   // bad ones of an address before it is locked out
	TriesOfAll = 120  // bad ones a minute, of all addresses that have shown no good one
	Remembered = 4096 // addresses
)

const (
	firstLock = time.Minute
	longest   = time.Hour
	quiet     = 24 * time.Hour
)

// Door remembers who has shown what. The zero value is ready; its methods may be called from any goroutine.
type Door struct {
	// mu guards what follows. It is never held across I/O.
	mu      sync.Mutex
	known   map[netip.Addr]*list.Element // of visitors, the one that was seen last first
	order   list.List
	minute  time.Time // when the count of all began
	ofAll   int
	refused uint64
}

type visitor struct {
	at     netip.Addr
	seen   time.Time
	good   time.Time // when it last showed a good one; zero for never
	bad    int       // since the last lock
	locks  int
	locked time.Time // until when
}

// Key is the address that is counted: an IPv6 address stands for its /64, an IPv4 address in IPv6 for itself.
func Key(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// Wait says how long somebody must wait before he may try; 0 for now.
func (d *Door) Wait(addr netip.Addr) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	v := d.look(Key(addr), now)
	switch {
	case v != nil && v.locked.After(now):
		d.refused++
		return v.locked.Sub(now)
	case v != nil && !v.good.IsZero() && now.Sub(v.good) < quiet:
		return 0
	case now.Sub(d.minute) < time.Minute && d.ofAll >= TriesOfAll:
		d.refused++
		return time.Minute - now.Sub(d.minute)
	}
	return 0
}

// look finds what is remembered of an address, unless it has been quiet for a day.
func (d *Door) look(at netip.Addr, now time.Time) *visitor {
	e, ok := d.known[at]
	if !ok {
		return nil
	}
	v := e.Value.(*visitor)
	if now.Sub(v.seen) >= quiet {
		d.order.Remove(e)
		delete(d.known, at)
		return nil
	}
	return v
}

// touch finds or begins what is remembered of an address.
func (d *Door) touch(at netip.Addr, now time.Time) *visitor {
	if d.known == nil {
		d.known = make(map[netip.Addr]*list.Element)
	}
	if v := d.look(at, now); v != nil {
		v.seen = now
		d.order.MoveToFront(d.known[at])
		return v
	}
	for len(d.known) >= Remembered {
		oldest := d.order.Back()
		delete(d.known, oldest.Value.(*visitor).at)
		d.order.Remove(oldest)
	}
	v := &visitor{at: at, seen: now}
	d.known[at] = d.order.PushFront(v)
	return v
}

// Bad counts a bad token or link.
func (d *Door) Bad(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if now.Sub(d.minute) >= time.Minute {
		d.minute, d.ofAll = now, 0
	}
	v := d.touch(Key(addr), now)
	if v.good.IsZero() || now.Sub(v.good) >= quiet {
		d.ofAll++
	}
	if v.bad++; v.bad >= Tries {
		lock := longest
		if v.locks < 6 {
			lock = firstLock << v.locks
		}
		v.bad, v.locked = 0, now.Add(lock)
		v.locks++
	}
}

// Good forgives an address what it has shown before.
func (d *Door) Good(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	v := d.touch(Key(addr), now)
	v.good, v.bad, v.locks, v.locked = now, 0, 0, time.Time{}
}

// Refused counts those who were told to wait, ever.
func (d *Door) Refused() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}
