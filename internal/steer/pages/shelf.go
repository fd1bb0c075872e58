package pages

import (
	"crypto/rand"
	"sync"
	"time"
)

const (
	// shelfLife is how long something lies on a shelf.
	shelfLife = 30 * time.Minute
	// maxShelved bounds the things on a shelf, maxDraftBytes what they weigh together: a file or two of the largest.
	maxShelved    = 256
	maxDraftBytes = 160 << 20
)

// shelf keeps what one page hands to the next, in memory and for a short time: files and passwords that wait to be
// confirmed must neither travel back through the browser nor touch the disk. Each thing belongs to a session. When
// there is no room the oldest goes; its owner is told to begin anew.
type shelf[T any] struct {
	most int64
	wipe func(T) // clears what is thrown away; nil for nothing to clear

	mu     sync.Mutex // guards what follows
	things map[string]shelved[T]
	order  []string // ids, the oldest first; some may be gone
	weight int64
}

type shelved[T any] struct {
	session string
	until   time.Time
	weight  int64
	thing   T
}

func newShelf[T any](most int64, wipe func(T)) *shelf[T] {
	return &shelf[T]{most: most, wipe: wipe, things: make(map[string]shelved[T])}
}

// put lays a thing of some weight down for a session, and returns what it is asked for by.
func (s *shelf[T]) put(session string, thing T, weight int64) (id string) {
	id = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.things[id] = shelved[T]{session, time.Now().Add(shelfLife), weight, thing}
	s.order = append(s.order, id)
	s.weight += weight
	for len(s.order) > 1 && (len(s.order) > maxShelved || s.weight > s.most || s.ended(s.order[0])) {
		s.throw(s.order[0])
		s.order = s.order[1:]
	}
	// What nobody comes back for must not lie in memory until the next visitor.
	time.AfterFunc(shelfLife, s.sweep)
	return id
}

// sweep throws away what has lain too long.
func (s *shelf[T]) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 && s.ended(s.order[0]) {
		s.throw(s.order[0])
		s.order = s.order[1:]
	}
}

// look returns a thing of the session's.
func (s *shelf[T]) look(session, id string) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.things[id]
	if !ok || got.session != session || s.ended(id) {
		return thing, false
	}
	return got.thing, true
}

// take returns a thing of the session's, once.
func (s *shelf[T]) take(session, id string) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.things[id]
	if !ok || got.session != session || s.ended(id) {
		return thing, false
	}
	s.drop(id)
	return got.thing, true
}

// forget drops everything of a session.
func (s *shelf[T]) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, got := range s.things {
		if got.session == session {
			s.throw(id)
		}
	}
}

// ended says whether a thing is gone or has lain too long; mu is held.
func (s *shelf[T]) ended(id string) bool {
	got, ok := s.things[id]
	return !ok || !time.Now().Before(got.until)
}

// throw takes a thing away that nobody will have; mu is held.
func (s *shelf[T]) throw(id string) {
	if got, ok := s.things[id]; ok && s.wipe != nil {
		s.wipe(got.thing)
	}
	s.drop(id)
}

// drop takes a thing away; mu is held.
func (s *shelf[T]) drop(id string) {
	s.weight -= s.things[id].weight
	delete(s.things, id)
}
