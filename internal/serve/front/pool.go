package front

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Pool bounds the file descriptors that the clients of a process hold on all its listeners together. A
// listener's own limit does not: ten listeners below theirs can still take every file, and then nobody can
// connect, log in, or manage the server.
//
// A client holds one file, and another while its session has a back end. When the pool is full, the session
// that has been silent longest before login has to go, whichever listener it is on. What the pool does not
// give away is left for the state, the socket of the command line and the management pages, which have a
// pool of their own.
//
// It is made by [NewPool] and shared: the Pool field of [Listener] and [Web].
type Pool struct {
	most, slack int

	evicted, refused, exhausted atomic.Int64

	// mu guards what follows, and all slots and addresses of every listener that shares the pool. It is never
	// held across I/O or a call to evict.
	mu      sync.Mutex
	held    int       // files that are open, those of leaving sessions too
	leaving int       // of these, files of sessions that were sent away and have not closed yet
	silent  list.List // of *slot, the longest silent first
}

// NewPool returns a pool of percent per cent of RLIMIT_NOFILE, but of 16 files at least; zero means 60. Where
// the system sets no limit, or does not tell it, the pool is bounded all the same.
func NewPool(percent int) *Pool {
	if percent <= 0 {
		percent = 60
	}
	return newPool(max(16, filesAllowed()*percent/100))
}

func newPool(files int) *Pool {
	return &Pool{most: files, slack: max(16, files/16)}
}

// filesAllowed is how many files this process may open.
func filesAllowed() int {
	const most = 1 << 20
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 1000 // of the customary 1,024
	}
	return int(min(files.Cur, most))
}

// PoolCount is what a Pool held at one moment, for status pages and JSON.
type PoolCount struct {
	Files     int   `json:"files"`     // held now
	Most      int   `json:"most"`      // the limit
	Silent    int   `json:"silent"`    // sessions that wait for their client before login: who would go
	Evicted   int64 `json:"evicted"`   // sent away, ever, since the pool was full or the process out of files
	Refused   int64 `json:"refused"`   // newcomers and back ends without a file, ever, since nobody could be sent away
	Exhausted int64 `json:"exhausted"` // times that the system had no file for a newcomer
}

// Full says that a newcomer costs another its place.
func (c PoolCount) Full() bool { return c.Files >= c.Most }

// Snapshot tells how full the pool is. A nil *Pool holds nothing.
func (p *Pool) Snapshot() PoolCount {
	if p == nil {
		return PoolCount{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolCount{Files: p.held, Most: p.most, Silent: p.silent.Len(), Evicted: p.evicted.Load(), Refused: p.refused.Load(), Exhausted: p.exhausted.Load()}
}

// roomLocked finds out who has to go so that one more file can be held; ok is false when nobody can. Sessions
// that were sent away need a moment to close, so the pool may hold a little more than its limit, but no more.
func (p *Pool) roomLocked() (victim *slot, ok bool) {
	switch {
	case p.held >= p.most+p.slack:
		return nil, false
	case p.held-p.leaving < p.most:
		return nil, true
	}
	victim = oldest(&p.silent)
	return victim, victim != nil
}

// settle waits until sessions that were sent away have closed, for a second at most. In a flood, connections
// come faster than others can go; those to come wait better with the system than in our files.
func (p *Pool) settle(ctx context.Context) {
	for range 200 {
		p.mu.Lock()
		crowded := p.held >= p.most+p.slack
		p.mu.Unlock()
		if !crowded || ctx.Err() != nil {
			return
		}
		wait(ctx, 5*time.Millisecond)
	}
}

// relieve sends some sessions away because the system has no more files, whatever the pool thinks of it. It
// returns how many went.
func (p *Pool) relieve() int {
	const some = 8
	p.exhausted.Add(1)
	var gone []*slot
	p.mu.Lock()
	for victim := oldest(&p.silent); victim != nil && len(gone) < some; victim = oldest(&p.silent) {
		victim.leaveLocked()
		gone = append(gone, victim)
	}
	p.mu.Unlock()
	p.evicted.Add(int64(len(gone)))
	for _, victim := range gone {
		victim.sendAway()
	}
	return len(gone)
}
