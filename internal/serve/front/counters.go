package front

import "sync/atomic"

// Counters count what happens on one listener. The zero value is ready; all methods and fields may be used
// from any goroutine. A nil *Counters in a Listener counts nowhere.
type Counters struct {
	Sessions          atomic.Int64 // accepted and admitted, ever
	Current           atomic.Int64 // open now
	Logins            atomic.Int64 // logged in at the back end
	LoginFailures     atomic.Int64 // refused by the back end
	BackendFailures   atomic.Int64 // logins that no back end could answer
	HandshakeFailures atomic.Int64
	Injected          atomic.Int64 // plaintext sent ahead of a TLS handshake
	Refused           atomic.Int64 // turned away at the door: no room
	Evicted           atomic.Int64 // silent before login, made room for a newcomer
	Panics            atomic.Int64
}

// Count is what Counters held at one moment, for status pages and JSON.
type Count struct {
	Sessions          int64 `json:"sessions"`
	Current           int64 `json:"current"`
	Logins            int64 `json:"logins"`
	LoginFailures     int64 `json:"loginFailures"`
	BackendFailures   int64 `json:"backendFailures"`
	HandshakeFailures int64 `json:"handshakeFailures"`
	Injected          int64 `json:"injected"`
	Refused           int64 `json:"refused"`
	Evicted           int64 `json:"evicted"`
	Panics            int64 `json:"panics"`
}

// Snapshot reads every counter once. The numbers are each right, but not of one common instant.
func (c *Counters) Snapshot() Count {
	if c == nil {
		return Count{}
	}
	return Count{
		Sessions:          c.Sessions.Load(),
		Current:           c.Current.Load(),
		Logins:            c.Logins.Load(),
		LoginFailures:     c.LoginFailures.Load(),
		BackendFailures:   c.BackendFailures.Load(),
		HandshakeFailures: c.HandshakeFailures.Load(),
		Injected:          c.Injected.Load(),
		Refused:           c.Refused.Load(),
		Evicted:           c.Evicted.Load(),
		Panics:            c.Panics.Load(),
	}
}
