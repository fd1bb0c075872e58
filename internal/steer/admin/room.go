package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	// atOnce is how many requests of each sort that takes much are served at the same time. One with 64 MiB of files takes
	// three times that in memory, a look at 25 hosts two hundred connections, a plan of ten thousand names seconds; a
	// listener lets in hundreds of requests, whoever sends them.
	atOnce = 2
	// roomWait is how long a request waits for room.
	roomWait = 20 * time.Second
	// bodyBegins is how much later its body must begin.
	bodyBegins = 10 * time.Second
)

// room bounds what requests that take much have at the same time. A place is kept until the request is answered.
type room chan struct{}

// rooms are of one door. Looks do not stand in the way of certificates that are brought, and neither do thoughts: acts
// that keep a processor busy for seconds, and that a token of the scope read may ask for.
type rooms struct{ files, looks, thoughts room }

func newRooms() rooms { return rooms{make(room, atOnce), make(room, atOnce), make(room, atOnce)} }

// of is the room that an act waits for; nil if it takes little.
func (r rooms) of(act string) room {
	switch {
	case bringsFiles(act):
		return r.files
	case act == "check/run":
		return r.looks
	case act == "plan/show", act == "audit/verify":
		return r.thoughts
	}
	return nil
}

// enter lets the request of w wait for a place; a room that is nil has always one. The error is [ErrBusy], or that of ctx.
func (r room) enter(ctx context.Context, w http.ResponseWriter) (leave func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	leave = func() { <-r }
	select {
	case r <- struct{}{}:
		return leave, nil
	default:
	}
	// The listener wants to see the body begin within seconds, and in HTTP/2 what was too late once stays so. Where no
	// deadline can be set, as without a network, there is none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(roomWait + bodyBegins))
	late := time.NewTimer(roomWait)
	defer late.Stop()
	select {
	case r <- struct{}{}:
		return leave, nil
	case <-late.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// busy answers a request for which there is no room.
func busy(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds(roomWait)))
	answer(w, http.StatusServiceUnavailable, ProblemOf(err))
}
