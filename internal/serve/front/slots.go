package front

import (
	"container/list"
	"net/netip"
	"sync"
)

// slots are the places for connections on one listener.
//
// A connection that waits for its client before login is "silent" and stands in two queues, of the listener
// and of its address, in the order in which the silence began. Silence is ended by a whole command, not by a
// byte: whoever sends one byte a second gains nothing. When there is no room, the head of the queue goes.
type slots struct {
	max, perAddress int
	counters        *Counters

	// mu guards what follows and every slot's fields. It is never held across I/O or a call to evict.
	mu        sync.Mutex
	used      int
	silent    list.List // of *slot
	byAddress map[netip.Prefix]*addressSlots
}

type addressSlots struct {
	used   int
	silent list.List // of *slot
}

// slot is the place of one connection.
type slot struct {
	slots     *slots
	address   netip.Prefix
	evict     func()        // ends the connection without blocking; called at most once
	all, here *list.Element // places in the queues; nil while not silent
	kept      bool          // logged in: never silent again
	freed     bool
}

func newSlots(limits Limits, counters *Counters) *slots {
	return &slots{max: limits.Connections, perAddress: limits.PerAddress, counters: counters, byAddress: map[netip.Prefix]*addressSlots{}}
}

// take finds a place for a connection from addr, sending away the one that has been silent longest if it
// must. It returns nil when nobody can go.
func (s *slots) take(addr netip.Addr, evict func()) *slot {
	key := addressKey(addr)
	s.mu.Lock()
	here := s.byAddress[key]
	if here == nil {
		here = &addressSlots{}
	}
	var victim *slot
	switch {
	// The address first: taking its own oldest makes room on the listener as well.
	case here.used >= s.perAddress:
		victim = oldest(&here.silent)
		if victim == nil {
			s.mu.Unlock()
			return nil
		}
	case s.used >= s.max:
		victim = oldest(&s.silent)
		if victim == nil {
			s.mu.Unlock()
			return nil
		}
	}
	if victim != nil {
		victim.freeLocked()
	}
	s.byAddress[key] = here // freeLocked may have dropped it
	here.used++
	s.used++
	s.mu.Unlock()
	if victim != nil {
		s.counters.Evicted.Add(1)
		victim.evict()
	}
	return &slot{slots: s, address: key, evict: evict}
}

func oldest(queue *list.List) *slot {
	if head := queue.Front(); head != nil {
		return head.Value.(*slot)
	}
	return nil
}

// evictSilent sends away everyone who waits.
func (s *slots) evictSilent() {
	s.mu.Lock()
	var gone []*slot
	for victim := oldest(&s.silent); victim != nil; victim = oldest(&s.silent) {
		victim.freeLocked()
		gone = append(gone, victim)
	}
	s.mu.Unlock()
	for _, victim := range gone {
		victim.evict()
	}
}

// waits says that the connection now waits for its client; it joins the end of the queues.
func (p *slot) waits() {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	if p.freed || p.kept || p.all != nil {
		return
	}
	p.all = p.slots.silent.PushBack(p)
	p.here = p.slots.byAddress[p.address].silent.PushBack(p)
}

// works says that the client has spoken; the connection cannot be sent away until it waits again.
func (p *slot) works() {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	p.leaveLocked()
}

// keep says that the client has logged in.
func (p *slot) keep() {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	p.leaveLocked()
	p.kept = true
}

// free gives the place back. It may be called again.
func (p *slot) free() {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	p.freeLocked()
}

func (p *slot) leaveLocked() {
	if p.all == nil {
		return
	}
	p.slots.silent.Remove(p.all)
	p.slots.byAddress[p.address].silent.Remove(p.here)
	p.all, p.here = nil, nil
}

func (p *slot) freeLocked() {
	if p.freed {
		return
	}
	p.leaveLocked()
	p.freed = true
	p.slots.used--
	here := p.slots.byAddress[p.address]
	here.used--
	if here.used == 0 {
		delete(p.slots.byAddress, p.address)
	}
}

// addressKey is what counts as one address: an IPv4 address, or the /64 that one IPv6 customer has to himself.
func addressKey(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	key, err := addr.Prefix(bits)
	if err != nil { // no IP address at all, as with a pipe: they are all one
		return netip.Prefix{}
	}
	return key
}
