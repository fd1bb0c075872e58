package front

import (
	"container/list"
	"net/netip"
)

// slots are the places for connections on one listener.
//
// A connection that waits for its client before login is "silent" and stands in three queues, of the pool, of
// the listener and of its address, in the order in which the silence began. Silence is ended by a whole
// command, or a whole block of a message, not by a byte: whoever sends one byte a second gains nothing. When
// there is no room, the first of the queue goes that is waiting at this moment.
type slots struct {
	max, perAddress int
	counters        *Counters
	pool            *Pool

	// pool.mu guards what follows and every slot's fields.
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
	slots   *slots
	address netip.Prefix
	evict   func()           // ends the connection without blocking; called at most once
	places  [3]*list.Element // in the queues; nil while not silent
	files   int              // what it holds of the pool
	idle    bool             // waits for its client at this moment
	spoke   bool             // the client has said something whole
	kept    bool             // logged in: never silent again
	left    bool             // sent away: its place is another's, its files are not closed yet
	freed   bool
}

func newSlots(limits Limits, counters *Counters, pool *Pool) *slots {
	if pool == nil {
		pool = NewPool(0)
	}
	return &slots{max: limits.Connections, perAddress: limits.PerAddress, counters: counters, pool: pool, byAddress: map[netip.Prefix]*addressSlots{}}
}

// take finds a place for a connection from addr, sending away the one that has been silent longest if it
// must. It returns nil when nobody can go.
func (s *slots) take(addr netip.Addr, evict func()) *slot {
	p := &slot{slots: s, address: addressKey(addr), evict: evict, files: 1}
	s.pool.mu.Lock()
	victims, ok := s.roomLocked(p.address)
	if ok {
		here := s.byAddress[p.address]
		if here == nil {
			here = &addressSlots{}
			s.byAddress[p.address] = here
		}
		here.used++
		s.used++
		s.pool.held++
	}
	s.pool.mu.Unlock()
	for _, victim := range victims {
		victim.sendAway()
	}
	if !ok {
		return nil
	}
	return p
}

// roomLocked makes room for one from address, and returns whom the caller has to send away for it.
func (s *slots) roomLocked(address netip.Prefix) (victims []*slot, ok bool) {
	if s.pool.held >= s.pool.most+s.pool.slack {
		s.pool.refused.Add(1) // no use in sending somebody away: those who go have not closed yet
		return nil, false
	}
	var victim *slot
	here := s.byAddress[address]
	switch {
	// The address first: taking its own oldest makes room on the listener and in the pool as well.
	case here != nil && here.used >= s.perAddress:
		if victim = oldest(&here.silent); victim == nil {
			return nil, false
		}
	case s.used >= s.max:
		if victim = oldest(&s.silent); victim == nil {
			return nil, false
		}
	}
	if victim != nil {
		victim.leaveLocked()
		victims = append(victims, victim)
	}
	victim, ok = s.pool.roomLocked()
	switch {
	case !ok:
		s.pool.refused.Add(1)
	case victim != nil:
		victim.leaveLocked()
		victims = append(victims, victim)
		s.pool.evicted.Add(1)
	}
	return victims, ok
}

// oldest is the first of a queue that waits; those before it are at work with what they were sent so far,
// and could not end at once.
func oldest(queue *list.List) *slot {
	for e := queue.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*slot); p.idle {
			return p
		}
	}
	return nil
}

// evictUnheard sends away everyone who has not said anything yet.
func (s *slots) evictUnheard() {
	s.pool.mu.Lock()
	var gone []*slot
	for e := s.silent.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*slot); !p.spoke {
			gone = append(gone, p)
		}
	}
	for _, p := range gone {
		p.leaveLocked()
	}
	s.pool.mu.Unlock()
	for _, p := range gone {
		p.evict()
	}
}

// waits says that the connection now waits for its client; it joins the end of the queues, or keeps its place.
func (p *slot) waits() {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	if p.left || p.freed || p.kept {
		return
	}
	p.idle = true
	if p.places[0] == nil {
		for i, queue := range p.queuesLocked() {
			p.places[i] = queue.PushBack(p)
		}
	}
}

// heard says that the wait is over. The connection keeps its place in the queues for the next wait: what the
// client has sent may be a part only.
func (p *slot) heard() {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	p.idle = false
}

// works says that the client has sent something whole; the next wait begins at the end of the queues.
func (p *slot) works() {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	p.spoke = true
	p.unqueueLocked()
}

// keep says that the client has logged in; false when it has just been sent away.
func (p *slot) keep() bool {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	p.unqueueLocked()
	p.kept = !p.left && !p.freed
	return p.kept
}

// more takes another file, for a back end. It returns false when there is none and nobody can go.
func (p *slot) more() bool {
	pool := p.slots.pool
	pool.mu.Lock()
	if p.left || p.freed {
		pool.mu.Unlock()
		return false
	}
	victim, ok := pool.roomLocked()
	if ok {
		p.files++
		pool.held++
	}
	if victim != nil {
		victim.leaveLocked()
	}
	pool.mu.Unlock()
	switch {
	case !ok:
		pool.refused.Add(1)
	case victim != nil:
		pool.evicted.Add(1)
		victim.sendAway()
	}
	return ok
}

// less gives a file of more back.
func (p *slot) less() {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	p.lessLocked(1)
}

// free gives the place back, and every file. It may be called again.
func (p *slot) free() {
	p.slots.pool.mu.Lock()
	defer p.slots.pool.mu.Unlock()
	p.vacateLocked()
	p.lessLocked(p.files)
	p.freed = true
}

// sendAway ends the session of a slot that has left.
func (p *slot) sendAway() {
	p.slots.counters.Evicted.Add(1)
	p.evict()
}

// leaveLocked gives the place to another while the files are still open.
func (p *slot) leaveLocked() {
	p.vacateLocked()
	if !p.left && !p.freed {
		p.left = true
		p.slots.pool.leaving += p.files
	}
}

func (p *slot) lessLocked(files int) {
	if p.freed {
		return
	}
	p.files -= files
	p.slots.pool.held -= files
	if p.left {
		p.slots.pool.leaving -= files
	}
}

// vacateLocked gives the place back.
func (p *slot) vacateLocked() {
	p.unqueueLocked()
	if p.left || p.freed {
		return
	}
	p.slots.used--
	here := p.slots.byAddress[p.address]
	here.used--
	if here.used == 0 {
		delete(p.slots.byAddress, p.address)
	}
}

func (p *slot) unqueueLocked() {
	p.idle = false
	if p.places[0] == nil {
		return
	}
	for i, queue := range p.queuesLocked() {
		queue.Remove(p.places[i])
		p.places[i] = nil
	}
}

func (p *slot) queuesLocked() [3]*list.List {
	return [3]*list.List{&p.slots.pool.silent, &p.slots.silent, &p.slots.byAddress[p.address].silent}
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
