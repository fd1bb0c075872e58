package acmeserver

import (
	"sync"
	"time"
)

// maxCounted bounds for how many a limit remembers what they did. Beyond, the one that was quiet longest is forgotten.
const maxCounted = 10_000

// How many messages are read at once: of all, and of one address. A message comes in a moment, unless its sender lets it
// wait; over HTTP/2 one address could let sixty thousand wait.
const (
	maxReading      = 1024
	maxReadingOfOne = 128
)

// reading counts the messages that are being read. The zero value is ready.
type reading struct {
	// mu guards what follows.
	mu  sync.Mutex
	all int
	of  map[string]int
}

// enter reports whether there is room for one from there; then leave must be called.
func (r *reading) enter(from string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= maxReading || r.of[from] >= maxReadingOfOne {
		return false
	}
	if r.of == nil {
		r.of = make(map[string]int)
	}
	r.all++
	r.of[from]++
	return true
}

func (r *reading) leave(from string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.of[from]--; r.of[from] == 0 {
		delete(r.of, from)
	}
}

// limit lets each of many do something so many times an hour, all at once or one after the other.
type limit struct {
	perHour float64

	// mu guards buckets.
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// take counts once for who, and says how long he must wait if that is too often: then it did not count.
func (l *limit) take(who string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b, ok := l.buckets[who]
	if !ok {
		if l.buckets == nil {
			l.buckets = make(map[string]*bucket)
		}
		if len(l.buckets) >= maxCounted {
			l.forget(now)
		}
		b = &bucket{left: l.perHour, at: now}
		l.buckets[who] = b
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(l.perHour, b.left+passed.Hours()*l.perHour)
	}
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / l.perHour * float64(time.Hour))
	}
	b.left--
	return 0
}

// forget drops whoever is as if he had done nothing, or else the one that was quiet longest.
func (l *limit) forget(now time.Time) {
	var oldest string
	var at time.Time
	for who, b := range l.buckets {
		if now.Sub(b.at) >= time.Hour {
			delete(l.buckets, who)
			continue
		}
		if oldest == "" || b.at.Before(at) {
			oldest, at = who, b.at
		}
	}
	if len(l.buckets) >= maxCounted {
		delete(l.buckets, oldest)
	}
}

// giveBack uncounts one.
func (l *limit) giveBack(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets[who]; ok {
		b.left = min(l.perHour, b.left+1)
	}
}
