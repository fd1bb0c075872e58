package desk

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"postseal/internal/issue/ocsp"
)

// atOnce bounds how many strangers are answered at once from below /pki/, and atOnceOfOne how many of one address (of one
// network of IPv6). An answer that the system takes whole needs a fraction of a millisecond, so who is turned away comes in
// a second later. A longer one takes as long as its reader lets it: such readers have a room of their own, where they keep
// nobody from a question of OCSP, and a time that grows with the list. Each holds a file open.
const (
	atOnce          = 256
	atOnceOfOne     = atOnce / 4
	longAtOnce      = 1024
	longAtOnceOfOne = 32

	longAnswer = 16 << 10 // what the system takes for a client that reads nothing
	// longBegins and longBytesPerSecond make the time for a long answer, at most what every answer has.
	longBegins         = 10 * time.Second
	longBytesPerSecond = 64 << 10
	longLonger         = 2 * time.Minute
)

// room counts who is inside. The zero value is empty.
type room struct {
	// mu guards what follows.
	mu     sync.Mutex
	inside int
	of     map[netip.Prefix]int
}

// enter reports whether there was room for one from there, where so many may be inside, and so many of one; then leave must
// be called.
func (r *room) enter(from netip.Prefix, all, ofOne int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside >= all || r.of[from] >= ofOne {
		return false
	}
	if r.of == nil {
		r.of = make(map[netip.Prefix]int)
	}
	r.inside++
	r.of[from]++
	return true
}

func (r *room) leave(from netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	if r.of[from]--; r.of[from] == 0 {
		delete(r.of, from)
	}
}

// neighbourhood is who counts as one: an address of IPv4, or the /64 that one customer has in IPv6.
func neighbourhood(r *http.Request) netip.Prefix {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // no network: they are all one
	}
	addr, bits := a.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// comeWhole reads what a stranger sends along, which is a question of OCSP or nothing. It is read before he is let in: who
// sends one octet and rests would hold a place otherwise. False: he was refused.
func comeWhole(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.ContentLength == 0 {
		return r, true
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Connection", "close") // or net/http waits for what was announced
		http.Error(w, "want no body", http.StatusBadRequest)
		return r, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, ocsp.MaxRequestBytes+1)) // the responder refuses what is longer
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "the body did not come whole", http.StatusBadRequest)
		return r, false
	}
	read := r.WithContext(r.Context()) // a copy: net/http looks at the body of its own
	read.Body = io.NopCloser(bytes.NewReader(body))
	return read, true
}

// tooMany sends one away who comes again.
func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many at once", http.StatusServiceUnavailable)
}

// longTime is the time for a long answer.
func longTime(size int64) time.Duration {
	return min(longBegins+time.Duration(size/longBytesPerSecond)*time.Second, longLonger)
}
